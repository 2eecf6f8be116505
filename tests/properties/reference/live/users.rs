//! Operations of users: which may start, and how they end.

use kadsim_engine::operation::{Ending, Planned};
use kadsim_engine::record::{Kind, OperationRow};

use super::LiveReference;
use super::contacts::Purpose;
use super::event::{Event, What};
use super::lookups::Operation;
use crate::properties::reference::Node;

impl LiveReference {
    /// Lets an operation of a user be due now, or at its time.
    pub(super) fn await_start(&mut self, planned: Planned, time_us: u64) {
        self.push(Event {
            time_us,
            what: What::Start,
            operation: planned.number,
            sequence: 0,
            node: planned.origin.index(),
        });
    }

    /// Takes a permit for an operation that is due, if there is a limit. Returns whether it must wait for one instead.
    pub(super) fn must_wait(&mut self, phase: usize, planned: Planned) -> bool {
        let Some(parallel) = self.phases[phase].described.parallel else {
            return false;
        };
        if self.admitted.remove(&planned.number) {
            return false;
        }
        let limited = (phase, planned.origin.index());
        let taken = self.taken.entry(limited).or_default();
        if *taken == parallel {
            let waiting = self.waiting.entry(limited).or_default();
            waiting.push_back(planned);
            return true;
        }
        *taken += 1;
        false
    }

    /// Passes the permit of an ended operation to the one of its origin that has waited longest.
    fn admit_next(&mut self, phase: usize, origin: Node) {
        let limited = (phase, origin);
        let waiting = self.waiting.get_mut(&limited);
        if let Some(next) = waiting.and_then(std::collections::VecDeque::pop_front) {
            self.admitted.insert(next.number);
            self.await_start(next, self.now_us);
        } else if let Some(taken) = self.taken.get_mut(&limited) {
            *taken -= 1;
        }
    }

    /// Ends an operation that has come to its end.
    pub(super) fn finish(&mut self, number: u64) {
        let operation = self.operations.remove(&number).unwrap();
        let row = self.row(&operation, Some(self.now_us), Ending::Done);
        self.record(&operation, row, true);
        self.count_end(&operation);
    }

    /// Ends an operation that has not come to its end. Of what its lookup has found only the depth remains.
    pub(super) fn end_early(&mut self, mut operation: Operation, ending: Ending) {
        operation.running.has_left = true;
        operation.running.lookup_end_us = None;
        let row = self.row(&operation, Some(self.now_us), ending);
        self.record(&operation, row, false);
        self.count_end(&operation);
    }

    /// Cuts off the operations of a phase.
    pub(super) fn cut_off(&mut self, phase: usize) {
        let is_cut = |_: &u64, operation: &mut Operation| {
            operation.purpose == Purpose::User && operation.running.phase == phase
        };
        let cut: Vec<(u64, Operation)> = self.operations.extract_if(.., is_cut).collect();
        for (_, operation) in cut {
            let row = self.row(&operation, None, Ending::CutOff);
            let has_result = operation.running.lookup_end_us.is_some();
            self.record(&operation, row, has_result);
        }
    }

    fn row(&self, operation: &Operation, end_us: Option<u64>, ending: Ending) -> OperationRow {
        let Operation {
            running, result, ..
        } = operation;
        self.base.row(running, (end_us, ending), result)
    }

    fn record(&mut self, operation: &Operation, row: OperationRow, has_result: bool) {
        self.base.operations.push(row);
        let ids = operation
            .result
            .iter()
            .map(|known| self.base.ids[known.node]);
        let result = has_result.then(|| ids.collect());
        self.base.results.push(result);
    }

    /// Counts the nodes online at the end of each operation of the run that hold what it provides or looks for, where records
    /// are looked after.
    pub(super) fn count_holders(&mut self) {
        if self.base.ttl_us.is_none() && self.rules.republish_us.is_none() {
            return;
        }
        let mut rows = std::mem::take(&mut self.base.operations);
        for row in &mut rows {
            let is_done = row.ending == Ending::Done && row.kind != Kind::Lookup;
            let end_us = row.end_us.filter(|_| is_done);
            row.holders_online = end_us.map(|end_us| {
                let stored = self.base.stored_us.iter();
                let of_key = stored.filter(|((_, key), _)| *key == row.key);
                let holds = of_key.filter(|((node, _), times_us)| {
                    self.base.is_online(*node, end_us)
                        && self.base.has_kept(*node, times_us, end_us, end_us)
                });
                holds.count() as u32
            });
        }
        self.base.operations = rows;
    }

    /// Counts an operation that has ended, and lets another one of its origin start.
    fn count_end(&mut self, operation: &Operation) {
        let (phase, origin) = (operation.running.phase, operation.running.origin);
        self.phases[phase].ended += 1;
        self.phases[phase].last_end_us = self.now_us;
        self.admit_next(phase, origin);
    }
}
