//! The rules of churn: how long nodes stay and stay away.

use std::collections::HashMap;
use std::sync::Arc;

use crate::distribution::{Distribution, whole_us};
use crate::key::Key;
use crate::makeup::{Makeup, Region};
use crate::random::{Probability, Purpose, Stream};
use crate::time::LAST_US;

/// Lengths of sessions and absences of a class of nodes.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// How long a node stays; `None`: for ever.
    pub session: Option<Arc<dyn Distribution>>,
    /// How long it stays away; `None`: for ever.
    pub absence: Option<Arc<dyn Distribution>>,
}

impl Sessions {
    /// Returns the share of time that a node is online in the long run, where it comes back: E\[S\] / (E\[S\] + E\[A\]).
    fn share_online(&self) -> Option<f64> {
        let session_us = self.session.as_ref()?.mean_us();
        let absence_us = self.absence.as_ref()?.mean_us();
        Some(session_us / (session_us + absence_us))
    }
}

/// The state of the nodes at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Start {
    /// As in the long run: online with the share of time that they are, in the midst of sessions and absences. Where nodes
    /// do not come back, as [`Start::Online`].
    #[default]
    Steady,
    /// All online, in the midst of their sessions.
    Online,
    /// All online, each at the begin of a session.
    Fresh,
}

impl Start {
    /// Every start.
    pub const ALL: [Self; 3] = [Self::Steady, Self::Online, Self::Fresh];

    /// Returns the word of the experiment file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Online => "online",
            Self::Fresh => "fresh",
        }
    }
}

impl std::fmt::Display for Start {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Which nodes an event takes off the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leavers {
    /// Each node with this probability.
    Share(Probability),
    /// The nodes of a region.
    Region(Region),
}

/// Nodes leave together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, µs.
    pub at_us: u64,
    /// Which nodes.
    pub leavers: Leavers,
    /// How long they stay away at least, µs; `None`: for ever. A node is back when its own session allows it.
    pub for_us: Option<u64>,
}

/// From when until when nodes are online, µs, by key; ascending and disjoint.
pub type Trace = HashMap<Key, Vec<(u64, u64)>>;

/// The rules of churn.
#[derive(Clone, Debug, Default)]
pub struct Churn {
    /// Sessions of each class, in the order of [`Makeup::classes`]; the last are those of the nodes of no class.
    pub sessions: Vec<Sessions>,
    /// The state of the nodes at the start.
    pub start: Start,
    /// Nodes that leave together.
    pub events: Vec<Event>,
    /// Instead of all this but events, from when until when each node is online, µs, ascending and disjoint, by key. A
    /// node without any is never online.
    pub trace: Option<Arc<Trace>>,
}

impl Churn {
    /// Returns whether no node ever leaves or is absent.
    pub fn is_never(&self) -> bool {
        let nobody_leaves = self.sessions.iter().all(|one| one.session.is_none());
        nobody_leaves && self.events.is_empty() && self.trace.is_none()
    }

    /// Returns whether a node is online at the start but for events, and when that first changes, µs.
    pub(super) fn first(&self, makeup: &Makeup, key: Key) -> (bool, u64) {
        let sessions = &self.sessions[makeup.class(key)];
        let Some(session) = &sessions.session else {
            return (true, u64::MAX);
        };
        let draw = |part| Stream::new(makeup.network_seed, Purpose::Start, key.0, part);
        let rest_us = |length: &Arc<dyn Distribution>| whole_us(length.residual(&mut draw(1)));
        match self.start {
            Start::Fresh => (true, self.length(makeup, key, true, 0)),
            Start::Online => (true, rest_us(session)),
            Start::Steady => match (sessions.share_online(), &sessions.absence) {
                (Some(share), Some(absence)) if draw(0).unit() >= share => {
                    (false, rest_us(absence))
                }
                _ => (true, rest_us(session)),
            },
        }
    }

    /// Returns the length of a session or of the absence after it, µs; `u64::MAX` if it does not end.
    pub(super) fn length(&self, makeup: &Makeup, key: Key, is_session: bool, number: u64) -> u64 {
        let sessions = &self.sessions[makeup.class(key)];
        let (purpose, length) = match is_session {
            true => (Purpose::Session, &sessions.session),
            false => (Purpose::Absence, &sessions.absence),
        };
        let draw = |length: &Arc<dyn Distribution>| {
            let mut stream = Stream::new(makeup.network_seed, purpose, key.0, number);
            whole_us(length.draw(&mut stream))
        };
        length.as_ref().map_or(u64::MAX, draw)
    }

    /// Returns the times at which events keep a node away, from when until when, µs, in no order.
    pub(super) fn kept_away<'a>(
        &'a self,
        makeup: &'a Makeup,
        key: Key,
    ) -> impl Iterator<Item = (u64, u64)> + 'a {
        let numbered = self.events.iter().zip(0..);
        numbered.filter_map(move |(event, number)| {
            let leaves = match event.leavers {
                Leavers::Share(share) => {
                    let seed = makeup.network_seed;
                    share.holds(Stream::new(seed, Purpose::Event, key.0, number).bits())
                }
                Leavers::Region(region) => makeup.region(key) == region,
            };
            let until_us = event
                .for_us
                .map(|for_us| event.at_us.saturating_add(for_us));
            let until_us = until_us.filter(|&until_us| until_us <= LAST_US);
            leaves.then_some((event.at_us, until_us.unwrap_or(u64::MAX)))
        })
    }
}
