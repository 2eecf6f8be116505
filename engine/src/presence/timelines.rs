//! Timelines: the changes of every node's presence up to a horizon.
//!
//! 1. The changes of all nodes lie in one arena, 8 bytes each, those of a node one after the other; a node's span of it and
//!    its state at the start take 4 bytes.
//! 2. All changes lie in a second list in the order of time, 4 bytes each, from which the nodes online at a moment and the
//!    arrivals and departures between two are counted ([`ByTime`]).
//! 3. Two bits a node and epoch, at most 4 bytes a change, say who is online without a change ([`Epochs`]).
//! 4. What is asked beyond the horizon is drawn anew from the start of the run, which costs O(changes of the node). The
//!    horizon changes no answer.
//! 5. Clones share the changes, so a clone costs no copy of them.

use std::sync::Arc;

use rayon::prelude::*;

use super::by_time::{ByTime, Turnover};
use super::churn::Churn;
use super::epochs::{During, Epochs};
use super::growth::Growth;
use super::life::Life;
use super::walk::Walk;
use crate::hardware::{Prefetcher, with_huge_pages};
use crate::key::Key;
use crate::makeup::Makeup;
use crate::node::{Presence, Row};
use crate::time::LAST_US;

/// Rows that a thread works on at a time.
const CHUNK: usize = 1 << 14;
/// Most changes of all nodes: a span's begin takes 31 bits.
const CHANGES_MAX: usize = (1 << 31) - 1;

/// The changes up to the horizon are more than can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nodes come and go more than 2^31 times")]
pub struct TooManyChanges;

/// A session of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its number, from 0; one more each time the node leaves.
    pub number: u32,
    /// When it began, µs; `None` if the node has been online since the start.
    pub from_us: Option<u64>,
    /// When the node leaves, µs; `u64::MAX` if never.
    pub until_us: u64,
}

/// How often and how long a node has been online.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeOnline {
    /// Sessions that it has begun, one that went on at the start included.
    pub sessions: u32,
    /// Time online, µs.
    pub online_us: u64,
}

/// Since when a node has been online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Since the start of the run.
    Start,
    /// Since it came, at this time, µs.
    Came(u64),
}

impl Since {
    /// Returns that time, µs; 0 for the start.
    #[inline]
    pub fn from_us(self) -> u64 {
        match self {
            Self::Start => 0,
            Self::Came(came_us) => came_us,
        }
    }
}

/// Who is online when.
#[derive(Clone, Debug, Default)]
pub struct Timelines {
    churn: Churn,
    makeup: Makeup,
    changes: Arc<Changes>,
    /// Changes up to this time are kept, µs.
    horizon_us: u64,
    /// How the network grows by joins, if it does.
    growth: Option<Arc<Growth>>,
    /// When sessions begin, µs; `None` while nodes join and that is not known.
    begin_us: Option<u64>,
}

/// The changes that are kept.
#[derive(Debug, Default)]
struct Changes {
    /// Of each row, the begin of its changes, shifted left by one, and whether it is online at the start; one more for
    /// the end. Empty if no node ever leaves.
    spans: Vec<u32>,
    /// Times of changes by row, µs.
    changes_us: Vec<u64>,
    by_time: ByTime,
    epochs: Epochs,
}

impl Timelines {
    /// Returns timelines up to `horizon_us`. Nodes whose `presence` is offline are so for ever.
    ///
    /// # Errors
    ///
    /// More than 2³¹ changes up to the horizon.
    pub fn new(
        churn: Churn,
        makeup: Makeup,
        keys: &[Key],
        presence: &[Presence],
        horizon_us: u64,
    ) -> Result<Self, TooManyChanges> {
        let mut timelines = Self {
            churn,
            makeup,
            begin_us: Some(0),
            ..Self::default()
        };
        timelines.extend(keys, presence, horizon_us)?;
        Ok(timelines)
    }

    /// Returns the timelines of a network that grows by joins. All changes are kept until it is known when sessions
    /// begin.
    ///
    /// # Errors
    ///
    /// More than 2³¹ nodes.
    pub fn growing(
        growth: Growth,
        churn: Churn,
        makeup: Makeup,
        keys: &[Key],
        presence: &[Presence],
    ) -> Result<Self, TooManyChanges> {
        let mut timelines = Self {
            churn,
            makeup,
            growth: Some(Arc::new(growth)),
            ..Self::default()
        };
        timelines.extend(keys, presence, LAST_US)?;
        Ok(timelines)
    }

