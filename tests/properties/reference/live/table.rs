//! Routing tables that traffic changes, and the rules by which traffic changes them.

use kadsim_engine::random::{Purpose as Draws, Stream};
use kadsim_engine::record::Outcome;
use kadsim_systems::maintenance::Maintenance;

use super::LiveReference;
use super::bucket::{Bucket, Entry, Failed, Heard};
use super::contacts::Ping;
use crate::properties::reference::Node;
use crate::properties::reference::tables::Instant;

/// Most pings of a node that verify nodes at the same time.
const VERIFYING_MAX: usize = 256;

/// The routing table of a node: a bucket for each number of leading bits that its entries share with the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(pub Vec<Bucket>);

impl Default for Table {
    fn default() -> Self {
        Self(vec![Bucket::default(); 64])
    }
}

impl Table {
    /// Returns the entries, by bucket and position.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.0
            .iter()
            .flat_map(|bucket| bucket.entries.iter().copied())
    }

    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// Returns the bucket of the closest entry: the deepest that is not empty.
    pub fn deepest(&self) -> Option<u32> {
        let deepest = self.0.iter().rposition(|bucket| !bucket.entries.is_empty());
        deepest.map(|bucket| bucket as u32)
    }
}

impl LiveReference {
    /// Returns the bucket of a node's table that a key belongs to.
    fn bucket(&mut self, owner: Node, node: Node) -> &mut Bucket {
        let bucket = (self.base.keys[owner] ^ self.base.keys[node]).leading_zeros();
        &mut self.nodes[owner].table.0[bucket as usize]
    }

    pub(super) fn maintenance(&self) -> Maintenance {
        self.rules.maintenance.clone().unwrap_or_default()
    }

    /// Returns whether a node may learn another that asks it, or that is named to it.
    pub(super) fn may_learn(&self, node: Node) -> bool {
        self.base.is_server[node] || !self.rules.clients_known
    }

    /// Returns whether an answer names entries with failures.
    pub(super) fn names_failed(&self) -> bool {
        self.maintenance().table.names_failed
    }

    /// Returns the nodes that a table names for a key; those without failures alone, if the rules say so.
    pub(super) fn closest(&self, node: Node, key: u64, names_failed: bool) -> Vec<Node> {
        let entries = self.nodes[node].table.entries();
        let named = entries.filter(|entry| names_failed || entry.failures == 0);
        self.base
            .closest(named.map(|entry| entry.node).collect(), key)
    }

    /// A node got a request from another (T1).
    pub(super) fn hear_asker(&mut self, owner: Node, asker: Node) {
        let rules = self.maintenance();
        if !rules.learn_asker || !self.may_learn(asker) {
            return;
        }
        let k = self.base.k;
        let bucket = self.bucket(owner, asker);
        if rules.verify && bucket.would_append(&rules.table, k, asker) {
            return self.verify(owner, asker);
        }
        self.learn(owner, asker);
    }

    /// A node got an answer from another (T1).
    pub(super) fn hear_answerer(&mut self, owner: Node, answerer: Node) {
        if self.maintenance().learn_answerer {
            self.learn(owner, answerer);
        }
    }

    /// A node got an answer that names others (T4).
    pub(super) fn hear_named(&mut self, owner: Node, named: &[Node]) {
        let rules = self.maintenance();
        if !rules.learn_named {
            return;
        }
        let k = self.base.k;
        for &node in named {
            if node == owner || !self.may_learn(node) {
                continue;
            }
            let bucket = self.bucket(owner, node);
            if bucket.has(node) {
                continue;
            }
            if !bucket.has_room(k) {
                bucket.keep(&rules.table, node);
            } else if rules.verify {
                self.verify(owner, node);
            } else {
                bucket.append(Entry::never_heard(node));
                self.count_learned(1);
            }
        }
    }

    /// A node hears of another, without a ping that verifies it (T1 a to e).
    pub(super) fn learn(&mut self, owner: Node, node: Node) {
        assert_ne!(owner, node, "no node hears of itself");
        let (rules, k, now_us) = (self.maintenance(), self.base.k, self.now_us);
        match self
            .bucket(owner, node)
            .heard(&rules.table, k, node, now_us)
        {
            Heard::Renewed | Heard::NoEntry => {}
            Heard::Appended => self.count_learned(1),
            Heard::Replaced => {
                self.count_learned(1);
                self.count_evicted(1);
            }
            Heard::Ping(head) => self.ping(owner, head, Ping::Head),
        }
    }

