//! The nodes table: one row for each node at the end of each phase.
//!
//! Rows come in order of network, phase, key.

use std::path::Path;
use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{Float64Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};

use super::batches::Batches;
use super::column::{Flag, Label, Millis, Number, Optional, OptionalLabel};
use super::error::RecordError;
use super::footer::RunInfo;
use super::table::table;

table! {
    "nodes", "A node at the end of a phase, that moment included. Connections received that fail count too", "network, phase, key";
    NodeTable;
    row: &NodeRow;
    network: Number<UInt32Type>, "1", "Network of the experiment, from 0" = row.network;
    phase: Label, "1", "Phase of the experiment" = row.phase;
    node: Number<Int64Type>, "node id", "The node" = row.node;
    key: Number<UInt64Type>, "key", "The node's key" = row.key;
    label: OptionalLabel, "1", "The node's peer id in the node list" = row.label;
    online: Flag<false>, "1", "Whether the node is there" = row.online;
    table_entries: Number<UInt32Type>, "1", "Contacts in the node's routing table" = row.table_entries;
    buckets: Number<UInt8Type>, "1", "Buckets that are not empty" = row.buckets;
    contacts: Number<UInt64Type>, "1", "Connections received from operations of the phase" = row.contacts;
    segments: Number<UInt64Type>, "1", "Segments held at the phase's end, whichever phase stored them" = row.segments;
    overhead_ms: Millis, "ms", "The node's overhead counter at the phase's end, whichever phase used it" = row.overhead_us;
    started: Number<UInt64Type>, "1", "Operations of the phase that the node was the origin of, those that never started left out" = row.started;
    in_degree: Optional<UInt32Type>, "1", "Other nodes whose routing tables name the node, offline ones included; null unless output.in_degree is true" = row.in_degree;
    @living
    region: OptionalLabel, "1", "The node's region; null without regions" = row.region;
    server: Flag<false>, "1", "Whether the node answers requests while it is online" = row.server;
    sessions: Number<UInt32Type>, "1", "Sessions that the node has begun by the end of the phase, one under way at the start included" = row.sessions;
    online_ms: Millis, "ms", "Time that the node was online in the phase" = row.online_us;
    stale: Optional<Float64Type>, "1", "Share of the entries of its routing table whose node is offline or a client; null while it is offline" = row.stale;
    missing: Optional<Float64Type>, "1", "1 - live entries / entries that full knowledge of the nodes that answer would give; null while it is offline" = row.missing;
    maintenance_sent: Number<UInt64Type>, "1", "Connections of maintenance that the node made in the phase, before the next one starts" = row.maintenance_sent;
    maintenance_received: Number<UInt64Type>, "1", "Connections of maintenance that the node received in that time" = row.maintenance_received;
}

/// One node at the end of a phase. A field means what the column of its name means; times are in µs.
#[expect(missing_docs, reason = "the columns say what the fields mean")]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeRow {
    pub network: u32,
    /// Index into the phase names given at `create`.
    pub phase: u32,
    pub node: i64,
    pub key: u64,
    /// Index into the labels given at `create`, if the node has one.
    pub label: Option<u32>,
    pub online: bool,
    pub table_entries: u32,
    pub buckets: u8,
    pub contacts: u64,
    pub segments: u64,
    pub overhead_us: u64,
    pub started: u64,
    pub in_degree: Option<u32>,
    /// Index into the regions given at `create`.
    pub region: Option<u32>,
    pub server: bool,
    pub sessions: u32,
    pub online_us: u64,
    pub stale: Option<f64>,
    pub missing: Option<f64>,
    pub maintenance_sent: u64,
    pub maintenance_received: u64,
}

impl NodeTable {
    /// Creates the file. `phases` are the names that `phase` of a row indexes, `labels` those that `label`
    /// indexes, `regions` those that `region` indexes.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(
        path: &Path,
        info: &RunInfo,
        phases: &[String],
        labels: Option<Arc<StringArray>>,
        regions: Option<Arc<StringArray>>,
    ) -> Result<Self, RecordError> {
        let columns = Batch {
            phase: Label::new(phases),
            label: OptionalLabel::new(labels),
            region: OptionalLabel::new(regions),
            ..Batch::default()
        };
        Ok(Self(Batches::create(path, info, columns)?))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// An earlier batch could not be written. The error may appear some rows after its cause.
    pub fn push(&mut self, row: &NodeRow) -> Result<(), RecordError> {
        self.0.row()?.push(row);
        self.0.pushed()
    }
}
