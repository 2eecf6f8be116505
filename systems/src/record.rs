//! Writes down what happened in a step: rows of the ticks, operations and connections tables.
//!
//! Rows wait in [`Recorded`] until whoever drives the network takes them, in the order of the tables: all
//! that a window can bring has happened when it is recorded.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use hdrhistogram::Histogram;

use kadsim_engine::ids::Ids;
use kadsim_engine::key::Key;
use kadsim_engine::node::Nodes;
use kadsim_engine::operation::{Operation, Operations, Stage};
use kadsim_engine::record::{ConnectionRow, Kind, OperationRow, TickRow};

use crate::advance::Outboxes;
use crate::connection::{Ended, Reads, Sent, TickCounts};
use crate::settle::Sends;
use crate::step::{Activity, Window};

/// Rows that nobody has taken yet, and ticks that are not over.
#[derive(Resource, Default)]
pub struct Recorded {
    /// Which network this is, for the tables.
    pub network: u32,
    /// Which phase, for the tables.
    pub phase: u32,
    /// Whether operations carry their result lists.
    pub results: bool,
    /// Rows of the operations table.
    pub operations: Vec<OperationRow>,
    /// Result lists of the operations, one after the other, if wanted.
    pub result_ids: Vec<Vec<i64>>,
    /// Rows of the ticks table.
    pub ticks: Vec<TickRow>,
    /// Rows of the connections table.
    pub connections: Vec<ConnectionRow>,
    /// When the last operation of the phase ended, µs.
    pub last_end_us: u64,
    /// What answers have read, if that is counted, since the start.
    pub reads: Reads,
    /// Connections sent in the last step.
    pub connections_sent: u64,
    /// Operations that have ended, while others may still end before them.
    ended: Vec<Ended>,
    /// When the first of them ended, µs.
    first_end_us: Option<u64>,
    /// Those of them that become rows now; empty but then.
    over: Vec<Ended>,
    /// Their places by (end, operation); empty but then.
    order: Vec<(u64, u64, u32)>,
    /// Ticks that are not over.
    open: BTreeMap<u64, TickCounts>,
    active: u64,
}

impl Recorded {
    /// Whether there is no row to take.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.ticks.is_empty() && self.connections.is_empty()
    }

    /// Forgets the rows, which have been taken.
    pub fn clear(&mut self) {
        self.operations.clear();
        self.result_ids.clear();
        self.ticks.clear();
        self.connections.clear();
    }

    /// Closes every tick that ends by `until_us`.
    pub fn close_ticks(&mut self, until_us: u64, tick_us: u64, online: u64) {
        while let Some(tick) = self.open.first_entry() {
            if tick.key().saturating_add(1).saturating_mul(tick_us) > until_us {
                return;
            }
            let (tick, mut counts) = tick.remove_entry();
            let finished = counts.durations_us.len() as u64;
            self.active = self.active + counts.started - finished;
            let [ok, fast_error, slow_error, not_found] = counts.outcomes;
            self.ticks.push(TickRow {
                network: self.network,
                phase: self.phase,
                tick,
                time_us: tick * tick_us,
                online,
                active: self.active,
                started: counts.started,
                finished,
                connections: counts.outcomes.iter().sum(),
                ok,
                fast_error,
                slow_error,
                not_found,
                stored: counts.stored,
                found: counts.found,
                missed: counts.missed,
                duration_us: percentiles(&mut counts.durations_us),
            });
        }
    }

    /// Starts a phase: nothing is in flight.
    pub fn begin_phase(&mut self, phase: u32, now_us: u64) {
        self.phase = phase;
        // Single operations follow one another within a tick: what is open counts on from the last one.
        if self.open.is_empty() {
            self.active = 0;
        }
        self.last_end_us = now_us;
    }

    /// Writes the rows of the operations that ended before `until_us`, in order.
    fn close_operations(&mut self, until_us: u64) {
        if self.first_end_us.is_none_or(|end_us| end_us >= until_us) {
            return;
        }
        let is_over = |ended: &mut Ended| ended.end_us < until_us;
        self.over.extend(self.ended.extract_if(.., is_over));
        self.first_end_us = self.ended.iter().map(|ended| ended.end_us).min();
        // Places are sorted rather than rows, which are ten times as large.
        let places = self.over.iter().zip(0..);
        self.order
            .extend(places.map(|(ended, place)| (ended.end_us, ended.row.operation, place)));
        self.order.sort_unstable();
        for (_, _, place) in self.order.drain(..) {
            let ended = &mut self.over[place as usize];
            self.operations.push(ended.row);
            if self.results {
                self.result_ids.push(std::mem::take(&mut ended.result));
            }
        }
        self.over.clear();
    }

    /// The operation as it ended, or as it was cut off.
    pub fn row(
        &self,
        operation: &Operation,
        cut_us: Option<u64>,
        ids: &Ids,
        keys: &[Key],
    ) -> Ended {
        let result = if self.results {
            let result = operation.result.iter();
            result.map(|&row| ids.id(row, keys)).collect()
        } else {
            Vec::new()
        };
        Ended {
            row: operation_row((self.network, self.phase), operation, cut_us, ids, keys),
            result,
            origin: operation.origin,
            end_us: operation.end_us,
        }
    }
}

