//! One contact between two nodes, and what operations note of those they send.
//!
//! A contact is counted at the remote when it is sent, failed ones included. Its fate is drawn at once; its
//! completion time too, unless overhead is charged: then it is fixed at the barrier, by [`crate::settle`].

use kadsim_engine::key::{Distance, Key};
use kadsim_engine::link::{ContactId, Fate, Links};
use kadsim_engine::node::{Columns, Row};
use kadsim_engine::operation::{Contact, Operation};
use kadsim_engine::population::Population;
use kadsim_engine::record::{Outcome, Request};
use kadsim_engine::routing::Tables;
use kadsim_engine::segments::Segments;

use crate::step::{Activity, Window};

/// All that the operations of a step read, and nothing that they write but relaxed counters.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Full knowledge of the network.
    pub population: Population<'a>,
    /// The nodes' components.
    pub columns: Columns<'a>,
    /// Routing tables.
    pub tables: &'a Tables,
    /// Links and overhead.
    pub links: &'a Links,
    /// Who holds what.
    pub segments: &'a Segments,
    /// What is going on.
    pub activity: &'a Activity,
    /// The window of time.
    pub window: Window,
}

impl Field<'_> {
    /// Whether overhead is charged.
    #[inline]
    pub fn is_charged(&self) -> bool {
        self.links.overhead_us > 0
    }

    /// Replaces `out` by a node's answer to a request for `key`, in no order.
    #[inline]
    pub fn answer(&self, row: Row, key: Key, out: &mut Scratch) {
        let table = self.columns.tables[row.index()];
        self.tables.closest(
            &self.population,
            row,
            table,
            key,
            &mut out.answer,
            &mut out.rows,
        );
    }

    /// Whether a node holds a key.
    #[inline]
    pub fn holds(&self, row: Row, key: Key, now_us: u64) -> bool {
        self.segments
            .holds(self.columns.stores[row.index()], row, key, now_us)
    }

    /// One more use of a node's overhead counter: what it costs, µs.
    #[inline]
    pub fn charge(&self, row: Row) -> u64 {
        self.links.overhead_us * u64::from(self.columns.activity[row.index()].charge())
    }

    /// Counts a contact at the remote and draws its fate.
    #[inline]
    pub fn contact(&self, operation: u64, sequence: u32, remote: Row) -> Fate {
        let activity = &self.columns.activity[remote.index()];
        activity.contact();
        let network_seed = self.activity.network_seed;
        self.links.link.draw(
            ContactId {
                network_seed,
                operation,
                sequence,
            },
            activity.is_online(),
        )
    }
}

/// Memory that is reused from operation to operation.
#[derive(Default)]
pub struct Scratch {
    /// An answer.
    pub answer: Vec<(Distance, Row)>,
    /// Rows on the way to it.
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
    /// Durations of the operations that finished, µs, in no order.
    pub durations_us: Vec<u64>,
}

impl TickCounts {
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
        self.durations_us.append(&mut other.durations_us);
    }
}

/// What a chunk of operations leaves for the barrier.
#[derive(Default)]
pub struct Outbox {
    /// Counts by tick, from `first_tick` on.
    pub ticks: Vec<TickCounts>,
    first_tick: u64,
    tick_us: u64,
    /// What was sent, if overhead is charged or connections are recorded.
    pub sends: Vec<Send>,
    /// Stores whose time of visibility is known.
    pub stores: Vec<Stored>,
    /// Slots of the operations that ended.
    pub ended: Vec<u32>,
    /// Reused memory.
    pub scratch: Scratch,
}

impl Outbox {
    /// Starts anew for a window.
    pub fn open(&mut self, window: &Window) {
        self.ticks.clear();
        self.first_tick = window.from_us / window.tick_us;
        self.tick_us = window.tick_us;
        self.sends.clear();
        self.stores.clear();
        self.ended.clear();
    }

    /// Number of the first tick counted.
    pub fn first_tick(&self) -> u64 {
        self.first_tick
    }

    /// Counts of the tick that a time of the window falls in.
    #[inline]
    pub fn tick(&mut self, time_us: u64) -> &mut TickCounts {
        let place = (time_us / self.tick_us - self.first_tick) as usize;
        if place >= self.ticks.len() {
            self.ticks.resize_with(place + 1, TickCounts::default);
        }
        &mut self.ticks[place]
    }

    /// Notes a contact.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "the columns of a connection")]
    pub fn sent(
        &mut self,
        field: &Field,
        time_us: u64,
        (operation, slot): (&Operation, u32),
        sequence: u32,
        to: Row,
        request: Request,
        fate: Fate,
        overhead_us: (u64, u64),
    ) {
        let tick = self.tick(time_us);
        tick.outcomes[fate.outcome as usize] += 1;
        if request == Request::Store && fate.outcome == Outcome::Ok {
            tick.stored += 1;
        }
        if field.is_charged() || field.activity.connections {
            self.sends.push(Send {
                time_us,
                operation: operation.number,
                slot,
                sequence,
                from: operation.origin,
                what: Sent::Contact {
                    to,
                    request,
                    fate,
                    overhead_us,
                },
            });
        }
    }
}

/// Of the contacts in flight, the place of the one that completes first; ties in order of sending.
#[inline]
pub fn first_to_complete(in_flight: &[Contact]) -> Option<usize> {
    let order = |&place: &usize| (in_flight[place].completes_us, in_flight[place].sequence);
    (0..in_flight.len()).min_by_key(order)
}
