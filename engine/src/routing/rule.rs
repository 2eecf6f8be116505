//! What a routing table holds under full knowledge of the network.

use std::fmt;

use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::Population;
use crate::random::{Purpose, Stream};

/// Which of its candidates a full bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// The k candidates XOR-closest to the owner, as in py-dht. Each level of depth gains a lookup about 2 bits.
    #[default]
    Closest,
    /// A uniform sample of k candidates, as in a converged live network. Each level of depth gains a lookup
    /// 1.33 + log2 k bits (Stutzbach and Rejaie, INFOCOM 2006).
    Random,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 2] = [Policy::Closest, Policy::Random];

    /// Returns the policy's word in an experiment file.
    pub fn as_str(self) -> &'static str {
        match self {
            Policy::Closest => "closest",
            Policy::Random => "random",
        }
    }
}

/// Writes the policy's word in an experiment file.
impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Size of a routing table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Entries of the table.
    pub entries: u32,
    /// Buckets that are not empty.
    pub buckets: u8,
}

/// What defines every table of a network under full knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// k: the greatest number of entries of a bucket, 1 to 255.
    pub bucket_size: u8,
    /// Which candidates a bucket keeps.
    pub policy: Policy,
    /// Most entries of an answer, and of what a lookup starts with, 1 to 255.
    pub answer_size: u8,
    /// Seed of the network, for the samples of [`Policy::Random`].
    pub network_seed: u64,
}

impl Rule {
    /// Returns k as a length.
    #[inline]
    pub fn k(&self) -> usize {
        usize::from(self.bucket_size)
    }

    /// Returns the greatest number of entries of an answer as a length.
    #[inline]
    pub fn answer_size(&self) -> usize {
        usize::from(self.answer_size)
    }

    /// Appends the rows of a bucket of the owner, in no order. Leaves out nodes added later.
    ///
    /// Returns the number of leading bits of the owner's key that decide the bucket: owners that share them have the same
    /// rows. Returns `None` if every owner has rows of its own.
    #[inline]
    pub fn fill(
        &self,
        population: &Population,
        owner: Key,
        bucket: BucketIndex,
        out: &mut Vec<Row>,
    ) -> Option<u32> {
        match self.policy {
            Policy::Closest => {
                let sibling = owner.flipped(bucket);
                Some(population.closest_in(sibling, bucket.depth(), self.k(), out))
            }
            Policy::Random => {
                let candidates = population.candidates(owner, bucket);
                if candidates.len() <= self.k() {
                    out.extend(candidates.iter());
                    return Some(bucket.depth());
                }
                let first = out.len();
                self.sample(owner, bucket, candidates.len() as u32, out);
                out[first..]
                    .iter_mut()
                    .for_each(|row| row.0 += candidates.start);
                None
            }
        }
    }

    /// Returns the draws of a bucket's sample.
    pub(super) fn stream(&self, owner: Key, bucket: BucketIndex) -> Stream {
        let part = u64::from(bucket.get());
        Stream::new(self.network_seed, Purpose::Bucket, owner.0, part)
    }

    /// Appends a uniform sample of k of the positions `0..n` (Floyd, in Bentley, *Programming pearls*,
    /// CACM 30(9), 1987). `n` must be above k.
    pub(super) fn sample(&self, owner: Key, bucket: BucketIndex, n: u32, out: &mut Vec<Row>) {
        let mut stream = self.stream(owner, bucket);
        let first = out.len();
        // Set of the low ten bits of the positions taken. A draw whose bit is clear is new without a search.
        let mut taken = [0u64; 16];
        for last in n - u32::from(self.bucket_size)..n {
            let drawn = stream.below(u64::from(last) + 1) as u32;
            let word = taken[drawn as usize / 64 % taken.len()];
            let is_taken = word >> (drawn % 64) & 1 == 1 && out[first..].contains(&Row(drawn));
            let position = if is_taken { last } else { drawn };
            taken[position as usize / 64 % taken.len()] |= 1 << (position % 64);
            out.push(Row(position));
        }
    }

    /// Appends the entries of the whole table of the node `owner` under full knowledge, nodes added later included, in
    /// bucket order.
    ///
    /// Cost beside the entries: O(added log added).
    pub fn fill_table(&self, population: &Population, owner: Row, out: &mut Vec<Row>) {
        let key = population.key(owner);
        for bucket in BucketIndex::all() {
            if population.tail().is_empty() {
                self.fill(population, key, bucket, out);
            } else {
                self.fill_with_tail(population, key, bucket, out);
            }
        }
    }

    /// Appends the entries of one bucket, nodes added later included.
    fn fill_with_tail(
        &self,
        population: &Population,
        owner: Key,
        bucket: BucketIndex,
        out: &mut Vec<Row>,
    ) {
        let candidates = population.candidates(owner, bucket);
        let late = population
            .tail()
            .subtree(owner.flipped(bucket), bucket.depth());
        if late.is_empty() {
            self.fill(population, owner, bucket, out);
            return;
        }
        let total = candidates.len() + late.len();
        if total <= self.k() {
            out.extend(candidates.iter().chain(late.iter().map(|late| late.row)));
            return;
        }
        match self.policy {
            Policy::Closest => {
                let mut rows = Vec::new();
                population.closest_in(owner.flipped(bucket), bucket.depth(), self.k(), &mut rows);
                rows.extend(late.iter().map(|late| late.row));
                rows.sort_unstable_by_key(|&row| population.key(row).distance(owner));
                out.extend_from_slice(&rows[..self.k()]);
            }
            Policy::Random => {
                // Positions number both lists merged in key order. The i-th late node stands at i plus the number of
                // sorted candidates below it.
                let sorted = &population.keys()[candidates.start as usize..candidates.end as usize];
                let late_positions: Vec<usize> = late
                    .iter()
                    .enumerate()
                    .map(|(i, late)| i + sorted.partition_point(|&key| key < late.key))
                    .collect();
                let mut positions = Vec::new();
                self.sample(owner, bucket, total as u32, &mut positions);
                out.extend(positions.into_iter().map(|position| {
                    match late_positions.binary_search(&position.index()) {
                        Ok(i) => late[i].row,
                        Err(i) => Row(candidates.start + position.0 - i as u32),
                    }
                }));
            }
        }
    }
}
