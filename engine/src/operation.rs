//! Operations: what a client asks of the network, planned, in flight and ended.
//!
//! An operation in flight is a slot of [`Operations`]; slots are reused with the memory they have, numbers
//! are not. Slots `0..active` are in flight, so a step costs O(active).

use bevy_ecs::resource::Resource;

use crate::hardware::Touch;
use crate::key::{Distance, Key};
use crate::link::Fate;
use crate::node::Row;
use crate::record::{Kind, Outcome};
use crate::shortlist::Shortlist;

/// An operation before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its number in the network.
    pub number: u64,
    /// The node that asks.
    pub origin: Row,
    /// What it asks for.
    pub key: Key,
    /// When it is due, µs of the network's clock.
    pub due_us: u64,
}

/// What the operations of a phase have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Number of the phase, for the tables.
    pub phase: u32,
    /// Place of the phase among those in flight.
    pub place: u32,
    /// What the operations do.
    pub kind: Kind,
    /// When they are cut off, µs: nothing is handled from then on.
    pub until_us: u64,
}

/// A contact of an operation that has been sent and not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// When it completes, µs; [`Contact::UNCHARGED`] until the barrier of the step has charged it.
    pub completes_us: u64,
    /// Number of the contact in the operation.
    pub sequence: u32,
    /// The node contacted.
    pub row: Row,
    /// Its distance from the operation's key.
    pub distance: Distance,
    /// Its depth.
    pub depth: u16,
    /// Outcome and delay, drawn when the contact is sent.
    pub fate: Fate,
}

impl Contact {
    /// Completion time of a contact whose overhead is not known yet.
    pub const UNCHARGED: u64 = u64::MAX;

    /// When something of this fate and overhead (of the origin, of the remote) that begins now completes,
    /// µs; at the end of time at the latest.
    #[inline]
    pub fn completion_us(now_us: u64, fate: Fate, overhead_us: (u64, u64)) -> u64 {
        Self::later_us(now_us, fate.total_us(overhead_us))
    }

    /// When the request has reached the remote, which acts at that moment, if the contact succeeds, µs: one delay
    /// before it completes.
    #[inline]
    pub fn arrival_us(fate: Fate, completes_us: u64) -> u64 {
        completes_us - fate.base_delay_us
    }

    /// This much after `now_us`; at the end of time at the latest.
    #[inline]
    pub fn later_us(now_us: u64, us: u64) -> u64 {
        now_us.saturating_add(us).min(Self::UNCHARGED - 1)
    }
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Stage {
    /// In a slot, nothing done yet.
    #[default]
    Planned,
    /// Looking up.
    Lookup,
    /// Nothing left to decide; ends when its last contact completes.
    Closing,
    /// Ended.
    Ended,
}

/// An operation in flight, or just ended.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// Its number in the network.
    pub number: u64,
    /// Number of its phase, for the tables.
    pub phase: u32,
    /// Place of its phase among those in flight.
    pub place: u32,
    /// What is asked for.
    pub kind: Kind,
    /// When it is cut off, µs: nothing is handled from then on.
    pub until_us: u64,
    /// The node that asks.
    pub origin: Row,
    /// What it asks for.
    pub key: Key,
    /// When it was due, µs.
    pub due_us: u64,
    /// When it started, µs.
    pub start_us: u64,
    /// When its lookup ended, µs.
    pub lookup_end_us: u64,
    /// When it ended, µs.
    pub end_us: u64,
    /// Where it stands.
    pub stage: Stage,
    /// What the lookup was charged for its origin, µs.
    pub origin_overhead_us: u64,
    /// Handled answers in a row that brought no progress.
    pub idle_steps: u32,
    /// Contacts sent by the lookup.
    pub attempts: u32,
    /// Contacts handled that succeeded.
    pub succeeded: u32,
    /// Contacts handled that failed.
    pub failed: u32,
    /// Contacts in flight when the lookup stopped.
    pub abandoned: u32,
    /// The node whose answer carried the value.
    pub holder: Option<Row>,
    /// Largest depth over the result; once the value is found, that of the holder.
    pub depth: u16,
    /// Stores that succeeded.
    pub stored: u32,
    /// Stores that failed.
    pub store_failed: u32,
    /// Recall of the result of a lookup that ran to its end, if asked for.
    pub recall: Option<f32>,
    /// Every node heard of.
    pub shortlist: Shortlist,
    /// Contacts in flight.
    pub in_flight: Vec<Contact>,
    /// When each of the lanes of py-dht's procedure is free, µs from the start.
    pub lanes_us: Vec<u64>,
    /// Nodes that the answers of this round have named, in a walk in rounds; some more than once.
    pub named: Vec<(Distance, Row)>,
    /// What the operation gives back, nearest to the key first.
    pub result: Vec<Row>,
}

impl Operation {
    /// Entries of each list whose memory a slot keeps from one operation to the next. A lookup in a network of a
    /// million nodes knows some 160 nodes at its end with k = 20.
    pub const KEPT: usize = 1024;

    /// Becomes a planned operation that starts at `start_us`, keeping its memory; what it knows is reset
    /// when it begins.
    pub fn restart(&mut self, planned: Planned, task: &Task, start_us: u64) {
        let shortlist = std::mem::take(&mut self.shortlist);
        let mut in_flight = std::mem::take(&mut self.in_flight);
        let mut lanes_us = std::mem::take(&mut self.lanes_us);
        let mut named = std::mem::take(&mut self.named);
        let mut result = std::mem::take(&mut self.result);
        in_flight.clear();
        lanes_us.clear();
        named.clear();
        result.clear();
        *self = Self {
            number: planned.number,
            phase: task.phase,
            place: task.place,
            kind: task.kind,
            until_us: task.until_us,
            origin: planned.origin,
            key: planned.key,
            due_us: planned.due_us,
            start_us,
            shortlist,
            in_flight,
            lanes_us,
            named,
            result,
            ..Self::default()
        };
    }

