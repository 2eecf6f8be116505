//! Checks: pings that find entries whose node has gone.

use kadsim_engine::node::Row;

use super::{Check, Checked};
use crate::events::{ContactKind, Timer, Worker};

impl Worker<'_> {
    /// Pings the entries that are to be checked now.
    pub fn check(&mut self, node: Row, now_us: u64) {
        let Some(Check { what, every_us }) = self.work.maintenance.check else {
            return;
        };
        self.set_timer(node, Timer::Check, now_us.saturating_add(every_us));
        let buckets = 0..self.tables.buckets(node);
        let mut entries = Vec::new();
        buckets.for_each(|bucket| entries.extend_from_slice(self.tables.entries(node, bucket)));
        if entries.is_empty() {
            return;
        }
        match what {
            Checked::Idle { idle_us } => entries.retain(|entry| entry.is_idle(idle_us, now_us)),
            Checked::Oldest => {
                let oldest = entries.iter().min_by_key(|entry| entry.heard_s());
                entries = oldest.copied().into_iter().collect();
            }
            Checked::Random => {
                let chosen = self.choose(node, entries.len());
                entries = vec![entries[chosen]];
            }
        }
        for entry in entries {
            self.ping(node, entry.row(), ContactKind::Check, now_us);
        }
    }
}
