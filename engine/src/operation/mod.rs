//! Operations: the provides, lookups and retrieves of nodes, planned, in flight and ended.
//!
//! An operation is not an entity, because it is short-lived. Operations in flight lie in the slots of [`Operations`].
//! Slots are reused with their memory; operation numbers are not reused.

mod contact;
mod lookup;
mod pool;
mod slots;

pub use contact::Contact;
pub use lookup::{FollowUp, Lookup};
pub use pool::Pool;
pub use slots::{Operations, SlotBytes, SlotsMut};

use crate::hardware::Prefetcher;
use crate::key::Key;
use crate::node::Row;
use crate::population::Owner;
pub use crate::record::Ending;
use crate::record::{Kind, Outcome};
use crate::slot::{OperationSlot, PhaseSlot};

/// Capacity, in items, up to which a slot keeps the memory of a list from one operation to the next. A lookup in a
/// network of a million nodes with k = 20 knows some 160 nodes at its end.
const KEPT: usize = 1024;

/// An operation before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its number in the network.
    pub number: u64,
    /// The node that asks.
    pub origin: Row,
    /// The key it asks for.
    pub key: Key,
    /// When it is due, µs of the network's clock.
    pub due_us: u64,
    /// Whether `origin` is one of the nodes drawn, none of which is online: the operation ends at once.
    pub lacks_origin: bool,
}

/// Properties that the operations of a phase have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Number of the phase, for the tables.
    pub phase: u32,
    /// Slot of the phase.
    pub slot: PhaseSlot,
    /// Kind of the operations.
    pub kind: Kind,
    /// When they are cut off, µs: no event is handled from then on.
    pub until_us: u64,
}

/// An event of an operation, in the order of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// When it happens, µs.
    pub at_us: u64,
    /// Number of the operation.
    pub operation: u64,
    /// Number of its phase.
    pub phase: u32,
}

/// Source of the operations of a phase: drawn, listed in a trace, or given by a caller.
pub trait Source: Send + Sync {
    /// Returns the next operation, in the order of (due time, number), or `None` when there are no more. It stays the
    /// same until [`Source::advance`].
    fn peek(&self) -> Option<Planned>;

    /// Discards the next operation, so that [`Source::peek`] returns the one after it.
    fn advance(&mut self);
}

/// How far an operation has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Stage {
    /// It is in a slot and has not begun.
    #[default]
    Planned,
    /// Its lookup is under way.
    Lookup,
    /// Its lookup has ended in this round of the step.
    LookedUp,
    /// It ends when its last contact completes.
    Closing,
    /// It has ended.
    Ended,
}

/// An operation in flight, or one that has just ended.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// Its number in the network.
    pub number: u64,
    /// Its slot.
    pub slot: OperationSlot,
    /// Number of its phase, for the tables.
    pub phase: u32,
    /// Slot of its phase.
    pub phase_slot: PhaseSlot,
    /// Its kind.
    pub kind: Kind,
    /// When it is cut off, µs: no event is handled from then on.
    pub until_us: u64,
    /// When it was due, µs.
    pub due_us: u64,
    /// When it started, µs.
    pub start_us: u64,
    /// When its lookup ended, µs.
    pub lookup_end_us: u64,
    /// When it ended, µs.
    pub end_us: u64,
    /// How far it has got.
    pub stage: Stage,
    /// How it ended.
    pub ending: Ending,
    /// Key of its origin, from its start on.
    pub origin_key: Key,
    /// Whether none of the nodes drawn for its origin was online.
    pub lacks_origin: bool,
    /// When its origin leaves, µs; `u64::MAX` if never.
    pub leaves_us: u64,
    /// Contacts of the lookup handled whose answer came too late.
    pub late: u32,
    /// Stores whose answer came too late.
    pub store_late: u32,
    /// Contacts of the lookup to nodes that did not answer because they were offline or are clients.
    pub stale_contacts: u32,
    /// Overhead of the origin that its lookup was charged, µs.
    pub origin_overhead_us: u64,
    /// Contacts sent by the lookup.
    pub attempts: u32,
    /// Contacts handled that succeeded.
    pub succeeded: u32,
    /// Contacts handled that failed.
    pub failed: u32,
    /// Contacts in flight when the lookup stopped.
    pub abandoned: u32,
    /// Known nodes when the lookup stopped.
    pub known: u32,
    /// The node whose answer carried the segment.
    pub holder: Option<Row>,
    /// Largest depth of the nodes of the result; depth of the holder once the segment is found.
    pub depth: u16,
    /// Stores that succeeded.
    pub stored: u32,
    /// Stores that failed.
    pub store_failed: u32,
    /// Recall of the result of a lookup that ran to its end, if recall is recorded.
    pub recall: Option<f32>,
    /// State of its lookup.
    pub lookup: Lookup,
    /// Contacts in flight.
    pub in_flight: Vec<Contact>,
    /// When each lane of py-dht's procedure is free, µs from the start of the operation.
    pub lanes_us: Vec<u64>,
    /// The nodes found, nearest to the key first.
    pub result: Vec<Row>,
}

