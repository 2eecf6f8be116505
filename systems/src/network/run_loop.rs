//! The run loop: drives the phases of a network through time.
//!
//! Phases of operations begin ([`Network::begin_phase`]), several at a time if they overlap, and [`Network::run`] drives
//! them to their ends, step by step, for experiments, for the comparison of layouts and for callers of the library
//! ([`Network::lookup`], [`Network::provide`], [`Network::retrieve`]). An [`Observer`] takes the rows on the way.

use std::collections::HashMap;

use bevy_ecs::prelude::*;

use kadsim_engine::counts::Counts;
use kadsim_engine::key::Key;
use kadsim_engine::link::Links;
use kadsim_engine::node::{Received, Row};
use kadsim_engine::operation::{self, Operations, Planned, Source, Stage};
use kadsim_engine::record::Kind;
use kadsim_engine::segments::Segments;
use kadsim_engine::slot::PhaseSlot;
use kadsim_engine::time::LAST_US;

use super::Network;
use super::phase_end::PhaseEnd;
use crate::barrier::charge::Sends;
use crate::events::{Chunk, Chunks, Start};
use crate::halt::Halt;
use crate::joining::JoinEnded;
use crate::lookahead::{Lookahead, Shared};
use crate::phases::{Accounting, Over, Phase, Phases};
use crate::record::{self, Begun, Recorded};
use crate::recording::Recording;
use crate::rules::Rules;
use crate::step::{self, Timings};
use crate::window::{Execution, Window};

/// What a step leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Operations are in flight or to start.
    Going,
    /// Every operation has ended or is cut off.
    Done,
}

/// Follows the phases of a network while they run.
pub trait Observer {
    /// Why the run stops early.
    type Error: From<Halt>;

