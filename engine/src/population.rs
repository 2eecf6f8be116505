//! Full knowledge of a network: the key column with an index over it.
//!
//! The first `sorted` rows are in key order, with a radix index over their leading bits (4 bytes a node
//! at most). Rows added later have an index of their own, the [`Tail`]. Finding the range of a prefix costs two
//! reads of the radix index and, for a prefix longer than the index resolves, a binary search in one or two keys.

use bevy_ecs::resource::Resource;

use crate::hardware::{Prefetcher, in_huge_pages};
use crate::key::{BucketIndex, Distance, Key};
use crate::node::Row;
use crate::tail::{Late, Tail};

/// Index over the keys of a network. The rows of prefix `p` are `offsets[p]..offsets[p + 1]`; nodes added later are in
/// the tail.
#[derive(Resource, Clone, Debug)]
pub struct RadixIndex {
    bits: u32,
    offsets: Vec<u32>,
    tail: Tail,
}

impl RadixIndex {
    /// Returns the index over a sorted key column of at most 2³² - 1 keys.
    pub fn new(sorted: &[Key]) -> Self {
        let bits = sorted.len().checked_ilog2().unwrap_or(0);
        let mut offsets = in_huge_pages(0, (1 << bits) + 1);
        let mut cell = 0;
        for (row, key) in sorted.iter().enumerate() {
            let prefix = prefix_of(key.0, bits) as usize;
            while cell <= prefix {
                offsets[cell] = row as u32;
                cell += 1;
            }
        }
        offsets[cell..].fill(sorted.len() as u32);
        Self {
            bits,
            offsets,
            tail: Tail::default(),
        }
    }

    /// Adds the key of the next row. No other node may have it. Cost: O(√added), amortised.
    pub fn add(&mut self, key: Key) {
        let row = Row((self.sorted() + self.tail.len()) as u32);
        self.tail.add(Late { key, row });
    }

    /// Returns the number of rows in key order.
    #[inline]
    fn sorted(&self) -> usize {
        self.offsets[self.offsets.len() - 1] as usize
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        self.offsets.capacity() * size_of::<u32>() + self.tail.bytes_used()
    }

    /// Returns the first row whose key is at least `key`.
    #[inline]
    fn lower_bound(&self, keys: &[Key], key: u64) -> u32 {
        let cell = prefix_of(key, self.bits) as usize;
        let (start, end) = (self.offsets[cell], self.offsets[cell + 1]);
        let below = keys[start as usize..end as usize].partition_point(|k| k.0 < key);
        start + below as u32
    }
}

/// Returns the first `bits` bits of a key.
#[inline]
fn prefix_of(key: u64, bits: u32) -> u64 {
    if bits == 0 {
        0
    } else {
        key >> (Key::BITS - bits)
    }
}

/// A range of rows of the sorted part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rows {
    /// First row.
    pub start: u32,
    /// Row after the last.
    pub end: u32,
}

impl Rows {
    /// Returns the number of rows.
    #[inline]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Returns whether the range is empty.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Returns each row, in order.
    #[inline]
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Row> {
        (self.start..self.end).map(Row)
    }
}

/// The owner of a routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The node.
    pub row: Row,
    /// Its key.
    pub key: Key,
}

/// All nodes of a network, sorted and added later, with the index over their keys.
#[derive(Clone, Copy)]
pub struct Population<'a> {
    keys: &'a [Key],
    sorted: usize,
    index: &'a RadixIndex,
}

impl<'a> Population<'a> {
    /// Combines a key column with the index made from it.
    ///
    /// # Panics
    ///
    /// If a row was added to one of them alone.
    pub fn new(keys: &'a [Key], index: &'a RadixIndex) -> Self {
        let sorted = index.sorted();
        assert_eq!(
            keys.len(),
            sorted + index.tail.len(),
            "the index covers every row"
        );
        Self {
            keys,
            sorted,
            index,
        }
    }

