//! The table `routing`: one row for each entry of each bucket.
//!
//! Rows come in order of network, owner's key, bucket, position.

use std::path::Path;
use std::time::Duration;

use arrow::datatypes::{Int64Type, UInt8Type, UInt32Type};

use super::batches::Batches;
use super::column::{Number, columns};
use super::error::RecordError;
use super::footer::RunInfo;

columns! {
    "routing", "An entry of a routing table", "network, owner's key, bucket, position";
    row: &RoutingRow;
    network: Number<UInt32Type>, "1", "Network of the experiment, from 0" = row.network;
    node: Number<Int64Type>, "node id", "Owner of the bucket" = row.node;
    bucket: Number<UInt8Type>, "1", "Leading bits that owner and peer share" = row.bucket;
    position: Number<UInt8Type>, "1", "Place in the bucket; 0 is the closest to the owner" = row.position;
    peer: Number<Int64Type>, "node id", "The entry" = row.peer;
}

/// One entry of one node's bucket. A field means what the column of its name means.
#[expect(missing_docs, reason = "the columns say what the fields mean")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutingRow {
    pub network: u32,
    pub node: i64,
    pub bucket: u8,
    pub position: u8,
    pub peer: i64,
}

/// Writes `routing.parquet`.
pub struct RoutingTable(Batches<Batch>);

impl RoutingTable {
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
    pub fn push(&mut self, row: &RoutingRow) -> Result<(), RecordError> {
        self.0.row()?.push(row);
        self.0.pushed()
    }

    /// Returns the CPU time that encoding rows has taken so far; zero where the operating system does not measure it.
    pub fn encoding(&self) -> Duration {
        self.0.encoding()
    }

    /// Closes the file and returns its number of rows; see [`TableWriter::finish`](super::writer::TableWriter::finish).
    ///
    /// # Errors
    /// The file could not be closed, or rows are missing from it.
    pub fn finish(self, complete: bool) -> Result<u64, RecordError> {
        self.0.finish(complete)
    }
}
