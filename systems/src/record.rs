//! Writes down what happened in a step: rows of the ticks, operations and connections tables.
//!
//! Rows wait in [`Recorded`] until whoever drives the network takes them, in the order of the tables: all
//! that a window can bring has happened when it is recorded.

use std::collections::{BTreeMap, HashMap};

use bevy_ecs::prelude::*;
use hdrhistogram::Histogram;

use kadsim_engine::counts::Counts;
use kadsim_engine::ids::Ids;
use kadsim_engine::key::Key;
use kadsim_engine::node::{Nodes, Row};
use kadsim_engine::operation::{Operation, Operations, Stage};
use kadsim_engine::record::{ConnectionRow, Kind, OperationRow, Request, TickRow};
use kadsim_engine::time::LAST_US;

use crate::advance::Outboxes;
use crate::connection::{Ended, Reads, Sent, TickCounts};
use crate::out_of_time::OutOfTime;
use crate::phases::Phases;
use crate::settle::Sends;
use crate::step::{Activity, Window};
use crate::turns::Turns;

/// Rows that nobody has taken yet, and ticks that are not over.
#[derive(Resource, Default)]
pub struct Recorded {
    /// Which network this is, for the tables.
    pub network: u32,
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
    /// What answers have read, if that is counted, since the start.
    pub reads: Reads,
    /// Connections sent in the last step.
    pub connections_sent: u64,
    /// An operation whose connection takes longer than times go.
    pub out_of_time: Option<OutOfTime>,
    /// Operations that have ended, while others may still end before them.
    ended: Vec<Ended>,
    /// How many of them waited already when rows were last written.
    waited: usize,
    /// When the first of them ended, µs.
    first_end_us: Option<u64>,
    /// The places of those that become rows now, by (end, operation); empty but then.
    order: Vec<(u64, u64, u32)>,
    /// Ticks that are not over, by the place of the phase.
    open: Vec<OpenTicks>,
    /// Rows of ticks, until it is their phase's turn.
    closed: Turns<TickRow>,
}

/// Ticks of a phase that are not over, and what it has started.
#[derive(Default)]
struct OpenTicks {
    /// Number of the phase.
    phase: u32,
    ticks: BTreeMap<u64, TickCounts>,
    /// Operations in flight at the end of those that are over.
    active: u64,
    /// Operations by their origin: those that have a row.
    started: Counts,
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
        for place in 0..self.open.len() {
            self.close_ticks_at(place, until_us, tick_us, online);
        }
        self.closed.take(|_, row| self.ticks.push(row));
    }

    /// Closes every tick of the phase at a place that ends by `until_us`.
    fn close_ticks_at(&mut self, place: usize, until_us: u64, tick_us: u64, online: u64) {
        let OpenTicks {
            phase,
            ticks,
            active,
            ..
        } = &mut self.open[place];
        while let Some(tick) = ticks.first_entry() {
            if tick.key().saturating_add(1).saturating_mul(tick_us) > until_us {
                return;
            }
            let (tick, mut counts) = tick.remove_entry();
            let finished = counts.durations_us.len() as u64;
            *active = *active + counts.started - finished - counts.cut_off;
            let [ok, fast_error, slow_error, not_found] = counts.outcomes;
            let row = TickRow {
                network: self.network,
                phase: *phase,
                tick,
                time_us: tick * tick_us,
                online,
                active: *active,
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
            };
            self.closed.push(*phase, row);
        }
    }

    /// Number of places that phases in flight have had.
    pub fn places(&self) -> usize {
        self.open.len()
    }

    /// Starts a phase, of whose operations `started` is to count the origins: nothing of it is in flight.
    pub fn begin_phase(&mut self, place: u32, phase: u32, started: Counts) {
        let place = place as usize;
        if self.open.len() <= place {
            self.open.resize_with(place + 1, OpenTicks::default);
        }
        let open = &mut self.open[place];
        open.phase = phase;
        open.started = started;
        self.closed.begin(phase);
        // Single operations follow one another within a tick: what is open counts on from the last one.
        if open.ticks.is_empty() {
            open.active = 0;
        }
    }

    /// Takes out the operations by origin of the phase at a place, which has ended.
    pub fn take_started(&mut self, place: u32) -> Counts {
        std::mem::take(&mut self.open[place as usize].started)
    }

    /// Writes the rows of the operations that ended before `until_us`, in order; later, where only few have
    /// come to those that wait anyhow, so that these are not looked through again for each few.
    fn close_most_operations(&mut self, until_us: u64) {
        if 2 * (self.ended.len() - self.waited) >= self.waited {
            self.close_operations(until_us);
        }
    }

    /// Writes the rows of the operations that ended before `until_us`, in order.
    fn close_operations(&mut self, until_us: u64) {
        if self.first_end_us.is_none_or(|end_us| end_us >= until_us) {
            return;
        }
        // Places are sorted rather than rows, which are ten times as large and are not copied twice.
        let places = self.ended.iter().zip(0..);
        let over = places.filter(|(ended, _)| ended.end_us < until_us);
        self.order
            .extend(over.map(|(ended, place)| (ended.end_us, ended.row.operation, place)));
        self.order.sort_unstable();
        self.operations.reserve(self.order.len());
        for (_, _, place) in self.order.drain(..) {
            let ended = &mut self.ended[place as usize];
            self.operations.push(ended.row);
            if self.results {
                self.result_ids.push(std::mem::take(&mut ended.result));
            }
        }
        self.ended.retain(|ended| ended.end_us >= until_us);
        self.first_end_us = self.ended.iter().map(|ended| ended.end_us).min();
        self.waited = self.ended.len();
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
            row: operation_row(self.network, operation, cut_us, ids, keys),
            result,
            place: operation.place,
            origin: operation.origin,
            end_us: cut_us.unwrap_or(operation.end_us),
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
    network: u32,
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
        phase: operation.phase,
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
#[expect(
    clippy::too_many_arguments,
    reason = "a system's parameters are what it reads and writes"
)]
pub fn record_step(
    nodes: Nodes,
    ids: Res<Ids>,
    activity: Res<Activity>,
    window: Res<Window>,
    operations: Res<Operations>,
    sends: Res<Sends>,
    mut outboxes: ResMut<Outboxes>,
    mut phases: ResMut<Phases>,
    mut recorded: ResMut<Recorded>,
) {
    let recorded = &mut *recorded;
    let keys = nodes.columns().keys;
    recorded.connections_sent = 0;
    for out in outboxes.iter_mut() {
        for ended in &out.ended {
            phases.end(ended.place, ended.end_us);
            recorded.open[ended.place as usize]
                .started
                .add(ended.origin);
            let first_us = recorded.first_end_us.unwrap_or(u64::MAX);
            recorded.first_end_us = Some(ended.end_us.min(first_us));
        }
        recorded.ended.append(&mut out.ended);
        recorded.reads.answers += out.reads.answers;
        recorded.reads.entries += out.answer.read;
        recorded.reads.lines += out.reads.lines;
        for (ticks, open) in out.ticks.iter_mut().zip(&mut recorded.open) {
            for (tick, counts) in ticks.iter_mut() {
                recorded.connections_sent += counts.outcomes.iter().sum::<u64>();
                open.ticks.entry(tick).or_default().add(counts);
            }
        }
    }
    // Operations that are cut off stand among those that end at the same moment, and count in that tick.
    let cut_us = phases.first_cut_us().unwrap_or(u64::MAX);
    let settled_us = window.settled_us.min(cut_us);
    recorded.close_most_operations(settled_us);
    recorded.close_ticks(settled_us, window.tick_us, activity.online);
    if activity.connections {
        let network = recorded.network;
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
            let phase = operations.slots()[send.slot as usize].phase;
            let total_delay_us = fate.total_us(overhead_us);
            if total_delay_us > LAST_US {
                recorded.out_of_time.get_or_insert(OutOfTime {
                    phase,
                    operation: send.operation,
                });
            }
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
                total_delay_us,
            });
        }
    }
}

