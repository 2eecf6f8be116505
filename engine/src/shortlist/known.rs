//! A known node: depth, status and distance.

use crate::key::Distance;
use crate::node::Row;

/// State of a known node in a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Not contacted.
    Candidate,
    /// Contacted; its answer or failure was not handled yet.
    Contacted,
    /// Its answer was handled.
    Answered,
    /// Its failure was handled.
    Failed,
    /// The origin of the lookup, which is not contacted.
    Origin,
}

/// Depth and status of a known node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Note(pub(super) u32);

impl Note {
    /// Mask of the status bits. None of them is set in the note of a candidate.
    pub(super) const STATUS: u32 = 7;

    /// Position of the lowest bit of the depth.
    const DEPTH: u32 = 3;

    /// The note that fills the head behind its last node.
    pub(super) const VACANT: Note = Note::new(0, Status::Failed);

    /// Returns the note of a node at `depth`.
    pub const fn new(depth: u16, status: Status) -> Self {
        Self((depth as u32) << Self::DEPTH | status as u32)
    }

    /// Returns the depth: 1 for a node of the origin's own table, else one more than the depth of the node whose
    /// answer first named it.
    pub fn depth(self) -> u16 {
        (self.0 >> Self::DEPTH) as u16
    }

    /// Returns the status.
    pub fn status(self) -> Status {
        match self.0 & Self::STATUS {
            0 => Status::Candidate,
            1 => Status::Contacted,
            2 => Status::Answered,
            3 => Status::Failed,
            _ => Status::Origin,
        }
    }

    pub(super) fn set_status(&mut self, status: Status) {
        *self = Self::new(self.depth(), status);
    }
}

/// A known node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The node.
    pub row: Row,
    /// Its distance from the key looked up.
    pub distance: Distance,
    /// Its depth and status.
    pub note: Note,
}
