//! `dense`: a fixed array of k entries for each bucket, so that no offsets say where a bucket lies.
//!
//! The deep buckets of a node, which have about k entries together, share one span of variable length. The other buckets
//! are almost always full. An answer reads one count and the entries of one bucket.

use super::face::{Slices, deep_from};
use super::fill::{OWNERS_PER_CHUNK, fill_chunks};
use crate::hardware::{Prefetcher, with_huge_pages};
use crate::key::BucketIndex;
use crate::node::Row;
use crate::routing::knowledge::Knowledge;

/// Tables with a fixed array of k entries for each bucket.
pub struct Dense {
    deep: u32,
    k: usize,
    chunks: Vec<Chunk>,
}

/// Tables of [`OWNERS_PER_CHUNK`] consecutive nodes.
struct Chunk {
    /// `deep` arrays of k entries a node. Behind a bucket's last entry, its array holds [`VACANT`].
    buckets: Vec<Row>,
    /// Entries of each bucket below `deep`, node by node.
    counts: Vec<u8>,
    /// Where each node's entries in deep buckets start, and where those of the last node end.
    deep_starts: Vec<u32>,
    /// Entries in deep buckets, node by node.
    deep_entries: Vec<Row>,
}

const VACANT: Row = Row(u32::MAX);

impl Dense {
    /// Lays out the tables of all nodes.
    pub fn build(knowledge: Knowledge) -> Self {
        let deep = deep_from(knowledge);
        let k = knowledge.rule.k();
        let chunks = fill_chunks(knowledge, |filler, owners| {
            let buckets = owners.len() * deep as usize;
            let mut chunk = Chunk {
                buckets: with_huge_pages(buckets * k),
                counts: Vec::with_capacity(buckets),
                deep_starts: Vec::with_capacity(owners.len() + 1),
                deep_entries: Vec::with_capacity(owners.len() * 2 * k),
            };
            for owner in owners {
                for bucket in (0..deep).map(BucketIndex::new) {
                    let rows = filler.bucket(owner, bucket);
                    chunk.counts.push(rows.len() as u8);
                    chunk.buckets.extend_from_slice(rows);
                    chunk.buckets.resize(chunk.counts.len() * k, VACANT);
                }
                chunk.deep_starts.push(chunk.deep_entries.len() as u32);
                filler.deep(owner, deep, &mut chunk.deep_entries);
            }
            chunk.deep_starts.push(chunk.deep_entries.len() as u32);
            chunk.deep_entries.shrink_to_fit();
            chunk
        });
        Self { deep, k, chunks }
    }
}

impl Slices for Dense {
    #[inline]
    fn deep(&self) -> u32 {
        self.deep
    }

    #[inline]
    fn entries(&self, owner: Row, group: u32) -> &[Row] {
        let chunk = &self.chunks[owner.index() / OWNERS_PER_CHUNK];
        let owner_index = owner.index() % OWNERS_PER_CHUNK;
        if group < self.deep {
            let bucket = owner_index * self.deep as usize + group as usize;
            let count = usize::from(chunk.counts[bucket]);
            return &chunk.buckets[bucket * self.k..bucket * self.k + count];
        }
        &chunk.deep_entries
            [chunk.deep_starts[owner_index] as usize..chunk.deep_starts[owner_index + 1] as usize]
    }

    #[inline]
    fn prefetch_bounds(&self, owner: Row, group: u32, prefetcher: &mut Prefetcher) {
        let chunk = &self.chunks[owner.index() / OWNERS_PER_CHUNK];
        let owner_index = owner.index() % OWNERS_PER_CHUNK;
        if group < self.deep {
            prefetcher.item(
                &chunk.counts,
                owner_index * self.deep as usize + group as usize,
            );
        } else {
            prefetcher.range(&chunk.deep_starts, owner_index..owner_index + 2);
        }
    }

    fn bytes_used(&self) -> usize {
        let rows = |rows: &Vec<Row>| rows.capacity() * size_of::<Row>();
        let chunk = |chunk: &Chunk| {
            rows(&chunk.buckets)
                + chunk.counts.capacity()
                + chunk.deep_starts.capacity() * 4
                + rows(&chunk.deep_entries)
        };
        self.chunks.iter().map(chunk).sum()
    }
}
