//! A phase of an experiment, and the tables that are written of it.

use std::fmt::{self, Display};
use std::path::PathBuf;

use super::diagnostic::Span;
use super::words::{DeadlineFrom, Draw, Keys, Kind};

/// One `[[phase]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// No other phase has it; `[a-z0-9_-]+`.
    pub name: String,
    /// What its operations are.
    pub kind: Kind,
    /// Which operations there are.
    pub work: Work,
    /// When it starts, from the run's start, in microseconds; `None`: when every phase before it has finished, and
    /// nothing is in flight. Phases that have it come before those that have not, but for the first.
    pub start_us: Option<u64>,
    /// Most operations in flight per origin, from 1; `None`: no limit.
    pub parallel: Option<u32>,
    /// Whether overhead counters start from zero. Never of a phase that has `start_us`.
    pub reset_overhead: bool,
    /// When it is cut off, from its start, in microseconds.
    pub max_us: Option<u64>,
    /// In what times an operation should be done, in microseconds, in ascending order. The first is the deadline;
    /// the others are counted too.
    pub deadlines_us: Vec<u64>,
    /// From when these times count.
    pub deadline_from: DeadlineFrom,
    /// Where in the text it is.
    pub spans: PhaseSpans,
}

/// Where what a phase says stands in the text; nowhere for what it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseSpans {
    /// Its name.
    pub name: Span,
    /// What its origin is: the word, the size or the id.
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
        /// Where it is; absolute.
        path: PathBuf,
        /// Where the file says it.
        span: Span,
    },
    /// From the experiment's seed.
    Drawn {
        /// The nodes that operations start at.
        origin: Origin,
        /// Operations in all for [`Origin::Random`], per origin for the others.
        count: u64,
        /// What is looked up.
        keys: Keys,
        /// Due times are uniform from 0 to this, itself excluded, in microseconds; 0: all at once.
        spread_us: u64,
        /// What is retrieved: the index in [`Experiment::phases`] of an earlier provide phase. Retrieves have it,
        /// others do not.
        segments: Option<usize>,
        /// Which of those segments.
        draw: Draw,
        /// How many of the segments of a provide phase nobody provides; they are drawn all the same. 0 of others.
        withheld: u64,
        /// How many parts each segment of a provide phase has; what is drawn are parts. 1 of others.
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
    /// So many nodes, the same in every phase; 1 to how many are online.
    Sample(u32),
    /// The node of this id.
    Node(i64),
}

impl Origin {
    /// At how many nodes operations start where `online` nodes are online; `None` where they are drawn anew.
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
    /// The names of all tables, in the order the file's documentation has them.
    pub const NAMES: [&'static str; 5] = ["ticks", "operations", "nodes", "connections", "routing"];

    /// Names of the chosen ones, in the order of [`Self::NAMES`].
    pub fn names(mut self) -> Vec<&'static str> {
        Self::NAMES
            .into_iter()
            .filter(|name| self.by_name(name).is_some_and(|chosen| *chosen))
            .collect()
    }

    /// The switch of a table, if there is a table of this name.
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
