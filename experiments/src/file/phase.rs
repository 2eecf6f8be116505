//! A phase of an experiment, and the choice of tables.

use std::fmt::{self, Display};
use std::path::PathBuf;

use super::diagnostic::Span;
use super::words::{DeadlineFrom, Draw, Keys, Kind};

/// One `[[phase]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Unique name; `[a-z0-9_-]+`.
    pub name: String,
    /// What its operations do.
    pub kind: Kind,
    /// Which operations there are.
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

/// Places of the keys of a phase in the text. A key that is absent has the default span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseSpans {
    /// Its name.
    pub name: Span,
    /// Its `origin`: the word, the size or the id.
    pub origin: Span,
    /// Its `count` or `count_each`.
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
    /// From a table.
    Trace {
        /// Absolute path.
        path: PathBuf,
        /// Place of the path in the text.
        span: Span,
    },
    /// Drawn from the experiment's seed.
    Drawn {
        /// The nodes that operations start at.
        origin: Origin,
        /// Operations in all for [`Origin::Random`], per origin for the others.
        count: u64,
        /// What is looked up.
        keys: Keys,
        /// Due times are uniform from 0 up to but below this, in microseconds. 0: all at once.
        spread_us: u64,
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

impl Phase {
    /// Returns how long operations of the phase become due, µs; `None` if a trace says so.
    pub fn length_us(&self) -> Option<u64> {
        match &self.work {
            Work::Drawn { spread_us, .. } => Some(*spread_us),
            Work::Trace { .. } => None,
        }
    }
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
