//! Outboxes: what operations leave for the barrier and for the tables.
//!
//! Systems work on operations in flight in chunks of slots, on any thread. Each chunk has an [`Outbox`] of its own, and
//! the barrier reads outboxes in the order of chunks, so results do not depend on threads.

use std::ops::Range;

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use kadsim_engine::answer::Answer;
use kadsim_engine::hardware::Prefetcher;
use kadsim_engine::key::Key;
use kadsim_engine::link::{Charge, Fate};
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Operation, Operations};
use kadsim_engine::record::{Outcome, Purpose, Request};
use kadsim_engine::segments::Segments;
use kadsim_engine::slot::{OperationSlot, PhaseSlot};

use crate::interleaving::Interleaved;
use crate::recording::Recording;
use crate::ticks::{TickCounts, Ticks};
use crate::view::{Scratch, View};
use crate::window::Window;

/// Number of slots of a chunk.
const CHUNK: usize = 256;

/// A contact, or an origin's use, that waits for the barrier.
#[derive(Clone, Copy, Debug)]
pub struct Send {
    /// When it is sent, µs.
    pub time_us: u64,
    /// The operation.
    pub operation: u64,
    /// Number of its phase; of maintenance, of the phase in which it counts.
    pub phase: u32,
    /// What it is for.
    pub purpose: Purpose,
    /// Slot of the operation.
    pub slot: OperationSlot,
    /// Number of the contact in the operation; for an origin's use, that of the contact that follows.
    pub sequence: u32,
    /// The node that sends.
    pub from: Row,
    /// What is sent.
    pub what: Sent,
}

/// What a [`Send`] is.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    /// The origin's overhead for a lookup.
    Origin,
    /// A contact.
    Contact {
        /// The node contacted.
        to: Row,
        /// What the node is asked.
        request: Request,
        /// Outcome and delay.
        fate: Fate,
        /// Overhead; zero until it is charged.
        charge: Charge,
    },
}

impl Send {
    /// Returns the order in which overhead is charged and connections are recorded.
    pub fn order(&self) -> impl Ord + use<> {
        (
            self.time_us,
            self.operation,
            self.sequence,
            matches!(self.what, Sent::Contact { .. }),
        )
    }
}

/// A store that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The node that holds the segment.
    pub row: Row,
    /// The segment's key.
    pub key: Key,
    /// From when the node holds it, µs.
    pub visible_us: u64,
}

/// Memory that answers have read, in an instrumented run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Answers.
    pub answers: u64,
    /// Entries of routing tables, including those that were not among the closest.
    pub entries: u64,
    /// Distinct cache lines of each answer and its contact, summed: of tables, keys, index, components and segment
    /// stores.
    pub lines: u64,
}

/// What a chunk of operations leaves for the barrier and for the tables, and the memory it works with.
#[derive(Default)]
pub struct Outbox {
    /// Counts by tick, by the slot of the phase.
    pub ticks: Vec<Ticks>,
    /// What was sent, if overhead is charged or connections are recorded.
    pub sends: Vec<Send>,
    /// Stores whose time of visibility is known.
    pub stores: Vec<Stored>,
    /// Operations whose lookup has ended in this round, or whose last contact completes in this window.
    pub closing: Vec<OperationSlot>,
    /// Operations that have ended in this window.
    pub ended: Vec<OperationSlot>,
    /// Number of operations at the head of `ended` that have freed the permit of their origin.
    pub succeeded: usize,
    /// Prefetcher; counts cache lines instead in an instrumented run.
    pub prefetcher: Prefetcher,
    /// What answers have read, in an instrumented run.
    pub reads: Reads,
    /// The answer that is being read.
    pub answer: Answer,
    /// Memory that answers and recalls reuse.
    pub scratch: Scratch,
    /// Memory that chunks reuse to interleave their operations.
    pub interleaved: Interleaved,
    /// Nodes contacted that have not been counted yet; their counters are being prefetched.
    contacted: Vec<(PhaseSlot, Row)>,
}

impl Outbox {
    /// Empties the outbox for a window. `phases` is the number of phase slots.
    pub fn open(&mut self, window: &Window, recording: &Recording, phases: usize) {
        self.ticks.resize_with(phases, Ticks::default);
        self.ticks.iter_mut().for_each(|ticks| ticks.open(window));
        if self.prefetcher.is_counting() != recording.instrumented {
            self.prefetcher = match recording.instrumented {
                true => Prefetcher::counting(),
                false => Prefetcher::default(),
            };
        }
        self.reads = Reads::default();
        self.answer.read = 0;
        self.sends.clear();
        self.stores.clear();
        self.ended.clear();
        self.succeeded = 0;
    }

    /// Prefetches the counter of a node that is contacted, for [`Outbox::count_contacts`].
    #[inline]
    pub fn contacted(&mut self, view: &View, operation: &Operation, remote: Row) {
        self.prefetcher.item(view.counters(), remote.index());
        self.contacted.push((operation.phase_slot, remote));
    }

    /// Counts the contacts since the last call at the nodes that received them.
    #[inline]
    pub fn count_contacts(&mut self, view: &View) {
        for (phase, row) in self.contacted.drain(..) {
            view.count(phase, row);
        }
    }

