//! Fills the tables of many owners, in the order of their keys and on all threads.

use rayon::prelude::*;

use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::Population;
use crate::routing::rule::Rule;

/// Fills tables of consecutive owners. Neighbours in key order share most of their bits, so a bucket of one owner usually
/// equals that of the owner before. The filler therefore keeps the last bucket of each index.
pub(super) struct Filler<'a> {
    population: &'a Population<'a>,
    rule: &'a Rule,
    kept: Vec<Kept>,
}

/// A bucket that owners share.
#[derive(Clone, Default)]
struct Kept {
    /// The owner that it was computed for.
    owner: Key,
    /// Leading bits of the owner that decide the bucket; `None` if no other owner has the same.
    bits: Option<u32>,
    rows: Vec<Row>,
}

impl<'a> Filler<'a> {
    fn new(population: &'a Population<'a>, rule: &'a Rule) -> Self {
        Self {
            population,
            rule,
            kept: vec![Kept::default(); Key::BITS as usize],
        }
    }

    /// Returns the entries of one bucket of the owner.
    pub(super) fn bucket(&mut self, owner: Key, bucket: BucketIndex) -> &[Row] {
        let kept = &mut self.kept[bucket.index()];
        if kept
            .bits
            .is_none_or(|bits| kept.owner.shared_bits(owner) < bits)
        {
            kept.rows.clear();
            kept.bits = self
                .rule
                .fill(self.population, owner, bucket, &mut kept.rows);
            kept.owner = owner;
        }
        &kept.rows
    }

    /// Appends the entries of all buckets from `deep` on.
    pub(super) fn deep(&mut self, owner: Row, deep: u32, out: &mut Vec<Row>) {
        let key = self.population.key(owner);
        for bucket in (deep..Key::BITS).map(BucketIndex::new) {
            let rest = self.population.subtree(key, bucket.shared_bits());
            if rest.len() <= self.rule.k() + 1 {
                // Each bucket of this subtree holds all its candidates.
                out.extend(rest.iter().filter(|&row| row != owner));
                return;
            }
            out.extend_from_slice(self.bucket(key, bucket));
        }
    }
}

/// Number of owners whose tables are filled by one task and lie in one allocation.
pub(super) const OWNERS_PER_CHUNK: usize = 4096;

/// Calls `fill` for each chunk of owners, in parallel, and returns the results in the order of chunks.
pub(super) fn fill_chunks<T: Send>(
    population: &Population,
    rule: &Rule,
    fill: impl Fn(&mut Filler, std::ops::Range<u32>) -> T + Sync,
) -> Vec<T> {
    let nodes = population.sorted();
    (0..nodes.div_ceil(OWNERS_PER_CHUNK))
        .into_par_iter()
        .map_init(
            || Filler::new(population, rule),
            |filler, chunk| {
                let start = chunk * OWNERS_PER_CHUNK;
                fill(
                    filler,
                    start as u32..nodes.min(start + OWNERS_PER_CHUNK) as u32,
                )
            },
        )
        .collect()
}
