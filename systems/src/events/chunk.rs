//! A chunk of nodes with consecutive rows: all that the events of these nodes change.
//!
//! Chunks share nothing, so threads work on different chunks without locks. What nodes of one chunk send to those of
//! another lies in [`Mail`] until the barrier delivers it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use bevy_ecs::prelude::*;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Operation, Planned, Pool, Task};
use kadsim_engine::record::Purpose;
use kadsim_engine::slot::{OperationSlot, PhaseSlot};

use super::calendar::{Calendar, Timed};
use super::event::{Event, Timer, What};
use super::holders::{HolderChange, Holders};
use super::lists::Lists;
use super::order::Order;
use super::records::Records;
use crate::joining::JoinEnded;
use crate::maintenance::Chain;
use crate::outbox::Outbox;
use crate::ticks::TickCounts;

/// Most rows of a chunk. Each array of such a chunk fills whole huge pages; in smaller chunks, few do. Larger chunks are also
/// faster to exchange mail between, but keep fewer threads busy.
const ROWS_MAX: usize = 1 << 16;
/// Number of chunks that a small network is divided into.
const CHUNKS: usize = 16;

/// State of a node that events read, apart from its routing table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Node {
    /// Number of its session; while it is offline, of the next one.
    pub session: u32,
    /// Whether it is online.
    pub is_online: bool,
    /// Maintenance operations that it has started, which number them.
    pub operations: u32,
    /// Draws of a random entry or replacement that it has made.
    pub choices: u32,
    /// Its contacts of maintenance in the phase in which nodes count.
    pub maintenance: MaintenanceCounts,
}

/// Contacts of maintenance of a node in the shift of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaintenanceCounts {
    /// Contacts that it has sent.
    pub sent: u32,
    /// Requests that have reached it.
    pub received: u32,
}

/// A timer of a node that has been set, or a change of its presence.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// When it is due, µs.
    pub time_us: u64,
    /// The node.
    pub node: Row,
    /// What is due.
    pub what: DueKind,
}

/// What is due at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueKind {
    /// The node leaves.
    Leave,
    /// The node comes.
    Come,
    /// A record of this key may expire.
    Expire(Key),
    /// A timer fires.
    Timer(Timer),
}

impl Timed for Due {
    #[inline]
    fn time_us(&self) -> u64 {
        self.time_us
    }
}

impl Due {
    /// Returns the event of that moment.
    pub fn event(self) -> Event {
        let (operation, what) = match self.what {
            DueKind::Leave => (0, What::Leave),
            DueKind::Come => (0, What::Come),
            DueKind::Expire(key) => (key.0, What::Expire(key)),
            DueKind::Timer(timer) => (timer as u64, What::Timer(timer)),
        };
        Event {
            time_us: self.time_us,
            operation,
            sequence: 0,
            node: self.node,
            what,
        }
    }
}

/// Why an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Errand {
    /// A phase has it.
    #[default]
    User,
    /// It refreshes a bucket.
    Refresh,
    /// It is one of a chain of lookups, whose next one begins when it has ended.
    Chain(Purpose),
    /// It provides a record again.
    Republish,
}

/// Mail to the nodes of another chunk.
#[derive(Default)]
pub struct Mail {
    /// The messages.
    pub events: Vec<Event>,
    /// Lists of nodes that answers among them name.
    pub named: Lists,
}

/// Mail to the nodes of a chunk, with the chunk that sends it.
pub type Inbox = Vec<(usize, Mail)>;

/// An operation of a phase that is due.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// What the operations of its phase have in common.
    pub task: Task,
    /// The operation.
    pub planned: Planned,
    /// Most operations of the phase in flight per origin.
    pub parallel: Option<u32>,
}

/// Operations of an origin of a phase that limits them.
#[derive(Default)]
pub struct Permits {
    /// Operations in flight.
    pub in_flight: u32,
    /// Operations that are due and wait.
    pub waiting: VecDeque<Start>,
}

