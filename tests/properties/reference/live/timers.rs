//! Timers of online nodes: refreshes, checks, renewals, and segments that are provided again.

use kadsim_engine::random::{Purpose as Draws, Stream};
use kadsim_engine::record::Kind;
use kadsim_systems::maintenance::{Check, Checked, Refresh, Refreshed};

use super::LiveReference;
use super::bucket::Entry;
use super::chain::{Then, key_of_range};
use super::contacts::{Ping, Purpose};
use super::event::{Event, Timer, What};
use crate::properties::reference::Node;
use crate::properties::reference::tables::Instant;

/// Numbers of timers in the draws of their phases; those of buckets are below 64.
const TABLE_TIMER: u64 = 64;
const CHECK_TIMER: u64 = 65;
/// The timer of renewals has the number that it has where tables follow from full knowledge alone.
const RENEWAL_TIMER: u64 = 0;

impl LiveReference {
    /// Sets a timer of a node's session. Nothing comes of it once the session has ended.
    pub(super) fn set_timer(&mut self, node: Node, timer: Timer, time_us: u64) {
        let session = self.nodes[node].session;
        self.push(Event {
            time_us,
            what: What::Timer(timer, session),
            operation: 0,
            sequence: 0,
            node,
        });
    }

    /// Sets the timers of a node that is there at the start, each at a random phase of its period, or that comes, each one
    /// period later.
    pub(super) fn set_timers(&mut self, node: Node, is_start: bool) {
        let (seed, key, now_us) = (self.base.seed, self.base.keys[node], self.now_us);
        let first_us = |timer: u64, period_us: u64| match is_start {
            true => Stream::new(seed, Draws::TimerPhase, key, timer).below(period_us),
            false => now_us + period_us,
        };
        let maintenance = self.maintenance();
        if let Some(Refresh { what, every_us, .. }) = maintenance.refresh {
            match what {
                Refreshed::Idle => {
                    for bucket in 0..64 {
                        let due_us = first_us(u64::from(bucket), every_us);
                        self.set_due(node, bucket, due_us);
                    }
                }
                Refreshed::All | Refreshed::Random(_) => {
                    self.set_timer(node, Timer::RefreshTable, first_us(TABLE_TIMER, every_us));
                }
            }
        }
        if let Some(Check { every_us, .. }) = maintenance.check {
            self.set_timer(node, Timer::Check, first_us(CHECK_TIMER, every_us));
        }
        if let Some(period_us) = self.rules.aging.renewal_us {
            self.set_timer(node, Timer::Renew, first_us(RENEWAL_TIMER, period_us));
        }
        for key in self.nodes[node].provides.clone().into_keys() {
            self.await_republication(node, key);
        }
    }

    /// A timer that was set in a session of the node goes off.
    pub(super) fn go_off(&mut self, node: Node, timer: Timer, session: u32) {
        if self.nodes[node].session != session {
            return;
        }
        match timer {
            Timer::RefreshBucket(bucket) => self.refresh_bucket(node, bucket),
            Timer::RefreshTable => self.refresh_table(node),
            Timer::Check => self.check(node),
            Timer::Republish(key) => self.republish(node, key),
            Timer::JoinAgain => self.join_again(node),
            Timer::Renew => {
                self.know_all(node, Instant::At(self.now_us));
                let period_us = self.rules.aging.renewal_us.unwrap();
                self.set_timer(node, Timer::Renew, self.now_us + period_us);
            }
        }
    }

    /// Returns the period of refreshes, if each bucket has its own.
    fn idle_refresh(&self) -> Option<Refresh> {
        let refresh = self.maintenance().refresh;
        refresh.filter(|refresh| refresh.what == Refreshed::Idle)
    }

    /// Lets a bucket be refreshed at `due_us`, and not before.
    fn set_due(&mut self, node: Node, bucket: u32, due_us: u64) {
        self.nodes[node].due_us[bucket as usize] = due_us;
        self.set_timer(node, Timer::RefreshBucket(bucket), due_us);
    }

