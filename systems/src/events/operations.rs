//! Operations as sequences of events: how they start, go on and end.

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Ending, Planned, Stage, Task};
use kadsim_engine::record::Kind;
use kadsim_engine::slot::{OperationSlot, PhaseSlot};

use super::chunk::{Errand, Start};
use super::event::{Event, What, maintenance_number};
use super::worker::Worker;
use crate::lookup::{Answered, Iterative, Machine, Next};

impl Worker<'_> {
    /// An operation of a phase is due.
    pub fn start(&mut self, index: u32, now_us: u64) {
        let start = self.chunk.starts[index as usize];
        if let Some(parallel) = start.parallel {
            let origin = (start.task.slot, start.planned.origin);
            let permits = self.chunk.permits.entry(origin).or_default();
            if permits.in_flight >= parallel {
                permits.waiting.push_back(start);
                return;
            }
            permits.in_flight += 1;
        }
        let Start { task, planned, .. } = start;
        let slot = self.put(planned, &task, Errand::User, now_us);
        let operation = self.chunk.pool.get_mut(slot);
        self.chunk.out.tick(operation, now_us).started += 1;
        operation.leaves_us = self.work.view.leaves_us(planned.origin, now_us);
        let is_online = self.node(planned.origin).is_online;
        let ending = match (planned.lacks_origin, is_online) {
            (true, _) => Ending::NoOrigin,
            (false, false) => Ending::OriginOffline,
            (false, true) => return self.look_up(slot, now_us),
        };
        self.break_off(slot, ending, now_us);
    }

    /// Begins an operation of maintenance.
    pub fn maintain(&mut self, origin: Row, kind: Kind, key: Key, errand: Errand, now_us: u64) {
        let node = self.node(origin);
        let number = maintenance_number(origin, node.operations);
        node.operations += 1;
        let planned = Planned {
            number,
            origin,
            key,
            due_us: now_us,
            lacks_origin: false,
        };
        let task = Task {
            phase: 0,
            slot: PhaseSlot::default(),
            kind,
            until_us: u64::MAX,
        };
        let slot = self.put(planned, &task, errand, now_us);
        self.look_up(slot, now_us);
    }

    /// Puts an operation into a slot.
    fn put(&mut self, planned: Planned, task: &Task, errand: Errand, now_us: u64) -> OperationSlot {
        let slot = self.chunk.pool.start(planned, task, now_us);
        let errands = &mut self.chunk.errands;
        if errands.len() <= slot.index() {
            errands.resize(slot.index() + 1, Errand::User);
        }
        errands[slot.index()] = errand;
        slot
    }

    /// Returns the procedure of an operation's lookup.
    pub fn machine(&self, slot: OperationSlot) -> Iterative {
        let rules = match self.chunk.errands[slot.index()] {
            Errand::User => *self.work.view.rules,
            _ => self.work.lookups,
        };
        Iterative::new(rules, self.work.view.k())
    }

    /// Begins the lookup of an operation: reads the origin's own table and sends the first contacts.
    fn look_up(&mut self, slot: OperationSlot, now_us: u64) {
        let machine = self.machine(slot);
        let (population, view) = (&self.work.view.in_time.population, &self.work.view);
        let operation = self.chunk.pool.get_mut(slot);
        let (origin, key) = (population.owner(operation.origin()), operation.key());
        operation.origin_key = origin.key;
        operation.lookup.shortlist.reset(machine.results());
        operation.stage = Stage::Lookup;
        if operation.kind == Kind::Provide {
            self.note_provide(origin.row, key, now_us);
        }
        let operation = self.chunk.pool.get_mut(slot);
        let holds = operation.kind == Kind::Retrieve && self.chunk.records.holds(origin.row, key);
        if holds {
            operation.holder = Some(origin.row);
            return self.end_lookup(slot, now_us);
        }
        let count = view.in_time.tables.rule().answer_size();
        let answer = &mut self.chunk.out.answer;
        self.tables
            .closest(population, origin, key, count, true, answer);
        answer.measure(population, key);
        let own = Answered {
            row: origin.row,
            depth: 0,
            named: answer,
            has_value: false,
            is_closest: false,
        };
        machine.start(&mut operation.lookup, &own);
        self.note_lookup(origin, key, now_us);
        self.go_on(slot, now_us);
    }

    /// Does what the lookup decides, until it waits or ends.
    pub fn go_on(&mut self, slot: OperationSlot, now_us: u64) {
        let machine = self.machine(slot);
        let population = self.work.view.in_time.population;
        loop {
            let operation = self.chunk.pool.get_mut(slot);
            match machine.next(&mut operation.lookup, &population) {
                Next::Contact(remote) => self.contact(slot, remote, now_us),
                Next::Wait => return,
                Next::End => break,
            }
        }
        let operation = self.chunk.pool.get_mut(slot);
        let depth = machine.result(&operation.lookup, &population, &mut operation.result);
        if operation.holder.is_none() {
            operation.depth = depth;
            let is_recorded = self.work.view.recording.recall;
            if is_recorded && self.chunk.errands[slot.index()] == Errand::User {
                let scratch = &mut self.chunk.out.scratch;
                operation.recall = self.work.view.recall(operation, now_us, scratch);
            }
        }
        self.end_lookup(slot, now_us);
    }

    /// Ends the lookup of an operation. Contacts in flight are abandoned. A provide sends its stores.
    fn end_lookup(&mut self, slot: OperationSlot, now_us: u64) {
        let operation = self.chunk.pool.get_mut(slot);
        operation.lookup_end_us = now_us;
        operation.end_us = now_us;
        operation.abandoned = operation.in_flight.len() as u32;
        operation.known = operation.lookup.shortlist.len() as u32;
        operation.in_flight.clear();
        operation.stage = Stage::Closing;
        if operation.kind == Kind::Provide {
            self.send_stores(slot, now_us);
        }
        let operation = self.chunk.pool.get(slot);
        match operation.end_us > now_us {
            true => {
                let close = Event {
                    time_us: operation.end_us,
                    operation: operation.number,
                    sequence: u32::MAX,
                    node: operation.origin(),
                    what: What::Close(slot),
                };
                self.schedule(close);
            }
            false => self.finish(slot, now_us),
        }
    }

    /// Sends the stores of a provide, in the order of its result.
    fn send_stores(&mut self, slot: OperationSlot, now_us: u64) {
        let operation = self.chunk.pool.get_mut(slot);
        let (origin, key, published_us) = (operation.origin(), operation.key(), operation.start_us);
        let mut sequence = operation.attempts;
        let result = std::mem::take(&mut operation.result);
        let mut end_us = now_us;
        for &row in &result {
            if row == origin {
                let operation = self.chunk.pool.get_mut(slot);
                operation.stored += 1;
                if self.chunk.errands[slot.index()] == Errand::User {
                    self.chunk.out.tick(operation, now_us).stored += 1;
                }
                self.hold(origin, key, published_us, now_us);
            } else {
                end_us = end_us.max(self.store(slot, sequence, row, now_us));
                sequence += 1;
            }
        }
        let operation = self.chunk.pool.get_mut(slot);
        operation.result = result;
        operation.end_us = end_us;
        if self.chunk.errands[slot.index()] == Errand::User {
            self.own(origin, key, published_us, now_us);
        }
    }

    /// The last store of a provide has completed.
    pub fn close(&mut self, slot: OperationSlot, number: u64, now_us: u64) {
        if self.chunk.pool.find(slot, number).is_some() {
            self.finish(slot, now_us);
        }
    }

    /// Ends an operation that has come to its end.
    fn finish(&mut self, slot: OperationSlot, now_us: u64) {
        let operation = self.chunk.pool.get_mut(slot);
        let errand = self.chunk.errands[slot.index()];
        operation.stage = Stage::Ended;
        match errand {
            Errand::User => {
                let tick = self.chunk.out.tick(operation, now_us);
                tick.durations_us.push(now_us - operation.start_us);
                if operation.kind == Kind::Retrieve {
                    match operation.holder {
                        Some(_) => tick.found += 1,
                        None => tick.missed += 1,
                    }
                }
                operation.give_back();
                self.ended(slot, now_us);
            }
            Errand::Refresh | Errand::Republish => self.chunk.pool.free(slot),
            Errand::Chain(purpose) => {
                let (origin, was_answered) = (operation.origin(), operation.succeeded > 0);
                self.chunk.pool.free(slot);
                self.follow(origin, purpose, was_answered, now_us);
            }
        }
    }

    /// Ends an operation before it has come to its end.
    pub fn break_off(&mut self, slot: OperationSlot, ending: Ending, now_us: u64) {
        let operation = self.chunk.pool.get_mut(slot);
        operation.end_early(ending, now_us);
        match self.chunk.errands[slot.index()] {
            Errand::User => {
                self.chunk.out.tick(operation, now_us).broken_off += 1;
                self.ended(slot, now_us);
            }
            _ => self.chunk.pool.free(slot),
        }
    }

    /// Notes a users' operation that has ended, and lets one that waits for it start.
    fn ended(&mut self, slot: OperationSlot, now_us: u64) {
        self.chunk.ended.push(slot);
        if self.chunk.permits.is_empty() {
            return;
        }
        let operation = self.chunk.pool.get(slot);
        let (origin, phase) = (operation.origin(), operation.phase_slot);
        if let Some(permits) = self.chunk.permits.get_mut(&(phase, origin)) {
            permits.in_flight -= 1;
            if let Some(next) = permits.waiting.pop_front() {
                self.chunk.starts.push(next);
                let index = self.chunk.starts.len() as u32 - 1;
                self.schedule(Event {
                    time_us: now_us,
                    operation: next.planned.number,
                    sequence: 0,
                    node: origin,
                    what: What::Start {
                        index,
                        is_retrieve: next.task.kind == Kind::Retrieve,
                    },
                });
            }
        }
    }
}
