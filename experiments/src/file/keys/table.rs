//! One row for each key of the experiment file, in the order in which messages and documents list them.

use std::fmt;

use super::key::{Absent, Goes, Key, Least, Takes, Typed, spelled, words};
use crate::file::defaults::*;
use crate::file::delay::Delay;
use crate::file::milliseconds::milliseconds;
use crate::file::phase::{Origin, Tables};
use crate::file::words::{
    DeadlineFrom, Draw, Hash, Keys, Kind, Layout, PhaseKind, Policy, Procedure, Stop,
};

/// A default in microseconds that the file spells in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::file) struct Micros(pub(in crate::file) u64);

impl fmt::Display for Micros {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&milliseconds(self.0))
    }
}

/// A row: documentation, which is also the meaning that users read; name; path; type and range; in brackets, what an
/// absent key means; and the phases that may have it, if not all.
macro_rules! keys {
    (@type [$type:ty = $value:expr]) => { $type };
    (@type [$($other:tt)+]) => { () };
    (@value [$type:ty = $value:expr]) => { $value };
    (@value [$($other:tt)+]) => { () };
    (@absent [$type:ty = $value:expr]) => { Absent::Default(|| spelled(&$value)) };
    (@absent [section]) => { Absent::Section };
    (@absent [required]) => { Absent::Required };
    (@absent [required or $others:literal]) => { Absent::OneOf($others) };
    (@absent [none, $meaning:literal]) => { Absent::Means($meaning) };
    (@goes) => { Goes::Anywhere };
    (@goes $goes:expr) => { $goes };
    ($($all:ident: $(
        $(#[doc = $text:literal])+
        $name:ident = $path:literal, $takes:expr, $absent:tt $(, $goes:expr)?;
    )+)+) => {
        $($(
            $(#[doc = $text])+
            pub(in crate::file) static $name: Typed<keys!(@type $absent)> = Typed {
                key: Key {
                    path: $path,
                    takes: $takes,
                    absent: keys!(@absent $absent),
                    goes: keys!(@goes $($goes)?),
                    text: concat!($($text),+),
                },
                default: keys!(@value $absent),
            };
        )+
        /// The keys.
        pub static $all: &[&Key] = &[$(&$name.key),+];
        )+
    };
}

const A_FILE: Takes =
    Takes::Text("the path of a .parquet, .csv or .tsv file, the latter two also .gz or .zst");

keys! {
    ALL:

    /// Version of the file's format.
    SCHEMA_VERSION = "schema", Takes::Integer(SCHEMA as i128, SCHEMA as i128, " (the only version of this format)"), [required];
    /// Name of the experiment and of its output folder.
    NAME = "name", Takes::Name, [required];
    /// Seed of every draw.
    SEED = "seed", Takes::Integer(0, u64::MAX as i128, ""), [required];
    /// Independent networks, each with its own derived seed, clock and phases.
    NETWORKS = "networks", Takes::Integer(1, NETWORKS_MAX as i128, ""), [u32 = DEFAULT_NETWORKS];

    /// The nodes and what they know at first.
    NETWORK = "network", Takes::Table("a table"), [section];
    /// How lookups are made.
    LOOKUP = "lookup", Takes::Table("a table"), [section];
    /// What contacts cost and how they fail.
    LINK = "link", Takes::Table("a table"), [section];
    /// How time is reported.
    CLOCK = "clock", Takes::Table("a table"), [section];
    /// How the simulator works. Changes no result.
    ENGINE = "engine", Takes::Table("a table"), [section];
    /// What happens, phase after phase.
    PHASE = "phase", Takes::Tables("phase"), [required];
    /// What is written.
    OUTPUT = "output", Takes::Table("a table"), [section];
    /// What the results are checked against. The program ends with status 1 where an expectation does not hold.
    EXPECT = "expect", Takes::Tables("expect"), [none, "none"];
    /// Keys by path in quotes, each with the list of its values. Every combination is a cell.
    SWEEP = "sweep", Takes::Paths("keys by path with lists of values, and [[sweep.cases]]"), [none, "none"];

    /// Number of nodes. Their ids are 0, 1, 2 and so on.
    NODES = "network.nodes", Takes::Integer(1, NODES_MAX as i128, " (2^31)"), [required or "`network.ids`"];
    /// A node list with the ids and keys of the nodes.
    IDS = "network.ids", A_FILE, [required or "`network.nodes`"];
    /// Hash whose first 8 bytes are the key, for a node list with `peer_id` and without `key`.
    HASH = "network.hash", Takes::Word(words::<Hash>), [none, "none"];
    /// k: most entries of a bucket.
    BUCKET_SIZE = "network.bucket_size", Takes::Integer(1, u8::MAX as i128, ""), [u8 = DEFAULT_BUCKET_SIZE];
    /// Candidates that a full bucket keeps: the `closest` to the owner, or a `random` sample.
    BOOTSTRAP = "network.bootstrap", Takes::Word(words::<Policy>), [Policy = DEFAULT_BOOTSTRAP];
    /// Share of the generated nodes that are offline. They are in routing tables and do not answer; operations start at
    /// online nodes only. The number of offline nodes is exact, the share of `network.nodes` rounded.
    OFFLINE = "network.offline", Takes::Share(true), [f64 = DEFAULT_OFFLINE];

    /// Contacts in flight.
    ALPHA = "lookup.alpha", Takes::Integer(1, ALPHA_MAX as i128, ""), [u32 = DEFAULT_ALPHA];
    /// Nodes in a result.
    BETA = "lookup.beta", Takes::Integer(1, BETA_MAX as i128, ""), [u32 = DEFAULT_BETA];
    /// Answers in a row without progress that end a lookup. An answer is progress if it names a node not heard of before
    /// that is closer to the key than the farthest node heard of so far. Failures do not count.
    STEPS_TO_STOP = "lookup.steps_to_stop", Takes::Integer(1, STEPS_TO_STOP_MAX as i128, ""), [u32 = DEFAULT_STEPS_TO_STOP];
    /// Stop rule: `no-progress` counts `steps_to_stop`; `closest-answered` waits until the beta closest have answered.
    STOP = "lookup.stop", Takes::Word(words::<Stop>), [Stop = DEFAULT_STOP];
    /// Schedule of contacts: `iterative` by the clock; `py-dht` as py-dht schedules, which makes lookups look faster than
    /// they can be; `rfm19` the walk in rounds by which ProbeLab's RFM19.1 counts hops, which ends at the first of the
    /// beta closest (alpha: nodes of the first round, beta: of the others).
    PROCEDURE = "lookup.procedure", Takes::Word(words::<Procedure>), [Procedure = DEFAULT_PROCEDURE];

    /// Delay of one way. A successful request costs two.
    DELAY = "link.delay_ms", Takes::Delay, [Delay = DEFAULT_DELAY];
    /// Contacts that fail fast.
    FAST_ERROR = "link.fast_error", Takes::Table("a table { rate = .., delay_ms = .. }"), [none, "none"];
    /// Share of the contacts that fail fast.
    FAST_ERROR_RATE = "link.fast_error.rate", Takes::Share(false), [required];
    /// Delay of such a failure, drawn once.
    FAST_ERROR_DELAY = "link.fast_error.delay_ms", Takes::Delay, [required];
    /// Contacts that fail slowly.
    SLOW_ERROR = "link.slow_error", Takes::Table("a table { rate = .., delay_ms = .. }"), [none, "none"];
    /// Share of the contacts that fail slowly, of those that have not failed fast.
    SLOW_ERROR_RATE = "link.slow_error.rate", Takes::Share(false), [required];
    /// Delay of such a failure, drawn once.
    SLOW_ERROR_DELAY = "link.slow_error.delay_ms", Takes::Delay, [required];
    /// Cost of a contact to a node that is offline.
    TIMEOUT = "link.timeout_ms", Takes::Milliseconds(Least::Zero), [none, "the slow error's delay, else 0"];
    /// gamma: the n-th contact of a node costs n times this.
    OVERHEAD = "link.overhead_ms", Takes::Milliseconds(Least::Zero), [Micros = Micros(DEFAULT_OVERHEAD_US)];

    /// Time that a row of the table `ticks` covers. Changes nothing else.
    TICK = "clock.tick_ms", Takes::Milliseconds(Least::AboveZero), [Micros = Micros(DEFAULT_TICK_US)];

    /// Bucket layout: how routing tables lie in memory. Changes no result.
    LAYOUT = "engine.layout", Takes::Word(words::<Layout>), [Layout = DEFAULT_LAYOUT];

    /// Name of the phase, by which paths call it. `bootstrap`, `end`, `nodes` and `warnings` are taken.
    PHASE_NAME = "phase.name", Takes::Name, [required];
    /// What the operations do. An `idle` phase has none: time passes, for `duration_ms`.
    KIND = "phase.kind", Takes::Word(words::<PhaseKind>), [required];
    /// Nodes that operations start at, all online: `random` anew for each operation, `one`, `each`, a sample of a size,
    /// or the node of an id. `one` and a sample of a size are the same nodes in every phase.
    ORIGIN = "phase.origin", Takes::Origin, [Origin = DEFAULT_ORIGIN], Goes::Drawn;
    /// Operations in all, for `origin = "random"`.
    COUNT = "phase.count", Takes::Integer(0, u64::MAX as i128, ""), [required or "`count_each`, `rate_per_s`, `trace`"], Goes::Drawn;
    /// Operations of each origin, for every other `origin`.
    COUNT_EACH = "phase.count_each", Takes::Integer(0, u64::MAX as i128, ""), [required or "`count`, `rate_per_s`, `trace`"], Goes::Drawn;
    /// Mean number of operations in a second, over all origins, instead of a count: gaps between due times are
    /// exponential, and each operation draws one of the nodes of `origin`. Needs `duration_ms`.
    RATE = "phase.rate_per_s", Takes::Positive, [required or "`count`, `count_each`, `trace`"], Goes::Drawn;
    /// Time that the phase lasts, for `rate_per_s` and `kind = "idle"`. Operations are due in this time; the phase ends
    /// when it is over and they have ended.
    DURATION = "phase.duration_ms", Takes::Milliseconds(Least::AboveZero), [required or "`count`, `count_each`, `trace`"];
    /// Keys that lookups ask for: `random` ones, those of existing `nodes`, offline ones too, or those of nodes that are
    /// `online` and answer when the operation is due.
    KEYS = "phase.keys", Takes::Word(words::<Keys>), [Keys = DEFAULT_KEYS], Goes::With(Kind::Lookup);
    /// Time over which due times are uniform.
    SPREAD = "phase.spread_ms", Takes::Milliseconds(Least::Zero), [Micros = Micros(DEFAULT_SPREAD_US)], Goes::Drawn;
    /// Start of the phase, from the run's start. Phases may overlap then; every phase before it but the first must have
    /// one too.
    START = "phase.start_ms", Takes::Milliseconds(Least::Zero), [none, "when those before have finished"];
    /// Segments of a provide phase that are drawn but never provided.
    WITHHELD = "phase.withheld", Takes::Integer(0, u64::MAX as i128, " (the segments of the phase)"), [u64 = DEFAULT_WITHHELD], Goes::With(Kind::Provide);
    /// Parts of each segment of a provide phase. Retrieves draw parts.
    PARTS = "phase.parts", Takes::Integer(1, PARTS_MAX as i128, ""), [u32 = DEFAULT_PARTS], Goes::With(Kind::Provide);
    /// Most operations in flight of an origin. The others wait.
    PARALLEL = "phase.parallel", Takes::Integer(1, u32::MAX as i128, ""), [none, "no limit"], Goes::Operations;
    /// Whether overhead counters start from zero. Always false with `start_ms`.
    RESET_OVERHEAD = "phase.reset_overhead", Takes::Boolean, [bool = DEFAULT_RESET_OVERHEAD];
    /// Time after which the phase is cut off, from its start.
    MAX = "phase.max_ms", Takes::Milliseconds(Least::Zero), [none, "none"], Goes::Operations;
    /// The provide phase whose segments are retrieved. A retrieve phase needs it, or `trace`.
    SEGMENTS = "phase.segments", Takes::Text("the name of an earlier phase of kind provide"), [none, "none"], Goes::With(Kind::Retrieve);
    /// Segments that an origin takes: `distinct` ones, each `independent` of the others, or the `same` for all origins.
    DRAW = "phase.draw", Takes::Word(words::<Draw>), [Draw = DEFAULT_DRAW], Goes::With(Kind::Retrieve);
    /// Time in which an operation should be done; waiting for its turn counts. With several deadlines, `in_time` refers
    /// to the first.
    DEADLINE = "phase.deadline_ms", Takes::Deadlines(DEADLINES_MAX), [none, "none"], Goes::Operations;
    /// Start of that time: `due`, when the operation was due, or `run`, the run's start. Needs `deadline_ms`.
    DEADLINE_FROM = "phase.deadline_from", Takes::Word(words::<DeadlineFrom>), [DeadlineFrom = DEFAULT_DEADLINE_FROM], Goes::Operations;
    /// A trace with the columns `origin`, `key` and `start_ms`, instead of drawn operations.
    TRACE = "phase.trace", A_FILE, [required or "`count`, `count_each`, `rate_per_s`"], Goes::Operations;

    /// Folder for the run's folder, from the working directory.
    DIR = "output.dir", Takes::Text("the path of a folder, not empty"), [&'static str = DEFAULT_DIR];
    /// Tables that are written.
    TABLES = "output.tables", Takes::Words(&Tables::NAMES), [Tables = DEFAULT_TABLES];
    /// Whether the table `operations` carries the result lists.
    RESULTS = "output.results", Takes::Boolean, [bool = DEFAULT_RESULTS];
    /// Whether the table `nodes` carries how many routing tables name each node.
    IN_DEGREE = "output.in_degree", Takes::Boolean, [bool = DEFAULT_IN_DEGREE];

    /// A key of `summary.json`.
    METRIC = "expect.metric", Takes::Text("a key of summary.json such as sampling.completed.p99"), [required];
    /// Smallest and largest value that hold.
    WITHIN = "expect.within", Takes::Bounds, [required];
    /// Where the bounds come from.
    SOURCE = "expect.source", Takes::Text("where the bounds come from"), [none, "none"];
    /// Swept keys and values: the expectation is for the cells that have them.
    WHERE = "expect.where", Takes::Paths("a table of swept keys and values"), [none, "all cells"];

    /// Named sets of changes: keys by path in quotes that change together.
    CASES = "sweep.cases", Takes::Tables("sweep.cases"), [none, "none"];
    /// Name of the case, its value in the column `case`.
    LABEL = "sweep.cases.label", Takes::Name, [required];

    DELAY_FORMS:

    /// Any whole microsecond from the first to the second, both included.
    UNIFORM = "uniform", Takes::Uniform, [none, "none"];
    /// Any of the list.
    CHOICE = "choice", Takes::Choice, [none, "none"];

    ORIGIN_FORMS:

    /// So many nodes.
    SAMPLE = "sample", Takes::Integer(1, NODES_MAX as i128, " (2^31)"), [none, "none"];
    /// The node of this id.
    NODE = "node", Takes::Integer(i64::MIN as i128, i64::MAX as i128, ""), [none, "none"];
}
