//! Contacts as messages: requests that arrive, answers and failures that come back.

use kadsim_engine::key::Key;
use kadsim_engine::link::{Charge, Fate};
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Contact, Operation, Stage};
use kadsim_engine::population::Owner;
use kadsim_engine::record::{Kind, Outcome, Purpose, Request};
use kadsim_engine::shortlist::Known;
use kadsim_engine::slot::OperationSlot;

use super::chunk::{Chunk, DueKind};
use super::event::{ContactKind, Event, Return, What, is_maintenance, maintenance_number};
use super::holders::HolderChange;
use super::worker::Worker;
use crate::lookup::{Answered, Machine};
use crate::outbox;

impl Worker<'_> {
    /// Sends a request of a lookup.
    pub fn contact(&mut self, slot: OperationSlot, remote: Known, now_us: u64) {
        let view = &self.work.view;
        let operation = self.chunk.pool.get_mut(slot);
        let sequence = operation.attempts;
        operation.attempts += 1;
        let key = remote.distance.key_from(operation.key());
        let row = remote.row;
        let fate = view.draw(operation, sequence, Owner { row, key }, now_us);
        let completes_us = Contact::completion_us(now_us, fate, Charge::default());
        let stalls_us = Contact::stall_time_us(now_us, view.rules.stall_us);
        operation.in_flight.push(Contact {
            completes_us,
            stalls_us,
            sequence,
            row,
            distance: remote.distance,
            depth: remote.note.depth(),
            is_stalled: false,
            fate,
        });
        let (number, origin, key) = (operation.number, operation.origin(), operation.key());
        let wants_value = operation.kind == Kind::Retrieve;
        let back = self.back(origin, slot);
        if stalls_us < completes_us {
            self.schedule(Event {
                time_us: stalls_us,
                operation: number,
                sequence,
                node: origin,
                what: What::Stall(back),
            });
        }
        let sent = Sent {
            number,
            purpose: self.chunk.errands[slot.index()].purpose(),
            sequence,
            back,
            remote: row,
            fate,
            now_us,
        };
        self.send(
            sent,
            What::Lookup {
                back,
                key,
                wants_value,
                answered_us: match fate.outcome {
                    Outcome::Ok => completes_us,
                    _ => 0,
                },
            },
            ContactKind::Lookup,
        );
    }

    /// Sends the store with this number, in its operation, to a node of the result. Returns when it completes, µs.
    pub fn store(&mut self, slot: OperationSlot, sequence: u32, remote: Row, now_us: u64) -> u64 {
        let owner = self.owner(remote);
        let operation = self.chunk.pool.get(slot);
        let fate = self.work.view.draw(operation, sequence, owner, now_us);
        let (number, origin, key) = (operation.number, operation.origin(), operation.key());
        let published_us = operation.start_us;
        let back = self.back(origin, slot);
        let sent = Sent {
            number,
            purpose: self.chunk.errands[slot.index()].purpose(),
            sequence,
            back,
            remote,
            fate,
            now_us,
        };
        self.send(
            sent,
            What::Store {
                from: origin,
                key,
                published_us,
            },
            ContactKind::Store,
        );
        let operation = self.chunk.pool.get_mut(slot);
        match fate.outcome {
            Outcome::Ok => operation.stored += 1,
            outcome => {
                operation.store_failed += 1;
                operation.store_late += u32::from(outcome == Outcome::Late);
            }
        }
        Contact::completion_us(now_us, fate, Charge::default())
    }

    /// Pings a node.
    pub fn ping(&mut self, from: Row, remote: Row, contact: ContactKind, now_us: u64) {
        let node = self.node(from);
        let number = maintenance_number(from, node.operations);
        node.operations += 1;
        let (origin, owner) = (self.owner(from), self.owner(remote));
        let fate = self.work.view.fate(number, 0, origin, owner, now_us);
        let back = self.back(from, OperationSlot(0));
        let sent = Sent {
            number,
            purpose: match contact {
                ContactKind::Check => Purpose::Check,
                _ => Purpose::Ping,
            },
            sequence: 0,
            back,
            remote,
            fate,
            now_us,
        };
        self.send(sent, What::Ping { from }, contact);
    }

    /// Sends a contact: its request, if it arrives, and what completes it at the origin, unless an answer does.
    fn send(&mut self, sent: Sent, request: What, contact: ContactKind) {
        self.count(&sent, contact);
        let Sent {
            number,
            sequence,
            back,
            remote,
            fate,
            now_us,
            ..
        } = sent;
        let is_answered = matches!(request, What::Lookup { .. }) && fate.outcome == Outcome::Ok;
        if matches!(fate.outcome, Outcome::Ok | Outcome::Late) {
            self.post(Event {
                time_us: Contact::later_us(now_us, fate.request_us),
                operation: number,
                sequence,
                node: remote,
                what: request,
            });
        }
        if !is_answered {
            self.schedule(Event {
                time_us: Contact::completion_us(now_us, fate, Charge::default()),
                operation: number,
                sequence,
                node: back.from,
                what: What::Completion {
                    back,
                    remote,
                    outcome: fate.outcome,
                    contact,
                },
            });
        }
    }

    /// Counts a contact when it is sent, and keeps it for the barrier if connections are recorded.
    fn count(&mut self, sent: &Sent, contact: ContactKind) {
        let outcome = sent.fate.outcome;
        let mut phase = self.work.counting.map(|counting| counting.phase);
        if sent.purpose == Purpose::User {
            let operation = self.chunk.pool.get(sent.back.slot);
            phase = Some(operation.phase);
            let view = &self.work.view;
            self.chunk.out.contacted(view, operation, sent.remote);
            let tick = self.chunk.out.tick(operation, sent.now_us);
            tick.outcomes[outcome as usize] += 1;
            let is_store = contact == ContactKind::Store;
            tick.stored += u64::from(is_store && outcome == Outcome::Ok);
        } else {
            self.node(sent.back.from).maintenance.sent += 1;
            let tick = self.tick(sent.now_us);
            tick.maintenance[sent.purpose as usize] += 1;
            tick.maintenance_failed += u64::from(outcome != Outcome::Ok);
        }
        if let Some(phase) = phase.filter(|_| self.work.view.recording.connections) {
            self.chunk.out.sends.push(outbox::Send {
                time_us: sent.now_us,
                operation: sent.number,
                phase,
                purpose: sent.purpose,
                slot: sent.back.slot,
                sequence: sent.sequence,
                from: sent.back.from,
                what: outbox::Sent::Contact {
                    to: sent.remote,
                    request: match contact {
                        ContactKind::Store => Request::Store,
                        _ => Request::Lookup,
                    },
                    fate: sent.fate,
                    charge: Charge::default(),
                },
            });
        }
    }

    /// A request arrives: the node answers from what it holds, and then learns who asks.
    pub fn arrived(&mut self, event: Event) {
        let (node, now_us) = (event.node, event.time_us);
        if is_maintenance(event.operation) {
            self.node(node).maintenance.received += 1;
        }
        let from = match event.what {
            What::Lookup {
                back,
                key,
                wants_value,
                answered_us,
            } => {
                if answered_us > 0 {
                    self.answer(&event, back, key, wants_value, answered_us);
                }
                back.from
            }
            What::Store {
                from,
                key,
                published_us,
            } => {
                self.hold(node, key, published_us, now_us);
                from
            }
            What::Ping { from } => from,
            _ => unreachable!("other events are no requests"),
        };
        self.hear_asker(node, from, now_us);
    }

    /// Answers a request for the nodes closest to a key.
    fn answer(
        &mut self,
        event: &Event,
        back: Return,
        key: Key,
        wants_value: bool,
        answered_us: u64,
    ) {
        let view = &self.work.view;
        let owner = self.owner(event.node);
        let count = view.in_time.tables.rule().answer_size();
        let with_failed = self.work.maintenance.table.names_failed;
        let answer = &mut self.chunk.out.answer;
        let population = &view.in_time.population;
        self.tables
            .closest(population, owner, key, count, with_failed, answer);
        if self.work.maintenance.learn_named {
            // The origin learns the nearest first.
            answer.sort(population, key);
        }
        if wants_value {
            let named = self.chunk.named.add(&answer.rows);
            let what = What::Vouch {
                back,
                key,
                named,
                answered_us,
            };
            return self.schedule(Event { what, ..*event });
        }
        let to = back.from.index() / self.work.rows;
        let named = self.chunk.mail[to].named.add(&answer.rows);
        self.post_answer(event, back, named, false, answered_us);
    }

    /// Answers a request for a value, after all that has reached the node in the same microsecond.
    pub fn vouch(&mut self, event: Event) {
        let What::Vouch {
            back,
            key,
            named,
            answered_us,
        } = event.what
        else {
            unreachable!("other events do not vouch");
        };
        let has_value = self.chunk.records.holds(event.node, key);
        let to = back.from.index() / self.work.rows;
        let rows = self.chunk.named.get(named);
        let sent = self.chunk.mail[to].named.add(rows);
        self.chunk.named.remove(named);
        self.post_answer(&event, back, sent, has_value, answered_us);
    }

    /// Sends an answer. The nodes that it names are in the mail.
    fn post_answer(
        &mut self,
        event: &Event,
        back: Return,
        named: u32,
        has_value: bool,
        answered_us: u64,
    ) {
        self.post(Event {
            time_us: answered_us,
            node: back.from,
            what: What::Answer {
                back,
                remote: event.node,
                named,
                has_value,
            },
            ..*event
        });
    }

    /// Stores a record at a node, from now on.
    pub fn hold(&mut self, holder: Row, key: Key, published_us: u64, now_us: u64) {
        let ttl_us = self.work.view.living.ttl_us;
        if ttl_us.is_some_and(|ttl_us| published_us.saturating_add(ttl_us) <= now_us) {
            return;
        }
        let stored = self.chunk.records.store(holder, key, published_us, ttl_us);
        if stored.is_new {
            self.change_holder(holder, key, true, now_us);
        }
        if let Some(expires_us) = stored.expires_us {
            self.expect(holder, DueKind::Expire(key), expires_us);
        }
    }

    /// A record may expire.
    pub fn expire(&mut self, holder: Row, key: Key, now_us: u64) {
        if self.chunk.records.expire(holder, key, now_us) {
            self.tick(now_us).expired += 1;
            if self.node(holder).is_online {
                self.change_holder(holder, key, false, now_us);
            }
        }
    }

    /// Notes that a node that is online begins or ceases to hold a record, where records expire or are provided again.
    fn change_holder(&mut self, holder: Row, key: Key, is_more: bool, time_us: u64) {
        if self.work.view.living.are_records_kept() && self.is_there(holder) {
            self.chunk.holder_changes.push(HolderChange {
                time_us,
                key,
                is_more,
            });
        }
    }

    /// Returns whether a node is not offline for the whole run. One that is may hold what it has provided itself.
    fn is_there(&self, node: Row) -> bool {
        let presence = self.work.view.in_time.columns.presence;
        presence[node.index()].is_online()
    }

    /// Notes that a node comes, or leaves, with what it holds.
    pub fn change_holder_of_all(&mut self, holder: Row, comes: bool, time_us: u64) {
        if self.work.view.living.are_records_kept() {
            let Chunk {
                records,
                holder_changes,
                ..
            } = &mut *self.chunk;
            holder_changes.extend(records.keys(holder).map(|key| HolderChange {
                time_us,
                key,
                is_more: comes,
            }));
        }
    }

    /// An answer arrives: its lookup goes on, and the node learns who has answered, and whom the answer names.
    pub fn answered(&mut self, event: Event) {
        let What::Answer {
            back,
            remote,
            named,
            has_value,
        } = event.what
        else {
            unreachable!("other events are no answers");
        };
        if self.is_same_session(back) {
            if let Some(contact) = self.take_contact(back.slot, &event) {
                self.read(back.slot, contact, named, has_value, event.time_us);
            }
            self.hear_answerer(back.from, remote, event.time_us);
            if self.work.maintenance.learn_named {
                for index in 0..self.chunk.named.get(named).len() {
                    let row = self.chunk.named.get(named)[index];
                    self.hear_of(back.from, row, event.time_us);
                }
            }
        }
        self.chunk.named.remove(named);
    }

    /// Takes the contact that completes out of those that its lookup waits for; `None` if the lookup has ended.
    fn take_contact(&mut self, slot: OperationSlot, event: &Event) -> Option<Contact> {
        let (operation, index) = self.find_contact(slot, event)?;
        Some(operation.take_contact(index))
    }

    /// Returns the operation of a contact whose event it is, with its index among those in flight; `None` if its lookup has
    /// ended, or the contact has completed.
    fn find_contact(
        &mut self,
        slot: OperationSlot,
        event: &Event,
    ) -> Option<(&mut Operation, usize)> {
        let operation = self.chunk.pool.find(slot, event.operation)?;
        if operation.stage != Stage::Lookup {
            return None;
        }
        let mut contacts = operation.in_flight.iter();
        let index = contacts.position(|contact| contact.sequence == event.sequence)?;
        Some((operation, index))
    }

    /// A contact stalls, if it is still in flight: its lookup sends another one.
    pub fn stalled(&mut self, event: &Event, back: Return) {
        if self.is_same_session(back)
            && let Some((operation, index)) = self.find_contact(back.slot, event)
        {
            operation.stall(index);
            self.go_on(back.slot, event.time_us);
        }
    }

    /// Passes an answer to the lookup that waits for it.
    fn read(
        &mut self,
        slot: OperationSlot,
        contact: Contact,
        named: u32,
        has_value: bool,
        now_us: u64,
    ) {
        let machine = self.machine(slot);
        let operation = self.chunk.pool.get_mut(slot);
        let answer = &mut self.chunk.out.answer;
        let population = &self.work.view.in_time.population;
        answer.clear();
        answer.rows.extend_from_slice(self.chunk.named.get(named));
        answer.measure(population, operation.key());
        operation.succeeded += 1;
        let answered = Answered {
            row: contact.row,
            depth: contact.depth,
            named: answer,
            has_value,
            is_closest: false,
        };
        machine.answered(&mut operation.lookup, population, &answered);
        if has_value {
            operation.holder = Some(contact.row);
            operation.depth = contact.depth;
        }
        self.go_on(slot, now_us);
    }

    /// A contact completes whose answer names no nodes, or that failed.
    pub fn completed(&mut self, event: Event) {
        let What::Completion {
            back,
            remote,
            outcome,
            contact,
        } = event.what
        else {
            unreachable!("other events complete no contact");
        };
        if !self.is_same_session(back) {
            return;
        }
        let now_us = event.time_us;
        if contact == ContactKind::Lookup && self.take_contact(back.slot, &event).is_some() {
            let machine = self.machine(back.slot);
            let operation = self.chunk.pool.get_mut(back.slot);
            operation.count_failure(outcome);
            let population = &self.work.view.in_time.population;
            machine.failed(&mut operation.lookup, population, remote);
            self.go_on(back.slot, now_us);
        }
        match contact {
            ContactKind::Oldest { waiting } => {
                self.oldest_pinged(back.from, remote, waiting, outcome, now_us);
            }
            ContactKind::Verify => self.verified(back.from, remote, outcome, now_us),
            ContactKind::Lookup | ContactKind::Store | ContactKind::Check => match outcome {
                Outcome::Ok => self.hear_answerer(back.from, remote, now_us),
                _ => self.fail(back.from, remote, outcome, now_us),
            },
        }
    }
}

/// A contact that is sent.
#[derive(Clone, Copy)]
struct Sent {
    /// Number of its operation.
    number: u64,
    purpose: Purpose,
    sequence: u32,
    back: Return,
    remote: Row,
    fate: Fate,
    now_us: u64,
}
