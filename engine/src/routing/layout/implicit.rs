//! `implicit`: no table is stored. A bucket under full knowledge is a function of the sorted key column and the radix
//! index over it. Each answer computes it by a descent of the trie (`closest`) or draws it anew (`random`).

use super::face::{Layout, closest_by_bucket, deep_from};
use crate::answer::Answer;
use crate::hardware::Prefetcher;
use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::Owner;
use crate::routing::knowledge::Knowledge;
use crate::routing::rule::Policy;

/// Tables that are computed when they are read.
pub struct Implicit;

impl Layout for Implicit {
    fn bucket(&self, knowledge: Knowledge, owner: Owner, bucket: BucketIndex, out: &mut Vec<Row>) {
        if knowledge.has_table(owner.row) {
            knowledge.fill(owner.key, bucket, out);
        }
    }

    #[inline]
    fn closest(&self, knowledge: Knowledge, owner: Owner, key: Key, out: &mut Answer) {
        let Knowledge {
            population, rule, ..
        } = knowledge;
        if !knowledge.has_table(owner.row) {
            return;
        }
        let first = owner.key.shared_bits(key);
        let deep = deep_from(knowledge);
        if first < deep {
            // The nearest bucket is usually full, and is then the whole answer.
            knowledge.fill(owner.key, BucketIndex::new(first), &mut out.rows);
            out.read += out.rows.len() as u64;
            if out.rows.len() >= rule.answer_size() {
                out.measure(population, key);
                out.keep_nearest(population, key, 0, rule.answer_size());
                return;
            }
            out.clear();
        }
        let mut deep = first.min(deep);
        let mut rest = knowledge.rest(owner, deep);
        while !rest.is_whole {
            deep += 1;
            rest = knowledge.rest(owner, deep);
        }
        let append = |group, out: &mut Answer| {
            if group == deep {
                knowledge.append_rest(owner, rest, &mut out.rows);
            } else {
                knowledge.fill(owner.key, BucketIndex::new(group), &mut out.rows);
            }
            out.measure(population, key);
        };
        let n = rule.answer_size();
        closest_by_bucket(population, owner.key, key, deep, n, out, append);
    }

    #[inline]
    fn prefetch(
        &self,
        knowledge: Knowledge,
        owner: Owner,
        key: Key,
        stage: u32,
        prefetcher: &mut Prefetcher,
        rows: &mut Vec<Row>,
    ) {
        let Some(bucket) = owner.key.bucket_of(key) else {
            return;
        };
        let (named, k) = (&knowledge.named(), knowledge.rule.k());
        let (sibling, depth) = (owner.key.flipped(bucket), bucket.depth());
        let policy = knowledge.rule.policy;
        let is_drawn = match policy {
            Policy::Random => stage == 1,
            // Where all nodes are named, the closest are neighbours of the keys that stage 1 prefetches.
            Policy::Closest => stage == 2 && knowledge.members.is_some(),
        };
        if stage == 0 {
            let depth = match policy {
                Policy::Closest => named.closest_depth(depth, k),
                Policy::Random => depth,
            };
            named.prefetch_subtree(sibling, depth, prefetcher);
        } else if is_drawn {
            // The bucket is drawn here and again for the answer. That costs less than a wait for k scattered keys.
            rows.clear();
            knowledge.fill(owner.key, bucket, rows);
            let keys = knowledge.population.keys();
            rows.iter()
                .for_each(|row| prefetcher.item(keys, row.index()));
        } else if stage == 1 {
            named.prefetch_closest(sibling, depth, k, prefetcher);
        }
    }

    fn bytes_used(&self) -> usize {
        0
    }
}
