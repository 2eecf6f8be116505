//! Records what happened in a step: rows of the ticks, operations and connections tables.
//!
//! [`Recorded`] keeps rows until the caller takes them, in the order of the tables. A window is recorded after all its
//! events have happened, so no later window adds a row before those recorded.

mod events;
pub mod phase_order;
mod rows;
mod ticks;

use std::collections::HashMap;
use std::sync::Arc;

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use kadsim_engine::counts::Counts;
use kadsim_engine::ids::Ids;
use kadsim_engine::node::Row;
use kadsim_engine::operation::Operations;
use kadsim_engine::record::{ConnectionRow, OperationRow, Request, TickRow};
use kadsim_engine::routing::TablesInTime;
use kadsim_engine::routing::live::LiveTables;
use kadsim_engine::slot::{OperationSlot, PhaseSlot};
use kadsim_engine::time::LAST_US;

use crate::barrier::charge::Sends;
use crate::events::Chunks;
use crate::halt::Halt;
use crate::in_time::InTime;
use crate::joining::JoinEnded;
use crate::outbox::{Outboxes, Reads, Send, Sent};
use crate::phases::Phases;
use crate::recording::Recording;
use crate::window::Window;

pub use events::record_events;
use phase_order::PhaseOrder;
pub use rows::Ended;
pub use ticks::Begun;
use ticks::{Basis, Living, OpenTicks, Until};

/// Number of operations from which on several threads make their rows.
const MANY: usize = 1024;

/// Rows that have not been taken yet, and ticks that have not ended.
#[derive(Resource, Default)]
pub struct Recorded {
    /// Rows of the operations table.
    pub operations: Vec<OperationRow>,
    /// Result lists of the operations, in the order of their rows, if results are recorded.
    pub result_ids: Vec<Option<Vec<i64>>>,
    /// Rows of the ticks table.
    pub ticks: Vec<TickRow>,
    /// Rows of the connections table.
    pub connections: Vec<ConnectionRow>,
    /// Reads of answers since the start, in an instrumented run.
    pub reads: Reads,
    /// Connections sent in the last step.
    pub connections_sent: u64,
    /// First operation with a connection that ends beyond the clock.
    pub halt: Option<Halt>,
    /// How the join of the last node has ended in the last step, where a network grows by joins.
    pub join_ended: Option<JoinEnded>,
    /// Operations that have ended, but whose rows wait because others may still end before them.
    ended: Vec<Ended>,
    /// Number of operations left in `ended` when rows were last made.
    waited: usize,
    /// End of the first operation in `ended`, in µs.
    first_end_us: Option<u64>,
    /// Slots of the operations that ended in the last step. Its memory is reused.
    slots: Vec<OperationSlot>,
    /// Indices into `ended` of the operations whose rows are made, with their (end, operation). Its memory is reused.
    order: Vec<(u64, u64, u32)>,
    /// No tick without a row ends before this time, µs.
    next_close_us: u64,
    /// Ticks that have not ended, by phase slot.
    open: Vec<OpenTicks>,
    /// Rows of ticks that wait for earlier phases.
    closed: PhaseOrder<TickRow>,
    /// Nodes whose routing tables are counted, in living runs.
    sample: Arc<[Row]>,
    /// Phases whose shift is over, with the time for which they have counted maintenance, arrivals and departures, µs.
    pub shifts: Vec<(u32, u64)>,
}

