//! What a lookup knows: every node heard of, the nearest ones in order of their distance.
//!
//! The nearest lie sorted in arrays of their own ([`Shortlist::near`]); the rest, which a lookup hardly ever
//! comes back to, unsorted behind them. Of 158 nodes known at the end of a lookup (a million nodes,
//! k = 20), hardly a contact goes to one beyond the 32 nearest. Adding a node compares
//! it with whole arrays, without branches, so that wide vectors do it ([`crate::hardware`]). How many are
//! kept sorted never changes a result.

use crate::answer::Answer;
use crate::hardware::sorted::{ROOM_MAX, Wide};
use crate::hardware::{Kernel, vectorised};
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

/// A known node, but for its distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Known {
    /// The node.
    pub row: Row,
    /// 1 for a node of the origin's own table, else one more than that of the node whose answer first
    /// named it.
    pub depth: u16,
    /// How far it has got.
    pub status: Status,
}

const NOBODY: Known = Known {
    row: Row(u32::MAX),
    depth: 0,
    status: Status::Failed,
};

/// Sorted nodes beyond those of a result: room for the nearest that fail or turn out to be the origin.
const SPARE: usize = 12;

/// The arrays of the sorted nodes are a multiple of this long: two vectors of the widest kind.
const BLOCK: usize = 16;

/// The known nodes of a lookup.
#[derive(Clone, Debug, Default)]
pub struct Shortlist {
    /// Distances of the nearest nodes, ascending; behind them the largest distance there is.
    distances: Vec<Distance>,
    near: Vec<Known>,
    /// How many of `near` are nodes.
    sorted: usize,
    /// No candidate of `near` lies before this place.
    first_candidate: usize,
    /// Candidates, near and far.
    candidates: u32,
    /// The largest distance of all.
    farthest: Distance,
    /// All others: none of them is nearer than any of `near`, which is full if there are any.
    far: Vec<Row>,
    far_notes: Vec<(u16, Status)>,
}

impl Shortlist {
    /// Starts anew for a lookup whose result has `beta` nodes, keeping the memory.
    pub fn reset(&mut self, beta: usize) {
        let room = (beta + SPARE).next_multiple_of(BLOCK);
        if self.near.len() != room {
            self.near.resize(room, NOBODY);
            self.distances.resize(room, Distance::MAX);
        }
        self.distances.fill(Distance::MAX);
        self.sorted = 0;
        self.first_candidate = 0;
        self.candidates = 0;
        self.farthest = Distance(0);
        self.far.clear();
        self.far_notes.clear();
    }

