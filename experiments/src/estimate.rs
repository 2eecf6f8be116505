//! Estimates the peak memory of an experiment before it runs.
//!
//! The estimate is a sum over parts at the moment of the peak. A run holds some parts from its start to its end
//! ([`process`](Estimate::process), [`imports`](Estimate::imports), [`nodes`](Estimate::nodes),
//! [`tables`](Estimate::tables), [`recording`](Estimate::recording)). The phases in flight hold the others
//! ([`operations`](Estimate::operations), [`waiting`](Estimate::waiting), [`segments`](Estimate::segments)).
//!
//! 1. The size of an operation, row or segment is the size of its type. Their number at once follows from the constants
//!    of the engine and from the mean lookup (`lookup`).
//! 2. The capacity of a vector that grows by doubling is on average `GROWN` times its length.
//! 3. The allocator keeps some freed memory, and the model leaves out small allocations. So each part is multiplied by
//!    `MARGIN`, or by `KNOWN_MARGIN` if its length is known from the start.
//! 4. Networks of a run follow one another, and reuse the memory of the one before.
//!
//! The estimate must lie between 1 and 2 times the peak resident memory of the process. `cargo bench --bench runs --
//! estimate` measures that for experiments of many kinds, prints both by part, and fails where it does not hold. After
//! a change of what a run holds, correct the constant of the part that is off.

mod entries;
mod flight;
mod lookup;
mod maintenance;
mod nodes;
mod recording;

use crate::file::Experiment;
use crate::inputs::Inputs;

use self::flight::Flight;
use self::lookup::Lookup;
pub(crate) use self::lookup::hops;
pub use self::maintenance::{Upkeep, upkeep};

/// Estimated peak memory by part, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The program, its threads and the memory that they keep.
    pub process: u64,
    /// Imported nodes and traces.
    pub imports: u64,
    /// Node entities: components and the ECS's own data for each; and when each node is online.
    pub nodes: u64,
    /// Routing tables and the index over the keys.
    pub tables: u64,
    /// Operations in flight, the messages that they send, and operations that wait for others of their origin.
    pub operations: u64,
    /// Rows of operations that are evaluated before others that end earlier.
    pub waiting: u64,
    /// Stored segments.
    pub segments: u64,
    /// Tables being written, and the summary.
    pub recording: u64,
}