impl Recorded {
    /// Returns whether there is no row to take.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
            && self.ticks.is_empty()
            && self.connections.is_empty()
            && self.shifts.is_empty()
    }

    /// Removes the rows that the caller has taken.
    pub fn clear(&mut self) {
        self.operations.clear();
        self.result_ids.clear();
        self.ticks.clear();
        self.connections.clear();
        self.shifts.clear();
    }

    /// Returns whether there may be rows to make of what has ended before `final_us`.
    pub fn has_rows_before(&self, final_us: u64) -> bool {
        self.next_close_us <= final_us || self.first_end_us.is_some_and(|end_us| end_us < final_us)
    }

    /// Makes the rows of all ticks that end before `until_us`, but not of a tick in which its phase ends, or the last one if the
    /// shift of its phase goes on.
    fn close_ticks(&mut self, phases: &mut Phases, until_us: u64, basis: Basis) {
        self.end_shifts(phases, until_us, basis);
        for slot in (0..self.open.len()).map(|slot| PhaseSlot(slot as u32)) {
            let end_us = match phases.shift_left(slot) {
                Some(_) => phases.last_end_us(),
                None => phases.end_us(slot),
            };
            let until = Until::Before(until_us.min(end_us.unwrap_or(u64::MAX)));
            self.close_ticks_of(slot, until, phases, basis);
        }
        self.closed.take(|_, row| self.ticks.push(row));
    }

    /// Ends the shifts that are over before `until_us` of phases that are over, and makes the rows of their open ticks.
    fn end_shifts(&mut self, phases: &mut Phases, until_us: u64, basis: Basis) {
        for slot in (0..self.open.len()).map(|slot| PhaseSlot(slot as u32)) {
            if let Some(shift) = phases.shift_left(slot)
                && shift.until_us < until_us
            {
                self.end_shift(slot, shift.until_us, phases, basis);
                phases.end_shift(slot);
            }
        }
    }

    /// Makes the rows of the ticks of a phase that are over.
    fn close_ticks_of(&mut self, slot: PhaseSlot, until: Until, phases: &Phases, basis: Basis) {
        let Self { open, closed, .. } = self;
        let open = &mut open[slot.index()];
        let phase = open.phase;
        if open.is_open
            && let Some(shift) = phases.shift(slot)
        {
            open.close(until, shift, basis, |row| {
                closed.push(phase, row);
            });
        }
    }

    /// Returns the end of the first tick at whose end routing tables are counted, µs; `None` if they are no more.
    pub fn next_count_us(&self, tick_us: u64) -> Option<u64> {
        let open = self.open.iter().filter(|open| open.is_open);
        let next = open.filter_map(OpenTicks::next_count_us).min()?;
        Some((next / tick_us + 1).saturating_mul(tick_us))
    }

    /// Begins a phase without operations in flight.
    pub fn begin_phase(&mut self, slot: PhaseSlot, phase: Begun) {
        self.next_close_us = 0;
        if self.open.len() <= slot.index() {
            self.open.resize_with(slot.index() + 1, OpenTicks::default);
        }
        self.closed.begin(phase.number);
        self.open[slot.index()].begin(phase);
    }

    /// Makes the rows of the open ticks of a phase, which is over at `last_us` with its shift.
    fn end_shift(&mut self, slot: PhaseSlot, last_us: u64, phases: &Phases, basis: Basis) {
        self.close_ticks_of(slot, Until::End(last_us), phases, basis);
        let open = &mut self.open[slot.index()];
        open.is_open = false;
        self.closed.end(open.phase);
        let shift_us = phases.shift(slot).map_or(last_us, |shift| shift.until_us);
        let counted_for_us = shift_us.min(last_us) - open.start_us;
        self.shifts.push((open.phase, counted_for_us));
    }

    /// Ends the phase of a caller's single operation: rows of later phases do not wait for it. Its tick may go on in the next
    /// phase.
    pub fn end_single(&mut self, phase: u32) {
        let Self { closed, ticks, .. } = self;
        closed.end(phase);
        closed.take(|_, row| ticks.push(row));
    }

    /// Removes and returns the operations by origin of a phase that has ended.
    pub fn take_started(&mut self, slot: PhaseSlot) -> Counts {
        std::mem::take(&mut self.open[slot.index()].started)
    }

    /// Counts an operation that has ended or was cut off.
    fn count(&mut self, ended: &Ended) {
        let first_us = self.first_end_us.unwrap_or(u64::MAX);
        self.first_end_us = Some(ended.end_us.min(first_us));
        self.open[ended.phase_slot.index()]
            .started
            .add(ended.origin);
    }

    /// Makes the rows of the operations that ended before `until_us`, in order, once enough operations have ended since
    /// rows were last made. Each call reads all operations that wait, so calls for few operations would cost too much.
    fn close_most_operations(&mut self, until_us: u64, results: bool) {
        if 2 * (self.ended.len() - self.waited) >= self.waited {
            self.close_operations(until_us, results);
        }
    }

    /// Makes the rows of the operations that ended before `until_us`, in order.
    fn close_operations(&mut self, until_us: u64, results: bool) {
        if self.first_end_us.is_none_or(|end_us| end_us >= until_us) {
            return;
        }
        // Indices are sorted rather than rows, which are ten times as large and are not copied twice.
        let indices = self.ended.iter().zip(0..);
        let over = indices.filter(|(ended, _)| ended.end_us < until_us);
        self.order
            .extend(over.map(|(ended, index)| (ended.end_us, ended.row.operation, index)));
        self.order.sort_unstable();
        self.operations.reserve(self.order.len());
        for (_, _, index) in self.order.drain(..) {
            let ended = &mut self.ended[index as usize];
            self.operations.push(ended.row);
            if results {
                self.result_ids.push(std::mem::take(&mut ended.result));
            }
        }
        self.ended.retain(|ended| ended.end_us >= until_us);
        self.first_end_us = self.ended.iter().map(|ended| ended.end_us).min();
        self.waited = self.ended.len();
    }

    /// Makes the rows of the connections of a step.
    fn connections(&mut self, network: u32, sends: &[Send], id: impl Fn(Row) -> i64) {
        for send in sends {
            let Sent::Contact {
                to,
                request,
                fate,
                charge,
            } = send.what
            else {
                continue;
            };
            let total_delay_us = fate.total_us(charge);
            if total_delay_us > LAST_US {
                self.halt.get_or_insert(Halt::OperationBeyondClock {
                    phase: send.phase,
                    operation: send.operation,
                });
            }
            self.connections.push(ConnectionRow {
                network,
                phase: send.phase,
                operation: send.operation,
                sequence: send.sequence,
                time_us: send.time_us,
                from: id(send.from),
                to: id(to),
                request,
                outcome: fate.outcome,
                base_delay_us: fate.base_delay_us,
                origin_overhead_us: charge.origin_us,
                remote_overhead_us: charge.remote_us,
                total_delay_us,
                purpose: send.purpose,
            });
        }
    }
}

