//! Routing tables that traffic changes: buckets that learn, evict and keep replacements.

mod bucket;
mod rules;
mod tables;
#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Entry, Failed, Heard, PingFailed};
pub use rules::{Evict, Full, Replacement, TableRules};
pub use tables::Tables;

use bevy_ecs::resource::Resource;

use crate::key::BucketIndex;
use crate::node::Row;

/// The tables of all nodes, by chunk of rows; none where no traffic changes tables.
#[derive(Resource, Default)]
pub struct LiveTables {
    /// Rows of each chunk but the last.
    pub rows: usize,
    /// The chunks, in the order of rows.
    pub chunks: Vec<Tables>,
}

impl LiveTables {
    /// Returns the chunk of a node; `None` where no traffic changes tables.
    #[inline]
    pub fn of(&self, node: Row) -> Option<&Tables> {
        self.chunks.get(node.index().checked_div(self.rows)?)
    }

    /// Replaces `out` by the entries of a bucket of a node, the least recently heard first.
    pub fn row_entries(&self, owner: Row, bucket: BucketIndex, out: &mut Vec<Row>) {
        out.clear();
        if let Some(tables) = self.of(owner) {
            let entries = tables.entries(owner, bucket.index());
            out.extend(entries.iter().map(|entry| entry.row()));
        }
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        self.chunks.iter().map(Tables::bytes_used).sum()
    }
}
