//! Advances every operation that has something to do in the window, in parallel.
//!
//! Operations are independent within a window, so chunks of slots go to any thread; what they leave is
//! gathered in the order of chunks. Within a chunk [`LANES`] operations take turns: while the memory that
//! one of them reads next is on its way, the others work. Cost: O(active) to find those with an event,
//! then their work.

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use kadsim_engine::ids::Ids;
use kadsim_engine::link::Links;
use kadsim_engine::node::{Nodes, Received};
use kadsim_engine::operation::{Operation, Operations, Stage};
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::record::Kind;
use kadsim_engine::routing::Tables;
use kadsim_engine::routing::layout::TOUCH_STAGES;
use kadsim_engine::segments::Segments;

use crate::connection::{Field, Outbox, Stored};
use crate::lookup::{self, Poll, Question};
use crate::record::Recorded;
use crate::step::{Activity, Window};

/// Slots that are advanced as one piece of work.
const CHUNK: usize = 256;

/// Operations of a chunk that take turns. Their states, a kilobyte each, have to stay in the nearest cache.
const LANES: usize = 16;

/// What the chunks of slots left for the barrier, over all rounds of a window.
#[derive(Resource, Default)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    used: usize,
    /// Slots that have been advanced in this window.
    advanced: usize,
}

impl Outboxes {
    /// Those in use.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Outbox> {
        self.boxes[..self.used].iter_mut()
    }

    /// Enters the stores whose time of visibility is known.
    pub fn enter_stores(&mut self, segments: &mut Segments) {
        let stores = self.iter_mut().flat_map(|out| out.stores.drain(..));
        for Stored {
            row,
            key,
            visible_us,
        } in stores
        {
            segments.insert(row, key, visible_us);
        }
    }

    /// Empties them for the next window.
    pub fn clear(&mut self) {
        self.used = 0;
        self.advanced = 0;
    }

    /// So many of them; opened for the window if no earlier round of it has.
    fn open(&mut self, count: usize, field: &Field) -> &mut [Outbox] {
        if self.boxes.len() < count {
            self.boxes.resize_with(count, Outbox::default);
        }
        if self.used < count {
            self.boxes[self.used..count]
                .iter_mut()
                .for_each(|out| out.open(field));
            self.used = count;
        }
        &mut self.boxes[..count]
    }
}

/// The system.
#[expect(
    clippy::too_many_arguments,
    reason = "a system's parameters are what it reads and writes"
)]
pub fn advance_operations(
    nodes: Nodes,
    index: Res<RadixIndex>,
    ids: Res<Ids>,
    tables: Res<Tables>,
    links: Res<Links>,
    segments: Res<Segments>,
    activity: Res<Activity>,
    window: Res<Window>,
    recorded: Res<Recorded>,
    received: Res<Received>,
    mut operations: ResMut<Operations>,
    mut outboxes: ResMut<Outboxes>,
) {
    let columns = nodes.columns();
    let field = Field {
        population: Population::new(columns.keys, &index),
        columns,
        ids: &ids,
        tables: &tables,
        links: &links,
        segments: &segments,
        activity: &activity,
        recorded: &recorded,
        received: &received,
        window: *window,
    };
    let (slots, next_events) = operations.slots_mut();
    // Later rounds of a window are for those that have started since.
    let first = std::mem::replace(&mut outboxes.advanced, slots.len());
    let (slots, next_events) = (&mut slots[first..], &mut next_events[first..]);
    let boxes = outboxes.open(slots.len().div_ceil(CHUNK), &field);
    let in_order = window.course.is_in_order();
    let work = slots
        .chunks_mut(CHUNK)
        .zip(next_events.chunks_mut(CHUNK))
        .zip(boxes)
        .enumerate()
        .map(|(chunk, ((slots, next_events_us), out))| Chunk {
            first: first + chunk * CHUNK,
            slots,
            next_events_us,
            out,
        });
    // Waking other threads costs more than one chunk's work.
    if in_order || activity.instrumented || work.len() <= 1 {
        let lanes = if in_order || activity.instrumented {
            1
        } else {
            LANES
        };
        work.for_each(|chunk| chunk.advance(&field, lanes));
    } else {
        work.collect::<Vec<_>>()
            .into_par_iter()
            .for_each(|chunk| chunk.advance(&field, LANES));
    }
}

