//! Contacts in the reference simulator: each is sent, charged and recorded at once.

use kadsim_engine::record::{ConnectionRow, Outcome, Purpose, Request as Asked};

use super::link::Request;
use super::{Event, Node, Reference, Running, What};

/// A contact to be sent.
pub struct Outgoing {
    pub time_us: u64,
    /// The time that the contact carries in the tables, µs.
    pub carried_us: u64,
    pub sequence: u32,
    pub remote: Node,
    pub request: Asked,
    /// Overhead of the origin, µs.
    pub origin_us: u64,
}

/// A contact that has been sent.
pub struct Sent {
    pub outcome: Outcome,
    /// Time from sending to completion, overhead included, µs.
    pub total_us: u64,
    /// Time from sending until the remote acts, if it does, µs.
    pub acts_us: Option<u64>,
}

/// A contact of a lookup that has been sent.
pub struct Contacted {
    pub sequence: u32,
    pub distance: u64,
    pub outcome: Outcome,
    /// Time from sending until the remote acts, if it does, µs.
    pub acts_us: Option<u64>,
    /// Time from sending to completion, overhead included, µs.
    pub total_us: u64,
}

/// A contact of a lookup that has completed.
#[derive(Clone, Copy, Debug)]
pub struct Completed {
    pub distance: u64,
    pub outcome: Outcome,
    /// When the remote acted, µs.
    pub acts_us: u64,
    /// The answer contains what the remote has stored by then, µs.
    pub stored_us: u64,
    /// When the answer was back, µs.
    pub back_us: u64,
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
        let (distance, remote) = operation.take_nearest()?;
        let sequence = operation.attempts - 1;
        let outgoing = Outgoing {
            time_us,
            carried_us: time_us,
            sequence,
            remote,
            request: Asked::Lookup,
            origin_us: operation.origin_overhead_us,
        };
        let sent = self.send(operation, outgoing);
        Some(Contacted {
            sequence,
            distance,
            outcome: sent.outcome,
            acts_us: sent.acts_us,
            total_us: sent.total_us,
        })
    }

    /// Lets a contact of a lookup by the clock, which has just been sent, complete.
    pub(super) fn await_completion(
        &mut self,
        operation: &mut Running,
        event: Event,
        sent: Contacted,
    ) {
        let back_us = event.time_us + sent.total_us;
        let acts_us = event.time_us + sent.acts_us.unwrap_or(0);
        let completed = Completed {
            distance: sent.distance,
            outcome: sent.outcome,
            acts_us,
            stored_us: acts_us,
            back_us,
        };
        let sequence = sent.sequence;
        operation.sent.insert(sequence, completed);
        self.push(back_us, event.operation, What::Contact { sequence });
        if let Some(stall_us) = self.rules.stall_us {
            let stalls_us = event.time_us + stall_us;
            self.push(stalls_us, event.operation, What::Stall { sequence });
        }
    }

    /// Contacts a node.
    pub(super) fn send(&mut self, operation: &Running, outgoing: Outgoing) -> Sent {
        let Outgoing {
            time_us,
            carried_us,
            sequence,
            remote,
            request,
            origin_us,
        } = outgoing;
        let number = operation.planned.number;
        let fate = self.fate(Request {
            operation: number,
            sequence,
            from: operation.origin,
            to: remote,
            sent_us: time_us,
        });
        let remote_us = self.charge(remote, carried_us);
        *self.contacts.entry((operation.number, remote)).or_default() += 1;
        let overhead_us = origin_us + remote_us;
        self.connections.push(ConnectionRow {
            network: 0,
            phase: operation.number,
            operation: number,
            sequence,
            time_us: carried_us,
            from: self.ids[operation.origin],
            to: self.ids[remote],
            request,
            outcome: fate.outcome,
            base_delay_us: fate.base_delay_us,
            origin_overhead_us: origin_us,
            remote_overhead_us: remote_us,
            total_delay_us: fate.total_us + overhead_us,
            purpose: Purpose::User,
        });
        Sent {
            outcome: fate.outcome,
            total_us: fate.total_us + overhead_us,
            // Overhead passes before the remote acts.
            acts_us: fate.request_us.map(|us| us + overhead_us),
        }
    }
}
