//! The routing table: who stands in whose bucket.
//!
//! Rows come in order of network, owner's key, bucket, position.

use std::path::Path;
use std::time::Duration;

use arrow::datatypes::{Int64Type, UInt8Type, UInt32Type};

use super::batches::Batches;
use super::column::{Number, columns};
use super::writer::{RecordError, RunInfo};

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
    /// When the file cannot be created.
    pub fn create(path: &Path, info: &RunInfo) -> Result<Self, RecordError> {
        Ok(Self(Batches::create(path, info, Batch::default())?))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// When the batch it completes cannot be written, or an earlier one could not.
    pub fn push(&mut self, row: &RoutingRow) -> Result<(), RecordError> {
        self.0.row()?.push(row);
        self.0.pushed()
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
