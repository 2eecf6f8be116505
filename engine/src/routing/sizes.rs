//! Sizes of routing tables, computed without reading the tables: under full knowledge they follow from the number of
//! nodes that share each number of bits with the owner.
//!
//! Owners that follow one another in the order of their keys share most of the way down the trie of keys, so
//! the way to the last one is kept: amortised O(1) subtrees an owner instead of O(log n).

use crate::node::{Row, Table};
use crate::population::Rows;

use super::rule::Knowledge;

/// Computes the sizes of tables, fastest in the order of rows.
pub struct Sizes<'a> {
    knowledge: Knowledge<'a>,
    /// Tables in front of the layout.
    overlay: &'a [Vec<Row>],
    /// Subtrees that hold the last owner, each within the one before; the first is the whole trie.
    way: Vec<Subtree>,
}

/// The nodes that share a number of leading bits with an owner, and what the owner's buckets of fewer shared bits hold.
#[derive(Clone, Copy)]
struct Subtree {
    rows: Rows,
    entries: u32,
    buckets: u8,
}

impl<'a> Sizes<'a> {
    /// Returns sizes that have descended to no owner yet.
    pub(super) fn new(knowledge: Knowledge<'a>, overlay: &'a [Vec<Row>]) -> Self {
        let all = Rows {
            start: 0,
            end: knowledge.population.sorted() as u32,
        };
        let root = Subtree {
            rows: all,
            entries: 0,
            buckets: 0,
        };
        Self {
            knowledge,
            overlay,
            way: vec![root],
        }
    }

    /// Returns the number of entries of the owner's table, and of its non-empty buckets.
    pub fn of(&mut self, owner: Row, table: Table) -> (u32, u8) {
        match table {
            Table::EMPTY => (0, 0),
            Table::LAID_OUT => self.laid_out(owner),
            _ => self.overlaid(owner, table),
        }
    }

    /// Returns the size of a table in the layout. Adds up the buckets on the way to the owner's leaf: each step down the
    /// trie leaves one bucket aside.
    fn laid_out(&mut self, owner: Row) -> (u32, u8) {
        let (key, k) = (
            self.knowledge.population.key(owner),
            self.knowledge.rule.k(),
        );
        while self.way.len() > 1
            && let Some(last) = self.way.last()
            && !(last.rows.start..last.rows.end).contains(&owner.0)
        {
            self.way.pop();
        }
        let mut last = self.way[self.way.len() - 1];
        while last.rows.len() > 1 {
            let rows = self
                .knowledge
                .population
                .subtree(key, self.way.len() as u32);
            let candidates = last.rows.len() - rows.len();
            last = Subtree {
                rows,
                entries: last.entries + candidates.min(k) as u32,
                buckets: last.buckets + u8::from(candidates > 0),
            };
            self.way.push(last);
        }
        (last.entries, last.buckets)
    }

    /// Returns the size of a table in the overlay. Counts the buckets that its entries belong to.
    fn overlaid(&self, owner: Row, table: Table) -> (u32, u8) {
        let population = self.knowledge.population;
        let key = population.key(owner);
        let slot = table.overlay_slot();
        let entries = slot.map_or(&[][..], |slot| &self.overlay[slot]);
        let shared = |&row: &Row| population.key(row).shared_bits(key);
        let buckets = entries
            .iter()
            .fold(0u64, |seen, row| seen | 1 << shared(row));
        (entries.len() as u32, buckets.count_ones() as u8)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::Key;
    use crate::population::{Population, RadixIndex};
    use crate::routing::layout::LayoutKind;
    use crate::routing::{Policy, Rule, Tables};

    proptest! {
        /// In any order of owners, what counting the buckets of each table gives.
        #[test]
        fn sizes_are_those_of_the_buckets(
            keys in proptest::collection::btree_set(any::<u64>(), 1..120),
            close in proptest::collection::btree_set(0u64..64, 0..40),
            k in 1u8..9,
            order in proptest::collection::vec(any::<prop::sample::Index>(), 1..60),
        ) {
            let keys: std::collections::BTreeSet<Key> = keys.into_iter().chain(close).map(Key).collect();
            let keys = Vec::from_iter(keys);
            let index = RadixIndex::new(&keys);
            let population = Population::new(&keys, &index);
            let rule = Rule { bucket_size: k, policy: Policy::Closest, network_seed: 1 };
            let mut tables = Tables::new(rule);
            let built = LayoutKind::Packed.build(&population, tables.rule());
            tables.set_layout(built);
            let own = tables.set_overlay(Table::LAID_OUT, (0..keys.len() as u32).step_by(3).map(Row).collect());
            let mut sizes = tables.sizes(&population);
            let in_order = (0..keys.len()).map(|owner| (owner, Table::LAID_OUT));
            let in_any = order.iter().flat_map(|place| {
                let owner = place.index(keys.len());
                [(owner, Table::LAID_OUT), (owner, own), (owner, Table::EMPTY)]
            });
            for (owner, table) in in_order.chain(in_any) {
                let owner = Row(owner as u32);
                // No table names its owner.
                if table == own && owner.0.is_multiple_of(3) {
                    continue;
                }
                let mut expected = (0, 0);
                tables.for_each_bucket(&population, owner, table, &mut Vec::new(), |_, rows| {
                    expected = (expected.0 + rows.len() as u32, expected.1 + 1);
                });
                prop_assert_eq!(sizes.of(owner, table), expected);
            }
        }
    }
}
