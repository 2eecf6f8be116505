//! Slots: indices of what is in flight.
//!
//! A slot is reused after what was in it has ended. A slot index is valid from the moment when something is put into
//! the slot to the end of the step in which it ends.

/// The index of a phase in flight; 0 for a phase that is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct PhaseSlot(pub u32);

/// The index of an operation in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct OperationSlot(pub u32);

impl PhaseSlot {
    /// Returns the slot as an index of a slice.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl OperationSlot {
    /// Returns the slot as an index of a slice.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