    /// Bytes on the heap; room that nothing is in counts.
    pub fn bytes_used(&self) -> usize {
        self.distances.capacity() * size_of::<Distance>()
            + self.near.capacity() * size_of::<Known>()
            + self.far.capacity() * size_of::<Row>()
            + self.far_notes.capacity() * size_of::<(u16, Status)>()
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

    /// The nearest known nodes, nearest first: at least as many as the result has, or all.
    #[inline]
    pub fn near(&self) -> &[Known] {
        &self.near[..self.sorted]
    }

    /// Adds the nodes of an answer that are not known yet, with this depth; `origin` does not become a
    /// candidate. Says whether one of them is closer than the farthest node known before.
    #[inline]
    pub fn join(&mut self, answer: &mut Answer, depth: u16, origin: Option<Row>) -> bool {
        let join = Join {
            list: self,
            answer,
            depth,
            origin,
        };
        match Wide::new() {
            #[cfg(target_arch = "x86_64")]
            Some(wide) if join.list.near.len().max(join.answer.rows.len()) <= ROOM_MAX => {
                join.run_wide(wide)
            }
            _ => vectorised(join),
        }
    }

    /// Marks the nearest candidate as contacted and returns it with its distance from `key`, the key that
    /// all distances are from.
    #[inline]
    pub fn take_nearest(&mut self, population: &Population, key: Key) -> Option<(Distance, Known)> {
        if self.candidates == 0 {
            return None;
        }
        self.candidates -= 1;
        let ahead = &self.near[self.first_candidate..self.sorted];
        let skipped = ahead
            .iter()
            .position(|known| known.status == Status::Candidate);
        let Some(skipped) = skipped else {
            self.first_candidate = self.sorted;
            return self.take_far(population, key);
        };
        let place = self.first_candidate + skipped;
        self.near[place].status = Status::Contacted;
        self.first_candidate = place + 1;
        Some((self.distances[place], self.near[place]))
    }

    /// The same where all sorted nodes have been contacted. Distances of the others are computed anew.
    #[cold]
    fn take_far(&mut self, population: &Population, key: Key) -> Option<(Distance, Known)> {
        let candidates = self.far.iter().zip(&mut self.far_notes);
        let (distance, row, note) = candidates
            .filter(|(_, (_, status))| *status == Status::Candidate)
            .map(|(&row, note)| (population.key(row).distance(key), row, note))
            .min_by_key(|&(distance, ..)| distance)?;
        note.1 = Status::Contacted;
        let known = Known {
            row,
            depth: note.0,
            status: Status::Contacted,
        };
        Some((distance, known))
    }

    /// Whether a candidate is left.
    #[inline]
    pub fn has_candidate(&self) -> bool {
        self.candidates > 0
    }

    /// Sets how far a known node at this distance has got, which is not a candidate any more.
    #[inline]
    pub fn set_status(&mut self, distance: Distance, row: Row, status: Status) {
        let place = vectorised(CountBelow(&self.distances, distance));
        if place < self.sorted && self.distances[place] == distance {
            self.near[place].status = status;
        } else if let Some(place) = self.far.iter().position(|&other| other == row) {
            self.far_notes[place].1 = status;
        }
    }
}

/// Nodes of an answer that a lookup had not heard of, nearer than some of its sorted ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fresh {
    distances: Vec<Distance>,
    known: Vec<Known>,
    len: usize,
    /// Of each node of the answer: how many of the sorted ones are nearer, and whether it is one of them.
    places: Vec<(u8, bool)>,
    /// Of each of these nodes: how many of the sorted ones are nearer.
    nearer: Vec<u8>,
    /// Their distances, nearest first.
    in_order: Vec<Distance>,
    /// The nodes, nearest first.
    known_in_order: Vec<Known>,
    /// Nodes that had to make room.
    evicted: Vec<Known>,
}

impl Fresh {
    /// Empties it, with room for so many.
    #[inline(always)]
    fn open(&mut self, room: usize) {
        self.len = 0;
        let room = (room + 1).next_multiple_of(BLOCK);
        if self.distances.len() < room {
            self.distances.resize(room, Distance::MAX);
            self.known.resize(room, NOBODY);
            self.nearer.resize(room, 0);
        }
    }

    /// Appends a node if it is new, without a branch on that.
    #[inline(always)]
    fn push_if(&mut self, is_new: bool, distance: Distance, known: Known) {
        self.distances[self.len] = distance;
        self.known[self.len] = known;
        self.len += usize::from(is_new);
    }

    /// The same, and how many of the sorted nodes are nearer.
    #[inline(always)]
    fn push_placed(&mut self, is_new: bool, distance: Distance, known: Known, nearer: u8) {
        self.nearer[self.len] = nearer;
        self.push_if(is_new, distance, known);
    }

    /// Sorts them, and returns their places among the sorted nodes and themselves as bits.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn sort_placed(&mut self, wide: Wide) -> u128 {
        let end = self.len.next_multiple_of(8);
        self.distances[self.len..end].fill(Distance::MAX);
        wide.rank(&self.distances[..end], self.len, &mut self.places);
        self.in_order.resize(self.len, Distance::MAX);
        self.known_in_order.resize(self.len, NOBODY);
        let mut mask = 0u128;
        for i in 0..self.len {
            let place = usize::from(self.places[i].0);
            self.in_order[place] = self.distances[i];
            self.known_in_order[place] = self.known[i];
            mask |= 1 << (place + usize::from(self.nearer[i]));
        }
        mask
    }

    /// Sorts them: the place of each is the number of those that are nearer.
    #[inline(always)]
    fn sort(&mut self) {
        let end = self.len.next_multiple_of(BLOCK);
        self.distances[self.len..end].fill(Distance::MAX);
        self.in_order.resize(self.len, Distance::MAX);
        self.known_in_order.resize(self.len, NOBODY);
        for i in 0..self.len {
            let place = count_below(&self.distances[..end], self.distances[i]);
            self.in_order[place] = self.distances[i];
            self.known_in_order[place] = self.known[i];
        }
    }
}

