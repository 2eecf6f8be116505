//! Lets operations start: when they are due and, where at most so many may be in flight per origin, when
//! one of their origin has ended. Those that wait for a place are kept, 32 bytes each.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, VecDeque};

use bevy_ecs::prelude::*;

use kadsim_engine::node::Row;
use kadsim_engine::operation::{Operations, Planned, Source};

use crate::advance::Outboxes;
use crate::step::{Activity, Course, Window};

/// Operations that start in one step, at most, where the rest can wait.
const BATCH: usize = 1 << 14;

/// Operations that have not started.
#[derive(Resource, Default)]
pub struct Queue {
    source: Option<Box<dyn Source>>,
    parallel: Option<u32>,
    origins: HashMap<Row, Origin>,
    waiting: u64,
    /// Those under a limit whose start is known, the first to start on top.
    ready: BinaryHeap<Reverse<Ready>>,
    /// Origins of those under a limit that were put into slots in this round.
    started: Vec<Row>,
}

/// An operation whose start is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ready {
    start_us: u64,
    planned: Planned,
}

impl Ord for Ready {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |ready: &Self| (ready.start_us, ready.planned.number);
        order(self).cmp(&order(other))
    }
}

impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The operations of an origin under a limit.
#[derive(Default)]
struct Origin {
    /// Places that have been taken at least once.
    opened: u32,
    /// When places became free, µs.
    free_us: BinaryHeap<Reverse<u64>>,
    waiting: VecDeque<Planned>,
    /// Starts of those that were admitted and have not run yet, µs.
    admitted_us: BinaryHeap<Reverse<u64>>,
}

impl Queue {
    /// Operations of this source, at most `parallel` in flight per origin.
    pub fn new(source: Box<dyn Source>, parallel: Option<u32>) -> Self {
        Self {
            source: Some(source),
            parallel,
            ..Self::default()
        }
    }

    /// When the next operation of the source is due, µs.
    fn next_due_us(&self) -> Option<u64> {
        self.source.as_ref()?.peek().map(|planned| planned.due_us)
    }

    /// When the next operation starts, at the earliest, µs.
    pub fn next_start_us(&self) -> Option<u64> {
        let ready_us = self.ready.peek().map(|ready| ready.0.start_us);
        [ready_us, self.next_due_us()].into_iter().flatten().min()
    }

    /// Whether nothing is left to start.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0 && self.next_start_us().is_none()
    }

    /// Takes operations due before `until_us` from the source and lets them wait for a place, until
    /// `enough` are taken or ready and the next one is due at another time. Returns when that is, if there
    /// is one.
    fn take_due(&mut self, until_us: u64, enough: usize) -> Option<u64> {
        let mut last_us = None;
        let mut taken = 0;
        loop {
            let source = self.source.as_mut()?;
            let planned = source.peek().filter(|planned| planned.due_us < until_us)?;
            if taken.max(self.ready.len()) >= enough && last_us != Some(planned.due_us) {
                return Some(planned.due_us);
            }
            last_us = Some(planned.due_us);
            taken += 1;
            source.advance();
            let origin = self.origins.entry(planned.origin).or_default();
            origin.waiting.push_back(planned);
            self.waiting += 1;
            self.admit(planned.origin);
        }
    }

    /// Lets waiting operations of an origin take its free places, earliest place first.
    ///
    /// A place that became free later than an operation just admitted starts may not be the earliest any
    /// more once that operation has ended: it has to wait for the next round.
    fn admit(&mut self, row: Row) {
        let (Some(parallel), Some(origin)) = (self.parallel, self.origins.get_mut(&row)) else {
            return;
        };
        while let Some(&planned) = origin.waiting.front() {
            let fresh = origin.opened < parallel;
            let free_us = if fresh {
                0
            } else {
                origin.free_us.peek().map_or(u64::MAX, |free| free.0)
            };
            let first_us = origin
                .admitted_us
                .peek()
                .map_or(u64::MAX - 1, |first| first.0);
            if free_us > first_us {
                return;
            }
            if fresh {
                origin.opened += 1;
            } else {
                origin.free_us.pop();
            }
            origin.waiting.pop_front();
            self.waiting -= 1;
            let start_us = free_us.max(planned.due_us);
            origin.admitted_us.push(Reverse(start_us));
            self.ready.push(Reverse(Ready { start_us, planned }));
        }
    }

    /// The next operation, if it starts before `until_us`.
    fn pop(&mut self, until_us: u64) -> Option<Ready> {
        if self.parallel.is_none() {
            let source = self.source.as_mut()?;
            let planned = source.peek().filter(|planned| planned.due_us < until_us)?;
            source.advance();
            return Some(Ready {
                start_us: planned.due_us,
                planned,
            });
        }
        let Reverse(ready) = *self.ready.peek()?;
        if ready.start_us >= until_us {
            return None;
        }
        self.ready.pop();
        self.started.push(ready.planned.origin);
        Some(ready)
    }
}

