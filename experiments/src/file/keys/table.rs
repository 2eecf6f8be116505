//! One row for each key of the experiment file, in the order in which messages and documents list them.

use std::fmt;

use kadsim_engine::routing::live::TableRules;
use kadsim_systems::rules::Rules;

use super::key::{
    Absent, Goes, JOIN_REFRESH_WORDS, Key, Least, REFRESH_WORDS, Takes, Typed, spelled, words,
};
use crate::file::defaults::*;
use crate::file::delay::Delay;
use crate::file::milliseconds::milliseconds;
use crate::file::phase::{Origin, Tables};
use crate::file::words::{
    Bootstrap, CheckWord, DeadlineFrom, Draw, Evict, Hash, Join, Keys, Kind, Layout, OnLeaving,
    PhaseKind, Procedure, Replacement, RuleSet, Start, Stop, WhenFull,
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
    (@absent [none, $meaning:expr]) => { Absent::Means($meaning) };
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

const OF_THE_RULES: &str = "that of the rules";
/// Default of a time that the rules of a protocol may give.
const OF_A_PROTOCOL: &str = "that of the rules of a protocol, else 0";

const A_MATRIX: &str = "a symmetric matrix: for each region a list of times in milliseconds above 0, one to each region";

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
    /// Which nodes answer requests.
    REACHABILITY = "reachability", Takes::Table("a table"), [section];
    /// How nodes come and leave. With this table, and with `[maintenance]` and `[records]`, an answer that comes after
    /// `link.timeout_ms` is late: the contact has failed by then.
    CHURN = "churn", Takes::Table("a table"), [none, "no node comes or leaves"];
    /// What routing tables learn from traffic, and how nodes keep them good.
    MAINTENANCE = "maintenance", Takes::Table("a table"), [none, "routing tables stay as they are"];
    /// How long segments are held, and when their origins provide them again.
    RECORDS = "records", Takes::Table("a table"), [none, "those of the rules of a protocol, else segments are held for ever"];
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
    /// What nodes know at first. Full knowledge gives the tables, and a full bucket keeps the candidates `closest` to the
    /// owner, or a `random` sample; or all nodes have `joined` before the first phase, one after the other, as
    /// `churn.join = "protocol"` does, each knowing a random server of the elder half. Its traffic is the phase `bootstrap`.
    /// `joined` needs rules that learn.
    BOOTSTRAP = "network.bootstrap", Takes::Word(words::<Bootstrap>), [Bootstrap = DEFAULT_BOOTSTRAP];
    /// Time in which the number of nodes doubles, for `bootstrap = "joined"`: node number i comes after log2(i) times that.
    DOUBLING = "network.doubling_ms", Takes::Milliseconds(Least::AboveZero), [Micros = Micros(DEFAULT_DOUBLING_US)];
    /// Share of the generated nodes that are offline. They are in routing tables and do not answer; operations start at
    /// online nodes only. The number of offline nodes is exact, the share of `network.nodes` rounded. With
    /// `bootstrap = "joined"` they never join.
    OFFLINE = "network.offline", Takes::Share(true), [f64 = DEFAULT_OFFLINE];

    /// Contacts in flight.
    ALPHA = "lookup.alpha", Takes::Integer(1, ALPHA_MAX as i128, ""), [u32 = Rules::DEFAULT.alpha];
    /// Nodes in a result. With `stop = "closest-answered"`, also the closest nodes that have to answer. With `"followup"`, only
    /// these: the default is 3, and a result has `network.bucket_size` nodes.
    BETA = "lookup.beta", Takes::Integer(1, BETA_MAX as i128, ""), [u32 = Rules::DEFAULT.beta];
    /// Answers in a row without progress that end a lookup. An answer is progress if it names a node not heard of before
    /// that is closer to the key than the farthest node heard of so far. Failures do not count.
    STEPS_TO_STOP = "lookup.steps_to_stop", Takes::Integer(1, STEPS_TO_STOP_MAX as i128, ""), [u32 = Rules::DEFAULT.steps_to_stop];
    /// Entries of its routing table that an answer names, and with which a lookup starts.
    ANSWER = "lookup.answer", Takes::Integer(1, u8::MAX as i128, ""), [none, "`network.bucket_size`"];
    /// Stop rule: `no-progress` counts `steps_to_stop`; `closest-answered` waits until the beta closest have answered;
    /// `followup` then asks all others of the `network.bucket_size` closest at once, as libp2p does.
    STOP = "lookup.stop", Takes::Word(words::<Stop>), [Stop = Rules::DEFAULT.stop];
    /// Time in flight after which a contact stalls: it does not count in alpha any more, so the lookup sends another one
    /// (libtorrent's short timeout). 0: never. Goes with `procedure = "iterative"`.
    STALL = "lookup.stall_ms", Takes::Milliseconds(Least::Zero), [none, OF_A_PROTOCOL];
    /// Schedule of contacts: `iterative` by the clock; `py-dht` as py-dht schedules, which makes lookups look faster than
    /// they can be; `rfm19` the walk in rounds by which ProbeLab's RFM19.1 counts hops, which ends at the first of the
    /// beta closest (alpha: nodes of the first round, beta: of the others).
    PROCEDURE = "lookup.procedure", Takes::Word(words::<Procedure>), [Procedure = Rules::DEFAULT.procedure];

    /// Delay of one way. A successful request costs two for each round trip. With `regions`, a built-in name or a region
    /// file, the delay of a pair of nodes follows from their regions and is the same at every use; `weights` are shares of
    /// the nodes by region, and `floor_ms` is the shortest delay.
    DELAY = "link.delay_ms", Takes::OneWay, [Delay = DEFAULT_DELAY];
    /// Mean of an exponential time added to each message; 0 for none.
    JITTER = "link.jitter_ms", Takes::Milliseconds(Least::Zero), [Micros = Micros(DEFAULT_JITTER_US)];
    /// Round trips of a contact. Those before the last one set up the connection.
    ROUND_TRIPS = "link.round_trips", Takes::Integer(1, ROUND_TRIPS_MAX as i128, ""), [u32 = DEFAULT_ROUND_TRIPS];
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
    TIMEOUT = "link.timeout_ms", Takes::Milliseconds(Least::Zero), [none, "that of the rules of a protocol, else the slow error's delay, else 0"];
    /// gamma: the n-th contact of a node costs n times this.
    OVERHEAD = "link.overhead_ms", Takes::Milliseconds(Least::Zero), [Micros = Micros(DEFAULT_OVERHEAD_US)];

    /// Share of the nodes that are clients: they start operations, and no request reaches them. With
    /// `link.delay_ms = { regions = .. }` also a table of shares by region; other regions have none.
    CLIENTS = "reachability.clients", Takes::Clients, [f64 = DEFAULT_CLIENTS];
    /// Whether nodes tell clients from servers and keep clients out of what they learn. Changes no result as long as routing
    /// tables do not learn from traffic.
    CLIENTS_KNOWN = "reachability.clients_known", Takes::Boolean, [bool = DEFAULT_CLIENTS_KNOWN];
    /// Share of the entries of bootstrapped routing tables that are replaced by clients of the same range.
    CLIENTS_IN_TABLES = "reachability.clients_in_tables", Takes::Share(false), [f64 = DEFAULT_CLIENTS_IN_TABLES];

    /// How long a node stays. Lengths are rounded up to whole microseconds.
    SESSION = "churn.session", Takes::Length, [required or "`churn.trace`"];
    /// How long a node stays away after each session. With `never`, no node comes back.
    ABSENCE = "churn.absence", Takes::Length, [none, "never"];
    /// From when until when each node is online, instead of `session` and `absence`: a file with the columns `node`,
    /// `online_ms` and `offline_ms`.
    CHURN_TRACE = "churn.trace", A_FILE, [required or "`churn.session`"];
    /// The nodes at the start: `steady`, each online with the share of time that it is in the long run, in the midst of a
    /// session or an absence; `online`, all in the midst of a session; `fresh`, all at the begin of a session. Where nodes do
    /// not come back, `steady` is `online`. Not with `trace`.
    START_OF_CHURN = "churn.start", Takes::Word(words::<Start>), [Start = DEFAULT_START];
    /// What a node that comes knows: `ideal`, the routing table that full knowledge gives at that instant; `none`, what it
    /// knew when it left; `protocol`, that too, and it looks up its own key and then those of `join_refresh`.
    JOIN = "churn.join", Takes::Word(words::<Join>), [none, "`protocol` with the rules of a protocol, else `ideal`"];
    /// What a node that joins by protocol looks up after its own key: a key in the range of each bucket `farther` than its
    /// closest entry, nothing more than its `own`, or so many random ones.
    JOIN_REFRESH = "churn.join_refresh", Takes::WordOr(&JOIN_REFRESH_WORDS, RANDOM_FORMS), [none, "that of the rules of a protocol, else `farther`"];
    /// Random online servers that a node without entries gets to know when it joins by protocol.
    KNOWS = "churn.knows", Takes::Integer(1, KNOWS_MAX as i128, ""), [u32 = DEFAULT_KNOWS];
    /// The nodes that a node without entries gets to know instead, by their ids. It leaves out nodes that it knows to be
    /// clients. If none is left, it cannot join.
    KNOWN = "churn.known", Takes::Ids(KNOWS_MAX as usize), [none, "random ones"];
    /// Whether a node has its routing table in its next session. Makes no difference with `join = "ideal"`.
    CHURN_TABLE = "churn.table", Takes::Word(words::<OnLeaving>), [OnLeaving = DEFAULT_ON_LEAVING];
    /// Whether a node has its segments in its next session.
    CHURN_RECORDS = "churn.records", Takes::Word(words::<OnLeaving>), [OnLeaving = DEFAULT_ON_LEAVING];
    /// Shares of the nodes with sessions and absences of their own. The others have those of `[churn]`.
    CHURN_CLASS = "churn.class", Takes::Tables("churn.class"), [none, "none"];
    /// Share of the nodes that are of the class. Each node is drawn. The shares sum to at most 1.
    CLASS_SHARE = "churn.class.share", Takes::Share(false), [required];
    /// How long a node of the class stays. Not with `trace`.
    CLASS_SESSION = "churn.class.session", Takes::Length, [none, "that of `[churn]`"];
    /// How long a node of the class stays away. Not with `trace`.
    CLASS_ABSENCE = "churn.class.absence", Takes::Length, [none, "that of `[churn]`"];
    /// Share of the class that are clients: they ask, and answer no request. Not with `reachability.clients`.
    CLASS_CLIENTS = "churn.class.clients", Takes::Share(false), [none, "0"];
    /// Nodes leave together.
    CHURN_EVENT = "churn.event", Takes::Tables("churn.event"), [none, "none"];
    /// When, from the run's start.
    AT = "churn.event.at_ms", Takes::Milliseconds(Least::Zero), [required];
    /// Nodes that leave: each with this probability, or those of a region.
    LEAVE = "churn.event.leave", Takes::Leave, [required];
    /// How long they stay away at least. A node is back when its own session allows it.
    FOR = "churn.event.for_ms", Takes::Milliseconds(Least::AboveZero), [none, "for ever"];

    /// Rules by which nodes keep their routing tables: `none`; `ideal`, by which full knowledge gives each node its table
    /// anew every `refresh_ms`, without traffic; or those of a protocol. The other keys of this table override single rules,
    /// of `none` too. The rules of a protocol also give the defaults of `network.bucket_size`, `lookup.alpha`, `.beta`,
    /// `.stop` and `.stall_ms`, `link.timeout_ms`, `reachability.clients_known`, `churn.join` and `.join_refresh`, and of `[records]`.
    RULES = "maintenance.rules", Takes::Word(words::<RuleSet>), [RuleSet = DEFAULT_RULES];
    /// Whether a node learns servers that ask it.
    LEARN_ASKER = "maintenance.learn_asker", Takes::Boolean, [none, OF_THE_RULES];
    /// Whether a node learns nodes that answer it.
    LEARN_ANSWERER = "maintenance.learn_answerer", Takes::Boolean, [none, OF_THE_RULES];
    /// Whether a node learns nodes that answers name.
    LEARN_NAMED = "maintenance.learn_named", Takes::Boolean, [none, OF_THE_RULES];
    /// Whether a node pings an asker, or a node that an answer names, before it learns it.
    VERIFY = "maintenance.verify", Takes::Boolean, [none, OF_THE_RULES];
    /// Whether an error of `link.fast_error` or `link.slow_error` counts as a failure of the entry, as a timeout does.
    ERRORS_COUNT = "maintenance.errors_count", Takes::Boolean, [none, OF_THE_RULES];
    /// Whether an answer names entries whose last contact has failed.
    NAMES_FAILED = "maintenance.names_failed", Takes::Boolean, [none, OF_THE_RULES];
    /// What a full bucket does with a node that is heard and not in it: `keep` its entries, and the node becomes a
    /// replacement; or `ping-oldest`, which evicts the least recently heard entry if it does not answer.
    FULL = "maintenance.full", Takes::Word(words::<WhenFull>), [none, OF_THE_RULES];
    /// Time since the least recently heard entry was heard, below which `full = "ping-oldest"` does not ping it.
    PING_IDLE = "maintenance.ping_idle_ms", Takes::Milliseconds(Least::Zero), [none, "that of the rules, else 0"];
    /// Most replacements of a bucket.
    REPLACEMENTS = "maintenance.replacements", Takes::Integer(0, u8::MAX as i128, ""), [none, OF_THE_RULES];
    /// Which replacement takes the place of an entry that is evicted: the `newest`, or a `random` one.
    REPLACEMENT = "maintenance.replacement", Takes::Word(words::<Replacement>), [none, OF_THE_RULES];
    /// Failures in a row after which an entry may be evicted; 0: never.
    EVICT_AFTER = "maintenance.evict_after", Takes::Integer(0, TableRules::FAILURES_MAX as i128, ""), [none, OF_THE_RULES];
    /// Which of these entries are evicted: `always` all, or those that are `replaced`, for which there is a replacement.
    EVICT = "maintenance.evict", Takes::Word(words::<Evict>), [none, "that of the rules, else `always`"];
    /// Lookups that refresh buckets: a key in the range of each bucket that has seen no lookup for `refresh_ms` (`idle`); or
    /// every `refresh_ms`, the own key and then a key in the range of each bucket (`all`), or so many random keys.
    REFRESH_KEYS = "maintenance.refresh", Takes::WordOr(&REFRESH_WORDS, RANDOM_FORMS), [none, OF_THE_RULES];
    /// Period of refreshes, and of `rules = "ideal"`, which needs it; 0: no refreshes. Nodes online at the start begin at a
    /// random phase of it, others when they come.
    REFRESH = "maintenance.refresh_ms", Takes::Milliseconds(Least::Zero), [none, OF_THE_RULES];
    /// Whether a node refreshes the bucket of its closest entry by a lookup of its own key.
    REFRESH_OWN = "maintenance.refresh_own", Takes::Boolean, [none, "that of the rules, else true"];
    /// Entries that a node pings every `check_ms`: those that are `idle`, which it has not heard for `check_idle_ms`, the
    /// `oldest`, which it has not heard for longest, or a `random` one.
    CHECK = "maintenance.check", Takes::Word(words::<CheckWord>), [none, OF_THE_RULES];
    /// Period of checks; 0: no checks.
    CHECK_PERIOD = "maintenance.check_ms", Takes::Milliseconds(Least::Zero), [none, OF_THE_RULES];
    /// Time since an entry was heard after which `check = "idle"` pings it.
    CHECK_IDLE = "maintenance.check_idle_ms", Takes::Milliseconds(Least::Zero), [none, OF_THE_RULES];

    /// How long a segment is held after its publication, the start of the operation that provided it; 0: for ever.
    TTL = "records.ttl_ms", Takes::Milliseconds(Least::Zero), [none, OF_A_PROTOCOL];
    /// Time after the start of a provide after which its origin, while online, provides the segment again; 0: never.
    REPUBLISH = "records.republish_ms", Takes::Milliseconds(Least::Zero), [none, OF_A_PROTOCOL];

    /// Time that a row of the table `ticks` covers. Changes nothing else but, in living networks, means over ticks in the summary.
    TICK = "clock.tick_ms", Takes::Milliseconds(Least::AboveZero), [Micros = Micros(DEFAULT_TICK_US)];

    /// Bucket layout: how routing tables lie in memory. Changes no result.
    LAYOUT = "engine.layout", Takes::Word(words::<Layout>), [Layout = DEFAULT_LAYOUT];
    /// Runs operations as events by node even where each could run whole. It changes no result.
    EVENTS = "engine.events", Takes::Boolean, [bool = DEFAULT_EVENTS];

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
    /// Start of the phase, from the run's start; with `network.bootstrap = "joined"`, as all times of phases and of `[churn]`,
    /// from when the network has grown. Phases may overlap then; every phase before it but the first must have
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
    /// Period at which stale and missing entries of routing tables are counted, from the start of a phase. Needs `[churn]`,
    /// `[maintenance]`, `[records]`, clients or regions.
    FRESHNESS = "output.freshness_ms", Takes::Milliseconds(Least::AboveZero), [none, "at 100 instants of a phase"];
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
    /// Lognormal, rounded up to whole microseconds.
    LOGNORMAL = "lognormal", Takes::Form(LOGNORMAL_KEYS, "a table { median_ms = .., sigma = .. }"), [none, "none"];
    /// A file of quantiles, with the columns `p` and `ms`: linear in between, nothing beyond the first and the last,
    /// rounded up to whole microseconds.
    QUANTILES = "quantiles", A_FILE, [none, "none"];

    LENGTH_FORMS:

    /// Exponential: what is left does not depend on what has passed.
    EXPONENTIAL = "exponential", Takes::Form(EXPONENTIAL_KEYS, "a table { mean_ms = .. }"), [none, "none"];
    /// Weibull: with a shape below 1, what has lasted long lasts long.
    WEIBULL = "weibull", Takes::Form(WEIBULL_KEYS, "a table { shape = .., scale_ms = .. }"), [none, "none"];
    /// Lognormal.
    LENGTH_LOGNORMAL = "lognormal", Takes::Form(LOGNORMAL_KEYS, "a table { median_ms = .., sigma = .. }"), [none, "none"];
    /// A file of quantiles, with the columns `p` and `ms`.
    LENGTH_QUANTILES = "quantiles", A_FILE, [none, "none"];
    /// Always the same.
    FIXED = "fixed_ms", Takes::Milliseconds(Least::AboveZero), [none, "none"];

    EXPONENTIAL_KEYS:

    /// Mean.
    MEAN = "mean_ms", Takes::Milliseconds(Least::AboveZero), [required];

    WEIBULL_KEYS:

    /// Shape.
    SHAPE = "shape", Takes::Positive, [required];
    /// Scale.
    SCALE = "scale_ms", Takes::Milliseconds(Least::AboveZero), [required];

    RANDOM_FORMS:

    /// Random keys after the own one.
    RANDOM = "random", Takes::Integer(0, RANDOM_KEYS_MAX as i128, ""), [none, "none"];

    LEAVE_FORMS:

    /// The nodes of this region.
    REGION = "region", Takes::Text("the name of a region of `link.delay_ms`"), [none, "none"];

    LOGNORMAL_KEYS:

    /// Median.
    MEDIAN = "median_ms", Takes::Milliseconds(Least::AboveZero), [required];
    /// Standard deviation of the logarithm.
    SIGMA = "sigma", Takes::Number(0, 10), [required];

    REGIONS_KEYS:

    /// A built-in matrix of round trips, or a region file.
    REGIONS = "regions", Takes::Text("world-2018 or the path of a .toml file"), [required];
    /// Shares of the nodes by region. Default: those of the region file.
    WEIGHTS = "weights", Takes::Shares, [none, "those of the region file"];
    /// Shortest delay of one way.
    FLOOR = "floor_ms", Takes::Milliseconds(Least::AboveZero), [Micros = Micros(DEFAULT_FLOOR_US)];

    REGION_FILE:

    /// Names of the regions.
    NAMES = "regions", Takes::List("a list of 1 to 255 different names of letters, digits, _ and -"), [required];
    /// Shares of the nodes by region.
    FILE_WEIGHTS = "weights", Takes::Shares, [none, "equal ones"];
    /// Medians of the round trips between regions.
    MEDIANS = "median_ms", Takes::List(A_MATRIX), [required];
    /// 90th percentiles of the round trips between regions.
    P90S = "p90_ms", Takes::List(A_MATRIX), [required];

    ORIGIN_FORMS:

    /// So many nodes.
    SAMPLE = "sample", Takes::Integer(1, NODES_MAX as i128, " (2^31)"), [none, "none"];
    /// The node of this id.
    NODE = "node", Takes::Integer(i64::MIN as i128, i64::MAX as i128, ""), [none, "none"];
}
