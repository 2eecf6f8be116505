//! Operations in networks whose tables traffic changes: those of users, and the lookups and provides of maintenance.

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Ending, Planned};
use kadsim_engine::record::{Kind, Outcome};
use kadsim_systems::rules::{Rules, Stop};

use super::LiveReference;
use super::chain::Chain;
use super::contacts::{Asks, Contact, Purpose};
use super::event::Event;
use crate::properties::reference::contact::Completed;
use crate::properties::reference::operation::{Known, Running, Status};
use crate::properties::reference::{Node, Phase};

/// Numbers of operations of maintenance begin here.
const MAINTENANCE: u64 = 1 << 63;

/// An operation under way.
pub struct Operation {
    pub running: Running,
    pub purpose: Purpose,
    pub rules: Rules,
    /// The lookups that it belongs to, one after the other.
    pub chain: Option<Chain>,
    /// The result of its lookup, once that has ended.
    pub result: Vec<Known>,
    /// Stores under way.
    pub stores: u32,
}

impl LiveReference {
    /// Returns the number of the next maintenance operation of a node, and counts it.
    pub(super) fn next_operation(&mut self, node: Node) -> u64 {
        let count = &mut self.nodes[node].operations;
        let id = MAINTENANCE | (node as u64) << 32 | *count;
        *count += 1;
        id
    }

    /// Starts an operation of a user, unless it waits for another one of its origin.
    pub(super) fn start(&mut self, number: u64) {
        // One of an earlier run whose phase was cut off before never starts.
        let Some(&(phase, planned)) = self.planned.get(&number) else {
            return;
        };
        if self.phases[phase].is_over || self.must_wait(phase, planned) {
            return;
        }
        let described: &Phase = &self.phases[phase].described;
        let mut operation = Operation {
            running: Running::new(planned, phase, described),
            purpose: Purpose::User,
            rules: self.base.rules,
            chain: None,
            result: Vec::new(),
            stores: 0,
        };
        let (origin, key, now_us) = (operation.running.origin, planned.key.0, self.now_us);
        operation.running.start_us = now_us;
        operation.running.is_started = true;
        if !self.nodes[origin].is_online {
            let ending = match planned.lacks_origin {
                true => Ending::NoOrigin,
                false => Ending::OriginOffline,
            };
            return self.end_early(operation, ending);
        }
        assert!(!planned.lacks_origin, "{planned:?}");
        let own = Completed {
            distance: 0,
            outcome: Outcome::Ok,
            acts_us: now_us,
            stored_us: now_us,
            back_us: now_us,
        };
        if operation.running.kind == Kind::Retrieve && self.base.holds(origin, key, &own) {
            operation.running.holder = Some((origin, 0));
            self.operations.insert(number, operation);
            return self.end_lookup(number);
        }
        self.begin(number, operation);
    }

    /// Begins a lookup or provide of maintenance, with beta = k and until the closest have answered. `number` is the
    /// next one of the node.
    pub(super) fn maintain(
        &mut self,
        number: u64,
        (node, key): (Node, u64),
        kind: Kind,
        purpose: Purpose,
        chain: Option<Chain>,
    ) {
        let planned = Planned {
            number,
            origin: Row(node as u32),
            key: Key(key),
            due_us: self.now_us,
            lacks_origin: false,
        };
        let mut running = Running::of(planned, kind);
        running.start_us = self.now_us;
        let operation = Operation {
            running,
            purpose,
            rules: Rules {
                beta: self.base.k as u32,
                stop: Stop::ClosestAnswered,
                ..self.base.rules
            },
            chain,
            result: Vec::new(),
            stores: 0,
        };
        self.begin(number, operation);
    }

    /// Begins a lookup with what its origin's table names.
    fn begin(&mut self, number: u64, mut operation: Operation) {
        let (origin, key) = (operation.running.origin, operation.running.planned.key.0);
        self.note_lookup(origin, key);
        if operation.running.kind == Kind::Provide {
            self.note_provide(origin, key);
        }
        let own = self.closest(origin, key, true);
        self.base.begin_with(&mut operation.running, &own);
        self.operations.insert(number, operation);
        self.fill(number);
        if self.operations[&number].running.in_flight == 0 {
            self.end_lookup(number);
        }
    }

