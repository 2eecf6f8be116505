//! Nodes: entities whose components lie in contiguous columns of one table.
//!
//! A node's [`Row`] is its index in those columns. All nodes are spawned sorted by key, and none is despawned or moved
//! to another archetype. A row is therefore also the rank of the key, nodes near in XOR distance are near in memory,
//! and `slice[row]` replaces a query's `get`. A node added later takes the next row.

use std::sync::atomic::{AtomicU32, Ordering};

use bevy_ecs::change_detection::ContiguousMut;
use bevy_ecs::component::Mutable;
use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;

use crate::key::Key;
use crate::slot::PhaseSlot;

/// A node's index in the component columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Row(pub u32);

impl Row {
    /// Returns the row as an index of a slice.
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
    /// The table of a node that has not been bootstrapped. It has no entries.
    pub const EMPTY: Table = Table(0);
    /// A table in the network's bucket layout.
    pub const LAID_OUT: Table = Table(1);

    /// Returns the table in slot `slot` of the overlay, which has precedence over the layout.
    pub(crate) fn overlay(slot: u32) -> Table {
        Table(slot + 2)
    }

    /// Returns the slot of the overlay in which the table lies; `None` if it does not lie in the overlay.
    #[inline]
    pub(crate) fn overlay_slot(self) -> Option<usize> {
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

/// Whether a node is online. Written between steps: by the draw of offline nodes and by the library face.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Presence {
    /// The node answers.
    #[default]
    Online,
    /// The node answers no request. Its table and its segments stay.
    Offline,
}

impl Presence {
    /// Returns the presence of a node that is online or is not.
    pub fn of(is_online: bool) -> Self {
        match is_online {
            true => Self::Online,
            false => Self::Offline,
        }
    }

    /// Returns whether the node answers.
    #[inline]
    pub fn is_online(self) -> bool {
        self == Self::Online
    }
}

/// Requests that a node has received from the phase in slot 0; see [`Received`] for other phases.
///
/// Written by the stage of a step in which operations send. A relaxed atomic, because the order of additions does not
/// matter.
#[derive(Component, Debug, Default)]
#[repr(transparent)]
pub struct Contacts(AtomicU32);

impl Contacts {
    /// Counts a request.
    #[inline]
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the requests since [`Contacts::reset`].
    #[inline]
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Starts counting from zero.
    pub fn reset(&mut self) {
        *self.0.get_mut() = 0;
    }
}

/// A node's overhead counter (arXiv 2402.09993, section 3): how often the node has been used.
///
/// Written in the order of (time, operation, sequence): at the barrier of a step or, under py-dht's procedure, by the
/// operation that is evaluated.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Overhead(u32);

impl Overhead {
    /// Adds a use and returns the new number of uses, at most `u32::MAX`.
    #[inline]
    pub fn charge(&mut self) -> u32 {
        self.0 = self.0.saturating_add(1);
        self.0
    }

    /// Returns the number of uses.
    #[inline]
    pub fn uses(self) -> u32 {
        self.0
    }
}

/// Requests received by each node from the phases in slots from 1 on.
///
/// Those of the phase in slot 0 are counted by [`Contacts`], so that a phase reads no other memory if no other one has a
/// slot.
#[derive(Resource, Debug, Default)]
pub struct Received(Vec<Vec<AtomicU32>>);

impl Received {
    /// Starts to count for the phase in `slot`, in a network of `nodes` nodes.
    pub fn begin(&mut self, slot: PhaseSlot, nodes: usize) {
        let Some(column) = slot.index().checked_sub(1) else {
            return;
        };
        if self.0.len() <= column {
            self.0.resize_with(column + 1, Vec::new);
        }
        self.0[column] = std::iter::repeat_with(AtomicU32::default)
            .take(nodes)
            .collect();
    }

    /// Counts a request of the phase in `slot` to a node.
    #[inline]
    pub fn add(&self, slot: PhaseSlot, row: Row, contacts: &[Contacts]) {
        match slot.index().checked_sub(1) {
            None => contacts[row.index()].add(),
            Some(column) => {
                self.0[column][row.index()].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Removes and returns the counts of the phase in `slot`, by row; none for slot 0.
    pub fn take(&mut self, slot: PhaseSlot) -> Vec<AtomicU32> {
        let column = slot.index().checked_sub(1);
        column.map_or_else(Vec::new, |column| std::mem::take(&mut self.0[column]))
    }
}

/// Read access to the components that no system writes during a step.
#[derive(SystemParam)]
pub struct Nodes<'w, 's> {
    query: Query<
        'w,
        's,
        (
            &'static Key,
            &'static Table,
            &'static Store,
            &'static Presence,
        ),
    >,
}

/// Columns of the components that no system writes during a step, indexed by [`Row`].
#[derive(Clone, Copy, Default)]
pub struct Columns<'a> {
    /// Key of each node.
    pub keys: &'a [Key],
    /// Where each node's routing table lies.
    pub tables: &'a [Table],
    /// The segments that each node holds.
    pub stores: &'a [Store],
    /// Whether each node is online.
    pub presence: &'a [Presence],
}

impl Nodes<'_, '_> {
    /// Returns the columns.
    pub fn columns(&self) -> Columns<'_> {
        let Ok(mut tables) = self.query.contiguous_iter() else {
            unreachable!("node components are stored in tables");
        };
        let columns =
            tables
                .next()
                .map_or_else(Columns::default, |(keys, tables, stores, presence)| {
                    Columns {
                        keys,
                        tables,
                        stores,
                        presence,
                    }
                });
        assert!(tables.next().is_none(), "all nodes lie in one table");
        columns
    }
}

/// Write access to one component of all nodes.
#[derive(SystemParam)]
pub struct Column<'w, 's, C: Component<Mutability = Mutable>> {
    query: Query<'w, 's, &'static mut C>,
}

impl<C: Component<Mutability = Mutable>> Column<'_, '_, C> {
    /// Returns the components, indexed by [`Row`].
    pub fn as_slice(&self) -> &[C] {
        let Ok(mut tables) = self.query.contiguous_iter() else {
            unreachable!("node components are stored in tables");
        };
        tables.next().unwrap_or_default()
    }

    /// Returns the components, indexed by [`Row`].
    pub fn as_mut_slice(&mut self) -> &mut [C] {
        let Ok(mut tables) = self.query.contiguous_iter_mut() else {
            unreachable!("node components are stored in tables");
        };
        match tables.next() {
            Some(column) => ContiguousMut::bypass_change_detection_split(column).0,
            None => &mut [],
        }
    }
}

/// The components of a node, as it is spawned.
#[derive(Bundle, Default)]
pub struct NodeBundle {
    /// The node's key.
    pub key: Key,
    /// Where its routing table lies.
    pub table: Table,
    /// The segments that it holds.
    pub store: Store,
    /// Whether it is online.
    pub presence: Presence,
    /// Requests that it has received.
    pub contacts: Contacts,
    /// Its overhead counter.
    pub overhead: Overhead,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_by_the_million_stays_small() {
        assert_eq!(size_of::<Key>(), 8);
        assert_eq!(size_of::<Table>(), 4);
        assert_eq!(size_of::<Store>(), 8);
        assert_eq!(size_of::<Presence>(), 1);
        assert_eq!(size_of::<Contacts>(), 4);
        assert_eq!(size_of::<Overhead>(), 4);
    }
}
