//! Contacts in networks whose tables traffic changes: each is sent, reaches its remote if it does, and completes.

use kadsim_engine::record::{Outcome, Request as Asked};

use super::LiveReference;
use super::event::{Event, What};
use crate::properties::reference::Node;
use crate::properties::reference::contact::{Completed, Outgoing, Sent};
use crate::properties::reference::link::Request;

/// What contacts are sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    User,
    Refresh,
    Join,
    /// Pings of all kinds.
    Check,
    Republish,
}

/// Why a node is pinged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// It is an entry that was not heard for long.
    Check,
    /// It is to be learned.
    Verify,
    /// It is the least recently heard of a full bucket.
    Head,
}

/// What a contact asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Lookup {
        /// Distance of the remote from the key.
        distance: u64,
    },
    Store {
        /// When the operation that provides began, µs.
        published_us: u64,
    },
    Ping(Ping),
}

/// A contact under way.
#[derive(Clone, Debug)]
pub struct Contact {
    pub operation: u64,
    pub sequence: u32,
    pub purpose: Purpose,
    pub from: Node,
    pub to: Node,
    pub key: u64,
    pub asks: Asks,
    /// Session of the origin in which it was sent.
    session: u32,
    pub outcome: Outcome,
    /// When the request reaches the remote, µs, if it does.
    acts_us: Option<u64>,
    /// The nodes that the answer names.
    pub named: Vec<Node>,
    /// Number of its events to come.
    events: u32,
}

impl Contact {
    /// Returns a contact to be sent.
    pub fn new(
        (operation, sequence): (u64, u32),
        purpose: Purpose,
        (from, to): (Node, Node),
        key: u64,
        asks: Asks,
    ) -> Self {
        Self {
            operation,
            sequence,
            purpose,
            from,
            to,
            key,
            asks,
            session: 0,
            outcome: Outcome::Ok,
            acts_us: None,
            named: Vec::new(),
            events: 0,
        }
    }

    /// Returns when its request reaches the remote, µs, if it does.
    pub fn acts_us(&self) -> Option<u64> {
        self.acts_us
    }

    /// Returns what a lookup is told of it when it completes at `now_us`.
    pub fn completed(&self, distance: u64, now_us: u64) -> Completed {
        let acts_us = self.acts_us.unwrap_or(now_us);
        Completed {
            distance,
            outcome: self.outcome,
            acts_us,
            stored_us: acts_us,
            back_us: now_us,
        }
    }
}

impl LiveReference {
    /// Sends a contact.
    pub(super) fn send(&mut self, mut contact: Contact) {
        let sent = match contact.purpose {
            Purpose::User => self.send_for_user(&contact),
            _ => self.send_for_maintenance(&contact),
        };
        contact.session = self.nodes[contact.from].session;
        contact.outcome = sent.outcome;
        let event = |time_us, what, node| Event {
            time_us,
            what,
            operation: contact.operation,
            sequence: contact.sequence,
            node,
        };
        let completes = event(self.now_us + sent.total_us, What::Complete, contact.from);
        self.push(completes);
        contact.events = 1;
        let stall_us = self.base.rules.stall_us;
        if let (Asks::Lookup { .. }, Some(stall_us)) = (contact.asks, stall_us) {
            self.push(event(self.now_us + stall_us, What::Stall, contact.from));
        }
        if let Some(acts_us) = sent.acts_us {
            let arrives = event(self.now_us + acts_us, What::Arrive, contact.to);
            contact.acts_us = Some(arrives.time_us);
            contact.events = 2;
            self.push(arrives);
        }
        let id = (contact.operation, contact.sequence);
        let before = self.contacts.insert(id, contact);
        assert!(before.is_none(), "contact {id:?} is sent once");
    }

    fn send_for_user(&mut self, contact: &Contact) -> Sent {
        let running = &self.operations[&contact.operation].running;
        let outgoing = Outgoing {
            time_us: self.now_us,
            carried_us: self.now_us,
            sequence: contact.sequence,
            remote: contact.to,
            request: match contact.asks {
                Asks::Lookup { .. } => Asked::Lookup,
                Asks::Store { .. } => Asked::Store,
                Asks::Ping(_) => unreachable!("users ping no node"),
            },
            origin_us: 0,
        };
        let sent = self.base.send(running, outgoing);
        let phase = running.number;
        self.tick_of(phase).outcomes[sent.outcome as usize] += 1;
        sent
    }

    fn send_for_maintenance(&mut self, contact: &Contact) -> Sent {
        let fate = self.base.fate(Request {
            operation: contact.operation,
            sequence: contact.sequence,
            from: contact.from,
            to: contact.to,
            sent_us: self.now_us,
        });
        self.count_maintenance(contact, fate.outcome);
        Sent {
            outcome: fate.outcome,
            total_us: fate.total_us,
            acts_us: fate.request_us,
        }
    }

    /// Returns a contact that has an event now, and forgets it if it has none to come.
    fn at_event(&mut self, event: Event) -> Contact {
        let id = (event.operation, event.sequence);
        let contact = self.contacts.get_mut(&id).expect("a contact under way");
        contact.events -= 1;
        match contact.events {
            0 => self.contacts.remove(&id).unwrap(),
            _ => contact.clone(),
        }
    }

    /// A request reaches its remote: the remote answers, then hears of the asker.
    pub(super) fn arrive(&mut self, event: Event) {
        let contact = self.at_event(event);
        let Contact { from, to, key, .. } = contact;
        assert!(self.base.is_server[to] && self.nodes[to].is_online);
        self.count_received(&contact);
        match contact.asks {
            Asks::Lookup { .. } => {
                let named = self.closest(to, key, self.names_failed());
                let id = (contact.operation, contact.sequence);
                // An answer that is late is not handled.
                if let Some(contact) = self.contacts.get_mut(&id) {
                    contact.named = named;
                }
            }
            Asks::Store { published_us } => self.base.store(to, key, self.now_us, published_us),
            Asks::Ping(_) => {}
        }
        self.hear_asker(to, from);
    }

    /// A contact of a node is answered, or fails: first its operation goes on, then the node's table follows.
    pub(super) fn complete(&mut self, event: Event) {
        let contact = self.at_event(event);
        let Contact {
            from, to, outcome, ..
        } = contact;
        if self.nodes[from].session != contact.session {
            return;
        }
        match contact.asks {
            Asks::Ping(ping) => return self.pinged(from, to, ping, outcome),
            Asks::Lookup { distance } => self.advance(&contact, distance),
            Asks::Store { .. } => self.stored(&contact),
        }
        if outcome == Outcome::Ok {
            self.hear_answerer(from, to);
            self.hear_named(from, &contact.named);
        } else {
            self.fail(from, to, outcome);
        }
    }

    /// Pings a node.
    pub(super) fn ping(&mut self, from: Node, to: Node, ping: Ping) {
        let id = self.next_operation(from);
        let key = self.base.keys[to];
        let contact = Contact::new((id, 0), Purpose::Check, (from, to), key, Asks::Ping(ping));
        self.send(contact);
    }
}