impl Operation {
    /// Replaces the operation by a planned one that starts at `start_us`, and keeps the memory.
    fn restart(&mut self, slot: OperationSlot, planned: Planned, task: &Task, start_us: u64) {
        let mut lookup = std::mem::take(&mut self.lookup);
        let mut in_flight = std::mem::take(&mut self.in_flight);
        let mut lanes_us = std::mem::take(&mut self.lanes_us);
        let mut result = std::mem::take(&mut self.result);
        lookup.restart(planned.key, planned.origin);
        in_flight.clear();
        lanes_us.clear();
        result.clear();
        *self = Self {
            number: planned.number,
            slot,
            phase: task.phase,
            phase_slot: task.slot,
            kind: task.kind,
            until_us: task.until_us,
            due_us: planned.due_us,
            lacks_origin: planned.lacks_origin,
            start_us,
            lookup,
            in_flight,
            lanes_us,
            result,
            leaves_us: u64::MAX,
            ..Self::default()
        };
    }

    /// Ends before it has come to its end, at `at_us`. It has no result.
    pub fn end_early(&mut self, ending: Ending, at_us: u64) {
        if self.stage == Stage::Lookup {
            self.known = self.lookup.shortlist.len() as u32;
            self.abandoned = self.in_flight.len() as u32;
        }
        // No lookup of it has ended.
        self.lookup_end_us = u64::MAX;
        self.stage = Stage::Ended;
        self.ending = ending;
        self.end_us = at_us;
        self.result.clear();
        self.give_back();
    }

    /// Empties all lists but the result, and frees the memory of long ones. For an operation that has ended, of which only
    /// the result is still read.
    pub fn give_back(&mut self) {
        self.lookup.give_back(KEPT);
        give_back(&mut self.in_flight, KEPT);
        give_back(&mut self.lanes_us, KEPT);
    }

    /// Returns the bytes of the operation, on the heap and in its slot, free capacity included.
    pub fn bytes_used(&self) -> usize {
        size_of::<Self>()
            + self.lookup.bytes_used()
            + self.in_flight.capacity() * size_of::<Contact>()
            + self.lanes_us.capacity() * size_of::<u64>()
            + self.result.capacity() * size_of::<Row>()
    }

    /// Prefetches what the next event of the operation reads: its contacts in flight and the nearest known nodes.
    #[inline]
    pub fn prefetch(&self, prefetcher: &mut Prefetcher) {
        prefetcher.range(&self.in_flight, 0..self.in_flight.len());
        self.lookup.shortlist.prefetch(prefetcher);
    }

    /// Returns the node that asks.
    #[inline]
    pub fn origin(&self) -> Row {
        self.lookup.origin
    }

    /// Returns the node that asks, with its key.
    #[inline]
    pub fn origin_owner(&self) -> Owner {
        Owner {
            row: self.lookup.origin,
            key: self.origin_key,
        }
    }

    /// Returns the key that the operation asks for.
    #[inline]
    pub fn key(&self) -> Key {
        self.lookup.key
    }

    /// Returns the time of its next event, µs, if `event_us` is that of its own: its origin may leave before.
    #[inline]
    pub fn next_us(&self, event_us: u64) -> u64 {
        event_us.min(self.leaves_us)
    }

    /// Returns when the next event of an operation that runs as events happens, µs: a contact completes or stalls, its last
    /// store completes, or its origin leaves.
    pub fn next_event_us(&self) -> u64 {
        let next_us = match self.stage {
            Stage::Lookup => self
                .in_flight
                .iter()
                .map(|contact| contact.completes_us.min(contact.stalls_us))
                .min(),
            _ => Some(self.end_us),
        };
        self.next_us(next_us.unwrap_or(u64::MAX))
    }

    /// Returns `event_us`, or [`Operations::NEVER`] if the operation is cut off before.
    #[inline]
    pub fn before_cut(&self, event_us: u64) -> u64 {
        if event_us < self.until_us {
            event_us
        } else {
            Operations::NEVER
        }
    }

    /// Takes a contact that has completed out of those in flight.
    #[inline]
    pub fn take_contact(&mut self, index: usize) -> Contact {
        let contact = self.in_flight.swap_remove(index);
        self.lookup.stalled -= u32::from(contact.is_stalled);
        contact
    }

    /// Lets a contact in flight stall: it does not count in alpha any more.
    pub fn stall(&mut self, index: usize) {
        let contact = &mut self.in_flight[index];
        contact.stalls_us = Contact::NEVER_US;
        contact.is_stalled = true;
        self.lookup.stalled += 1;
    }

    /// Counts a contact of the lookup that failed.
    #[inline]
    pub fn count_failure(&mut self, outcome: Outcome) {
        self.failed += 1;
        self.late += u32::from(outcome == Outcome::Late);
        self.stale_contacts += u32::from(outcome == Outcome::NotFound);
    }

    /// Returns the contacts handled.
    pub fn completed(&self) -> u32 {
        self.succeeded + self.failed
    }
}

/// Empties a list, and frees its memory if there is room for more than `kept` items.
fn give_back<T>(list: &mut Vec<T>, kept: usize) {
    list.clear();
    if list.capacity() > kept {
        *list = Vec::new();
    }
}
