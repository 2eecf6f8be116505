//! Reference simulator of networks whose tables traffic changes: one event at a time from a heap, each at one node.
//!
//! What nodes are, when they are online, the fates of contacts, lookups, rows and what a node holds are those of
//! [`Reference`]. Nothing comes from the engine but draws and the types of the rules.

pub mod bucket;
mod chain;
mod contacts;
mod event;
pub mod joins;
mod lookups;
pub mod recording;
mod sessions;
mod table;
mod timers;
mod users;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};

use kadsim_engine::operation::Planned;
use kadsim_engine::routing::Aging;
use kadsim_systems::maintenance::Maintenance;
use kadsim_systems::rules::Procedure;

use super::{Node, Phase, Reference};
use contacts::Contact;
use event::{Event, What};
use joins::Joins;
use lookups::Operation;
use recording::{LiveEnd, TickCounts};
use table::Table;

/// The rules that [`Reference`] does not have.
#[derive(Clone, Debug)]
pub struct LiveRules {
    /// How nodes keep their tables; `None`: no traffic changes a table.
    pub maintenance: Option<Maintenance>,
    pub aging: Aging,
    /// Whether nodes know which others are clients, and learn none of them.
    pub clients_known: bool,
    /// Time after the start of a provide after which its origin provides again, µs.
    pub republish_us: Option<u64>,
    pub tick_us: u64,
    /// Period at which tables are counted, µs.
    pub freshness_us: Option<u64>,
}

/// A node's state.
#[derive(Debug)]
struct LiveNode {
    is_online: bool,
    /// Number of the times that it has left.
    session: u32,
    table: Table,
    /// Number of the maintenance operations that it has begun.
    operations: u64,
    /// Number of its draws of a random entry or replacement.
    choices: u64,
    /// Number of the times that it has begun to join anew in this session.
    retries: u32,
    /// When each bucket is to be refreshed, µs.
    due_us: [u64; 64],
    /// Whether a refresh of the whole table is under way.
    is_refreshing: bool,
    /// Nodes that it pings before it learns them.
    verifying: BTreeSet<Node>,
    /// Keys of the segments that it provides again, each with the start of the last provide, µs.
    provides: BTreeMap<u64, u64>,
}

impl LiveNode {
    fn absent() -> Self {
        Self {
            is_online: false,
            session: 0,
            table: Table::default(),
            operations: 0,
            choices: 0,
            retries: 0,
            due_us: [0; 64],
            is_refreshing: false,
            verifying: BTreeSet::new(),
            provides: BTreeMap::new(),
        }
    }
}

/// A phase that runs.
struct OpenPhase {
    described: Phase,
    /// Number of the operations that have ended, and when the last one did, µs.
    ended: usize,
    last_end_us: u64,
    /// When tables were counted last, µs.
    counted_us: u64,
    is_over: bool,
}

impl OpenPhase {
    /// Returns when the phase ends, µs, as far as is known.
    fn end_us(&self) -> Option<u64> {
        let Phase {
            planned,
            start_us,
            lasts_us,
            cut_us,
            ..
        } = &self.described;
        let done_us = self.last_end_us.max(start_us + lasts_us);
        match self.ended == planned.len() {
            true => Some(done_us.min(cut_us.unwrap_or(u64::MAX))),
            false => *cut_us,
        }
    }
}

/// A network whose tables traffic changes, and what its last run recorded.
pub struct LiveReference {
    /// What does not depend on tables. It has the rows of the last run.
    pub base: Reference,
    pub rules: LiveRules,
    /// By phase and tick.
    pub ticks: BTreeMap<(u32, u64), TickCounts>,
    /// In the order of the phases' ends.
    pub ends: Vec<LiveEnd>,
    nodes: Vec<LiveNode>,
    now_us: u64,
    heap: BinaryHeap<Reverse<Event>>,
    /// Operations under way, by number.
    operations: BTreeMap<u64, Operation>,
    /// Contacts under way, by operation and sequence.
    contacts: HashMap<(u64, u32), Contact>,
    phases: Vec<OpenPhase>,
    /// Start, µs, and number of all phases that have begun.
    begun: Vec<(u64, u32)>,
    /// Operations of the run, each with the index of its phase.
    planned: HashMap<u64, (usize, Planned)>,
    /// Permits taken, by phase and origin.
    taken: HashMap<(usize, Node), u32>,
    /// Operations that wait for a permit, by phase and origin.
    waiting: HashMap<(usize, Node), VecDeque<Planned>>,
    /// Operations that have waited and have a permit.
    admitted: BTreeSet<u64>,
    /// Requests for maintenance sent and received, by phase and node.
    maintenance_of: HashMap<(u32, Node), (u32, u32)>,
    /// How the network grows by joins, if it does.
    pub joins: Option<Joins>,
}

