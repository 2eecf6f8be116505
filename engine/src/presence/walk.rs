//! The changes of a node's presence, one after the other from the start.

use super::churn::Churn;
use crate::key::Key;
use crate::makeup::Makeup;

/// The times at which a node leaves or comes, ascending, µs. Where it is known to come or leave no more, it ends.
pub(super) struct Walk<'a> {
    churn: &'a Churn,
    makeup: &'a Makeup,
    key: Key,
    /// Whether the node's own sessions have it online, and when that changes, µs.
    own: (bool, u64),
    /// Number of the session that goes on or, while the node is absent, of the next one.
    number: u64,
    /// Intervals of the trace that are left; `None`: sessions are drawn.
    listed: Option<&'a [(u64, u64)]>,
    /// When events keep it away, disjoint, the last first.
    away: Vec<(u64, u64)>,
    is_away: bool,
    /// Whether the node is online.
    is_online: bool,
}

impl<'a> Walk<'a> {
    /// Returns a node's changes from the start of the run.
    pub(super) fn new(churn: &'a Churn, makeup: &'a Makeup, key: Key) -> Self {
        let mut walk = Self {
            churn,
            makeup,
            key,
            own: (false, u64::MAX),
            number: 0,
            listed: None,
            away: Vec::new(),
            is_away: false,
            is_online: false,
        };
        match &churn.trace {
            Some(trace) => {
                walk.listed = Some(trace.get(&key).map_or(&[][..], Vec::as_slice));
                walk.own = (false, 0);
                walk.take_listed();
                // Who is there at 0 has been there before.
                if walk.own == (false, 0) {
                    walk.turn();
                }
            }
            None => walk.own = churn.first(makeup, key),
        }
        walk.is_online = walk.own.0;
        if !churn.events.is_empty() {
            walk.away = merged(churn.kept_away(makeup, key).collect());
        }
        walk
    }

    /// Returns whether the node is online at the start, before any change.
    pub(super) fn is_online(&self) -> bool {
        self.is_online
    }

    /// Sets the begin of the next interval of the trace as the next change.
    fn take_listed(&mut self) {
        let next = self.listed.and_then(<[_]>::first);
        self.own.1 = next.map_or(u64::MAX, |&(from_us, _)| from_us);
    }

    /// The node's own sessions have it leave or come.
    fn turn(&mut self) {
        let (was_online, at_us) = self.own;
        self.own.0 = !was_online;
        if let Some(listed) = self.listed {
            if was_online {
                self.listed = Some(&listed[1..]);
                self.take_listed();
            } else {
                self.own.1 = listed[0].1;
            }
            return;
        }
        let length_us = self
            .churn
            .length(self.makeup, self.key, !was_online, self.number);
        self.number += u64::from(was_online);
        self.own.1 = at_us.saturating_add(length_us);
    }
}

impl Iterator for Walk<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            let away_us =
                self.away.last().map_or(
                    u64::MAX,
                    |&(from_us, until_us)| {
                        if self.is_away { until_us } else { from_us }
                    },
                );
            let at_us = away_us.min(self.own.1);
            // A node that is kept away for ever does not change any more.
            if at_us == u64::MAX || (self.is_away && away_us == u64::MAX) {
                return None;
            }
            if self.own.1 == at_us {
                self.turn();
            }
            if away_us == at_us {
                if self.is_away {
                    self.away.pop();
                }
                self.is_away = !self.is_away;
            }
            let is_online = self.own.0 && !self.is_away;
            if is_online != self.is_online {
                self.is_online = is_online;
                return Some(at_us);
            }
        }
    }
}

/// Joins intervals that overlap or touch; the last comes first.
fn merged(mut intervals: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    intervals.sort_unstable();
    let mut disjoint: Vec<(u64, u64)> = Vec::new();
    for (from_us, until_us) in intervals {
        match disjoint.last_mut() {
            Some(last) if from_us <= last.1 => last.1 = last.1.max(until_us),
            _ => disjoint.push((from_us, until_us)),
        }
    }
    disjoint.reverse();
    disjoint
}
