//! Phases in flight: what waits in each, and when one is over.
//!
//! Several may be in flight at once. Their operations are numbered through, so everything that has an order
//! (charges, rows) has one across phases too, and each keeps its own limits: what is in flight per origin, and
//! when it is cut off. What they share is what the operations of one phase share: overhead counters and
//! segment stores. A phase has a place while it is in flight, 0 for one that is alone; by its place it is told
//! from the others wherever there is something of each. Cost: O(phases in flight) for each operation that
//! starts or ends.

use bevy_ecs::prelude::*;

use kadsim_engine::node::Row;
use kadsim_engine::operation::{Source, Task};
use kadsim_engine::record::Kind;
use kadsim_engine::time::LAST_US;

use crate::queue::{Queue, Ready};
use crate::step::Course;

/// A phase before it begins.
pub struct Phase {
    /// Its number, for the tables.
    pub number: u32,
    /// What its operations do.
    pub kind: Kind,
    /// The operations. None is due before `start_us`, and their numbers are the network's next ones.
    pub source: Box<dyn Source>,
    /// How many numbers they take.
    pub operations: u64,
    /// Most operations in flight per origin.
    pub parallel: Option<u32>,
    /// When it starts, µs; not before the network's clock.
    pub start_us: u64,
    /// How long after its start its operations are cut off, µs.
    pub max_us: Option<u64>,
}

/// Whether a phase was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// Whether operations were in flight or waiting.
    pub is_cut: bool,
    /// How many were in flight.
    pub running: u64,
}

/// A phase in flight.
struct Running {
    task: Task,
    queue: Queue,
    in_flight: u64,
    last_end_us: u64,
}

impl Running {
    /// When the next operation starts, at the earliest, if that is before they are cut off, µs.
    fn next_start_us(&self) -> Option<u64> {
        let next_us = self.queue.next_start_us();
        next_us.filter(|&next_us| next_us < self.task.until_us)
    }

    /// The operation that starts first, of those whose start is known.
    fn first(&self) -> Option<Ready> {
        let first = self.queue.first();
        first.filter(|first| first.start_us < self.task.until_us)
    }

    /// Whether every operation has ended.
    fn is_done(&self) -> bool {
        self.in_flight == 0 && self.queue.is_empty()
    }

    /// When the phase ends, as far as that is known: with its last operation, or when it is cut off.
    fn end_us(&self) -> Option<u64> {
        match self.is_done() {
            true => Some(self.last_end_us),
            false => self.cut_us(),
        }
    }

    fn cut_us(&self) -> Option<u64> {
        (self.task.until_us < u64::MAX).then(|| self.task.until_us - 1)
    }
}

/// The phases in flight, by place.
#[derive(Resource, Default)]
pub struct Phases {
    places: Vec<Option<Running>>,
    /// Whether retrieves wait until what provides do is known.
    are_readers_held: bool,
}