    /// A lookup of a node begins: the bucket that its key falls in has seen one.
    pub(super) fn note_lookup(&mut self, node: Node, key: u64) {
        let Some(refresh) = self.idle_refresh() else {
            return;
        };
        let own = self.base.keys[node];
        let bucket = match key == own {
            true => self.nodes[node].table.deepest(),
            false => Some((key ^ own).leading_zeros()),
        };
        if let Some(bucket) = bucket {
            self.set_due(node, bucket, self.now_us + refresh.every_us);
        }
    }

    fn refresh_bucket(&mut self, node: Node, bucket: u32) {
        // A lookup since then has put it off.
        if self.nodes[node].due_us[bucket as usize] != self.now_us {
            return;
        }
        let refresh = self.idle_refresh().expect("buckets have timers");
        self.set_due(node, bucket, self.now_us + refresh.every_us);
        let own = self.base.keys[node];
        let deepest = self.nodes[node].table.deepest();
        let number = self.nodes[node].operations;
        let key = match deepest {
            Some(deepest) if bucket < deepest => {
                key_of_range(own, bucket, self.refresh_bits(node, number))
            }
            Some(deepest) if bucket == deepest && refresh.own => own,
            _ => return,
        };
        let id = self.next_operation(node);
        self.maintain(id, (node, key), Kind::Lookup, Purpose::Refresh, None);
    }

    fn refresh_table(&mut self, node: Node) {
        let refresh = self.maintenance().refresh.expect("the table has a timer");
        self.set_timer(node, Timer::RefreshTable, self.now_us + refresh.every_us);
        if self.nodes[node].is_refreshing {
            return;
        }
        self.nodes[node].is_refreshing = true;
        let then = match refresh.what {
            Refreshed::Random(count) => Then::Random(count),
            Refreshed::All | Refreshed::Idle => Then::Farther,
        };
        self.begin_chain(node, Purpose::Refresh, then);
    }

    fn check(&mut self, node: Node) {
        let check = self.maintenance().check.expect("checks have a timer");
        self.set_timer(node, Timer::Check, self.now_us + check.every_us);
        let entries: Vec<Entry> = self.nodes[node].table.entries().collect();
        let checked: Vec<Node> = match check.what {
            Checked::Idle { idle_us } => {
                let idle = entries
                    .iter()
                    .filter(|entry| entry.is_idle(self.now_us, idle_us));
                idle.map(|entry| entry.node).collect()
            }
            // Of equal ones the first counts.
            Checked::Oldest => {
                let oldest = entries.iter().min_by_key(|entry| entry.heard_s);
                oldest.map(|entry| entry.node).into_iter().collect()
            }
            Checked::Random if entries.is_empty() => Vec::new(),
            Checked::Random => {
                let place = self.choice(node).below(entries.len() as u64);
                self.nodes[node].choices += 1;
                vec![entries[place as usize].node]
            }
        };
        for entry in checked {
            self.ping(node, entry, Ping::Check);
        }
    }

    /// The lookup of a user's provide has ended: from now on its origin provides the segment again.
    pub(super) fn own(&mut self, node: Node, key: u64, started_us: u64) {
        let last_us = self.nodes[node].provides.entry(key).or_default();
        *last_us = started_us.max(*last_us);
        self.await_republication(node, key);
    }

    /// A provide begins. It puts off the next one of the segment, if its origin provides it again.
    pub(super) fn note_provide(&mut self, node: Node, key: u64) {
        if let Some(last_us) = self.nodes[node].provides.get_mut(&key) {
            *last_us = self.now_us;
            self.await_republication(node, key);
        }
    }

    /// Returns when a node is to provide a segment again.
    fn republication_us(&self, node: Node, key: u64) -> Option<u64> {
        let period_us = self.rules.republish_us?;
        Some(self.nodes[node].provides[&key] + period_us)
    }

    fn await_republication(&mut self, node: Node, key: u64) {
        if let Some(due_us) = self.republication_us(node, key) {
            self.set_timer(node, Timer::Republish(key), due_us.max(self.now_us));
        }
    }

    fn republish(&mut self, node: Node, key: u64) {
        // A provide since then has put it off.
        if self.republication_us(node, key) > Some(self.now_us) {
            return;
        }
        let id = self.next_operation(node);
        self.maintain(id, (node, key), Kind::Provide, Purpose::Republish, None);
    }
}
