//! The traits that a bucket layout implements.

use crate::answer::Answer;
use crate::hardware::Prefetcher;
use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::{Owner, Population};
use crate::routing::knowledge::Knowledge;

/// Routing tables of all nodes of a population that was complete when they were laid out.
pub trait Layout: Send + Sync {
    /// Appends the entries of one bucket of the owner's table, in no order.
    fn bucket(&self, knowledge: Knowledge, owner: Owner, bucket: BucketIndex, out: &mut Vec<Row>);

    /// Puts the k entries of the owner's table closest to `key` into the empty `out`, with their distances.
    fn closest(&self, knowledge: Knowledge, owner: Owner, key: Key, out: &mut Answer);

    /// Prefetches what [`Layout::closest`] with the same arguments will read. The caller passes stages 0 to
    /// [`PREFETCH_STAGES`] - 1 in order, with other work in between, so each stage may read what the stage before has
    /// prefetched.
    /// `rows` is memory for reuse.
    fn prefetch(
        &self,
        knowledge: Knowledge,
        owner: Owner,
        key: Key,
        stage: u32,
        prefetcher: &mut Prefetcher,
        rows: &mut Vec<Row>,
    );

    /// Returns the bytes on the heap.
    fn bytes_used(&self) -> usize;
}

/// Number of stages of [`Layout::prefetch`]: for where the entries lie, for the entries, for their keys.
pub const PREFETCH_STAGES: u32 = 3;

/// A layout that stores the entries of each owner in groups; the rest of [`Layout`] follows from it.
///
/// Group `i` below `deep` is bucket `i`. Group `deep` is all buckets from `deep` on together.
pub(super) trait Stored: Send + Sync {
    /// Returns the number of the first deep bucket, which is also the number of the group of all deep buckets.
    fn deep(&self) -> u32;

    /// Appends the owner's entries of a group.
    fn append(&self, owner: Row, group: u32, out: &mut Vec<Row>);

    /// Appends the owner's entries of a group to an answer to a request for `key`, with their distances. All nodes
    /// already in the answer must have been measured.
    #[inline]
    fn answer(&self, population: &Population, key: Key, owner: Row, group: u32, out: &mut Answer) {
        self.append(owner, group, &mut out.rows);
        out.measure(population, key);
    }

    /// Prefetches what [`Stored::append`] will read: where the entries lie (stage 0), the entries (stage 1), and their
    /// keys (stage 2).
    fn prefetch(
        &self,
        owner: Row,
        group: u32,
        keys: &[Key],
        stage: u32,
        prefetcher: &mut Prefetcher,
    );

    /// Returns the bytes on the heap.
    fn bytes_used(&self) -> usize;
}

/// A layout that stores the entries of a group one after the other; the rest of [`Stored`] follows from it.
pub(super) trait Slices: Send + Sync {
    /// See [`Stored::deep`].
    fn deep(&self) -> u32;

    /// Returns the owner's entries of a group.
    fn entries(&self, owner: Row, group: u32) -> &[Row];

    /// Prefetches what [`Slices::entries`] reads to find the entries.
    fn prefetch_bounds(&self, owner: Row, group: u32, prefetcher: &mut Prefetcher);

    /// Returns the bytes on the heap.
    fn bytes_used(&self) -> usize;
}

impl<T: Slices> Stored for T {
    #[inline]
    fn deep(&self) -> u32 {
        Slices::deep(self)
    }

    #[inline]
    fn append(&self, owner: Row, group: u32, out: &mut Vec<Row>) {
        out.extend_from_slice(self.entries(owner, group));
    }

    #[inline]
    fn prefetch(
        &self,
        owner: Row,
        group: u32,
        keys: &[Key],
        stage: u32,
        prefetcher: &mut Prefetcher,
    ) {
        if stage == 0 {
            return self.prefetch_bounds(owner, group, prefetcher);
        }
        let entries = self.entries(owner, group);
        if stage == 1 {
            prefetcher.range(entries, 0..entries.len());
        } else {
            entries
                .iter()
                .for_each(|row| prefetcher.item(keys, row.index()));
        }
    }

    fn bytes_used(&self) -> usize {
        Slices::bytes_used(self)
    }
}

impl<T: Stored> Layout for T {
    fn bucket(&self, knowledge: Knowledge, owner: Owner, bucket: BucketIndex, out: &mut Vec<Row>) {
        let first = out.len();
        let group = bucket.shared_bits().min(self.deep());
        self.append(owner.row, group, out);
        if group == self.deep() {
            let key = |row: Row| knowledge.population.key(row);
            let is_wanted = |&row: &Row| owner.key.bucket_of(key(row)) == Some(bucket);
            let deep = out.split_off(first);
            out.extend(deep.into_iter().filter(is_wanted));
        }
    }

    #[inline]
    fn closest(&self, knowledge: Knowledge, owner: Owner, key: Key, out: &mut Answer) {
        let Knowledge {
            population, rule, ..
        } = knowledge;
        let answer = |group, out: &mut Answer| self.answer(population, key, owner.row, group, out);
        let (deep, n) = (self.deep(), rule.answer_size());
        closest_by_bucket(population, owner.key, key, deep, n, out, answer);
    }

    #[inline]
    fn prefetch(
        &self,
        knowledge: Knowledge,
        owner: Owner,
        key: Key,
        stage: u32,
        prefetcher: &mut Prefetcher,
        _: &mut Vec<Row>,
    ) {
        let group = owner.key.shared_bits(key).min(self.deep());
        let keys = knowledge.population.keys();
        Stored::prefetch(self, owner.row, group, keys, stage, prefetcher);
    }

    fn bytes_used(&self) -> usize {
        Stored::bytes_used(self)
    }
}

/// Returns the number of the first deep bucket. Buckets below it are stored one by one, and the buckets from it on are
/// stored together, because the subtree that holds them has about k nodes. The number is a function of the number of
/// nodes that tables name, so no node needs to store it.
pub(in crate::routing) fn deep_from(knowledge: Knowledge) -> u32 {
    (knowledge.named().sorted() / knowledge.rule.k())
        .checked_ilog2()
        .map_or(0, |bits| bits + 1)
}

/// Puts the `n` entries closest to `key` into `out`. `append` appends the entries of a group, all with their distances or
/// all without; see [`Stored`] for groups.
///
/// Visits groups in the order of distance. With d = owner XOR key, the distance of an entry of bucket j from `key` is d
/// with bit j flipped and the lower bits free. If bit j of d is set, the bucket is closer than all deeper buckets; if it
/// is clear, the bucket is farther.
#[inline]
pub(in crate::routing) fn closest_by_bucket(
    population: &Population,
    owner: Key,
    key: Key,
    deep: u32,
    n: usize,
    out: &mut Answer,
    mut append: impl FnMut(u32, &mut Answer),
) {
    let mut visit = |group: u32| {
        let before = out.rows.len();
        append(group, out);
        out.read += (out.rows.len() - before) as u64;
        out.keep_nearest(population, key, before, n - before);
        out.rows.len() == n
    };
    let distance = owner.distance(key).0;
    let mut nearer = distance;
    while nearer != 0 {
        let bucket = nearer.leading_zeros();
        if bucket >= deep {
            break;
        }
        if visit(bucket) {
            return;
        }
        nearer &= !(1 << (Key::BITS - 1 - bucket));
    }
    if visit(deep) {
        return;
    }
    for bucket in (0..deep).rev() {
        if distance & (1 << (Key::BITS - 1 - bucket)) == 0 && visit(bucket) {
            return;
        }
    }
}
