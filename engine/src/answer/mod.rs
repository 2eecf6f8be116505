//! What a node answers to a request: the k entries of its table that are closest to a key.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod nearest;

#[cfg(target_arch = "x86_64")]
use crate::hardware::avx512::Avx512;
use crate::key::{Distance, Key};
use crate::node::Row;
use crate::population::Population;

/// An answer, in no order. Its memory is reused from request to request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The nodes that the remote names.
    pub rows: Vec<Row>,
    /// Distances of the first nodes of `rows` from the key asked for. The other nodes have not been measured.
    pub distances: Vec<Distance>,
    /// Table entries read for all answers so far.
    pub read: u64,
    /// Memory for [`Answer::keep_nearest`], reused.
    scratch: Vec<(Distance, Row)>,
    /// Memory for the distances of nodes that are measured only to choose among them, reused.
    measured: Vec<Distance>,
}

impl Answer {
    /// Removes the nodes and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.rows.clear();
        self.distances.clear();
    }

    /// Computes the distances from `key` of the nodes that have not been measured.
    #[inline]
    pub fn measure(&mut self, population: &Population, key: Key) {
        let missing = &self.rows[self.distances.len()..];
        let distance = |&row: &Row| population.key(row).distance(key);
        self.distances.extend(missing.iter().map(distance));
    }

    /// Appends rows `first + i` for each bit `i` of the mask, with their distances from `key`.
    ///
    /// # Panics
    ///
    /// If a node of the answer has not been measured.
    #[inline]
    pub(crate) fn push_span(&mut self, population: &Population, key: Key, first: Row, mask: u64) {
        assert_eq!(
            self.rows.len(),
            self.distances.len(),
            "all nodes of the answer have been measured"
        );
        let keys = &population.keys()[first.index()..];
        #[cfg(target_arch = "x86_64")]
        if let Some(wide) = Avx512::new() {
            let (rows, distances) = (&mut self.rows, &mut self.distances);
            return wide.push_span(keys, key, first, mask, rows, distances);
        }
        let mut left = mask;
        while left != 0 {
            let offset = left.trailing_zeros();
            left &= left - 1;
            self.rows.push(Row(first.0 + offset));
            self.distances.push(keys[offset as usize].distance(key));
        }
    }

    /// Removes all but the `n` nodes closest to `key` of those from `first` on. Either all of these have been measured or
    /// none; those that have not been stay so.
    #[inline]
    pub(crate) fn keep_nearest(
        &mut self,
        population: &Population,
        key: Key,
        first: usize,
        n: usize,
    ) {
        let count = self.rows.len() - first;
        if count <= n {
            return;
        }
        let are_measured = self.distances.len() > first;
        assert!(
            !are_measured || self.distances.len() == self.rows.len(),
            "all nodes are measured or none"
        );
        if !are_measured {
            let distance = |&row: &Row| population.key(row).distance(key);
            self.measured.clear();
            self.measured
                .extend(self.rows[first..].iter().map(distance));
        }
        let distances = match are_measured {
            true => &mut self.distances[first..],
            false => &mut self.measured[..],
        };
        let rows = &mut self.rows[first..];
        if count > nearest::MOST {
            nearest::sort(rows, distances, &mut self.scratch);
        } else {
            nearest::move_to_front(rows, distances, n);
        }
        self.rows.truncate(first + n);
        self.distances.truncate(first + n);
    }

    /// Measures the nodes that have not been, and sorts all, those nearest to `key` first.
    pub fn sort(&mut self, population: &Population, key: Key) {
        self.measure(population, key);
        nearest::sort(&mut self.rows, &mut self.distances, &mut self.scratch);
    }

    /// Returns the nodes with their distances, nearest first.
    #[cfg(test)]
    pub(crate) fn sorted(&self) -> Vec<(Distance, Row)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::RadixIndex;
    use proptest::prelude::*;

    #[test]
    fn none_of_a_single_node_are_kept() {
        let keys = [Key(3)];
        let index = RadixIndex::new(&keys);
        let mut answer = Answer {
            rows: vec![Row(0)],
            distances: vec![Distance(0)],
            ..Answer::default()
        };
        answer.keep_nearest(&Population::new(&keys, &index), Key(3), 0, 0);
        assert!(answer.rows.is_empty() && answer.distances.is_empty());
    }

    proptest! {
        /// By the widest vectors there are and without: the same nodes.
        #[test]
        fn the_nearest_of_an_answer_are_kept(
            keys in proptest::collection::btree_set(any::<u64>().prop_map(|key| key >> (key & 31)), 2..150),
            mask: u64, key: u64, start: usize, first: usize, n in 0usize..70,
        ) {
            let keys: Vec<Key> = keys.into_iter().map(Key).collect();
            let index = RadixIndex::new(&keys);
            let (population, key) = (Population::new(&keys, &index), Key(key));
            // Not the first again: the nodes of an answer are different.
            let start = 1 + start % (keys.len() - 1);
            let mask = mask & u64::MAX.checked_shr(64u32.saturating_sub((keys.len() - start) as u32)).unwrap_or(0);
            let mut answer = Answer::default();
            answer.rows.push(Row(0));
            answer.measure(&population, key);
            answer.push_span(&population, key, Row(start as u32), mask);
            let rows = (0..64).filter(|i| mask >> i & 1 == 1).map(|i| Row(start as u32 + i));
            let rows: Vec<Row> = std::iter::once(Row(0)).chain(rows).collect();
            let distances: Vec<Distance> = rows.iter().map(|&row| population.key(row).distance(key)).collect();
            prop_assert_eq!(&answer.rows, &rows);
            prop_assert_eq!(&answer.distances, &distances);
            let mut expected: Vec<_> = distances.into_iter().zip(rows).skip(first % answer.rows.len()).collect();
            expected.sort_unstable();
            expected.truncate(n);
            let (first, mut plain) = (first % answer.rows.len(), answer.clone());
            plain.distances.truncate(first);
            answer.keep_nearest(&population, key, first, n);
            plain.keep_nearest(&population, key, first, n);
            prop_assert!(plain.distances.len() <= first);
            plain.measure(&population, key);
            for mut answer in [answer, plain] {
                answer.rows.drain(..first);
                answer.distances.drain(..first);
                prop_assert_eq!(answer.sorted(), expected.clone());
            }
        }
    }
}
