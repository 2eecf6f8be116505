//! The timings table: time and memory that each part of a run took.
//!
//! Values depend on the machine and differ from run to run. Rows come in the order in which they are pushed.

use std::path::Path;

use arrow::datatypes::{UInt32Type, UInt64Type};

use super::batches::Batches;
use super::column::{Millis, Name, Number, Optional, OptionalMillis};
use super::error::RecordError;
use super::footer::RunInfo;
use super::table::table;

table! {
    "timings", "What ran in a phase. All of it depends on the machine", "as they were measured";
    TimingTable;
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

impl TimingTable {
    /// Creates the file.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path, info: &RunInfo) -> Result<Self, RecordError> {
        Ok(Self(Batches::create(path, info, Batch::default())?))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// An earlier batch could not be written. The error may appear some rows after its cause.
    pub fn push(&mut self, row: &TimingRow) -> Result<(), RecordError> {
        self.0.row()?.push(row);
        self.0.pushed()
    }
}
