//! The resolved experiment: every value known, every unit in its name, nothing left to a default.

use std::fmt;
use std::ops::{Deref, Range};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use kadsim_engine::time::LAST_US;

use super::Span;

/// The only version of the file's format so far: `schema`.
pub const SCHEMA: u32 = 1;
/// Default of `networks`.
pub const DEFAULT_NETWORKS: u32 = 1;
/// Default of `network.bucket_size`, the k of the paper.
pub const DEFAULT_BUCKET_SIZE: u8 = 20;
/// Default of `network.bootstrap`.
pub const DEFAULT_BOOTSTRAP: Policy = Policy::Closest;
/// Default of `network.offline`.
pub const DEFAULT_OFFLINE: f64 = 0.0;
/// Default of `lookup.alpha`.
pub const DEFAULT_ALPHA: u32 = 3;
/// Default of `lookup.beta`.
pub const DEFAULT_BETA: u32 = 20;
/// Default of `lookup.steps_to_stop`.
pub const DEFAULT_STEPS_TO_STOP: u32 = 3;
/// Default of `lookup.stop`.
pub const DEFAULT_STOP: Stop = Stop::NoProgress;
/// Default of `lookup.procedure`.
pub const DEFAULT_PROCEDURE: Procedure = Procedure::Iterative;
/// Default of `link.delay_ms`, in microseconds. Also of `link.timeout_ms` where there is no slow error.
pub const DEFAULT_DELAY: Delay = Delay::Constant(0);
/// Default of `link.overhead_ms`, in microseconds.
pub const DEFAULT_OVERHEAD_US: u64 = 0;
/// Default of `clock.tick_ms`, in microseconds.
pub const DEFAULT_TICK_US: u64 = 50_000;
/// Default of `engine.layout`.
pub const DEFAULT_LAYOUT: Layout = Layout::Packed;
/// Default of a phase's `origin`.
pub const DEFAULT_ORIGIN: Origin = Origin::Random;
/// Default of a phase's `keys`.
pub const DEFAULT_KEYS: Keys = Keys::Random;
/// Default of a phase's `spread_ms`, in microseconds.
pub const DEFAULT_SPREAD_US: u64 = 0;
/// Default of a phase's `reset_overhead`.
pub const DEFAULT_RESET_OVERHEAD: bool = true;
/// What `reset_overhead` is of a phase that says when it starts: others may be in flight then, which use the same
/// counters.
pub const RESET_OVERHEAD_IN_FLIGHT: bool = false;
/// Default of a phase's `withheld`.
pub const DEFAULT_WITHHELD: u64 = 0;
/// Default of a phase's `parts`.
pub const DEFAULT_PARTS: u32 = 1;
/// Default of a phase's `draw`.
pub const DEFAULT_DRAW: Draw = Draw::Distinct;
/// Default of a phase's `deadline_from`.
pub const DEFAULT_DEADLINE_FROM: DeadlineFrom = DeadlineFrom::Due;
/// Default of `output.dir`.
pub const DEFAULT_DIR: &str = "out";
/// Default of `output.tables`.
pub const DEFAULT_TABLES: Tables = Tables {
    ticks: true,
    operations: true,
    nodes: true,
    connections: false,
    routing: false,
};
/// Default of `output.results`.
pub const DEFAULT_RESULTS: bool = false;
/// Default of `output.in_degree`.
pub const DEFAULT_IN_DEGREE: bool = false;

/// Largest `network.nodes`: a node is a row of 32 bits.
pub const NODES_MAX: u32 = 1 << 31;
/// Largest `networks`.
pub const NETWORKS_MAX: u32 = 1_000_000;
/// Largest `lookup.alpha`.
pub const ALPHA_MAX: u32 = 4096;
/// Largest `lookup.beta`.
pub const BETA_MAX: u32 = 65_536;
/// Largest `lookup.steps_to_stop`.
pub const STEPS_TO_STOP_MAX: u32 = 1_000_000;
/// Largest `parts` of a phase: all parts of all segments can be numbered.
pub const PARTS_MAX: u32 = 1 << 24;
/// Most operations of a network over all phases.
pub const OPERATIONS_MAX: u64 = 1 << 62;
/// Most deadlines of a phase.
pub const DEADLINES_MAX: usize = 1000;
/// Largest value of any `_ms` key, in microseconds (9e12 ms, 285 years): exact in a float64 of milliseconds.
pub const TIME_MAX_US: u64 = LAST_US;

/// A fixed set of words of the file.
pub(super) trait Word: Copy + 'static {
    const ALL: &'static [Self];
    fn word(self) -> &'static str;
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        /// As the file spells it.
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(self.word())
            }
        }
    };
}

words! {
    /// What makes a key from a peer id: `network.hash`.
    Hash {
        /// SHA-256, as of libp2p.
        Sha256 = "sha256",
        /// Keccak-256, as of Ethereum.
        Keccak256 = "keccak256",
    }
}