    /// Keeps alpha contacts of a lookup in flight.
    fn fill(&mut self, number: u64) {
        loop {
            let operation = self.operations.get_mut(&number).unwrap();
            let running = &mut operation.running;
            if !running.may_send(&operation.rules) {
                return;
            }
            let Some((distance, remote)) = running.take_nearest() else {
                return;
            };
            let contact = Contact::new(
                (number, running.attempts - 1),
                operation.purpose,
                (running.origin, remote),
                running.planned.key.0,
                Asks::Lookup { distance },
            );
            self.send(contact);
        }
    }

    /// Hands a contact that has completed to its lookup, if that goes on.
    pub(super) fn advance(&mut self, contact: &Contact, distance: u64) {
        let number = contact.operation;
        let Some(operation) = self.operations.get_mut(&number) else {
            return;
        };
        if operation.running.is_over() {
            return;
        }
        let completed = contact.completed(distance, self.now_us);
        let running = &mut operation.running;
        self.base.take_answer(running, completed, &contact.named);
        running.stalled.remove(&contact.sequence);
        let is_stopped = running.is_stopped(&operation.rules, self.base.k);
        if !is_stopped {
            self.fill(number);
        }
        if is_stopped || self.operations[&number].running.in_flight == 0 {
            self.end_lookup(number);
        }
    }

    /// Sends another contact of a lookup for one that stalls.
    pub(super) fn stall(&mut self, event: Event) {
        let number = event.operation;
        let (Some(operation), Some(contact)) = (
            self.operations.get_mut(&number),
            self.contacts.get(&(number, event.sequence)),
        ) else {
            return;
        };
        let Asks::Lookup { distance } = contact.asks else {
            unreachable!("contacts of lookups stall");
        };
        let running = &mut operation.running;
        if !running.is_over() && running.known[&distance].status == Status::InFlight {
            running.stalled.insert(event.sequence);
            self.fill(number);
        }
    }

    /// Ends a lookup; a provide then stores.
    fn end_lookup(&mut self, number: u64) {
        let operation = self.operations.get_mut(&number).unwrap();
        let running = &mut operation.running;
        running.lookup_end_us = Some(self.now_us);
        operation.result = running.result(&operation.rules, self.base.k);
        if running.kind == Kind::Provide {
            self.store_all(number);
        }
        let operation = &self.operations[&number];
        if operation.purpose == Purpose::User {
            if operation.stores == 0 {
                self.finish(number);
            }
            return;
        }
        let operation = self.operations.remove(&number).unwrap();
        if let Some(chain) = operation.chain {
            let is_answered = operation.running.succeeded > 0;
            self.go_on(operation.running.origin, chain, is_answered);
        }
    }

    /// Stores the segment of a provide at the nodes of its result.
    fn store_all(&mut self, number: u64) {
        let operation = &self.operations[&number];
        let (running, purpose) = (&operation.running, operation.purpose);
        let (origin, key) = (running.origin, running.planned.key.0);
        let (published_us, mut sequence) = (running.start_us, running.attempts);
        if purpose == Purpose::User {
            self.own(origin, key, published_us);
        }
        for known in self.operations[&number].result.clone() {
            if known.node == origin {
                let operation = self.operations.get_mut(&number).unwrap();
                operation.running.stored += 1;
                let phase = operation.running.number;
                if purpose == Purpose::User {
                    self.base.own_stores.push((phase, self.now_us));
                }
                self.base.store(origin, key, self.now_us, published_us);
                continue;
            }
            let asks = Asks::Store { published_us };
            let contact =
                Contact::new((number, sequence), purpose, (origin, known.node), key, asks);
            self.send(contact);
            sequence += 1;
            self.operations.get_mut(&number).unwrap().stores += 1;
        }
    }

    /// Counts a store that has completed, and ends the provide with the last one.
    pub(super) fn stored(&mut self, contact: &Contact) {
        let Some(operation) = self.operations.get_mut(&contact.operation) else {
            return;
        };
        let running = &mut operation.running;
        match contact.outcome {
            Outcome::Ok => running.stored += 1,
            outcome => {
                running.store_failed += 1;
                running.store_late += u32::from(outcome == Outcome::Late);
            }
        }
        operation.stores -= 1;
        if operation.stores == 0 {
            self.finish(contact.operation);
        }
    }
}
