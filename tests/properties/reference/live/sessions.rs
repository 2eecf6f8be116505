//! Nodes that leave, come and join.

use kadsim_engine::link::Delay;
use kadsim_engine::operation::Ending;
use kadsim_engine::random::{Purpose as Draws, Stream};
use kadsim_engine::routing::{Join, OnLeaving};
use kadsim_systems::maintenance::JoinRefresh;

use super::LiveReference;
use super::chain::Then;
use super::contacts::Purpose;
use super::event::{Event, What};
use super::table::Table;
use crate::properties::reference::Node;
use crate::properties::reference::tables::Instant;

/// Most draws for each node that a newcomer gets to know.
const DRAWS: usize = 64;

impl LiveReference {
    /// Lets the nodes begin: those that are there at the start have tables and timers. All others come later.
    pub(super) fn begin_lives(&mut self) {
        for node in 0..self.base.keys.len() {
            for stay in self.base.stays.clone()[node].iter() {
                let mut push = |time_us, what| {
                    self.push(Event {
                        time_us,
                        what,
                        operation: 0,
                        sequence: 0,
                        node,
                    });
                };
                if stay.until_us < u64::MAX {
                    push(stay.until_us, What::Leave);
                }
                if let Some(from_us) = stay.from_us {
                    push(from_us, What::Come);
                    continue;
                }
                self.nodes[node].is_online = true;
                if self.joins.is_none() {
                    self.know_all(node, Instant::Start);
                }
                self.set_timers(node, true);
            }
        }
    }

    /// A node leaves: what it has begun ends.
    pub(super) fn leave(&mut self, node: Node) {
        self.count_departure();
        let own =
            |_: &u64, operation: &mut super::lookups::Operation| operation.running.origin == node;
        let ended: Vec<_> = self.operations.extract_if(.., own).collect();
        for (_, operation) in ended {
            if operation.purpose == Purpose::User {
                self.end_early(operation, Ending::OriginLeft);
            }
        }
        let one = &mut self.nodes[node];
        assert!(one.is_online);
        one.is_online = false;
        one.session += 1;
        one.is_refreshing = false;
        one.verifying.clear();
        for bucket in &mut one.table.0 {
            bucket.pinged = None;
        }
        if self.rules.aging.table == OnLeaving::Lost {
            let wiped = one.table.entries().count() as u64;
            one.table = Table::default();
            self.count_wiped(wiped);
        }
    }

    /// A node comes.
    pub(super) fn come(&mut self, node: Node) {
        assert!(!self.nodes[node].is_online);
        self.count_arrival();
        self.nodes[node].is_online = true;
        self.nodes[node].retries = 0;
        self.set_timers(node, false);
        match self.rules.aging.join {
            _ if self.joining().is_some() => self.join(node),
            Join::Ideal => self.know_all(node, Instant::At(self.now_us)),
            Join::Protocol if self.rules.maintenance.is_some() => self.join(node),
            Join::Protocol | Join::None => {}
        }
    }

    /// A node begins to join by protocol.
    fn join(&mut self, node: Node) {
        if self.nodes[node].table.is_empty() {
            for known in self.newly_known(node) {
                self.know(node, known);
            }
        }
        let then = match self.maintenance().joining.refresh {
            JoinRefresh::Farther => Then::Farther,
            JoinRefresh::Own => Then::Nothing,
            JoinRefresh::Random(count) => Then::Random(count),
        };
        self.begin_chain(node, Purpose::Join, then);
    }

    /// A node whose lookup of its own key was not answered begins to join anew.
    pub(super) fn join_again(&mut self, node: Node) {
        self.nodes[node].retries += 1;
        self.join(node);
    }

    /// Returns the nodes that a node without entries gets to know.
    fn newly_known(&self, node: Node) -> Vec<Node> {
        if let Some(joins) = self.joining() {
            return vec![self.introducer(joins, node)];
        }
        let joining = self.maintenance().joining;
        if !joining.known.is_empty() {
            let known = joining.known.iter().map(|row| row.index());
            let known = known.filter(|&other| other != node && self.may_learn(other));
            return known.collect();
        }
        let one = &self.nodes[node];
        let part = u64::from(one.session) | u64::from(one.retries) << 32;
        let key = self.base.keys[node];
        let mut stream = Stream::new(self.base.seed, Draws::Known, key, part);
        let mut known = Vec::new();
        for _ in 0..joining.knows {
            for _ in 0..DRAWS {
                let other = stream.below(self.base.keys.len() as u64) as Node;
                let is_new = other != node && !known.contains(&other);
                if is_new && self.base.answers(other, self.now_us) {
                    known.push(other);
                    break;
                }
            }
        }
        known
    }

    /// Returns how long a node waits until it joins anew, µs.
    pub fn timeout_us(&self) -> u64 {
        match &self.base.links.uniform.timeout {
            Delay::Constant(timeout_us) => *timeout_us,
            varied => varied.longest().unwrap_or(1_000_000),
        }
    }
}
