//! What a lookup knows: every node heard of, the nearest ones in order of their distance.
//!
//! The nearest lie sorted in arrays of their own, the head ([`Shortlist::head`]); the rest, which a lookup
//! hardly ever comes back to, unsorted behind them. Of 158 nodes known at the end of a lookup (a million nodes,
//! k = 20), hardly a contact goes to one beyond the 32 nearest. All work on whole arrays is behind
//! [`Vectors`], which [`crate::hardware`] implements for wide vectors and this module without. How many nodes
//! are kept sorted, and by which vectors, never changes a result.

use crate::answer::Answer;
use crate::hardware::lines::Lines;
use crate::hardware::wide::Wide;
use crate::hardware::{Kernel, Touch, vectorised};
use crate::key::{Distance, Key};
use crate::node::Row;
use crate::population::Population;

/// How far a known node has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Not contacted.
    Candidate,
    /// Contacted, nothing handled yet.
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
pub struct Note(pub(crate) u32);

impl Note {
    /// The bits of the status; none is set in the note of a candidate.
    pub(crate) const STATUS: u32 = 7;

    const DEPTH: u32 = 3;

    /// Of what is no node.
    const NOBODY: Note = Note::new(0, Status::Failed);

    /// Of a node at this depth.
    pub const fn new(depth: u16, status: Status) -> Self {
        Self((depth as u32) << Self::DEPTH | status as u32)
    }

    /// 1 for a node of the origin's own table, else one more than that of the node whose answer first
    /// named it.
    pub fn depth(self) -> u16 {
        (self.0 >> Self::DEPTH) as u16
    }

    /// How far the node has got.
    pub fn status(self) -> Status {
        match self.0 & Self::STATUS {
            0 => Status::Candidate,
            1 => Status::Contacted,
            2 => Status::Answered,
            3 => Status::Failed,
            _ => Status::Origin,
        }
    }

    fn set_status(&mut self, status: Status) {
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
    /// Its depth and how far it has got.
    pub note: Note,
}

/// Sorted nodes beyond those of a result: room for the nearest that fail or turn out to be the origin.
const SPARE: usize = 12;

/// The arrays of the head at first.
const ROOM_MIN: usize = 32;

/// The known nodes of a lookup.
#[derive(Clone, Debug, Default)]
pub struct Shortlist {
    /// Distances of the nearest nodes, ascending; behind them the largest distance there is.
    pub(crate) distances: Lines<Distance>,
    /// The nearest nodes; behind them nobody.
    pub(crate) rows: Lines<Row>,
    pub(crate) notes: Lines<Note>,
    /// How many of the arrays are nodes.
    pub(crate) sorted: usize,
    /// All others: none of them is nearer than any of the head, which is full if there are any.
    pub(crate) far: Vec<Row>,
    pub(crate) far_notes: Vec<Note>,
    /// The longest that the arrays of the head become. Until then, all known nodes are in the head.
    room_max: u32,
    /// Candidates, near and far.
    candidates: u32,
    /// The largest distance of all.
    farthest: Distance,
}

impl Shortlist {
    /// Starts anew for a lookup whose result has `beta` nodes, keeping the memory.
    pub fn reset(&mut self, beta: usize) {
        let room_max = (beta + SPARE).next_power_of_two().max(ROOM_MIN);
        self.room_max = room_max as u32;
        self.distances.refill(ROOM_MIN, Distance::MAX);
        self.rows.refill(ROOM_MIN, Row(u32::MAX));
        self.notes.refill(ROOM_MIN, Note::NOBODY);
        self.sorted = 0;
        self.candidates = 0;
        self.farthest = Distance(0);
        self.far.clear();
        self.far_notes.clear();
    }

    /// Makes room in the head for [`PIECE`] nodes more, as far as it may grow: its memory follows what is known,
    /// however many nodes a result may have.
    #[cold]
    fn grow(&mut self) {
        let room = (2 * self.rows.len()).min(self.room_max as usize);
        self.distances.extend(room, Distance::MAX);
        self.rows.extend(room, Row(u32::MAX));
        self.notes.extend(room, Note::NOBODY);
    }

    /// Forgets what is known if it takes the memory of more than `nodes` nodes, and gives that back.
    pub fn give_back(&mut self, nodes: usize) {
        if self.rows.capacity().max(self.far.capacity()) > nodes {
            *self = Self::default();
        }
    }

