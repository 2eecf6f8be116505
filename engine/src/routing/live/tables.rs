//! The tables of a chunk of nodes: all buckets of a node from the start, in one arena.
//!
//! A node has a bucket for each number of leading bits that it shares with some other node of the network, and a bucket
//! has room for k entries, or for as many as there are nodes in its range. So a table never moves: a chunk allocates
//! once, and threads that work on different chunks share nothing.

use super::bucket::{Bucket, Entry, Head};
use crate::answer::Answer;
use crate::hardware::{Prefetcher, in_huge_pages, move_to_huge_pages, with_huge_pages};
use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::{Owner, Population};
use crate::routing::layout::closest_by_bucket;

/// Buckets whose memory is fetched ahead before the one that a key belongs to.
const SHALLOWER: usize = 2;

/// Where the table of a node lies.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Index of its first entry.
    entry: u32,
    /// Index of its first bucket.
    bucket: u32,
}

/// The tables of nodes with consecutive rows.
pub struct Tables {
    first: Row,
    /// Of each node; one more for the end.
    places: Vec<Place>,
    heads: Vec<Head>,
    entries: Vec<Entry>,
    /// Most replacements of a bucket.
    replacements_max: usize,
    /// Replacements by bucket, room for `replacements_max` each.
    replacements: Vec<Row>,
}

impl Tables {
    /// Makes empty tables for the nodes with rows from `first` to `last`, last excluded, of a sorted population.
    ///
    /// # Panics
    ///
    /// If the tables of the chunk have more than 2³² entries.
    pub fn new(population: &Population, k: usize, replacements: u8, first: Row, last: Row) -> Self {
        let mut tables = Self {
            first,
            places: with_huge_pages(last.index() - first.index() + 1),
            heads: Vec::new(),
            entries: Vec::new(),
            replacements_max: replacements.into(),
            replacements: Vec::new(),
        };
        let mut entry = 0u32;
        for row in (first.0..last.0).map(Row) {
            tables.places.push(Place {
                entry,
                bucket: tables.heads.len() as u32,
            });
            let key = population.key(row);
            let mut offset = 0u16;
            for bucket in BucketIndex::all().take(depth(population, row)) {
                let candidates = population.candidates(key, bucket).len();
                let capacity = candidates.min(k) as u8;
                tables.heads.push(Head {
                    offset,
                    capacity,
                    ..Head::default()
                });
                offset += u16::from(capacity);
            }
            entry = entry
                .checked_add(offset.into())
                .expect("a chunk of nodes has less than 2³² entries");
        }
        tables.places.push(Place {
            entry,
            bucket: tables.heads.len() as u32,
        });
        tables.entries = in_huge_pages(Entry::default(), entry as usize);
        let room = tables.heads.len() * tables.replacements_max;
        tables.replacements = in_huge_pages(Row(0), room);
        tables.heads.shrink_to_fit();
        move_to_huge_pages(&tables.heads);
        tables
    }

    #[inline]
    fn place(&self, owner: Row) -> (Place, usize) {
        let index = owner.index() - self.first.index();
        let (place, next) = (self.places[index], self.places[index + 1]);
        (place, (next.bucket - place.bucket) as usize)
    }

    /// Returns the number of a node's buckets.
    #[inline]
    pub fn buckets(&self, owner: Row) -> usize {
        self.place(owner).1
    }

    /// Returns the index of a node's first bucket among those of the chunk.
    #[inline]
    pub fn first_bucket(&self, owner: Row) -> usize {
        self.place(owner).0.bucket as usize
    }

    /// Returns the number of buckets of the chunk.
    pub fn all_buckets(&self) -> usize {
        self.heads.len()
    }

