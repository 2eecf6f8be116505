//! Stores in the reference simulator: which node holds which segment from when.

use std::collections::BTreeMap;

use kadsim_engine::record::{Outcome, Request};
use kadsim_engine::routing::OnLeaving;

use super::contact::{Completed, Outgoing};
use super::{Known, Node, Reference, Running};

impl Reference {
    /// Returns whether an answer contains the key, and counts how often the rules about stores matter.
    pub(super) fn holds(&mut self, node: Node, key: u64, answer: &Completed) -> bool {
        let Completed {
            acts_us,
            stored_us,
            back_us,
            ..
        } = *answer;
        let stores = self.known_stores.as_ref().unwrap_or(&self.stored_us);
        let Some(times_us) = stores.get(&(node, key)) else {
            return false;
        };
        let first_us = *times_us.keys().next().unwrap();
        let holds = self.has_kept(node, times_us, stored_us, acts_us);
        self.seen.ties += usize::from(times_us.contains_key(&stored_us));
        self.seen.early += usize::from(stored_us < first_us && first_us <= back_us);
        self.seen.lost += usize::from(!holds && first_us <= stored_us);
        holds
    }

    /// Returns whether a node still has, at `at_us`, what it stored at one of these times, up to `until_us`.
    pub(super) fn has_kept(
        &self,
        node: Node,
        times_us: &BTreeMap<u64, u64>,
        until_us: u64,
        at_us: u64,
    ) -> bool {
        let stored = times_us.range(..=until_us);
        let mut unexpired = stored.filter(|&(_, published_us)| {
            self.ttl_us
                .is_none_or(|ttl_us| at_us < published_us + ttl_us)
        });
        match self.records {
            OnLeaving::Kept => unexpired.next().is_some(),
            OnLeaving::Lost => {
                let stay = self.stay(node, at_us);
                unexpired.any(|(&stored_us, _)| stay.is_some_and(|stay| stay.holds(stored_us)))
            }
        }
    }

    /// Stores the key, published at `published_us`, at a node at `at_us`.
    pub(super) fn store(&mut self, node: Node, key: u64, at_us: u64, published_us: u64) {
        let times_us = self.stored_us.entry((node, key)).or_default();
        let published = times_us.entry(at_us).or_default();
        *published = published_us.max(*published);
    }

    /// Stores the segment of a provide, whose lookup ended at `lookup_end_us`, at the nodes of its result. Returns when
    /// the last store completes, µs.
    pub(super) fn store_all(
        &mut self,
        operation: &mut Running,
        result: &[Known],
        lookup_end_us: u64,
    ) -> u64 {
        let by_clock = self.is_by_clock();
        // Contacts of an operation evaluated whole carry its start as their time.
        let carried_us = if by_clock {
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
                self.store(remote, key, lookup_end_us, operation.start_us);
                continue;
            }
            let outgoing = Outgoing {
                time_us: lookup_end_us,
                carried_us,
                sequence,
                remote,
                request: Request::Store,
                origin_us: self.charge(operation.origin, carried_us),
            };
            let sent = self.send(operation, outgoing);
            sequence += 1;
            end_us = end_us.max(lookup_end_us + sent.total_us);
            match sent.outcome {
                Outcome::Ok => operation.stored += 1,
                outcome => {
                    operation.store_failed += 1;
                    operation.store_late += u32::from(outcome == Outcome::Late);
                }
            }
            // A remote whose answer comes too late has stored all the same.
            if let Some(acts_us) = sent.acts_us {
                self.store(remote, key, lookup_end_us + acts_us, operation.start_us);
            }
        }
        end_us
    }
}
