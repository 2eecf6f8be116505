//! Advances every operation that has something to do in the window, in parallel.
//!
//! Operations are independent within a window, so chunks of slots go to any thread; what they leave is
//! gathered in the order of chunks. Cost: O(active) to find those with an event, then their work.

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use kadsim_engine::link::Links;
use kadsim_engine::node::Nodes;
use kadsim_engine::operation::{Operation, Operations, Stage};
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::routing::Tables;
use kadsim_engine::segments::Segments;

use crate::connection::{Field, Outbox};
use crate::step::{Activity, Procedure, Window};
use crate::{lookup, py_dht};

/// Slots that are advanced as one piece of work.
const CHUNK: usize = 256;

/// What the chunks of slots left for the barrier, over all rounds of a window.
#[derive(Resource, Default)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    used: usize,
}

impl Outboxes {
    /// Those in use.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Outbox> {
        self.boxes[..self.used].iter_mut()
    }

    /// Empties them for the next window.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// More of them, opened for the window.
    fn open(&mut self, count: usize, window: &Window) -> &mut [Outbox] {
        let first = self.used;
        self.used += count;
        if self.boxes.len() < self.used {
            self.boxes.resize_with(self.used, Outbox::default);
        }
        let boxes = &mut self.boxes[first..self.used];
        boxes.iter_mut().for_each(|out| out.open(window));
        boxes
    }

    /// Those of the last round.
    pub fn last(&self, count: usize) -> &[Outbox] {
        &self.boxes[self.used - count..self.used]
    }
}

/// How many outboxes a round over this many slots uses.
pub fn chunks(active: usize) -> usize {
    active.div_ceil(CHUNK)
}

/// The system.
#[expect(
    clippy::too_many_arguments,
    reason = "a system's parameters are what it reads and writes"
)]
pub fn advance_operations(
    nodes: Nodes,
    index: Res<RadixIndex>,
    tables: Res<Tables>,
    links: Res<Links>,
    segments: Res<Segments>,
    activity: Res<Activity>,
    window: Res<Window>,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
) {
    let columns = nodes.columns();
    let field = Field {
        population: Population::new(columns.keys, &index),
        columns,
        tables: &tables,
        links: &links,
        segments: &segments,
        activity: &activity,
        window: *window,
    };
    let (slots, next_events) = operations.slots_mut();
    let boxes = outboxes.open(chunks(slots.len()), &window);
    let in_order = activity.rules.procedure == Procedure::PyDht && field.is_charged();
    let work = slots
        .chunks_mut(CHUNK)
        .zip(next_events.chunks_mut(CHUNK))
        .zip(boxes.iter_mut())
        .enumerate();
    if in_order || slots_are_few(work.len()) {
        work.for_each(|(chunk, ((slots, next_events), out))| {
            advance_chunk(&field, chunk, slots, next_events, out)
        });
    } else {
        work.collect::<Vec<_>>().into_par_iter().for_each(
            |(chunk, ((slots, next_events), out))| {
                advance_chunk(&field, chunk, slots, next_events, out)
            },
        );
    }
}

/// Waking other threads costs more than one chunk's scan.
fn slots_are_few(chunks: usize) -> bool {
    chunks <= 1
}

/// Advances the operations of one chunk of slots.
fn advance_chunk(
    field: &Field,
    chunk: usize,
    slots: &mut [Operation],
    next_events_us: &mut [u64],
    out: &mut Outbox,
) {
    for (place, (operation, next_event_us)) in slots.iter_mut().zip(next_events_us).enumerate() {
        if *next_event_us >= field.window.until_us {
            continue;
        }
        let slot = (chunk * CHUNK + place) as u32;
        if operation.stage == Stage::Planned {
            match field.activity.rules.procedure {
                Procedure::Iterative => lookup::begin(field, operation, slot, out),
                Procedure::PyDht => py_dht::evaluate(field, operation, slot, out),
            }
        }
        *next_event_us = match operation.stage {
            Stage::Ended => u64::MAX,
            _ => lookup::advance(field, operation, slot, out),
        };
        if operation.stage == Stage::Ended {
            *next_event_us = u64::MAX;
        }
    }
}
