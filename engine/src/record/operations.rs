//! The operations table: what became of each provide, lookup and retrieve.
//!
//! Rows come in order of network, end, operation.

use std::path::Path;
use std::time::Duration;

use arrow::datatypes::{Float32Type, Int64Type, UInt32Type, UInt64Type};

use super::Kind;
use super::batches::Batches;
use super::column::{Flag, Ids, Label, Millis, Number, Optional, OptionalMillis, columns};
use super::writer::{RecordError, RunInfo};

/// Ids in the lists of a batch after which it is handed on even if it has few rows: 2 MiB.
const BATCH_IDS: usize = 1 << 18;

columns! {
    network: Number<UInt32Type>, "1", "Network of the experiment, from 0";
    phase: Label, "1", "Phase of the experiment";
    operation: Number<UInt64Type>, "1", "Number of the operation, from 0 in each network, over all phases";
    kind: Label, "1", "provide, lookup or retrieve";
    origin: Number<Int64Type>, "node id", "Node the operation starts at";
    key: Number<UInt64Type>, "key", "Key the operation looks for";
    due_ms: Millis, "ms", "When the operation was due";
    start_ms: Millis, "ms", "When the operation began";
    end_ms: OptionalMillis, "ms", "When the operation ended; null if it was cut off";
    duration_ms: OptionalMillis, "ms", "end_ms - start_ms";
    attempts: Number<UInt32Type>, "1", "Nodes contacted, stores not counted";
    completed: Number<UInt32Type>, "1", "Contacts that came back, answered or failed";
    succeeded: Number<UInt32Type>, "1", "Contacts answered";
    failed: Number<UInt32Type>, "1", "Contacts that failed";
    abandoned: Number<UInt32Type>, "1", "Contacts in flight at the stop, their answers unused";
    depth: Number<UInt32Type>, "1", "Answers in the chain that led to a result, the longest; in a retrieve to the holder";
    known: Number<UInt32Type>, "1", "Nodes learned of";
    recall: Optional<Float32Type>, "1", "Share of the beta closest online nodes that are in the result, 0 to 1";
    found: Flag<true>, "1", "Whether the segment was found; retrieves only";
    holder: Optional<Int64Type>, "node id", "Node the segment came from";
    stored: Optional<UInt32Type>, "1", "Nodes that keep the segment; provides only";
    store_failed: Optional<UInt32Type>, "1", "Stores that failed; provides only";
    lookup_ms: OptionalMillis, "ms", "Time the lookup took";
    store_ms: OptionalMillis, "ms", "Time the stores took";
    result: Ids, "node id", "Nodes found, closest first";
}

/// One operation, at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperationRow {
    /// Network of the experiment, from 0.
    pub network: u32,
    /// Index into the phase names given at `create`.
    pub phase: u32,
    /// Number of the operation, from 0 in each network, over all phases.
    pub operation: u64,
    /// What it does.
    pub kind: Kind,
    /// Node id of the node it starts at.
    pub origin: i64,
    /// Key it looks for.
    pub key: u64,
    /// When it was due, in µs.
    pub due_us: u64,
    /// When it began, in µs.
    pub start_us: u64,
    /// When it ended, in µs; none if it was cut off.
    pub end_us: Option<u64>,
    /// Nodes contacted, stores not counted.
    pub attempts: u32,
    /// Contacts that came back, answered or failed.
    pub completed: u32,
    /// Contacts answered.
    pub succeeded: u32,
    /// Contacts that failed.
    pub failed: u32,
    /// Contacts in flight at the stop, their answers unused.
    pub abandoned: u32,
    /// Answers in the chain that led to a result, the longest; in a retrieve to the holder.
    pub depth: u32,
    /// Nodes learned of.
    pub known: u32,
    /// Share of the beta closest online nodes that are in the result, 0 to 1.
    pub recall: Option<f32>,
    /// Whether the segment was found; retrieves only.
    pub found: Option<bool>,
    /// Node id of the node the segment came from.
    pub holder: Option<i64>,
    /// Nodes that keep the segment; provides only.
    pub stored: Option<u32>,
    /// Stores that failed; provides only.
    pub store_failed: Option<u32>,
    /// Time the lookup took, in µs.
    pub lookup_us: Option<u64>,
    /// Time the stores took, in µs.
    pub store_us: Option<u64>,
}

/// Writes `operations.parquet`.
pub struct OperationTable(Batches<Batch>);

impl OperationTable {
    /// Creates the file. `phases` are the names that the rows' `phase` counts in.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, info: &RunInfo, phases: &[String]) -> Result<Self, RecordError> {
        let columns = Batch {
            phase: Label::new(phases),
            kind: Label::new(Kind::ALL.map(Kind::as_str)),
            ..Batch::default()
        };
        Ok(Self(Batches::create(path, info, columns)?))
    }

    /// Appends a row; `result` are the ids of the nodes found, closest first, if they are to be kept.
    ///
    /// # Errors
    /// When the batch it completes cannot be written, or an earlier one could not.
    pub fn push(&mut self, row: &OperationRow, result: Option<&[i64]>) -> Result<(), RecordError> {
        let columns = self.0.row()?;
        columns.network.push(row.network);
        columns.phase.push(row.phase);
        columns.operation.push(row.operation);
        columns.kind.push(row.kind as u32);
        columns.origin.push(row.origin);
        columns.key.push(row.key);
        columns.due_ms.push(row.due_us);
        columns.start_ms.push(row.start_us);
        columns.end_ms.push(row.end_us);
        let duration_us = row.end_us.map(|end| end.saturating_sub(row.start_us));
        columns.duration_ms.push(duration_us);
        columns.attempts.push(row.attempts);
        columns.completed.push(row.completed);
        columns.succeeded.push(row.succeeded);
        columns.failed.push(row.failed);
        columns.abandoned.push(row.abandoned);
        columns.depth.push(row.depth);
        columns.known.push(row.known);
        columns.recall.push(row.recall);
        columns.found.push(row.found);
        columns.holder.push(row.holder);
        columns.stored.push(row.stored);
        columns.store_failed.push(row.store_failed);
        columns.lookup_ms.push(row.lookup_us);
        columns.store_ms.push(row.store_us);
        columns.result.push(result);
        let full = columns.result.len() >= BATCH_IDS;
        self.0.pushed()?;
        if full {
            return self.0.flush();
        }
        Ok(())
    }

    /// CPU time that encoding its rows has taken so far, where the system tells.
    pub fn encoding(&self) -> Duration {
        self.0.encoding()
    }

    /// Closes the file and returns its rows; see [`TableWriter::finish`](super::writer::TableWriter::finish).
    ///
    /// # Errors
    /// When the file could not be closed, or rows that should be in it are not.
    pub fn finish(self, complete: bool) -> Result<u64, RecordError> {
        self.0.finish(complete)
    }
}
