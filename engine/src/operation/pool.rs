//! Operations in slots that never move.

use super::{Operation, Planned, Stage, Task};
use crate::hardware::Prefetcher;
use crate::slot::OperationSlot;

/// Operations in slots. A slot is reused with its memory after its operation has been freed, so that whoever remembers a
/// slot has to remember the operation's number too.
#[derive(Default)]
pub struct Pool {
    slots: Vec<Operation>,
    free: Vec<OperationSlot>,
}

impl Pool {
    /// Puts a planned operation into a free slot and returns the slot.
    pub fn start(&mut self, planned: Planned, task: &Task, start_us: u64) -> OperationSlot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Operation::default());
            OperationSlot(self.slots.len() as u32 - 1)
        });
        self.slots[slot.index()].restart(slot, planned, task, start_us);
        slot
    }

    /// Returns the operation with this number if it is still in the slot and has not ended.
    #[inline]
    pub fn find(&mut self, slot: OperationSlot, number: u64) -> Option<&mut Operation> {
        let operation = self.slots.get_mut(slot.index())?;
        (operation.number == number && operation.stage != Stage::Ended).then_some(operation)
    }

    /// Returns the operation in a slot.
    #[inline]
    pub fn get(&self, slot: OperationSlot) -> &Operation {
        &self.slots[slot.index()]
    }

    /// Returns the operation in a slot.
    #[inline]
    pub fn get_mut(&mut self, slot: OperationSlot) -> &mut Operation {
        &mut self.slots[slot.index()]
    }

    /// Prefetches the operation in a slot. [`Pool::prefetch_lists`] follows, once it is there.
    #[inline]
    pub fn prefetch(&self, slot: OperationSlot, prefetcher: &mut Prefetcher) {
        prefetcher.item(&self.slots, slot.index());
    }

    /// Prefetches the lists of the operation in a slot.
    #[inline]
    pub fn prefetch_lists(&self, slot: OperationSlot, prefetcher: &mut Prefetcher) {
        if let Some(operation) = self.slots.get(slot.index()) {
            operation.prefetch(prefetcher);
        }
    }

    /// Returns the operations that have not ended, in the order of slots.
    pub fn in_flight(&self) -> impl Iterator<Item = &Operation> {
        self.slots.iter().filter(|one| one.stage != Stage::Ended)
    }

    /// Frees the slot of an operation that has ended.
    pub fn free(&mut self, slot: OperationSlot) {
        let operation = &mut self.slots[slot.index()];
        operation.give_back();
        operation.stage = Stage::Ended;
        self.free.push(slot);
    }

    /// Returns the bytes that all slots take, free ones included.
    pub fn bytes_used(&self) -> usize {
        self.slots.iter().map(Operation::bytes_used).sum()
    }
}
