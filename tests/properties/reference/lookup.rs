//! The lookup by the clock in the reference simulator, and how an operation starts and ends.

use kadsim_engine::operation::Ending;
use kadsim_engine::record::{Kind, Outcome};
use kadsim_systems::rules::Procedure;

use super::contact::Completed;
use super::{Event, Known, Node, Reference, Running, Status, What};

impl Reference {
    /// Returns whether the procedure handles contacts at the time they complete.
    pub(super) fn is_by_clock(&self) -> bool {
        match self.rules.procedure {
            Procedure::Iterative | Procedure::Rfm19 => true,
            Procedure::PyDht => false,
        }
    }

    /// Returns the nodes that a table names for a key.
    pub(super) fn closest(&self, mut table: Vec<Node>, key: u64) -> Vec<Node> {
        table.sort_unstable_by_key(|&entry| self.keys[entry] ^ key);
        table.truncate(self.answer);
        table
    }

    /// Starts an operation.
    pub(super) fn start(&mut self, operation: &mut Running, event: Event) {
        operation.start_us = event.time_us;
        operation.is_started = true;
        let (origin, key) = (operation.origin, operation.planned.key.0);
        let by_clock = self.is_by_clock();
        let now_us = event.time_us;
        let Some(stay) = self.stay(origin, now_us) else {
            let ending = match operation.planned.lacks_origin {
                true => Ending::NoOrigin,
                false => Ending::OriginOffline,
            };
            return self.end_early(operation, (now_us, ending), &[], event);
        };
        assert!(!operation.planned.lacks_origin, "{:?}", operation.planned);
        operation.leaves_us = stay.until_us;
        let own = Completed {
            distance: 0,
            outcome: Outcome::Ok,
            acts_us: now_us,
            stored_us: now_us,
            back_us: now_us,
        };
        if by_clock && operation.kind == Kind::Retrieve && self.holds(origin, key, &own) {
            operation.holder = Some((origin, 0));
            self.end(operation, event);
            return;
        }
        if by_clock && stay.until_us < u64::MAX {
            self.push(stay.until_us, event.operation, What::Leave);
        }
        match self.rules.procedure {
            Procedure::Iterative | Procedure::PyDht => {}
            Procedure::Rfm19 => return self.walk(operation, event),
        }
        operation.origin_overhead_us = self.charge(origin, event.time_us);
        let table = self.table(origin, now_us, now_us + 1);
        let own = self.closest(table, key);
        self.begin_with(operation, &own);
        if !by_clock {
            let time_us = event.time_us + self.evaluate(operation);
            return self.end(operation, Event { time_us, ..event });
        }
        self.fill(operation, event);
        if operation.in_flight == 0 {
            self.end(operation, event);
        }
    }

    /// Lets a lookup begin with these nodes.
    pub(super) fn begin_with(&self, operation: &mut Running, own: &[Node]) {
        for &node in own {
            let known = Known {
                node,
                depth: 1,
                status: Status::Candidate,
            };
            let distance = self.keys[node] ^ operation.planned.key.0;
            operation.known.insert(distance, known);
        }
    }

    /// Keeps alpha contacts in flight.
    fn fill(&mut self, operation: &mut Running, event: Event) {
        while operation.may_send(&self.rules) {
            let Some(contacted) = self.contact_nearest(operation, event.time_us) else {
                return;
            };
            self.await_completion(operation, event, contacted);
        }
    }

    /// Counts a contact that has completed, and adds its answer to what is known.
    pub(super) fn take(&mut self, operation: &mut Running, completed: Completed) {
        let remote = operation.known[&completed.distance].node;
        let named = match completed.outcome {
            Outcome::Ok => {
                let table = self.table(remote, completed.acts_us, completed.acts_us);
                self.closest(table, operation.planned.key.0)
            }
            _ => Vec::new(),
        };
        self.take_answer(operation, completed, &named);
    }

