//! Buckets against a naive model of the rules, over random histories; staleness against its closed form.

mod eviction;

use proptest::prelude::*;

use super::*;
use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::{Population, RadixIndex};

/// What happens to a bucket.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Hear(u32),
    Name(u32),
    Fail(u32, usize),
    PingAnswered,
    PingFailed,
}

/// A bucket by the rules, in the simplest form.
#[derive(Debug, Default, PartialEq)]
struct Model {
    /// Node, second last heard, failures.
    entries: Vec<(u32, u32, u8)>,
    replacements: Vec<u32>,
    /// The entry that is pinged, and the node that waits.
    pinging: Option<(u32, u32)>,
}

impl Model {
    fn is_entry(&self, node: u32) -> bool {
        self.entries.iter().any(|entry| entry.0 == node)
    }

    fn append(&mut self, node: u32, second: u32) {
        self.replacements.retain(|&other| other != node);
        self.entries.push((node, second, 0));
    }

    fn keep(&mut self, node: u32, most: usize) {
        self.replacements.retain(|&other| other != node);
        self.replacements.push(node);
        if self.replacements.len() > most {
            self.replacements.remove(0);
        }
    }

    fn hear(&mut self, node: u32, k: usize, second: u32, rules: &TableRules) {
        if self.is_entry(node) {
            self.entries.retain(|entry| entry.0 != node);
            self.entries.push((node, second, 0));
            return;
        }
        let given_up = rules
            .evict_after
            .and_then(|most| self.entries.iter().position(|entry| entry.2 >= most));
        if self.entries.len() < k {
            self.append(node, second);
        } else if let Some(at) = given_up {
            self.entries.remove(at);
            self.append(node, second);
        } else if let Full::PingOldest { idle_us } = rules.full {
            let oldest = self.entries[0];
            let is_idle =
                u64::from(oldest.1) * 1_000_000 + idle_us <= u64::from(second) * 1_000_000;
            if self.pinging.is_none() && is_idle {
                self.pinging = Some((oldest.0, node));
            }
        } else {
            self.keep(node, rules.replacements.into());
        }
    }

    fn name(&mut self, node: u32, k: usize, rules: &TableRules) {
        if self.is_entry(node) {
            return;
        }
        match self.entries.len() < k {
            true => self.append(node, 0),
            false => self.keep(node, rules.replacements.into()),
        }
    }

    fn fail(&mut self, node: u32, chosen: usize, second: u32, rules: &TableRules) {
        let Some(at) = self.entries.iter().position(|entry| entry.0 == node) else {
            self.replacements.retain(|&other| other != node);
            return;
        };
        self.entries[at].2 = (self.entries[at].2 + 1).min(TableRules::FAILURES_MAX);
        let is_due = rules
            .evict_after
            .is_some_and(|most| self.entries[at].2 >= most);
        if !is_due || (rules.evict == Evict::Replaced && self.replacements.is_empty()) {
            return;
        }
        self.entries.remove(at);
        let next = match rules.replacement {
            Replacement::Newest => self.replacements.last().copied(),
            Replacement::Random if self.replacements.is_empty() => None,
            Replacement::Random => Some(self.replacements[chosen % self.replacements.len()]),
        };
        if let Some(next) = next {
            self.append(next, second);
        }
    }

    fn ping_answered(&mut self, second: u32) {
        if let Some((oldest, _)) = self.pinging.take()
            && self.is_entry(oldest)
        {
            self.entries.retain(|entry| entry.0 != oldest);
            self.entries.push((oldest, second, 0));
        }
    }

    fn ping_failed(&mut self, k: usize, second: u32) {
        if let Some((oldest, waiting)) = self.pinging.take() {
            self.entries.retain(|entry| entry.0 != oldest);
            self.replacements.retain(|&other| other != oldest);
            if self.entries.len() < k && !self.is_entry(waiting) {
                self.append(waiting, second);
            }
        }
    }
}

fn any_rules() -> impl Strategy<Value = TableRules> {
    let full = prop_oneof![
        Just(Full::Keep),
        (0u64..5_000_000).prop_map(|idle_us| Full::PingOldest { idle_us }),
    ];
    let evict_after = proptest::option::of(1u8..4);
    let of = (full, 0u8..4, any::<bool>(), evict_after, any::<bool>());
    of.prop_map(
        |(full, replacements, is_random, evict_after, always)| TableRules {
            full,
            replacements,
            replacement: match is_random {
                true => Replacement::Random,
                false => Replacement::Newest,
            },
            evict_after,
            evict: match always {
                true => Evict::Always,
                false => Evict::Replaced,
            },
            names_failed: true,
        },
    )
}

