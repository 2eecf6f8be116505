//! What nodes learn from traffic: buckets change when their owner hears from a node, hears of it, or a contact fails.

use kadsim_engine::node::Row;
use kadsim_engine::record::Outcome;
use kadsim_engine::routing::live::{Failed, Heard, PingFailed};

use super::event::ContactKind;
use super::worker::Worker;

/// Most pings in flight of a node to nodes that it learns if they answer (go-libp2p-kad-dht, `dht.go`).
const VERIFYING_MAX: usize = 256;

impl Worker<'_> {
    /// A node has received a request.
    pub fn hear_asker(&mut self, owner: Row, asker: Row, now_us: u64) {
        let maintenance = self.work.maintenance;
        if !maintenance.learn_asker || !self.may_be_learned(asker) {
            return;
        }
        if maintenance.verify && self.would_append(owner, asker) {
            return self.verify(owner, asker, now_us);
        }
        self.hear(owner, asker, now_us);
    }

    /// A node has received an answer.
    pub fn hear_answerer(&mut self, owner: Row, remote: Row, now_us: u64) {
        if self.work.maintenance.learn_answerer {
            self.hear(owner, remote, now_us);
        }
    }

    /// An answer has named a node.
    pub fn hear_of(&mut self, owner: Row, named: Row, now_us: u64) {
        if named == owner || !self.may_be_learned(named) {
            return;
        }
        if self.work.maintenance.verify && self.has_room(owner, named) {
            return self.verify(owner, named, now_us);
        }
        let heard = self.bucket(owner, named).name(named);
        self.count_heard(heard, now_us);
    }

    /// Returns whether a node may stand in a table: all servers may, and clients that are not known to be clients.
    pub fn may_be_learned(&self, node: Row) -> bool {
        !self.work.maintenance.clients_known
            || self
                .work
                .view
                .in_time
                .makeup
                .is_server(self.owner(node).key)
    }

    fn would_append(&mut self, owner: Row, node: Row) -> bool {
        let rules = &self.work.maintenance.table;
        self.bucket(owner, node).would_append(node, rules)
    }

    fn has_room(&mut self, owner: Row, node: Row) -> bool {
        self.bucket(owner, node).has_room_for(node)
    }

    /// A node has heard from another one.
    fn hear(&mut self, owner: Row, node: Row, now_us: u64) {
        let rules = &self.work.maintenance.table;
        let heard = self.bucket(owner, node).hear(node, now_us, rules);
        self.count_heard(heard, now_us);
        if let Heard::Pinging(oldest) = heard {
            self.ping(owner, oldest, ContactKind::Oldest { waiting: node }, now_us);
        }
    }

    fn count_heard(&mut self, heard: Heard, now_us: u64) {
        match heard {
            Heard::Appended => self.tick(now_us).learned += 1,
            Heard::Replaced => {
                let tick = self.tick(now_us);
                tick.learned += 1;
                tick.evicted += 1;
            }
            Heard::Refreshed | Heard::Pinging(_) | Heard::Kept | Heard::Dropped => {}
        }
    }

    /// Pings a node that is learned if it answers, unless too many such pings are in flight.
    fn verify(&mut self, owner: Row, node: Row, now_us: u64) {
        let pinged = self.chunk.verifying.entry(owner).or_default();
        if pinged.contains(&node) || pinged.len() >= VERIFYING_MAX {
            return;
        }
        pinged.push(node);
        self.ping(owner, node, ContactKind::Verify, now_us);
    }

    /// The ping of a node that is learned if it answers is over.
    pub fn verified(&mut self, owner: Row, node: Row, outcome: Outcome, now_us: u64) {
        if let Some(pinged) = self.chunk.verifying.get_mut(&owner) {
            pinged.retain(|&other| other != node);
        }
        match outcome {
            Outcome::Ok => self.hear(owner, node, now_us),
            _ => self.fail(owner, node, outcome, now_us),
        }
    }

    /// Returns whether a contact that ended so is a failure of the remote.
    fn is_failure(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Ok => false,
            Outcome::NotFound | Outcome::Late => true,
            Outcome::FastError | Outcome::SlowError => self.work.maintenance.errors_count,
        }
    }

    /// A contact to a node has failed.
    pub fn fail(&mut self, owner: Row, node: Row, outcome: Outcome, now_us: u64) {
        if !self.is_failure(outcome) {
            return;
        }
        let rules = &self.work.maintenance.table;
        let mut choice = self.next_choice(owner);
        let mut is_chosen = false;
        let failed = self.bucket(owner, node).fail(node, now_us, rules, |count| {
            is_chosen = true;
            choice.below(count as u64) as usize
        });
        self.node(owner).choices += u32::from(is_chosen);
        match failed {
            Failed::Unknown | Failed::Counted => {}
            Failed::Evicted => self.tick(now_us).evicted += 1,
            Failed::Replaced => {
                let tick = self.tick(now_us);
                tick.evicted += 1;
                tick.learned += 1;
            }
        }
    }

    /// The ping of a full bucket's least recently heard entry is over.
    pub fn oldest_pinged(
        &mut self,
        owner: Row,
        oldest: Row,
        waiting: Row,
        outcome: Outcome,
        now_us: u64,
    ) {
        let is_failure = self.is_failure(outcome);
        let mut bucket = self.bucket(owner, oldest);
        if is_failure {
            let PingFailed { evicted, appended } = bucket.ping_failed(oldest, waiting, now_us);
            let tick = self.tick(now_us);
            tick.evicted += u64::from(evicted);
            tick.learned += u64::from(appended);
        } else if outcome != Outcome::Ok {
            bucket.ping_over();
        } else if !bucket.pinged(oldest, now_us) {
            self.hear_answerer(owner, oldest, now_us);
        }
    }
}
