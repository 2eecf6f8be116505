//! Memory of the tables being written, and of the summary.

use kadsim_engine::record::writer::{BATCH_ROWS, QUEUE, ROW_GROUP_BYTES, ROW_GROUP_ROWS};

use super::entries::table_entries;
use super::flight::spread_us;
use super::lookup::Lookup;
use crate::file::{Experiment, Kind};
use crate::inputs::Inputs;
use crate::summary::distribution;

/// What a table takes while it is written.
struct Table {
    columns: f64,
    /// Bytes of a row in a batch that waits to be encoded.
    row_bytes: f64,
    /// Bytes of a row as encoded.
    encoded_bytes: f64,
}

const TICKS: Table = Table {
    columns: 19.0,
    row_bytes: 150.0,
    encoded_bytes: 60.0,
};
const OPERATIONS: Table = Table {
    columns: 25.0,
    row_bytes: 170.0,
    encoded_bytes: 34.0,
};
const NODES: Table = Table {
    columns: 13.0,
    row_bytes: 77.0,
    encoded_bytes: 14.0,
};
const CONNECTIONS: Table = Table {
    columns: 13.0,
    row_bytes: 90.0,
    encoded_bytes: 14.0,
};
const ROUTING: Table = Table {
    columns: 5.0,
    row_bytes: 22.0,
    encoded_bytes: 4.0,
};
/// Bytes of a node of a result list, in a batch and as encoded.
const RESULT_BYTES: (f64, f64) = (8.0, 2.0);

/// Bytes of a column that nothing is in: its compressor, its dictionary.
const COLUMN_BYTES: f64 = 110.0 * 1024.0;
/// Bytes that a row adds to a column's dictionary and compressor, and the most that they take.
const COLUMN_ROW_BYTES: f64 = 16.0;
const COLUMN_FULL_BYTES: f64 = 1.1 * 1048576.0;
/// Bytes of the summary of a phase beside its distributions: the names of its metrics and their values.
const METRICS_BYTES: f64 = 64.0 * 1024.0;
/// Bytes of a bucket of a distribution, in this network and over those before.
const BUCKET_BYTES: f64 = 2.0 * 32.0;
/// The longest operation, of a mean one.
const LONGEST: f64 = 4.0;
/// Bytes of an origin in the tally of a deadline, with the room of the map.
const TALLY_BYTES: f64 = 33.0 * 1.8;
/// Nodes whose rows are made at once, and bytes of one.
const NODE_ROWS: (f64, f64) = (65536.0, 88.0);

impl Table {
    /// Returns the bytes in use while `rows` rows are written.
    fn bytes(&self, rows: f64) -> f64 {
        let batches = (QUEUE + 2) as f64 * BATCH_ROWS as f64;
        let column = COLUMN_BYTES + (rows * COLUMN_ROW_BYTES).min(COLUMN_FULL_BYTES);
        self.columns * column
            + rows.min(batches) * self.row_bytes
            + (rows.min(ROW_GROUP_ROWS as f64) * self.encoded_bytes).min(ROW_GROUP_BYTES as f64)
    }
}

/// Returns bytes of the tables being written, and of the summary.
pub(super) fn recording_bytes(experiment: &Experiment, inputs: &Inputs, lookup: &Lookup) -> f64 {
    let networks = f64::from(experiment.networks);
    let phases = experiment.phase_names().len() as f64;
    let operations: f64 = inputs.operations.iter().map(|&count| count as f64).sum();
    let tables = experiment.output.tables;
    let k = f64::from(experiment.network.bucket_size);
    let results = match experiment.output.results {
        true => lookup.result,
        false => 0.0,
    };
    let operation = Table {
        row_bytes: OPERATIONS.row_bytes + results * RESULT_BYTES.0,
        encoded_bytes: OPERATIONS.encoded_bytes + results * RESULT_BYTES.1,
        ..OPERATIONS
    };
    let connections = operations * (lookup.attempts + lookup.result);
    let entries = table_entries(lookup.nodes, k, 0);
    let written = [
        (tables.ticks, TICKS, ticks(experiment, inputs, lookup)),
        (tables.operations, operation, operations),
        (tables.nodes, NODES, lookup.nodes * phases),
        (tables.connections, CONNECTIONS, connections),
        (tables.routing, ROUTING, lookup.nodes * entries),
    ];
    let written = written.iter().filter(|(is_wanted, ..)| *is_wanted);
    let tables: f64 = written
        .map(|(_, table, rows)| table.bytes(rows * networks))
        .sum();
    let (chunk, row) = NODE_ROWS;
    tables
        + summary_bytes(experiment, inputs, lookup)
        + tallies(experiment, inputs) * TALLY_BYTES
        + lookup.nodes.min(chunk) * row
}

/// Distributions of all phases. Those of durations and of contacts received have buckets up to their largest value.
fn summary_bytes(experiment: &Experiment, inputs: &Inputs, lookup: &Lookup) -> f64 {
    let duration = distribution::buckets_of((LONGEST * lookup.duration_us(0.0)) as u64) as f64;
    let phases = experiment.phases.iter().zip(&inputs.operations);
    let of = phases.map(|(phase, &operations)| {
        let durations = match phase.kind().operations() {
            None => 0.0,
            Some(Kind::Lookup | Kind::Retrieve) => 2.0,
            Some(Kind::Provide) => 3.0,
        };
        // An operation contacts a node at most once, but for a store.
        let contacts = distribution::buckets_of(operations) as f64;
        METRICS_BYTES + BUCKET_BYTES * (durations * duration + contacts)
    });
    of.sum()
}

/// Ticks in which something happens, in one network.
fn ticks(experiment: &Experiment, inputs: &Inputs, lookup: &Lookup) -> f64 {
    let of = |place: usize| {
        let us = spread_us(experiment, inputs, place) + lookup.duration_us(0.0);
        let events = inputs.operations[place] as f64 * (lookup.attempts + 2.0);
        (us / experiment.tick_us.max(1) as f64 + 1.0).min(events)
    };
    (0..experiment.phases.len()).map(of).sum()
}

/// Origins whose deadlines are counted.
fn tallies(experiment: &Experiment, inputs: &Inputs) -> f64 {
    let phases = experiment.phases.iter().zip(&inputs.operations);
    let of = phases.map(|(phase, &operations)| {
        let origins = (operations as f64).min(f64::from(inputs.nodes));
        phase.deadlines_us.len() as f64 * origins
    });
    of.sum()
}
