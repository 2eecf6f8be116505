//! The walk of RFM 19.1 in the reference simulator. Contacts have the code of the procedure by the clock.

use std::collections::BTreeMap;

use kadsim_engine::record::{Kind, Outcome};

use super::contact::Completed;
use super::{Event, Known, Node, Reference, Running, Status};

impl Reference {
    /// Starts a walk, and ends it if the origin is among the closest.
    pub(super) fn walk(&mut self, operation: &mut Running, event: Event) {
        let (origin, key) = (operation.origin, operation.planned.key.0);
        if self.true_closest(key, event.time_us).contains(&origin) {
            operation.met = Some(Known {
                node: origin,
                depth: 0,
                status: Status::Answered,
            });
            return self.end(operation, event);
        }
        operation.origin_overhead_us = self.charge(origin, event.time_us);
        let table = self.table(origin, event.time_us, event.time_us + 1);
        self.name(operation, origin, &table, 1);
        self.ask(operation, event, self.rules.alpha);
    }

    /// Contacts the `most` closest of the nodes that the last round named, all at the same time.
    fn ask(&mut self, operation: &mut Running, event: Event, most: u32) {
        while operation.in_flight < most
            && let Some(contacted) = self.contact_nearest(operation, event.time_us)
        {
            self.await_completion(operation, event, contacted);
        }
        if operation.in_flight == 0 {
            return self.end(operation, event);
        }
        operation.round = std::mem::take(&mut operation.known);
    }

    /// Handles a contact of the round that completes.
    pub(super) fn handle_in_round(
        &mut self,
        operation: &mut Running,
        event: Event,
        completed: Completed,
    ) {
        operation.in_flight -= 1;
        let (asked, key) = (
            operation.round[&completed.distance],
            operation.planned.key.0,
        );
        operation.rounds = asked.depth;
        if completed.outcome == Outcome::Ok {
            operation.succeeded += 1;
            let acts_us = completed.acts_us;
            let is_found =
                operation.kind == Kind::Retrieve && self.holds(asked.node, key, &completed);
            if is_found {
                operation.holder = Some((asked.node, asked.depth));
            }
            if is_found || self.true_closest(key, acts_us).contains(&asked.node) {
                operation.met = Some(asked);
                return self.end(operation, event);
            }
            let table = self.table(asked.node, acts_us, acts_us);
            self.name(operation, asked.node, &table, asked.depth + 1);
        } else {
            operation.count_failure(completed.outcome);
        }
        if operation.in_flight > 0 {
            return;
        }
        if asked.depth == 64 {
            return self.end(operation, event);
        }
        self.ask(operation, event, self.rules.beta);
    }

    /// Adds the nodes that a node names: those of its bucket for the key; if that is empty, of all deeper buckets; if they
    /// are empty too, of the nearest shallower bucket.
    fn name(&self, operation: &mut Running, node: Node, table: &[Node], depth: u32) {
        let key = operation.planned.key.0;
        let shared = |a: u64, b: u64| (a ^ b).leading_zeros();
        let mut buckets: BTreeMap<u32, Vec<Node>> = BTreeMap::new();
        for &entry in table {
            let bucket = shared(self.keys[entry], self.keys[node]);
            buckets.entry(bucket).or_default().push(entry);
        }
        let own = shared(self.keys[node], key);
        let mut named = buckets.get(&own).cloned().unwrap_or_default();
        if named.is_empty() {
            let deeper = buckets.range(own..);
            named = deeper.flat_map(|(_, bucket)| bucket.clone()).collect();
        }
        if named.is_empty() {
            let nearest = buckets.range(..own).next_back();
            named = nearest
                .map(|(_, bucket)| bucket.clone())
                .unwrap_or_default();
        }
        operation.heard.extend(&named);
        for node in named {
            let status = if node == operation.origin {
                Status::Origin
            } else {
                Status::Candidate
            };
            let known = Known {
                node,
                depth,
                status,
            };
            operation
                .known
                .entry(self.keys[node] ^ key)
                .or_insert(known);
        }
    }
}
