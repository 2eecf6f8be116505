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
use kadsim_engine::slot::{OperationSlot, PhaseSlot};

use super::calendar::{Calendar, Timed};
use super::event::{Event, Timer, What};
use super::holders::{HolderChange, Holders};
use super::records::Records;
use crate::maintenance::Chain;
use crate::outbox::Outbox;
use crate::ticks::TickCounts;

/// Most rows of a chunk. Larger chunks are faster to exchange mail between; they share fewer threads.
const ROWS_MAX: usize = 1 << 14;
/// Number of chunks that a small network is divided into.
const CHUNKS: usize = 16;

/// Most emptied lists that a chunk keeps.
const SPARE_MAX: usize = 1024;

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
    /// Contacts of maintenance that it has sent in the phase.
    pub maintenance_sent: u32,
    /// Requests of maintenance that have reached it in the phase.
    pub maintenance_received: u32,
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

/// What contacts of maintenance are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To refresh buckets.
    Refresh,
    /// To join.
    Join,
    /// To check entries, or a node that is to be learned.
    Check,
    /// To provide records again.
    Republish,
}

/// Mail to the nodes of another chunk.
#[derive(Default)]
pub struct Mail {
    /// The messages.
    pub events: Vec<Event>,
    /// Lists of nodes that answers among them name.
    pub named: Vec<Vec<Row>>,
}

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
    /// Changes in the window of who holds a record and is online, where records are looked after.
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
    /// Lists of nodes that answers on their way name; those in `free_named` are free.
    pub named: Vec<Vec<Row>>,
    /// Indices of free lists.
    pub free_named: Vec<u32>,
    /// Emptied lists, for reuse.
    pub spare: Vec<Vec<Row>>,
    /// Operations that are due in the window.
    pub starts: Vec<Start>,
    /// Events of the window, in order.
    pub events: Vec<Event>,
    /// Events of the window that its own events have caused.
    pub soon: BinaryHeap<Reverse<Event>>,
    /// Mail, by chunk.
    pub mail: Vec<Mail>,
    /// Counts of the window, and memory for reuse.
    pub out: Outbox,
    /// Counts of maintenance between phases, which no table shows.
    pub uncounted: TickCounts,
    /// Users' operations that have ended in the window.
    pub ended: Vec<OperationSlot>,
    /// Whether something happens in the window.
    pub is_active: bool,
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
            named: Vec::new(),
            free_named: Vec::new(),
            spare: Vec::new(),
            starts: Vec::new(),
            events: Vec::new(),
            soon: BinaryHeap::new(),
            mail: Vec::new(),
            out: Outbox::default(),
            uncounted: TickCounts::default(),
            ended: Vec::new(),
            is_active: false,
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

    /// Returns when the chunk has its next event, µs.
    pub fn next_us(&self) -> Option<u64> {
        let next = [self.messages.next_us(), self.due.next_us()];
        next.into_iter().flatten().min()
    }

    /// Takes a list of nodes that an answer names.
    pub fn take_named(&mut self, index: u32) -> Vec<Row> {
        self.free_named.push(index);
        std::mem::take(&mut self.named[index as usize])
    }

    /// Keeps an emptied list for reuse, unless there are many.
    pub fn keep_spare(&mut self, list: Vec<Row>) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(list);
        }
    }

    /// Keeps a list of nodes that an answer names, and returns its index.
    pub fn keep_named(&mut self, named: Vec<Row>) -> u32 {
        match self.free_named.pop() {
            Some(index) => {
                self.named[index as usize] = named;
                index
            }
            None => {
                self.named.push(named);
                self.named.len() as u32 - 1
            }
        }
    }
}

/// The chunks of a network whose operations run as events.
#[derive(Resource, Default)]
pub struct Chunks {
    /// The chunks, in the order of rows; none if operations do not run as events.
    pub all: Vec<Chunk>,
    /// Rows of each chunk but the last.
    pub rows: usize,
    /// Width of the slots of their calendars, µs: the lookahead.
    pub slot_us: u64,
    /// Operations that are due in this window or a later one, in no order.
    pub taken: Vec<Start>,
    /// Events handled in the last window.
    pub handled: usize,
    /// How many nodes hold each record and are online, where records are looked after.
    pub holders: Holders,
    /// Mail by the chunk that it goes to, with the chunk that sends it; empty between barriers.
    pub inboxes: Vec<Vec<(usize, Mail)>>,
}

impl Chunks {
    /// Returns how many rows the chunks of a network of this many nodes have.
    pub fn rows(nodes: usize) -> usize {
        nodes.div_ceil(CHUNKS).clamp(1, ROWS_MAX)
    }

    /// Returns when the next event happens, µs.
    pub fn next_us(&self) -> Option<u64> {
        self.all.iter().filter_map(Chunk::next_us).min()
    }

    /// Returns the state of a node; `None` if operations do not run as events.
    pub fn node(&self, node: Row) -> Option<Node> {
        let chunk = self.all.get(node.index().checked_div(self.rows)?)?;
        Some(chunk.nodes[chunk.index(node)])
    }

    /// Returns the chunk of a node.
    pub fn of(&self, node: Row) -> &Chunk {
        &self.all[node.index() / self.rows]
    }

    /// Returns the number of copies of records that nodes hold.
    pub fn records(&self) -> u64 {
        self.all.iter().map(|chunk| chunk.records.held()).sum()
    }

    /// Starts counting the contacts of maintenance of each node from zero. Cost: O(nodes).
    pub fn reset_counters(&mut self) {
        for node in self.all.iter_mut().flat_map(|chunk| &mut chunk.nodes) {
            node.maintenance_sent = 0;
            node.maintenance_received = 0;
        }
    }

    /// Returns whether operations run as events.
    pub fn are_used(&self) -> bool {
        !self.all.is_empty()
    }
}
