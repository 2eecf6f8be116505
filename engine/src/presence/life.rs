//! The changes of a node's presence from the start of the run, joins before the first session included.

use std::iter::Peekable;

use super::walk::Walk;

/// The times at which a node leaves or comes, ascending, µs. Where it is known to come or leave no more, it ends.
pub(super) struct Life<'a> {
    /// Whether it is online at the start, before any change.
    is_online: bool,
    /// When it joins, µs.
    joins_us: Option<u64>,
    /// When it leaves because its sessions begin with an absence, µs.
    leaves_us: Option<u64>,
    /// Its sessions; `None` where it is not known when they begin.
    sessions: Option<Peekable<Walk<'a>>>,
    /// When sessions begin, µs.
    begin_us: u64,
}

impl<'a> Life<'a> {
    /// Returns the life of a node whose sessions begin with the run.
    pub(super) fn new(sessions: Walk<'a>) -> Self {
        Self {
            is_online: sessions.is_online(),
            joins_us: None,
            leaves_us: None,
            sessions: Some(sessions.peekable()),
            begin_us: 0,
        }
    }

    /// Returns the life of a node that joins at `joins_us`, or is there from the start, and stays until its sessions begin.
    /// Those are given with the time at which they do, if that is known.
    pub(super) fn joining(joins_us: Option<u64>, sessions: Option<(u64, Walk<'a>)>) -> Self {
        let begin_us = sessions.as_ref().map_or(0, |(begin_us, _)| *begin_us);
        let is_online = sessions.as_ref().is_none_or(|(_, walk)| walk.is_online());
        let mut sessions = sessions.map(|(_, walk)| walk.peekable());
        // Who would come in the moment in which it leaves stays.
        let stays = is_online
            || sessions
                .as_mut()
                .is_some_and(|walk| walk.next_if_eq(&0).is_some());
        Self {
            is_online: joins_us.is_none(),
            joins_us,
            leaves_us: (!stays).then_some(begin_us),
            sessions,
            begin_us,
        }
    }

    /// Returns whether the node is online at the start, before any change.
    pub(super) fn is_online(&self) -> bool {
        self.is_online
    }
}

impl Iterator for Life<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if let Some(first_us) = self.joins_us.take().or_else(|| self.leaves_us.take()) {
            return Some(first_us);
        }
        let change_us = self.sessions.as_mut()?.next()?;
        change_us.checked_add(self.begin_us)
    }
}
