//! The nodes that a lookup knows: every node that an answer has named, the nearest ones in the order of their distance.
//!
//! The nearest nodes lie sorted in arrays of their own, the head ([`Shortlist::head`]). The other nodes, which a lookup
//! seldom contacts, lie unsorted in other arrays. Of 158 nodes known at the end of a lookup (a million nodes, k = 20),
//! almost all contacts go to the 32 nearest. All work on whole arrays lies behind the trait `Vectors`, which has one
//! implementation for AVX-512, one for AVX2 and one for all processors. Neither the length of the head nor the
//! implementation changes a result.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod known;
mod nodes;
mod portable;
mod vectors;

pub use known::{Known, Note, Status};

use self::nodes::{Nodes, PIECE, Piece};
use self::portable::Portable;
use self::vectors::Vectors;
use crate::answer::Answer;
use crate::hardware::Prefetcher;
#[cfg(target_arch = "x86_64")]
use crate::hardware::{Kernel, avx2::Avx2, avx512::Avx512};
use crate::key::{Distance, Key};
use crate::node::Row;
use crate::population::Population;

/// Nodes of the head beyond those of a result, because some of the nearest fail or are the origin.
const SPARE: usize = 12;

/// Length of the head's arrays at the start.
const ROOM_MIN: usize = 32;

/// The known nodes of a lookup.
#[derive(Clone, Debug, Default)]
pub struct Shortlist {
    nodes: Nodes,
    /// Greatest length of the arrays of the head. All known nodes are in the head until it is reached.
    room_max: u32,
    /// Number of candidates, in the head and beyond.
    candidates: u32,
    /// Largest distance of a known node.
    farthest: Distance,
}

impl Shortlist {
    /// Removes all nodes, for a lookup whose result has `beta` nodes. Keeps the memory.
    pub fn reset(&mut self, beta: usize) {
        let room_max = (beta + SPARE).next_power_of_two().max(ROOM_MIN);
        self.room_max = room_max as u32;
        self.nodes.reset(ROOM_MIN);
        self.candidates = 0;
        self.farthest = Distance(0);
    }

    /// Removes all nodes and frees the memory, if there is room for more than `nodes` nodes.
    pub fn give_back(&mut self, nodes: usize) {
        if self.nodes.capacity() > nodes {
            *self = Self::default();
        }
    }

    /// Prefetches the head.
    #[inline]
    pub fn prefetch(&self, prefetcher: &mut Prefetcher) {
        prefetcher.range(&self.nodes.distances, 0..self.nodes.distances.len());
        prefetcher.range(&self.nodes.rows, 0..self.nodes.rows.len());
        prefetcher.range(&self.nodes.notes, 0..self.nodes.notes.len());
    }

    /// Returns the number of known nodes.
    #[inline]
    pub fn len(&self) -> usize {
        self.nodes.sorted + self.nodes.far.len()
    }

    /// Returns whether no node is known.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.nodes.sorted == 0
    }

    /// Returns whether all known nodes are in the head.
    #[inline]
    pub(crate) fn is_all_sorted(&self) -> bool {
        self.nodes.far.is_empty()
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        self.nodes.bytes_used()
    }

    /// Returns the nodes of the head, nearest first: all known nodes, or at least as many of the nearest as a result has.
    #[inline]
    pub fn head(&self) -> impl Iterator<Item = Known> + Clone {
        let nodes = self.nodes.rows[..self.nodes.sorted]
            .iter()
            .zip(&self.nodes.notes[..]);
        nodes
            .zip(&self.nodes.distances[..])
            .map(|((&row, &note), &distance)| Known {
                row,
                distance,
                note,
            })
    }

    /// Returns the known nodes beyond the head, nearest first. Computes their distances from `key` anew.
    #[cold]
    pub(crate) fn sorted_far(&self, population: &Population, key: Key) -> Vec<Known> {
        let far = self.nodes.far.iter().zip(&self.nodes.far_notes);
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
    /// candidate. Returns whether one of them is closer than the farthest node known before.
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

    /// Marks the nearest candidate as contacted and returns it as it was before. `key` is the key looked up.
    #[inline]
    pub fn take_nearest(&mut self, population: &Population, key: Key) -> Option<Known> {
        if self.candidates == 0 {
            return None;
        }
        self.candidates -= 1;
        let Some(index) = with_vectors(FirstCandidate(&self.nodes.notes)) else {
            return self.take_far(population, key);
        };
        let note = self.nodes.notes[index];
        self.nodes.notes[index].set_status(Status::Contacted);
        Some(Known {
            row: self.nodes.rows[index],
            distance: self.nodes.distances[index],
            note,
        })
    }

    /// Does [`Shortlist::take_nearest`] after every node of the head has been contacted.
    #[cold]
    fn take_far(&mut self, population: &Population, key: Key) -> Option<Known> {
        let candidates = self.nodes.far.iter().zip(&mut self.nodes.far_notes);
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

    /// Returns whether a candidate is left.
    #[inline]
    pub fn has_candidate(&self) -> bool {
        self.candidates > 0
    }

    /// Sets the status of a known node that is no candidate any more.
    #[inline]
    pub fn set_status(&mut self, row: Row, status: Status) {
        if let Some(index) = with_vectors(Find(&self.nodes.rows, row)) {
            self.nodes.notes[index].set_status(status);
        } else if let Some(index) = self.nodes.far.iter().position(|&other| other == row) {
            self.nodes.far_notes[index].set_status(status);
        }
    }
}

/// Work that is compiled once for each implementation of [`Vectors`]. `run` must be `#[inline(always)]`.
trait Work {
    type Output;

    fn run(self, vectors: impl Vectors) -> Self::Output;
}

/// Does the work with the widest vectors that this processor has.
#[inline]
fn with_vectors<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        struct By<V, W>(V, W);
        impl<V: Vectors, W: Work> Kernel for By<V, W> {
            type Output = W::Output;

            #[inline(always)]
            fn run(self) -> W::Output {
                self.1.run(self.0)
            }
        }
        if let Some(wide) = Avx512::new() {
            return wide.run(By(wide, work));
        }
        if let Some(wide) = Avx2::new() {
            return wide.run(By(wide, work));
        }
    }
    work.run(Portable)
}

