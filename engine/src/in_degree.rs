//! In-degrees: how many routing tables name each node. A node that many tables name receives many requests.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use crate::key::BucketIndex;
use crate::node::{Row, Table};
use crate::population::Population;
use crate::routing::Tables;
use crate::routing::live::LiveTables;

/// For each node, the tables counted so far that name it: 4 bytes a node. No table names its owner.
#[derive(Debug)]
pub struct InDegrees(Vec<AtomicU32>);

impl InDegrees {
    /// Returns in-degrees of 0 for `nodes` nodes.
    pub fn new(nodes: usize) -> Self {
        Self(
            std::iter::repeat_with(AtomicU32::default)
                .take(nodes)
                .collect(),
        )
    }

    /// Counts the entries of the tables of `owners`, on all threads. `column` is the column of all nodes' tables.
    pub fn count(
        &self,
        tables: &Tables,
        population: &Population,
        column: &[Table],
        owners: Range<u32>,
    ) {
        owners
            .into_par_iter()
            .map(Row)
            .for_each_init(Vec::new, |rows, owner| {
                let table = column[owner.index()];
                tables.for_each_bucket_unsorted(population, owner, table, rows, |_, entries| {
                    for entry in entries.iter() {
                        self.0[entry.index()].fetch_add(1, Ordering::Relaxed);
                    }
                });
            });
    }

    /// Counts the entries of the tables of `owners` that traffic changes, on all threads.
    pub fn count_live(&self, tables: &LiveTables, owners: Range<u32>) {
        owners
            .into_par_iter()
            .map(Row)
            .for_each_init(Vec::new, |rows, owner| {
                for bucket in BucketIndex::all() {
                    tables.row_entries(owner, bucket, rows);
                    for entry in rows.iter() {
                        self.0[entry.index()].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
    }

    /// Returns the number of tables counted so far that name a node.
    pub fn of(&self, row: Row) -> u32 {
        self.0[row.index()].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::Key;
    use crate::population::RadixIndex;
    use crate::routing::layout::LayoutKind;
    use crate::routing::{Policy, Rule};

    proptest! {
        /// In every layout, piece by piece, with a table of its own and an empty one: as often as the sorted
        /// buckets name each node.
        #[test]
        fn a_node_is_counted_by_each_table_that_names_it(
            keys in proptest::collection::btree_set(any::<u64>(), 3..120),
            k in 1u8..9,
            is_random: bool,
        ) {
            let keys: Vec<Key> = keys.into_iter().map(Key).collect();
            let index = RadixIndex::new(&keys);
            let population = Population::new(&keys, &index);
            let policy = if is_random { Policy::Random } else { Policy::Closest };
            let rule = Rule { bucket_size: k, answer_size: k, policy, network_seed: 1 };
            let mut before = None;
            for layout in LayoutKind::ALL {
                let mut tables = Tables::new(rule);
                tables.lay_out(layout, &population, None);
                let mut column = vec![Table::LAID_OUT; keys.len()];
                column[0] = tables.set_overlay(Table::LAID_OUT, vec![Row(1), Row(2)]);
                column[1] = Table::EMPTY;
                let mut expected = vec![0; keys.len()];
                for owner in (0..keys.len() as u32).map(Row) {
                    let table = column[owner.index()];
                    tables.for_each_bucket(&population, owner, table, &mut Vec::new(), |_, rows| {
                        rows.iter().for_each(|row| expected[row.index()] += 1);
                    });
                }
                let degrees = InDegrees::new(keys.len());
                let half = keys.len() as u32 / 2;
                for owners in [0..half, half..keys.len() as u32] {
                    degrees.count(&tables, &population, &column, owners);
                }
                let counted: Vec<u32> = (0..keys.len() as u32).map(|row| degrees.of(Row(row))).collect();
                prop_assert_eq!(&counted, &expected);
                prop_assert_eq!(before.get_or_insert(counted.clone()), &counted);
            }
        }
    }
}