/// Read-only access to what rows need of the network: ids and keys of nodes, what is recorded, and how many nodes are
/// online.
#[derive(bevy_ecs::system::SystemParam)]
pub struct Naming<'w, 's> {
    in_time: InTime<'w, 's>,
    live: Res<'w, LiveTables>,
    ids: Res<'w, Ids>,
    recording: Res<'w, Recording>,
}

impl Naming<'_, '_> {
    /// Returns what rows of living runs are made from; `None` in other runs.
    fn living<'a>(&'a self, sample: &'a [Row], chunks: &Chunks) -> Option<Living<'a>> {
        self.recording.living.then(|| Living {
            records: self
                .in_time
                .living()
                .are_records_kept()
                .then(|| chunks.records()),
            tables: TablesInTime {
                live: Some(&self.live),
                ..self.in_time.tables()
            },
            sample,
        })
    }

    /// Returns the nodes whose tables are counted, which are drawn once and kept.
    fn sample(&self, kept: &mut Arc<[Row]>) -> Arc<[Row]> {
        if self.recording.living && kept.is_empty() {
            let in_time = self.in_time.tables();
            let seed = in_time.tables.rule().network_seed;
            *kept = ticks::sample(seed, in_time.columns.keys.len()).into();
        }
        Arc::clone(kept)
    }

    /// Returns what the rows of all ticks are made from.
    fn basis<'a>(&self, tick_us: u64, living: Option<Living<'a>>) -> Basis<'a> {
        Basis {
            network: self.recording.network,
            online: self.in_time.living().online,
            tick_us,
            living,
        }
    }
}

/// Makes the rows of the operations that have ended in the step. The rows wait until they are in order.
pub fn record_operations(
    naming: Naming,
    operations: Res<Operations>,
    outboxes: Res<Outboxes>,
    mut phases: ResMut<Phases>,
    mut recorded: ResMut<Recorded>,
) {
    let recorded = &mut *recorded;
    let (keys, ids) = (naming.in_time.keys(), &*naming.ids);
    let row = |&slot: &OperationSlot| {
        rows::ended(operations.get(slot), None, &naming.recording, ids, keys)
    };
    let slots = &mut recorded.slots;
    slots.clear();
    outboxes
        .iter()
        .for_each(|out| slots.extend_from_slice(&out.ended));
    let first = recorded.ended.len();
    if slots.len() >= MANY {
        recorded.ended.par_extend(slots.par_iter().map(row));
    } else {
        recorded.ended.extend(slots.iter().map(row));
    }
    let ended = std::mem::take(&mut recorded.ended);
    for ended in &ended[first..] {
        phases.end(ended.phase_slot, ended.end_us);
        recorded.count(ended);
    }
    recorded.ended = ended;
}

/// Adds the counts of the step to the open ticks.
pub fn count_ticks(mut outboxes: ResMut<Outboxes>, mut recorded: ResMut<Recorded>) {
    let recorded = &mut *recorded;
    recorded.connections_sent = 0;
    for out in outboxes.iter_mut() {
        recorded.reads.answers += out.reads.answers;
        recorded.reads.entries += out.answer.read;
        recorded.reads.lines += out.reads.lines;
        for (ticks, open) in out.ticks.iter_mut().zip(&mut recorded.open) {
            recorded.connections_sent += open.add(ticks);
        }
    }
}

