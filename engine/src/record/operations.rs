//! The operations table: one row for each provide, lookup and retrieve.
//!
//! Rows come in order of network, end, operation.

use std::path::Path;

use arrow::datatypes::{Float32Type, Int64Type, UInt32Type, UInt64Type};

use super::batches::Batches;
use super::column::{Flag, Ids, Label, Millis, Number, Optional, OptionalMillis};
use super::error::RecordError;
use super::footer::RunInfo;
use super::table::table;
use super::{Ending, Kind};

/// Number of ids in a batch from which on it is encoded even if it has few rows: 2 MiB.
const BATCH_IDS: usize = 1 << 18;

table! {
    "operations", "An operation that has ended or was cut off. Columns that it did not come to are null", "network, end or cut-off, operation";
    OperationTable;
    row: &OperationRow, result: Option<&[i64]>;
    network: Number<UInt32Type>, "1", "Network of the experiment, from 0" = row.network;
    phase: Label, "1", "Phase of the experiment" = row.phase;
    operation: Number<UInt64Type>, "1", "Number of the operation, from 0 in each network, over all phases" = row.operation;
    kind: Label, "1", "provide, lookup or retrieve" = row.kind as u32;
    origin: Number<Int64Type>, "node id", "Node the operation starts at" = row.origin;
    key: Number<UInt64Type>, "key", "Key the operation looks for" = row.key;
    due_ms: Millis, "ms", "When the operation was due" = row.due_us;
    start_ms: Millis, "ms", "When the operation began" = row.start_us;
    end_ms: OptionalMillis, "ms", "When the operation ended; null if it was cut off" = row.end_us;
    duration_ms: OptionalMillis, "ms", "end_ms - start_ms" = row.duration_us();
    attempts: Number<UInt32Type>, "1", "Nodes contacted, stores not counted" = row.attempts;
    completed: Number<UInt32Type>, "1", "Contacts that came back, answered or failed" = row.completed;
    succeeded: Number<UInt32Type>, "1", "Contacts answered" = row.succeeded;
    failed: Number<UInt32Type>, "1", "Contacts that failed" = row.failed;
    abandoned: Number<UInt32Type>, "1", "Contacts in flight at the stop, their answers unused" = row.abandoned;
    depth: Number<UInt32Type>, "1", "Answers in the chain that led to a result, the longest; in a retrieve to the holder" = row.depth;
    known: Number<UInt32Type>, "1", "Nodes learned of" = row.known;
    recall: Optional<Float32Type>, "1", "Share of the beta closest online nodes that are in the result, 0 to 1" = row.recall;
    found: Flag<true>, "1", "Whether the segment was found; retrieves only" = row.found;
    holder: Optional<Int64Type>, "node id", "Node the segment came from" = row.holder;
    stored: Optional<UInt32Type>, "1", "Nodes that keep the segment; provides only" = row.stored;
    store_failed: Optional<UInt32Type>, "1", "Stores that failed; provides only" = row.store_failed;
    lookup_ms: OptionalMillis, "ms", "Time the lookup took" = row.lookup_us;
    store_ms: OptionalMillis, "ms", "Time the stores took" = row.store_us;
    result: Ids, "node id", "Nodes found, closest first" = result;
    @living
    ended: Label, "1", "done, origin_left, origin_offline or no_origin, which end without a result, or cut_off" = row.ending as u32;
    late: Number<UInt32Type>, "1", "Contacts, stores included, whose answer came after the timeout" = row.late;
    stale_contacts: Number<UInt32Type>, "1", "Contacts of the lookup to nodes that were offline or are clients" = row.stale_contacts;
    holders_online: Optional<UInt32Type>, "1", "Nodes online at the end that hold the segment; provides and retrieves that are done, where [records] says how long segments are held or when they are provided again" = row.holders_online;
}

/// One operation, at its end. A field means what the column of its name means; times are in µs.
#[expect(missing_docs, reason = "the columns say what the fields mean")]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OperationRow {
    pub network: u32,
    /// Index into the phase names given at `create`.
    pub phase: u32,
    pub operation: u64,
    pub kind: Kind,
    pub origin: i64,
    pub key: u64,
    pub due_us: u64,
    pub start_us: u64,
    pub end_us: Option<u64>,
    pub attempts: u32,
    pub completed: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub abandoned: u32,
    pub depth: u32,
    pub known: u32,
    pub recall: Option<f32>,
    pub found: Option<bool>,
    pub holder: Option<i64>,
    pub stored: Option<u32>,
    pub store_failed: Option<u32>,
    pub lookup_us: Option<u64>,
    pub store_us: Option<u64>,
    pub ending: Ending,
    pub late: u32,
    pub stale_contacts: u32,
    pub holders_online: Option<u32>,
}

impl OperationRow {
    /// Returns the time from start to end, µs; `None` unless the operation came to its end.
    pub fn duration_us(&self) -> Option<u64> {
        let end_us = self.end_us.filter(|_| self.ending == Ending::Done)?;
        Some(end_us.saturating_sub(self.start_us))
    }
}

impl OperationTable {
    /// Creates the file. `phases` are the names that `phase` of a row indexes.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path, info: &RunInfo, phases: &[String]) -> Result<Self, RecordError> {
        let columns = Batch {
            phase: Label::new(phases),
            kind: Label::new(Kind::ALL.map(Kind::as_str)),
            ended: Label::new(Ending::ALL.map(Ending::as_str)),
            ..Batch::default()
        };
        Ok(Self(Batches::create(path, info, columns)?))
    }

    /// Appends a row; `result` holds the ids of the nodes found, closest first, if results are recorded.
    ///
    /// # Errors
    /// An earlier batch could not be written. The error may appear some rows after its cause.
    pub fn push(&mut self, row: &OperationRow, result: Option<&[i64]>) -> Result<(), RecordError> {
        let columns = self.0.row()?;
        columns.push(row, result);
        let full = columns.result.len() >= BATCH_IDS;
        self.0.pushed()?;
        if full {
            return self.0.flush();
        }
        Ok(())
    }
}