    /// Returns the counts of an operation's phase in the tick in which `time_us` lies, which must not be before the
    /// window.
    #[inline]
    pub fn tick(&mut self, operation: &Operation, time_us: u64) -> &mut TickCounts {
        self.ticks[operation.phase_slot.index()].at(time_us)
    }

    /// Counts a contact in its tick, and keeps it for the barrier if it is charged or recorded.
    #[inline]
    pub fn send(&mut self, view: &View, operation: &Operation, send: Send) {
        if let Sent::Contact { request, fate, .. } = send.what {
            let tick = self.tick(operation, send.time_us);
            tick.outcomes[fate.outcome as usize] += 1;
            if request == Request::Store && fate.outcome == Outcome::Ok {
                tick.stored += 1;
            }
        }
        if view.keeps_sends() {
            self.sends.push(send);
        }
    }
}

/// The outboxes of a window, over all of its rounds.
#[derive(Resource, Default)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    used: usize,
    /// First slot of the operations of this round.
    first: usize,
    /// Operations that have started up to this round.
    started: usize,
    /// First slot of the operations that have started in this round.
    fresh: usize,
}

impl Outboxes {
    /// Returns the outboxes in use.
    pub fn iter(&self) -> impl Iterator<Item = &Outbox> {
        self.boxes[..self.used].iter()
    }

    /// Returns the outboxes in use.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Outbox> {
        self.boxes[..self.used].iter_mut()
    }

    /// Returns the outboxes in use.
    pub fn as_mut_slice(&mut self) -> &mut [Outbox] {
        &mut self.boxes[..self.used]
    }

    /// Adds the stores whose time of visibility is known to the segments.
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

    /// Begins a round. The operations in the slots `fresh` have just started and are the last in flight. The first
    /// round of a window is for all operations in flight, a later one for those that have started since. `phases` is
    /// the number of phase slots.
    pub fn begin_round(
        &mut self,
        fresh: Range<usize>,
        window: &Window,
        recording: &Recording,
        phases: usize,
    ) {
        self.fresh = fresh.start;
        self.first = std::mem::replace(&mut self.started, fresh.end);
        let count = (fresh.end - self.first).div_ceil(CHUNK);
        if self.boxes.len() < count {
            self.boxes.resize_with(count, Outbox::default);
        }
        if self.used < count {
            self.boxes[self.used..count]
                .iter_mut()
                .for_each(|out| out.open(window, recording, phases));
            self.used = count;
        }
        self.iter_mut().for_each(|out| out.closing.clear());
    }

    /// Returns the number of operations whose lookup has ended in this round, or whose last contact completes in this
    /// window.
    pub fn closing(&self) -> usize {
        self.iter().map(|out| out.closing.len()).sum()
    }

    /// Returns the operations that have started in this round.
    pub fn fresh<'a>(&self, operations: &'a Operations) -> &'a [Operation] {
        &operations.slots()[self.fresh..self.started]
    }

    /// Returns the chunks of this round.
    pub fn chunks<'a>(
        &'a mut self,
        operations: &'a mut Operations,
    ) -> impl ExactSizeIterator<Item = Chunk<'a>> + std::marker::Send {
        let (first, fresh) = (self.first, self.fresh);
        let slots = operations.slots_mut();
        slots.operations[first..]
            .chunks_mut(CHUNK)
            .zip(slots.next_event_us[first..].chunks_mut(CHUNK))
            .zip(&mut self.boxes)
            .enumerate()
            .map(move |(chunk, ((slots, next_events_us), out))| Chunk {
                first: first + chunk * CHUNK,
                fresh: fresh.saturating_sub(first + chunk * CHUNK).min(slots.len()),
                slots,
                next_events_us,
                out,
            })
    }

    /// Does the work for each chunk of this round, on all threads if `parallel` is set and there are several chunks.
    pub fn for_each_chunk(
        &mut self,
        operations: &mut Operations,
        parallel: bool,
        work: impl Fn(Chunk) + Sync + std::marker::Send,
    ) {
        let chunks = self.chunks(operations);
        // Waking other threads costs more than one chunk's work.
        if parallel && chunks.len() > 1 {
            chunks.collect::<Vec<_>>().into_par_iter().for_each(work);
        } else {
            chunks.for_each(work);
        }
    }

    /// Begins a window: no outbox is in use. Until then, outboxes have the contents of the last window; slots in them are
    /// no longer valid.
    pub fn clear(&mut self) {
        self.used = 0;
        self.first = 0;
        self.fresh = 0;
        self.started = 0;
    }
}

/// Operations that one thread works on together.
pub struct Chunk<'a> {
    /// The first slot.
    first: usize,
    /// The index from which on operations have started in this round.
    pub fresh: usize,
    /// The operations, by slot.
    pub slots: &'a mut [Operation],
    /// The time of the next event of each, µs.
    pub next_events_us: &'a mut [u64],
    /// Outbox of the chunk.
    pub out: &'a mut Outbox,
}

impl Chunk<'_> {
    /// Returns the index in this chunk of the operation in `slot`.
    #[inline]
    pub fn index(&self, slot: OperationSlot) -> usize {
        slot.index() - self.first
    }
}
