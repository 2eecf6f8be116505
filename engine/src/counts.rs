//! Counters, one for each node, for the case that most stay 0.

use std::collections::HashMap;

use crate::node::Row;

/// Counts by node. They take 4 bytes for each node, or some 20 bytes for each counted node if few are counted.
#[derive(Clone, Debug)]
pub enum Counts {
    /// Counts of the nodes that have been counted at least once.
    Few(HashMap<Row, u32>),
    /// Counts of all nodes, by row.
    All(Vec<u32>),
}

impl Default for Counts {
    /// Returns counts in which every node has 0.
    fn default() -> Self {
        Self::Few(HashMap::new())
    }
}

impl Counts {
    /// Returns zeros for a network of `nodes` nodes, for at most `additions` calls of [`Counts::add`].
    pub fn new(nodes: usize, additions: u64) -> Self {
        /// Number of nodes per addition above which a map is smaller than a list. An entry of a map takes 9 bytes. Up to
        /// half of its entries are free, two thirds while it grows.
        const SPARSE: u64 = 8;
        if additions.saturating_mul(SPARSE) < nodes as u64 {
            Self::default()
        } else {
            Self::All(vec![0; nodes])
        }
    }

    /// Adds 1 to the count of a node.
    #[inline]
    pub fn add(&mut self, row: Row) {
        match self {
            Self::Few(counts) => *counts.entry(row).or_default() += 1,
            Self::All(counts) => counts[row.index()] += 1,
        }
    }

    /// Returns the count of a node.
    #[inline]
    pub fn of(&self, row: Row) -> u32 {
        match self {
            Self::Few(counts) => counts.get(&row).copied().unwrap_or(0),
            Self::All(counts) => counts[row.index()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_count_the_same() {
        let (few, all) = (Counts::new(1000, 10), Counts::new(1000, 1000));
        assert!(matches!(&few, Counts::Few(_)));
        assert!(matches!(&all, Counts::All(counts) if counts.len() == 1000));
        for mut counts in [few, all] {
            [3, 999, 3, 0, 3]
                .into_iter()
                .map(Row)
                .for_each(|row| counts.add(row));
            assert_eq!([0, 1, 3, 999].map(|row| counts.of(Row(row))), [1, 0, 3, 1]);
        }
    }
}
