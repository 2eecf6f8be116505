//! The connections table: one row for each connection.
//!
//! Rows come in order of network, time sent, operation, sequence.

use std::path::Path;

use arrow::datatypes::{Int64Type, UInt32Type, UInt64Type};

use super::batches::Batches;
use super::column::{Label, Millis, Number};
use super::error::RecordError;
use super::footer::RunInfo;
use super::table::table;
use super::{Outcome, Purpose, Request};

table! {
    "connections", "A connection: a request with its answer or failure. With lookup.procedure = \"py-dht\", time_ms is the operation's start", "network, time sent, operation, sequence";
    ConnectionTable;
    row: &ConnectionRow;
    network: Number<UInt32Type>, "1", "Network of the experiment, from 0" = row.network;
    phase: Label, "1", "Phase of the experiment" = row.phase;
    operation: Number<UInt64Type>, "1", "Number of the operation it belongs to; of maintenance, from 2^63 on" = row.operation;
    sequence: Number<UInt32Type>, "1", "Number of the connection within the operation, from 0" = row.sequence;
    time_ms: Millis, "ms", "When it was sent" = row.time_us;
    from: Number<Int64Type>, "node id", "The sender" = row.from;
    to: Number<Int64Type>, "node id", "The contacted node" = row.to;
    request: Label, "1", "lookup or store; a ping counts as lookup" = row.request as u32;
    outcome: Label, "1", "ok, fast_error, slow_error, not_found or, in living runs, late" = row.outcome as u32;
    base_delay_ms: Millis, "ms", "Delay of the link" = row.base_delay_us;
    origin_overhead_ms: Millis, "ms", "Delay that the origin's overhead adds" = row.origin_overhead_us;
    remote_overhead_ms: Millis, "ms", "Delay that the contacted node's overhead adds" = row.remote_overhead_us;
    total_delay_ms: Millis, "ms", "Time from sending to outcome" = row.total_delay_us;
    @living
    purpose: Label, "1", "What it is made for: user, an operation of the phase; refresh, join, check, ping, republish" = row.purpose as u32;
}

/// One connection. A field means what the column of its name means; times are in µs.
#[expect(missing_docs, reason = "the columns say what the fields mean")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionRow {
    pub network: u32,
    /// Index into the phase names given at `create`.
    pub phase: u32,
    pub operation: u64,
    pub sequence: u32,
    pub time_us: u64,
    pub from: i64,
    pub to: i64,
    pub request: Request,
    pub outcome: Outcome,
    pub base_delay_us: u64,
    pub origin_overhead_us: u64,
    pub remote_overhead_us: u64,
    pub total_delay_us: u64,
    pub purpose: Purpose,
}

impl ConnectionTable {
    /// Creates the file. `phases` are the names that `phase` of a row indexes.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path, info: &RunInfo, phases: &[String]) -> Result<Self, RecordError> {
        let columns = Batch {
            phase: Label::new(phases),
            request: Label::new(Request::ALL.map(Request::as_str)),
            outcome: Label::new(Outcome::ALL.map(Outcome::as_str)),
            purpose: Label::new(Purpose::ALL.map(Purpose::as_str)),
            ..Batch::default()
        };
        Ok(Self(Batches::create(path, info, columns)?))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// An earlier batch could not be written. The error may appear some rows after its cause.
    pub fn push(&mut self, row: &ConnectionRow) -> Result<(), RecordError> {
        self.0.row()?.push(row);
        self.0.pushed()
    }
}