    /// Fetches the head from memory.
    #[inline]
    pub fn touch(&self, touch: &mut Touch) {
        touch.range(&self.distances, 0..self.distances.len());
        touch.range(&self.rows, 0..self.rows.len());
        touch.range(&self.notes, 0..self.notes.len());
    }

    /// Number of known nodes.
    #[inline]
    pub fn len(&self) -> usize {
        self.sorted + self.far.len()
    }

    /// Whether no node is known.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sorted == 0
    }

    /// Whether no node is known but those of the head.
    #[inline]
    pub fn is_all_sorted(&self) -> bool {
        self.far.is_empty()
    }

    /// Bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        self.distances.capacity() * size_of::<Distance>()
            + self.rows.capacity() * size_of::<Row>()
            + self.notes.capacity() * size_of::<Note>()
            + self.far.capacity() * size_of::<Row>()
            + self.far_notes.capacity() * size_of::<Note>()
    }

    /// The nearest known nodes, nearest first: at least as many as a result has, or all.
    #[inline]
    pub fn head(&self) -> impl Iterator<Item = Known> + Clone {
        let nodes = self.rows[..self.sorted].iter().zip(&self.notes[..]);
        nodes
            .zip(&self.distances[..])
            .map(|((&row, &note), &distance)| Known {
                row,
                distance,
                note,
            })
    }

    /// The known nodes beyond the head, nearest first. Their distances from `key` are computed anew.
    #[cold]
    pub fn sorted_far(&self, population: &Population, key: Key) -> Vec<Known> {
        let far = self.far.iter().zip(&self.far_notes);
        let mut far: Vec<Known> = far
            .map(|(&row, &note)| Known {
                row,
                distance: population.key(row).distance(key),
                note,
            })
            .collect();
        far.sort_unstable_by_key(|known| known.distance);
        far
    }

    /// Adds the nodes of an answer that are not known yet, with this depth; `origin` does not become a
    /// candidate. Says whether one of them is closer than the farthest node known before.
    #[inline]
    pub fn join(&mut self, answer: &Answer, depth: u16, origin: Option<Row>) -> bool {
        let list = self;
        with_vectors(Join {
            list,
            answer,
            depth,
            origin,
        })
    }

    /// Marks the nearest candidate as contacted and returns it as it was. All distances are from `key`.
    #[inline]
    pub fn take_nearest(&mut self, population: &Population, key: Key) -> Option<Known> {
        if self.candidates == 0 {
            return None;
        }
        self.candidates -= 1;
        let Some(place) = with_vectors(FirstCandidate(&self.notes)) else {
            return self.take_far(population, key);
        };
        let note = self.notes[place];
        self.notes[place].set_status(Status::Contacted);
        Some(Known {
            row: self.rows[place],
            distance: self.distances[place],
            note,
        })
    }

    /// The same where all of the head have been contacted.
    #[cold]
    fn take_far(&mut self, population: &Population, key: Key) -> Option<Known> {
        let candidates = self.far.iter().zip(&mut self.far_notes);
        let (distance, row, note) = candidates
            .filter(|(_, note)| note.status() == Status::Candidate)
            .map(|(&row, note)| (population.key(row).distance(key), row, note))
            .min_by_key(|&(distance, ..)| distance)?;
        let taken = Known {
            row,
            distance,
            note: *note,
        };
        note.set_status(Status::Contacted);
        Some(taken)
    }

    /// Whether a candidate is left.
    #[inline]
    pub fn has_candidate(&self) -> bool {
        self.candidates > 0
    }

    /// Sets how far a known node has got, which is not a candidate any more.
    #[inline]
    pub fn set_status(&mut self, row: Row, status: Status) {
        if let Some(place) = with_vectors(Find(&self.rows, row)) {
            self.notes[place].set_status(status);
        } else if let Some(place) = self.far.iter().position(|&other| other == row) {
            self.far_notes[place].set_status(status);
        }
    }
}

/// Nodes of an answer that are worked on at once.
pub(crate) const PIECE: usize = 32;

/// Nodes of an answer, at most [`PIECE`]. A set of them is a bit for each.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) distances: &'a [Distance],
    pub(crate) rows: &'a [Row],
    /// The origin of the lookup, if it is one of them.
    origin: u32,
    /// Of a candidate of this answer.
    note: Note,
}

impl Piece<'_> {
    /// All of them.
    #[inline(always)]
    pub(crate) fn all(&self) -> u32 {
        u32::MAX >> (PIECE - self.rows.len())
    }

    /// The note that node `item` gets.
    #[inline(always)]
    pub(crate) fn note(&self, item: usize) -> Note {
        Note(self.note.0 | ((self.origin >> item & 1) * Status::Origin as u32))
    }
}

