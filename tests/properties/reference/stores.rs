//! Stores in the reference simulator: which node holds which segment from when.

use kadsim_engine::record::{Outcome, Request};
use kadsim_systems::rules::Procedure;

use super::contact::Outgoing;
use super::{Known, Node, Reference, Running};

impl Reference {
    /// Returns whether a node holds the key at `arrives_us`, when a request reaches it whose answer is back at `back_us`.
    pub(super) fn holds(&mut self, node: Node, key: u64, arrives_us: u64, back_us: u64) -> bool {
        let stores = self.known_stores.as_ref().unwrap_or(&self.visible_us);
        let Some(&visible_us) = stores.get(&(node, key)) else {
            return false;
        };
        self.seen.ties += usize::from(visible_us == arrives_us);
        self.seen.early += usize::from(arrives_us < visible_us && visible_us <= back_us);
        visible_us <= arrives_us
    }

    /// Stores the key at a node, from `arrives_us` on.
    pub(super) fn store(&mut self, node: Node, key: u64, arrives_us: u64) {
        let visible_us = self.visible_us.entry((node, key)).or_insert(arrives_us);
        *visible_us = arrives_us.min(*visible_us);
    }

    /// Stores the segment of a provide, whose lookup ended at `lookup_end_us`, at the nodes of its result. Returns when
    /// the last store completes, µs.
    pub(super) fn store_all(
        &mut self,
        operation: &mut Running,
        result: &[Known],
        lookup_end_us: u64,
    ) -> u64 {
        let by_clock = self.rules.procedure != Procedure::PyDht;
        // Contacts of an operation evaluated whole carry its start as their time.
        let sent_us = if by_clock {
            lookup_end_us
        } else {
            operation.start_us
        };
        let mut end_us = lookup_end_us;
        let (key, mut sequence) = (operation.planned.key.0, operation.attempts);
        for known in result {
            let remote = known.node;
            if by_clock && remote == operation.origin {
                operation.stored += 1;
                self.own_stores.push((operation.number, lookup_end_us));
                self.store(remote, key, lookup_end_us);
                continue;
            }
            let outgoing = Outgoing {
                time_us: sent_us,
                sequence,
                remote,
                request: Request::Store,
                origin_us: self.charge(operation.origin, sent_us),
            };
            let (fate, total_us) = self.send(operation, outgoing);
            sequence += 1;
            let completes_us = lookup_end_us + total_us;
            end_us = end_us.max(completes_us);
            if fate.outcome == Outcome::Ok {
                operation.stored += 1;
                self.store(remote, key, completes_us - fate.base_delay_us);
            } else {
                operation.store_failed += 1;
            }
        }
        end_us
    }
}