/// The system that ends the phase at a place, at `end_us`: what is in flight of it is cut off, what is open of it is
/// written. Another phase that is cut off at the same moment loses its operations too, for the rows of all stand in
/// the order of their numbers.
pub fn end_phase(
    In((place, end_us)): In<(u32, u64)>,
    nodes: Nodes,
    ids: Res<Ids>,
    activity: Res<Activity>,
    window: Res<Window>,
    mut operations: ResMut<Operations>,
    mut recorded: ResMut<Recorded>,
) {
    let recorded = &mut *recorded;
    let slots = operations.slots().iter().zip(0..);
    let cut: Vec<(&Operation, u32)> = slots
        .filter(|(operation, _)| operation.until_us == end_us + 1)
        .collect();
    for (operation, _) in &cut {
        let row = recorded.row(operation, Some(end_us), &ids, nodes.columns().keys);
        recorded.first_end_us = Some(recorded.first_end_us.map_or(end_us, |us| us.min(end_us)));
        recorded.ended.push(row);
        let open = &mut recorded.open[operation.place as usize];
        let tick = open.ticks.entry(end_us / window.tick_us).or_default();
        tick.cut_off += 1;
        open.started.add(operation.origin);
    }
    let free: Vec<u32> = cut.into_iter().map(|(_, slot)| slot).collect();
    // From the last one on: the slot that takes a freed one's place is not to be freed itself.
    free.into_iter()
        .rev()
        .for_each(|slot| operations.free(slot));
    recorded.close_operations(end_us + 1);
    recorded.close_ticks_at(place as usize, u64::MAX, window.tick_us, activity.online);
    recorded.closed.end(recorded.open[place as usize].phase);
    recorded.closed.take(|_, row| recorded.ticks.push(row));
}

/// How often the overhead of each node was charged after `end_us`, in the last step.
pub fn uses_after(sends: &Sends, end_us: u64) -> HashMap<Row, u32> {
    let mut uses = HashMap::new();
    let after = sends.0.iter().rev();
    for send in after.take_while(|send| send.time_us > end_us) {
        match send.what {
            Sent::Origin => *uses.entry(send.from).or_default() += 1,
            Sent::Contact { to, request, .. } => {
                *uses.entry(to).or_default() += 1;
                if request == Request::Store {
                    *uses.entry(send.from).or_default() += 1;
                }
            }
        }
    }
    uses
}