fn any_history() -> impl Strategy<Value = Vec<(u32, Happens)>> {
    let node = 1u32..16;
    let happens = prop_oneof![
        4 => node.clone().prop_map(Happens::Hear),
        2 => node.clone().prop_map(Happens::Name),
        4 => (node, any::<usize>()).prop_map(|(node, chosen)| Happens::Fail(node, chosen)),
        1 => Just(Happens::PingAnswered),
        1 => Just(Happens::PingFailed),
    ];
    proptest::collection::vec((0u32..3, happens), 0..200)
}

/// Sixteen nodes: those with rows from 8 on are in bucket 0 of the first one, which has room for `k` of them.
fn keys() -> Vec<Key> {
    (0..16u64).map(|n| Key(n << 60)).collect()
}

proptest! {
    #[test]
    fn a_bucket_follows_its_rules(rules in any_rules(), k in 1usize..8, history in any_history()) {
        let keys = keys();
        let index = RadixIndex::new(&keys);
        let population = Population::new(&keys, &index);
        let mut tables = Tables::new(&population, k, rules.replacements, Row(0), Row(1));
        let (mut model, mut second) = (Model::default(), 0);
        for (wait_s, happens) in history {
            second += wait_s;
            let now_us = u64::from(second) * 1_000_000;
            let of_bucket = |node: u32| 8 + node % 8;
            let mut bucket = tables.bucket(Row(0), BucketIndex::new(0));
            match happens {
                Happens::Hear(node) => {
                    let node = of_bucket(node);
                    let heard = bucket.hear(Row(node), now_us, &rules);
                    let before = model.pinging;
                    model.hear(node, k, second, &rules);
                    let pings = (before.is_none()).then_some(model.pinging).flatten();
                    let pinged = match heard { Heard::Pinging(oldest) => Some(oldest.0), _ => None };
                    prop_assert_eq!(pinged, pings.map(|(oldest, _)| oldest));
                }
                Happens::Name(node) => {
                    let _ = bucket.name(Row(of_bucket(node)));
                    model.name(of_bucket(node), k, &rules);
                }
                Happens::Fail(node, chosen) => {
                    let _ = bucket.fail(Row(of_bucket(node)), now_us, &rules, |count| chosen % count);
                    model.fail(of_bucket(node), chosen, second, &rules);
                }
                Happens::PingAnswered => {
                    if let Some((oldest, _)) = model.pinging {
                        bucket.pinged(Row(oldest), now_us);
                    }
                    model.ping_answered(second);
                }
                Happens::PingFailed => {
                    if let Some((oldest, waiting)) = model.pinging {
                        let _ = bucket.ping_failed(Row(oldest), Row(waiting), now_us);
                    }
                    model.ping_failed(k, second);
                }
            }
            let entries = bucket.entries().iter();
            let entries: Vec<_> = entries.map(|one| (one.row().0, one.heard_s(), one.failures())).collect();
            prop_assert_eq!(&entries, &model.entries);
            let replacements: Vec<u32> = bucket.replacements().iter().map(|row| row.0).collect();
            prop_assert_eq!(&replacements, &model.replacements);
            // The laws of a bucket: at most k entries, none twice, and hearsay apart, in the order of hearing.
            prop_assert!(entries.len() <= k);
            let failing = entries.iter().filter(|entry| entry.2 > 0).count();
            prop_assert_eq!(usize::from(bucket.head.failing), failing);
        }
    }
}

#[test]
fn a_table_has_a_bucket_for_each_range_that_holds_a_node() {
    let keys = keys();
    let index = RadixIndex::new(&keys);
    let population = Population::new(&keys, &index);
    let mut tables = Tables::new(&population, 3, 0, Row(4), Row(8));
    assert_eq!(tables.buckets(Row(4)), 4);
    assert_eq!(tables.deepest(Row(4)), None);
    for (bucket, room) in [(0, 3), (1, 3), (2, 2), (3, 1)] {
        let owner = population.owner(Row(4));
        let range = population.candidates(owner.key, BucketIndex::new(bucket));
        let mut bucket = tables.bucket(Row(4), BucketIndex::new(bucket));
        let put = range.iter().filter(|&row| bucket.put(row, 0)).count();
        assert_eq!(put, room);
    }
    assert_eq!(tables.len(Row(4)), 9);
    assert_eq!(tables.deepest(Row(4)), Some(BucketIndex::new(3)));
    assert_eq!(tables.clear(Row(4)), 9);
    assert_eq!(tables.len(Row(4)), 0);
}

#[test]
fn a_network_of_one_node_has_no_bucket() {
    let keys = [Key(7)];
    let index = RadixIndex::new(&keys);
    let population = Population::new(&keys, &index);
    let tables = Tables::new(&population, 20, 20, Row(0), Row(1));
    assert_eq!(tables.buckets(Row(0)), 0);
    assert!(tables.entries(Row(0), 0).is_empty());
}
