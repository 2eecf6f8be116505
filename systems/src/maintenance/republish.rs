//! Republishing: the origin of a record provides it again.

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::record::Kind;

use crate::events::{Errand, Timer, Worker};

impl Worker<'_> {
    /// A provide of a user has sent its stores: from now on its origin provides the record again, a period after the start of
    /// the last provide.
    pub fn own(&mut self, origin: Row, key: Key, started_us: u64, now_us: u64) {
        if self.work.view.living.republish_us.is_some() {
            let last_us = self.chunk.provided_us.entry((origin, key)).or_default();
            *last_us = started_us.max(*last_us);
            self.set_republish_timer(origin, now_us);
        }
    }

    /// A provide begins. It puts off the next one of the record.
    pub fn note_provide(&mut self, origin: Row, key: Key, now_us: u64) {
        if let Some(last_us) = self.chunk.provided_us.get_mut(&(origin, key)) {
            *last_us = now_us;
        }
    }

    /// Sets the timer to the time at which the first record is to be provided again, now if that has passed.
    pub fn set_republish_timer(&mut self, node: Row, now_us: u64) {
        let Some(every_us) = self.work.view.living.republish_us else {
            return;
        };
        let first_us = self.provided_by(node).map(|(_, last_us)| last_us).min();
        if let Some(first_us) = first_us {
            let due_us = first_us.saturating_add(every_us).max(now_us);
            self.set_timer(node, Timer::Republish, due_us);
        }
    }

    /// Returns the keys that a node provides again, with the start of the last provide, µs.
    fn provided_by(&self, node: Row) -> impl Iterator<Item = (Key, u64)> {
        let keys = (node, Key(0))..=(node, Key(u64::MAX));
        let own = self.chunk.provided_us.range(keys);
        own.map(|(&(_, key), &last_us)| (key, last_us))
    }

    /// Provides again what is due.
    pub fn republish(&mut self, node: Row, now_us: u64) {
        let Some(every_us) = self.work.view.living.republish_us else {
            return;
        };
        let own = self.provided_by(node);
        let due = own.filter(|(_, last_us)| last_us.saturating_add(every_us) <= now_us);
        let due: Vec<Key> = due.map(|(key, _)| key).collect();
        for key in due {
            self.maintain(node, Kind::Provide, key, Errand::Republish, now_us);
        }
        self.set_republish_timer(node, now_us);
    }
}
