//! What a node answers to a request: the k entries of its table that are closest to a key.

use crate::key::{Distance, Key};
use crate::node::Row;
use crate::population::Population;

/// An answer, in no order. Its memory is reused from request to request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The nodes named.
    pub rows: Vec<Row>,
    /// Their distances from the key asked for.
    pub distances: Vec<Distance>,
    /// Entries of tables read for all answers so far.
    pub read: u64,
    /// Room for choosing among more than fit.
    scratch: Vec<(Distance, Row)>,
}

impl Answer {
    /// Forgets everything but the memory it has.
    #[inline]
    pub fn clear(&mut self) {
        self.rows.clear();
        self.distances.clear();
    }

    /// Keeps, of the rows from `first` on, the `n` that are closest to `key`.
    pub fn keep_nearest(&mut self, population: &Population, key: Key, first: usize, n: usize) {
        if self.rows.len() - first <= n {
            return;
        }
        self.scratch.clear();
        let distance = |&row: &Row| (population.key(row).distance(key), row);
        self.scratch.extend(self.rows[first..].iter().map(distance));
        if n > 0 {
            self.scratch.select_nth_unstable(n - 1);
        }
        self.rows.truncate(first);
        self.rows
            .extend(self.scratch[..n].iter().map(|&(_, row)| row));
    }

    /// Computes the distances of all rows.
    #[inline]
    pub fn measure(&mut self, population: &Population, key: Key) {
        self.distances.clear();
        self.distances.extend(
            self.rows
                .iter()
                .map(|&row| population.key(row).distance(key)),
        );
    }

    /// The nodes by distance, nearest first.
    pub fn sorted(&self) -> Vec<(Distance, Row)> {
        let mut nodes: Vec<_> = self
            .distances
            .iter()
            .copied()
            .zip(self.rows.iter().copied())
            .collect();
        nodes.sort_unstable();
        nodes
    }
}
