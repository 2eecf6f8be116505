//! Contacts in the reference simulator: each is sent, charged and recorded at once.

use kadsim_engine::key::Key;
use kadsim_engine::link::{Attempt, Fate, Link};
use kadsim_engine::node::Row;
use kadsim_engine::population::Owner;
use kadsim_engine::record::{ConnectionRow, Outcome, Request};

use super::{Node, Reference, Running, Status, What};

/// A contact to be sent.
pub struct Outgoing {
    pub time_us: u64,
    pub sequence: u32,
    pub remote: Node,
    pub request: Request,
    /// Overhead of the origin, µs.
    pub origin_us: u64,
}

/// A contact of a lookup that has been sent.
pub struct Contacted {
    pub sequence: u32,
    pub distance: u64,
    pub is_ok: bool,
    /// One-way delay, µs.
    pub delay_us: u64,
    /// Time from sending to completion, overhead included, µs.
    pub total_us: u64,
}

/// A contact of a lookup that has completed.
#[derive(Clone, Copy)]
pub struct Completed {
    pub distance: u64,
    pub is_ok: bool,
    /// When the request reached the remote, if it did, µs.
    pub arrives_us: u64,
    /// When the answer was back, µs.
    pub back_us: u64,
}

impl Contacted {
    /// Returns the time at which a contact sent at `now_us` completes, and what happens then.
    pub fn completes(&self, now_us: u64) -> (u64, What) {
        let time_us = now_us + self.total_us;
        let what = What::Contact {
            sequence: self.sequence,
            distance: self.distance,
            is_ok: self.is_ok,
            arrives_us: time_us - self.delay_us,
        };
        (time_us, what)
    }
}

impl Reference {
    /// Charges a use of a node and returns its overhead, µs.
    pub(super) fn charge(&mut self, node: Node, now_us: u64) -> u64 {
        if self.overhead_us == 0 {
            return 0;
        }
        self.charges.push((now_us, node));
        let uses = self.uses.entry(node).or_default();
        *uses += 1;
        *uses * self.overhead_us
    }

    /// Contacts the nearest candidate, if there is one.
    pub(super) fn contact_nearest(
        &mut self,
        operation: &mut Running,
        time_us: u64,
    ) -> Option<Contacted> {
        let mut known = operation.known.iter_mut();
        let (&distance, known) = known.find(|(_, known)| known.status == Status::Candidate)?;
        known.status = Status::InFlight;
        let (remote, sequence) = (known.node, operation.attempts);
        operation.attempts += 1;
        operation.in_flight += 1;
        let outgoing = Outgoing {
            time_us,
            sequence,
            remote,
            request: Request::Lookup,
            origin_us: operation.origin_overhead_us,
        };
        let (fate, total_us) = self.send(operation, outgoing);
        Some(Contacted {
            sequence,
            distance,
            is_ok: fate.outcome == Outcome::Ok,
            delay_us: fate.base_delay_us,
            total_us,
        })
    }

    /// Contacts a node. Returns the fate of the contact and its time from sending to completion, µs.
    pub(super) fn send(&mut self, operation: &Running, outgoing: Outgoing) -> (Fate, u64) {
        let Outgoing {
            time_us,
            sequence,
            remote,
            request,
            origin_us,
        } = outgoing;
        let number = operation.planned.number;
        let owner = |node: Node| Owner {
            row: Row(node as u32),
            key: Key(self.keys[node]),
        };
        let attempt = Attempt {
            network_seed: self.seed,
            operation: number,
            sequence,
            from: owner(operation.origin),
            to: Some(owner(remote)),
            time_us,
        };
        let fate = self.link.draw(attempt, &|_| self.online[remote]);
        let remote_us = self.charge(remote, time_us);
        *self.contacts.entry((operation.number, remote)).or_default() += 1;
        let delays = if fate.outcome == Outcome::Ok { 2 } else { 1 };
        let total_delay_us = delays * fate.base_delay_us + origin_us + remote_us;
        self.connections.push(ConnectionRow {
            network: 0,
            phase: operation.number,
            operation: number,
            sequence,
            time_us,
            from: self.ids[operation.origin],
            to: self.ids[remote],
            request,
            outcome: fate.outcome,
            base_delay_us: fate.base_delay_us,
            origin_overhead_us: origin_us,
            remote_overhead_us: remote_us,
            total_delay_us,
        });
        (fate, total_delay_us)
    }
}
