//! Phases in flight: the operations that wait in each, and when a phase is over.
//!
//! Several phases may be in flight at once. Their operations have consecutive numbers, so everything that has an order
//! (charges, rows) has one across phases too. Each phase keeps its own limits: operations in flight per origin, and when
//! it is cut off. Phases share what the operations of one phase share: overhead counters and segment stores. A phase has
//! a slot while it is in flight, slot 0 if no other phase has one. Cost: O(phases in flight) for each operation that
//! starts or ends.
//!
//! What no operation of a phase does (maintenance, arrivals, departures) counts in the phase that has started last, in flight
//! or over: it is that phase's [`Shift`]. A phase that is over keeps its slot until its shift is over too.

use bevy_ecs::prelude::*;

use kadsim_engine::node::Row;
use kadsim_engine::operation::{Event, Planned, Source, Task};
use kadsim_engine::record::Kind;
use kadsim_engine::slot::PhaseSlot;
use kadsim_engine::time::LAST_US;

use crate::queue::{Queue, Ready};
use crate::window::Execution;

/// A phase before it begins.
pub struct Phase {
    /// Its number, for the tables.
    pub number: u32,
    /// Kind of its operations; any kind if it has none.
    pub kind: Kind,
    /// The operations, or [`NoOperations`]. None is due before `start_us`, and their numbers are the network's next ones.
    pub source: Box<dyn Source>,
    /// Number of the operations, and of the numbers that they take.
    pub operations: u64,
    /// Most operations in flight per origin.
    pub parallel: Option<u32>,
    /// When it starts, µs; not before the network's clock.
    pub start_us: u64,
    /// Time from its start that it lasts at least, unless it is cut off before, µs.
    pub duration_us: u64,
    /// Time after its start at which its operations are cut off, µs.
    pub max_us: Option<u64>,
    /// Period at which routing tables are counted, µs, from the phase's start; `None` if they are not. In living runs.
    pub freshness_us: Option<u64>,
}

/// The source of a phase without operations.
pub struct NoOperations;

impl Source for NoOperations {
    fn peek(&self) -> Option<Planned> {
        None
    }

    fn advance(&mut self) {}
}

/// What is accounted for when a phase ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accounting {
    /// The rows of its ticks are made, and [`Network::read_end`](crate::Network::read_end) reads the nodes as of its end.
    Full,
    /// Nothing. The phase is a single operation of a caller, after which ticks and counters go on.
    None,
}

/// Whether a phase was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// Whether operations were in flight or waiting.
    pub is_cut: bool,
    /// Number of operations that were in flight.
    pub running: u64,
}

/// A phase that is over and not removed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Slot of the phase.
    pub slot: PhaseSlot,
    /// Number of the phase.
    pub phase: u32,
    /// When the phase started, µs.
    pub start_us: u64,
    /// When the phase ended, µs.
    pub end_us: u64,
}

/// The time in which a phase counts maintenance, arrivals and departures. The first phase counts from its start on, each other
/// one from just after its start, up to the start of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The first moment, µs.
    pub from_us: u64,
    /// The last moment, µs; `u64::MAX` while no later phase has begun.
    pub until_us: u64,
}

impl Shift {
    /// Of a phase that counts nothing.
    const NONE: Self = Self {
        from_us: u64::MAX,
        until_us: u64::MAX,
    };
}

/// A phase in flight, or over while its shift goes on.
struct Running {
    start_us: u64,
    shift: Shift,
    is_over: bool,
    /// Whether nodes join in it.
    is_joins: bool,
    task: Task,
    accounting: Accounting,
    queue: Queue,
    in_flight: u64,
    /// Operations that were taken from the queue and never started, because the phase was cut off.
    dropped: u64,
    /// End of its last operation so far, or of its duration if that is later, µs.
    last_end_us: u64,
}

impl Running {
    /// Returns when the next operation starts at the earliest, if that is before the phase is cut off, µs.
    fn next_start_us(&self) -> Option<u64> {
        let next_us = self.queue.next_start_us();
        next_us.filter(|&next_us| next_us < self.task.until_us)
    }

    /// Returns the operation that starts first among those whose start is known, if that is before the phase is cut off.
    fn first(&self) -> Option<Ready> {
        let first = self.queue.first();
        first.filter(|first| first.start_us < self.task.until_us)
    }

