//! Rows of operations in the reference simulator, of those that ended and those that were cut off.

use kadsim_engine::operation::Ending;
use kadsim_engine::record::{Kind, OperationRow};

use kadsim_systems::rules::Procedure;

use super::operation::most_in_result;
use super::{Known, Node, Reference, Running};

impl Reference {
    /// Cuts off the operations of a phase: columns of events after the cut become null.
    pub(super) fn cut_off(
        &mut self,
        running: &[Running],
        (phase, number): (usize, u32),
        cut_us: u64,
    ) {
        let rows = self.operations.iter_mut().zip(&mut self.results);
        for (row, result) in rows.filter(|(row, _)| row.phase == number) {
            if row.end_us > Some(cut_us) {
                (row.end_us, row.store_us, row.found) = (None, None, None);
                (row.holder, row.stored, row.store_failed) = (None, None, None);
                row.ending = Ending::CutOff;
                let ended = running.iter().find(|o| o.planned.number == row.operation);
                row.late -= ended.unwrap().store_late;
            }
            if row.lookup_us > Some(cut_us - row.start_us) {
                (row.lookup_us, row.recall, *result) = (None, None, None);
            }
        }
        for operation in running
            .iter()
            .filter(|o| o.phase == phase && o.is_started && !o.is_over())
        {
            let row = self.row(operation, (None, Ending::CutOff), &[]);
            self.operations.push(row);
            self.results.push(None);
        }
    }

    /// Returns the row of an operation. `result` is empty until its lookup has ended, `end_us` is `None` until the
    /// operation has.
    pub(super) fn row(
        &self,
        operation: &Running,
        (end_us, ending): (Option<u64>, Ending),
        result: &[Known],
    ) -> OperationRow {
        let is_done = ending == Ending::Done;
        let provided = operation.kind == Kind::Provide && is_done;
        let retrieved = operation.kind == Kind::Retrieve && is_done;
        let lookup_end_us = operation.lookup_end_us;
        // The depth of a walk without a result is its number of rounds.
        let rounds = lookup_end_us.map_or(0, |_| operation.rounds);
        let deepest = result.iter().map(|known| known.depth).max();
        let deepest = deepest.unwrap_or(rounds);
        OperationRow {
            network: 0,
            phase: operation.number,
            operation: operation.planned.number,
            kind: operation.kind,
            origin: self.ids[operation.origin],
            key: operation.planned.key.0,
            due_us: operation.planned.due_us,
            start_us: operation.start_us,
            end_us,
            attempts: operation.attempts,
            completed: operation.succeeded + operation.failed,
            succeeded: operation.succeeded,
            failed: operation.failed,
            abandoned: operation.in_flight,
            depth: operation.holder.map_or(deepest, |(_, depth)| depth),
            known: match self.rules.procedure {
                Procedure::Rfm19 => operation.heard.len() as u32,
                Procedure::Iterative | Procedure::PyDht => operation.known.len() as u32,
            },
            recall: self.recall(operation, result),
            found: retrieved.then_some(operation.holder.is_some()),
            holder: operation
                .holder
                .filter(|_| is_done)
                .map(|(node, _)| self.ids[node]),
            stored: provided.then_some(operation.stored),
            store_failed: provided.then_some(operation.store_failed),
            lookup_us: lookup_end_us.map(|end_us| end_us - operation.start_us),
            store_us: end_us
                .zip(lookup_end_us)
                .filter(|_| provided)
                .map(|(end_us, lookup_end_us)| end_us - lookup_end_us),
            ending,
            // As `stored` and `store_failed`, stores count once all have completed.
            late: operation.late + if provided { operation.store_late } else { 0 },
            stale_contacts: operation.stale,
            // What nodes hold later does not matter to the rows of frozen records.
            holders_online: None,
        }
    }

    /// Returns the network's beta closest nodes that answer at `at_us`, by a full sort.
    pub(super) fn true_closest(&self, key: u64, at_us: u64) -> Vec<Node> {
        let mut truth: Vec<Node> = (0..self.keys.len())
            .filter(|&node| self.answers(node, at_us))
            .collect();
        truth.sort_unstable_by_key(|&node| self.keys[node] ^ key);
        truth.truncate(most_in_result(&self.rules, self.k));
        truth
    }

    /// Returns the share of the network's beta closest nodes that answer at the lookup's end which are in the result, if it
    /// is defined.
    fn recall(&self, operation: &Running, result: &[Known]) -> Option<f32> {
        let at_us = operation.lookup_end_us?;
        let truth = self.true_closest(operation.planned.key.0, at_us);
        let mut online = (0..self.keys.len()).filter(|&node| self.answers(node, at_us));
        let is_alone = online.all(|node| node == operation.origin);
        // A walk ends with the first of the closest nodes that it reaches.
        let stops_early = operation.holder.is_some() || operation.met.is_some();
        if is_alone || stops_early {
            return None;
        }
        let hits = truth
            .iter()
            .filter(|&&node| result.iter().any(|known| known.node == node))
            .count();
        Some(hits as f32 / truth.len() as f32)
    }
}
