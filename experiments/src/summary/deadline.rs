//! Counts operations and origins that are done by a deadline.
//!
//! An operation is in time if it has ended by the deadline, which counts from its due time or from the run's start. A
//! retrieve must have found its segment too. An origin is in time if all of its operations are.

use std::collections::HashMap;

use kadsim_engine::record::{Kind, OperationRow};
use serde_json::{Map, Value};

use super::share::Share;
use crate::file::{DeadlineFrom, milliseconds};

/// Counts for one deadline of a phase, over all networks.
#[derive(Clone)]
pub(super) struct Deadline {
    deadline_us: u64,
    from: DeadlineFrom,
    /// Operations in time, of all planned ones.
    operations: Share,
    /// Origins with all of their operations in time, of all origins.
    origins: Share,
    /// Origins of the current network.
    tallies: HashMap<i64, Tally>,
}

/// Counts of the operations of an origin.
#[derive(Clone, Default)]
struct Tally {
    in_time: u64,
    /// Recorded operations, those that were cut off included.
    recorded: u64,
    /// Planned operations. Counted only for phases that were cut off.
    planned: u64,
}

impl Deadline {
    pub(super) fn new(deadline_us: u64, from: DeadlineFrom) -> Self {
        Self {
            deadline_us,
            from,
            operations: Share::default(),
            origins: Share::default(),
            tallies: HashMap::new(),
        }
    }

    /// Counts an operation of a network whose run starts at `first_us`.
    pub(super) fn operation(&mut self, row: &OperationRow, first_us: u64) {
        let is_done = row.kind != Kind::Retrieve || row.found == Some(true);
        let from_us = match self.from {
            DeadlineFrom::Due => row.due_us,
            DeadlineFrom::Run => first_us,
        };
        let in_time = is_done
            && row
                .end_us
                .is_some_and(|end_us| end_us - from_us <= self.deadline_us);
        self.operations.part += u64::from(in_time);
        let tally = self.tallies.entry(row.origin).or_default();
        tally.recorded += 1;
        tally.in_time += u64::from(in_time);
    }

    /// Counts a planned operation of this origin, in a phase that was cut off.
    pub(super) fn plan(&mut self, origin: i64) {
        self.tallies.entry(origin).or_default().planned += 1;
    }

    /// Ends the phase in a network. `planned` is its number of operations.
    pub(super) fn end_phase(&mut self, planned: u64) {
        self.operations.whole += planned;
        for (_, tally) in self.tallies.drain() {
            self.origins
                .count(tally.in_time == tally.recorded.max(tally.planned));
        }
    }

    /// Moves the counts of `other`, whose phase has ended, into this one.
    pub(super) fn take(&mut self, other: &mut Self) {
        self.operations.take(&mut other.operations);
        self.origins.take(&mut other.origins);
    }

    /// Returns the end of its metrics' names where a phase has several deadlines: the deadline in milliseconds.
    pub(super) fn suffix(&self) -> String {
        format!(".{}", milliseconds(self.deadline_us))
    }

    pub(super) fn write(&self, phase: &str, suffix: &str, json: &mut Map<String, Value>) {
        for (metric, share) in [
            ("in_time", &self.operations),
            ("origins_in_time", &self.origins),
        ] {
            json.insert(format!("{phase}.{metric}{suffix}"), share.value());
        }
    }
}
