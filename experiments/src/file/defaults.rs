//! Defaults and limits of the keys. The table in [`keys`](super::keys) refers to them.

use kadsim_engine::time::LAST_US;

use super::delay::Delay;
use super::phase::{Origin, Tables};
use super::words::{Bootstrap, DeadlineFrom, Draw, Keys, Layout, OnLeaving, RuleSet, Start};
use kadsim_engine::routing::Join;

/// The only version of the file's format so far: `schema`.
pub const SCHEMA: u32 = 1;
/// Default of `networks`.
pub const DEFAULT_NETWORKS: u32 = 1;
/// Default of `network.bucket_size`, the k of the paper.
pub const DEFAULT_BUCKET_SIZE: u8 = 20;
/// Default of `network.bootstrap`.
pub const DEFAULT_BOOTSTRAP: Bootstrap = Bootstrap::Closest;
/// Default of `network.doubling_ms`, in microseconds.
pub const DEFAULT_DOUBLING_US: u64 = 60_000_000;
/// Default of `network.offline`.
pub const DEFAULT_OFFLINE: f64 = 0.0;
/// Default of `churn.start`.
pub const DEFAULT_START: Start = Start::Steady;
/// Default of `churn.table` and `churn.records`.
pub const DEFAULT_ON_LEAVING: OnLeaving = OnLeaving::Kept;
/// Default of `churn.join`, unless the rules of a protocol have another.
pub const DEFAULT_JOIN: Join = Join::Ideal;
/// Default of `churn.knows`.
pub const DEFAULT_KNOWS: u32 = 1;
/// Default of `engine.events`.
pub const DEFAULT_EVENTS: bool = false;
/// Default of `maintenance.rules`.
pub const DEFAULT_RULES: RuleSet = RuleSet::None;
/// Default of `link.delay_ms`, in microseconds. Also of `link.timeout_ms` where there is no slow error.
pub const DEFAULT_DELAY: Delay = Delay::Constant(0);
/// Default of `link.overhead_ms`, in microseconds.
pub const DEFAULT_OVERHEAD_US: u64 = 0;
/// Default of `link.jitter_ms`, in microseconds.
pub const DEFAULT_JITTER_US: u64 = 0;
/// Default of `link.round_trips`.
pub const DEFAULT_ROUND_TRIPS: u32 = 1;
/// Default of `floor_ms` of `link.delay_ms` by regions, in microseconds.
pub const DEFAULT_FLOOR_US: u64 = 1000;
/// Default of `reachability.clients`.
pub const DEFAULT_CLIENTS: f64 = 0.0;
/// Default of `reachability.clients_known`.
pub const DEFAULT_CLIENTS_KNOWN: bool = true;
/// Default of `reachability.clients_in_tables`.
pub const DEFAULT_CLIENTS_IN_TABLES: f64 = 0.0;
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
/// `reset_overhead` of a phase with `start_ms`. Other phases may be in flight then, and use the same counters.
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
/// Largest `churn.knows`, and most nodes of `churn.known`.
pub const KNOWS_MAX: u32 = 255;
/// Most random keys of `maintenance.refresh` and `churn.join_refresh`.
pub const RANDOM_KEYS_MAX: u32 = 1000;
/// Largest `link.round_trips`.
pub const ROUND_TRIPS_MAX: u32 = 10;
/// Most regions of a region file: a region is an index of 8 bits.
pub const REGIONS_MAX: usize = 255;
/// Largest `parts` of a phase: all parts of all segments can be numbered.
pub const PARTS_MAX: u32 = 1 << 24;
/// Most operations of a network over all phases.
pub const OPERATIONS_MAX: u64 = 1 << 62;
/// Most deadlines of a phase.
pub const DEADLINES_MAX: usize = 1000;
/// Largest value of any `_ms` key, in microseconds (9e12 ms, 285 years): exact in a float64 of milliseconds.
pub const TIME_MAX_US: u64 = LAST_US;