    /// Returns a bucket of a node.
    ///
    /// # Panics
    ///
    /// If no node of the network is in the bucket's range.
    #[inline]
    pub fn bucket(&mut self, owner: Row, bucket: BucketIndex) -> Bucket<'_> {
        let (place, count) = self.place(owner);
        assert!(bucket.index() < count, "a node is in the bucket's range");
        let index = place.bucket as usize + bucket.index();
        let head = &mut self.heads[index];
        let entry = place.entry as usize + head.offset as usize;
        let most = self.replacements_max;
        Bucket {
            entries: &mut self.entries[entry..entry + head.capacity as usize],
            head,
            replacements: &mut self.replacements[index * most..(index + 1) * most],
        }
    }

    /// Returns the entries of one bucket of a node, the least recently heard first.
    #[inline]
    pub fn entries(&self, owner: Row, bucket: usize) -> &[Entry] {
        let (place, count) = self.place(owner);
        if bucket >= count {
            return &[];
        }
        let head = &self.heads[place.bucket as usize + bucket];
        let entry = place.entry as usize + head.offset as usize;
        &self.entries[entry..entry + head.len as usize]
    }

    /// Returns the replacements of one bucket of a node, the newest last.
    pub fn replacements(&self, owner: Row, bucket: usize) -> &[Row] {
        let (place, count) = self.place(owner);
        if bucket >= count {
            return &[];
        }
        let index = place.bucket as usize + bucket;
        let first = index * self.replacements_max;
        &self.replacements[first..first + usize::from(self.heads[index].replacements)]
    }

    /// Returns the deepest bucket of a node that is not empty.
    pub fn deepest(&self, owner: Row) -> Option<BucketIndex> {
        let (place, count) = self.place(owner);
        let heads = &self.heads[place.bucket as usize..place.bucket as usize + count];
        let deepest = heads.iter().rposition(|head| head.len > 0)?;
        Some(BucketIndex::new(deepest as u32))
    }

    /// Returns the number of entries of a node's table.
    pub fn len(&self, owner: Row) -> usize {
        let (place, count) = self.place(owner);
        let heads = &self.heads[place.bucket as usize..place.bucket as usize + count];
        heads.iter().map(|head| usize::from(head.len)).sum()
    }

    /// Empties a node's table; returns the number of entries that it had.
    pub fn clear(&mut self, owner: Row) -> u32 {
        let buckets = 0..self.buckets(owner) as u32;
        buckets
            .map(|bucket| self.bucket(owner, BucketIndex::new(bucket)).clear())
            .sum()
    }

    /// Forgets the pings of a node that has left.
    pub fn forget_pings(&mut self, owner: Row) {
        let (place, count) = self.place(owner);
        let heads = &mut self.heads[place.bucket as usize..place.bucket as usize + count];
        heads.iter_mut().for_each(|head| head.is_pinging = false);
    }

    /// Replaces `out` by the `n` entries of a node's table that are closest to `key`, without their distances: an answer does
    /// not carry them. Leaves out entries with failures unless `with_failed` is set.
    #[inline]
    pub fn closest(
        &self,
        population: &Population,
        owner: Owner,
        key: Key,
        n: usize,
        with_failed: bool,
        out: &mut Answer,
    ) {
        out.clear();
        let deep = self.buckets(owner.row) as u32;
        let append = |bucket: u32, out: &mut Answer| {
            let entries = self.entries(owner.row, bucket as usize).iter();
            if with_failed {
                out.rows.extend(entries.map(|entry| entry.row()));
            } else {
                let named = entries.filter(|entry| entry.failures() == 0);
                out.rows.extend(named.map(|entry| entry.row()));
            }
        };
        closest_by_bucket(population, owner.key, key, deep, n, out, append);
    }

    /// Prefetches where the table of a node lies. [`Tables::prefetch_heads`] follows, once that is there.
    #[inline]
    pub fn prefetch(&self, owner: Row, prefetcher: &mut Prefetcher) {
        let index = owner.index() - self.first.index();
        prefetcher.range(&self.places, index..index + 2);
    }

    /// Prefetches the head of a bucket. [`Tables::prefetch_bucket`] follows.
    #[inline]
    pub fn prefetch_head(&self, owner: Row, bucket: usize, prefetcher: &mut Prefetcher) {
        let (place, count) = self.place(owner);
        if bucket < count {
            prefetcher.item(&self.heads, place.bucket as usize + bucket);
        }
    }

    /// Prefetches the heads of the buckets from one on, and of a few before it: of all buckets if `bucket` is 0.
    /// [`Tables::prefetch_near`] follows.
    #[inline]
    pub fn prefetch_heads(&self, owner: Row, bucket: usize, prefetcher: &mut Prefetcher) {
        let (place, count) = self.place(owner);
        let first = place.bucket as usize;
        let from = bucket.min(count).saturating_sub(SHALLOWER);
        prefetcher.range(&self.heads, first + from..first + count);
    }

    /// Prefetches the entries of a bucket.
    #[inline]
    pub fn prefetch_bucket(&self, owner: Row, bucket: usize, prefetcher: &mut Prefetcher) {
        let (place, count) = self.place(owner);
        if bucket < count {
            let head = &self.heads[place.bucket as usize + bucket];
            let entry = place.entry as usize + head.offset as usize;
            // The entry that may be appended too.
            prefetcher.range(&self.entries, entry..entry + head.len as usize + 1);
        }
    }

    /// Prefetches most of the entries that [`Tables::closest`] reads: those of the bucket to whose range the key belongs, of
    /// deeper ones if there are fewer than `n` in it, and of the ones before it if there are fewer still.
    #[inline]
    pub fn prefetch_near(&self, owner: Row, bucket: usize, n: usize, prefetcher: &mut Prefetcher) {
        let (place, count) = self.place(owner);
        let Some(last) = count.checked_sub(1) else {
            return;
        };
        let heads = &self.heads[place.bucket as usize..][..count];
        let own = bucket.min(last);
        let len = |bucket: usize| usize::from(heads[bucket].len);
        let (mut first, mut last) = (own, last);
        if len(own) >= n {
            last = own;
        } else {
            let mut named: usize = (own..=last).map(len).sum();
            while named < n && first > own.saturating_sub(SHALLOWER) {
                first -= 1;
                named += len(first);
            }
        }
        let entry = place.entry as usize;
        let first = entry + usize::from(heads[first].offset);
        let end = entry + usize::from(heads[last].offset) + usize::from(heads[last].len);
        prefetcher.range(&self.entries, first..end.max(first));
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
            + self.heads.capacity() * size_of::<Head>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.replacements.capacity() * size_of::<Row>()
    }
}

/// Returns the number of buckets of a node: one more than the leading bits that it shares with its nearest neighbours in
/// the order of keys.
fn depth(population: &Population, row: Row) -> usize {
    let key = population.key(row);
    let neighbours = [row.0.checked_sub(1), Some(row.0 + 1)];
    let others = neighbours.into_iter().flatten().map(Row);
    let sorted = others.filter(|other| other.index() < population.sorted());
    let shared = sorted.map(|other| key.shared_bits(population.key(other)) as usize + 1);
    shared.max().unwrap_or(0)
}
