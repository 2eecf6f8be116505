//! [`Vectors`] without vector instructions.

use super::known::Note;
use super::nodes::{Piece, set_bits};
use super::vectors::Vectors;
use crate::key::Distance;
use crate::node::Row;

/// [`Vectors`] by plain loops.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Vectors for Portable {
    #[inline(always)]
    fn members(self, rows: &[Row], piece: &Piece, which: u32) -> u32 {
        let mut found = 0;
        for item in set_bits(which) {
            found |= u32::from(contains(rows, piece.rows[item])) << item;
        }
        found
    }

    #[inline(always)]
    fn find(self, rows: &[Row], row: Row) -> Option<usize> {
        rows.iter().position(|&other| other == row)
    }

    #[inline(always)]
    fn within(self, piece: &Piece, limit: Distance) -> u32 {
        let mut within = 0;
        for (index, &distance) in piece.distances.iter().enumerate() {
            within |= u32::from(distance <= limit) << index;
        }
        within
    }

    #[inline(always)]
    fn first_candidate(self, notes: &[Note]) -> Option<usize> {
        notes.iter().position(|note| note.0 & Note::STATUS == 0)
    }
}

/// Returns whether a node is among `rows`. No branch depends on a row, so that the compiler can compare several at once.
#[inline(always)]
fn contains(rows: &[Row], row: Row) -> bool {
    let mut is_there = false;
    for &other in rows {
        is_there |= other == row;
    }
    is_there
}
