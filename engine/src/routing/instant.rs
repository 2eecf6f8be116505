//! Routing tables that full knowledge of some of the nodes gives: of those that are members at an instant.

use super::knowledge::Knowledge;
use super::layout::{closest_by_bucket, deep_from};
use super::rule::{Policy, Rule};
use crate::answer::Answer;
use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::{Owner, Population};

/// Candidates for each entry from which on members are drawn from all candidates, not from a list of the members.
const MANY: usize = 4;
/// Draws for each entry after which a list of the members is made all the same.
const DRAWS: usize = 32;

/// The members of a network at an instant, and the rule by which they fill tables.
#[derive(Clone, Copy)]
pub struct Instant<'a, M> {
    /// All nodes.
    pub population: &'a Population<'a>,
    /// The rule.
    pub rule: &'a Rule,
    /// Whether a node is a member.
    pub is_member: M,
}

impl<M: Fn(Row) -> bool> Instant<'_, M> {
    /// Appends the entries of one bucket of the owner's table, in no order. Cost: O(k / p) for a share p of members among the
    /// candidates; where they are fewer than k, O(candidates).
    pub fn bucket(&self, owner: Owner, bucket: BucketIndex, out: &mut Vec<Row>) {
        match self.rule.policy {
            Policy::Closest => self.closest_bucket(owner, bucket, out),
            Policy::Random => self.random_bucket(owner, bucket, out),
        }
    }

    /// Appends the k members of a bucket's range that are closest to the owner.
    fn closest_bucket(&self, owner: Owner, bucket: BucketIndex, out: &mut Vec<Row>) {
        let (sibling, depth) = (owner.key.flipped(bucket), bucket.depth());
        let (first, k) = (out.len(), self.rule.k());
        let mut asked = k;
        loop {
            out.truncate(first);
            self.population.closest_in(sibling, depth, asked, out);
            let found = out.len() - first;
            let mut kept = first;
            for index in first..out.len() {
                if (self.is_member)(out[index]) {
                    out.swap(kept, index);
                    kept += 1;
                }
            }
            out.truncate(kept);
            if kept - first >= k || found < asked {
                break;
            }
            asked *= 2;
        }
        if out.len() - first > k {
            let distance = |row: &Row| self.population.key(*row).distance(owner.key);
            out[first..].sort_unstable_by_key(distance);
            out.truncate(first + k);
        }
    }

    /// Appends a uniform sample of k members of a bucket's range; all if they are no more.
    fn random_bucket(&self, owner: Owner, bucket: BucketIndex, out: &mut Vec<Row>) {
        let candidates = self.population.candidates(owner.key, bucket);
        let (first, k) = (out.len(), self.rule.k());
        if candidates.len() >= MANY * k {
            let mut stream = self.rule.stream(owner.key, bucket);
            for _ in 0..DRAWS * k {
                let row = Row(candidates.start + stream.below(candidates.len() as u64) as u32);
                if !out[first..].contains(&row) && (self.is_member)(row) {
                    out.push(row);
                    if out.len() - first == k {
                        return;
                    }
                }
            }
            out.truncate(first);
        }
        let members = candidates.iter().filter(|&row| (self.is_member)(row));
        out.extend(members);
        let count = out.len() - first;
        if count > k {
            let members = out.split_off(first);
            self.rule.sample(owner.key, bucket, count as u32, out);
            for position in &mut out[first..] {
                *position = members[position.index()];
            }
        }
    }

    /// Replaces `out` by the entries of the owner's table closest to `key`, as many as an answer names, with their
    /// distances.
    pub fn closest(&self, owner: Owner, key: Key, out: &mut Answer) {
        out.clear();
        let Self {
            population, rule, ..
        } = *self;
        let mut deep = deep_from(Knowledge::of_all(population, rule));
        while population.subtree(owner.key, deep).len() > rule.k() + 1 {
            deep += 1;
        }
        let append = |group: u32, out: &mut Answer| {
            if group == deep {
                let rest = population.subtree(owner.key, deep).iter();
                let others = rest.filter(|&row| row != owner.row && (self.is_member)(row));
                out.rows.extend(others);
            } else {
                self.bucket(owner, BucketIndex::new(group), &mut out.rows);
            }
            out.measure(population, key);
        };
        let n = rule.answer_size();
        closest_by_bucket(population, owner.key, key, deep, n, out, append);
    }
}
