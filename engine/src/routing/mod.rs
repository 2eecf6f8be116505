//! Routing tables: what a table holds under full knowledge of the network, and where it lies.
//!
//! A table has one bucket for each number of leading bits shared with the owner, of at most k entries. Buckets are not
//! split (Maymounkov and Mazières, section 2.4, with b = 1). A bucket under full knowledge is a function of the key
//! column, the rule and the seed ([`Rule::fill`]). Layouts differ in which part of it they store.

mod aging;
mod in_time;
mod instant;
mod knowledge;
pub mod layout;
pub mod live;
mod members;
mod rule;
mod sizes;

pub use aging::{Aging, Join, Made, OnLeaving};
pub use in_time::{Freshness, Moment, TablesInTime};
pub use instant::Instant;
pub use knowledge::Knowledge;
pub use members::Members;
pub use rule::{Policy, Rule, Size};
pub use sizes::Sizes;

use bevy_ecs::resource::Resource;

use self::layout::{Layout, LayoutKind};
use crate::answer::Answer;
use crate::hardware::Prefetcher;
use crate::key::{BucketIndex, Key};
use crate::node::{Row, Table};
use crate::population::{Owner, Population};

/// The routing tables of a network: a layout of the tables that full knowledge gives, and a sparse overlay of other
/// tables, such as a newcomer's, which has precedence.
#[derive(Resource)]
pub struct Tables {
    rule: Rule,
    layout: Option<Box<dyn Layout>>,
    /// The nodes that the tables of the layout name, and those that have one; `None` if these are all.
    members: Option<Members>,
    overlay: Vec<Vec<Row>>,
}