/// Work on whole arrays of a shortlist, by whatever vectors there are.
pub(crate) trait Vectors: Copy {
    /// Which of the nodes `which` are among `rows`.
    fn members(self, rows: &[Row], piece: &Piece, which: u32) -> u32;

    /// The place of a row.
    fn find(self, rows: &[Row], row: Row) -> Option<usize>;

    /// Which of the nodes are not beyond `limit`.
    fn within(self, piece: &Piece, limit: Distance) -> u32;

    /// The largest distance of the nodes `which`, 0 if there is none.
    fn farthest(self, piece: &Piece, which: u32) -> Distance;

    /// The place of the first candidate.
    fn first_candidate(self, notes: &[Note]) -> Option<usize>;

    /// Puts nodes behind the head.
    fn append(self, list: &mut Shortlist, piece: &Piece, which: u32);

    /// Puts nodes that are not known into the head; whoever has to make room goes behind it.
    fn insert(self, list: &mut Shortlist, piece: &Piece, which: u32);
}

/// Work that is compiled once for each kind of [`Vectors`]: `run` must be `#[inline(always)]`.
trait Work {
    type Output;

    fn run(self, vectors: impl Vectors) -> Self::Output;
}

/// Does the work by the widest vectors that this processor has.
#[inline]
fn with_vectors<W: Work>(work: W) -> W::Output {
    struct By<V, W>(V, W);
    impl<V: Vectors, W: Work> Kernel for By<V, W> {
        type Output = W::Output;

        #[inline(always)]
        fn run(self) -> W::Output {
            self.1.run(self.0)
        }
    }
    match Wide::new() {
        #[cfg(target_arch = "x86_64")]
        Some(wide) => wide.run(By(wide, work)),
        _ => vectorised(By(Portable, work)),
    }
}

struct Find<'a>(&'a [Row], Row);

impl Work for Find<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self, vectors: impl Vectors) -> Option<usize> {
        vectors.find(self.0, self.1)
    }
}

struct FirstCandidate<'a>(&'a [Note]);

impl Work for FirstCandidate<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self, vectors: impl Vectors) -> Option<usize> {
        vectors.first_candidate(self.0)
    }
}

struct Join<'a> {
    list: &'a mut Shortlist,
    answer: &'a Answer,
    depth: u16,
    origin: Option<Row>,
}

impl Work for Join<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self, vectors: impl Vectors) -> bool {
        let Join {
            list,
            answer,
            depth,
            origin,
        } = self;
        let (before, was_empty) = (list.farthest, list.is_empty());
        let mut progress = false;
        let mut start = 0;
        while start < answer.rows.len() {
            let end = answer.rows.len().min(start + PIECE);
            let (distances, rows) = (&answer.distances[start..end], &answer.rows[start..end]);
            start = end;
            let room = list.rows.len();
            if list.sorted + rows.len() > room && room < list.room_max as usize {
                list.grow();
            }
            let origin = origin.and_then(|origin| vectors.find(rows, origin));
            let piece = Piece {
                distances,
                rows,
                origin: origin.map_or(0, |place| 1 << place),
                note: Note::new(depth, Status::Candidate),
            };
            // Behind the head lies only what is farther than all of it.
            let limit = list.distances[list.distances.len() - 1];
            let near = vectors.within(&piece, limit);
            let near_new = near & !vectors.members(&list.rows, &piece, near);
            let beyond = piece.all() & !near;
            let far_new = beyond & !vectors.members(&list.far, &piece, beyond);
            vectors.append(list, &piece, far_new);
            vectors.insert(list, &piece, near_new);
            let new = near_new | far_new;
            list.candidates += (new & !piece.origin).count_ones();
            list.farthest = list.farthest.max(vectors.farthest(&piece, new));
            progress |= before.0 > 0 && new & vectors.within(&piece, Distance(before.0 - 1)) != 0;
        }
        progress && !was_empty
    }
}

/// The places of the bits that are set.
#[inline(always)]
fn places(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            place
        })
    })
}

impl Shortlist {
    /// [`Vectors::append`], node by node.
    #[inline(always)]
    fn append_one_by_one(&mut self, piece: &Piece, which: u32) {
        for item in places(which) {
            self.far.push(piece.rows[item]);
            self.far_notes.push(piece.note(item));
        }
    }

