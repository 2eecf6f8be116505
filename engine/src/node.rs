//! Nodes: an entity each, whose components lie in contiguous columns of one table.
//!
//! A node's [`Row`] is its place in those columns. The population is spawned sorted by key and never
//! despawned or moved to another archetype, so a row is also the rank of the key, XOR-near is
//! memory-near, and `slice[row]` replaces a query's `get`. A node added later takes the next row.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;

use crate::key::Key;

/// A node's place in the component columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Row(pub u32);

impl Row {
    /// As an index of a column.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a node's routing table lies.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Table(u32);

impl Table {
    /// No entries: the node has not been bootstrapped.
    pub const EMPTY: Table = Table(0);
    /// In the network's bucket layout.
    pub const LAID_OUT: Table = Table(1);

    /// In slot `slot` of the overlay in front of the layout.
    pub fn overlay(slot: u32) -> Table {
        Table(slot + 2)
    }

    /// The overlay slot, if the table lies there.
    #[inline]
    pub fn overlay_slot(self) -> Option<usize> {
        self.0.checked_sub(2).map(|slot| slot as usize)
    }
}

/// The segments that a node holds: a span of the sorted keys in the network's segment arena.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// First key of the span.
    pub start: u32,
    /// Number of keys, in ascending order from there.
    pub len: u32,
}

/// What happens to a node while it is contacted. Counters that sum in any order are relaxed atomics.
#[derive(Component, Debug, Default)]
pub struct Activity {
    contacts: AtomicU32,
    uses: AtomicU32,
    offline: AtomicBool,
}

impl Activity {
    /// Counts a request sent to this node.
    #[inline]
    pub fn contact(&self) {
        self.contacts.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests sent to this node since [`Activity::reset_contacts`].
    #[inline]
    pub fn contacts(&self) -> u32 {
        self.contacts.load(Ordering::Relaxed)
    }

    /// Starts counting contacts from zero.
    pub fn reset_contacts(&self) {
        self.contacts.store(0, Ordering::Relaxed);
    }

    /// One use more of the node's overhead counter; returns its new value. Called in one defined order
    /// (time, operation, sequence), never from two threads at once. The counter stops at its largest value.
    #[inline]
    pub fn charge(&self) -> u32 {
        let uses = self.uses.load(Ordering::Relaxed).saturating_add(1);
        self.uses.store(uses, Ordering::Relaxed);
        uses
    }

    /// Value of the overhead counter, in uses.
    #[inline]
    pub fn uses(&self) -> u32 {
        self.uses.load(Ordering::Relaxed)
    }

    /// Clears the overhead counter.
    pub fn reset_uses(&self) {
        self.uses.store(0, Ordering::Relaxed);
    }

    /// Whether the node answers.
    #[inline]
    pub fn is_online(&self) -> bool {
        !self.offline.load(Ordering::Relaxed)
    }

    /// Takes the node off the network or puts it back; its table and its segments stay.
    pub fn set_online(&self, online: bool) {
        self.offline.store(!online, Ordering::Relaxed);
    }
}

/// Requests received by each node, by the place of the phase that sends them: those of the phase at place 0
/// are counted by [`Activity`], so that a phase that is alone touches nothing else.
#[derive(Resource, Debug, Default)]
pub struct Received(Vec<Vec<AtomicU32>>);

impl Received {
    /// Starts counting those of the phase at a place, in a network of so many nodes.
    pub fn begin(&mut self, place: u32, nodes: usize) {
        let Some(column) = (place as usize).checked_sub(1) else {
            return;
        };
        if self.0.len() <= column {
            self.0.resize_with(column + 1, Vec::new);
        }
        self.0[column] = std::iter::repeat_with(AtomicU32::default)
            .take(nodes)
            .collect();
    }

    /// Counts a request sent to a node.
    #[inline]
    pub fn contact(&self, place: u32, row: Row, activity: &[Activity]) {
        match (place as usize).checked_sub(1) {
            None => activity[row.index()].contact(),
            Some(column) => {
                self.0[column][row.index()].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Takes out what was counted at a place; nothing for place 0.
    pub fn take(&mut self, place: u32) -> Vec<AtomicU32> {
        let column = (place as usize).checked_sub(1);
        column.map_or_else(Vec::new, |column| std::mem::take(&mut self.0[column]))
    }
}

/// The component columns of all nodes, as a system asks for them.
#[derive(SystemParam)]
pub struct Nodes<'w, 's> {
    query: Query<
        'w,
        's,
        (
            &'static Key,
            &'static Table,
            &'static Store,
            &'static Activity,
        ),
    >,
}

/// The component columns of all nodes, indexed by [`Row`].
#[derive(Clone, Copy, Default)]
pub struct Columns<'a> {
    /// Key of each node.
    pub keys: &'a [Key],
    /// Where each node's routing table lies.
    pub tables: &'a [Table],
    /// The segments each node holds.
    pub stores: &'a [Store],
    /// Counters and status of each node.
    pub activity: &'a [Activity],
}

impl Nodes<'_, '_> {
    /// The columns as slices.
    pub fn columns(&self) -> Columns<'_> {
        let Ok(mut tables) = self.query.contiguous_iter() else {
            unreachable!("node components are stored in tables");
        };
        let columns =
            tables
                .next()
                .map_or_else(Columns::default, |(keys, tables, stores, activity)| {
                    Columns {
                        keys,
                        tables,
                        stores,
                        activity,
                    }
                });
        debug_assert!(tables.next().is_none(), "all nodes lie in one table");
        columns
    }
}

/// What a node is made of when it is spawned.
#[derive(Bundle, Default)]
pub struct NodeBundle {
    /// The node's key.
    pub key: Key,
    /// Where its routing table lies.
    pub table: Table,
    /// The segments it holds.
    pub store: Store,
    /// Its counters and status.
    pub activity: Activity,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_by_the_million_stays_small() {
        assert_eq!(size_of::<Key>(), 8);
        assert_eq!(size_of::<Table>(), 4);
        assert_eq!(size_of::<Store>(), 8);
        assert_eq!(size_of::<Activity>(), 12);
    }
}