    /// Counts a contact that has completed, and adds the nodes that its answer names to what is known.
    pub(super) fn take_answer(
        &mut self,
        operation: &mut Running,
        completed: Completed,
        named: &[Node],
    ) {
        let distance = completed.distance;
        operation.in_flight -= 1;
        let contacted = operation.known[&distance];
        if completed.outcome == Outcome::Ok {
            operation.succeeded += 1;
            operation.set_status(distance, Status::Answered);
            if operation.follow_up.is_none() {
                self.join(operation, contacted, named);
            }
            let key = operation.planned.key.0;
            if operation.kind == Kind::Retrieve && self.holds(contacted.node, key, &completed) {
                operation.holder = Some((contacted.node, contacted.depth));
            }
        } else {
            operation.count_failure(completed.outcome);
            operation.set_status(distance, Status::Failed);
        }
    }

    /// Handles a contact that completes, and sends the contacts that follow from it or ends the lookup.
    pub(super) fn handle(&mut self, operation: &mut Running, event: Event) {
        let What::Contact { sequence } = event.what else {
            unreachable!("contacts are handled");
        };
        let completed = operation.sent[&sequence];
        match self.rules.procedure {
            Procedure::Iterative | Procedure::PyDht => {}
            Procedure::Rfm19 => return self.handle_in_round(operation, event, completed),
        }
        self.take(operation, completed);
        operation.stalled.remove(&sequence);
        let is_stopped = operation.is_stopped(&self.rules, self.k);
        if !is_stopped {
            self.fill(operation, event);
        }
        if is_stopped || operation.in_flight == 0 {
            self.end(operation, event);
        }
    }

    /// Sends another contact for one that stalls.
    pub(super) fn stall(&mut self, operation: &mut Running, event: Event, sequence: u32) {
        let status = operation.known[&operation.sent[&sequence].distance].status;
        if status == Status::InFlight {
            operation.stalled.insert(sequence);
            self.fill(operation, event);
        }
    }

    /// Adds the answer of a contacted node to what is known.
    fn join(&self, operation: &mut Running, contacted: Known, named: &[Node]) {
        let key = operation.planned.key.0;
        let farthest = *operation.known.keys().next_back().unwrap();
        let mut progress = false;
        for &node in named {
            let distance = self.keys[node] ^ key;
            if operation.known.contains_key(&distance) {
                continue;
            }
            progress |= distance < farthest;
            let status = if self.is_by_clock() && node == operation.origin {
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
        let result: Vec<Known> = match self.rules.procedure {
            Procedure::Rfm19 => operation.met.into_iter().collect(),
            Procedure::Iterative | Procedure::PyDht => operation.result(&self.rules, self.k),
        };
        let end_us = match operation.kind {
            // A lookup that is evaluated whole may end after its origin has left.
            Kind::Provide if lookup_end_us < operation.leaves_us => {
                self.store_all(operation, &result, lookup_end_us)
            }
            _ => lookup_end_us,
        };
        let time_us = operation.leaves_us;
        let cut_us = self.phases[operation.phase].cut_us;
        let is_cut_before = cut_us.is_some_and(|cut_us| cut_us < time_us);
        if time_us <= end_us && !is_cut_before {
            return self.end_early(operation, (time_us, Ending::OriginLeft), &result, event);
        }
        self.push(end_us, event.operation, What::End);
        let row = self.row(operation, (Some(end_us), Ending::Done), &result);
        self.operations.push(row);
        let result = result.iter().map(|known| self.ids[known.node]);
        self.results.push(Some(result.collect()));
    }

    /// Ends an operation whose origin leaves.
    pub(super) fn leave(&mut self, operation: &mut Running, event: Event) {
        let left = (event.time_us, Ending::OriginLeft);
        self.end_early(operation, left, &[], event);
    }

    /// Ends an operation that has not come to its end. Of what its lookup has found only the depth remains.
    fn end_early(
        &mut self,
        operation: &mut Running,
        (end_us, ending): (u64, Ending),
        found: &[Known],
        event: Event,
    ) {
        operation.has_left = true;
        operation.lookup_end_us = None;
        self.push(end_us, event.operation, What::End);
        let row = self.row(operation, (Some(end_us), ending), found);
        self.operations.push(row);
        self.results.push(None);
    }
}
