//! Sizes of routing tables, computed without reading the tables: under full knowledge they follow from the number of
//! nodes that share each number of bits with the owner.
//!
//! Owners that follow one another in the order of their keys share most of the path down the trie of keys, so the path
//! to the last owner is kept. An owner then costs O(1) subtrees, amortised, instead of O(log n).

use crate::key::Key;
use crate::node::{Row, Table};
use crate::population::{Owner, Population, Rows};

use super::knowledge::Knowledge;
use super::rule::Size;

/// Computes the sizes of tables, fastest in the order of rows.
pub struct Sizes<'a> {
    knowledge: Knowledge<'a>,
    /// The nodes that tables of the layout name.
    named: Population<'a>,
    /// Tables in front of the layout.
    overlay: &'a [Vec<Row>],
    /// Key of the last owner.
    last: Key,
    /// The subtrees of each depth from 0 on that hold the last owner's key.
    path: Vec<Subtree>,
}

/// The nodes that share a number of leading bits with an owner, and the size of the owner's buckets of fewer shared bits.
#[derive(Clone, Copy)]
struct Subtree {
    rows: Rows,
    outside: Size,
}

impl<'a> Sizes<'a> {
    /// Returns a computation whose path is the root of the trie.
    pub(super) fn new(knowledge: Knowledge<'a>, overlay: &'a [Vec<Row>]) -> Self {
        let named = knowledge.named();
        let root = Subtree {
            rows: named.subtree(Key(0), 0),
            outside: Size::default(),
        };
        Self {
            knowledge,
            named,
            overlay,
            last: Key(0),
            path: vec![root],
        }
    }

    /// Returns the size of the owner's table.
    pub fn of(&mut self, owner: Row, table: Table) -> Size {
        match table {
            Table::EMPTY => Size::default(),
            Table::LAID_OUT if self.knowledge.has_table(owner) => {
                self.laid_out(self.knowledge.population.owner(owner))
            }
            Table::LAID_OUT => Size::default(),
            _ => self.overlaid(owner, table),
        }
    }

    /// Returns the size of a table in the layout. Adds up the buckets along the path to the owner's leaf: each level of the
    /// trie branches off one bucket.
    fn laid_out(&mut self, owner: Owner) -> Size {
        let (k, own) = (self.knowledge.rule.k(), self.knowledge.own(owner));
        let shared = self.last.shared_bits(owner.key) as usize;
        self.path.truncate(shared + 1);
        self.last = owner.key;
        let mut last = self.path[self.path.len() - 1];
        while last.rows.len() > own {
            let rows = self.named.subtree(owner.key, self.path.len() as u32);
            let candidates = last.rows.len() - rows.len();
            last = Subtree {
                rows,
                outside: Size {
                    entries: last.outside.entries + candidates.min(k) as u32,
                    buckets: last.outside.buckets + u8::from(candidates > 0),
                },
            };
            self.path.push(last);
        }
        last.outside
    }

    /// Returns the size of a table in the overlay. Counts the buckets that its entries belong to.
    fn overlaid(&self, owner: Row, table: Table) -> Size {
        let population = self.knowledge.population;
        let key = population.key(owner);
        let slot = table.overlay_slot();
        let entries = slot.map_or(&[][..], |slot| &self.overlay[slot]);
        let shared = |&row: &Row| population.key(row).shared_bits(key);
        let buckets = entries
            .iter()
            .fold(0u64, |seen, row| seen | 1 << shared(row));
        Size {
            entries: entries.len() as u32,
            buckets: buckets.count_ones() as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::population::RadixIndex;
    use crate::routing::layout::LayoutKind;
    use crate::routing::{Policy, Rule, Tables};

    proptest! {
        /// In any order of owners, sizes equal a count of the buckets of each table.
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
            let rule = Rule { bucket_size: k, answer_size: k, policy: Policy::Closest, network_seed: 1 };
            let mut tables = Tables::new(rule);
            tables.lay_out(LayoutKind::Packed, &population, None);
            let own = tables.set_overlay(Table::LAID_OUT, (0..keys.len() as u32).step_by(3).map(Row).collect());
            let mut sizes = tables.sizes(&population);
            let in_order = (0..keys.len()).map(|owner| (owner, Table::LAID_OUT));
            let in_any = order.iter().flat_map(|index| {
                let owner = index.index(keys.len());
                [(owner, Table::LAID_OUT), (owner, own), (owner, Table::EMPTY)]
            });
            for (owner, table) in in_order.chain(in_any) {
                let owner = Row(owner as u32);
                // No table names its owner.
                if table == own && owner.0.is_multiple_of(3) {
                    continue;
                }
                let mut expected = Size::default();
                tables.for_each_bucket(&population, owner, table, &mut Vec::new(), |_, rows| {
                    expected.entries += rows.len() as u32;
                    expected.buckets += 1;
                });
                prop_assert_eq!(sizes.of(owner, table), expected);
            }
        }
    }
}