    /// Returns whether its operations wait because retrieves do.
    fn waits(&self, are_retrieves_held: bool) -> bool {
        are_retrieves_held && self.task.kind == Kind::Retrieve
    }

    /// Returns whether every operation has ended.
    fn is_done(&self) -> bool {
        self.in_flight == 0 && self.dropped == 0 && self.queue.is_empty()
    }

    /// Returns when the phase ends, as far as that is known: with its last operation and its duration, or when it is cut
    /// off.
    fn end_us(&self) -> Option<u64> {
        let done_us = self.is_done().then_some(self.last_end_us);
        done_us.into_iter().chain(self.cut_us()).min()
    }

    /// Returns the last moment before the phase is cut off, µs.
    fn cut_us(&self) -> Option<u64> {
        (self.task.until_us < u64::MAX).then(|| self.task.until_us - 1)
    }
}

/// The phases in flight, and those that are over while their shifts go on, by slot.
#[derive(Resource, Default)]
pub struct Phases {
    slots: Vec<Option<Running>>,
    /// Whether retrieves wait until the stores of provides are known.
    are_retrieves_held: bool,
    /// Slot of the phase that goes on until the last node has joined.
    joining: Option<PhaseSlot>,
    /// Whether a phase of operations has freed its slot, so that no later one is the first.
    has_first: bool,
}