struct Join<'a> {
    list: &'a mut Shortlist,
    answer: &'a mut Answer,
    depth: u16,
    origin: Option<Row>,
}

#[cfg(target_arch = "x86_64")]
impl Join<'_> {
    /// The same as [`Join::run`], by AVX-512.
    fn run_wide(self, wide: Wide) -> bool {
        let Join {
            list,
            answer,
            depth,
            origin,
        } = self;
        let (before, was_empty) = (list.farthest, list.is_empty());
        let (room, far) = (list.near.len(), list.far.len());
        let fresh = &mut answer.fresh;
        fresh.open(answer.rows.len());
        let mut nearest_new = Distance::MAX;
        let mut has_origin = false;
        let mut places = std::mem::take(&mut fresh.places);
        wide.search(&list.distances, &answer.distances, &mut places);
        let nodes = answer.distances.iter().zip(&answer.rows);
        for ((&distance, &row), &(place, is_in)) in nodes.zip(&places) {
            // A distance that is as large as the room behind the last node looks as if it were in.
            let is_known = is_in && usize::from(place) < list.sorted;
            let mut known = Known {
                row,
                depth,
                status: Status::Candidate,
            };
            if Some(row) == origin {
                known.status = Status::Origin;
            }
            if usize::from(place) < room {
                fresh.push_placed(!is_known, distance, known, place);
                has_origin |= !is_known & (Some(row) == origin);
            } else if !contains(&list.far[..far], row) {
                list.push_far(known);
                has_origin |= Some(row) == origin;
                nearest_new = nearest_new.min(distance);
                list.farthest = list.farthest.max(distance);
            }
        }
        fresh.places = places;
        let added = fresh.len + list.far.len() - far;
        list.candidates += added as u32 - u32::from(has_origin);
        if fresh.len > 0 {
            let mask = fresh.sort_placed(wide);
            nearest_new = nearest_new.min(fresh.in_order[0]);
            list.farthest = list.farthest.max(fresh.in_order[fresh.len - 1]);
            fresh.evicted.clear();
            let sorted = list.sorted;
            wide.merge((&mut list.distances, sorted), &fresh.in_order, mask, None);
            let evicted = Some(&mut fresh.evicted);
            wide.merge(
                (&mut list.near, sorted),
                &fresh.known_in_order,
                mask,
                evicted,
            );
            list.sorted = room.min(sorted + fresh.len);
            list.first_candidate = list.first_candidate.min(mask.trailing_zeros() as usize);
            for &known in &fresh.evicted {
                list.push_far(known);
            }
        }
        !was_empty && nearest_new < before
    }
}

impl Kernel for Join<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Join {
            list,
            answer,
            depth,
            origin,
        } = self;
        let before = list.farthest;
        let was_empty = list.is_empty();
        let (mut nearest_new, mut farthest_new) = (Distance::MAX, Distance(0));
        let room = list.near.len();
        let far = list.far.len();
        let new = |row: Row| {
            let status = if Some(row) == origin {
                Status::Origin
            } else {
                Status::Candidate
            };
            Known { row, depth, status }
        };
        let fresh = &mut answer.fresh;
        fresh.open(answer.rows.len());
        for (&distance, &row) in answer.distances.iter().zip(&answer.rows) {
            let place = count_below(&list.distances, distance);
            let is_new = if place < room {
                let is_new = place >= list.sorted || list.distances[place] != distance;
                fresh.push_if(is_new, distance, new(row));
                is_new
            } else {
                let is_new = !contains(&list.far[..far], row);
                if is_new {
                    list.push_far(new(row));
                }
                is_new
            };
            list.candidates += u32::from(is_new & (Some(row) != origin));
            let (nearest, farthest) = if is_new {
                (distance, distance)
            } else {
                (Distance::MAX, Distance(0))
            };
            nearest_new = nearest_new.min(nearest);
            farthest_new = farthest_new.max(farthest);
        }
        list.farthest = before.max(farthest_new);
        if fresh.len > 0 {
            fresh.sort();
            list.merge(&fresh.in_order, &fresh.known_in_order);
        }
        !was_empty && nearest_new < before
    }
}

