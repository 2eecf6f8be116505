//! Lets operations start: when they are due and, where at most so many may be in flight per origin, when
//! one of their origin has ended.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use bevy_ecs::prelude::*;

use kadsim_engine::node::Row;
use kadsim_engine::operation::{Operations, Planned, Source};

use crate::advance::{Outboxes, chunks};
use crate::step::{Activity, Window};

/// Operations that have not started.
#[derive(Resource, Default)]
pub struct Queue {
    source: Option<Box<dyn Source>>,
    parallel: Option<u32>,
    origins: HashMap<Row, Origin>,
    /// Origins of which operations were admitted that have not run yet.
    admitted: Vec<Row>,
    waiting: u64,
    ready: Vec<(u64, Planned)>,
}

/// The operations of an origin under a limit.
#[derive(Default)]
struct Origin {
    /// Places that have been taken at least once.
    opened: u32,
    /// When places became free, µs.
    free_us: BinaryHeap<Reverse<u64>>,
    waiting: VecDeque<Planned>,
    /// First start of those that were admitted and have not run yet, µs.
    admitted_us: Option<u64>,
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

    /// When the next operation is due, µs.
    pub fn next_due_us(&self) -> Option<u64> {
        self.source.as_ref()?.peek().map(|planned| planned.due_us)
    }

    /// Whether nothing is left to start.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0 && self.ready.is_empty() && self.next_due_us().is_none()
    }

    /// Whether the number in flight is limited.
    pub fn is_limited(&self) -> bool {
        self.parallel.is_some()
    }

    /// Takes everything due before `until_us` from the source.
    fn take_due(&mut self, until_us: u64) {
        let Some(source) = self.source.as_mut() else {
            return;
        };
        let mut touched = Vec::new();
        while let Some(planned) = source.peek().filter(|planned| planned.due_us < until_us) {
            source.advance();
            if self.parallel.is_none() {
                self.ready.push((planned.due_us, planned));
                continue;
            }
            self.origins
                .entry(planned.origin)
                .or_default()
                .waiting
                .push_back(planned);
            self.waiting += 1;
            if touched.last() != Some(&planned.origin) {
                touched.push(planned.origin);
            }
        }
        for origin in touched {
            self.admit(origin);
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
            if free_us > origin.admitted_us.unwrap_or(u64::MAX - 1) {
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
            if origin.admitted_us.is_none() {
                self.admitted.push(row);
            }
            origin.admitted_us = Some(
                origin
                    .admitted_us
                    .map_or(start_us, |first_us| first_us.min(start_us)),
            );
            self.ready.push((start_us, planned));
        }
    }
}

/// The system that puts operations into slots.
pub fn start_operations(
    mut queue: ResMut<Queue>,
    activity: Res<Activity>,
    mut window: ResMut<Window>,
    mut operations: ResMut<Operations>,
) {
    if !window.again {
        queue.take_due(window.until_us);
    }
    window.again = false;
    queue
        .ready
        .sort_unstable_by_key(|(start_us, planned)| (*start_us, planned.number));
    // Those that start after the window (their place is free only then) come back in a later one.
    let inside = queue
        .ready
        .partition_point(|(start_us, _)| *start_us < window.until_us);
    for (start_us, planned) in queue.ready.drain(..inside) {
        operations.start(planned, activity.kind, start_us);
    }
}

/// The system that lets operations follow those of the same origin that have ended.
pub fn admit_successors(
    mut queue: ResMut<Queue>,
    operations: Res<Operations>,
    outboxes: Res<Outboxes>,
    mut window: ResMut<Window>,
) {
    if !queue.is_limited() {
        return;
    }
    let slots = operations.slots();
    let ended = outboxes
        .last(chunks(slots.len()))
        .iter()
        .flat_map(|out| &out.ended);
    // Those admitted have run up to the end of the window: places that had to wait for them need not any more.
    let mut touched = std::mem::take(&mut queue.admitted);
    for origin in &touched {
        if let Some(origin) = queue.origins.get_mut(origin) {
            origin.admitted_us = None;
        }
    }
    for operation in ended.map(|&slot| &slots[slot as usize]) {
        if let Some(origin) = queue.origins.get_mut(&operation.origin) {
            origin.free_us.push(Reverse(operation.end_us));
            touched.push(operation.origin);
        }
    }
    for origin in touched {
        queue.admit(origin);
    }
    window.again = !queue.ready.is_empty();
}

/// The system that frees the slots of ended operations, last in a step.
pub fn free_slots(mut operations: ResMut<Operations>, mut outboxes: ResMut<Outboxes>) {
    if outboxes.iter_mut().any(|out| !out.ended.is_empty()) {
        operations.free_ended();
    }
    outboxes.clear();
}
