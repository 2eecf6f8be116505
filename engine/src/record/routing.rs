//! The table `routing`: one row for each entry of each bucket.
//!
//! Rows come in order of network, owner's key, bucket, position.

use std::path::Path;

use arrow::datatypes::{Int64Type, UInt8Type, UInt32Type};

use super::batches::Batches;
use super::column::Number;
use super::error::RecordError;
use super::footer::RunInfo;
use super::table::table;

table! {
    "routing", "An entry of a routing table", "network, owner's key, bucket, position";
    RoutingTable;
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
}
