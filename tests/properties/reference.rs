//! Reference simulator: one event at a time from a heap, maps for all state, overhead charged when a contact is sent.
//!
//! It is written from the description of the network's behaviour, not from the engine, and takes only draws from it, and
//! the routing tables of networks that no node leaves.
//!
//! An answer contains a store of the same microsecond, whichever comes first in the heap. Phases that provide and retrieve
//! at the same time therefore run again, with answers from the stores of the previous run, until the stores repeat.

mod contact;
pub mod link;
pub mod live;
mod lookup;
pub mod makeup;
mod operation;
pub mod presence;
mod py_dht;
mod rfm19;
mod rows;
mod stores;
pub mod tables;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use kadsim_engine::operation::Planned;
use kadsim_engine::record::{ConnectionRow, Kind, OperationRow};
use kadsim_engine::routing::{OnLeaving, Policy};
use kadsim_systems::network::phase_end::NodeState;
use kadsim_systems::rules::Rules;

use link::Links;
use makeup::Makeup;
use operation::{Known, Running, Status};
use presence::Stay;
use tables::Tables;

/// A node is the number of its row.
pub type Node = usize;

/// A phase to run, at the same time as others.
#[derive(Clone, Debug)]
pub struct Phase {
    pub number: u32,
    pub kind: Kind,
    pub planned: Vec<Planned>,
    pub parallel: Option<u32>,
    pub start_us: u64,
    /// How long it lasts at least, unless it is cut off before, µs.
    pub lasts_us: u64,
    /// The last moment before the phase is cut off.
    pub cut_us: Option<u64>,
}

/// A phase that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseEnd {
    pub number: u32,
    pub end_us: u64,
    pub is_cut: bool,
    /// State of each node at the end.
    pub nodes: Vec<NodeState>,
}

/// What happens in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The origin leaves.
    Leave,
    /// The operation is due, or admitted.
    Start,
    /// A contact of the lookup completes.
    Contact { sequence: u32 },
    /// A contact of the lookup stalls, if it is still in flight.
    Stall { sequence: u32 },
    /// The operation has ended and frees its permit.
    End,
}

/// An event of an operation. Events are ordered by time, then operation, then contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    time_us: u64,
    operation: usize,
    what: What,
}

/// How often the rules about stores have mattered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Requests that reached a node before a store that the node held when the answer was back.
    pub early: usize,
    /// Requests that reached a node in the same microsecond as a store.
    pub ties: usize,
    /// Requests that reached a node that had lost what it had stored.
    pub lost: usize,
}

/// Times of stores, each with the time of publication, µs, by node and key. Of stores of one instant the latest publication
/// counts.
pub type Stored = BTreeMap<(Node, u64), BTreeMap<u64, u64>>;

/// A network, and the rows of its last run.
#[derive(Clone)]
pub struct Reference {
    pub seed: u64,
    pub k: usize,
    pub rules: Rules,
    pub links: Links,
    pub overhead_us: u64,
    pub policy: Policy,
    /// Entries that an answer names.
    pub answer: usize,
    pub makeup: Makeup,
    pub records: OnLeaving,
    /// How long a record is held after its publication, µs.
    pub ttl_us: Option<u64>,
    /// Whether the states of nodes at the end of a phase say when they were online.
    pub records_life: bool,
    pub ids: Vec<i64>,
    pub keys: Vec<u64>,
    pub is_server: Vec<bool>,
    /// Whether each node is offline for the whole run. Tables name it all the same.
    pub is_absent: Vec<bool>,
    /// Share of the entries of tables of the start that clients of the same bucket replace.
    pub clients_in_tables: f64,
    /// When each node is online.
    pub stays: Arc<Vec<Vec<Stay>>>,
    /// Up to when they are known, µs.
    pub known_us: u64,
    /// Whether nodes may come and go.
    pub is_living: bool,
    pub tables: Tables,
    pub uses: HashMap<Node, u64>,
    /// When each node has stored each key, µs.
    pub stored_us: Stored,
    /// `stored_us` at the end of the previous run of the same phases: answers are given from it.
    known_stores: Option<Stored>,
    pub seen: Seen,
    /// Phase and time of each store of an origin at itself.
    pub own_stores: Vec<(u32, u64)>,
    pub operations: Vec<OperationRow>,
    pub results: Vec<Option<Vec<i64>>>,
    pub connections: Vec<ConnectionRow>,
    pub now_us: u64,
    /// In the order of their ends.
    pub ends: Vec<PhaseEnd>,
    phases: Vec<Phase>,
    /// Permits taken, by phase and origin.
    taken: HashMap<(usize, Node), u32>,
    /// Operations that wait for a permit, by phase and origin.
    waiting: HashMap<(usize, Node), VecDeque<usize>>,
    /// Time and node of each charge in the last run.
    charges: Vec<(u64, Node)>,
    /// Requests received, by phase and node.
    contacts: HashMap<(u32, Node), u32>,
    heap: BinaryHeap<Reverse<Event>>,
}