impl LiveReference {
    /// Makes a network at time 0, whose nodes know it in full.
    pub fn new(base: Reference, rules: LiveRules) -> Self {
        Self::with_joins(base, rules, None)
    }

    fn with_joins(base: Reference, rules: LiveRules, joins: Option<Joins>) -> Self {
        assert_eq!(base.rules.procedure, Procedure::Iterative);
        assert_eq!(base.overhead_us, 0, "overhead is not for living networks");
        let nodes = base.keys.iter().map(|_| LiveNode::absent()).collect();
        let mut live = Self {
            base,
            rules,
            ticks: BTreeMap::new(),
            ends: Vec::new(),
            nodes,
            now_us: 0,
            heap: BinaryHeap::new(),
            operations: BTreeMap::new(),
            contacts: HashMap::new(),
            phases: Vec::new(),
            begun: Vec::new(),
            planned: HashMap::new(),
            taken: HashMap::new(),
            waiting: HashMap::new(),
            admitted: BTreeSet::new(),
            maintenance_of: HashMap::new(),
            joins,
        };
        live.begin_lives();
        live
    }

    /// Runs phases at the same time, each to its end or until it is cut off; events at the cut still happen. What goes on
    /// beside them stops after the last end, and goes on in the next run.
    pub fn run(&mut self, phases: &[Phase]) {
        self.base.operations.clear();
        self.base.results.clear();
        self.base.connections.clear();
        self.base.contacts.clear();
        self.base.own_stores.clear();
        self.base.ends.clear();
        self.base.phases = phases.to_vec();
        self.ticks.clear();
        self.ends.clear();
        self.taken.clear();
        self.waiting.clear();
        self.planned.clear();
        self.phases.clear();
        for (index, phase) in phases.iter().enumerate() {
            self.begin_phase(index, phase);
        }
        loop {
            let next = self.heap.peek().map(|Reverse(event)| event.time_us);
            self.close_until(next.unwrap_or(u64::MAX));
            if self.phases.iter().all(|phase| phase.is_over) {
                break;
            }
            self.step();
        }
        self.count_holders();
        self.base.sort_rows(phases);
        let order = |end: &super::PhaseEnd| (end.end_us, end.number);
        self.base.ends.sort_by_key(order);
        self.ends.sort_by_key(|end| order(&end.end));
        self.base.now_us = self.base.ends.last().unwrap().end_us;
    }

    /// Lets the next event happen.
    fn step(&mut self) {
        let Reverse(event) = self.heap.pop().expect("phases go on");
        self.now_us = event.time_us;
        self.handle(event);
    }

    fn begin_phase(&mut self, index: usize, phase: &Phase) {
        self.phases.push(OpenPhase {
            described: phase.clone(),
            ended: 0,
            last_end_us: 0,
            counted_us: phase.start_us,
            is_over: false,
        });
        self.begun.push((phase.start_us, phase.number));
        self.begun.sort_by_key(|(start_us, _)| *start_us);
        for &planned in &phase.planned {
            self.planned.insert(planned.number, (index, planned));
            self.await_start(planned, planned.due_us);
        }
    }

    /// Returns when a phase started, µs.
    pub fn start_us(&self, number: u32) -> u64 {
        let mut begun = self.begun.iter();
        begun.find(|(_, phase)| *phase == number).unwrap().0
    }

    fn push(&mut self, event: Event) {
        assert!(event.time_us >= self.now_us, "{event:?} at {}", self.now_us);
        self.heap.push(Reverse(event));
    }

    fn handle(&mut self, event: Event) {
        match event.what {
            What::Leave => self.leave(event.node),
            What::Come => self.come(event.node),
            What::Arrive => self.arrive(event),
            What::Complete => self.complete(event),
            What::Stall => self.stall(event),
            What::Timer(timer, session) => self.go_off(event.node, timer, session),
            What::Start => self.start(event.operation),
        }
    }
}
