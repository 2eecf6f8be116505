//! A phase of an experiment, and the choice of tables.

use std::fmt::{self, Display};
use std::path::PathBuf;

use super::diagnostic::Span;
use super::words::{DeadlineFrom, Draw, Keys, Kind, PhaseKind};

/// One `[[phase]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Unique name; `[a-z0-9_-]+`.
    pub name: String,
    /// Which operations there are, if any.
    pub work: Work,
    /// Start from the run's start, in microseconds. `None`: it starts when every phase before it has finished. Phases
    /// with a start come before those without, except that the first may have none.
    pub start_us: Option<u64>,
    /// Most operations in flight per origin, from 1; `None`: no limit.
    pub parallel: Option<u32>,
    /// Whether overhead counters start from zero. False for a phase with `start_us`.
    pub reset_overhead: bool,
    /// Time after which it is cut off, from its start, in microseconds.
    pub max_us: Option<u64>,
    /// Deadlines of an operation, in microseconds, in ascending order. `in_time` refers to the first.
    pub deadlines_us: Vec<u64>,
    /// Moment from which deadlines count.
    pub deadline_from: DeadlineFrom,
    /// Places of its keys in the text.
    pub spans: PhaseSpans,
}

impl Phase {
    /// Returns what the phase does.
    pub fn kind(&self) -> PhaseKind {
        match self.work {
            Work::Idle { .. } => PhaseKind::Idle,
            Work::Trace { kind, .. } | Work::Drawn { kind, .. } => PhaseKind::Operations(kind),
        }
    }

    /// Returns whether its operations are of this kind.
    pub fn does(&self, kind: Kind) -> bool {
        self.kind() == PhaseKind::Operations(kind)
    }

    /// Returns how long operations of the phase become due, or how long it lasts without any, in microseconds; `None` if a
    /// trace says so.
    pub fn length_us(&self) -> Option<u64> {
        match &self.work {
            Work::Idle { duration_us } => Some(*duration_us),
            Work::Drawn { pace, .. } => Some(pace.spread_us()),
            Work::Trace { .. } => None,
        }
    }

    /// Returns the time that it lasts at least, in microseconds.
    pub fn duration_us(&self) -> u64 {
        match self.work {
            Work::Idle { duration_us }
            | Work::Drawn {
                pace: Pace::Rate { duration_us, .. },
                ..
            } => duration_us,
            Work::Trace { .. } | Work::Drawn { .. } => 0,
        }
    }
}

/// Places of the keys of a phase in the text. A key that is absent has the default span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseSpans {
    /// Its name.
    pub name: Span,
    /// Its `origin`: the word, the size or the id.
    pub origin: Span,
    /// Its `count`, `count_each` or `rate_per_s`.
    pub count: Span,
    /// Its `start_ms`.
    pub start: Span,
    /// Its `withheld`.
    pub withheld: Span,
    /// Its `deadline_ms`.
    pub deadline: Span,
    /// Its `max_ms`.
    pub max: Span,
}

/// Where the operations of a phase come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// There are none.
    Idle {
        /// Time that the phase lasts, in microseconds.
        duration_us: u64,
    },
    /// From a table.
    Trace {
        /// What they do.
        kind: Kind,
        /// Absolute path.
        path: PathBuf,
        /// Place of the path in the text.
        span: Span,
    },
    /// Drawn from the experiment's seed.
    Drawn {
        /// What they do.
        kind: Kind,
        /// The nodes that operations start at.
        origin: Origin,
        /// How many there are, and when they are due.
        pace: Pace,
        /// What is looked up.
        keys: Keys,
        /// Index of the provide phase whose segments are retrieved, in
        /// [`Experiment::phases`](super::experiment::Experiment::phases). Only retrieve phases have it.
        segments: Option<usize>,
        /// Which of those segments.
        draw: Draw,
        /// Segments of a provide phase that are drawn but never provided. 0 for other phases.
        withheld: u64,
        /// Parts of each segment of a provide phase; retrieves draw parts. 1 for other phases.
        parts: u32,
    },
}

impl Work {
    /// Returns whether the number of operations is known before the phase begins. By rate it is drawn in each network.
    pub fn is_counted(&self) -> bool {
        match self {
            Self::Drawn { pace, .. } => pace.count().is_some(),
            Self::Idle { .. } | Self::Trace { .. } => true,
        }
    }
}