impl Tables {
    /// Returns empty tables.
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            layout: None,
            members: None,
            overlay: Vec::new(),
        }
    }

    /// Returns the rule that defines the tables.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Lays out the tables of all nodes of a sorted population, on all threads of the current pool. `members` are the nodes
    /// that tables name, and those that have one; `None` if these are all. The caller sets every node's [`Table`] to
    /// [`Table::LAID_OUT`].
    pub fn lay_out(
        &mut self,
        layout: LayoutKind,
        population: &Population,
        members: Option<Members>,
    ) {
        self.overlay.clear();
        self.members = members;
        let built = layout.build(self.knowledge(population));
        self.layout = Some(built);
    }

    /// Frees the memory of every table. The caller sets every node's [`Table`] to [`Table::EMPTY`].
    pub fn clear(&mut self) {
        self.layout = None;
        self.members = None;
        self.overlay = Vec::new();
    }

    /// Puts the table of a node into the overlay, and returns where it lies. Replaces `table`, where the node's table lay.
    pub fn set_overlay(&mut self, table: Table, entries: Vec<Row>) -> Table {
        match table.overlay_slot() {
            Some(slot) => {
                self.overlay[slot] = entries;
                table
            }
            None => {
                self.overlay.push(entries);
                Table::overlay(self.overlay.len() as u32 - 1)
            }
        }
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        let overlay: usize = self
            .overlay
            .iter()
            .map(|table| table.capacity() * size_of::<Row>())
            .sum();
        let members = self.members.as_ref().map_or(0, Members::bytes_used);
        self.layout.as_ref().map_or(0, |layout| layout.bytes_used()) + members + overlay
    }

    /// Returns where a node's table lies, its component in `column`. Does not read the column if every table lies in the
    /// layout.
    #[inline]
    pub fn table(&self, population: &Population, column: &[Table], row: Row) -> Table {
        if self.are_laid_out(population) {
            Table::LAID_OUT
        } else {
            column[row.index()]
        }
    }

    /// Returns whether every table lies in the layout.
    #[inline]
    pub fn are_laid_out(&self, population: &Population) -> bool {
        let all = population.sorted() == population.keys().len();
        all && self.layout.is_some() && self.overlay.is_empty()
    }

    /// Returns the layout if `table` lies in it.
    #[inline]
    fn laid_out(&self, table: Table) -> Option<&dyn Layout> {
        self.layout.as_deref().filter(|_| table == Table::LAID_OUT)
    }

    /// Replaces `out` by the k entries of the owner's table closest to `key`.
    #[inline]
    pub fn closest(
        &self,
        population: &Population,
        owner: Owner,
        table: Table,
        key: Key,
        out: &mut Answer,
    ) {
        out.clear();
        if let Some(layout) = self.laid_out(table) {
            layout.closest(self.knowledge(population), owner, key, out);
        } else if let Some(slot) = table.overlay_slot() {
            out.rows.extend_from_slice(&self.overlay[slot]);
            out.measure(population, key);
            out.keep_nearest(population, key, 0, self.rule.answer_size());
        }
    }

    /// Prefetches what [`Tables::closest`] will read; see [`Layout::prefetch`].
    #[inline]
    pub fn prefetch(
        &self,
        population: &Population,
        owner: Owner,
        key: Key,
        stage: u32,
        prefetcher: &mut Prefetcher,
        rows: &mut Vec<Row>,
    ) {
        // The layout has no table of a node added later.
        if owner.row.index() < population.sorted()
            && let Some(layout) = &self.layout
        {
            let knowledge = self.knowledge(population);
            layout.prefetch(knowledge, owner, key, stage, prefetcher, rows);
        }
    }

    /// Replaces `out` by the entries of one bucket of the owner's table, in no order.
    pub fn bucket(
        &self,
        population: &Population,
        owner: Owner,
        table: Table,
        bucket: BucketIndex,
        out: &mut Vec<Row>,
    ) {
        out.clear();
        if let Some(layout) = self.laid_out(table) {
            layout.bucket(self.knowledge(population), owner, bucket, out);
        } else if let Some(slot) = table.overlay_slot() {
            let shared = |row: &Row| owner.key.bucket_of(population.key(*row)) == Some(bucket);
            out.extend(self.overlay[slot].iter().copied().filter(shared));
        }
    }

    /// Returns the size of the owner's table. [`Tables::sizes`] is faster for many nodes.
    pub fn size(&self, population: &Population, owner: Row, table: Table) -> Size {
        self.sizes(population).of(owner, table)
    }

    /// Returns the computation of the sizes of tables, one node after the other.
    pub fn sizes<'a>(&'a self, population: &'a Population<'a>) -> Sizes<'a> {
        Sizes::new(self.knowledge(population), &self.overlay)
    }

    /// Returns what the tables are filled from.
    #[inline]
    fn knowledge<'a>(&'a self, population: &'a Population<'a>) -> Knowledge<'a> {
        Knowledge {
            population,
            rule: &self.rule,
            members: self.members.as_ref(),
        }
    }

    /// Calls `visit` with each non-empty bucket of the owner's table and its entries, nearest to the
    /// owner first.
    pub fn for_each_bucket(
        &self,
        population: &Population,
        owner: Row,
        table: Table,
        rows: &mut Vec<Row>,
        mut visit: impl FnMut(BucketIndex, &[Row]),
    ) {
        let key = population.key(owner);
        self.for_each_bucket_unsorted(population, owner, table, rows, |bucket, rows| {
            rows.sort_unstable_by_key(|&row| population.key(row).distance(key));
            visit(bucket, rows);
        });
    }

    /// Calls `visit` with each non-empty bucket of the owner's table and its entries, in no order.
    pub(crate) fn for_each_bucket_unsorted(
        &self,
        population: &Population,
        owner: Row,
        table: Table,
        rows: &mut Vec<Row>,
        mut visit: impl FnMut(BucketIndex, &mut [Row]),
    ) {
        if table == Table::EMPTY {
            return;
        }
        let owner = population.owner(owner);
        // Tables of the overlay may name nodes that are not sorted.
        let may_have_entries = |bucket: &BucketIndex| {
            table != Table::LAID_OUT || population.reaches(owner.key, *bucket)
        };
        for bucket in BucketIndex::all().take_while(may_have_entries) {
            self.bucket(population, owner, table, bucket, rows);
            if !rows.is_empty() {
                visit(bucket, rows);
            }
        }
    }
}
