//! Refresh: lookups that keep buckets full.

use kadsim_engine::key::{BucketIndex, Key};
use kadsim_engine::node::Row;
use kadsim_engine::population::Owner;
use kadsim_engine::record::{Kind, Purpose};

use super::chain::{Rest, in_range};
use super::{Refresh, Refreshed};
use crate::events::{Errand, Timer, Worker};

impl Worker<'_> {
    /// A lookup of a node has begun: the bucket that its key falls in is not idle.
    pub fn note_lookup(&mut self, owner: Owner, key: Key, now_us: u64) {
        let Some(every_us) = self.idle_refresh_us() else {
            return;
        };
        let bucket = owner.key.bucket_of(key);
        let Some(bucket) = bucket.or_else(|| self.tables.deepest(owner.row)) else {
            return;
        };
        // No node is in the range of a deeper bucket, so that bucket is never refreshed.
        if bucket.index() < self.tables.buckets(owner.row) {
            let index = self.tables.first_bucket(owner.row) + bucket.index();
            self.chunk.idle_us[index] = now_us.saturating_add(every_us);
        }
    }

    /// Returns the period after which idle buckets are refreshed, µs, if they are.
    pub fn idle_refresh_us(&self) -> Option<u64> {
        let maintenance = self.work.maintenance;
        let refresh = maintenance
            .refresh
            .filter(|_| maintenance.has_idle_refresh());
        refresh.map(|refresh| refresh.every_us)
    }

    /// Looks up a key of each bucket that has been idle for a period.
    pub fn refresh_idle(&mut self, node: Row, now_us: u64) {
        let Some(Refresh { every_us, own, .. }) = self.work.maintenance.refresh else {
            return;
        };
        let owner = self.owner(node);
        let (first, buckets) = (self.tables.first_bucket(node), self.tables.buckets(node));
        for index in 0..buckets {
            if self.chunk.idle_us[first + index] > now_us {
                continue;
            }
            self.chunk.idle_us[first + index] = now_us.saturating_add(every_us);
            let bucket = BucketIndex::new(index as u32);
            let Some(deepest) = self.tables.deepest(node) else {
                continue;
            };
            if bucket < deepest {
                let random = self.random_key(owner);
                let key = in_range(owner.key, bucket, random);
                self.maintain(node, Kind::Lookup, key, Errand::Refresh, now_us);
            } else if bucket == deepest && own {
                self.maintain(node, Kind::Lookup, owner.key, Errand::Refresh, now_us);
            }
        }
        self.set_idle_timer(node);
    }

    /// Sets the timer to the time at which the first bucket is due.
    pub fn set_idle_timer(&mut self, node: Row) {
        let (first, buckets) = (self.tables.first_bucket(node), self.tables.buckets(node));
        let due_us = self.chunk.idle_us[first..first + buckets].iter().min();
        if let Some(&due_us) = due_us {
            self.set_timer(node, Timer::IdleBuckets, due_us);
        }
    }

    /// Refreshes the whole table, unless that is still under way since the last time.
    pub fn refresh_table(&mut self, node: Row, now_us: u64) {
        let Some(Refresh { what, every_us, .. }) = self.work.maintenance.refresh else {
            return;
        };
        self.set_timer(node, Timer::WholeTable, now_us.saturating_add(every_us));
        if self.chunk.chains.contains_key(&(node, Purpose::Refresh)) {
            return;
        }
        let rest = match what {
            Refreshed::Idle => return,
            Refreshed::All => Rest::Buckets(0),
            Refreshed::Random(count) => Rest::Random(count),
        };
        self.begin_chain(node, Purpose::Refresh, rest, 0, now_us);
    }

    /// Makes the table anew from full knowledge.
    pub fn renew(&mut self, node: Row, now_us: u64) {
        if let Some(every_us) = self.work.view.living.aging.renewal_us {
            self.fill(node, now_us);
            self.set_timer(node, Timer::Renewal, now_us.saturating_add(every_us));
        }
    }
}
