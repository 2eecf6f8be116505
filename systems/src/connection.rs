//! One contact between two nodes, and what operations note of those they send.
//!
//! A contact is counted at the remote when it is sent, failed ones included. Its fate is drawn at once; its
//! completion time too, unless overhead is charged: then it is fixed at the barrier, by [`crate::settle`].

use std::collections::BTreeMap;

use kadsim_engine::answer::Answer;
use kadsim_engine::hardware::Touch;
use kadsim_engine::ids::Ids;
use kadsim_engine::key::{Distance, Key};
use kadsim_engine::link::{ContactId, Fate, Links};
use kadsim_engine::node::{Columns, Received, Row};
use kadsim_engine::operation::Operation;
use kadsim_engine::population::Owner;
use kadsim_engine::population::Population;
use kadsim_engine::record::{OperationRow, Outcome, Request};
use kadsim_engine::routing::Tables;
use kadsim_engine::segments::Segments;

use crate::advance::Lanes;
use crate::record::Recorded;
use crate::step::{Activity, Window};

/// All that the operations of a step read, and nothing that they write but relaxed counters.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Full knowledge of the network.
    pub population: Population<'a>,
    /// The nodes' components.
    pub columns: Columns<'a>,
    /// The nodes' ids.
    pub ids: &'a Ids,
    /// Routing tables.
    pub tables: &'a Tables,
    /// Links and overhead.
    pub links: &'a Links,
    /// Who holds what.
    pub segments: &'a Segments,
    /// What is going on.
    pub activity: &'a Activity,
    /// What is to be recorded.
    pub recorded: &'a Recorded,
    /// Contacts by the phase that sends them.
    pub received: &'a Received,
    /// The window of time.
    pub window: Window,
}

impl Field<'_> {
    /// Whether what is sent waits for the barrier to be charged.
    #[inline]
    pub fn is_charged(&self) -> bool {
        self.links.is_charged()
    }

    /// Until when an operation goes on in this window, µs.
    #[inline]
    pub fn until_us(&self, operation: &Operation) -> u64 {
        self.window.until_us.min(operation.until_us)
    }

    /// Whether every node answers.
    #[inline]
    fn everybody_is_online(&self) -> bool {
        self.activity.online as usize == self.columns.activity.len()
    }

    /// Whether a node answers.
    #[inline]
    fn is_online(&self, row: Row) -> bool {
        self.everybody_is_online() || self.columns.activity[row.index()].is_online()
    }

    /// Replaces `out` by a node's answer to a request for `key`.
    #[inline]
    pub fn answer(&self, owner: Owner, key: Key, out: &mut Answer) {
        let column = self.columns.tables;
        let table = self.tables.table(&self.population, column, owner.row);
        self.tables
            .closest(&self.population, owner, table, key, out);
    }

    /// Whether a node holds a key.
    #[inline]
    pub fn holds(&self, row: Row, key: Key, now_us: u64) -> bool {
        self.segments
            .holds(self.columns.stores[row.index()], row, key, now_us)
    }

    /// One use more of a node: what it costs, µs.
    #[inline]
    pub fn charge(&self, row: Row) -> u64 {
        self.links.charge(&self.columns.activity[row.index()])
    }

    /// Counts a contact at the remote and draws its fate.
    #[inline]
    pub fn contact(
        &self,
        operation: &Operation,
        sequence: u32,
        remote: Row,
        out: &mut Outbox,
    ) -> Fate {
        out.touch.item(self.columns.activity, remote.index());
        out.contacted.push((operation.place, remote));
        let contact = ContactId {
            network_seed: self.activity.network_seed,
            operation: operation.number,
            sequence,
        };
        self.links.link.draw(contact, self.is_online(remote))
    }

    /// The network's beta closest online nodes to a key, nearest first.
    fn closest_online<'s>(&self, key: Key, scratch: &'s mut Scratch) -> &'s [(Distance, Row)] {
        let beta = self.activity.rules.beta as usize;
        let Scratch { closest, rows } = scratch;
        let online = |row| self.is_online(row);
        self.population.closest(key, beta, online, rows, closest);
        closest
    }

    /// Whether a node is as close to a key as the network's beta closest online nodes.
    pub fn is_among_closest(&self, row: Row, key: Key, scratch: &mut Scratch) -> bool {
        let distance = self.population.key(row).distance(key);
        let farthest = self.closest_online(key, scratch).last();
        farthest.is_some_and(|&(farthest, _)| distance <= farthest)
    }

    /// Whether no other node is online: there is nobody to find.
    pub fn is_alone(&self, origin: Row) -> bool {
        self.activity.online == u64::from(self.is_online(origin))
    }

    /// Share of the network's beta closest online nodes that are in the result; `None` if nobody is online but the
    /// origin.
    pub fn recall(&self, operation: &Operation, scratch: &mut Scratch) -> Option<f32> {
        if self.is_alone(operation.origin) {
            return None;
        }
        let truth = self.closest_online(operation.key, scratch);
        // Both are sorted by distance, so one pass finds what they share.
        let mut result = operation.result.iter().peekable();
        let mut hits = 0u32;
        for &(distance, row) in truth.iter() {
            while result
                .next_if(|&&other| self.population.key(other).distance(operation.key) < distance)
                .is_some()
            {}
            hits += u32::from(result.next_if(|&&other| other == row).is_some());
        }
        Some(hits as f32 / truth.len() as f32)
    }
}