/// What the operations of a phase do: `kind`.
pub use kadsim_engine::record::Kind;
/// Which of a bucket's candidates bootstrapping keeps: `network.bootstrap`.
pub use kadsim_engine::routing::Policy;
/// How routing tables lie in memory: `engine.layout`. Never changes a result.
pub use kadsim_engine::routing::layout::LayoutKind as Layout;
/// When a lookup ends: `lookup.stop`. How a lookup schedules its contacts: `lookup.procedure`.
pub use kadsim_systems::rules::{Procedure, Stop};

/// The words of enums of the engine and of systems, which spell them themselves.
macro_rules! words_of {
    ($($name:ident),+) => {
        $(impl Word for $name {
            const ALL: &'static [Self] = &Self::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }
        })+
    };
}

words_of!(Kind, Layout, Policy, Procedure, Stop);

words! {
    /// What is looked up: `keys`.
    Keys {
        /// Uniform keys.
        Random = "random",
        /// Keys of existing nodes, offline ones too.
        Nodes = "nodes",
    }
}

words! {
    /// When the time that a deadline allows begins: `deadline_from`.
    DeadlineFrom {
        /// When the operation is due.
        Due = "due",
        /// At the run's start: the clock of a slot.
        Run = "run",
    }
}

words! {
    /// Which segments an origin retrieves: `draw`.
    Draw {
        /// Without repetition.
        Distinct = "distinct",
        /// Each anew.
        Independent = "independent",
        /// All origins the same ones.
        Same = "same",
    }
}

/// What to run. Two are equal if they mean the same run: places in the text do not count.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Name of the run's folder; `[a-z0-9_-]+`.
    pub name: String,
    /// What every draw depends on.
    pub seed: u64,
    /// Independent networks, 1 to [`NETWORKS_MAX`].
    pub networks: u32,
    /// The nodes and what they know at first.
    pub network: NetworkSection,
    /// How lookups go about.
    pub lookup: LookupSection,
    /// What contacts cost and how they fail.
    pub link: LinkSection,
    /// Time that one row of the ticks table covers, in microseconds, from 1.
    pub tick_us: u64,
    /// How tables lie in memory.
    pub layout: Layout,
    /// What happens, in this order; at least one.
    pub phases: Vec<Phase>,
    /// What is written.
    pub output: OutputSection,
    /// What the results are checked against.
    pub expects: Vec<Expect>,
}

/// `[network]`.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSection {
    /// `nodes` or `ids`.
    pub size: Population,
    /// k, 1 to 255.
    pub bucket_size: u8,
    /// Which candidates a bucket keeps.
    pub bootstrap: Policy,
    /// Where the file says how many nodes there are, or names their file.
    pub size_span: Span,
    /// Share of generated nodes that are offline, from 0 up to but below 1; 0 of imported ones.
    pub offline: f64,
    /// Where the file says it, if it does.
    pub offline_span: Span,
}

impl NetworkSection {
    /// How many of this many generated nodes are offline: the share of them, rounded, half away from 0.
    pub fn offline_of(&self, nodes: u32) -> u32 {
        (self.offline * f64::from(nodes)).round() as u32
    }

    /// Where the file says which nodes are offline.
    pub fn absence(&self) -> &Span {
        match &self.size {
            Population::Generated(_) => &self.offline_span,
            Population::Imported { span, .. } => span,
        }
    }
}

/// Where the nodes come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Population {
    /// So many nodes with ids from 0, 1 to [`NODES_MAX`].
    Generated(u32),
    /// Ids and keys from a table.
    Imported {
        /// Where it is; absolute.
        path: PathBuf,
        /// What makes keys from its peer ids, if its keys are not there.
        hash: Option<Hash>,
        /// Where the file says it.
        span: Span,
    },
}

/// `[lookup]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupSection {
    /// Contacts in flight, 1 to [`ALPHA_MAX`].
    pub alpha: u32,
    /// Nodes in a result, 1 to [`BETA_MAX`].
    pub beta: u32,
    /// Answers in a row without progress that end a lookup, 1 to [`STEPS_TO_STOP_MAX`].
    pub steps_to_stop: u32,
    /// The stop rule.
    pub stop: Stop,
    /// The schedule of contacts. [`Stop::ClosestAnswered`] only with [`Procedure::Iterative`].
    pub procedure: Procedure,
    /// Where in the text it is.
    pub spans: LookupSpans,
}

/// Where what `[lookup]` says stands in the text; nowhere for what it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupSpans {
    /// Its `alpha`.
    pub alpha: Span,
    /// Its `beta`.
    pub beta: Span,
    /// Its `steps_to_stop`.
    pub steps_to_stop: Span,
}

