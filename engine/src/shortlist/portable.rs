//! [`Vectors`] without vector instructions.

use super::known::Note;
use super::nodes::{BLOCK, Nodes, Piece, set_bits};
use super::vectors::Vectors;
use crate::key::Distance;
use crate::node::Row;

/// [`Vectors`] by plain loops, which the compiler vectorises.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Vectors for Portable {
    #[inline(always)]
    fn members(self, rows: &[Row], piece: &Piece, which: u32) -> u32 {
        bits_of(piece.rows, |&row| contains(rows, row)) & which
    }

    #[inline(always)]
    fn find(self, rows: &[Row], row: Row) -> Option<usize> {
        rows.iter().position(|&other| other == row)
    }

    #[inline(always)]
    fn within(self, piece: &Piece, limit: Distance) -> u32 {
        bits_of(piece.distances, |&distance| distance <= limit)
    }

    #[inline(always)]
    fn farthest(self, piece: &Piece, which: u32) -> Distance {
        let distances = set_bits(which).map(|index| piece.distances[index]);
        distances.max().unwrap_or_default()
    }

    #[inline(always)]
    fn first_candidate(self, notes: &[Note]) -> Option<usize> {
        notes.iter().position(|note| note.0 & Note::STATUS == 0)
    }

    #[inline(always)]
    fn append(self, list: &mut Nodes, piece: &Piece, which: u32) {
        list.append_one_by_one(piece, which);
    }

    #[inline(always)]
    fn insert(self, list: &mut Nodes, piece: &Piece, which: u32) {
        list.insert_one_by_one(piece, which);
    }
}

/// Returns the set of those of at most 32 items for which `holds` holds.
#[inline(always)]
fn bits_of<T>(items: &[T], holds: impl Fn(&T) -> bool) -> u32 {
    let bit = |(index, item): (usize, &T)| u32::from(holds(item)) << index;
    items.iter().enumerate().map(bit).sum()
}

/// Returns whether a node is among `rows`. Compares block by block.
#[inline(always)]
fn contains(rows: &[Row], row: Row) -> bool {
    let (blocks, rest) = rows.as_chunks::<BLOCK>();
    let mut hits = [0u32; BLOCK];
    for block in blocks {
        for lane in 0..BLOCK {
            hits[lane] |= u32::from(block[lane] == row);
        }
    }
    hits.iter().any(|&hit| hit != 0) || rest.contains(&row)
}