impl Phases {
    fn all(&self) -> impl Iterator<Item = &Running> {
        let slots = self.slots.iter().flatten();
        slots.filter(|running| !running.is_over)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Running> {
        let slots = self.slots.iter_mut().flatten();
        slots.filter(|running| !running.is_over)
    }

    fn slot(&self, slot: PhaseSlot) -> Option<&Running> {
        self.slots.get(slot.index())?.as_ref()
    }

    /// Begins a phase and returns its slot.
    pub fn begin(&mut self, phase: Phase, accounting: Accounting) -> PhaseSlot {
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or(self.slots.len());
        if free.is_none() {
            self.slots.push(None);
        }
        let slot = PhaseSlot(index as u32);
        // The clock ends before a later cut, and before a longer duration.
        let duration_us = phase.duration_us;
        let over_us = phase.start_us.saturating_add(duration_us).min(LAST_US);
        let cut_us = phase
            .max_us
            .map(|max_us| phase.start_us.saturating_add(max_us))
            .filter(|&cut_us| cut_us <= LAST_US);
        self.slots[index] = Some(Running {
            task: Task {
                phase: phase.number,
                slot,
                kind: phase.kind,
                until_us: cut_us.map_or(u64::MAX, |cut_us| cut_us.saturating_add(1)),
            },
            accounting,
            queue: Queue::new(phase.source, phase.parallel),
            start_us: phase.start_us,
            shift: Shift::NONE,
            is_over: false,
            is_joins: false,
            in_flight: 0,
            dropped: 0,
            last_end_us: phase.start_us.max(over_us),
        });
        self.assign_shifts();
        slot
    }

    /// Gives each phase its shift, in the order in which they start. A single operation of a caller has none beside others.
    fn assign_shifts(&mut self) {
        let mut running = self.slots.iter().flatten();
        let has_full = running.any(|running| running.accounting == Accounting::Full);
        let slots = self.slots.iter_mut().flatten();
        let slots = slots.filter(|running| running.accounting == Accounting::Full || !has_full);
        let (joins, mut phases): (Vec<_>, Vec<_>) = slots.partition(|running| running.is_joins);
        phases.sort_by_key(|running| (running.start_us, running.task.phase));
        let mut is_first = !self.has_first;
        let starts: Vec<u64> = phases.iter().map(|running| running.start_us).collect();
        if let Some(&first_us) = starts.first() {
            // When they end, the first phase has not begun.
            for running in joins {
                running.shift.until_us = first_us.saturating_sub(1);
            }
        }
        for (place, running) in phases.into_iter().enumerate() {
            running.shift = Shift {
                from_us: running.start_us + u64::from(!is_first),
                until_us: starts.get(place + 1).copied().unwrap_or(u64::MAX),
            };
            is_first = false;
        }
    }

    /// Lets the phase in `slot` go on until [`Phases::end_joins`]: nodes join in it.
    pub fn await_joins(&mut self, slot: PhaseSlot) {
        if let Some(running) = &mut self.slots[slot.index()] {
            running.in_flight += 1;
            running.is_joins = true;
            self.joining = Some(slot);
        }
    }

    /// Ends the phase in which nodes join at `end_us`. Its shift goes on until `until_us`.
    pub fn end_joins(&mut self, end_us: u64, until_us: u64) {
        if let Some(slot) = self.joining.take() {
            self.end(slot, end_us);
            let running = self.slots[slot.index()].as_mut();
            running.expect("joins are in flight").shift.until_us = until_us;
        }
    }

    /// Ends the phase in `slot` and returns how it ended. If its shift goes on, it keeps the slot until
    /// [`Phases::end_shift`].
    pub fn remove(&mut self, slot: PhaseSlot, shift_goes_on: bool) -> CutOff {
        let running = self.slots[slot.index()].as_mut();
        let running = running.expect("a phase is removed once, by the one that ends it");
        running.is_over = true;
        let cut_off = CutOff {
            is_cut: !running.is_done(),
            running: running.in_flight,
        };
        if !shift_goes_on {
            self.end_shift(slot);
        }
        cut_off
    }

    /// Lets the shift of the phase that has started last end at `end_us`.
    pub fn end_last_shift(&mut self, end_us: u64) {
        let running = self.slots.iter_mut().flatten();
        for running in running.filter(|running| running.shift.until_us == u64::MAX) {
            running.shift.until_us = end_us;
        }
    }

    /// Ends the shift of the phase in `slot`, which is over, and frees the slot.
    pub fn end_shift(&mut self, slot: PhaseSlot) {
        let running = self.slots[slot.index()].take();
        let counted = |running: Running| !running.is_joins && running.shift.from_us < u64::MAX;
        self.has_first |= running.is_some_and(counted);
    }

    /// Returns the shift of the phase in `slot`; `None` if the slot is free.
    pub fn shift(&self, slot: PhaseSlot) -> Option<Shift> {
        self.slot(slot).map(|running| running.shift)
    }

    /// Returns the shift of the phase in `slot` if the phase is over.
    pub fn shift_left(&self, slot: PhaseSlot) -> Option<Shift> {
        let over = self.slot(slot).filter(|running| running.is_over);
        over.map(|running| running.shift)
    }

    /// Returns whether the shift of a phase that is over goes on.
    pub fn has_shifts_left(&self) -> bool {
        self.slots.iter().flatten().any(|running| running.is_over)
    }

    /// Returns the phase whose shift it is at `now_us`; `None` before the first one, or if the last one's shift has ended.
    pub fn counting(&self, now_us: u64) -> Option<Task> {
        let mut running = self.slots.iter().flatten();
        let counts = |shift: Shift| shift.from_us <= now_us && now_us <= shift.until_us;
        let counting = running.find(|running| counts(running.shift))?;
        Some(counting.task)
    }

    /// Returns the first moment after `now_us` from which another phase may count, µs; `u64::MAX` if there is none.
    pub fn next_shift_us(&self, now_us: u64) -> u64 {
        let shifts = self.slots.iter().flatten().map(|running| running.shift);
        let changes = shifts.flat_map(|shift| [shift.from_us, shift.until_us.saturating_add(1)]);
        changes.filter(|&us| us > now_us).min().unwrap_or(u64::MAX)
    }

    /// Returns whether the phase of this number is in flight.
    pub fn is_in_flight(&self, phase: u32) -> bool {
        self.all().any(|running| running.task.phase == phase)
    }

    /// Returns what is accounted for when the phase in `slot` ends.
    pub fn accounting(&self, slot: PhaseSlot) -> Accounting {
        let running = self.slot(slot);
        running.map_or(Accounting::None, |running| running.accounting)
    }

    /// Returns when the phase in `slot` ends, as far as that is known, µs; `None` too if it is over or the slot is free.
    pub fn end_us(&self, slot: PhaseSlot) -> Option<u64> {
        let running = self.slot(slot).filter(|running| !running.is_over);
        running.and_then(Running::end_us)
    }

    /// Returns the number of slots, free ones included.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether no phase is in flight.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Returns whether several phases are in flight.
    pub fn are_several(&self) -> bool {
        self.all().nth(1).is_some()
    }

    /// Returns whether a phase may retrieve segments that another provides.
    pub fn share_segments(&self) -> bool {
        let has = |kind| self.all().any(|running| running.task.kind == kind);
        has(Kind::Provide) && has(Kind::Retrieve)
    }

    /// Returns when the first phase is cut off, if one is to be, µs.
    pub fn first_cut_us(&self) -> Option<u64> {
        self.all().filter_map(Running::cut_us).min()
    }

    /// Returns when the first phase ends among those whose end is known, µs.
    pub fn first_end_us(&self) -> Option<u64> {
        self.all().filter_map(Running::end_us).min()
    }

    /// Returns when the last phase in flight ends, if that is known, µs.
    pub fn last_end_us(&self) -> Option<u64> {
        let ends: Option<Vec<u64>> = self.all().map(Running::end_us).collect();
        ends?.into_iter().max()
    }

    /// Returns the first phase that ended before `final_us`, the time before which nothing more happens.
    pub fn over(&self, final_us: u64) -> Option<Over> {
        let over = self.all().filter_map(|running| {
            let end_us = running.end_us().filter(|&end_us| end_us < final_us)?;
            Some(Over {
                slot: running.task.slot,
                phase: running.task.phase,
                start_us: running.start_us,
                end_us,
            })
        });
        over.min_by_key(|over| (over.end_us, over.phase))
    }

    /// Returns when the next operation starts at the earliest, µs.
    pub fn next_start_us(&self) -> Option<u64> {
        self.all().filter_map(Running::next_start_us).min()
    }

    /// Returns the start of the first operation that starts after `last_us` and before it is cut off.
    pub fn first_after(&self, last_us: u64) -> Option<Event> {
        let starts = self.all().filter_map(|running| {
            let next = running.queue.next()?;
            let is_later = last_us < next.start_us && next.start_us < running.task.until_us;
            is_later.then_some(Event {
                at_us: next.start_us,
                operation: next.planned.number,
                phase: running.task.phase,
            })
        });
        starts.min()
    }

    /// Returns whether an operation that does not wait starts before `until_us`.
    pub fn has_ready(&self, until_us: u64) -> bool {
        let are_held = self.are_retrieves_held;
        let free = self.all().filter(|running| !running.waits(are_held));
        let mut firsts = free.filter_map(Running::first);
        firsts.any(|first| first.start_us < until_us)
    }

    /// Decides whether retrieves wait. A retrieve looks in its origin's store when it starts, so all stores that are
    /// due by then must be known. Provides never wait: they read no store. Retrieves wait
    ///
    /// - under [`Execution::Whole`], until every provide has been evaluated;
    /// - under [`Execution::Windowed`], until every provide has reached the window's end, because an origin in its own
    ///   result stores within the window;
    /// - under [`Execution::Sequential`] never, because under py-dht's procedure every store is a connection.
    pub fn hold_retrieves(&mut self, execution: Execution) {
        let starts = |running: &Running| {
            running.task.kind == Kind::Provide && running.next_start_us().is_some()
        };
        self.are_retrieves_held = self.share_segments()
            && match execution {
                Execution::Whole => self.all().any(starts),
                Execution::Windowed => true,
                Execution::Sequential | Execution::Events => false,
            };
    }

    /// Returns whether retrieves wait.
    pub fn are_retrieves_held(&self) -> bool {
        self.are_retrieves_held
    }

    /// Lets waiting retrieves start.
    pub fn release_retrieves(&mut self) {
        self.are_retrieves_held = false;
    }

    /// Removes and returns the operation that starts first, in the order of (start, number), if it starts before
    /// `until_us`.
    pub fn pop(&mut self, until_us: u64) -> Option<(Task, Ready)> {
        let are_held = self.are_retrieves_held;
        let free = self.all_mut().filter(|running| !running.waits(are_held));
        let firsts = free.filter_map(|running| {
            let first = running.first()?;
            (first.start_us < until_us).then_some((first, running))
        });
        let (first, running) = firsts.min_by_key(|(first, _)| first.order())?;
        running.queue.pop();
        running.in_flight += 1;
        Some((running.task, first))
    }

    /// Removes the operations due before `until_us`, whether their origins have permits or not, and passes them to `take`,
    /// with the most operations in flight per origin. They count as in flight.
    pub fn take_planned(
        &mut self,
        until_us: u64,
        mut take: impl FnMut(Task, Planned, Option<u32>),
    ) {
        for running in self.all_mut() {
            let until_us = until_us.min(running.task.until_us);
            let task = running.task;
            while let Some(planned) = running.queue.take_planned(until_us) {
                running.in_flight += 1;
                take(task, planned, running.queue.parallel());
            }
        }
    }

    /// Counts operations of the phase in `slot` that were taken and never start, because the phase is cut off.
    pub fn drop_taken(&mut self, slot: PhaseSlot, count: u64) {
        if let Some(running) = &mut self.slots[slot.index()] {
            running.in_flight -= count;
            running.dropped += count;
        }
    }

    /// Returns, for each phase whose operations have all been taken, its slot and the time before which it does not end as
    /// far as its duration and the operations that have ended say, µs.
    pub fn ending(&self) -> impl Iterator<Item = (PhaseSlot, u64)> {
        let taken = self
            .all()
            .filter(|running| running.next_start_us().is_none());
        taken.map(|running| (running.task.slot, running.last_end_us))
    }

    /// Counts an operation of the phase in `slot` that ended at `end_us`.
    pub fn end(&mut self, slot: PhaseSlot, end_us: u64) {
        if let Some(running) = &mut self.slots[slot.index()] {
            running.in_flight -= 1;
            running.last_end_us = running.last_end_us.max(end_us);
        }
    }

    /// Returns whether an operation may have to wait for another one's end.
    pub fn are_limited(&self) -> bool {
        self.all().any(|running| running.queue.is_limited())
    }

    /// Returns the queues in which operations may have to wait, and when these are cut off, µs.
    pub fn limited(&mut self) -> impl Iterator<Item = (u64, &mut Queue)> {
        let all = self.all_mut();
        let queues = all.map(|running| (running.task.until_us, &mut running.queue));
        queues.filter(|(_, queue)| queue.is_limited())
    }

    /// Frees the permit of an operation of the phase in `slot` that ended at `end_us`.
    pub fn free(&mut self, slot: PhaseSlot, origin: Row, end_us: u64) {
        if let Some(running) = &mut self.slots[slot.index()] {
            running.queue.free(origin, end_us);
        }
    }

    /// Takes operations due before `until_us` from the sources of limited phases, about `enough` from each. Returns the
    /// time before which it has taken all of them.
    pub fn take_due(&mut self, until_us: u64, enough: usize) -> u64 {
        self.limited().fold(until_us, |until_us, (cut_us, queue)| {
            let left_us = queue.take_due(until_us.min(cut_us), enough);
            left_us.unwrap_or(until_us)
        })
    }

    /// Takes operations due before `until_us` from the sources of limited phases, until it is known which starts first.
    pub fn take_until_first(&mut self, until_us: u64) {
        self.limited()
            .for_each(|(cut_us, queue)| queue.take_until_first(until_us.min(cut_us)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kadsim_engine::key::Key;

    /// Operations with numbers from `first` on, due 10 µs apart.
    struct Due {
        first: u64,
        left: u64,
        due_us: u64,
    }

    impl Source for Due {
        fn peek(&self) -> Option<Planned> {
            (self.left > 0).then_some(Planned {
                number: self.first,
                origin: Row(self.first as u32),
                key: Key(0),
                due_us: self.due_us,
                lacks_origin: false,
            })
        }

        fn advance(&mut self) {
            self.first += 1;
            self.left -= 1;
            self.due_us += 10;
        }
    }

    fn phase(number: u32, kind: Kind, first: u64, start_us: u64, max_us: Option<u64>) -> Phase {
        let source = Due {
            first,
            left: 3,
            due_us: start_us,
        };
        Phase {
            number,
            kind,
            source: Box::new(source),
            operations: 3,
            parallel: None,
            start_us,
            duration_us: 0,
            max_us,
            freshness_us: None,
        }
    }

    fn starts(phases: &mut Phases, until_us: u64) -> Vec<(u32, u64)> {
        let mut started = Vec::new();
        while let Some((task, ready)) = phases.pop(until_us) {
            started.push((task.phase, ready.start_us));
        }
        started
    }

    #[test]
    fn operations_of_all_phases_start_in_the_order_of_time() {
        let mut phases = Phases::default();
        let first = phases.begin(phase(0, Kind::Lookup, 0, 0, None), Accounting::Full);
        let second = phases.begin(phase(1, Kind::Lookup, 3, 5, None), Accounting::Full);
        assert_eq!([first, second], [0, 1].map(PhaseSlot));
        assert_eq!(
            starts(&mut phases, 21),
            [(0, 0), (1, 5), (0, 10), (1, 15), (0, 20)]
        );
        [1, 2, 30]
            .into_iter()
            .for_each(|end_us| phases.end(first, end_us));
        assert_eq!(phases.over(30), None);
        let over = |slot, phase, end_us| {
            Some(Over {
                slot,
                phase,
                start_us: 0,
                end_us,
            })
        };
        assert_eq!(phases.over(31), over(first, 0, 30));
        let cut_off = phases.remove(first, false);
        assert_eq!((cut_off.is_cut, cut_off.running), (false, 0));
        // The slot is free for the next phase.
        let third = phases.begin(phase(2, Kind::Lookup, 6, 40, None), Accounting::Full);
        assert_eq!(third, first);
        assert_eq!(phases.slots(), 2);
    }

    /// Returns when the first phase is over, with its number.
    fn over(phases: &Phases) -> Option<(u32, u64)> {
        let over = phases.over(u64::MAX)?;
        Some((over.phase, over.end_us))
    }

    #[test]
    fn a_phase_lasts_for_its_duration_and_until_its_operations_have_ended() {
        let mut phases = Phases::default();
        let timed = |max_us| Phase {
            duration_us: 50,
            ..phase(0, Kind::Lookup, 0, 5, max_us)
        };
        let slot = phases.begin(timed(None), Accounting::Full);
        assert_eq!(starts(&mut phases, 1000).len(), 3);
        [7, 20].into_iter().for_each(|us| phases.end(slot, us));
        assert_eq!(over(&phases), None);
        phases.end(slot, 30);
        assert_eq!(over(&phases), Some((0, 55)));
        assert_eq!(phases.over(55), None);
        phases.remove(slot, false);
        // Its last operation ends after its duration.
        phases.begin(timed(None), Accounting::Full);
        starts(&mut phases, 1000);
        [7, 20, 70].into_iter().for_each(|us| phases.end(slot, us));
        assert_eq!(over(&phases), Some((0, 70)));
        phases.remove(slot, false);
        // It is cut off after its last operation, so nothing is lost.
        phases.begin(timed(Some(40)), Accounting::Full);
        starts(&mut phases, 1000);
        [7, 20, 30].into_iter().for_each(|us| phases.end(slot, us));
        assert_eq!(over(&phases), Some((0, 45)));
        assert!(!phases.remove(slot, false).is_cut);
    }

    #[test]
    fn a_phase_without_operations_lasts_for_its_duration() {
        let mut phases = Phases::default();
        let idle = |start_us, duration_us| Phase {
            source: Box::new(NoOperations),
            operations: 0,
            duration_us,
            ..phase(0, Kind::Lookup, 0, start_us, None)
        };
        let slot = phases.begin(idle(10, 20), Accounting::Full);
        assert_eq!(phases.next_start_us(), None);
        assert_eq!(over(&phases), Some((0, 30)));
        assert!(!phases.remove(slot, false).is_cut);
        phases.begin(idle(10, u64::MAX), Accounting::Full);
        assert_eq!(over(&phases), Some((0, LAST_US)));
    }

    #[test]
    fn a_phase_of_joins_goes_on_until_they_have_ended() {
        let mut phases = Phases::default();
        let joins = Phase {
            source: Box::new(NoOperations),
            operations: 0,
            ..phase(7, Kind::Lookup, 0, 0, None)
        };
        let slot = phases.begin(joins, Accounting::Full);
        phases.await_joins(slot);
        assert_eq!((over(&phases), phases.next_start_us()), (None, None));
        phases.end_joins(30, 34);
        assert_eq!(over(&phases), Some((7, 30)));
        assert!(!phases.remove(slot, true).is_cut);
        // The first phase counts from its start on.
        phases.begin(phase(0, Kind::Lookup, 0, 35, None), Accounting::Full);
        let counting = [34, 35].map(|us| phases.counting(us).map(|task| task.phase));
        assert_eq!(counting, [Some(7), Some(0)]);
    }

    #[test]
    fn at_each_moment_the_phase_that_has_started_last_counts() {
        let mut phases = Phases::default();
        // In no order of time.
        let slots = [(0, 5), (1, 50), (2, 20), (3, 20)].map(|(number, start_us)| {
            let phase = phase(number, Kind::Lookup, 0, start_us, None);
            phases.begin(phase, Accounting::Full)
        });
        let counting = |phases: &Phases, us| phases.counting(us).map(|task| task.phase);
        let expected = [
            (4, None),
            (5, Some(0)),
            (20, Some(0)),
            (21, Some(3)),
            (50, Some(3)),
        ];
        for (us, phase) in expected.into_iter().chain([(51, Some(1)), (9999, Some(1))]) {
            assert_eq!(counting(&phases, us), phase, "{us}");
        }
        let changes = [0, 5, 20, 21, 50, 51].map(|us| phases.next_shift_us(us));
        assert_eq!(changes, [5, 21, 21, 51, 51, u64::MAX]);
        // The shift of one that is over goes on.
        phases.remove(slots[3], true);
        assert_eq!(counting(&phases, 21), Some(3));
        assert!(!phases.is_in_flight(3) && phases.shift_left(slots[3]).is_some());
        phases.end_shift(slots[3]);
        assert_eq!(
            (counting(&phases, 21), counting(&phases, 51)),
            (None, Some(1))
        );
        for slot in slots[..3].iter().copied() {
            phases.remove(slot, false);
        }
        // No later phase is the first.
        phases.begin(phase(4, Kind::Lookup, 0, 60, None), Accounting::Full);
        assert_eq!(
            (counting(&phases, 60), counting(&phases, 61)),
            (None, Some(4))
        );
    }

    #[test]
    fn a_phase_that_is_cut_off_starts_no_operation_after_the_cut() {
        let mut phases = Phases::default();
        let slot = phases.begin(phase(0, Kind::Lookup, 0, 0, Some(10)), Accounting::Full);
        // An operation that is due at the cut still starts.
        assert_eq!(starts(&mut phases, 1000), [(0, 0), (0, 10)]);
        phases.end(slot, 7);
        assert_eq!(phases.next_start_us(), None);
        let over = Over {
            slot,
            phase: 0,
            start_us: 0,
            end_us: 10,
        };
        assert_eq!(phases.over(11), Some(over));
        let cut_off = phases.remove(slot, false);
        assert_eq!((cut_off.is_cut, cut_off.running), (true, 1));
    }

    #[test]
    fn retrieves_wait_for_provides_that_may_still_store() {
        let mut phases = Phases::default();
        phases.begin(phase(0, Kind::Provide, 0, 0, None), Accounting::Full);
        phases.begin(phase(1, Kind::Retrieve, 3, 0, None), Accounting::Full);
        assert!(phases.share_segments());
        phases.hold_retrieves(Execution::Sequential);
        assert!(!phases.are_retrieves_held());
        phases.hold_retrieves(Execution::Whole);
        assert_eq!(starts(&mut phases, 1000), [(0, 0), (0, 10), (0, 20)]);
        assert!(!phases.has_ready(1000));
        // Every provide has started, and is evaluated in this step.
        phases.hold_retrieves(Execution::Whole);
        assert_eq!(starts(&mut phases, 1000), [(1, 0), (1, 10), (1, 20)]);
    }

    #[test]
    fn in_windows_retrieves_wait_until_they_are_released() {
        let mut phases = Phases::default();
        phases.begin(phase(0, Kind::Provide, 0, 0, None), Accounting::Full);
        phases.begin(phase(1, Kind::Retrieve, 3, 0, None), Accounting::Full);
        phases.hold_retrieves(Execution::Windowed);
        assert_eq!(starts(&mut phases, 11), [(0, 0), (0, 10)]);
        phases.release_retrieves();
        assert_eq!(starts(&mut phases, 11), [(1, 0), (1, 10)]);
    }
}
