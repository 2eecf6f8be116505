//! An operation under way in the reference simulator.

use std::collections::{BTreeMap, BTreeSet};

use kadsim_engine::operation::Planned;
use kadsim_engine::record::{Kind, Outcome};
use kadsim_systems::rules::{Rules, Stop};

use super::contact::Completed;
use super::{Node, Phase};

/// What an operation knows of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Candidate,
    InFlight,
    Answered,
    Failed,
    Origin,
}

/// A node that an operation knows.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub node: Node,
    pub depth: u32,
    pub status: Status,
}

/// An operation under way.
pub struct Running {
    /// Index of its phase among those that run.
    pub phase: usize,
    pub number: u32,
    pub kind: Kind,
    pub planned: Planned,
    pub origin: Node,
    pub start_us: u64,
    pub is_admitted: bool,
    pub is_started: bool,
    /// When its origin leaves, µs.
    pub leaves_us: u64,
    /// Whether it has ended before its lookup has.
    pub has_left: bool,
    /// By distance from the key.
    pub known: BTreeMap<u64, Known>,
    /// Distances of the nodes that a follow-up asks or waits for, once it has begun.
    pub follow_up: Option<BTreeSet<u64>>,
    /// Numbers of the contacts in flight that have stalled.
    pub stalled: BTreeSet<u32>,
    /// In a walk in rounds: the nodes asked in this round.
    pub round: BTreeMap<u64, Known>,
    /// In a walk: all nodes named.
    pub heard: BTreeSet<Node>,
    /// In a walk: the number of the last round with an answer or a failure.
    pub rounds: u32,
    /// In a walk: the node that ended it.
    pub met: Option<Known>,
    /// Contacts of the lookup by their sequence, as they complete.
    pub sent: BTreeMap<u32, Completed>,
    pub in_flight: u32,
    pub idle_steps: u32,
    pub origin_overhead_us: u64,
    pub attempts: u32,
    pub succeeded: u32,
    pub failed: u32,
    /// Contacts handled whose answer came too late.
    pub late: u32,
    /// Contacts handled that failed because the remote did not answer.
    pub stale: u32,
    /// The node that had the value of a retrieve, and its depth.
    pub holder: Option<(Node, u32)>,
    pub lookup_end_us: Option<u64>,
    pub stored: u32,
    pub store_failed: u32,
    /// Stores whose answer came too late.
    pub store_late: u32,
}

impl Running {
    pub fn new(planned: Planned, phase: usize, described: &Phase) -> Self {
        Self {
            phase,
            number: described.number,
            ..Self::of(planned, described.kind)
        }
    }

    /// Returns an operation of no phase.
    pub fn of(planned: Planned, kind: Kind) -> Self {
        Self {
            phase: usize::MAX,
            number: u32::MAX,
            kind,
            planned,
            origin: planned.origin.index(),
            start_us: 0,
            is_admitted: false,
            is_started: false,
            leaves_us: u64::MAX,
            has_left: false,
            known: BTreeMap::new(),
            follow_up: None,
            stalled: BTreeSet::new(),
            round: BTreeMap::new(),
            heard: BTreeSet::new(),
            rounds: 0,
            met: None,
            sent: BTreeMap::new(),
            in_flight: 0,
            idle_steps: 0,
            origin_overhead_us: 0,
            attempts: 0,
            succeeded: 0,
            failed: 0,
            late: 0,
            stale: 0,
            holder: None,
            lookup_end_us: None,
            stored: 0,
            store_failed: 0,
            store_late: 0,
        }
    }

    /// Returns whether its lookup has ended or been given up, so that contacts still in flight are abandoned.
    pub fn is_over(&self) -> bool {
        self.lookup_end_us.is_some() || self.has_left
    }

    /// Counts a contact handled that failed.
    pub fn count_failure(&mut self, outcome: Outcome) {
        self.failed += 1;
        self.late += u32::from(outcome == Outcome::Late);
        self.stale += u32::from(outcome == Outcome::NotFound);
    }

    /// Marks the nearest candidate that the lookup may contact as in flight. Returns its distance and the node.
    pub fn take_nearest(&mut self) -> Option<(u64, Node)> {
        let follow_up = &self.follow_up;
        let may_be_asked = |distance| follow_up.as_ref().is_none_or(|all| all.contains(distance));
        let mut known = self.known.iter_mut();
        let (&distance, known) = known.find(|(distance, known)| {
            known.status == Status::Candidate && may_be_asked(distance)
        })?;
        known.status = Status::InFlight;
        self.attempts += 1;
        self.in_flight += 1;
        Some((distance, known.node))
    }

    /// Returns whether it may send another contact.
    pub fn may_send(&self, rules: &Rules) -> bool {
        let waits_for = self.in_flight - self.stalled.len() as u32;
        self.follow_up.is_some() || waits_for < rules.alpha
    }

    /// Returns whether its lookup has found a value, or ends by its stop rule. A lookup with a follow-up begins it first, which
    /// asks the `k` closest nodes.
    pub fn is_stopped(&mut self, rules: &Rules, k: usize) -> bool {
        if self.holder.is_some() {
            return true;
        }
        match rules.stop {
            Stop::NoProgress => self.idle_steps == rules.steps_to_stop,
            Stop::ClosestAnswered => self.have_closest_answered(rules.beta as usize),
            Stop::FollowUp => {
                if self.follow_up.is_none() && self.have_closest_answered(rules.beta as usize) {
                    let closest = self.without_failed().take(k);
                    self.follow_up = Some(closest.map(|(distance, _)| distance).collect());
                }
                let Some(asked) = &self.follow_up else {
                    return false;
                };
                let over = [Status::Answered, Status::Failed];
                let mut asked = asked.iter().map(|distance| self.known[distance].status);
                asked.all(|status| over.contains(&status))
            }
        }
    }

    /// Returns whether the closest nodes have answered, those that failed left out.
    fn have_closest_answered(&self, closest: usize) -> bool {
        let mut closest = self.without_failed().take(closest);
        closest.all(|(_, known)| known.status == Status::Answered)
    }

    /// Returns the known nodes but the origin and those that failed, with their distances.
    fn without_failed(&self) -> impl Iterator<Item = (u64, &Known)> {
        let left_out = [Status::Failed, Status::Origin];
        let known = self
            .known
            .iter()
            .map(|(&distance, known)| (distance, known));
        known.filter(move |(_, known)| !left_out.contains(&known.status))
    }

    /// Returns the result of its lookup, unless that is a walk.
    pub fn result(&self, rules: &Rules, k: usize) -> Vec<Known> {
        let counts = |(distance, known): &(&u64, &Known)| match (rules.stop, &self.follow_up) {
            (Stop::NoProgress, _) => true,
            (_, None) => known.status != Status::Failed,
            (_, Some(asked)) => match known.status {
                Status::Answered => asked.contains(distance),
                // The origin is no node to ask, and may be nearer than one of the nodes asked.
                Status::Origin => asked.len() < k || asked.last() > Some(*distance),
                _ => false,
            },
        };
        let closest = self.known.iter().filter(counts);
        let most = most_in_result(rules, k);
        closest.take(most).map(|(_, known)| *known).collect()
    }

    pub fn set_status(&mut self, distance: u64, status: Status) {
        if let Some(known) = self.known.get_mut(&distance) {
            known.status = status;
        }
    }
}

/// Returns the number of nodes in a result.
pub fn most_in_result(rules: &Rules, k: usize) -> usize {
    match rules.stop {
        Stop::FollowUp => k,
        _ => rules.beta as usize,
    }
}