/// Operations of a chunk that take turns, by place; empty, but with their memory, from one chunk to the next.
#[derive(Default)]
pub struct Lanes {
    /// Those whose turn comes.
    turns: Vec<usize>,
    /// What they ask in this round.
    questions: Vec<(usize, Question)>,
    /// Operations that are done for this window, and when each has its next event, µs.
    polled: Vec<(usize, u64)>,
}

/// Operations that are advanced as one piece of work.
struct Chunk<'a> {
    /// Number of the first slot.
    first: usize,
    slots: &'a mut [Operation],
    next_events_us: &'a mut [u64],
    out: &'a mut Outbox,
}

impl Chunk<'_> {
    /// Advances the operations to the end of the window, `lanes` at a time.
    fn advance(self, field: &Field, lanes: usize) {
        let until_us = field.window.until_us;
        let mut waiting =
            (0..self.slots.len()).filter(|&place| self.next_events_us[place] < until_us);
        let Lanes {
            mut turns,
            mut questions,
            mut polled,
        } = std::mem::take(&mut self.out.lanes);
        loop {
            while turns.len() < lanes
                && let Some(place) = waiting.next()
            {
                let operation = &self.slots[place];
                if operation.stage == Stage::Planned {
                    let touch = &mut self.out.touch;
                    touch.item(field.columns.keys, operation.origin.index());
                }
                // What is counted is what answering reads.
                if !self.out.touch.is_counting() {
                    operation.touch(&mut self.out.touch);
                }
                turns.push(place);
            }
            if turns.is_empty() {
                break;
            }
            questions.clear();
            turns.retain(|&place| {
                let slot = (self.first + place) as u32;
                match lookup::poll(field, &mut self.slots[place], slot, self.out) {
                    Poll::Ask(question) => {
                        let asked = question.owner.row.index();
                        if !field.tables.are_laid_out(&field.population) {
                            self.out.touch.item(field.columns.tables, asked);
                        }
                        if self.slots[place].kind == Kind::Retrieve {
                            self.out.touch.item(field.columns.stores, asked);
                        }
                        questions.push((place, question));
                        true
                    }
                    Poll::Until(next_us) => {
                        let next_us = self.slots[place].before_cut(next_us);
                        polled.push((place, next_us));
                        false
                    }
                }
            });
            for stage in 0..TOUCH_STAGES {
                for (place, question) in &questions {
                    let (owner, key) = (question.owner, self.slots[*place].key);
                    let Outbox { touch, scratch, .. } = &mut *self.out;
                    let rows = &mut scratch.rows;
                    field
                        .tables
                        .touch(&field.population, owner, key, stage, touch, rows);
                }
            }
            for (place, question) in &questions {
                if self.slots[*place].kind == Kind::Retrieve {
                    let store = field.columns.stores[question.owner.row.index()];
                    field.segments.touch(store, &mut self.out.touch);
                }
            }
            self.out.count_contacts(field);
            self.out.reads.lines += self.out.touch.take_lines();
            for (place, question) in &questions {
                let slot = (self.first + place) as u32;
                lookup::answered(field, &mut self.slots[*place], slot, question, self.out);
            }
        }
        drop(waiting);
        for (place, next_us) in polled.drain(..) {
            self.next_events_us[place] = next_us;
        }
        questions.clear();
        self.out.lanes = Lanes {
            turns,
            questions,
            polled,
        };
        self.out.count_contacts(field);
    }
}