    /// Lets sessions begin at `begin_us`, and keeps the changes up to `horizon_us`. Only for networks that grow by
    /// joins; no change before `begin_us` differs.
    ///
    /// # Errors
    ///
    /// More than 2³¹ changes up to the horizon.
    pub fn settle(
        &mut self,
        begin_us: u64,
        keys: &[Key],
        presence: &[Presence],
        horizon_us: u64,
    ) -> Result<(), TooManyChanges> {
        self.begin_us = Some(begin_us);
        self.extend(keys, presence, horizon_us)
    }

    /// Returns how nodes join before the first session, while they do.
    #[inline]
    pub fn growing_by(&self) -> Option<&Growth> {
        match self.begin_us {
            Some(_) => None,
            None => self.growth.as_deref(),
        }
    }

    /// Returns whether nodes may come or leave.
    #[inline]
    pub fn are_living(&self) -> bool {
        !self.changes.spans.is_empty()
    }

    /// Returns the time up to which changes are kept, µs.
    pub fn horizon_us(&self) -> u64 {
        self.horizon_us
    }

    /// Makes the timelines anew up to a later horizon. Cost: O(nodes + changes), on all threads.
    ///
    /// # Errors
    ///
    /// More than 2³¹ changes up to the horizon.
    pub fn extend(
        &mut self,
        keys: &[Key],
        presence: &[Presence],
        horizon_us: u64,
    ) -> Result<(), TooManyChanges> {
        self.horizon_us = horizon_us;
        if self.churn.is_never() && self.growth.is_none() {
            return Ok(());
        }
        let chunks = keys.par_chunks(CHUNK).zip(presence.par_chunks(CHUNK));
        let parts = chunks.enumerate().map(|(chunk, (keys, presence))| {
            let (mut counts, mut changes_us) = (Vec::with_capacity(keys.len()), Vec::new());
            let rows = ((chunk * CHUNK) as u32..).map(Row);
            for ((row, &key), presence) in rows.zip(keys).zip(presence) {
                let before = changes_us.len();
                let mut is_online = false;
                if presence.is_online() {
                    let life = self.life(row, key);
                    is_online = life.is_online();
                    changes_us.extend(life.take_while(|&at_us| at_us <= horizon_us));
                }
                counts.push(((changes_us.len() - before) as u32, is_online));
            }
            (counts, changes_us)
        });
        let parts: Vec<_> = parts.collect();
        let total: usize = parts.iter().map(|(_, changes_us)| changes_us.len()).sum();
        if total > CHANGES_MAX {
            return Err(TooManyChanges);
        }
        let mut spans = with_huge_pages(keys.len() + 1);
        let mut changes_us = with_huge_pages(total);
        let (mut begin, mut online_at_start) = (0, 0);
        for (counts, part) in parts {
            for (count, is_online) in counts {
                spans.push(begin << 1 | u32::from(is_online));
                begin += count;
                online_at_start += u32::from(is_online);
            }
            changes_us.extend_from_slice(&part);
        }
        spans.push(begin << 1);
        let mut changes = Changes {
            spans,
            changes_us,
            ..Changes::default()
        };
        changes.by_time = ByTime::new(online_at_start, changes.in_any_order());
        let of = |row| changes.of(row);
        changes.epochs = Epochs::new(keys.len(), total, horizon_us, of);
        self.changes = Arc::new(changes);
        Ok(())
    }

    /// Returns a node's state at the start and its changes.
    #[inline]
    fn of(&self, row: Row) -> (bool, &[u64]) {
        self.changes.of(row)
    }

    /// Returns whether a node is online at the start, before any change.
    #[inline]
    pub fn is_online_at_start(&self, row: Row) -> bool {
        self.of(row).0
    }

