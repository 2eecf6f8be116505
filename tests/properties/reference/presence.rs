//! Who is online when in the reference simulator: a list of stays for each node, drawn from the start of the run to a
//! horizon.

use kadsim_engine::distribution::{Distribution, whole_us};
use kadsim_engine::key::Key;
use kadsim_engine::makeup::Region;
use kadsim_engine::presence::{Churn, Leavers, Start};
use kadsim_engine::random::{Purpose, Stream};
use kadsim_systems::network::phase_end::Life;

use super::makeup::Makeup;
use super::{Node, Reference};

/// An interval in which a node is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// When the node comes, µs; `None` if it is there at the start, before any change.
    pub from_us: Option<u64>,
    /// When it leaves, µs; `u64::MAX` if never.
    pub until_us: u64,
}

impl Stay {
    pub const FOREVER: Self = Self {
        from_us: None,
        until_us: u64::MAX,
    };

    pub fn begins_us(&self) -> u64 {
        self.from_us.unwrap_or(0)
    }

    pub fn holds(&self, at_us: u64) -> bool {
        self.begins_us() <= at_us && at_us < self.until_us
    }
}

/// Rules of churn, and what the nodes are that they apply to.
#[derive(Clone, Debug)]
pub struct Churning {
    pub seed: u64,
    pub makeup: Makeup,
    pub churn: Churn,
    /// Up to when presence is worked out, µs.
    pub horizon_us: u64,
}

impl Churning {
    /// Returns the stays of a node, in the order of time.
    pub fn stays(&self, key: u64) -> Vec<Stay> {
        let mut stays = match &self.churn.trace {
            Some(trace) => {
                let listed = trace.get(&Key(key)).cloned().unwrap_or_default();
                let stay = |(from_us, until_us)| Stay {
                    from_us: (from_us > 0).then_some(from_us),
                    until_us,
                };
                listed.into_iter().map(stay).collect()
            }
            None => self.sessions(key),
        };
        for (from_us, until_us) in self.events(key) {
            stays = stays
                .into_iter()
                .flat_map(|stay| without(stay, from_us, until_us))
                .collect();
        }
        stays
    }

    /// Returns a node's sessions, before events shorten them.
    fn sessions(&self, key: u64) -> Vec<Stay> {
        let sessions = &self.churn.sessions[self.makeup.class(self.seed, key)];
        let Some(session) = sessions.session.as_deref() else {
            return vec![Stay::FOREVER];
        };
        let session_us = |number| self.draw(session, Purpose::Session, key, number);
        let absence_us = |number| {
            let absence = sessions.absence.as_deref();
            absence.map_or(u64::MAX, |absence| {
                self.draw(absence, Purpose::Absence, key, number)
            })
        };
        let start = |part| Stream::new(self.seed, Purpose::Start, key, part);
        let rest_us = |of: &dyn Distribution| whole_us(of.residual(&mut start(1)));
        let mut stays = Vec::new();
        let mut stay = Stay {
            from_us: None,
            until_us: 0,
        };
        match (self.churn.start, sessions.absence.as_deref()) {
            (Start::Fresh, _) => stay.until_us = session_us(0),
            (Start::Steady, Some(absence)) => {
                let share = session.mean_us() / (session.mean_us() + absence.mean_us());
                if start(0).unit() < share {
                    stay.until_us = rest_us(session);
                } else {
                    let from_us = rest_us(absence);
                    stay = Stay {
                        from_us: Some(from_us),
                        until_us: from_us.saturating_add(session_us(0)),
                    };
                }
            }
            (Start::Online, _) | (Start::Steady, None) => stay.until_us = rest_us(session),
        }
        for number in 0.. {
            if stay.begins_us() > self.horizon_us {
                break;
            }
            stays.push(stay);
            let from_us = stay.until_us.saturating_add(absence_us(number));
            stay = Stay {
                from_us: Some(from_us),
                until_us: from_us.saturating_add(session_us(number + 1)),
            };
        }
        stays
    }

    /// Draws the length of a session, or of the absence after it.
    fn draw(&self, from: &dyn Distribution, purpose: Purpose, key: u64, number: u64) -> u64 {
        whole_us(from.draw(&mut Stream::new(self.seed, purpose, key, number)))
    }

    /// Returns when events keep a node away, disjoint: no time passes between two events that meet.
    fn events(&self, key: u64) -> Vec<(u64, u64)> {
        let mut away = Vec::new();
        for (number, event) in (0..).zip(&self.churn.events) {
            let bits = Stream::new(self.seed, Purpose::Event, key, number).bits();
            let leaves = match event.leavers {
                Leavers::Share(share) => share.holds(bits),
                Leavers::Region(region) => {
                    self.makeup.region(self.seed, key) == usize::from(region.0)
                }
            };
            if leaves {
                let until_us = event.for_us.map_or(u64::MAX, |for_us| event.at_us + for_us);
                away.push((event.at_us, until_us));
            }
        }
        away.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (from_us, until_us) in away {
            match joined.last_mut() {
                Some(last) if last.1 >= from_us => last.1 = last.1.max(until_us),
                _ => joined.push((from_us, until_us)),
            }
        }
        joined
    }
}

/// Returns what an absence leaves of a stay. A stay that begins at the start may end at once.
fn without(stay: Stay, from_us: u64, until_us: u64) -> Vec<Stay> {
    if until_us <= stay.begins_us() || stay.until_us <= from_us {
        return vec![stay];
    }
    let mut left = Vec::new();
    if stay.from_us.is_none_or(|came_us| came_us < from_us) {
        left.push(Stay {
            until_us: from_us,
            ..stay
        });
    }
    if until_us < stay.until_us {
        left.push(Stay {
            from_us: Some(until_us),
            ..stay
        });
    }
    left
}

impl Reference {
    /// Returns the stay in which a node is online at `at_us`, changes of that moment included.
    pub fn stay(&self, node: Node, at_us: u64) -> Option<Stay> {
        assert!(at_us <= self.known_us, "presence is not known at {at_us}");
        let stays = &self.stays[node];
        let begun = stays.partition_point(|stay| stay.begins_us() <= at_us);
        let stay = stays[..begun].last().copied();
        stay.filter(|stay| stay.holds(at_us))
    }

    /// Returns a node's life at the end of a phase, but for the state of its table.
    pub(super) fn life(&self, node: Node, (start_us, end_us): (u64, u64)) -> Life {
        let begun = self.stays[node]
            .iter()
            .filter(|stay| stay.begins_us() <= end_us);
        let online_us = begun.clone().map(|stay| {
            let from_us = stay.begins_us().max(start_us);
            stay.until_us.min(end_us).saturating_sub(from_us)
        });
        let region = self.makeup.region(self.seed, self.keys[node]);
        Life {
            is_online: self.is_online(node, end_us),
            is_server: self.is_server[node],
            region: (!self.makeup.regions.is_empty()).then_some(Region(region as u8)),
            sessions: begun.clone().count() as u32,
            online_us: online_us.sum(),
            freshness: None,
        }
    }

    pub fn is_online(&self, node: Node, at_us: u64) -> bool {
        self.stay(node, at_us).is_some()
    }

    /// Returns whether a node answers a request that reaches it at `at_us`.
    pub fn answers(&self, node: Node, at_us: u64) -> bool {
        self.is_server[node] && self.is_online(node, at_us)
    }
}