impl Reference {
    pub fn new(seed: u64, k: usize, rules: Rules, links: Links, overhead_us: u64) -> Self {
        Self {
            seed,
            k,
            rules,
            links,
            overhead_us,
            policy: Policy::Closest,
            answer: k,
            makeup: Makeup::default(),
            records: OnLeaving::Kept,
            ttl_us: None,
            records_life: false,
            ids: Vec::new(),
            keys: Vec::new(),
            is_server: Vec::new(),
            is_absent: Vec::new(),
            clients_in_tables: 0.0,
            stays: Arc::default(),
            known_us: u64::MAX,
            is_living: false,
            tables: Tables::Given(Vec::new()),
            uses: HashMap::new(),
            stored_us: Stored::new(),
            known_stores: None,
            seen: Seen::default(),
            own_stores: Vec::new(),
            operations: Vec::new(),
            results: Vec::new(),
            connections: Vec::new(),
            now_us: 0,
            ends: Vec::new(),
            phases: Vec::new(),
            taken: HashMap::new(),
            waiting: HashMap::new(),
            charges: Vec::new(),
            contacts: HashMap::new(),
            heap: BinaryHeap::new(),
        }
    }

    /// Runs phases at the same time, each to its end or until it is cut off; events at the cut still happen. Rows are in
    /// the order of the tables.
    pub fn run(&mut self, phases: &[Phase]) {
        let before = self.clone();
        self.run_once(phases);
        let has = |kind| phases.iter().any(|phase| phase.kind == kind);
        if !(has(Kind::Provide) && has(Kind::Retrieve)) {
            return;
        }
        for _ in 0..1000 {
            let mut again = before.clone();
            again.known_stores = Some(self.stored_us.clone());
            again.run_once(phases);
            let is_repeated = again.stored_us == self.stored_us;
            *self = again;
            self.known_stores = None;
            if is_repeated {
                return;
            }
        }
        panic!("stores differ from run to run: {phases:?}");
    }

    fn run_once(&mut self, phases: &[Phase]) {
        self.phases = phases.to_vec();
        self.taken.clear();
        self.waiting.clear();
        self.operations.clear();
        self.results.clear();
        self.connections.clear();
        self.charges.clear();
        self.contacts.clear();
        self.own_stores.clear();
        let uses_before = self.uses.clone();
        let mut running: Vec<Running> = Vec::new();
        for (phase, described) in phases.iter().enumerate() {
            let planned = described.planned.iter();
            running.extend(planned.map(|&planned| Running::new(planned, phase, described)));
        }
        for (operation, running) in running.iter().enumerate() {
            self.push(running.planned.due_us, operation, What::Start);
        }
        while let Some(Reverse(event)) = self.heap.pop() {
            let cut_us = phases[running[event.operation].phase].cut_us;
            if cut_us.is_some_and(|cut_us| event.time_us > cut_us) {
                continue;
            }
            match event.what {
                What::Leave if running[event.operation].is_over() => {}
                What::Leave => self.leave(&mut running[event.operation], event),
                What::Start if self.must_wait(&mut running[event.operation], event) => {}
                What::Start => self.start(&mut running[event.operation], event),
                What::Contact { .. } if running[event.operation].is_over() => {}
                What::Contact { .. } => self.handle(&mut running[event.operation], event),
                What::Stall { .. } if running[event.operation].is_over() => {}
                What::Stall { sequence } => {
                    self.stall(&mut running[event.operation], event, sequence);
                }
                What::End => self.admit_next(&mut running, event),
            }
        }
        for (phase, described) in phases.iter().enumerate() {
            if let Some(cut_us) = described.cut_us {
                self.cut_off(&running, (phase, described.number), cut_us);
            }
        }
        self.sort_rows(phases);
        self.ends = phases
            .iter()
            .map(|phase| self.phase_end(phase, &uses_before))
            .collect();
        self.ends.sort_by_key(|end| (end.end_us, end.number));
        self.now_us = self.ends.last().unwrap().end_us;
    }

