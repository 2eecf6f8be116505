//! Republishing: the origin of a record provides it again.

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::record::Kind;

use crate::events::{Errand, Timer, Worker};

impl Worker<'_> {
    /// A node has begun to provide a key at `published_us`: it does so again a period later.
    pub fn note_provide(&mut self, origin: Row, key: Key, published_us: u64, now_us: u64) {
        let Some(every_us) = self.work.view.living.republish_us else {
            return;
        };
        let last_us = self.chunk.provided_us.entry((origin, key)).or_default();
        *last_us = published_us.max(*last_us);
        let due_us = last_us.saturating_add(every_us).max(now_us);
        let set_us = self.chunk.timers_us.get(&(origin, Timer::Republish));
        if set_us.is_none_or(|&set_us| due_us < set_us) {
            self.set_timer(origin, Timer::Republish, due_us);
        }
    }

    /// Provides again what is due.
    pub fn republish(&mut self, node: Row, now_us: u64) {
        let Some(every_us) = self.work.view.living.republish_us else {
            return;
        };
        let keys = (node, Key(0))..=(node, Key(u64::MAX));
        let own = self.chunk.provided_us.range_mut(keys);
        let mut due = Vec::new();
        let mut next_us = u64::MAX;
        for (&(_, key), last_us) in own {
            if last_us.saturating_add(every_us) <= now_us {
                *last_us = now_us;
                due.push(key);
            }
            next_us = next_us.min(last_us.saturating_add(every_us));
        }
        for key in due {
            self.maintain(node, Kind::Provide, key, Errand::Republish, now_us);
        }
        if next_us < u64::MAX {
            self.set_timer(node, Timer::Republish, next_us);
        }
    }
}