    /// Returns whether a node is online at `at_us`, changes of that moment included. Only for nodes that are not offline for the
    /// whole run, in networks in which nodes come and leave. Up to the horizon, the others are offline too.
    ///
    /// `keys` is the key column. Cost up to the horizon: a read of two bits and, where the node comes or leaves about that
    /// time, O(log changes of the node).
    #[inline]
    pub fn is_online(&self, row: Row, keys: &[Key], at_us: u64) -> bool {
        if at_us > self.horizon_us {
            return self.is_online_beyond(row, keys[row.index()], at_us);
        }
        match self.changes.epochs.during(row, at_us) {
            During::Whole(is_online) => is_online,
            During::Changing => {
                let (at_start, changes_us) = self.of(row);
                at_start ^ (count_until(changes_us, at_us) & 1 == 1)
            }
        }
    }

    #[cold]
    fn is_online_beyond(&self, row: Row, key: Key, at_us: u64) -> bool {
        let passed = self
            .life(row, key)
            .take_while(|&change_us| change_us <= at_us);
        self.of(row).0 ^ (passed.count() & 1 == 1)
    }

    /// Returns the changes of a node from the start of the run.
    fn life(&self, row: Row, key: Key) -> Life<'_> {
        let sessions = || Walk::new(&self.churn, &self.makeup, key);
        match &self.growth {
            None => Life::new(sessions()),
            Some(growth) => {
                let begun = self.begin_us.map(|begin_us| (begin_us, sessions()));
                Life::joining(growth.comes_us(row), begun)
            }
        }
    }

    /// Returns the first change of a node, µs; `None` if there is none.
    pub fn first_change(&self, row: Row, key: Key) -> Option<u64> {
        let kept_us = self.of(row).1.first().copied();
        kept_us.or_else(|| self.life(row, key).next())
    }

    /// Returns the first change of a node after `at_us`, µs; `None` if there is none. Only for nodes that are not offline for
    /// the whole run.
    pub fn change_after(&self, row: Row, key: Key, at_us: u64) -> Option<u64> {
        let kept_us = self.of(row).1;
        match kept_us.get(kept_us.partition_point(|&us| us <= at_us)) {
            Some(&change_us) => Some(change_us),
            None => self.life(row, key).find(|&change_us| change_us > at_us),
        }
    }

    /// Returns the session in which a node is online at `at_us`, changes of that moment included; `None` if it is offline.
    pub fn session(&self, row: Row, key: Key, at_us: u64) -> Option<Session> {
        let (at_start, kept_us) = self.of(row);
        let mut is_online = at_start;
        let (mut from_us, mut until_us) = (None, None);
        let mut leaves = 0;
        let mut pass = |change_us: u64| {
            if change_us > at_us {
                until_us = Some(change_us);
                return false;
            }
            is_online = !is_online;
            leaves += u32::from(!is_online);
            from_us = Some(change_us);
            true
        };
        let is_known = !kept_us.iter().all(|&change_us| pass(change_us));
        if !is_known {
            // The next change lies beyond the horizon.
            let mut rest = self.life(row, key).skip(kept_us.len());
            let _ = rest.all(pass);
        }
        is_online.then_some(Session {
            number: leaves,
            from_us,
            until_us: until_us.unwrap_or(u64::MAX),
        })
    }

    /// Returns since when a node has been online that is online at `at_us`, changes of that moment included; `None` if it is
    /// offline.
    #[inline]
    pub fn since(&self, row: Row, key: Key, at_us: u64) -> Option<Since> {
        let (at_start, kept_us) = self.of(row);
        let (passed, last_us) = match at_us <= self.horizon_us {
            true => {
                let passed = count_until(kept_us, at_us);
                (passed, passed.checked_sub(1).map(|last| kept_us[last]))
            }
            false => {
                let life = self.life(row, key);
                let passed = life.take_while(|&change_us| change_us <= at_us);
                passed.fold((0, None), |(passed, _), change_us| {
                    (passed + 1, Some(change_us))
                })
            }
        };
        let is_online = at_start ^ (passed & 1 == 1);
        is_online.then(|| last_us.map_or(Since::Start, Since::Came))
    }

    /// Returns when the session before the one that begins at `came_us` ended, µs; `None` if there was none.
    pub fn last_session_end_us(&self, row: Row, key: Key, came_us: u64) -> Option<u64> {
        let (_, kept_us) = self.of(row);
        // The last change up to then is its coming, the one before it the leaving.
        let before = |times_us: &mut dyn Iterator<Item = u64>| {
            let passed = times_us.take_while(|&change_us| change_us <= came_us);
            let (left_us, _) = passed.fold((None, None), |(_, last), us| (last, Some(us)));
            left_us
        };
        match came_us <= self.horizon_us {
            true => before(&mut kept_us.iter().copied()),
            false => before(&mut self.life(row, key)),
        }
    }

    /// Returns the seed of the network.
    pub fn network_seed(&self) -> u64 {
        self.makeup.network_seed
    }

    /// Returns the sessions of a node by `at_us`, and its time online from `from_us` to `at_us`. `at_us` is at most the horizon.
    pub fn sessions(&self, row: Row, from_us: u64, at_us: u64) -> TimeOnline {
        let (at_start, changes_us) = self.of(row);
        let mut is_online = at_start;
        let (mut sessions, mut online_us, mut since_us) = (u32::from(at_start), 0, from_us);
        for &change_us in changes_us.iter().take_while(|&&us| us <= at_us) {
            if is_online && change_us > since_us {
                online_us += change_us - since_us;
            }
            is_online = !is_online;
            sessions += u32::from(is_online);
            since_us = since_us.max(change_us);
        }
        if is_online {
            online_us += at_us - since_us;
        }
        TimeOnline {
            sessions,
            online_us,
        }
    }

    /// Returns how many nodes are online at `at_us`, changes of that moment included. `at_us` is at most the horizon.
    pub fn online(&self, at_us: u64) -> u64 {
        self.changes.by_time.online(at_us)
    }

    /// Returns how many nodes come and how many leave from `from_us` to `until_us`, both included. `until_us` is at most the
    /// horizon.
    pub fn turnover(&self, from_us: u64, until_us: u64) -> Turnover {
        self.changes.by_time.turnover(from_us, until_us)
    }

    /// Returns the time of the first change from `from_us` on, if there is one up to the horizon, µs.
    pub fn next_change_us(&self, from_us: u64) -> Option<u64> {
        self.changes.by_time.next_us(from_us)
    }

    /// Returns the number of changes that are kept.
    pub fn changes(&self) -> usize {
        self.changes.by_time.len()
    }

    /// Prefetches what [`Timelines::since`] reads: where a node's changes lie (stage 0), and the changes (stage 1).
    #[inline]
    pub fn prefetch(&self, row: Row, stage: u32, prefetcher: &mut Prefetcher) {
        let Changes {
            spans, changes_us, ..
        } = &*self.changes;
        match stage {
            0 => prefetcher.range(spans, row.index()..row.index() + 2),
            _ => prefetcher.item(changes_us, (spans[row.index()] >> 1) as usize),
        }
    }

    /// Returns the bytes on the heap.
    pub fn bytes_used(&self) -> usize {
        let Changes {
            spans,
            changes_us,
            by_time,
            epochs,
        } = &*self.changes;
        spans.capacity() * size_of::<u32>()
            + changes_us.capacity() * size_of::<u64>()
            + by_time.bytes_used()
            + epochs.bytes_used()
    }
}

