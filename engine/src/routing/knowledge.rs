//! Full knowledge of a network: its nodes, those that tables name, and the rule that fills tables from them.

use super::members::Members;
use super::rule::Rule;
use crate::key::{BucketIndex, Key};
use crate::node::Row;
use crate::population::{Owner, Population, Rows};
use crate::random::{Purpose, Stream};

/// Full knowledge of a network: what every table holds follows from it.
#[derive(Clone, Copy)]
pub struct Knowledge<'a> {
    /// All nodes.
    pub population: &'a Population<'a>,
    /// The rule that fills tables.
    pub rule: &'a Rule,
    /// The nodes that tables name, and those that have tables; `None` if all nodes are both.
    pub members: Option<&'a Members>,
}

impl<'a> Knowledge<'a> {
    /// Returns the knowledge of a network in which tables name every node.
    pub fn of_all(population: &'a Population<'a>, rule: &'a Rule) -> Self {
        Self {
            population,
            rule,
            members: None,
        }
    }

    /// Returns the population of the nodes that tables name. Its rows are ranks among them.
    #[inline]
    pub fn named(&self) -> Population<'a> {
        self.members
            .map_or(*self.population, |members| members.population())
    }

    /// Returns whether a node has a table.
    #[inline]
    pub fn has_table(&self, row: Row) -> bool {
        self.members.is_none_or(|members| members.has_table(row))
    }

    /// Returns how many nodes of a subtree that holds the owner's key are the owner: 1 if it is one that tables name, else 0.
    #[inline]
    pub(super) fn own(&self, owner: Owner) -> usize {
        match self.members {
            Some(members) => usize::from(members.is_member(owner.row)),
            // Nodes added later are in no subtree.
            None => usize::from(owner.row.index() < self.population.sorted()),
        }
    }

    /// Returns the nodes that the owner's buckets from `depth` on are chosen from, and whether each of these buckets holds
    /// all its candidates.
    #[inline]
    pub(super) fn rest(&self, owner: Owner, depth: u32) -> Rest {
        let (rows, own) = (self.named().subtree(owner.key, depth), self.own(owner));
        let others = rows.len() - own;
        let are_replaced = self.members.is_some_and(Members::has_clients);
        Rest {
            rows,
            is_whole: others == 0 || (others <= self.rule.k() && !are_replaced),
        }
    }

    /// Appends the nodes of [`Knowledge::rest`].
    #[inline]
    pub(super) fn append_rest(&self, owner: Owner, rest: Rest, out: &mut Vec<Row>) {
        match self.members {
            None => out.extend(rest.rows.iter().filter(|&row| row != owner.row)),
            Some(members) => {
                let rows = rest.rows.iter().map(|rank| members.row(rank));
                out.extend(rows.filter(|&row| row != owner.row));
            }
        }
    }

    /// Appends the rows of a bucket of the owner, in no order. Leaves out nodes added later.
    ///
    /// Returns the number of leading bits of the owner's key that decide the bucket: owners that share them have the same
    /// rows. Returns `None` if every owner has rows of its own.
    #[inline]
    pub fn fill(&self, owner: Key, bucket: BucketIndex, out: &mut Vec<Row>) -> Option<u32> {
        let Some(members) = self.members else {
            return self.rule.fill(self.population, owner, bucket, out);
        };
        let first = out.len();
        let bits = self.rule.fill(&members.population(), owner, bucket, out);
        let entries = &mut out[first..];
        entries
            .iter_mut()
            .for_each(|rank| *rank = members.row(*rank));
        if members.has_clients() {
            let range = self.population.candidates(owner, bucket);
            let (seed, part) = (self.rule.network_seed, u64::from(bucket.get()));
            let stream = Stream::new(seed, Purpose::Replaced, owner.0, part);
            members.replace_by_clients(range, stream, entries);
            return None;
        }
        bits
    }
}

/// The nodes that an owner's deep buckets are chosen from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    /// Rows of [`Knowledge::named`], which may hold the owner.
    rows: Rows,
    /// Whether the buckets hold all of them.
    pub(super) is_whole: bool,
}