impl Shortlist {
    /// Merges the fresh nodes into the sorted ones; the farthest make room if they are too many.
    #[inline(always)]
    fn merge(&mut self, fresh: &[Distance], known: &[Known]) {
        let room = self.near.len();
        let (mut old, mut new) = (self.sorted, fresh.len());
        let mut write = old + new;
        while write > room {
            write -= 1;
            let evicted = if old > 0 && self.distances[old - 1] > fresh[new - 1] {
                old -= 1;
                self.near[old]
            } else {
                new -= 1;
                known[new]
            };
            self.push_far(evicted);
        }
        self.sorted = write;
        while new > 0 {
            write -= 1;
            let distance = fresh[new - 1];
            // Chosen without a branch: which of the two is farther is anybody's guess.
            let is_old = old > 0 && self.distances[old.saturating_sub(1)] > distance;
            let from = if is_old { old - 1 } else { write };
            self.distances[write] = if is_old {
                self.distances[from]
            } else {
                distance
            };
            self.near[write] = if is_old {
                self.near[from]
            } else {
                known[new - 1]
            };
            old -= usize::from(is_old);
            new -= usize::from(!is_old);
        }
        self.first_candidate = self.first_candidate.min(write);
    }

    #[inline(always)]
    fn push_far(&mut self, known: Known) {
        self.far.push(known.row);
        self.far_notes.push((known.depth, known.status));
    }
}

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

struct CountBelow<'a>(&'a [Distance], Distance);

impl Kernel for CountBelow<'_> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        count_below(self.0, self.1)
    }
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
        assert_eq!(size_of::<Known>(), 8);
        assert!(size_of::<Shortlist>() <= 144);
    }

    proptest! {
        /// Against a map and a full sort, for several lengths of the sorted part, by the widest vectors there
        /// are and without.
        #[test]
        fn joins_like_a_sorted_map(
            answers in proptest::collection::vec(proptest::collection::btree_set(0u64..200, 0..30), 1..12),
            beta in 1usize..60,
            portable: bool,
        ) {
            let keys: Vec<Key> = (0..200).map(Key).collect();
            let index = RadixIndex::new(&keys);
            let population = Population::new(&keys, &index);
            let mut list = Shortlist::default();
            list.reset(beta);
            let mut naive = BTreeMap::new();
            for (depth, answer) in answers.into_iter().enumerate() {
                let farthest = naive.keys().next_back().copied();
                let expected = answer.iter().any(|d| !naive.contains_key(d) && farthest.is_some_and(|f| *d < f));
                for &d in &answer {
                    naive.entry(d).or_insert((depth as u16, if d == 100 { Status::Origin } else { Status::Candidate }));
                }
                let rows: Vec<Row> = answer.into_iter().rev().map(|d| Row(d as u32)).collect();
                let mut answer = Answer::default();
                answer.rows = rows;
                answer.measure(&population, Key(0));
                let (depth, origin) = (depth as u16, Some(Row(100)));
                let progress = if portable {
                    Join { list: &mut list, answer: &mut answer, depth, origin }.run()
                } else {
                    list.join(&mut answer, depth, origin)
                };
                prop_assert_eq!(progress, expected);
                for _ in 0..8 {
                    let nearest = naive.iter_mut().find(|(_, (_, status))| *status == Status::Candidate);
                    prop_assert_eq!(list.has_candidate(), nearest.is_some());
                    let nearest = nearest.map(|(d, (_, status))| { *status = Status::Contacted; *d });
                    let taken = list.take_nearest(&population, Key(0));
                    prop_assert_eq!(taken.map(|(distance, _)| distance.0), nearest);
                    if let Some(d) = nearest && d % 2 == 0 {
                        list.set_status(Distance(d), Row(d as u32), Status::Failed);
                        naive.get_mut(&d).unwrap().1 = Status::Failed;
                    }
                }
                prop_assert_eq!(list.len(), naive.len());
                prop_assert!(list.near().len() >= beta.min(naive.len()));
                let near: Vec<_> = list.near().iter().map(|e| (u64::from(e.row.0), (e.depth, e.status))).collect();
                prop_assert_eq!(&near[..], &naive.iter().map(|(d, e)| (*d, *e)).collect::<Vec<_>>()[..near.len()]);
                let mut far: Vec<_> = list.far.iter().zip(&list.far_notes).map(|(row, note)| (u64::from(row.0), *note)).collect();
                far.sort_unstable_by_key(|(d, _)| *d);
                prop_assert_eq!(far, naive.iter().map(|(d, e)| (*d, *e)).skip(near.len()).collect::<Vec<_>>());
            }
        }
    }
}