impl Estimate {
    /// Returns the name and bytes of each part.
    pub fn parts(&self) -> [(&'static str, u64); 8] {
        [
            ("process", self.process),
            ("imported files", self.imports),
            ("nodes", self.nodes),
            ("routing tables", self.tables),
            ("operations in flight", self.operations),
            ("rows in wait", self.waiting),
            ("stored segments", self.segments),
            ("recording", self.recording),
        ]
    }

    /// Returns the sum of all parts, bytes.
    pub fn total(&self) -> u64 {
        self.parts()
            .into_iter()
            .fold(0, |sum, (_, bytes)| sum.saturating_add(bytes))
    }

    /// Returns the bytes that the run adds to another run in the same process.
    pub fn beside_another(&self) -> u64 {
        self.total() - self.process
    }

    /// Returns the same after other runs in the process whose threads have ended. glibc keeps the memory of those
    /// threads, and gives it to some of the later threads only.
    pub fn beside_another_after_others(&self) -> u64 {
        let held = [self.imports, self.nodes, self.tables];
        let held = held.into_iter().fold(0, u64::saturating_add);
        let others = (self.beside_another() - held) as f64;
        held.saturating_add(bytes(LEFT * others))
    }
}

/// Bytes of the program, its threads and its allocator before a run begins. A run of one lookup among ten nodes takes
/// 17 MiB, a part of them for tables.
const PROCESS_BYTES: f64 = (11 << 20) as f64;
/// Capacity of a vector that has grown by doubling, as a multiple of its length: between 1 and 2.
const GROWN: f64 = 1.4;
/// Margin of the parts whose length is known from the start: nodes and routing tables.
const KNOWN_MARGIN: f64 = 1.15;
/// Margin of the other parts, except the process.
const MARGIN: f64 = 1.25;
/// Factor for the parts that threads fill with small allocations, where runs follow each other in a process. 24 cells,
/// two at once, peak at 99 MiB; with `MALLOC_ARENA_MAX=2` they peak at 66 MiB, and two cells alone at 52 MiB.
const LEFT: f64 = 1.6;

/// Estimates the peak memory of an experiment with these inputs.
pub fn estimate(experiment: &Experiment, inputs: &Inputs) -> Estimate {
    let lookup = Lookup::of(experiment, inputs);
    let held = Estimate {
        process: bytes(PROCESS_BYTES),
        imports: bytes(MARGIN * nodes::import_bytes(inputs)),
        nodes: bytes(KNOWN_MARGIN * nodes::node_bytes(experiment, inputs)),
        tables: bytes(KNOWN_MARGIN * nodes::table_bytes(experiment, inputs.nodes)),
        recording: bytes(MARGIN * recording::recording_bytes(experiment, inputs, &lookup)),
        ..Estimate::default()
    };
    let mut largest = held;
    let mut stored = 0.0;
    for places in experiment.overlapping() {
        let flight = Flight::of(experiment, inputs, &lookup, places);
        let now = Estimate {
            operations: bytes(MARGIN * flight.operation_bytes()),
            waiting: bytes(MARGIN * flight.waiting_bytes()),
            segments: bytes(MARGIN * flight.segment_bytes(stored)),
            ..held
        };
        stored += flight.stores();
        if now.total() > largest.total() {
            largest = now;
        }
    }
    largest
}

/// Rounds to whole bytes. Saturates at the largest number.
fn bytes(bytes: f64) -> u64 {
    bytes.ceil() as u64
}

/// Formats bytes in the largest fitting unit, such as `8.9 MiB`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes == u64::MAX {
        return "16 EiB or more".to_owned();
    }
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // A value that would be rounded to 1024.0 is shown as 1.0 of the next unit.
    while value >= 1023.95 && units.len() > 0 {
        value /= 1024.0;
        unit = units.next();
    }
    format!("{value:.1} {}", unit.unwrap_or(&""))
}