    /// Returns the key column.
    #[inline]
    pub fn keys(&self) -> &'a [Key] {
        self.keys
    }

    /// Returns the key of a node.
    #[inline]
    pub fn key(&self, row: Row) -> Key {
        self.keys[row.index()]
    }

    /// Returns a node with its key.
    #[inline]
    pub fn owner(&self, row: Row) -> Owner {
        Owner {
            row,
            key: self.key(row),
        }
    }

    /// Returns the number of rows in key order. The rest are nodes added later.
    #[inline]
    pub fn sorted(&self) -> usize {
        self.sorted
    }

    /// Returns the nodes added later.
    #[inline]
    pub fn tail(&self) -> &'a Tail {
        &self.index.tail
    }

    /// Returns the node with this key. Cost: O(1) for a node in key order, O(log added) for a node added later.
    pub fn find(&self, key: Key) -> Option<Row> {
        let row = self.index.lower_bound(&self.keys[..self.sorted], key.0);
        if (row as usize) < self.sorted && self.keys[row as usize] == key {
            return Some(Row(row));
        }
        self.tail().find(key)
    }

    /// Returns the sorted rows whose keys share the first `depth` bits (0 to 64) with `key`.
    #[inline]
    pub fn subtree(&self, key: Key, depth: u32) -> Rows {
        if depth == 0 {
            return Rows {
                start: 0,
                end: self.sorted as u32,
            };
        }
        let shift = Key::BITS - depth;
        let prefix = key.0 >> shift;
        if depth <= self.index.bits {
            let finer = self.index.bits - depth;
            return Rows {
                start: self.index.offsets[(prefix << finer) as usize],
                end: self.index.offsets[((prefix + 1) << finer) as usize],
            };
        }
        let cell = prefix_of(key.0, self.index.bits) as usize;
        let (start, end) = (self.index.offsets[cell], self.index.offsets[cell + 1]);
        let keys = &self.keys[start as usize..end as usize];
        let below = keys.partition_point(|k| k.0 >> shift < prefix);
        let upto = below + keys[below..].partition_point(|k| k.0 >> shift == prefix);
        Rows {
            start: start + below as u32,
            end: start + upto as u32,
        }
    }

    /// Returns whether another sorted node than a sorted `owner` is in the range of a bucket, or of a deeper one.
    #[inline]
    pub fn reaches(&self, owner: Key, bucket: BucketIndex) -> bool {
        self.subtree(owner, bucket.shared_bits()).len() > 1
    }

    /// Returns the buckets of `owner` from the first to the deepest that has candidates among the sorted nodes.
    pub fn buckets(&self, owner: Key) -> impl Iterator<Item = BucketIndex> {
        BucketIndex::all().take_while(move |&bucket| self.reaches(owner, bucket))
    }

    /// Returns the sorted rows that a bucket of `owner` is chosen from.
    #[inline]
    pub fn candidates(&self, owner: Key, bucket: BucketIndex) -> Rows {
        self.subtree(owner.flipped(bucket), bucket.depth())
    }

    /// Returns a depth at which the subtree of a key usually has somewhat more than `k` rows.
    #[inline]
    fn depth_of(&self, k: usize) -> u32 {
        (2 * self.sorted / (3 * k.max(1)))
            .checked_ilog2()
            .unwrap_or(0)
    }

    /// Prefetches what [`Population::subtree`] will read of the index.
    #[inline]
    pub fn prefetch_subtree(&self, key: Key, depth: u32, prefetcher: &mut Prefetcher) {
        let finer = self.index.bits.saturating_sub(depth);
        let first = prefix_of(key.0, depth.min(self.index.bits)) << finer;
        prefetcher.item(&self.index.offsets, first as usize);
        prefetcher.item(&self.index.offsets, (first + (1 << finer)) as usize);
    }

    /// Returns the depth that [`Population::closest_in`] begins at.
    #[inline]
    pub fn closest_depth(&self, depth: u32, k: usize) -> u32 {
        depth.max(self.depth_of(k))
    }

    /// Prefetches the keys that [`Population::closest_in`] with the same arguments will read.
    #[inline]
    pub fn prefetch_closest(&self, key: Key, depth: u32, k: usize, prefetcher: &mut Prefetcher) {
        let rows = self.subtree(key, self.closest_depth(depth, k));
        let end = rows.end.min(rows.start.saturating_add(3 * k as u32));
        prefetcher.range(self.keys, rows.start as usize..end as usize);
    }

    /// Appends, in no order, the `k` rows (at least 1) closest to `key` of its subtree at `depth`; all rows of the subtree
    /// if they are fewer.
    ///
    /// Descends the trie: all rows of the half that has the key's next bit are closer than those of the other half. Starts
    /// at the depth where a subtree has about `k` rows, if that is deeper than `depth`. Returns a depth such that the result
    /// is the same for every key with the same leading bits up to that depth.
    #[inline]
    pub fn closest_in(&self, key: Key, mut depth: u32, mut k: usize, out: &mut Vec<Row>) -> u32 {
        let wanted = depth;
        depth = self.closest_depth(depth, k);
        let mut rows = self.subtree(key, depth);
        while rows.len() < k && depth > wanted {
            depth -= 1;
            rows = self.subtree(key, depth);
        }
        while rows.len() > k {
            let bit = 1u64 << (Key::BITS - 1 - depth);
            depth += 1;
            let keys = &self.keys[rows.start as usize..rows.end as usize];
            let zeros = rows.start + self.split(rows, keys, bit, depth);
            let (zero, one) = (
                Rows {
                    start: rows.start,
                    end: zeros,
                },
                Rows {
                    start: zeros,
                    end: rows.end,
                },
            );
            let (near, far) = if key.0 & bit == 0 {
                (zero, one)
            } else {
                (one, zero)
            };
            if near.len() >= k {
                rows = near;
            } else {
                out.extend(near.iter());
                k -= near.len();
                rows = far;
            }
        }
        out.extend(rows.iter());
        depth
    }

    /// Returns how many of `rows`, which share `depth - 1` bits, have the bit at that depth clear.
    #[inline]
    fn split(&self, rows: Rows, keys: &[Key], bit: u64, depth: u32) -> u32 {
        if depth <= self.index.bits {
            let prefix = (keys[0].0 | bit) >> (Key::BITS - depth);
            return self.index.offsets[(prefix << (self.index.bits - depth)) as usize] - rows.start;
        }
        keys.partition_point(|k| k.0 & bit == 0) as u32
    }

    /// Replaces `out` by the `n` nodes closest to `key` that pass `wanted`, nearest first, nodes added later included.
    ///
    /// `rows` is memory for reuse. Cost: O(log nodes + n + m) for m nodes among the closest that do not pass.
    pub fn closest(
        &self,
        key: Key,
        n: usize,
        mut wanted: impl FnMut(Row) -> bool,
        rows: &mut Vec<Row>,
        out: &mut Vec<(Distance, Row)>,
    ) {
        let mut asked = n.max(1);
        loop {
            rows.clear();
            out.clear();
            self.closest_in(key, 0, asked, rows);
            let measured = |row: Row| (self.key(row).distance(key), row);
            out.extend(
                rows.iter()
                    .copied()
                    .filter(|&row| wanted(row))
                    .map(measured),
            );
            if out.len() >= n || rows.len() < asked {
                break;
            }
            asked *= 2;
        }
        out.sort_unstable();
        out.truncate(n);
        if !self.tail().is_empty() {
            let last = out.get(n.wrapping_sub(1));
            let farthest = last.map_or(Distance(u64::MAX), |&(distance, _)| distance);
            self.tail().closest(key, n, farthest, wanted, out);
            out.sort_unstable();
            out.truncate(n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(mut keys: Vec<u64>) -> Vec<Key> {
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().map(Key).collect()
    }

    /// Keys that share long prefixes now and then, as uniform ones hardly do.
    fn clustered() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(
            (any::<u64>(), 0u32..64).prop_map(|(key, shift)| key >> shift),
            1..300,
        )
    }

    proptest! {
        #[test]
        fn a_subtree_is_the_rows_that_share_a_prefix(keys in clustered(), key: u64, depth in 0u32..=64) {
            let keys = sorted(keys);
            let index = RadixIndex::new(&keys);
            let population = Population::new(&keys, &index);
            let found: Vec<u32> = population.subtree(Key(key), depth).iter().map(|r| r.0).collect();
            let expected: Vec<u32> =
                (0..keys.len() as u32).filter(|&r| keys[r as usize].shared_bits(Key(key)) >= depth).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn buckets_go_on_to_the_deepest_that_has_candidates(keys in clustered()) {
            let keys = sorted(keys);
            let index = RadixIndex::new(&keys);
            let population = Population::new(&keys, &index);
            for &owner in &keys {
                let others = keys.iter().filter_map(|key| owner.bucket_of(*key));
                let deepest = others.max();
                prop_assert_eq!(population.buckets(owner).last(), deepest);
                let has_candidates = |bucket: &BucketIndex| !population.candidates(owner, *bucket).is_empty();
                let filled = BucketIndex::all().filter(has_candidates);
                prop_assert!(filled.into_iter().all(|bucket| population.reaches(owner, bucket)));
            }
        }

        #[test]
        fn the_closest_are_those_of_a_full_sort(keys in clustered(), tail in clustered(), key: u64, n in 1usize..40) {
            let mut keys = sorted(keys);
            let mut index = RadixIndex::new(&keys);
            let mut seen: std::collections::BTreeSet<Key> = keys.iter().copied().collect();
            for key in tail.into_iter().map(Key).filter(|&key| seen.insert(key)) {
                keys.push(key);
                index.add(key);
            }
            let population = Population::new(&keys, &index);
            let mut expected: Vec<_> =
                (0..keys.len() as u32).filter(|r| r % 3 != 1).map(|r| (keys[r as usize].distance(Key(key)), Row(r))).collect();
            expected.sort_unstable();
            expected.truncate(n);
            let mut found = Vec::new();
            population.closest(Key(key), n, |row| row.0 % 3 != 1, &mut Vec::new(), &mut found);
            prop_assert_eq!(found, expected);
            for &key in &keys {
                prop_assert_eq!(population.find(key).map(|row| keys[row.index()]), Some(key));
            }
        }
    }
}