/// Makes the rows of operations and ticks that no later step can change.
pub fn record_ticks(
    naming: Naming,
    window: Res<Window>,
    mut phases: ResMut<Phases>,
    chunks: Res<Chunks>,
    mut recorded: ResMut<Recorded>,
) {
    let recorded = &mut *recorded;
    // Operations that are cut off have rows among those that end at the same moment, and count in that tick.
    let cut_us = phases.first_cut_us().unwrap_or(u64::MAX);
    let final_us = window.final_us.min(cut_us);
    recorded.close_most_operations(final_us, naming.recording.results);
    let sample = naming.sample(&mut recorded.sample);
    let living = naming.living(&sample, &chunks);
    // Changes beyond the horizon are not known yet.
    let final_us = living.map_or(final_us, |living| living.known_until(final_us));
    let basis = naming.basis(window.tick_us, living);
    recorded.close_ticks(&mut phases, final_us, basis);
    let next_tick = (final_us / window.tick_us).saturating_add(1);
    recorded.next_close_us = next_tick.saturating_mul(window.tick_us);
}

/// Makes the rows of the step's connections.
pub fn record_connections(naming: Naming, sends: Res<Sends>, mut recorded: ResMut<Recorded>) {
    let keys = naming.in_time.keys();
    let id = |row| naming.ids.id(row, keys);
    recorded.connections(naming.recording.network, &sends.0, id);
}

/// Ends the phase in a slot at `end_us`: cuts off its operations in flight and makes the rows of its ticks that are over. In
/// living runs its shift may go on, until the next phase starts or the last one in flight ends; returns whether it does.
///
/// Another phase that is cut off at the same moment loses its operations too, because the rows of all stand in the order
/// of their numbers.
pub fn end_phase(
    In((slot, end_us)): In<(PhaseSlot, u64)>,
    naming: Naming,
    window: Res<Window>,
    mut operations: ResMut<Operations>,
    mut chunks: ResMut<Chunks>,
    mut phases: ResMut<Phases>,
    mut recorded: ResMut<Recorded>,
) -> bool {
    let recorded = &mut *recorded;
    let (keys, ids) = (naming.in_time.keys(), &*naming.ids);
    let mut cut = Vec::new();
    for operation in operations.slots() {
        if operation.until_us == end_us + 1 {
            let ended = rows::ended(operation, Some(end_us), &naming.recording, ids, keys);
            recorded.count(&ended);
            recorded.open[operation.phase_slot.index()].cut_off(end_us / window.tick_us);
            recorded.ended.push(ended);
            cut.push(operation.slot);
        }
    }
    operations.free(cut);
    events::cut_off(
        slot,
        &mut chunks,
        recorded,
        end_us,
        window.tick_us,
        &naming,
        &mut phases,
    );
    recorded.close_operations(end_us + 1, naming.recording.results);
    let sample = naming.sample(&mut recorded.sample);
    let living = naming.living(&sample, &chunks);
    let basis = naming.basis(window.tick_us, living);
    if !phases.are_several() {
        phases.end_last_shift(end_us);
    }
    let shift = phases.shift(slot);
    let is_counting = living.is_some() || chunks.are_used();
    let goes_on = shift.filter(|shift| is_counting && shift.until_us > end_us);
    match goes_on {
        Some(shift) => {
            recorded.close_ticks_of(slot, Until::Before(end_us + 1), &phases, basis);
            recorded.open[slot.index()].end(end_us, shift, basis);
        }
        None => recorded.end_shift(slot, end_us, &phases, basis),
    }
    recorded.end_shifts(&mut phases, end_us + 1, basis);
    recorded.closed.take(|_, row| recorded.ticks.push(row));
    goes_on.is_some()
}

/// Ends the shifts of phases that are over, if no phase is in flight but a caller's single operation, which ends at
/// `end_us`.
pub fn end_shifts(
    In(end_us): In<u64>,
    naming: Naming,
    window: Res<Window>,
    chunks: Res<Chunks>,
    mut phases: ResMut<Phases>,
    mut recorded: ResMut<Recorded>,
) {
    if phases.are_several() {
        return;
    }
    phases.end_last_shift(end_us);
    let recorded = &mut *recorded;
    let sample = naming.sample(&mut recorded.sample);
    let living = naming.living(&sample, &chunks);
    let basis = naming.basis(window.tick_us, living);
    recorded.end_shifts(&mut phases, end_us + 1, basis);
    recorded.closed.take(|_, row| recorded.ticks.push(row));
}

/// Returns, by node, the number of charges of overhead after `end_us` in the last step.
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
