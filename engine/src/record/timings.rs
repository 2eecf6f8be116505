//! The timings table: all that depends on the machine.
//!
//! No two runs need agree on it. Rows come in the order they are pushed.

use std::path::Path;

use arrow::datatypes::{UInt32Type, UInt64Type};

use super::batches::Batches;
use super::column::{Millis, Name, Number, Optional, OptionalMillis, columns};
use super::writer::{RecordError, RunInfo};

columns! {
    "timings", "What ran in a phase. All of it depends on the machine", "as they were measured";
    row: &TimingRow;
    network: Number<UInt32Type>, "1", "Network of the experiment, from 0" = row.network;
    phase: Name, "1", "Phase of the experiment, or bootstrap, or end" = &row.phase;
    system: Name, "1", "What ran" = &row.system;
    wall_ms: Millis, "ms", "Wall time" = row.wall_us;
    cpu_ms: OptionalMillis, "ms", "CPU time over all threads" = row.cpu_us;
    resident_bytes: Optional<UInt64Type>, "bytes", "Resident memory of the process afterwards" = row.resident_bytes;
    calls: Number<UInt64Type>, "1", "How often it ran" = row.calls;
}

/// What one system cost in one phase. A field means what the column of its name means; times are in µs.
#[expect(missing_docs, reason = "the columns say what the fields mean")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimingRow {
    pub network: u32,
    pub phase: String,
    pub system: String,
    pub wall_us: u64,
    pub cpu_us: Option<u64>,
    pub resident_bytes: Option<u64>,
    pub calls: u64,
}

/// Writes `timings.parquet`.
pub struct TimingTable(Batches<Batch>);

impl TimingTable {
    /// Creates the file.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, info: &RunInfo) -> Result<Self, RecordError> {
        Ok(Self(Batches::create(path, info, Batch::default())?))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// When the batch it completes cannot be written, or an earlier one could not.
    pub fn push(&mut self, row: &TimingRow) -> Result<(), RecordError> {
        self.0.row()?.push(row);
        self.0.pushed()
    }

    /// Closes the file and returns its rows; see [`TableWriter::finish`](super::writer::TableWriter::finish).
    ///
    /// # Errors
    /// When the file could not be closed, or rows that should be in it are not.
    pub fn finish(self, complete: bool) -> Result<u64, RecordError> {
        self.0.finish(complete)
    }
}