/// A chunk of nodes.
pub struct Chunk {
    /// The first row.
    pub first: Row,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// When each bucket is due to be refreshed, µs, in the order of the buckets of the chunk's tables; empty if idle
    /// buckets are not refreshed.
    pub idle_us: Vec<u64>,
    /// When the timers of the nodes are set to fire, µs. A timer that fires at another time is void.
    pub timers_us: HashMap<(Row, Timer), u64>,
    /// Lookups that follow one another.
    pub chains: HashMap<(Row, Purpose), Chain>,
    /// Nodes that are being pinged to be learned.
    pub verifying: HashMap<Row, Vec<Row>>,
    /// When each origin last began to provide a key, µs.
    pub provided_us: BTreeMap<(Row, Key), u64>,
    /// What nodes hold.
    pub records: Records,
    /// Changes in the window of who holds a record and is online, where records expire or are provided again.
    pub holder_changes: Vec<HolderChange>,
    /// Operations in flight.
    pub pool: Pool,
    /// Why each of them runs, by slot.
    pub errands: Vec<Errand>,
    /// Origins of phases that limit them.
    pub permits: HashMap<(PhaseSlot, Row), Permits>,
    /// Messages on their way to nodes of the chunk.
    pub messages: Calendar<Event>,
    /// What is due at nodes of the chunk.
    pub due: Calendar<Due>,
    /// Lists of nodes that answers on their way name.
    pub named: Lists,
    /// Operations that are due in the window.
    pub starts: Vec<Start>,
    /// Events of the window.
    pub events: Vec<Event>,
    /// Their order.
    pub order: Order,
    /// Events of the window that its own events have caused.
    pub soon: BinaryHeap<Reverse<Event>>,
    /// Mail, by chunk.
    pub mail: Vec<Mail>,
    /// The chunks to which there is mail.
    pub mailed: Vec<u32>,
    /// Counts of the window, and memory for reuse.
    pub out: Outbox,
    /// Counts of maintenance in no phase's shift, which no table shows.
    pub uncounted: TickCounts,
    /// Users' operations that have ended in the window.
    pub ended: Vec<OperationSlot>,
    /// How the join of the last node has ended in the window, where a network grows by joins.
    pub join_ended: Option<JoinEnded>,
}

impl Errand {
    /// Returns what the contacts of the operation are for.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::User => Purpose::User,
            Self::Refresh => Purpose::Refresh,
            Self::Chain(purpose) => purpose,
            Self::Republish => Purpose::Republish,
        }
    }
}

impl Chunk {
    /// Returns a chunk without nodes that begins at a row.
    pub fn new(first: Row) -> Self {
        Self {
            first,
            nodes: Vec::new(),
            idle_us: Vec::new(),
            timers_us: HashMap::new(),
            chains: HashMap::new(),
            verifying: HashMap::new(),
            provided_us: BTreeMap::new(),
            records: Records::default(),
            holder_changes: Vec::new(),
            pool: Pool::default(),
            errands: Vec::new(),
            permits: HashMap::new(),
            messages: Calendar::new(1),
            due: Calendar::new(1),
            named: Lists::default(),
            starts: Vec::new(),
            events: Vec::new(),
            order: Order::default(),
            soon: BinaryHeap::new(),
            mail: Vec::new(),
            mailed: Vec::new(),
            out: Outbox::default(),
            uncounted: TickCounts::default(),
            ended: Vec::new(),
            join_ended: None,
        }
    }

    /// Returns the index of a node in the chunk.
    #[inline]
    pub fn index(&self, node: Row) -> usize {
        node.index() - self.first.index()
    }

    /// Returns a node.
    #[inline]
    pub fn node(&mut self, node: Row) -> &mut Node {
        let index = self.index(node);
        &mut self.nodes[index]
    }

    /// Returns the operations in flight of all phases.
    pub fn all_users(&self) -> impl Iterator<Item = &Operation> {
        let in_flight = self.pool.in_flight();
        in_flight.filter(|operation| self.errands[operation.slot.index()] == Errand::User)
    }

    /// Returns the operations in flight of a phase.
    pub fn users(&self, phase: PhaseSlot) -> impl Iterator<Item = &Operation> {
        self.all_users()
            .filter(move |operation| operation.phase_slot == phase)
    }

    /// Returns the time before which the join of a node does not come to its end, µs; `None` if it has not begun.
    pub fn join_goes_on_until_us(&self, node: Row) -> Option<u64> {
        if !self.chains.contains_key(&(node, Purpose::Join)) {
            return None;
        }
        let mut operations = self.pool.in_flight();
        let lookup = operations.find(|one| {
            one.origin() == node && self.errands[one.slot.index()] == Errand::Chain(Purpose::Join)
        });
        let anew_us = self.timers_us.get(&(node, Timer::JoinAnew)).copied();
        lookup.map(Operation::next_event_us).or(anew_us)
    }

    /// Returns when the chunk has its next event, µs; `u64::MAX` if it has none.
    pub fn next_us(&self) -> u64 {
        let next = [self.messages.next_us(), self.due.next_us()];
        next.into_iter().flatten().min().unwrap_or(u64::MAX)
    }
}

