//! Presence: which nodes of a network are offline. A node that is offline stays in the routing tables of other nodes and
//! answers no request.

use std::sync::Arc;

use crate::random::{Permutation, Purpose, Stream};

/// The nodes of a network that are offline from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offline {
    /// This number of generated nodes, drawn by [`Draw`].
    Drawn(u32),
    /// The nodes with these ids.
    Listed(Arc<[i64]>),
}

impl Default for Offline {
    /// Returns the empty set: every node is online.
    fn default() -> Self {
        Self::Drawn(0)
    }
}

impl Offline {
    /// Returns whether any node is offline.
    pub fn is_any(&self) -> bool {
        match self {
            Self::Drawn(count) => *count > 0,
            Self::Listed(ids) => !ids.is_empty(),
        }
    }
}

/// Draw of the generated nodes that are offline: exactly `offline` of `nodes`.
///
/// The ids are permuted pseudo-randomly, and the first `offline` of the permuted ids are offline. So whether a
/// node is offline is a function of (seed, network, node) and the two counts, and costs O(1) without any list.
/// The nodes of a smaller draw from the same network are among those of a larger one.
///
/// The ids are permuted twice, because one [`Permutation`] of ten ids moves some of them to a position 5 % too often.
#[derive(Clone, Debug)]
pub struct Draw {
    order: [Permutation; 2],
    offline: u64,
}

impl Draw {
    /// Returns the draw of `offline` of the `nodes` nodes of a network with this seed.
    pub fn new(network_seed: u64, nodes: u32, offline: u32) -> Self {
        let permutation = |number| {
            let stream = Stream::new(network_seed, Purpose::Presence, number, 0);
            Permutation::new(u64::from(nodes), stream)
        };
        Self {
            order: [0, 1].map(permutation),
            offline: u64::from(offline),
        }
    }

    /// Returns whether the node with this id, which must be below the number of nodes, is offline.
    #[inline]
    pub fn is_offline(&self, id: u64) -> bool {
        let [first, second] = &self.order;
        second.apply(first.apply(id)) < self.offline
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::network_seed;

    fn drawn(seed: u64, nodes: u32, offline: u32) -> Vec<u64> {
        let draw = Draw::new(seed, nodes, offline);
        (0..u64::from(nodes))
            .filter(|&id| draw.is_offline(id))
            .collect()
    }

    #[test]
    fn exactly_as_many_as_asked_for_are_offline() {
        for nodes in [1, 2, 3, 10, 1000, 4097] {
            for offline in [0, 1, nodes / 3, nodes - 1, nodes] {
                assert_eq!(drawn(7, nodes, offline).len(), offline as usize);
            }
        }
    }

    #[test]
    fn a_larger_draw_has_the_nodes_of_a_smaller_one() {
        let larger = drawn(7, 1000, 500);
        assert!(drawn(7, 1000, 200).iter().all(|id| larger.contains(id)));
    }

    /// Of two draws of half the nodes, a quarter of the nodes is in both.
    #[test]
    fn networks_draw_independently() {
        const NODES: u32 = 10_000;
        let seeds = [network_seed(3, 0), network_seed(3, 1), network_seed(4, 0)];
        let draws = seeds.map(|seed| drawn(seed, NODES, NODES / 2));
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let both = draws[one].iter();
            let both = both.filter(|id| draws[other].binary_search(id).is_ok());
            // Hypergeometric: variance n/16, so 25 a standard deviation.
            let off = both.count() as f64 - f64::from(NODES) / 4.0;
            assert!(off.abs() < 100.0, "{off}");
        }
    }

    /// Each node is offline in its share of the networks, the first and the last as well as the others.
    #[test]
    fn no_node_is_preferred() {
        const NETWORKS: u64 = 20_000;
        let mut counts = [0.0; 10];
        for number in 0..NETWORKS {
            let draw = Draw::new(number, 10, 3);
            for (id, count) in (0..).zip(&mut counts) {
                *count += f64::from(u8::from(draw.is_offline(id)));
            }
        }
        let expected = 0.3 * NETWORKS as f64;
        let chi_square: f64 = counts
            .iter()
            .map(|count| (count - expected).powi(2) / expected)
            .sum();
        assert!(
            chi_square < 27.9,
            "chi-square {chi_square} of 9 degrees exceeds its 99.9 % point: {counts:?}"
        );
    }
}
