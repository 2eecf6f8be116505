//! How much memory an experiment will need, before it is run.

use std::ops::Range;

use kadsim_engine::random::Probability;

use crate::file::{Delay, Experiment, Kind, Layout, Policy, Work};
use crate::inputs::Inputs;

/// Estimated peak memory by part, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Node entities: components and what the ECS keeps for each.
    pub nodes: u64,
    /// Routing tables and the index over the keys.
    pub tables: u64,
    /// Operations in flight.
    pub operations: u64,
    /// Stored segments.
    pub segments: u64,
    /// Imported nodes and traces.
    pub imports: u64,
    /// Tables being written, and everything else.
    pub recording: u64,
}

impl Estimate {
    /// All of it, bytes.
    pub fn total(&self) -> u64 {
        [
            self.nodes,
            self.tables,
            self.operations,
            self.segments,
            self.imports,
            self.recording,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

/// Bytes a node takes as an entity with four components: 32 of data, 32 of change ticks, 48 of the ECS's own
/// book; and 8 of its key beside the column while it is made. A test counts them (`tests/allocations.rs`).
const NODE_BYTES: u64 = 120;
/// Bytes an operation in flight takes: about 200 known nodes of 16 bytes, doubled by growth.
const OPERATION_BYTES: u64 = 7000;
/// Bytes of a stored segment while a phase stores: an entry of the map, then of the arena.
const STORE_BYTES: u64 = 64;
/// Bytes of an imported node beside its entity: id and key, twice, and the way from id to row.
const ID_BYTES: u64 = 80;
/// Bytes of a row of a trace: as it was read, as it is planned, its key as a segment, a set of keys.
const TRACE_BYTES: u64 = 96;
/// Row groups of the tables being written, batches that wait for their encoders, and what the process takes
/// anyhow.
const RECORDING_BYTES: u64 = 288 << 20;

/// The estimate for an experiment with these inputs.
pub fn estimate(experiment: &Experiment, inputs: &Inputs) -> Estimate {
    let nodes = u64::from(inputs.nodes);
    let k = f64::from(experiment.network.bucket_size);
    let entries = table_entries(nodes, k);
    let levels = (nodes as f64 / k).max(1.0).log2().ceil() + 1.0;
    let table = match experiment.layout {
        Layout::Dense => levels * (4.0 * k + 1.0) + 2.0 * k * 4.0 + 4.0,
        Layout::Packed => entries * 4.0 + levels + 4.0,
        Layout::Spans => {
            let spans = 12.0 * (levels + 1.0);
            let fits = experiment.network.bootstrap == Policy::Closest && k <= 32.0;
            spans
                + if fits {
                    0.0
                } else {
                    entries * 4.0 + levels * 4.0
                }
        }
        Layout::Implicit => 0.0,
    };
    let at_once = |places: Range<usize>| {
        places
            .map(|place| in_flight(experiment, inputs, place))
            .fold(0, u64::saturating_add)
    };
    let in_flight = experiment.overlapping().map(at_once).max().unwrap_or(0);
    let phases = experiment.phases.iter().zip(&inputs.operations);
    let stores = phases
        .filter(|(phase, _)| phase.kind == Kind::Provide)
        .map(|(_, operations)| operations.saturating_mul(u64::from(experiment.lookup.beta)))
        .fold(0, u64::saturating_add);
    let traced: usize = inputs.traces.iter().flatten().map(|rows| rows.len()).sum();
    let ids = inputs.ids.as_ref().map_or(0, |ids| ids.len());
    Estimate {
        nodes: nodes.saturating_mul(NODE_BYTES),
        tables: ((table * 1.05 + 4.0) * nodes as f64) as u64,
        operations: in_flight.saturating_mul(OPERATION_BYTES),
        segments: stores.saturating_mul(STORE_BYTES),
        imports: ids as u64 * ID_BYTES + traced as u64 * TRACE_BYTES,
        recording: RECORDING_BYTES,
    }
}

/// Expected number of entries of a table: buckets hold at most k of n / 2^(i+1) candidates.
fn table_entries(nodes: u64, k: f64) -> f64 {
    (0..64)
        .map(|bucket| (nodes as f64 / 2f64.powi(bucket + 1)).min(k))
        .sum()
}

/// How many operations of a phase are in flight at once: all that start within the time that one takes.
fn in_flight(experiment: &Experiment, inputs: &Inputs, place: usize) -> u64 {
    let phase = &experiment.phases[place];
    let nodes = u64::from(inputs.nodes);
    let (origins, spread_us) = match (&phase.work, &inputs.traces[place]) {
        (
            Work::Drawn {
                origin, spread_us, ..
            },
            _,
        ) => (origin.nodes(inputs.nodes), *spread_us),
        (Work::Trace { .. }, Some(rows)) => (None, rows.last().map_or(0, |row| row.start_us)),
        (Work::Trace { .. }, None) => (None, 0),
    };
    let total = inputs.operations[place];
    if experiment.link.overhead_us == 0 && !experiment.output.tables.connections {
        // They share no counter, so each runs from start to end, some thousands at a time.
        return total.min(1 << 15);
    }
    let rate = if spread_us == 0 {
        1.0
    } else {
        (duration_us(experiment, nodes) / spread_us as f64).min(1.0)
    };
    // What starts in one window is in a slot until the window is over.
    let at_once = ((total as f64 * rate) as u64).max(total.min(1 << 17));
    let limit = phase
        .parallel
        .and_then(|parallel| origins?.checked_mul(u64::from(parallel)));
    at_once.min(limit.unwrap_or(u64::MAX))
}

/// Generous guess at how long an operation takes, µs.
fn duration_us(experiment: &Experiment, nodes: u64) -> f64 {
    let link = &experiment.link;
    let faults = [&link.fast_error, &link.slow_error].into_iter().flatten();
    let errors: f64 = faults
        .filter(|error| Probability::new(error.rate).is_possible())
        .map(|error| error.rate * longest_us(&error.delay))
        .sum();
    let contact = 2.0 * longest_us(&link.delay) + errors + link.overhead_us as f64;
    let contacts = (nodes as f64).max(2.0).log2() + 4.0;
    contact * contacts
}

fn longest_us(delay: &Delay) -> f64 {
    match delay {
        Delay::Constant(delay) => *delay as f64,
        Delay::Uniform { high, .. } => *high as f64,
        Delay::Choice(delays) => delays.iter().copied().max().unwrap_or(0) as f64,
    }
}

/// Bytes as a person reads them.
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
    // What would be rounded to 1024.0 is one of the next unit.
    while value >= 1023.95 && units.len() > 0 {
        value /= 1024.0;
        unit = units.next();
    }
    format!("{value:.1} {}", unit.unwrap_or(&""))
}

/// Memory of this machine or of the control group the process runs in, bytes; the largest number where the
/// system does not say.
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