/// Memory that is reused from operation to operation.
#[derive(Default)]
pub struct Scratch {
    closest: Vec<(Distance, Row)>,
    /// Rows of one bucket, of candidates.
    pub rows: Vec<Row>,
}

/// Something sent, or an origin's use, that waits for the barrier.
#[derive(Clone, Copy, Debug)]
pub struct Send {
    /// When, µs.
    pub time_us: u64,
    /// The operation.
    pub operation: u64,
    /// Its slot.
    pub slot: u32,
    /// Number of the contact in the operation; of an origin's use, that of the contact it comes before.
    pub sequence: u32,
    /// The node that sends.
    pub from: Row,
    /// What it is.
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
        /// What it is asked.
        request: Request,
        /// What becomes of it.
        fate: Fate,
        /// Overhead of the origin and of the remote, µs, if charged already.
        overhead_us: (u64, u64),
    },
}

impl Send {
    /// The order in which overhead is charged and connections are recorded.
    pub fn order(&self) -> (u64, u64, u32, bool) {
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
    /// From when, µs.
    pub visible_us: u64,
}

/// What happened in a tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickCounts {
    /// Operations that started.
    pub started: u64,
    /// Connections sent, by [`Outcome`].
    pub outcomes: [u64; 4],
    /// Stores sent that succeed.
    pub stored: u64,
    /// Retrieves that ended with the value.
    pub found: u64,
    /// Retrieves that ended without.
    pub missed: u64,
    /// Operations that were cut off.
    pub cut_off: u64,
    /// Durations of the operations that finished, µs, in no order.
    pub durations_us: Vec<u64>,
}

impl TickCounts {
    /// Starts from nothing, with its memory.
    fn clear(&mut self) {
        let mut durations_us = std::mem::take(&mut self.durations_us);
        durations_us.clear();
        *self = TickCounts {
            durations_us,
            ..TickCounts::default()
        };
    }

    /// Adds the counts of another piece of the same tick.
    pub fn add(&mut self, other: &mut TickCounts) {
        self.started += other.started;
        self.outcomes
            .iter_mut()
            .zip(other.outcomes)
            .for_each(|(sum, n)| *sum += n);
        self.stored += other.stored;
        self.found += other.found;
        self.missed += other.missed;
        self.cut_off += other.cut_off;
        self.durations_us.append(&mut other.durations_us);
    }
}

/// Counts by tick. Those that a step mostly spans lie in an array, later ones in a map.
#[derive(Default)]
pub struct Ticks {
    tick_us: u64,
    first: u64,
    near: Vec<TickCounts>,
    /// Those of the array that this window has reached.
    used: usize,
    far: BTreeMap<u64, TickCounts>,
}

impl Ticks {
    /// Ticks in the array, at most.
    const NEAR: usize = 1024;

    /// Empties it for a window.
    fn open(&mut self, window: &Window) {
        self.tick_us = window.tick_us;
        self.first = window.from_us / window.tick_us;
        self.near[..self.used]
            .iter_mut()
            .for_each(TickCounts::clear);
        self.used = 0;
        self.far.clear();
    }

