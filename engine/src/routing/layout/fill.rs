//! Fills the tables of many owners, in the order of their keys and on all threads.

use rayon::prelude::*;

use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::Owner;
use crate::routing::knowledge::Knowledge;

/// Fills tables of consecutive owners. Neighbours in key order share most of their bits, so a bucket of one owner usually
/// equals that of the owner before. The filler therefore keeps the last bucket of each index.
pub(super) struct Filler<'a> {
    knowledge: Knowledge<'a>,
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
    fn new(knowledge: Knowledge<'a>) -> Self {
        Self {
            knowledge,
            kept: vec![Kept::default(); Key::BITS as usize],
        }
    }

    /// Returns the entries of one bucket of the owner.
    pub(super) fn bucket(&mut self, owner: Owner, bucket: BucketIndex) -> &[Row] {
        if !self.knowledge.has_table(owner.row) {
            return &[];
        }
        let kept = &mut self.kept[bucket.index()];
        if kept
            .bits
            .is_none_or(|bits| kept.owner.shared_bits(owner.key) < bits)
        {
            kept.rows.clear();
            kept.bits = self.knowledge.fill(owner.key, bucket, &mut kept.rows);
            kept.owner = owner.key;
        }
        &kept.rows
    }

    /// Appends the entries of all buckets from `deep` on.
    pub(super) fn deep(&mut self, owner: Owner, deep: u32, out: &mut Vec<Row>) {
        if !self.knowledge.has_table(owner.row) {
            return;
        }
        for bucket in (deep..Key::BITS).map(BucketIndex::new) {
            let rest = self.knowledge.rest(owner, bucket.shared_bits());
            if rest.is_whole {
                self.knowledge.append_rest(owner, rest, out);
                return;
            }
            out.extend_from_slice(self.bucket(owner, bucket));
        }
    }
}

/// Number of owners whose tables are filled by one task and lie in one allocation.
pub(super) const OWNERS_PER_CHUNK: usize = 4096;

/// Calls `fill` for each chunk of owners, in parallel, and returns the results in the order of chunks.
pub(super) fn fill_chunks<T: Send>(
    knowledge: Knowledge,
    fill: impl Fn(&mut Filler, &mut dyn ExactSizeIterator<Item = Owner>) -> T + Sync,
) -> Vec<T> {
    let nodes = knowledge.population.sorted();
    (0..nodes.div_ceil(OWNERS_PER_CHUNK))
        .into_par_iter()
        .map_init(
            || Filler::new(knowledge),
            |filler, chunk| {
                let start = chunk * OWNERS_PER_CHUNK;
                let rows = start..nodes.min(start + OWNERS_PER_CHUNK);
                let mut owners = rows.map(|row| knowledge.population.owner(Row(row as u32)));
                fill(filler, &mut owners)
            },
        )
        .collect()
}