/// The system that puts operations into slots.
pub fn start_operations(
    mut queue: ResMut<Queue>,
    activity: Res<Activity>,
    mut window: ResMut<Window>,
    mut operations: ResMut<Operations>,
) {
    let kind = activity.kind;
    let mut start = |ready: Ready| operations.start(ready.planned, kind, ready.start_us);
    match (window.course, queue.parallel) {
        (Course::Windows, limit) => {
            if limit.is_some()
                && !window.again
                && let Some(due_us) = queue.take_due(window.until_us, BATCH)
            {
                window.until_us = due_us;
            }
            let mut started = 0;
            while let Some(ready) = queue.pop(window.until_us) {
                start(ready);
                started += 1;
                // More would only wait in memory; those that are due together stay together.
                let next_us = queue.next_start_us().unwrap_or(u64::MAX);
                if limit.is_none() && started >= BATCH && next_us > ready.start_us {
                    window.until_us = window.until_us.min(next_us);
                }
            }
            window.settled_us = window.until_us;
        }
        (Course::InOrder, Some(_)) => {
            // An operation is evaluated when no other can start before it: its end may let one start. One
            // that is due has to wait for a place, perhaps until after the next is due.
            while let Some(due_us) = queue.next_due_us().filter(|&due| due < window.until_us)
                && queue
                    .ready
                    .peek()
                    .is_none_or(|first| due_us <= first.0.start_us)
            {
                queue.take_due(due_us + 1, usize::MAX);
            }
            if let Some(ready) = queue.pop(window.until_us) {
                start(ready);
            }
        }
        (Course::Whole | Course::InOrder, limit) => {
            if limit.is_some() {
                queue.take_due(window.until_us, BATCH);
            }
            let ready = std::iter::from_fn(|| queue.pop(window.until_us));
            ready.take(BATCH).for_each(start);
        }
    }
    window.again = false;
}

/// The system that lets operations follow those of the same origin that have ended.
pub fn admit_successors(
    mut queue: ResMut<Queue>,
    mut outboxes: ResMut<Outboxes>,
    mut window: ResMut<Window>,
) {
    if queue.parallel.is_some() {
        // Those started have run: places that had to wait for them need not any more.
        let mut touched = std::mem::take(&mut queue.started);
        for origin in &touched {
            if let Some(origin) = queue.origins.get_mut(origin) {
                origin.admitted_us.pop();
            }
        }
        for out in outboxes.iter_mut() {
            for ended in &out.ended[out.succeeded..] {
                if let Some(origin) = queue.origins.get_mut(&ended.origin) {
                    origin.free_us.push(Reverse(ended.end_us));
                    touched.push(ended.origin);
                }
            }
            out.succeeded = out.ended.len();
        }
        for origin in touched {
            queue.admit(origin);
        }
    }
    let next_us = queue.next_start_us().unwrap_or(u64::MAX);
    match window.course {
        Course::Windows => window.again = !queue.ready.is_empty(),
        Course::Whole | Course::InOrder => window.settled_us = next_us,
    }
}

/// The system that frees the slots of ended operations, last in a step.
pub fn free_slots(mut operations: ResMut<Operations>, mut outboxes: ResMut<Outboxes>) {
    // From the last one on: the slot that takes a freed one's place is not to be freed itself.
    let mut free: Vec<u32> = outboxes
        .iter_mut()
        .flat_map(|out| out.free.drain(..))
        .collect();
    free.sort_unstable();
    free.into_iter()
        .rev()
        .for_each(|slot| operations.free(slot));
    outboxes.clear();
}