    /// Gives back the memory of lists that are longer than those of most operations. For one that has ended, whose
    /// result is all that is still asked for.
    pub fn give_back(&mut self) {
        self.shortlist.give_back(Self::KEPT);
        give_back(&mut self.in_flight);
        give_back(&mut self.lanes_us);
        give_back(&mut self.named);
    }

    /// Bytes it takes, on the heap and in its slot; room that nothing is in counts.
    pub fn bytes_used(&self) -> usize {
        size_of::<Self>()
            + self.shortlist.bytes_used()
            + self.in_flight.capacity() * size_of::<Contact>()
            + self.lanes_us.capacity() * size_of::<u64>()
            + self.named.capacity() * size_of::<(Distance, Row)>()
            + self.result.capacity() * size_of::<Row>()
    }

    /// Fetches what the next step of the operation works on: its contacts in flight and the nearest nodes it
    /// knows.
    #[inline]
    pub fn touch(&self, touch: &mut Touch) {
        touch.range(&self.in_flight, 0..self.in_flight.len());
        self.shortlist.touch(touch);
    }

    /// When something that happens at `event_us` is to be handled, µs: never, where the operation is cut off first.
    #[inline]
    pub fn before_cut(&self, event_us: u64) -> u64 {
        if event_us < self.until_us {
            event_us
        } else {
            Operations::NEVER
        }
    }

    /// Contacts handled.
    pub fn completed(&self) -> u32 {
        self.succeeded + self.failed
    }
}

/// Empties a list, and gives back its memory if that is of more than [`Operation::KEPT`] items.
fn give_back<T>(list: &mut Vec<T>) {
    list.clear();
    if list.capacity() > Operation::KEPT {
        *list = Vec::new();
    }
}

/// All operations in flight.
#[derive(Resource, Default)]
pub struct Operations {
    slots: Vec<Operation>,
    next_event_us: Vec<u64>,
    active: usize,
}

impl Operations {
    /// When an operation has something to do that has nothing left before it is cut off.
    pub const NEVER: u64 = u64::MAX;

    /// Number in flight, ended ones of this step included.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Those in flight, by slot.
    pub fn slots(&self) -> &[Operation] {
        &self.slots[..self.active]
    }

    /// Those in flight and when each next has something to do, µs.
    pub fn slots_mut(&mut self) -> (&mut [Operation], &mut [u64]) {
        (
            &mut self.slots[..self.active],
            &mut self.next_event_us[..self.active],
        )
    }

    /// When the first of them has something to do before it is cut off, µs.
    pub fn next_event_us(&self) -> Option<u64> {
        let events_us = self.next_event_us[..self.active].iter().copied();
        events_us.min().filter(|&event_us| event_us < Self::NEVER)
    }

    /// Of those that have something to do after `last_us`, before they are cut off, the first one: its time, number
    /// and phase.
    pub fn first_after(&self, last_us: u64) -> Option<(u64, u64, u32)> {
        let events_us = self.next_event_us.iter().zip(self.slots());
        let later = events_us.filter(|&(&us, _)| last_us < us && us < Self::NEVER);
        later
            .map(|(&us, operation)| (us, operation.number, operation.phase))
            .min()
    }

    /// When the first of the requests of retrieves that are under way has reached its remote, or does, µs: what was
    /// held before that, nobody asks any more.
    pub fn first_arrival_us(&self) -> Option<u64> {
        let retrieves = self.slots().iter().filter(|one| one.kind == Kind::Retrieve);
        let contacts = retrieves.flat_map(|retrieve| &retrieve.in_flight);
        let answered = contacts.filter(|contact| contact.fate.outcome == Outcome::Ok);
        answered
            .map(|contact| Contact::arrival_us(contact.fate, contact.completes_us))
            .min()
    }

    /// Puts an operation in a slot.
    pub fn start(&mut self, planned: Planned, task: &Task, start_us: u64) {
        if self.active == self.slots.len() {
            self.slots.push(Operation::default());
            self.next_event_us.push(0);
        }
        self.slots[self.active].restart(planned, task, start_us);
        self.next_event_us[self.active] = start_us;
        self.active += 1;
    }

    /// Frees the slot of an operation that has ended or was cut off; the last one in flight takes its place.
    pub fn free(&mut self, slot: u32) {
        let slot = slot as usize;
        // Of a free slot only the last one is asked for its result.
        if let Some(freed) = self.slots.get_mut(self.active) {
            give_back(&mut freed.result);
        }
        self.slots[slot].give_back();
        self.active -= 1;
        self.slots.swap(slot, self.active);
        self.next_event_us.swap(slot, self.active);
    }

    /// The operation whose slot was freed last and has not been taken again.
    pub fn last_freed(&self) -> Option<&Operation> {
        self.slots.get(self.active)
    }

    /// Bytes that the slots take, those in flight and those that wait to be taken again, and how many there
    /// are.
    pub fn bytes_used(&self) -> (usize, usize) {
        let bytes: usize = self.slots.iter().map(Operation::bytes_used).sum();
        (bytes, self.slots.len())
    }
}

/// Where operations come from: a phase of an experiment, a trace, a caller.
pub trait Source: Send + Sync {
    /// The next operation, in the order of (due time, number), or `None` when there are no more. Stays the
    /// same until [`Source::advance`].
    fn peek(&self) -> Option<Planned>;

    /// Goes on to the one after.
    fn advance(&mut self);
}