    /// Decides, before each step, whether to go on.
    ///
    /// # Errors
    ///
    /// The reason to stop.
    fn go_on(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Takes the rows recorded. Called after each step and after the end of each phase.
    ///
    /// # Errors
    ///
    /// The reason to stop.
    fn recorded(&mut self, _network: &mut Network) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Reads the nodes at the end of a phase. Called after the rows of the phase are taken.
    ///
    /// # Errors
    ///
    /// The reason to stop.
    fn ended(&mut self, _network: &mut Network, _end: &PhaseEnd) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Network {
    /// Runs the phases in flight to their ends.
    ///
    /// # Errors
    ///
    /// Errors of the observer; a [`Halt`].
    pub fn run<O: Observer>(&mut self, observer: &mut O) -> Result<(), O::Error> {
        loop {
            observer.go_on()?;
            let step = self.step();
            observer.recorded(self)?;
            let progress = step?;
            while let Some(end) = self.end_phase()? {
                observer.recorded(self)?;
                observer.ended(self, &end)?;
            }
            if progress == Progress::Done {
                return Ok(());
            }
        }
    }

    /// Begins a phase, beside those in flight. If one of them provides and another retrieves, contacts must take time.
    ///
    /// To count what happens in a gap between two phases, begin the later one before the earlier one has ended. What happens
    /// while no phase has begun is in no row.
    ///
    /// # Panics
    ///
    /// If the phase starts before the network's clock, or before the network has grown by joins.
    pub fn begin_phase(&mut self, phase: Phase) {
        assert!(phase.start_us >= self.now_us, "time does not go back");
        assert!(self.have_all_joined(), "no phase runs beside the joins");
        self.next_operation += phase.operations;
        let started = Counts::new(self.len(), phase.operations);
        let slot = self.open_phase(phase, Accounting::Full, started);
        if slot.index() == 0 {
            self.reset_contacts();
        }
    }

    /// Begins a phase and returns its slot.
    pub(super) fn open_phase(
        &mut self,
        phase: Phase,
        accounting: Accounting,
        started: Counts,
    ) -> PhaseSlot {
        let is_alone = self.world.resource::<Phases>().is_empty();
        if is_alone && self.world.resource::<Segments>().wants_merge() {
            self.merge_segments(self.now_us);
        }
        let execution = Execution::of(
            self.world.resource::<Rules>(),
            self.world.resource::<Recording>(),
            self.world.resource::<Links>(),
            self.world.resource::<Chunks>().are_used(),
        );
        self.lookahead = Lookahead::default();
        let mut window = self.world.resource_mut::<Window>();
        window.execution = execution;
        window.final_us = 0;
        let (number, start_us, freshness_us) = (phase.number, phase.start_us, phase.freshness_us);
        let slot = self.world.resource_mut::<Phases>().begin(phase, accounting);
        if slot.index() > 0 {
            let nodes = self.len();
            self.world.resource_mut::<Received>().begin(slot, nodes);
        }
        let begun = Begun {
            number,
            start_us,
            freshness_us,
            started,
        };
        self.world
            .resource_mut::<Recorded>()
            .begin_phase(slot, begun);
        slot
    }

    /// Simulates the next window of time in which something happens. Returns what is left to do.
    ///
    /// # Errors
    ///
    /// The network cannot go on.
    pub fn step(&mut self) -> Result<Progress, Halt> {
        if self.world.resource::<Window>().execution == Execution::Events {
            return self.step_events();
        }
        let event_us = self.world.resource::<Operations>().next_event_us();
        let start_us = self.world.resource::<Phases>().next_start_us();
        let Some(from_us) = event_us.into_iter().chain(start_us).min() else {
            self.world.resource_mut::<Window>().final_us = u64::MAX;
            return Ok(Progress::Done);
        };
        if from_us > LAST_US {
            return Err(self.out_of_time());
        }
        self.extend_presence(from_us)?;
        let execution = self.world.resource::<Window>().execution;
        let shared = Shared {
            absences: self.absences,
            segments: self.world.resource::<Phases>().share_segments(),
        };
        let links = self.world.resource::<Links>();
        let bounds = self.lookahead.bounds(execution, links, shared, from_us);
        let mut window = self.world.resource_mut::<Window>();
        window.from_us = from_us;
        window.until_us = bounds.until_us;
        window.starts_us = bounds.starts_us;
        self.world
            .resource_mut::<Phases>()
            .hold_retrieves(execution);
        self.merge_read_segments(execution, from_us);
        loop {
            self.run_systems()?;
            if !self.world.resource::<Window>().again {
                break;
            }
        }
        let recorded = self.world.resource::<Recorded>();
        self.lookahead.adapt(recorded.connections_sent);
        Ok(Progress::Going)
    }

    /// Runs the systems of a step.
    ///
    /// # Errors
    ///
    /// The network cannot go on.
    fn run_systems(&mut self) -> Result<(), Halt> {
        let execution = self.world.resource::<Window>().execution;
        let schedule = self.schedules.entry(execution);
        let schedule = schedule.or_insert_with(|| step::schedule(execution));
        self.world.resource_mut::<Timings>().start();
        schedule.run(&mut self.world);
        if self.world.resource::<Window>().is_last_round() {
            self.world.resource_mut::<Timings>().end();
        }
        match self.world.resource::<Recorded>().halt {
            Some(halt) => Err(halt),
            None => Ok(()),
        }
    }

    /// Simulates the next window in which events happen. Returns what is left to do.
    fn step_events(&mut self) -> Result<Progress, Halt> {
        if self.world.resource::<Phases>().is_empty() {
            self.world.resource_mut::<Window>().final_us = u64::MAX;
            return Ok(Progress::Done);
        }
        let tick_us = self.world.resource::<Window>().tick_us;
        let chunks = self.world.resource::<Chunks>();
        let event_us = chunks.first_us();
        let taken_us = chunks.taken.iter().map(|start| start.planned.due_us).min();
        let slot_us = chunks.slot_us;
        let phases = self.world.resource::<Phases>();
        let start_us = phases.next_start_us().into_iter().chain(taken_us).min();
        let end_us = phases.first_end_us().map(|end_us| end_us.saturating_add(1));
        // Tables are counted in rows of living runs.
        let is_living = self.world.resource::<Recording>().living;
        let recorded = is_living.then(|| self.world.resource::<Recorded>());
        let count_us = recorded.and_then(|recorded| recorded.next_count_us(tick_us));
        let stop_us = end_us.into_iter().chain(count_us).min().unwrap_or(u64::MAX);
        let next_us = event_us.min(start_us.unwrap_or(u64::MAX));
        let from_us = next_us.min(stop_us);
        if from_us > LAST_US {
            return Err(self.events_out_of_time());
        }
        let slot_end_us = (from_us / slot_us + 1).saturating_mul(slot_us);
        let longest_us = from_us.saturating_add(self.window_us.unwrap_or(u64::MAX));
        // Maintenance of a window counts in one phase.
        let shift_us = phases.next_shift_us(from_us);
        // Nodes count in phases whose nodes are read at the end.
        let counting = phases.counting(from_us);
        let counting = counting.filter(|task| phases.accounting(task.slot) == Accounting::Full);
        if let Some(task) = counting
            && chunks.counting != Some(task.phase)
        {
            let before = chunks.counting;
            let is_kept = before.is_some_and(|phase| phases.is_in_flight(phase));
            let mut chunks = self.world.resource_mut::<Chunks>();
            chunks.count_in(task.phase, is_kept);
        }
        let until_us = match next_us < stop_us {
            true => slot_end_us.min(stop_us).min(shift_us).min(longest_us),
            // Nothing happens before a phase ends or tables are counted.
            false => from_us,
        };
        let until_us = self.take_starts(from_us, until_us);
        // While it is not known when sessions begin, all changes are.
        self.extend_presence(until_us)?;
        let mut window = self.world.resource_mut::<Window>();
        window.from_us = from_us;
        window.until_us = until_us;
        window.starts_us = until_us;
        window.final_us = until_us;
        window.again = false;
        self.run_systems()?;
        match self.world.resource_mut::<Recorded>().join_ended.take() {
            Some(JoinEnded::At(joined_us)) => self.settle(joined_us)?,
            Some(JoinEnded::Never) => return Err(Halt::JoinUnanswered),
            None => {}
        }
        Ok(Progress::Going)
    }

    /// Returns why a network whose operations run as events cannot go on, where nothing is left to do before the end of the
    /// clock.
    fn events_out_of_time(&self) -> Halt {
        let chunks = self.world.resource::<Chunks>();
        let in_flight = chunks.all.iter().flat_map(Chunk::all_users);
        let event = in_flight.map(|one| operation::Event {
            at_us: one.next_event_us(),
            operation: one.number,
            phase: one.phase,
        });
        let start = self.world.resource::<Phases>().first_after(LAST_US);
        match event.chain(start).min() {
            Some(operation::Event {
                operation, phase, ..
            }) => Halt::OperationBeyondClock { phase, operation },
            // A phase without operations ends before the clock does, but for that of joins.
            None => Halt::JoinBeyondClock,
        }
    }

    /// Takes the operations that are due before `until_us`, and returns the end of a window that begins at `from_us` and in
    /// which no phase ends before the last moment: another one may start at any node then.
    fn take_starts(&mut self, from_us: u64, until_us: u64) -> u64 {
        if let Some(joins_us) = self.joins_until_us() {
            // Nothing else runs, and the joins may end when an event of the last one happens.
            return until_us.min(joins_us.max(from_us).saturating_add(1));
        }
        self.world.resource_scope(|world, mut chunks: Mut<Chunks>| {
            let mut phases = world.resource_mut::<Phases>();
            let taken = &mut chunks.taken;
            phases.take_planned(until_us, |task, planned, parallel| {
                taken.push(Start {
                    task,
                    planned,
                    parallel,
                });
            });
            let ends = phases.ending().map(|(slot, ended_us)| {
                let operations = chunks.all.iter().flat_map(|chunk| chunk.users(slot));
                let next = operations.map(|operation| operation.next_event_us());
                let starts = chunks.taken.iter().filter(|start| start.task.slot == slot);
                let starts = starts.map(|start| start.planned.due_us);
                next.chain(starts).max().unwrap_or(0).max(ended_us)
            });
            let end_us = ends
                .min()
                .map_or(u64::MAX, |end_us| end_us.saturating_add(1));
            until_us.min(end_us.max(from_us + u64::from(until_us > from_us)))
        })
    }

    /// Returns why the network cannot go on, where nothing is left to do before the end of the clock.
    fn out_of_time(&self) -> Halt {
        let event = self.world.resource::<Operations>().first_after(LAST_US);
        let start = self.world.resource::<Phases>().first_after(LAST_US);
        let Some(first) = event.into_iter().chain(start).min() else {
            unreachable!("something was to happen after the end of the clock");
        };
        Halt::OperationBeyondClock {
            phase: first.phase,
            operation: first.operation,
        }
    }

    /// Ends the first phase that is over, if there is one: each of its operations has ended or is cut off, its duration has
    /// passed, and no operation of another phase has an event before its end. The clock advances to that end.
    ///
    /// # Errors
    ///
    /// Nodes come and leave more often than can be kept.
    pub fn end_phase(&mut self) -> Result<Option<PhaseEnd>, Halt> {
        let final_us = self.world.resource::<Window>().final_us;
        let Some(Over {
            slot,
            phase,
            start_us,
            end_us,
        }) = self.world.resource::<Phases>().over(final_us)
        else {
            return Ok(None);
        };
        if self.world.resource::<Phases>().accounting(slot) == Accounting::None {
            if self.world.resource::<Phases>().has_shifts_left() {
                self.world
                    .run_system_cached_with(record::end_shifts, end_us)
                    .expect(super::REGISTERED);
            }
            self.recorded().end_single(phase);
            self.world.resource_mut::<Received>().take(slot);
            let cut_off = self.world.resource_mut::<Phases>().remove(slot, false);
            self.now_us = self.now_us.max(end_us);
            return Ok(Some(PhaseEnd {
                phase,
                start_us,
                end_us,
                cut_off,
                is_living: false,
                received: Vec::new(),
                maintenance: None,
                later_uses: HashMap::new(),
                started: Counts::default(),
            }));
        }
        self.extend_presence(end_us)?;
        let shift_goes_on = self
            .world
            .run_system_cached_with(record::end_phase, (slot, end_us))
            .expect(super::REGISTERED);
        let are_counted = self.world.resource::<Links>().is_charged();
        let later_uses = match are_counted && self.world.resource::<Phases>().are_several() {
            true => record::uses_after(self.world.resource::<Sends>(), end_us),
            false => HashMap::new(),
        };
        let mut phases = self.world.resource_mut::<Phases>();
        let cut_off = phases.remove(slot, shift_goes_on);
        let received = self.world.resource_mut::<Received>().take(slot);
        let started = self.world.resource_mut::<Recorded>().take_started(slot);
        self.merge_segments(self.first_arrival_us(end_us));
        self.now_us = self.now_us.max(end_us);
        // After joins, the clock goes to the moment at which the first phase may start.
        self.now_us = self.now_us.max(self.first_us());
        Ok(Some(PhaseEnd {
            phase,
            start_us,
            end_us,
            cut_off,
            is_living: self.world.resource::<Recording>().living,
            received,
            maintenance: self.world.resource_mut::<Chunks>().take_counts(phase),
            later_uses,
            started,
        }))
    }

    /// Rebuilds the arena of segments before a window that begins at `from_us`, if retrieves read it in the window and
    /// many segments have been stored since it was built.
    fn merge_read_segments(&mut self, execution: Execution, from_us: u64) {
        let phases = self.world.resource::<Phases>();
        let is_read = match execution {
            Execution::Whole => phases.share_segments() && !phases.are_retrieves_held(),
            Execution::Windowed | Execution::Sequential => phases.share_segments(),
            Execution::Events => false,
        };
        // A phase whose end lies before the window has not ended: its end reads what nodes held then.
        let now_us = phases
            .first_end_us()
            .map_or(from_us, |end_us| end_us.min(from_us));
        if is_read && self.world.resource::<Segments>().wants_merge() {
            self.merge_segments(self.first_arrival_us(now_us));
        }
    }

    /// Returns the earliest time, at most `now_us`, as of which stores may still be read: an answer in flight shows what
    /// the node held when the request reached it.
    fn first_arrival_us(&self, now_us: u64) -> u64 {
        let arrival_us = self.world.resource::<Operations>().first_arrival_us();
        arrival_us.map_or(now_us, |arrival_us| arrival_us.min(now_us))
    }

    /// Rebuilds the arena of segments. Later reads ask what nodes hold at `now_us` or later.
    fn merge_segments(&mut self, now_us: u64) {
        self.with_stores(|segments, stores| segments.merge(stores, now_us));
    }

    /// Runs one operation from now to its end and returns its result. Its row is the last of [`Recorded::operations`].
    fn run_one(&mut self, kind: Kind, origin: Row, key: Key) -> Vec<Row> {
        let planned = Planned {
            number: self.next_operation,
            origin,
            key,
            due_us: self.now_us,
            lacks_origin: false,
        };
        self.next_operation += 1;
        let phase = Phase {
            number: 0,
            kind,
            source: Box::new(One(Some(planned))),
            operations: 1,
            parallel: None,
            start_us: self.now_us,
            duration_us: 0,
            max_us: None,
            freshness_us: None,
        };
        let are_events = self.world.resource::<Chunks>().are_used();
        let are_recorded = self.recording().results;
        self.recording().results |= are_events;
        self.open_phase(phase, Accounting::None, Counts::default());
        if let Err(halt) = self.run(&mut Unobserved) {
            // `Instant + Duration` panics likewise.
            panic!("{halt}");
        }
        if are_events {
            self.recording().results = are_recorded;
            let results = &mut self.recorded().result_ids;
            let result = match are_recorded {
                true => results.last().cloned(),
                false => results.pop(),
            };
            let ids = result.flatten().unwrap_or_default();
            let rows = ids.into_iter().filter_map(|id| self.row(id));
            return rows.collect();
        }
        // A slot keeps its contents until it is used again, so the one just freed still has the result.
        self.world
            .resource::<Operations>()
            .last_freed()
            .map_or_else(Vec::new, |operation| {
                assert_eq!(operation.stage, Stage::Ended, "the run goes on to its end");
                operation.result.clone()
            })
    }

    /// Looks up the nodes closest to a key, from now to the end; returns them nearest first.
    ///
    /// # Panics
    ///
    /// If the operation goes on beyond the last moment of the clock, [`LAST_US`].
    pub fn lookup(&mut self, origin: Row, key: Key) -> Vec<Row> {
        self.run_one(Kind::Lookup, origin, key)
    }

    /// Looks up the nodes closest to a key and stores the key there; returns them nearest first.
    ///
    /// # Panics
    ///
    /// If the operation goes on beyond the last moment of the clock, [`LAST_US`].
    pub fn provide(&mut self, origin: Row, key: Key) -> Vec<Row> {
        self.run_one(Kind::Provide, origin, key)
    }

    /// Looks for a node that holds the key; returns the closest nodes known at the end.
    ///
    /// # Panics
    ///
    /// If the operation goes on beyond the last moment of the clock, [`LAST_US`].
    pub fn retrieve(&mut self, origin: Row, key: Key) -> Vec<Row> {
        self.run_one(Kind::Retrieve, origin, key)
    }
}

/// A single operation.
struct One(Option<Planned>);

impl Source for One {
    fn peek(&self) -> Option<Planned> {
        self.0
    }

    fn advance(&mut self) {
        self.0 = None;
    }
}

/// An observer that takes nothing.
struct Unobserved;

impl Observer for Unobserved {
    type Error = Halt;
}
