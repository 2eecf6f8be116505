//! Operations on whole arrays that a shortlist needs.

#![allow(unsafe_code, reason = "types that may lie in cache lines are marked")]

use super::known::Note;
use super::nodes::{Nodes, Piece, set_bits};
use crate::hardware::lines::Plain;
use crate::key::Distance;
use crate::node::Row;

// SAFETY: transparent over `u64`.
unsafe impl Plain for Distance {}
// SAFETY: transparent over `u32`.
unsafe impl Plain for Row {}
// SAFETY: transparent over `u32`; a note decodes from any bits.
unsafe impl Plain for Note {}

/// Operations on whole arrays of a shortlist. All implementations return the same results. `which` is a set of nodes of
/// the piece.
pub(super) trait Vectors: Copy {
    /// Returns which of the nodes `which` are among `rows`.
    fn members(self, rows: &[Row], piece: &Piece, which: u32) -> u32;

    /// Returns the index of a row.
    fn find(self, rows: &[Row], row: Row) -> Option<usize>;

    /// Returns which nodes of the piece are no farther than `limit`.
    fn within(self, piece: &Piece, limit: Distance) -> u32;

    /// Returns the largest distance of the nodes `which`; 0 if there is none.
    #[inline(always)]
    fn farthest(self, piece: &Piece, which: u32) -> Distance {
        let mut farthest = Distance(0);
        for index in set_bits(which) {
            farthest = farthest.max(piece.distances[index]);
        }
        farthest
    }

    /// Returns the index of the first candidate.
    fn first_candidate(self, notes: &[Note]) -> Option<usize>;

    /// Puts the nodes `which` beyond the head.
    #[inline(always)]
    fn append(self, list: &mut Nodes, piece: &Piece, which: u32) {
        list.append_one_by_one(piece, which);
    }

    /// Puts the nodes `which`, none of them known, into the head. If the head is full, the farthest of its nodes
    /// and the new one goes beyond it.
    #[inline(always)]
    fn insert(self, list: &mut Nodes, piece: &Piece, which: u32) {
        list.insert_one_by_one(piece, which);
    }
}