/// Finds the index of a row.
struct Find<'a>(&'a [Row], Row);

impl Work for Find<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self, vectors: impl Vectors) -> Option<usize> {
        vectors.find(self.0, self.1)
    }
}

/// Finds the index of the first candidate.
struct FirstCandidate<'a>(&'a [Note]);

impl Work for FirstCandidate<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self, vectors: impl Vectors) -> Option<usize> {
        vectors.first_candidate(self.0)
    }
}

/// Adds the nodes of an answer; see [`Shortlist::join`].
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
            let room = list.nodes.rows.len();
            if list.nodes.sorted + rows.len() > room && room < list.room_max as usize {
                list.nodes.grow((2 * room).min(list.room_max as usize));
            }
            let origin = origin.and_then(|origin| vectors.find(rows, origin));
            let piece = Piece {
                distances,
                rows,
                origin: origin.map_or(0, |index| 1 << index),
                note: Note::new(depth, Status::Candidate),
            };
            // Nodes beyond the head are farther than all of the head.
            let limit = list.nodes.distances[list.nodes.distances.len() - 1];
            let near = vectors.within(&piece, limit);
            let near_new = near & !vectors.members(&list.nodes.rows, &piece, near);
            let beyond = piece.all() & !near;
            let far_new = beyond & !vectors.members(&list.nodes.far, &piece, beyond);
            vectors.append(&mut list.nodes, &piece, far_new);
            vectors.insert(&mut list.nodes, &piece, near_new);
            let new = near_new | far_new;
            list.candidates += (new & !piece.origin).count_ones();
            list.farthest = list.farthest.max(vectors.farthest(&piece, new));
            progress |= before.0 > 0 && new & vectors.within(&piece, Distance(before.0 - 1)) != 0;
        }
        progress && !was_empty
    }
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

    /// Vectors by which a shortlist joins.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum By {
        Widest,
        Avx2,
        Portable,
    }

    fn join(list: &mut Shortlist, answer: &Answer, depth: u16, by: By) -> bool {
        let origin = Some(Row(100));
        if by == By::Widest {
            return list.join(answer, depth, origin);
        }
        let join = Join {
            list,
            answer,
            depth,
            origin,
        };
        #[cfg(target_arch = "x86_64")]
        if let Some(wide) = Avx2::new()
            && by == By::Avx2
        {
            return join.run(wide);
        }
        join.run(Portable)
    }

    proptest! {
        /// Against a map and a full sort, for several lengths of the head, by all kinds of vectors and without. Keys
        /// include the farthest there is.
        #[test]
        fn joins_like_a_sorted_map(
            answers in proptest::collection::vec(proptest::collection::btree_set(0u64..300, 0..100), 1..12),
            beta in 1usize..150,
            by in prop_oneof![Just(By::Widest), Just(By::Avx2), Just(By::Portable)],
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
                prop_assert_eq!(join(&mut list, &answer, depth as u16, by), expected);
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