    /// A node gets to know another without traffic.
    pub(super) fn know(&mut self, owner: Node, node: Node) {
        let (k, now_us) = (self.base.k, self.now_us);
        let bucket = self.bucket(owner, node);
        if !bucket.has(node) && bucket.has_room(k) {
            bucket.append(Entry::heard(node, now_us));
            self.count_learned(1);
        }
    }

    /// A node pings another before it learns it (T5).
    fn verify(&mut self, owner: Node, node: Node) {
        let verifying = &mut self.nodes[owner].verifying;
        if verifying.len() < VERIFYING_MAX && verifying.insert(node) {
            self.ping(owner, node, Ping::Verify);
        }
    }

    /// A ping of a node was answered, or failed.
    pub(super) fn pinged(&mut self, owner: Node, node: Node, ping: Ping, outcome: Outcome) {
        let is_answered = outcome == Outcome::Ok;
        match ping {
            Ping::Check if is_answered => self.hear_answerer(owner, node),
            Ping::Check => self.fail(owner, node, outcome),
            Ping::Verify => {
                self.nodes[owner].verifying.remove(&node);
                match is_answered {
                    true => self.learn(owner, node),
                    false => self.fail(owner, node, outcome),
                }
            }
            Ping::Head => self.head_pinged(owner, node, outcome),
        }
    }

    /// The least recently heard entry of a full bucket answered, or failed (T3).
    fn head_pinged(&mut self, owner: Node, head: Node, outcome: Outcome) {
        let (k, now_us) = (self.base.k, self.now_us);
        let counts = self.counts(outcome);
        let bucket = self.bucket(owner, head);
        let pinged = bucket
            .pinged
            .take()
            .expect("a ping of the head is in flight");
        assert_eq!(pinged.head, head);
        if outcome == Outcome::Ok {
            match bucket.has(head) {
                true => self.learn(owner, head),
                false => self.hear_answerer(owner, head),
            }
        } else if counts {
            let (evicted, learned) = bucket.head_failed(k, pinged, now_us);
            self.count_evicted(evicted);
            self.count_learned(learned);
        }
    }

    /// A contact of a node to another failed (T2).
    pub(super) fn fail(&mut self, owner: Node, node: Node, outcome: Outcome) {
        if !self.counts(outcome) {
            return;
        }
        let (rules, now_us) = (self.maintenance().table, self.now_us);
        // The draw counts only where one is made.
        let mut choice = self.choice(owner);
        let mut is_drawn = false;
        let pick = |count: usize| {
            is_drawn = true;
            choice.below(count as u64) as usize
        };
        let failed = self.bucket(owner, node).failed(&rules, node, now_us, pick);
        self.nodes[owner].choices += u64::from(is_drawn);
        match failed {
            Failed::Kept => {}
            Failed::Evicted => self.count_evicted(1),
            Failed::Replaced => {
                self.count_evicted(1);
                self.count_learned(1);
            }
        }
    }

    /// Returns whether a failure counts for the table.
    fn counts(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Ok => false,
            Outcome::NotFound | Outcome::Late => true,
            Outcome::FastError | Outcome::SlowError => self.maintenance().errors_count,
        }
    }

    /// Returns the draws of a node's next choice.
    pub(super) fn choice(&self, node: Node) -> Stream {
        let key = self.base.keys[node];
        Stream::new(self.base.seed, Draws::Choice, key, self.nodes[node].choices)
    }

    /// Makes a node's table what full knowledge of an instant makes it.
    pub(super) fn know_all(&mut self, node: Node, instant: Instant) {
        let mut entries = self.base.full_knowledge(node, instant);
        let key = self.base.keys[node];
        entries.sort_unstable_by_key(|&entry| self.base.keys[entry] ^ key);
        for bucket in &mut self.nodes[node].table.0 {
            bucket.entries.clear();
            bucket.replacements.clear();
        }
        let heard_us = match instant {
            Instant::Start => 0,
            Instant::At(at_us) => at_us,
        };
        for entry in entries {
            let entry = Entry::heard(entry, heard_us);
            self.bucket(node, entry.node).append(entry);
        }
    }
}