    /// Counts of the tick that a time falls in, which must not be before the window.
    #[inline]
    pub fn at(&mut self, time_us: u64) -> &mut TickCounts {
        let tick = time_us / self.tick_us;
        let place = (tick - self.first) as usize;
        if place >= Self::NEAR {
            return self.far.entry(tick).or_default();
        }
        if place >= self.used {
            self.used = place + 1;
            if place >= self.near.len() {
                self.near.resize_with(place + 1, TickCounts::default);
            }
        }
        &mut self.near[place]
    }

    /// Each tick in which something happened, in order of time.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut TickCounts)> {
        let near = (self.first..).zip(&mut self.near[..self.used]);
        let far = self.far.iter_mut().map(|(&tick, counts)| (tick, counts));
        near.chain(far)
            .filter(|(_, counts)| **counts != TickCounts::default())
    }
}

/// An operation that has ended or was cut off.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its row of the operations table.
    pub row: OperationRow,
    /// Ids of its result, nearest to the key first, if wanted.
    pub result: Vec<i64>,
    /// Place of its phase among those in flight.
    pub place: u32,
    /// The node that asked.
    pub origin: Row,
    /// When it ended, or was cut off, µs.
    pub end_us: u64,
}

/// What answering has read, in an instrumented run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Answers.
    pub answers: u64,
    /// Entries of tables, those that were not among the closest included.
    pub entries: u64,
    /// Distinct cache lines of each answer and its contact, summed: of tables, keys, index, components
    /// and segment stores.
    pub lines: u64,
}

/// What a chunk of operations leaves for the barrier.
#[derive(Default)]
pub struct Outbox {
    /// Counts by tick, by the place of the phase.
    pub ticks: Vec<Ticks>,
    /// What was sent, if overhead is charged or connections are recorded.
    pub sends: Vec<Send>,
    /// Stores whose time of visibility is known.
    pub stores: Vec<Stored>,
    /// Operations that ended.
    pub ended: Vec<Ended>,
    /// Their slots.
    pub free: Vec<u32>,
    /// How many of them have let others of their origin start.
    pub succeeded: usize,
    /// What becomes of memory that will be read.
    pub touch: Touch,
    /// What was read, if that is counted.
    pub reads: Reads,
    /// The answer that is being read.
    pub answer: Answer,
    /// Reused memory.
    pub scratch: Scratch,
    /// Reused memory.
    pub lanes: Lanes,
    /// Nodes contacted that have not been counted yet; their counters are on the way from memory.
    contacted: Vec<(u32, Row)>,
}

impl Outbox {
    /// Starts anew for a window.
    pub fn open(&mut self, field: &Field) {
        self.ticks
            .resize_with(field.recorded.places(), Ticks::default);
        self.ticks
            .iter_mut()
            .for_each(|ticks| ticks.open(&field.window));
        if self.touch.is_counting() != field.activity.instrumented {
            self.touch = if field.activity.instrumented {
                Touch::counting()
            } else {
                Touch::default()
            };
        }
        self.reads = Reads::default();
        self.answer.read = 0;
        self.sends.clear();
        self.stores.clear();
        self.ended.clear();
        self.free.clear();
        self.succeeded = 0;
    }

    /// Counts the contacts sent since the last call at the nodes that received them.
    #[inline]
    pub fn count_contacts(&mut self, field: &Field) {
        for (place, row) in self.contacted.drain(..) {
            field.received.contact(place, row, field.columns.activity);
        }
    }

    /// What happens to an operation's phase in the tick that a time falls in, which must not be before the
    /// window.
    #[inline]
    pub fn tick(&mut self, operation: &Operation, time_us: u64) -> &mut TickCounts {
        self.ticks[operation.place as usize].at(time_us)
    }

    /// Notes a contact.
    #[inline]
    pub fn sent(&mut self, field: &Field, operation: &Operation, send: Send) {
        let Sent::Contact { request, fate, .. } = send.what else {
            return self.sends.push(send);
        };
        let tick = self.tick(operation, send.time_us);
        tick.outcomes[fate.outcome as usize] += 1;
        if request == Request::Store && fate.outcome == Outcome::Ok {
            tick.stored += 1;
        }
        if field.is_charged() || field.activity.connections {
            self.sends.push(send);
        }
    }
}
