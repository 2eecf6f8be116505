//! What networks whose tables traffic changes record: counts of ticks, and nodes at the end of a phase.

use kadsim_engine::random::{Permutation, Purpose as Draws, Stream};
use kadsim_engine::record::Outcome;
use kadsim_engine::routing::Freshness;

use super::LiveReference;
use super::bucket::Entry;
use super::contacts::{Contact, Purpose};
use crate::properties::reference::{Node, PhaseEnd};

/// Most nodes whose tables are counted.
const SAMPLE: u64 = 1000;

/// What happened in a tick of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickCounts {
    /// Contacts of users, stores included, by outcome, by the time of sending.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Contacts of maintenance, by the time of sending.
    pub maintenance: u64,
    /// Those of them that fail.
    pub maintenance_failed: u64,
    pub refresh: u64,
    pub join: u64,
    pub check: u64,
    pub republish: u64,
    /// Entries that came to a bucket.
    pub learned: u64,
    /// Entries that left a bucket.
    pub evicted: u64,
    /// Entries that nodes forgot when they left.
    pub wiped: u64,
    /// Nodes that came, and nodes that left.
    pub arrivals: u64,
    pub departures: u64,
    /// Number of the tables that were counted at the tick's end, and the sums over them.
    pub tables: Option<(u64, Freshness)>,
}

impl TickCounts {
    /// Adds the counts of another tick. How tables were is the later one's.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum += count;
        }
        self.maintenance += other.maintenance;
        self.maintenance_failed += other.maintenance_failed;
        self.refresh += other.refresh;
        self.join += other.join;
        self.check += other.check;
        self.republish += other.republish;
        self.learned += other.learned;
        self.evicted += other.evicted;
        self.wiped += other.wiped;
        self.arrivals += other.arrivals;
        self.departures += other.departures;
        self.tables = other.tables.or(self.tables);
    }
}

/// A node at the end of a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEnd {
    pub is_online: bool,
    /// Entries with the numbers of their buckets, by bucket and position.
    pub entries: Vec<(u32, Entry)>,
    /// Replacements with the numbers of their buckets, by bucket, the oldest first.
    pub replacements: Vec<(u32, Node)>,
    /// Its table, if it is online.
    pub freshness: Option<Freshness>,
    /// Requests for maintenance that it sent in the phase.
    pub maintenance_sent: u32,
    /// Requests for maintenance that have reached it in the phase.
    pub maintenance_received: u32,
    /// Segments that it holds.
    pub records: u32,
}

/// The end of a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveEnd {
    pub end: PhaseEnd,
    pub nodes: Vec<NodeEnd>,
}

impl LiveReference {
    /// Returns the counts of the tick of a phase that it is now.
    pub(super) fn tick_of(&mut self, phase: u32) -> &mut TickCounts {
        let tick = self.now_us / self.rules.tick_us;
        self.ticks.entry((phase, tick)).or_default()
    }

    /// Returns the phase that has started last, in flight or over; at the instant of its start that is the one before, if there
    /// is one. Joins come before all others.
    fn last_phase(&self) -> Option<u32> {
        let mut begun = self.begun.iter().rev();
        let last = begun.find(|(start_us, _)| *start_us < self.now_us);
        let first = self
            .begun
            .first()
            .filter(|(start_us, _)| *start_us == self.now_us);
        let joins = self.joins.as_ref().and_then(|joins| joins.phase);
        last.or(first).map(|&(_, phase)| phase).or(joins)
    }

    pub(super) fn count_arrival(&mut self) {
        self.count(|tick| tick.arrivals += 1);
    }

    pub(super) fn count_departure(&mut self) {
        self.count(|tick| tick.departures += 1);
    }

    /// Counts a request that arrives now.
    pub(super) fn count_received(&mut self, contact: &Contact) {
        if contact.purpose != Purpose::User
            && let Some(phase) = self.last_phase()
        {
            self.maintenance_of
                .entry((phase, contact.to))
                .or_default()
                .1 += 1;
        }
    }

    /// Counts something that no operation of a user does.
    fn count(&mut self, count: impl FnOnce(&mut TickCounts)) {
        if let Some(phase) = self.last_phase() {
            count(self.tick_of(phase));
        }
    }

    pub(super) fn count_learned(&mut self, entries: u64) {
        self.count(|tick| tick.learned += entries);
    }

    pub(super) fn count_evicted(&mut self, entries: u64) {
        self.count(|tick| tick.evicted += entries);
    }

    pub(super) fn count_wiped(&mut self, entries: u64) {
        self.count(|tick| tick.wiped += entries);
    }