/// The chunks of a network whose operations run as events.
#[derive(Resource, Default)]
pub struct Chunks {
    /// The chunks, in the order of rows; none if operations do not run as events.
    pub all: Vec<Chunk>,
    /// When each chunk has its next event, µs; `u64::MAX` if it has none. It stands apart from the chunks, so that a step reads
    /// those alone that have something to do.
    pub next_us: Vec<u64>,
    /// Which chunks have something to do in the window.
    pub are_active: Vec<bool>,
    /// Rows of each chunk but the last.
    pub rows: usize,
    /// Width of the slots of their calendars, µs: the lookahead.
    pub slot_us: u64,
    /// Operations that are due in this window or a later one, in no order.
    pub taken: Vec<Start>,
    /// Events handled in the last window.
    pub handled: usize,
    /// The phase in which nodes count contacts of maintenance.
    pub counting: Option<u32>,
    /// What they have counted in phases in flight before it, by phase and row.
    pub counted: HashMap<u32, Vec<MaintenanceCounts>>,
    /// How many nodes hold each record and are online, where records expire or are provided again.
    pub holders: Holders,
    /// Mail by the chunk that it goes to, with the chunk that sends it; empty between barriers.
    pub inboxes: Vec<Inbox>,
}

impl Chunks {
    /// Returns how many rows the chunks of a network of this many nodes have.
    pub fn rows(nodes: usize) -> usize {
        nodes.div_ceil(CHUNKS).clamp(1, ROWS_MAX)
    }

    /// Returns when the next event happens, µs; `u64::MAX` if none does.
    pub fn first_us(&self) -> u64 {
        self.next_us.iter().copied().min().unwrap_or(u64::MAX)
    }

    /// Returns the chunks that have something to do in the window.
    pub fn active(&mut self) -> impl Iterator<Item = &mut Chunk> {
        let all = self.all.iter_mut().zip(&self.are_active);
        all.filter_map(|(chunk, is_active)| is_active.then_some(chunk))
    }

    /// Returns the chunk of a node.
    pub fn of(&self, node: Row) -> &Chunk {
        &self.all[node.index() / self.rows]
    }

    /// Returns when the last of the requests arrives that are on their way between windows, µs.
    pub fn last_arrival_us(&self) -> Option<u64> {
        let messages = self.all.iter().flat_map(|chunk| chunk.messages.iter());
        let requests = messages.filter(|event| event.what.is_request());
        requests.map(|request| request.time_us).max()
    }

    /// Lets nodes that are online leave at these times, µs, which lie after the last window.
    pub fn expect_leaves(&mut self, leaves: &[(Row, u64)]) {
        for &(node, time_us) in leaves {
            let chunk = node.index() / self.rows;
            self.all[chunk].due.push(Due {
                time_us,
                node,
                what: DueKind::Leave,
            });
            self.next_us[chunk] = self.next_us[chunk].min(time_us);
        }
    }

    /// Returns the number of copies of records that nodes hold.
    pub fn records(&self) -> u64 {
        self.all.iter().map(|chunk| chunk.records.held()).sum()
    }

    /// Lets nodes count contacts of maintenance in another phase, from zero. What they have counted so far is kept for the
    /// phase before it, if that is in flight. Cost: O(nodes).
    pub fn count_in(&mut self, phase: u32, is_kept: bool) {
        let before = self.counting.replace(phase);
        let nodes = self.all.iter_mut().flat_map(|chunk| &mut chunk.nodes);
        let counts = nodes.map(|node| std::mem::take(&mut node.maintenance));
        match before.filter(|_| is_kept) {
            Some(before) => {
                self.counted.insert(before, counts.collect());
            }
            None => counts.for_each(drop),
        }
    }

    /// Removes and returns what nodes have counted in a phase, by row, if they count in another one now.
    pub fn take_counts(&mut self, phase: u32) -> Option<Vec<MaintenanceCounts>> {
        let is_another = self.counting != Some(phase);
        is_another.then(|| self.counted.remove(&phase).unwrap_or_default())
    }

    /// Returns the contacts of maintenance of a node in the phase in which nodes count; zeros if operations do not run as
    /// events.
    pub fn maintenance_of(&self, node: Row) -> MaintenanceCounts {
        match self.are_used() {
            true => {
                let chunk = self.of(node);
                chunk.nodes[chunk.index(node)].maintenance
            }
            false => MaintenanceCounts::default(),
        }
    }

    /// Returns whether operations run as events.
    pub fn are_used(&self) -> bool {
        !self.all.is_empty()
    }
}
