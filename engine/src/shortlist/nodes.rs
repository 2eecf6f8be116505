//! The arrays of a shortlist, and the pieces of an answer that join them.

use super::known::{Note, Status};
use crate::hardware::lines::Lines;
use crate::key::Distance;
use crate::node::Row;

/// All nodes that a lookup knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    /// Distances of the nearest nodes, ascending; behind them [`Distance::MAX`].
    pub(super) distances: Lines<Distance>,
    /// The nearest nodes; behind them row `u32::MAX`.
    pub(super) rows: Lines<Row>,
    /// Notes of the nearest nodes; behind them [`Note::VACANT`].
    pub(super) notes: Lines<Note>,
    /// Number of nodes in these three arrays, the head.
    pub(super) sorted: usize,
    /// All other nodes, unsorted. There are some only if the head is full, and none is nearer than a node of the head.
    pub(super) far: Vec<Row>,
    /// Their notes.
    pub(super) far_notes: Vec<Note>,
}

impl Nodes {
    /// Removes all nodes and makes room for `room` nodes in the head. Keeps the memory.
    pub(super) fn reset(&mut self, room: usize) {
        self.distances.refill(room, Distance::MAX);
        self.rows.refill(room, Row(u32::MAX));
        self.notes.refill(room, Note::VACANT);
        self.sorted = 0;
        self.far.clear();
        self.far_notes.clear();
    }

    /// Makes room for `room` nodes in the head, which must be at least as many as before. The memory of a head thus grows
    /// with the number of known nodes, not with that of a result.
    #[cold]
    pub(super) fn grow(&mut self, room: usize) {
        self.distances.extend(room, Distance::MAX);
        self.rows.extend(room, Row(u32::MAX));
        self.notes.extend(room, Note::VACANT);
    }

    /// Returns the number of nodes for which the head or the other arrays have room, whichever is larger.
    pub(super) fn capacity(&self) -> usize {
        self.rows.capacity().max(self.far.capacity())
    }

    /// Returns the bytes on the heap.
    pub(super) fn bytes_used(&self) -> usize {
        self.distances.capacity() * size_of::<Distance>()
            + self.rows.capacity() * size_of::<Row>()
            + self.notes.capacity() * size_of::<Note>()
            + self.far.capacity() * size_of::<Row>()
            + self.far_notes.capacity() * size_of::<Note>()
    }

    /// Reserves space for a piece beyond the head, as the code with vectors does: lists of both take the same memory.
    #[inline(always)]
    fn reserve_far(&mut self) {
        self.far.reserve(PIECE);
        self.far_notes.reserve(PIECE);
    }

    /// Puts the nodes `which` of the piece beyond the head.
    #[inline(always)]
    pub(super) fn append_one_by_one(&mut self, piece: &Piece, which: u32) {
        self.reserve_far();
        for item in set_bits(which) {
            self.far.push(piece.rows[item]);
            self.far_notes.push(piece.note(item));
        }
    }

    /// Puts the nodes `which` of the piece, none of them known, into the head. If the head is full, the farthest of
    /// its nodes and the new one goes beyond it.
    #[inline(always)]
    pub(super) fn insert_one_by_one(&mut self, piece: &Piece, which: u32) {
        let room = self.rows.len();
        self.reserve_far();
        for item in set_bits(which) {
            let (distance, row, note) = (piece.distances[item], piece.rows[item], piece.note(item));
            let index = count_below(&self.distances, distance);
            if self.sorted < room {
                self.sorted += 1;
            } else if index == room {
                self.far.push(row);
                self.far_notes.push(note);
                continue;
            } else {
                self.far.push(self.rows[room - 1]);
                self.far_notes.push(self.notes[room - 1]);
            }
            let end = self.sorted;
            self.distances.copy_within(index..end - 1, index + 1);
            self.rows.copy_within(index..end - 1, index + 1);
            self.notes.copy_within(index..end - 1, index + 1);
            self.distances[index] = distance;
            self.rows[index] = row;
            self.notes[index] = note;
        }
    }
}

/// Greatest number of nodes of a piece.
pub(super) const PIECE: usize = 32;

/// Some nodes of an answer, at least one and at most [`PIECE`]. Bit `i` of a set, such as `which`, stands for node `i`.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) distances: &'a [Distance],
    pub(super) rows: &'a [Row],
    /// Set of the origin of the lookup; empty if the origin is not in the piece.
    pub(super) origin: u32,
    /// Note of a candidate of this answer.
    pub(super) note: Note,
}

impl Piece<'_> {
    /// Returns the set of all nodes of the piece.
    #[inline(always)]
    pub(super) fn all(&self) -> u32 {
        u32::MAX >> (PIECE - self.rows.len())
    }

    /// Returns the note that node `item` gets.
    #[inline(always)]
    pub(super) fn note(&self, item: usize) -> Note {
        Note(self.note.0 | ((self.origin >> item & 1) * Status::Origin as u32))
    }
}

/// Returns the indices of the bits that are set.
#[inline(always)]
pub(super) fn set_bits(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            index
        })
    })
}

/// Returns how many of the ascending `distances` are below `distance`. No branch depends on a distance.
#[inline(always)]
fn count_below(distances: &[Distance], distance: Distance) -> usize {
    let (mut below, mut rest) = (0, distances.len());
    while rest > 1 {
        let half = rest / 2;
        below += usize::from(distances[below + half - 1] < distance) * half;
        rest -= half;
    }
    below + usize::from(rest == 1 && distances[below] < distance)
}