    /// Counts a contact of maintenance that is sent now.
    pub(super) fn count_maintenance(&mut self, contact: &Contact, outcome: Outcome) {
        let Some(phase) = self.last_phase() else {
            return;
        };
        let of_sender = self.maintenance_of.entry((phase, contact.from));
        of_sender.or_default().0 += 1;
        let tick = self.tick_of(phase);
        tick.maintenance += 1;
        tick.maintenance_failed += u64::from(outcome != Outcome::Ok);
        match contact.purpose {
            Purpose::User => unreachable!("users maintain nothing"),
            Purpose::Refresh => tick.refresh += 1,
            Purpose::Join => tick.join += 1,
            Purpose::Check => tick.check += 1,
            Purpose::Republish => tick.republish += 1,
        }
    }

    /// Returns the number of entries of all tables.
    pub fn entries(&self) -> u64 {
        let tables = self.nodes.iter().map(|node| &node.table);
        tables.map(|table| table.entries().count() as u64).sum()
    }

    /// Returns the state of a node's table.
    pub fn freshness(&self, node: Node) -> Freshness {
        let table = &self.nodes[node].table;
        let answers = |other: Node| self.nodes[other].is_online && self.base.is_server[other];
        let mut ideal = [0; 64];
        for other in (0..self.nodes.len()).filter(|&other| other != node && answers(other)) {
            let shared = (self.base.keys[other] ^ self.base.keys[node]).leading_zeros();
            ideal[shared as usize] += 1;
        }
        let filled = table.0.iter().filter(|bucket| !bucket.entries.is_empty());
        Freshness {
            entries: table.entries().count() as u64,
            live: table.entries().filter(|entry| answers(entry.node)).count() as u64,
            ideal: ideal
                .iter()
                .map(|&count: &u64| count.min(self.base.k as u64))
                .sum(),
            buckets: filled.count() as u64,
        }
    }

    /// Counts the tables of the online nodes of a sample.
    fn count_tables(&self) -> (u64, Freshness) {
        let nodes = self.nodes.len() as u64;
        let draws = Stream::new(self.base.seed, Draws::Freshness, 0, 0);
        let order = Permutation::new(nodes, draws);
        let sample = (0..nodes.min(SAMPLE)).map(|place| order.apply(place) as Node);
        let online = sample.filter(|&node| self.nodes[node].is_online);
        online.fold((0, Freshness::default()), |(tables, sum), node| {
            (tables + 1, sum + self.freshness(node))
        })
    }

    /// Counts tables at the instants of a phase that are over before `before_us`, the phase's end among them.
    fn count_instants(&mut self, index: usize, end_us: Option<u64>, before_us: u64) {
        let tick_us = self.rules.tick_us;
        let Some(period_us) = self.rules.freshness_us else {
            return;
        };
        loop {
            let phase = &self.phases[index];
            let instant_us = phase.counted_us + period_us;
            let tick = instant_us / tick_us;
            let last_us = (tick + 1) * tick_us - 1;
            let is_over = match end_us {
                Some(end_us) => instant_us <= end_us,
                None => last_us < before_us,
            };
            if !is_over {
                return;
            }
            let number = phase.described.number;
            self.phases[index].counted_us = instant_us;
            let counted = self.count_tables();
            self.ticks.entry((number, tick)).or_default().tables = Some(counted);
        }
    }

    /// Ends the phases that are over before the next event, at `next_us`.
    pub(super) fn close_until(&mut self, next_us: u64) {
        for index in 0..self.phases.len() {
            if self.phases[index].is_over {
                continue;
            }
            let end_us = self.phases[index]
                .end_us()
                .filter(|&end_us| end_us < next_us);
            self.count_instants(index, end_us, next_us);
            if end_us.is_some() {
                self.phases[index].is_over = true;
                self.cut_off(index);
                self.end_phase(index);
            }
        }
    }

    fn end_phase(&mut self, index: usize) {
        let phase = self.phases[index].described.clone();
        let end = self.base.phase_end(&phase, &Default::default());
        let node = |(node, state): (Node, _)| self.node_end(phase.number, node, state);
        let states = end.nodes.iter().map(|state| state.segments);
        let nodes = states.enumerate().map(node).collect();
        self.base.ends.push(end.clone());
        self.ends.push(LiveEnd { end, nodes });
    }

    fn node_end(&self, phase: u32, node: Node, records: u32) -> NodeEnd {
        let one = &self.nodes[node];
        let buckets = || (0..).zip(&one.table.0);
        let entries = buckets().flat_map(|(number, bucket)| {
            let entries = bucket.entries.iter();
            entries.map(move |&entry| (number, entry))
        });
        let replacements = buckets().flat_map(|(number, bucket)| {
            let replacements = bucket.replacements.iter();
            replacements.map(move |&other| (number, other))
        });
        let (sent, received) = match self.maintenance_of.get(&(phase, node)) {
            Some(&counts) => counts,
            None => (0, 0),
        };
        NodeEnd {
            is_online: one.is_online,
            entries: entries.collect(),
            replacements: replacements.collect(),
            freshness: one.is_online.then(|| self.freshness(node)),
            maintenance_sent: sent,
            maintenance_received: received,
            records,
        }
    }
}