/// How many operations a phase has, and when they are due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// A number of operations.
    Count {
        /// Operations in all for [`Origin::Random`], per origin for the others.
        count: u64,
        /// Due times are uniform from 0 up to but below this, in microseconds. 0: all at once.
        spread_us: u64,
    },
    /// Operations with exponential gaps between their due times.
    Rate {
        /// Mean number of operations in a second, over all origins; finite, above 0.
        per_s: f64,
        /// Time from the phase's start in which they are due, in microseconds.
        duration_us: u64,
    },
}

impl Pace {
    /// No operations.
    pub(super) const NONE: Self = Self::Count {
        count: 0,
        spread_us: 0,
    };

    /// Returns the number of operations of `origins` origins; by rate the mean number, rounded up. Saturates.
    pub fn operations(self, origins: u64) -> u64 {
        match self {
            Self::Count { count, .. } => count.saturating_mul(origins),
            Self::Rate { per_s, duration_us } => (per_s * duration_us as f64 / 1e6).ceil() as u64,
        }
    }

    /// Returns the time over which operations become due, in microseconds.
    pub fn spread_us(self) -> u64 {
        match self {
            Self::Count { spread_us, .. } => spread_us,
            Self::Rate { duration_us, .. } => duration_us,
        }
    }

    /// Returns the number of operations of each origin, or in all for [`Origin::Random`]; `None` by rate, where it is not
    /// known before the phase begins.
    pub fn count(self) -> Option<u64> {
        match self {
            Self::Count { count, .. } => Some(count),
            Self::Rate { .. } => None,
        }
    }
}

/// The nodes that the operations of a phase start at, all of them online: `origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Drawn anew for each operation.
    Random,
    /// One node, the same in every phase.
    One,
    /// Every node that is online.
    Each,
    /// A sample of this many nodes, the same in every phase; 1 to the number of online nodes.
    Sample(u32),
    /// The node of this id.
    Node(i64),
}

impl Origin {
    /// Returns the number of origins if `online` nodes are online; `None` if each operation draws its own.
    pub fn nodes(self, online: u32) -> Option<u64> {
        match self {
            Self::Random => None,
            Self::One | Self::Node(_) => Some(1),
            Self::Each => Some(online.into()),
            Self::Sample(size) => Some(size.into()),
        }
    }
}

/// Which tables are written: `output.tables`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tables {
    /// What happened, tick by tick.
    pub ticks: bool,
    /// Each operation.
    pub operations: bool,
    /// Each node at each phase's end.
    pub nodes: bool,
    /// Each contact.
    pub connections: bool,
    /// Each entry of each routing table.
    pub routing: bool,
}

impl Tables {
    /// No table.
    pub const NONE: Self = Self {
        ticks: false,
        operations: false,
        nodes: false,
        connections: false,
        routing: false,
    };
    /// Names of all tables, in the order of the documentation.
    pub const NAMES: [&'static str; 5] = ["ticks", "operations", "nodes", "connections", "routing"];

    /// Returns the names of the chosen tables, in the order of [`Self::NAMES`].
    pub fn names(mut self) -> Vec<&'static str> {
        Self::NAMES
            .into_iter()
            .filter(|name| self.by_name(name).is_some_and(|chosen| *chosen))
            .collect()
    }

    /// Returns the switch of the table `name`, if there is such a table.
    pub fn by_name(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "ticks" => &mut self.ticks,
            "operations" => &mut self.operations,
            "nodes" => &mut self.nodes,
            "connections" => &mut self.connections,
            "routing" => &mut self.routing,
            _ => return None,
        })
    }
}

/// As the file spells it.
impl Display for Tables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
        write!(formatter, "[{}]", names.join(", "))
    }
}

/// As the file spells it, words without their quotes.
impl Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => formatter.write_str("random"),
            Self::One => formatter.write_str("one"),
            Self::Each => formatter.write_str("each"),
            Self::Sample(size) => write!(formatter, "{{ sample = {size} }}"),
            Self::Node(id) => write!(formatter, "{{ node = {id} }}"),
        }
    }
}
