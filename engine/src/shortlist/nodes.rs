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
    /// All other nodes, unsorted. None of them is nearer than any node of the head, which is full if there are any.
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

    /// Makes room for `room` nodes in the head, which must be at least as many as before. So the memory of a head
    /// follows what is known, however many nodes a result may have.
    #[cold]
    pub(super) fn grow(&mut self, room: usize) {
        self.distances.extend(room, Distance::MAX);
        self.rows.extend(room, Row(u32::MAX));
        self.notes.extend(room, Note::VACANT);
    }

    /// Returns how many nodes the memory of the head or of the others is enough for.
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

    /// Puts the nodes `which` behind the head.
    #[inline(always)]
    pub(super) fn append_one_by_one(&mut self, piece: &Piece, which: u32) {
        for item in places(which) {
            self.far.push(piece.rows[item]);
            self.far_notes.push(piece.note(item));
        }
    }

    /// Puts the nodes `which`, none of them known, into the head. A node that has to make room goes behind it.
    #[inline(always)]
    pub(super) fn insert_one_by_one(&mut self, piece: &Piece, which: u32) {
        let room = self.rows.len();
        for item in places(which) {
            let (distance, row, note) = (piece.distances[item], piece.rows[item], piece.note(item));
            let place = count_below(&self.distances, distance);
            if self.sorted < room {
                self.sorted += 1;
            } else if place == room {
                self.far.push(row);
                self.far_notes.push(note);
                continue;
            } else {
                self.far.push(self.rows[room - 1]);
                self.far_notes.push(self.notes[room - 1]);
            }
            let end = self.sorted;
            self.distances.copy_within(place..end - 1, place + 1);
            self.rows.copy_within(place..end - 1, place + 1);
            self.notes.copy_within(place..end - 1, place + 1);
            self.distances[place] = distance;
            self.rows[place] = row;
            self.notes[place] = note;
        }
    }
}

/// Nodes of an answer that are worked on at once.
pub(super) const PIECE: usize = 32;

/// Nodes of an answer, at most [`PIECE`]. A set of them is a bit for each.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) distances: &'a [Distance],
    pub(super) rows: &'a [Row],
    /// The origin of the lookup, if it is one of them.
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

/// Returns the places of the bits that are set.
#[inline(always)]
pub(super) fn places(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            place
        })
    })
}

/// Lanes of the loops that the compiler turns into vector instructions.
pub(super) const BLOCK: usize = 16;

/// Returns how many of the distances, in whole blocks, are smaller. Counts lane by lane, because a sum over each block
/// would take the lanes apart again.
#[inline(always)]
fn count_below(distances: &[Distance], distance: Distance) -> usize {
    let mut below = [0u64; BLOCK];
    for block in distances.as_chunks::<BLOCK>().0 {
        for lane in 0..BLOCK {
            below[lane] += u64::from(block[lane] < distance);
        }
    }
    below.iter().sum::<u64>() as usize
}
