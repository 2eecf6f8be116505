//! The operations in flight, by slot.

use bevy_ecs::resource::Resource;

use super::{Contact, Event, KEPT, Operation, Planned, Task, give_back};
use crate::record::{Kind, Outcome};
use crate::slot::OperationSlot;

/// All operations in flight. They lie in slots 0 to [`Operations::active`] - 1, so a step costs O(active).
#[derive(Resource, Default)]
pub struct Operations {
    slots: Vec<Operation>,
    next_event_us: Vec<u64>,
    active: usize,
}

impl Operations {
    /// Time of the next event of an operation that has no event before it is cut off.
    pub const NEVER: u64 = u64::MAX;

    /// Returns the number of operations in flight, those that have ended in this step included.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Returns the operations in flight, by slot.
    pub fn slots(&self) -> &[Operation] {
        &self.slots[..self.active]
    }

    /// Returns the operation in a slot.
    #[inline]
    pub fn get(&self, slot: OperationSlot) -> &Operation {
        &self.slots()[slot.index()]
    }

    /// Returns the operations in flight, and the time of the next event of each, µs.
    pub fn slots_mut(&mut self) -> SlotsMut<'_> {
        SlotsMut {
            operations: &mut self.slots[..self.active],
            next_event_us: &mut self.next_event_us[..self.active],
        }
    }

    /// Returns the time of the first event of any operation, µs; `None` if every operation is cut off before its next
    /// event.
    pub fn next_event_us(&self) -> Option<u64> {
        let events_us = self.next_event_us[..self.active].iter().copied();
        events_us.min().filter(|&event_us| event_us < Self::NEVER)
    }

    /// Returns the first event after `last_us` of an operation that is not cut off before.
    pub fn first_after(&self, last_us: u64) -> Option<Event> {
        let events_us = self.next_event_us.iter().zip(self.slots());
        let later = events_us.filter(|&(&us, _)| last_us < us && us < Self::NEVER);
        later
            .map(|(&at_us, operation)| Event {
                at_us,
                operation: operation.number,
                phase: operation.phase,
            })
            .min()
    }

    /// Returns the earliest time at which a successful contact in flight of a retrieve reaches its remote, µs, which may be
    /// past. No answer depends on the segments that a node held before that time.
    pub fn first_arrival_us(&self) -> Option<u64> {
        let retrieves = self.slots().iter().filter(|one| one.kind == Kind::Retrieve);
        let contacts = retrieves.flat_map(|retrieve| &retrieve.in_flight);
        let answered = contacts.filter(|contact| contact.fate.outcome == Outcome::Ok);
        answered
            .map(|contact| Contact::arrival_us(contact.fate, contact.completes_us))
            .min()
    }

    /// Puts a planned operation into a free slot.
    pub fn start(&mut self, planned: Planned, task: &Task, start_us: u64) {
        if self.active == self.slots.len() {
            self.slots.push(Operation::default());
            self.next_event_us.push(0);
        }
        let slot = OperationSlot(self.active as u32);
        self.slots[self.active].restart(slot, planned, task, start_us);
        self.next_event_us[self.active] = start_us;
        self.active += 1;
    }

    /// Frees the slots of operations that have ended or were cut off. The operations in the last slots move there.
    pub fn free(&mut self, mut slots: Vec<OperationSlot>) {
        // In descending order, so that the operation that moves to a freed slot is never one that is still to be freed.
        slots.sort_unstable();
        slots.into_iter().rev().for_each(|slot| self.free_one(slot));
    }

    fn free_one(&mut self, slot: OperationSlot) {
        let index = slot.index();
        // `last_freed` reads the result of the slot freed last, so that of the slot freed before is not needed any more.
        if let Some(freed) = self.slots.get_mut(self.active) {
            give_back(&mut freed.result, KEPT);
        }
        self.slots[index].give_back();
        self.active -= 1;
        self.slots.swap(index, self.active);
        self.slots[index].slot = slot;
        self.next_event_us.swap(index, self.active);
    }

    /// Returns the operation whose slot was freed last, if that slot is still free.
    pub fn last_freed(&self) -> Option<&Operation> {
        self.slots.get(self.active)
    }

    /// Returns what all slots take, free ones included.
    pub fn bytes_used(&self) -> SlotBytes {
        SlotBytes {
            bytes: self.slots.iter().map(Operation::bytes_used).sum(),
            slots: self.slots.len(),
        }
    }
}

/// Operations in flight, to change.
pub struct SlotsMut<'a> {
    /// The operations, by slot.
    pub operations: &'a mut [Operation],
    /// Time of the next event of each, µs.
    pub next_event_us: &'a mut [u64],
}

/// Memory of the slots of operations, free ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotBytes {
    /// Bytes that all slots take.
    pub bytes: usize,
    /// Number of slots.
    pub slots: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use crate::node::Row;

    fn with_operations(count: u64) -> Operations {
        let task = Task {
            phase: 0,
            slot: Default::default(),
            kind: Kind::Lookup,
            until_us: u64::MAX,
        };
        let mut operations = Operations::default();
        for number in 0..count {
            let planned = Planned {
                number,
                origin: Row(0),
                key: Key(number),
                due_us: number,
                lacks_origin: false,
            };
            operations.start(planned, &task, 10 + number);
        }
        operations
    }

    #[test]
    fn operations_in_flight_fill_the_slots_that_are_freed() {
        let mut operations = with_operations(5);
        operations.free([4, 1, 3].map(OperationSlot).to_vec());
        let numbers = operations.slots().iter().map(|operation| operation.number);
        assert_eq!(numbers.collect::<Vec<_>>(), [0, 2]);
        let slots = operations.slots().iter().map(|operation| operation.slot);
        assert_eq!(slots.collect::<Vec<_>>(), [0, 1].map(OperationSlot));
        assert_eq!(operations.slots_mut().next_event_us, [10, 12]);
        assert_eq!(operations.last_freed().map(|freed| freed.number), Some(1));
    }
}
