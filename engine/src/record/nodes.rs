//! The nodes table: each node as each phase left it.
//!
//! Rows come in order of network, phase, key.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::StringArray;
use arrow::datatypes::{Int64Type, UInt8Type, UInt32Type, UInt64Type};

use super::batches::Batches;
use super::column::{Flag, Label, Millis, Number, Optional, OptionalLabel, columns};
use super::writer::{RecordError, RunInfo};

columns! {
    network: Number<UInt32Type>, "1", "Network of the experiment, from 0";
    phase: Label, "1", "Phase of the experiment";
    node: Number<Int64Type>, "node id", "The node";
    key: Number<UInt64Type>, "key", "The node's key";
    label: OptionalLabel, "1", "The node's peer id in the node list";
    online: Flag<false>, "1", "Whether the node is there";
    table_entries: Number<UInt32Type>, "1", "Contacts in the node's routing table";
    buckets: Number<UInt8Type>, "1", "Buckets that are not empty";
    contacts: Number<UInt64Type>, "1", "Connections received from operations of the phase";
    segments: Number<UInt64Type>, "1", "Segments held at the phase's end, whichever phase stored them";
    overhead_ms: Millis, "ms", "The node's overhead counter at the phase's end, whichever phase used it";
    started: Number<UInt64Type>, "1", "Operations of the phase that the node was the origin of, those that never started left out";
    in_degree: Optional<UInt32Type>, "1", "Other nodes whose routing tables name the node, offline ones included; null unless output.in_degree is true";
}

/// One node at the end of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Network of the experiment, from 0.
    pub network: u32,
    /// Index into the phase names given at `create`.
    pub phase: u32,
    /// Node id.
    pub node: i64,
    /// The node's key.
    pub key: u64,
    /// Index into the labels given at `create`, if the node has one.
    pub label: Option<u32>,
    /// Whether it is there.
    pub online: bool,
    /// Contacts in its routing table.
    pub table_entries: u32,
    /// Buckets that are not empty.
    pub buckets: u8,
    /// Connections it received from operations of the phase.
    pub contacts: u64,
    /// Segments it holds.
    pub segments: u64,
    /// Its overhead counter, in µs.
    pub overhead_us: u64,
    /// Operations of the phase that it has started.
    pub started: u64,
    /// Other nodes whose routing tables name it, if that was counted.
    pub in_degree: Option<u32>,
}

/// Writes `nodes.parquet`.
pub struct NodeTable(Batches<Batch>);

impl NodeTable {
    /// Creates the file. `phases` are the names that the rows' `phase` counts in, `labels` those of `label`.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(
        path: &Path,
        info: &RunInfo,
        phases: &[String],
        labels: Option<Arc<StringArray>>,
    ) -> Result<Self, RecordError> {
        let columns = Batch {
            phase: Label::new(phases),
            label: OptionalLabel::new(labels),
            ..Batch::default()
        };
        Ok(Self(Batches::create(path, info, columns)?))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// When the batch it completes cannot be written, or an earlier one could not.
    pub fn push(&mut self, row: &NodeRow) -> Result<(), RecordError> {
        let columns = self.0.row()?;
        columns.network.push(row.network);
        columns.phase.push(row.phase);
        columns.node.push(row.node);
        columns.key.push(row.key);
        columns.label.push(row.label);
        columns.online.push(row.online);
        columns.table_entries.push(row.table_entries);
        columns.buckets.push(row.buckets);
        columns.contacts.push(row.contacts);
        columns.segments.push(row.segments);
        columns.overhead_ms.push(row.overhead_us);
        columns.started.push(row.started);
        columns.in_degree.push(row.in_degree);
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