    /// [`Vectors::insert`], node by node.
    #[inline(always)]
    pub(crate) fn insert_one_by_one(&mut self, piece: &Piece, which: u32) {
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

/// What the compiler makes of plain loops.
#[derive(Clone, Copy)]
struct Portable;

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
        let distances = places(which).map(|place| piece.distances[place]);
        distances.max().unwrap_or_default()
    }

    #[inline(always)]
    fn first_candidate(self, notes: &[Note]) -> Option<usize> {
        notes.iter().position(|note| note.0 & Note::STATUS == 0)
    }

    #[inline(always)]
    fn append(self, list: &mut Shortlist, piece: &Piece, which: u32) {
        list.append_one_by_one(piece, which);
    }

    #[inline(always)]
    fn insert(self, list: &mut Shortlist, piece: &Piece, which: u32) {
        list.insert_one_by_one(piece, which);
    }
}

/// A bit for each item, 32 at most, for which it holds.
#[inline(always)]
fn bits_of<T>(items: &[T], holds: impl Fn(&T) -> bool) -> u32 {
    let bit = |(place, item): (usize, &T)| u32::from(holds(item)) << place;
    items.iter().enumerate().map(bit).sum()
}

/// Lanes of loops that the compiler shall make vectors of.
const BLOCK: usize = 16;

/// Whether a node is among these, block by block.
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

/// How many of the distances, whole blocks of them, are smaller. Counted lane by lane: a sum over each block
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::RadixIndex;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_stored_by_the_million_stays_small() {
        assert_eq!(size_of::<Note>(), 4);
        assert!(size_of::<Shortlist>() <= 144);
    }

    /// Joins by vectors that the test has chosen.
    fn join(list: &mut Shortlist, answer: &Answer, depth: u16, portable: bool) -> bool {
        let origin = Some(Row(100));
        if !portable {
            return list.join(answer, depth, origin);
        }
        let join = Join {
            list,
            answer,
            depth,
            origin,
        };
        join.run(Portable)
    }

    proptest! {
        /// Against a map and a full sort, for several lengths of the head, by the widest vectors there are and
        /// without. Keys include the farthest there is.
        #[test]
        fn joins_like_a_sorted_map(
            answers in proptest::collection::vec(proptest::collection::btree_set(0u64..300, 0..100), 1..12),
            beta in 1usize..150,
            portable: bool,
        ) {
            let key_of = |number: u64| Key(if number < 200 { number } else { !(299 - number) });
            let keys: Vec<Key> = (0..300).map(key_of).collect();
            let index = RadixIndex::new(&keys);
            let population = Population::new(&keys, &index);
            let mut list = Shortlist::default();
            list.reset(beta);
            let mut naive = BTreeMap::new();
            for (depth, named) in answers.into_iter().enumerate() {
                let farthest = naive.keys().next_back().copied();
                let expected = named.iter().any(|d| !naive.contains_key(d) && farthest.is_some_and(|f| *d < f));
                for &d in &named {
                    naive.entry(d).or_insert((depth as u16, if d == 100 { Status::Origin } else { Status::Candidate }));
                }
                let mut answer = Answer::default();
                answer.rows = named.into_iter().rev().map(|d| Row(d as u32)).collect();
                answer.measure(&population, Key(0));
                prop_assert_eq!(join(&mut list, &answer, depth as u16, portable), expected);
                for _ in 0..8 {
                    let nearest = naive.iter_mut().find(|(_, (_, status))| *status == Status::Candidate);
                    prop_assert_eq!(list.has_candidate(), nearest.is_some());
                    let nearest = nearest.map(|(d, (_, status))| { *status = Status::Contacted; *d });
                    let taken = list.take_nearest(&population, Key(0));
                    prop_assert_eq!(taken.map(|known| known.distance), nearest.map(|d| keys[d as usize].distance(Key(0))));
                    if let Some(d) = nearest && d % 2 == 0 {
                        list.set_status(Row(d as u32), Status::Failed);
                        naive.get_mut(&d).unwrap().1 = Status::Failed;
                    }
                }
                prop_assert_eq!(list.len(), naive.len());
                prop_assert!(list.head().count() >= beta.min(naive.len()));
                let note = |known: Known| (u64::from(known.row.0), (known.note.depth(), known.note.status()));
                let all = list.head().chain(list.sorted_far(&population, Key(0)));
                prop_assert_eq!(all.map(note).collect::<Vec<_>>(), naive.iter().map(|(d, e)| (*d, *e)).collect::<Vec<_>>());
            }
        }
    }
}