    /// Puts rows in the order of the tables.
    fn sort_rows(&mut self, phases: &[Phase]) {
        let mut order: Vec<usize> = (0..self.operations.len()).collect();
        // Operations that were cut off have their rows at the time of the cut.
        order.sort_unstable_by_key(|&i| {
            let row = &self.operations[i];
            let phase = phases.iter().find(|phase| phase.number == row.phase);
            let cut_us = phase.unwrap().cut_us;
            let end_us = row.end_us.or(cut_us).unwrap();
            (end_us, row.operation)
        });
        self.operations = order.iter().map(|&i| self.operations[i]).collect();
        self.results = order.iter().map(|&i| self.results[i].clone()).collect();
        self.connections
            .sort_by_key(|c| (c.time_us, c.operation, c.sequence));
    }

    fn phase_end(&self, phase: &Phase, uses_before: &HashMap<Node, u64>) -> PhaseEnd {
        let rows = self
            .operations
            .iter()
            .filter(|row| row.phase == phase.number);
        let mut started = HashMap::<i64, u32>::new();
        rows.clone()
            .for_each(|row| *started.entry(row.origin).or_default() += 1);
        let ends_us: Vec<u64> = rows.filter_map(|row| row.end_us).collect();
        let is_cut = ends_us.len() < phase.planned.len();
        let over_us = phase.start_us + phase.lasts_us;
        let done_us = ends_us.into_iter().max().unwrap_or(0).max(over_us);
        let end_us = match phase.cut_us {
            Some(cut_us) if is_cut => cut_us,
            cut_us => done_us.min(cut_us.unwrap_or(u64::MAX)),
        };
        let node = |node: Node| {
            let contacts = self.contacts.get(&(phase.number, node));
            let stored = self.stored_us.iter().filter(|((at, _), _)| *at == node);
            let held = stored.filter(|(_, times_us)| self.has_kept(node, times_us, end_us, end_us));
            let charges = self.charges.iter();
            let charged = charges.filter(|(us, at)| *at == node && *us <= end_us);
            let before = uses_before.get(&node).copied().unwrap_or(0);
            NodeState {
                maintenance_sent: 0,
                maintenance_received: 0,
                contacts: contacts.copied().unwrap_or(0),
                segments: held.count() as u32,
                uses: before as u32 + charged.count() as u32,
                started: started.get(&self.ids[node]).copied().unwrap_or(0),
                life: self
                    .records_life
                    .then(|| self.life(node, (phase.start_us, end_us))),
            }
        };
        PhaseEnd {
            number: phase.number,
            end_us,
            is_cut,
            nodes: (0..self.keys.len()).map(node).collect(),
        }
    }

    fn push(&mut self, time_us: u64, operation: usize, what: What) {
        self.heap.push(Reverse(Event {
            time_us,
            operation,
            what,
        }));
    }

    /// Takes a permit for an operation that starts, if there is a limit. Returns whether it must wait for one instead.
    fn must_wait(&mut self, operation: &mut Running, event: Event) -> bool {
        let Some(parallel) = self.phases[operation.phase].parallel else {
            return false;
        };
        if operation.is_admitted {
            return false;
        }
        let limited = (operation.phase, operation.origin);
        let taken = self.taken.entry(limited).or_default();
        if *taken == parallel {
            self.waiting
                .entry(limited)
                .or_default()
                .push_back(event.operation);
            return true;
        }
        *taken += 1;
        false
    }

    /// Passes the permit of an ended operation to the operation that has waited longest.
    fn admit_next(&mut self, running: &mut [Running], event: Event) {
        let ended = &running[event.operation];
        let limited = (ended.phase, ended.origin);
        match self.waiting.get_mut(&limited).and_then(VecDeque::pop_front) {
            Some(next) => {
                running[next].is_admitted = true;
                self.push(event.time_us, next, What::Start);
            }
            None => {
                self.taken
                    .entry(limited)
                    .and_modify(|taken| *taken = taken.saturating_sub(1));
            }
        }
    }
}