impl Phases {
    fn all(&self) -> impl Iterator<Item = &Running> {
        self.places.iter().flatten()
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Running> {
        self.places.iter_mut().flatten()
    }

    /// Begins a phase; returns its place.
    pub fn begin(&mut self, phase: Phase) -> u32 {
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or(self.places.len());
        if free.is_none() {
            self.places.push(None);
        }
        // The clock ends before a later cut.
        let cut_us = phase
            .max_us
            .map(|max_us| phase.start_us.saturating_add(max_us))
            .filter(|&cut_us| cut_us <= LAST_US);
        self.places[place] = Some(Running {
            task: Task {
                phase: phase.number,
                place: place as u32,
                kind: phase.kind,
                until_us: cut_us.map_or(u64::MAX, |cut_us| cut_us.saturating_add(1)),
            },
            queue: Queue::new(phase.source, phase.parallel),
            in_flight: 0,
            last_end_us: phase.start_us,
        });
        place as u32
    }

    /// Removes the phase at a place and returns how it ended. Returns whether it was cut off.
    pub fn remove(&mut self, place: u32) -> CutOff {
        let running = self.places[place as usize].take();
        running.map_or(
            CutOff {
                is_cut: false,
                running: 0,
            },
            |running| CutOff {
                is_cut: !running.is_done(),
                running: running.in_flight,
            },
        )
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Whether there are several.
    pub fn are_several(&self) -> bool {
        self.all().nth(1).is_some()
    }

    /// Whether what one provides another may retrieve.
    pub fn share_segments(&self) -> bool {
        let has = |kind| self.all().any(|running| running.task.kind == kind);
        has(Kind::Provide) && has(Kind::Retrieve)
    }

    /// When the first of them is cut off, if any is, µs.
    pub fn first_cut_us(&self) -> Option<u64> {
        self.all().filter_map(Running::cut_us).min()
    }

    /// The phase that ends next, if it has ended before `settled_us`: its place, number and end, µs.
    pub fn over(&self, settled_us: u64) -> Option<(u32, u32, u64)> {
        let ended = self.all().filter_map(|running| {
            let end_us = running.end_us().filter(|&end_us| end_us < settled_us)?;
            Some((end_us, running.task))
        });
        let (end_us, task) = ended.min_by_key(|(end_us, task)| (*end_us, task.phase))?;
        Some((task.place, task.phase, end_us))
    }

    /// When the next operation starts, at the earliest, µs.
    pub fn next_start_us(&self) -> Option<u64> {
        self.all().filter_map(Running::next_start_us).min()
    }

    /// Of the operations that start after `last_us`, before they are cut off, the first one: its start, number and
    /// phase.
    pub fn first_after(&self, last_us: u64) -> Option<(u64, u64, u32)> {
        let starts = self.all().filter_map(|running| {
            let next = running.queue.next()?;
            let is_later = last_us < next.start_us && next.start_us < running.task.until_us;
            is_later.then_some((next.start_us, next.planned.number, running.task.phase))
        });
        starts.min()
    }

    /// Whether an operation that does not wait starts before `until_us`.
    pub fn has_ready(&self, until_us: u64) -> bool {
        let mut firsts = self.unheld().filter_map(Running::first);
        firsts.any(|first| first.start_us < until_us)
    }

    /// Those whose operations need not wait.
    fn unheld(&self) -> impl Iterator<Item = &Running> {
        let are_held = self.are_readers_held;
        self.all()
            .filter(move |running| !(are_held && running.task.kind == Kind::Retrieve))
    }

    /// Decides whether retrieves wait. A retrieve looks in its origin's store when it starts, so all stores that are
    /// due by then must be known. Provides never wait: they read no store. Retrieves wait
    ///
    /// - under [`Course::Whole`], until every provide has been evaluated;
    /// - under [`Course::Windows`], until every provide has reached the window's end, because an origin in its own
    ///   result stores within the window;
    /// - under [`Course::InOrder`] never, because by py-dht's procedure every store is a connection.
    pub fn hold_readers(&mut self, course: Course) {
        let starts = |running: &Running| {
            running.task.kind == Kind::Provide && running.next_start_us().is_some()
        };
        self.are_readers_held = self.share_segments()
            && match course {
                Course::Whole => self.all().any(starts),
                Course::Windows => true,
                Course::InOrder => false,
            };
    }

    /// Whether retrieves wait.
    pub fn are_readers_held(&self) -> bool {
        self.are_readers_held
    }

    /// Lets the retrieves start that have waited.
    pub fn release_readers(&mut self) {
        self.are_readers_held = false;
    }

    /// Takes out the operation that starts first, in the order of (start, number), if it starts before
    /// `until_us`.
    pub fn pop(&mut self, until_us: u64) -> Option<(Task, Ready)> {
        let are_held = self.are_readers_held;
        let free = self
            .all_mut()
            .filter(|running| !(are_held && running.task.kind == Kind::Retrieve));
        let firsts = free.filter_map(|running| {
            let first = running.first()?;
            (first.start_us < until_us).then_some((first, running))
        });
        let (first, running) = firsts.min_by_key(|(first, _)| first.order())?;
        running.queue.pop();
        running.in_flight += 1;
        Some((running.task, first))
    }

    /// Notes that an operation of the phase at a place has ended.
    pub fn end(&mut self, place: u32, end_us: u64) {
        if let Some(running) = &mut self.places[place as usize] {
            running.in_flight -= 1;
            running.last_end_us = running.last_end_us.max(end_us);
        }
    }

    /// Whether there are operations that may have to wait for another one's end.
    pub fn are_limited(&self) -> bool {
        self.all().any(|running| running.queue.is_limited())
    }

    /// When those that may have to wait are cut off, µs, and the queues that they wait in.
    pub fn limited(&mut self) -> impl Iterator<Item = (u64, &mut Queue)> {
        let all = self.all_mut();
        let queues = all.map(|running| (running.task.until_us, &mut running.queue));
        queues.filter(|(_, queue)| queue.is_limited())
    }

    /// An operation of the phase at a place has ended: others of its origin may start.
    pub fn free(&mut self, place: u32, origin: Row, end_us: u64) {
        if let Some(running) = &mut self.places[place as usize] {
            running.queue.free(origin, end_us);
        }
    }

    /// Takes operations due before `until_us` from the sources of those that may have to wait, about
    /// `enough` of each. Returns until when all that are due have been taken.
    pub fn take_due(&mut self, until_us: u64, enough: usize) -> u64 {
        self.limited().fold(until_us, |until_us, (cut_us, queue)| {
            let left_us = queue.take_due(until_us.min(cut_us), enough);
            left_us.unwrap_or(until_us)
        })
    }

    /// Takes operations due before `until_us` from the sources of those that may have to wait, until it is
    /// known which starts first.
    pub fn take_until_first(&mut self, until_us: u64) {
        self.limited()
            .for_each(|(cut_us, queue)| queue.take_until_first(until_us.min(cut_us)));
    }
}
