//! `packed`: the entries of a node's buckets one after the other in an arena. The number of entries of each bucket and
//! the node's offset lie beside the arena.
//!
//! A table takes about 4 bytes an entry and a byte a bucket. An answer reads the counts (one cache line), then the entries
//! of one bucket.

use super::face::{Slices, deep_from};
use super::fill::{OWNERS_PER_CHUNK, fill_chunks};
use crate::hardware::{Prefetcher, with_huge_pages};
use crate::key::BucketIndex;
use crate::node::Row;
use crate::routing::knowledge::Knowledge;

/// Tables whose entries lie one after the other in an arena.
pub struct Packed {
    deep: u32,
    chunks: Vec<Chunk>,
}

/// Tables of [`OWNERS_PER_CHUNK`] consecutive nodes.
struct Chunk {
    /// Where each node's entries start, and where the last node's entries end.
    starts: Vec<u32>,
    /// Entries of each bucket below `deep`, node by node.
    counts: Vec<u8>,
    entries: Vec<Row>,
}

impl Packed {
    /// Lays out the tables of all nodes.
    pub fn build(knowledge: Knowledge) -> Self {
        let deep = deep_from(knowledge);
        let chunks = fill_chunks(knowledge, |filler, owners| {
            let mut starts = Vec::with_capacity(owners.len() + 1);
            let mut counts = Vec::with_capacity(owners.len() * deep as usize);
            let mut entries =
                with_huge_pages(owners.len() * (deep as usize + 1) * knowledge.rule.k());
            for owner in owners {
                starts.push(entries.len() as u32);
                for bucket in (0..deep).map(BucketIndex::new) {
                    let rows = filler.bucket(owner, bucket);
                    counts.push(rows.len() as u8);
                    entries.extend_from_slice(rows);
                }
                filler.deep(owner, deep, &mut entries);
            }
            starts.push(entries.len() as u32);
            entries.shrink_to_fit();
            Chunk {
                starts,
                counts,
                entries,
            }
        });
        Self { deep, chunks }
    }
}

impl Slices for Packed {
    #[inline]
    fn deep(&self) -> u32 {
        self.deep
    }

    #[inline]
    fn entries(&self, owner: Row, group: u32) -> &[Row] {
        let chunk = &self.chunks[owner.index() / OWNERS_PER_CHUNK];
        let owner_index = owner.index() % OWNERS_PER_CHUNK;
        let deep = self.deep as usize;
        let counts = &chunk.counts[owner_index * deep..(owner_index + 1) * deep];
        let before: usize = counts[..group as usize]
            .iter()
            .map(|&n| usize::from(n))
            .sum();
        let start = chunk.starts[owner_index] as usize + before;
        match counts.get(group as usize) {
            Some(&n) => &chunk.entries[start..start + usize::from(n)],
            None => &chunk.entries[start..chunk.starts[owner_index + 1] as usize],
        }
    }

    #[inline]
    fn prefetch_bounds(&self, owner: Row, group: u32, prefetcher: &mut Prefetcher) {
        let chunk = &self.chunks[owner.index() / OWNERS_PER_CHUNK];
        let owner_index = owner.index() % OWNERS_PER_CHUNK;
        let first = owner_index * self.deep as usize;
        prefetcher.range(&chunk.starts, owner_index..owner_index + 2);
        prefetcher.range(&chunk.counts, first..first + group as usize + 1);
    }

    fn bytes_used(&self) -> usize {
        let chunk = |chunk: &Chunk| {
            chunk.starts.capacity() * 4 + chunk.counts.capacity() + chunk.entries.capacity() * 4
        };
        self.chunks.iter().map(chunk).sum()
    }
}