impl Changes {
    /// Returns a node's state at the start and its changes.
    #[inline]
    fn of(&self, row: Row) -> (bool, &[u64]) {
        let (begin, end) = (self.spans[row.index()], self.spans[row.index() + 1]);
        let changes_us = &self.changes_us[(begin >> 1) as usize..(end >> 1) as usize];
        (begin & 1 == 1, changes_us)
    }

    /// Returns the changes of all nodes, as [`ByTime::new`] takes them.
    fn in_any_order(&self) -> Vec<u64> {
        let rows = 0..self.spans.len() as u32 - 1;
        let mut changes = Vec::with_capacity(self.changes_us.len());
        for row in rows.map(Row) {
            let (at_start, changes_us) = self.of(row);
            let mut comes = u64::from(!at_start);
            changes.extend(changes_us.iter().map(|us| {
                let change = us << 1 | comes;
                comes ^= 1;
                change
            }));
        }
        changes
    }
}

/// Returns how many of some ascending times are at most `at_us`.
#[inline]
fn count_until(times_us: &[u64], at_us: u64) -> usize {
    // Mostly there are none or few.
    match times_us.len() {
        0..8 => times_us.iter().filter(|&&us| us <= at_us).count(),
        _ => times_us.partition_point(|&us| us <= at_us),
    }
}

#[cfg(test)]
mod tests;
