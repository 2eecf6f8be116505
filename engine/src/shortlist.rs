//! What a lookup knows: every node heard of, nearest to the key first.
//!
//! Sorted by distance and never trimmed: 158 entries on average at a million nodes and
//! k = 20. Merging an answer moves the entries behind its nearest one; a distance names a node, since keys
//! are distinct.

use crate::key::Distance;
use crate::node::Row;

/// How far a known node has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A known node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From the key looked up.
    pub distance: Distance,
    /// The node.
    pub row: Row,
    /// 1 for a node of the origin's own table, else one more than that of the node whose answer first
    /// named it.
    pub depth: u16,
    /// How far it has got.
    pub status: Status,
}

/// The known nodes of a lookup.
#[derive(Clone, Debug, Default)]
pub struct Shortlist {
    entries: Vec<Entry>,
    /// No candidate lies before this place.
    first_candidate: usize,
}

impl Shortlist {
    /// Forgets everything but the memory it has.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.first_candidate = 0;
    }

    /// Every known node, nearest first.
    #[inline]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds the nodes of an answer that are not known yet, with this depth; `origin` does not become a
    /// candidate. Says whether one of them is closer than the farthest node known before.
    /// `answer` is sorted in the process.
    pub fn join(
        &mut self,
        answer: &mut [(Distance, Row)],
        depth: u16,
        origin: Option<Row>,
    ) -> bool {
        answer.sort_unstable();
        let before = self.entries.len();
        let farthest = self.entries.last().map(|entry| entry.distance);
        // Which of them are new: both lists are sorted, so each is looked for behind the one before.
        let mut fresh = 0;
        let mut place = 0;
        for i in 0..answer.len() {
            let distance = answer[i].0;
            place += lower_bound(&self.entries[place..], distance);
            if self
                .entries
                .get(place)
                .is_none_or(|entry| entry.distance != distance)
            {
                answer[fresh] = answer[i];
                fresh += 1;
            }
        }
        if fresh == 0 {
            return false;
        }
        let progress = farthest.is_some_and(|farthest| answer[0].0 < farthest);
        let new = |(distance, row): (Distance, Row)| Entry {
            distance,
            row,
            depth,
            status: if Some(row) == origin {
                Status::Origin
            } else {
                Status::Candidate
            },
        };
        self.entries
            .extend(answer[..fresh].iter().map(|&node| new(node)));
        let (mut old, mut add, mut write) = (before, fresh, before + fresh);
        while add > 0 {
            write -= 1;
            if old > 0 && self.entries[old - 1].distance > answer[add - 1].0 {
                old -= 1;
                self.entries[write] = self.entries[old];
            } else {
                add -= 1;
                self.entries[write] = new(answer[add]);
            }
        }
        self.first_candidate = self.first_candidate.min(write);
        progress
    }

    /// Marks the nearest candidate as contacted and returns it.
    #[inline]
    pub fn take_nearest(&mut self) -> Option<Entry> {
        let ahead = self.entries[self.first_candidate..].iter_mut();
        let found = ahead
            .enumerate()
            .find(|(_, entry)| entry.status == Status::Candidate);
        let Some((skipped, entry)) = found else {
            self.first_candidate = self.entries.len();
            return None;
        };
        entry.status = Status::Contacted;
        self.first_candidate += skipped + 1;
        Some(*entry)
    }

    /// Whether a candidate is left.
    #[inline]
    pub fn has_candidate(&mut self) -> bool {
        let ahead = &self.entries[self.first_candidate..];
        let skipped = ahead
            .iter()
            .position(|entry| entry.status == Status::Candidate);
        self.first_candidate += skipped.unwrap_or(ahead.len());
        skipped.is_some()
    }

    /// Sets how far the node at this distance has got.
    #[inline]
    pub fn set_status(&mut self, distance: Distance, status: Status) {
        if let Ok(place) = self
            .entries
            .binary_search_by_key(&distance, |entry| entry.distance)
        {
            self.entries[place].status = status;
        }
    }
}

/// How many of the sorted entries are nearer than `distance`: a gallop from the front, since the next place
/// is mostly a few entries away.
#[inline]
fn lower_bound(entries: &[Entry], distance: Distance) -> usize {
    let mut step = 4;
    let mut start = 0;
    while let Some(entry) = entries.get(start + step - 1)
        && entry.distance < distance
    {
        start += step;
        step *= 2;
    }
    let end = entries.len().min(start + step);
    start + entries[start..end].partition_point(|entry| entry.distance < distance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_entry_is_16_bytes() {
        assert_eq!(size_of::<Entry>(), 16);
    }

    proptest! {
        /// Against a map and a full sort.
        #[test]
        fn joins_like_a_sorted_map(answers in proptest::collection::vec(proptest::collection::btree_set(0u64..200, 0..30), 1..12)) {
            let mut list = Shortlist::default();
            let mut naive = BTreeMap::new();
            for (depth, answer) in answers.into_iter().enumerate() {
                let farthest = naive.keys().next_back().copied();
                let expected = answer.iter().any(|d| !naive.contains_key(d) && farthest.is_some_and(|f| *d < f));
                for &d in &answer {
                    naive.entry(d).or_insert((depth as u16, if d == 100 { Status::Origin } else { Status::Candidate }));
                }
                let mut answer: Vec<_> = answer.into_iter().rev().map(|d| (Distance(d), Row(d as u32))).collect();
                prop_assert_eq!(list.join(&mut answer, depth as u16, Some(Row(100))), expected);
                let nearest = naive.iter_mut().find(|(_, (_, status))| *status == Status::Candidate);
                prop_assert_eq!(list.has_candidate(), nearest.is_some());
                let nearest = nearest.map(|(d, (_, status))| { *status = Status::Contacted; *d });
                prop_assert_eq!(list.take_nearest().map(|entry| entry.distance.0), nearest);
                if let Some(d) = nearest && d % 2 == 0 {
                    list.set_status(Distance(d), Status::Failed);
                    naive.get_mut(&d).unwrap().1 = Status::Failed;
                }
                let known: Vec<_> = list.entries().iter().map(|e| (e.distance.0, (e.depth, e.status))).collect();
                prop_assert_eq!(known, naive.iter().map(|(d, e)| (*d, *e)).collect::<Vec<_>>());
            }
        }
    }
}
