//! The ticks table: one row for each tick of the clock in which something happened.
//!
//! Rows come in order of network, phase, tick.

use std::path::Path;

use arrow::datatypes::{Float64Type, UInt32Type, UInt64Type};

use super::batches::Batches;
use super::column::{Label, Millis, Number, Optional, OptionalMillis};
use super::error::RecordError;
use super::footer::RunInfo;
use super::table::table;

table! {
    "ticks", "A tick of a phase in which something happened. A connection and its outcome count in the tick in which it was sent", "network, phase, tick";
    TickTable;
    row: &TickRow;
    network: Number<UInt32Type>, "1", "Network of the experiment, from 0" = row.network;
    phase: Label, "1", "Phase of the experiment" = row.phase;
    tick: Number<UInt64Type>, "1", "Number of the tick, from 0" = row.tick;
    time_ms: Millis, "ms", "Start of the tick" = row.time_us;
    online: Number<UInt64Type>, "1", "Nodes online at the end of the tick" = row.online;
    active: Number<UInt64Type>, "1", "Operations in flight at the end of the tick" = row.active;
    started: Number<UInt64Type>, "1", "Operations started in the tick" = row.started;
    finished: Number<UInt64Type>, "1", "Operations finished in the tick" = row.finished;
    connections: Number<UInt64Type>, "1", "Connections made in the tick; a store is one" = row.connections;
    ok: Number<UInt64Type>, "1", "Connections of the tick that are answered" = row.ok;
    fast_error: Number<UInt64Type>, "1", "Connections of the tick that fail fast; their share is link.fast_error.rate" = row.fast_error;
    slow_error: Number<UInt64Type>, "1", "Connections of the tick that fail slowly; of those that do not fail fast, their share is link.slow_error.rate" = row.slow_error;
    not_found: Number<UInt64Type>, "1", "Connections of the tick to a node that is not there" = row.not_found;
    stored: Number<UInt64Type>, "1", "Segments stored in the tick" = row.stored;
    found: Number<UInt64Type>, "1", "Retrieves that found their segment in the tick" = row.found;
    missed: Number<UInt64Type>, "1", "Retrieves that ended without their segment in the tick" = row.missed;
    duration_ms_p50: OptionalMillis, "ms", "Median of the durations of what finished in the tick: nearest rank; of more than 65536 at most 1/1024 above it" = row.duration_us.map(|us| us[0]);
    duration_ms_p90: OptionalMillis, "ms", "90th percentile of the same" = row.duration_us.map(|us| us[1]);
    duration_ms_p99: OptionalMillis, "ms", "99th percentile of the same" = row.duration_us.map(|us| us[2]);
    @living
    late: Number<UInt64Type>, "1", "Connections of the tick whose answer comes after the timeout" = row.late;
    arrivals: Number<UInt64Type>, "1", "Nodes that came in the tick, in the phase that started last" = row.arrivals;
    departures: Number<UInt64Type>, "1", "Nodes that left in the tick, in the phase that started last" = row.departures;
    entries: Optional<Float64Type>, "1", "Entries of a routing table at the end of the tick, mean over the nodes counted that are online" = row.entries;
    stale: Optional<Float64Type>, "1", "Share of these entries whose node is offline or a client" = row.stale;
    missing: Optional<Float64Type>, "1", "1 - live entries / entries that full knowledge of the nodes that answer would give" = row.missing;
    maintenance_connections: Number<UInt64Type>, "1", "Connections of maintenance made in the tick; connections counts those of the phase's operations alone" = row.maintenance_connections;
    maintenance_failed: Number<UInt64Type>, "1", "Connections of maintenance of the tick that are not answered in time" = row.maintenance_failed;
    refresh: Number<UInt64Type>, "1", "Connections of maintenance of the tick by which buckets are refreshed" = row.refresh;
    join: Number<UInt64Type>, "1", "Connections of maintenance of the tick by which nodes join" = row.join;
    check: Number<UInt64Type>, "1", "Connections of maintenance of the tick by which entries are checked, and nodes that may become entries" = row.check;
    republish: Number<UInt64Type>, "1", "Connections of maintenance of the tick by which segments are provided again" = row.republish;
    learned: Number<UInt64Type>, "1", "Entries that buckets took in the tick" = row.learned;
    evicted: Number<UInt64Type>, "1", "Entries that left buckets in the tick, those of wiped tables left out" = row.evicted;
    expired: Number<UInt64Type>, "1", "Copies of segments that expired in the tick" = row.expired;
    records: Optional<UInt64Type>, "1", "Copies of segments that nodes hold at the end of the tick, those of nodes that are away too; counted with the tables" = row.records;
}

/// One tick. A field means what the column of its name means; times are in µs.
#[expect(missing_docs, reason = "the columns say what the fields mean")]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TickRow {
    pub network: u32,
    /// Index into the phase names given at `create`.
    pub phase: u32,
    pub tick: u64,
    pub time_us: u64,
    pub online: u64,
    pub active: u64,
    pub started: u64,
    pub finished: u64,
    pub connections: u64,
    pub ok: u64,
    pub fast_error: u64,
    pub slow_error: u64,
    pub not_found: u64,
    pub stored: u64,
    pub found: u64,
    pub missed: u64,
    /// Median, 90th and 99th percentile; none if no operation finished.
    pub duration_us: Option<[u64; 3]>,
    pub late: u64,
    pub arrivals: u64,
    pub departures: u64,
    pub entries: Option<f64>,
    pub stale: Option<f64>,
    pub missing: Option<f64>,
    pub maintenance_connections: u64,
    pub maintenance_failed: u64,
    pub refresh: u64,
    pub join: u64,
    pub check: u64,
    pub republish: u64,
    pub learned: u64,
    pub evicted: u64,
    pub expired: u64,
    pub records: Option<u64>,
}

impl TickTable {
    /// Creates the file. `phases` are the names that `phase` of a row indexes.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path, info: &RunInfo, phases: &[String]) -> Result<Self, RecordError> {
        let columns = Batch {
            phase: Label::new(phases),
            ..Batch::default()
        };
        Ok(Self(Batches::create(path, info, columns)?))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// An earlier batch could not be written. The error may appear some rows after its cause.
    pub fn push(&mut self, row: &TickRow) -> Result<(), RecordError> {
        self.0.row()?.push(row);
        self.0.pushed()
    }
}