/// `[link]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSection {
    /// Of one way; a successful request costs two.
    pub delay: Delay,
    /// Contacts that fail fast.
    pub fast_error: Option<ErrorRate>,
    /// Contacts that fail slowly, of those that do not fail fast.
    pub slow_error: Option<ErrorRate>,
    /// What contacting a node that is not there costs. Not told: the slow error's delay, else [`DEFAULT_DELAY`].
    pub timeout: Delay,
    /// gamma, in microseconds. Where it is not 0, no contact takes no time, unless by [`Procedure::PyDht`].
    pub overhead_us: u64,
}

impl LinkSection {
    /// What `timeout` is where the file does not tell.
    pub fn default_timeout(&self) -> Delay {
        self.slow_error
            .as_ref()
            .map_or(DEFAULT_DELAY, |error| error.delay.clone())
    }

    /// The shortest time that a contact to a node that is online can take, in microseconds: how far an engine may look
    /// ahead where all are. An error of rate 0 does not count; one of rate 1 hides no other.
    pub fn lookahead_us(&self) -> u64 {
        let errors = [&self.fast_error, &self.slow_error].into_iter().flatten();
        let errors = errors
            .filter(|error| error.rate > 0.0)
            .map(|error| error.delay.shortest_us());
        errors.fold(2 * self.delay.shortest_us(), u64::min)
    }
}

/// A delay to draw, in microseconds, each at most [`TIME_MAX_US`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Delay {
    /// Always the same.
    Constant(u64),
    /// Any whole microsecond from `low` to `high`, both included.
    Uniform {
        /// The shortest.
        low: u64,
        /// The longest, at least `low`.
        high: u64,
    },
    /// Any of the list, which is not empty.
    Choice(Choice),
}

/// A list of delays to draw from, shared between clones.
#[derive(Clone)]
pub struct Choice(Arc<Listed>);

/// The list, and what is asked of it more than once.
struct Listed {
    delays_us: Vec<u64>,
    shortest_us: u64,
    /// As the file spells it, once that was asked for.
    text: OnceLock<String>,
}

impl Choice {
    /// As the file spells it, `spell` each delay.
    pub(super) fn text(&self, spell: impl Fn(u64) -> String) -> &str {
        self.0.text.get_or_init(|| {
            let delays: Vec<_> = self.iter().copied().map(spell).collect();
            format!("{{ choice = [{}] }}", delays.join(", "))
        })
    }
}

impl From<Vec<u64>> for Choice {
    fn from(delays_us: Vec<u64>) -> Self {
        Self(Arc::new(Listed {
            shortest_us: delays_us.iter().copied().min().unwrap_or(0),
            delays_us,
            text: OnceLock::new(),
        }))
    }
}

/// The delays, in microseconds.
impl Deref for Choice {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.0.delays_us
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.delays_us.fmt(formatter)
    }
}

impl PartialEq for Choice {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Eq for Choice {}

impl std::hash::Hash for Choice {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.delays_us.hash(state);
    }
}

impl Delay {
    /// The shortest that can be drawn, in microseconds.
    pub fn shortest_us(&self) -> u64 {
        match self {
            Self::Constant(delay) => *delay,
            Self::Uniform { low, .. } => *low,
            Self::Choice(delays) => delays.0.shortest_us,
        }
    }
}

/// How often contacts fail in one way, and how long that takes.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorRate {
    /// 0 to 1.
    pub rate: f64,
    /// Drawn once for a contact that fails.
    pub delay: Delay,
}

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

/// `[output]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutputSection {
    /// Folder for the run's folder, relative to the working directory; not empty.
    pub dir: String,
    /// Which tables are written.
    pub tables: Tables,
    /// Whether operations carry the result list.
    pub results: bool,
    /// Whether nodes carry how many routing tables name them.
    pub in_degree: bool,
    /// Where the file says which tables.
    pub tables_span: Span,
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

impl Experiment {
    /// The phases that may be in flight at the same time, as ranges of [`Experiment::phases`], in order.
    pub fn overlapping(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = |&place: &usize| place == 0 || self.phases[place].start_us.is_none();
        let begins: Vec<usize> = (0..self.phases.len()).filter(starts).collect();
        let ends: Vec<usize> = begins
            .iter()
            .skip(1)
            .copied()
            .chain([self.phases.len()])
            .collect();
        begins.into_iter().zip(ends).map(|(begin, end)| begin..end)
    }

    /// Whether the true closest nodes are looked for after each lookup: somebody asked for the operations
    /// table, or expects something of recall.
    pub fn wants_recall(&self) -> bool {
        let of_recall = |expect: &Expect| expect.metric.contains(".recall.");
        self.output.tables.operations || self.expects.iter().any(of_recall)
    }
}

/// One `[[expect]]`: the experiment fails unless the metric lies within the bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// A key of summary.json.
    pub metric: String,
    /// Smallest value that holds; finite.
    pub low: f64,
    /// Largest value that holds; finite, at least `low`.
    pub high: f64,
    /// Where the bounds come from.
    pub source: Option<String>,
    /// Where the metric stands.
    pub span: Span,
}