/// Returns the memory of this machine, or of the control group that the process runs in, bytes; the largest number if
/// the system does not report it.
pub fn machine_memory() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else {
        return u64::MAX;
    };
    system.refresh_memory();
    let group = system
        .cgroup_limits()
        .map_or(u64::MAX, |limits| limits.total_memory);
    system.total_memory().min(group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{self, Layout, OPERATIONS_MAX};

    const TEXT: &str = r#"schema = 1
name = "estimated"
seed = 1
network.nodes = 10
link.delay_ms = { uniform = [50, 75] }

[[phase]]
name = "provides"
kind = "provide"
count = 10
spread_ms = 1000

[[phase]]
name = "retrieves"
kind = "retrieve"
count = 10
spread_ms = 1000
segments = "provides"
"#;

    /// Estimates two phases of `operations` operations each among `nodes` nodes.
    fn of(nodes: u32, operations: u64, overrides: &[&str]) -> Estimate {
        let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
        let loaded = file::parse("estimated.toml", TEXT, &overrides).unwrap();
        let inputs = Inputs {
            ids: None,
            offline: std::sync::Arc::default(),
            labels: None,
            link: Default::default(),
            churn: Default::default(),
            traces: vec![None, None],
            nodes,
            online: nodes,
            operations: vec![operations; 2],
        };
        estimate(&loaded.experiment, &inputs)
    }

    /// Settings of every kind but layouts, smallest and largest.
    const SETTINGS: [&[&str]; 12] = [
        &[],
        &["network.bucket_size=1", "lookup.beta=1"],
        &[
            "network.bucket_size=255",
            "lookup.alpha=4096",
            "lookup.beta=65536",
        ],
        &["network.bucket_size=255", "network.bootstrap=random"],
        &["lookup.stop=closest-answered"],
        &["lookup.steps_to_stop=1000000"],
        &["link.overhead_ms=9e12", "phase.provides.spread_ms=0"],
        &["link.overhead_ms=0.001", "lookup.procedure=py-dht"],
        &[
            "lookup.procedure=rfm19",
            "output.tables=[\"connections\", \"routing\"]",
        ],
        &[
            "output.results=true",
            "networks=1000000",
            "clock.tick_ms=0.001",
        ],
        &[
            "phase.provides.parallel=1",
            "phase.provides.max_ms=1",
            "link.delay_ms=0",
        ],
        &[
            "phase.retrieves.start_ms=9e12",
            "phase.retrieves.spread_ms=9e12",
        ],
    ];

    #[test]
    fn no_extreme_overflows() {
        let layouts = Layout::ALL.map(|layout| format!("engine.layout={layout}"));
        let settings = layouts
            .iter()
            .flat_map(|layout| SETTINGS.map(|overrides| [overrides, &[layout.as_str()]].concat()));
        for overrides in settings {
            for nodes in [0, 1, 2, 255, 1 << 31, u32::MAX] {
                for operations in [0, 1, 1_000_000_000_000, OPERATIONS_MAX / 2] {
                    let need = of(nodes, operations, &overrides);
                    let at = format!("{overrides:?}, {nodes} nodes, {operations} operations");
                    assert!(need.total() > need.process, "{at}: {need:?}");
                    // Each node takes at least 100 bytes.
                    assert!(need.nodes >= 100 * u64::from(nodes), "{at}: {need:?}");
                }
            }
        }
        let all_at_once = ["phase.provides.spread_ms=0"];
        let need = of(u32::MAX, OPERATIONS_MAX, &all_at_once);
        assert_eq!(need.total(), u64::MAX);
        assert_eq!(human(need.total()), "16 EiB or more");
    }

    #[test]
    fn more_nodes_and_more_operations_need_no_less() {
        for layout in Layout::ALL {
            for policy in ["closest", "random"] {
                for more in ["phase.provides.spread_ms=0", "output.results=true"] {
                    let set = [
                        format!("engine.layout={layout}"),
                        format!("network.bootstrap={policy}"),
                        more.to_owned(),
                    ];
                    let set = set.each_ref().map(String::as_str);
                    let by_nodes = (0..32).map(|bits| of(1 << bits, 100_000, &set).total());
                    assert!(by_nodes.is_sorted(), "{set:?}");
                    let by_operations = (0..62).map(|bits| of(10_000, 1 << bits, &set).total());
                    assert!(by_operations.is_sorted(), "{set:?}");
                }
            }
        }
    }

    /// The size of the network bounds a result, so a large `lookup.beta` does not raise the estimate.
    #[test]
    fn lists_of_an_operation_are_no_longer_than_the_network() {
        let small = of(200, 3000, &["lookup.beta=200"]);
        assert_eq!(of(200, 3000, &["lookup.beta=65536"]), small);
        assert!(of(100_000, 3000, &["lookup.beta=65536"]).total() > 2 * small.total());
    }

    #[test]
    fn parts_are_of_what_they_are_named_after() {
        const SLOWLY: &str = "phase.provides.spread_ms=100_000";
        const AT_ONCE: &str = "phase.provides.spread_ms=0";
        let plain = of(10_000, 100_000, &[SLOWLY]);
        assert_eq!(plain.imports, 0);
        assert!(plain.segments > 100_000 * 20 * 8);
        let implicit = of(10_000, 100_000, &[SLOWLY, "engine.layout=implicit"]);
        assert_eq!(implicit.nodes, plain.nodes);
        assert!(implicit.tables < plain.tables / 10);
        let at_once = of(10_000, 100_000, &[AT_ONCE]);
        assert!(at_once.waiting > 2 * plain.waiting);
        let in_flight = of(10_000, 100_000, &[AT_ONCE, "link.overhead_ms=1"]);
        assert!(in_flight.operations > 3 * plain.operations);
        // A small run fills no row group.
        assert!(of(10, 10, &[]).total() < 32 << 20);
    }

    #[test]
    fn bytes_of_any_number_are_short() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            ((1 << 30) - 1, "1.0 GiB"),
            (3 << 39, "1.5 TiB"),
            (1 << 52, "4.0 PiB"),
            (u64::MAX - 1, "16.0 EiB"),
            (u64::MAX, "16 EiB or more"),
        ] {
            assert_eq!(human(bytes), shown);
        }
    }
}
