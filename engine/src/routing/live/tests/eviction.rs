//! Staleness of entries that are checked at a period and evicted after failures in a row, against its closed form.
//!
//! Each entry is checked every tau from its insertion, evicted after f failures in a row, and replaced at once by a uniform
//! online node; no node returns. An entry then lives as long as X, the residual life of a session, and stays until the f-th
//! check after its death: tau · (ceil(X / tau) + f - 1). By renewal reward, the stale share is
//! 1 - E[X] / (tau · (Σ P(X > j tau), j from 0, + f - 1)).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::distribution::{Distribution, Exponential, Weibull};
use crate::random::Stream;

/// Entries of the bucket.
const K: usize = 20;
/// Nodes in the range of the bucket: those that are not entries are free to become one.
const NODES: usize = 64;
const HOUR_US: u64 = 3_600_000_000;
/// Time that the bucket is watched: an entry, about four hundred thousand hours in all.
const WATCHED_US: u64 = 20_000 * HOUR_US;

/// Sums over the entries that have been evicted.
#[derive(Default)]
struct Lives {
    count: f64,
    dead: f64,
    stay: f64,
    dead_dead: f64,
    dead_stay: f64,
    stay_stay: f64,
}

impl Lives {
    fn add(&mut self, dead_us: u64, stay_us: u64) {
        let (dead, stay) = (dead_us as f64, stay_us as f64);
        self.count += 1.0;
        self.dead += dead;
        self.stay += stay;
        self.dead_dead += dead * dead;
        self.dead_stay += dead * stay;
        self.stay_stay += stay * stay;
    }

    /// Returns the stale share, and its standard error: that of a ratio of means.
    fn stale(&self) -> (f64, f64) {
        let share = self.dead / self.stay;
        let squares =
            self.dead_dead - 2.0 * share * self.dead_stay + share * share * self.stay_stay;
        (share, squares.sqrt() / self.stay)
    }
}

/// A bucket whose entries are checked by an oracle of who is online.
struct Checked<'a> {
    lives: &'a dyn Distribution,
    stream: Stream,
    rules: TableRules,
    tau_us: u64,
    /// By row: when the node became an entry, and when it dies, µs.
    nodes: [(u64, u64); NODES],
    free: Vec<Row>,
    /// When entries are checked, µs.
    checks: BinaryHeap<Reverse<(u64, u32)>>,
    sum: Lives,
}

impl Checked<'_> {
    /// Returns a node that is online, with the rest of its session, which becomes an entry now.
    fn newcomer(&mut self, now_us: u64) -> Row {
        let node = self.free.pop().expect("more nodes than entries");
        let rest_us = self.lives.residual(&mut self.stream) as u64;
        self.nodes[node.index() - NODES] = (now_us, now_us.saturating_add(rest_us));
        self.checks.push(Reverse((now_us + self.tau_us, node.0)));
        node
    }

    /// Checks an entry.
    fn check(&mut self, bucket: &mut Bucket, node: Row, now_us: u64) {
        let (inserted_us, dies_us) = self.nodes[node.index() - NODES];
        let again = Reverse((now_us + self.tau_us, node.0));
        if dies_us > now_us {
            assert_eq!(bucket.hear(node, now_us, &self.rules), Heard::Refreshed);
            return self.checks.push(again);
        }
        let mut entries = bucket.entries().iter();
        let entry = entries.find(|entry| entry.row() == node);
        let failures = entry.expect("what is checked is an entry").failures();
        let is_last = Some(failures + 1) == self.rules.evict_after;
        // Half of the replacements wait in the bucket, the others come to the room that is left.
        let waits = is_last && self.rules.replacements > 0 && self.stream.below(2) == 0;
        if waits {
            let next = self.newcomer(now_us);
            assert_eq!(bucket.hear(next, now_us, &self.rules), Heard::Kept);
        }
        let failed = bucket.fail(node, now_us, &self.rules, |_| 0);
        match (is_last, waits) {
            (false, _) => {
                assert_eq!(failed, Failed::Counted);
                return self.checks.push(again);
            }
            (true, true) => assert_eq!(failed, Failed::Replaced),
            (true, false) => {
                assert_eq!(failed, Failed::Evicted);
                let next = self.newcomer(now_us);
                assert_eq!(bucket.hear(next, now_us, &self.rules), Heard::Appended);
            }
        }
        self.sum.add(now_us - dies_us, now_us - inserted_us);
        self.free.push(node);
    }
}

/// Returns the stale share of entries that are checked each `tau_s` and evicted after `evict_after` failures, and its standard
/// error.
fn stale(lives: &dyn Distribution, tau_s: u64, evict_after: u8) -> (f64, f64) {
    // The nodes with rows from NODES on are in bucket 0 of the first one.
    let keys: Vec<Key> = (0..2 * NODES as u64).map(|n| Key(n << 57)).collect();
    let index = RadixIndex::new(&keys);
    let population = Population::new(&keys, &index);
    let mut tables = Tables::new(&population, K, 1, Row(0), Row(1));
    let mut bucket = tables.bucket(Row(0), BucketIndex::new(0));
    let mut checked = Checked {
        lives,
        stream: Stream::from_state(tau_s << 8 | u64::from(evict_after)),
        rules: TableRules {
            evict_after: Some(evict_after),
            replacements: 1,
            ..TableRules::DEFAULT
        },
        tau_us: tau_s * 1_000_000,
        nodes: [(0, 0); NODES],
        free: (NODES as u32..2 * NODES as u32).map(Row).collect(),
        checks: BinaryHeap::new(),
        sum: Lives::default(),
    };
    for _ in 0..K {
        let node = checked.newcomer(0);
        assert_eq!(bucket.hear(node, 0, &checked.rules), Heard::Appended);
    }
    while let Some(Reverse((now_us, node))) = checked.checks.pop()
        && now_us < WATCHED_US
    {
        checked.check(&mut bucket, Row(node), now_us);
        assert_eq!(bucket.entries().len(), K);
    }
    checked.sum.stale()
}

#[test]
fn entries_are_as_stale_as_the_renewal_reward_theorem_says() {
    let kad = Weibull {
        shape: 0.5,
        scale_us: 5e9,
    };
    let ipfs = Weibull {
        shape: 0.608,
        scale_us: 3.66 * 3.6e9,
    };
    let hour = Exponential { mean_us: 3.6e9 };
    // Seconds between checks, and the stale share for evictions after 1, 2 and 5 failures.
    let expected: [(&dyn Distribution, u64, [f64; 3]); 7] = [
        (&kad, 300, [0.00500, 0.01480, 0.04308]),
        (&kad, 600, [0.00999, 0.02921, 0.08265]),
        (&kad, 3600, [0.05926, 0.15468, 0.35191]),
        (&ipfs, 600, [0.00769, 0.02266, 0.06495]),
        (&ipfs, 3600, [0.04546, 0.12295, 0.29473]),
        (&hour, 600, [0.07889, 0.20148, 0.42933]),
        (&hour, 3600, [0.36788, 0.61270, 0.82085]),
    ];
    for (lives, tau_s, shares) in expected {
        for (evict_after, share) in [1, 2, 5].into_iter().zip(shares) {
            let (found, error) = stale(lives, tau_s, evict_after);
            let at = format!("{lives:?}, {tau_s} s, {evict_after} failures");
            // The shares are rounded to five decimals.
            let most = 3.0 * error + 5e-6;
            assert!(
                (found - share).abs() < most,
                "{at}: {found} ± {error}, not {share}"
            );
            assert!(error < 0.015 * share, "{at}: {found} ± {error}");
        }
    }
}
