//! Nodes added to a running network, in the order of their keys.
//!
//! A node's row never changes, so an added node cannot be put among the rows in key order. The tail is an index
//! over the added nodes: two sorted runs. A node is inserted into the short run. When the short run is longer than the
//! square root of the long one, it is merged into the long one. With n added nodes, adding one moves O(√n) entries,
//! amortised, and a search costs O(log n).

use std::ops::ControlFlow;

use crate::key::{Distance, Key};
use crate::node::Row;

/// Length up to which the short run is not merged, whatever the length of the long one.
const RECENT: usize = 32;

/// A node added to a running network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Late {
    /// Its key.
    pub key: Key,
    /// Its row.
    pub row: Row,
}

/// Sorted index over the nodes added to a running network.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    long: Vec<Late>,
    recent: Vec<Late>,
}

impl Tail {
    /// Adds a node. No other node of the network may have its key. Cost: O(√n), amortised.
    pub fn add(&mut self, late: Late) {
        let index = self.recent.partition_point(|other| other.key < late.key);
        self.recent.insert(index, late);
        let length = self.recent.len();
        if length > RECENT && length.pow(2) > self.long.len() {
            self.long.append(&mut self.recent);
            // A stable sort recognises both runs and merges them in linear time.
            self.long.sort();
        }
    }

    /// Returns the number of added nodes.
    #[inline]
    pub fn len(&self) -> usize {
        self.long.len() + self.recent.len()
    }

    /// Returns whether no node has been added.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        (self.long.capacity() + self.recent.capacity()) * size_of::<Late>()
    }

    /// Returns the row of the added node with this key. Cost: O(log n).
    pub fn find(&self, key: Key) -> Option<Row> {
        let found = |run: &[Late]| {
            let index = run.binary_search_by_key(&key, |late| late.key).ok()?;
            Some(run[index].row)
        };
        found(&self.long).or_else(|| found(&self.recent))
    }

    /// Returns the added nodes that share the first `depth` bits (0 to 64) with `key`, in the order of their keys.
    /// Cost: O(log n), and O(log m) for each of the m nodes returned.
    pub fn subtree(&self, key: Key, depth: u32) -> Vec<Late> {
        let prefix = |key: Key| key.0.checked_shr(Key::BITS - depth).unwrap_or(0);
        let wanted = prefix(key);
        let part = |run: &[Late]| {
            let start = run.partition_point(|late| prefix(late.key) < wanted);
            let length = run[start..].partition_point(|late| prefix(late.key) == wanted);
            run[start..start + length].to_vec()
        };
        let mut nodes = part(&self.long);
        nodes.extend(part(&self.recent));
        nodes.sort();
        nodes
    }

    /// Appends, in no order, the `n` added nodes closest to `key` of those that pass `wanted` and lie no farther than
    /// `farthest`. Up to `n` more of those may be among them. Cost: O((n + m) log nodes) for m nodes that do not pass.
    pub fn closest(
        &self,
        key: Key,
        n: usize,
        farthest: Distance,
        mut wanted: impl FnMut(Row) -> bool,
        out: &mut Vec<(Distance, Row)>,
    ) {
        for run in [&self.long, &self.recent] {
            let last = out.len() + n;
            // A visit that breaks off in one run does not end the visit of the other.
            let _ = nearest_first(run, key, &mut |late| {
                let distance = late.key.distance(key);
                if out.len() == last || distance > farthest {
                    return ControlFlow::Break(());
                }
                if wanted(late.row) {
                    out.push((distance, late.row));
                }
                ControlFlow::Continue(())
            });
        }
    }
}

/// Calls `visit` with the nodes of a sorted run, nearest to `key` first, until it breaks off.
///
/// Nodes that share their leading bits differ in the next: those that have it as `key` has it are all closer than the
/// rest. The recursion is at most 64 levels deep.
fn nearest_first(
    run: &[Late],
    key: Key,
    visit: &mut impl FnMut(Late) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let (first, last) = match run {
        [] => return ControlFlow::Continue(()),
        [only] => return visit(*only),
        [first, .., last] => (first, last),
    };
    let bit = 1 << (Key::BITS - 1 - first.key.shared_bits(last.key));
    let zeros = run.partition_point(|late| late.key.0 & bit == 0);
    let (zeros, ones) = run.split_at(zeros);
    let (near, far) = match key.0 & bit {
        0 => (zeros, ones),
        _ => (ones, zeros),
    };
    nearest_first(near, key, visit)?;
    nearest_first(far, key, visit)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Keys in the order of their arrival; some share long prefixes, as uniform keys hardly do.
    fn arrivals() -> impl Strategy<Value = Vec<Late>> {
        let key = (any::<u64>(), 0u32..64).prop_map(|(key, shift)| key >> shift);
        proptest::collection::vec(key, 0..300).prop_map(|keys| {
            let mut seen = BTreeSet::new();
            let keys = keys.into_iter().filter(|&key| seen.insert(key));
            let rows = (1000..).map(Row);
            let late = keys.zip(rows).map(|(key, row)| Late { key: Key(key), row });
            late.collect()
        })
    }

    fn tail(arrivals: &[Late]) -> Tail {
        let mut tail = Tail::default();
        arrivals.iter().for_each(|&late| tail.add(late));
        tail
    }

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(arrivals in arrivals(), other: u64) {
            let tail = tail(&arrivals);
            prop_assert_eq!(tail.len(), arrivals.len());
            let scan = |key| arrivals.iter().find(|late| late.key == key).map(|late| late.row);
            for key in arrivals.iter().map(|late| late.key).chain([Key(other)]) {
                prop_assert_eq!(tail.find(key), scan(key));
            }
        }

        #[test]
        fn a_subtree_is_what_a_scan_gives(arrivals in arrivals(), key: u64, like: prop::sample::Index, depth in 0u32..=64) {
            let own = arrivals.get(like.index(arrivals.len().max(1)));
            for key in own.map(|late| late.key).into_iter().chain([Key(key)]) {
                let mut scan: Vec<Late> =
                    arrivals.iter().copied().filter(|late| late.key.shared_bits(key) >= depth).collect();
                scan.sort();
                prop_assert_eq!(tail(&arrivals).subtree(key, depth), scan);
            }
        }

        #[test]
        fn the_closest_are_those_of_a_scan(arrivals in arrivals(), key: u64, n in 1usize..40, bits in 0u32..64) {
            let (key, farthest) = (Key(key), Distance(u64::MAX >> bits));
            let wanted = |row: Row| row.0 % 3 != 1;
            let mut scan: Vec<(Distance, Row)> = arrivals
                .iter()
                .map(|late| (late.key.distance(key), late.row))
                .filter(|&(distance, row)| wanted(row) && distance <= farthest)
                .collect();
            let mut found = Vec::new();
            tail(&arrivals).closest(key, n, farthest, wanted, &mut found);
            prop_assert!(found.iter().all(|one| scan.contains(one)));
            for list in [&mut scan, &mut found] {
                list.sort_unstable();
                list.truncate(n);
            }
            prop_assert_eq!(found, scan);
        }
    }

    /// 100 000 nodes move some millions of entries, where insertion into one run would move billions.
    #[test]
    fn the_short_run_stays_short() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.add(Late {
                key: Key::of_node(number, 1),
                row: Row(number as u32),
            });
            let bound = RECENT.max(tail.long.len().isqrt());
            assert!(tail.recent.len() <= bound, "{}", tail.recent.len());
        }
        assert!(tail.long.is_sorted());
        assert_eq!(tail.len(), 100_000);
    }
}
