//! The lookup by the clock in the reference simulator, and how an operation starts and ends.

use kadsim_engine::record::Kind;
use kadsim_systems::rules::{Procedure, Stop};

use super::contact::Completed;
use super::{Event, Known, Node, Reference, Running, Status, What};

impl Reference {
    /// Returns the nodes that a node's table names for a key.
    fn closest(&self, node: Node, key: u64) -> Vec<Node> {
        let mut entries = self.tables[node].clone();
        entries.sort_unstable_by_key(|&entry| self.keys[entry] ^ key);
        entries.truncate(self.k);
        entries
    }

    /// Starts an operation.
    pub(super) fn start(&mut self, operation: &mut Running, event: Event) {
        operation.start_us = event.time_us;
        operation.is_started = true;
        let (origin, key) = (operation.origin, operation.planned.key.0);
        let by_clock = self.rules.procedure != Procedure::PyDht;
        let now_us = event.time_us;
        if by_clock && operation.kind == Kind::Retrieve && self.holds(origin, key, now_us, now_us) {
            operation.holder = Some((origin, 0));
            self.end(operation, event);
            return;
        }
        if self.rules.procedure == Procedure::Rfm19 {
            return self.walk(operation, event);
        }
        operation.origin_overhead_us = self.charge(origin, event.time_us);
        for node in self.closest(origin, key) {
            let known = Known {
                node,
                depth: 1,
                status: Status::Candidate,
            };
            operation.known.insert(self.keys[node] ^ key, known);
        }
        if !by_clock {
            let time_us = event.time_us + self.evaluate(operation);
            self.end(operation, Event { time_us, ..event });
            return;
        }
        self.fill(operation, event);
        if operation.in_flight == 0 {
            self.end(operation, event);
        }
    }

    /// Keeps alpha contacts in flight.
    fn fill(&mut self, operation: &mut Running, event: Event) {
        while operation.in_flight < self.rules.alpha {
            let Some(contacted) = self.contact_nearest(operation, event.time_us) else {
                return;
            };
            let (time_us, what) = contacted.completes(event.time_us);
            self.push(time_us, event.operation, what);
        }
    }

    /// Counts a contact that has completed, and adds its answer to what is known.
    pub(super) fn take(&mut self, operation: &mut Running, completed: Completed) {
        let Completed {
            distance,
            is_ok,
            arrives_us,
            back_us,
        } = completed;
        operation.in_flight -= 1;
        let contacted = operation.known[&distance];
        if is_ok {
            operation.succeeded += 1;
            operation.set_status(distance, Status::Answered);
            self.join(operation, contacted);
            let key = operation.planned.key.0;
            if operation.kind == Kind::Retrieve
                && self.holds(contacted.node, key, arrives_us, back_us)
            {
                operation.holder = Some((contacted.node, contacted.depth));
            }
        } else {
            operation.failed += 1;
            operation.set_status(distance, Status::Failed);
        }
    }

    /// Handles a contact that completes, and sends the contacts that follow from it or ends the lookup.
    pub(super) fn handle(&mut self, operation: &mut Running, event: Event) {
        let What::Contact {
            distance,
            is_ok,
            arrives_us,
            ..
        } = event.what
        else {
            unreachable!("contacts are handled");
        };
        let completed = Completed {
            distance,
            is_ok,
            arrives_us,
            back_us: event.time_us,
        };
        if self.rules.procedure == Procedure::Rfm19 {
            return self.handle_in_round(operation, event, completed);
        }
        self.take(operation, completed);
        let mut is_stopped = operation.holder.is_some();
        is_stopped |= match self.rules.stop {
            Stop::NoProgress => operation.idle_steps == self.rules.steps_to_stop,
            Stop::ClosestAnswered => {
                let asked = operation.known.values();
                let counted =
                    asked.filter(|k| k.status != Status::Failed && k.status != Status::Origin);
                counted
                    .take(self.rules.beta as usize)
                    .all(|k| k.status == Status::Answered)
            }
        };
        if !is_stopped {
            self.fill(operation, event);
        }
        if is_stopped || operation.in_flight == 0 {
            self.end(operation, event);
        }
    }

    /// Adds the answer of a contacted node to what is known.
    fn join(&self, operation: &mut Running, contacted: Known) {
        let key = operation.planned.key.0;
        let farthest = *operation.known.keys().next_back().unwrap();
        let mut progress = false;
        for node in self.closest(contacted.node, key) {
            let distance = self.keys[node] ^ key;
            if operation.known.contains_key(&distance) {
                continue;
            }
            progress |= distance < farthest;
            let by_clock = self.rules.procedure == Procedure::Iterative;
            let status = if by_clock && node == operation.origin {
                Status::Origin
            } else {
                Status::Candidate
            };
            operation.known.insert(
                distance,
                Known {
                    node,
                    depth: contacted.depth + 1,
                    status,
                },
            );
        }
        operation.idle_steps = if progress {
            0
        } else {
            operation.idle_steps + 1
        };
    }

    /// Ends a lookup; a provide then stores.
    pub(super) fn end(&mut self, operation: &mut Running, event: Event) {
        let lookup_end_us = event.time_us;
        operation.lookup_end_us = Some(lookup_end_us);
        let closest = operation
            .known
            .values()
            .filter(|known| self.rules.stop == Stop::NoProgress || known.status != Status::Failed);
        let result: Vec<Known> = match self.rules.procedure {
            Procedure::Rfm19 => operation.met.into_iter().collect(),
            _ => closest.take(self.rules.beta as usize).copied().collect(),
        };
        let end_us = match operation.kind {
            Kind::Provide => self.store_all(operation, &result, lookup_end_us),
            Kind::Lookup | Kind::Retrieve => lookup_end_us,
        };
        self.push(end_us, event.operation, What::End);
        self.operations
            .push(self.row(operation, Some(end_us), &result));
        let result = result.iter().map(|known| self.ids[known.node]);
        self.results.push(Some(result.collect()));
    }
}
