//! `implicit`: no table is stored. A bucket under full knowledge is a function of the sorted key column and the radix
//! index over it. Each answer computes it by a descent of the trie (`closest`) or draws it anew (`random`).

use super::face::{Layout, closest_by_bucket, deep_from};
use crate::answer::Answer;
use crate::hardware::Prefetcher;
use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::Owner;
use crate::routing::rule::{Knowledge, Policy};

/// Tables that are computed when they are read.
pub struct Implicit;

impl Layout for Implicit {
    fn bucket(&self, knowledge: Knowledge, owner: Owner, bucket: BucketIndex, out: &mut Vec<Row>) {
        let Knowledge { population, rule } = knowledge;
        rule.fill(population, owner.key, bucket, out);
    }

    #[inline]
    fn closest(&self, knowledge: Knowledge, owner: Owner, key: Key, out: &mut Answer) {
        let Knowledge { population, rule } = knowledge;
        let first = owner.key.shared_bits(key);
        let deep = deep_from(population.sorted(), rule);
        if first < deep {
            // The nearest bucket is usually full, and is then the whole answer.
            rule.fill(
                population,
                owner.key,
                BucketIndex::new(first),
                &mut out.rows,
            );
            out.read += out.rows.len() as u64;
            if out.rows.len() >= rule.answer_size() {
                out.measure(population, key);
                out.keep_nearest(0, rule.answer_size());
                return;
            }
            out.clear();
        }
        let mut deep = first.min(deep);
        // An owner that is none of the population is not among the rows of its subtree.
        let own = usize::from(owner.row.index() < population.sorted());
        while population.subtree(owner.key, deep).len() > rule.k() + own {
            deep += 1;
        }
        let append = |group, out: &mut Answer| {
            if group == deep {
                let rest = population.subtree(owner.key, deep);
                out.rows.extend(rest.iter().filter(|&row| row != owner.row));
            } else {
                rule.fill(
                    population,
                    owner.key,
                    BucketIndex::new(group),
                    &mut out.rows,
                );
            }
            out.measure(population, key);
        };
        closest_by_bucket(owner.key, key, deep, rule.answer_size(), out, append);
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
        let Knowledge { population, rule } = knowledge;
        let Some(bucket) = owner.key.bucket_of(key) else {
            return;
        };
        let (sibling, depth, k) = (owner.key.flipped(bucket), bucket.depth(), rule.k());
        match (stage, rule.policy) {
            (0, Policy::Closest) => {
                population.prefetch_subtree(
                    sibling,
                    population.closest_depth(depth, k),
                    prefetcher,
                );
            }
            (0, Policy::Random) => population.prefetch_subtree(sibling, depth, prefetcher),
            (1, Policy::Closest) => population.prefetch_closest(sibling, depth, k, prefetcher),
            (1, Policy::Random) => {
                // The bucket is drawn here and again for the answer. That costs less than a wait for k scattered keys.
                rows.clear();
                rule.fill(population, owner.key, bucket, rows);
                let keys = population.keys();
                rows.iter()
                    .for_each(|row| prefetcher.item(keys, row.index()));
            }
            _ => {}
        }
    }

    fn bytes_used(&self) -> usize {
        0
    }
}