/// Nearest-rank 50th, 90th and 99th percentile, µs; from many durations by a histogram with a relative
/// error of at most 0.1 %.
fn percentiles(durations_us: &mut [u64]) -> Option<[u64; 3]> {
    const EXACT: usize = 1 << 16;
    let ranks = [0.50, 0.90, 0.99];
    if durations_us.is_empty() {
        return None;
    }
    if durations_us.len() > EXACT
        && let Ok(mut histogram) = Histogram::<u64>::new(3)
    {
        let recorded = durations_us
            .iter()
            .try_for_each(|&duration| histogram.record(duration));
        debug_assert!(recorded.is_ok());
        return Some(ranks.map(|rank| histogram.value_at_quantile(rank)));
    }
    durations_us.sort_unstable();
    let n = durations_us.len();
    Some([50, 90, 99].map(|rank| durations_us[(n * rank).div_ceil(100).max(1) - 1]))
}

/// The operation as a row of its table; `cut_us`: it has not ended, but was cut off then.
fn operation_row(
    (network, phase): (u32, u32),
    operation: &Operation,
    cut_us: Option<u64>,
    ids: &Ids,
    keys: &[Key],
) -> OperationRow {
    let ended = cut_us.is_none();
    let has_looked_up = match operation.stage {
        Stage::Planned | Stage::Lookup => false,
        Stage::Closing => cut_us.is_none_or(|cut_us| operation.lookup_end_us <= cut_us),
        Stage::Ended => true,
    };
    let provided = operation.kind == Kind::Provide && ended;
    OperationRow {
        network,
        phase,
        operation: operation.number,
        kind: operation.kind,
        origin: ids.id(operation.origin, keys),
        key: operation.key.0,
        due_us: operation.due_us,
        start_us: operation.start_us,
        end_us: ended.then_some(operation.end_us),
        attempts: operation.attempts,
        completed: operation.completed(),
        succeeded: operation.succeeded,
        failed: operation.failed,
        abandoned: operation.abandoned + operation.in_flight.len() as u32,
        depth: u32::from(operation.depth),
        known: operation.shortlist.len() as u32,
        recall: operation.recall.filter(|_| has_looked_up),
        found: (ended && operation.kind == Kind::Retrieve).then_some(operation.holder.is_some()),
        holder: operation
            .holder
            .filter(|_| ended)
            .map(|row| ids.id(row, keys)),
        stored: provided.then_some(operation.stored),
        store_failed: provided.then_some(operation.store_failed),
        lookup_us: has_looked_up.then(|| operation.lookup_end_us - operation.start_us),
        store_us: provided.then(|| operation.end_us - operation.lookup_end_us),
    }
}

/// The system.
pub fn record_step(
    nodes: Nodes,
    ids: Res<Ids>,
    activity: Res<Activity>,
    window: Res<Window>,
    mut outboxes: ResMut<Outboxes>,
    sends: Res<Sends>,
    mut recorded: ResMut<Recorded>,
) {
    let keys = nodes.columns().keys;
    recorded.connections_sent = 0;
    for out in outboxes.iter_mut() {
        for ended in &out.ended {
            recorded.last_end_us = ended.end_us.max(recorded.last_end_us);
            let first_us = recorded.first_end_us.unwrap_or(u64::MAX);
            recorded.first_end_us = Some(ended.end_us.min(first_us));
        }
        recorded.ended.append(&mut out.ended);
        recorded.reads.answers += out.reads.answers;
        recorded.reads.entries += out.answer.read;
        recorded.reads.lines += out.reads.lines;
        for (tick, counts) in out.ticks.iter_mut() {
            recorded.connections_sent += counts.outcomes.iter().sum::<u64>();
            recorded.open.entry(tick).or_default().add(counts);
        }
    }
    recorded.close_operations(window.settled_us);
    recorded.close_ticks(window.settled_us, window.tick_us, activity.online);
    if activity.connections {
        let (network, phase) = (recorded.network, recorded.phase);
        for send in &sends.0 {
            let Sent::Contact {
                to,
                request,
                fate,
                overhead_us,
            } = send.what
            else {
                continue;
            };
            recorded.connections.push(ConnectionRow {
                network,
                phase,
                operation: send.operation,
                sequence: send.sequence,
                time_us: send.time_us,
                from: ids.id(send.from, keys),
                to: ids.id(to, keys),
                request,
                outcome: fate.outcome,
                base_delay_us: fate.base_delay_us,
                origin_overhead_us: overhead_us.0,
                remote_overhead_us: overhead_us.1,
                total_delay_us: fate.total_us(overhead_us),
            });
        }
    }
}

/// The system that ends a phase, at `now_us`: what is open is written, operations in flight are cut off.
pub fn end_phase(
    In(now_us): In<u64>,
    nodes: Nodes,
    ids: Res<Ids>,
    activity: Res<Activity>,
    window: Res<Window>,
    operations: Res<Operations>,
    mut recorded: ResMut<Recorded>,
) {
    recorded.close_operations(u64::MAX);
    recorded.close_ticks(u64::MAX, window.tick_us, activity.online);
    let mut running: Vec<&Operation> = operations.slots().iter().collect();
    running.sort_unstable_by_key(|operation| operation.number);
    for operation in running {
        let cut = recorded.row(operation, Some(now_us), &ids, nodes.columns().keys);
        recorded.operations.push(cut.row);
        if recorded.results {
            recorded.result_ids.push(cut.result);
        }
    }
}
