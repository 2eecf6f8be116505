//! Reference simulator: one event at a time from a heap, maps for all state, overhead charged when a contact is sent.
//!
//! It is written from the description of the network's behaviour, not from the engine, and takes only the draws of links and
//! the routing tables from it.
//!
//! An answer contains a store of the same microsecond, whichever comes first in the heap. Phases that provide and retrieve
//! at the same time therefore run again, with answers from the stores of the previous run, until the stores repeat.

mod py_dht;
mod rfm19;
mod rows;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};

use kadsim_engine::link::{Attempt, Fate, Link, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::Planned;
use kadsim_engine::record::{ConnectionRow, Kind, OperationRow, Outcome, Request};
use kadsim_systems::rules::{Procedure, Rules, Stop};

/// Nodes are numbers of rows.
type Node = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Candidate,
    InFlight,
    Answered,
    Failed,
    Origin,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    node: Node,
    depth: u32,
    status: Status,
}

/// A phase to run, beside others.
#[derive(Clone, Debug)]
pub struct Phase {
    pub number: u32,
    pub kind: Kind,
    pub planned: Vec<Planned>,
    pub parallel: Option<u32>,
    pub start_us: u64,
    /// Nothing of it happens after that.
    pub cut_us: Option<u64>,
}

/// A phase that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseEnd {
    pub number: u32,
    pub end_us: u64,
    pub is_cut: bool,
    /// Contacts of the phase, segments held and uses of the counter at its end, and operations of the phase that
    /// the node has started, by node.
    pub nodes: Vec<(u32, u32, u32, u32)>,
}

/// An operation under way.
struct Running {
    /// Which of the phases.
    phase: usize,
    number: u32,
    kind: Kind,
    planned: Planned,
    origin: Node,
    start_us: u64,
    is_admitted: bool,
    is_started: bool,
    known: BTreeMap<u64, Known>,
    /// Of a walk in rounds: who was asked in this one, and where it led.
    round: BTreeMap<u64, Known>,
    heard: BTreeSet<Node>,
    rounds: u32,
    met: Option<Known>,
    in_flight: u32,
    idle_steps: u32,
    origin_overhead_us: u64,
    attempts: u32,
    succeeded: u32,
    failed: u32,
    holder: Option<(Node, u32)>,
    lookup_end_us: Option<u64>,
    stored: u32,
    store_failed: u32,
}

/// A contact of a lookup that has been sent.
struct Contacted {
    sequence: u32,
    distance: u64,
    is_ok: bool,
    /// The delay of one way.
    delay_us: u64,
    total_us: u64,
}

impl Contacted {
    /// What happens when a contact that leaves now has completed, and when that is.
    fn completes(&self, now_us: u64) -> (u64, What) {
        let time_us = now_us + self.total_us;
        let what = What::Contact {
            sequence: self.sequence,
            distance: self.distance,
            is_ok: self.is_ok,
            arrives_us: time_us - self.delay_us,
        };
        (time_us, what)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The operation is due, or admitted.
    Start,
    /// A contact of the lookup completes.
    Contact {
        sequence: u32,
        distance: u64,
        is_ok: bool,
        /// When the request reaches the remote, if it does.
        arrives_us: u64,
    },
    /// The operation has ended: its place is free.
    End,
}

/// Something that happens; ordered by time, then operation, then contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    time_us: u64,
    operation: usize,
    what: What,
}

/// What the rules about stores have been worth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Requests that reached a node before a store that the node held when the answer was back.
    pub early: usize,
    /// Questions of the microsecond in which a store arrived.
    pub ties: usize,
}

/// A network, and the rows of the phases that ran last.
#[derive(Clone)]
pub struct Reference {
    pub seed: u64,
    pub k: usize,
    pub rules: Rules,
    pub link: UniformLink,
    pub overhead_us: u64,
    pub ids: Vec<i64>,
    pub keys: Vec<u64>,
    pub online: Vec<bool>,
    pub tables: Vec<Vec<Node>>,
    pub uses: HashMap<Node, u64>,
    /// From when each node holds which keys.
    pub visible_us: HashMap<(Node, u64), u64>,
    /// The same, as it came of the run before.
    known_stores: Option<HashMap<(Node, u64), u64>>,
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
    /// By phase and origin.
    taken: HashMap<(usize, Node), u32>,
    waiting: HashMap<(usize, Node), VecDeque<usize>>,
    /// When each node was charged in the phases that ran last.
    charges: Vec<(u64, Node)>,
    /// Phase and node of each contact.
    contacts: HashMap<(u32, Node), u32>,
    heap: BinaryHeap<Reverse<Event>>,
}

impl Reference {
    pub fn new(seed: u64, k: usize, rules: Rules, link: UniformLink, overhead_us: u64) -> Self {
        Self {
            seed,
            k,
            rules,
            link,
            overhead_us,
            ids: Vec::new(),
            keys: Vec::new(),
            online: Vec::new(),
            tables: Vec::new(),
            uses: HashMap::new(),
            visible_us: HashMap::new(),
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

    /// Runs phases beside each other, each to its end, or until it is cut off, what happens then included; their
    /// rows are in the order of the tables.
    pub fn run(&mut self, phases: &[Phase]) {
        let before = self.clone();
        self.run_once(phases);
        let has = |kind| phases.iter().any(|phase| phase.kind == kind);
        if !(has(Kind::Provide) && has(Kind::Retrieve)) {
            return;
        }
        for _ in 0..1000 {
            let mut again = before.clone();
            again.known_stores = Some(self.visible_us.clone());
            again.run_once(phases);
            let is_settled = again.visible_us == self.visible_us;
            *self = again;
            self.known_stores = None;
            if is_settled {
                return;
            }
        }
        panic!("every run comes to other stores: {phases:?}");
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
                What::Start if self.must_wait(&mut running[event.operation], event) => {}
                What::Start => self.start(&mut running[event.operation], event),
                What::Contact { .. } if running[event.operation].is_over() => {}
                What::Contact { .. } => self.handle(&mut running[event.operation], event),
                What::End => self.admit_next(&mut running, event),
            }
        }
        for (phase, described) in phases.iter().enumerate() {
            if let Some(cut_us) = described.cut_us {
                self.cut_off(&running, (phase, described.number), cut_us);
            }
        }
        let mut order: Vec<usize> = (0..self.operations.len()).collect();
        // Those that were cut off stand where they were cut off.
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
        self.ends = phases
            .iter()
            .map(|phase| self.phase_end(phase, &uses_before))
            .collect();
        self.ends.sort_by_key(|end| (end.end_us, end.number));
        self.now_us = self.ends.last().unwrap().end_us;
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
        let end_us = match phase.cut_us {
            Some(cut_us) if is_cut => cut_us,
            _ => ends_us.into_iter().max().unwrap_or(phase.start_us),
        };
        let node = |node: Node| {
            let contacts = self.contacts.get(&(phase.number, node));
            let segments = self.visible_us.iter();
            let held = segments.filter(|((at, _), us)| *at == node && **us <= end_us);
            let charges = self.charges.iter();
            let charged = charges.filter(|(us, at)| *at == node && *us <= end_us);
            let before = uses_before.get(&node).copied().unwrap_or(0);
            (
                contacts.copied().unwrap_or(0),
                held.count() as u32,
                before as u32 + charged.count() as u32,
                started.get(&self.ids[node]).copied().unwrap_or(0),
            )
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

    /// Whether as many operations of the origin as may be are in flight.
    fn must_wait(&mut self, operation: &mut Running, event: Event) -> bool {
        let Some(parallel) = self.phases[operation.phase].parallel else {
            return false;
        };
        if operation.is_admitted {
            return false;
        }
        let place = (operation.phase, operation.origin);
        let taken = self.taken.entry(place).or_default();
        if *taken == parallel {
            self.waiting
                .entry(place)
                .or_default()
                .push_back(event.operation);
            return true;
        }
        *taken += 1;
        false
    }

    /// The place of an ended operation goes to the one that waits for longest.
    fn admit_next(&mut self, running: &mut [Running], event: Event) {
        let ended = &running[event.operation];
        let place = (ended.phase, ended.origin);
        match self.waiting.get_mut(&place).and_then(VecDeque::pop_front) {
            Some(next) => {
                running[next].is_admitted = true;
                self.push(event.time_us, next, What::Start);
            }
            None => {
                self.taken
                    .entry(place)
                    .and_modify(|taken| *taken = taken.saturating_sub(1));
            }
        }
    }

    fn closest(&self, node: Node, key: u64) -> Vec<Node> {
        let mut entries = self.tables[node].clone();
        entries.sort_unstable_by_key(|&entry| self.keys[entry] ^ key);
        entries.truncate(self.k);
        entries
    }

    /// Whether the node holds the key when a request reaches it, whose answer is back later.
    fn holds(&mut self, node: Node, key: u64, arrives_us: u64, back_us: u64) -> bool {
        let stores = self.known_stores.as_ref().unwrap_or(&self.visible_us);
        let Some(&visible_us) = stores.get(&(node, key)) else {
            return false;
        };
        self.seen.ties += usize::from(visible_us == arrives_us);
        self.seen.early += usize::from(arrives_us < visible_us && visible_us <= back_us);
        visible_us <= arrives_us
    }

    /// The node holds the key from then on.
    fn store(&mut self, node: Node, key: u64, arrives_us: u64) {
        let visible_us = self.visible_us.entry((node, key)).or_insert(arrives_us);
        *visible_us = arrives_us.min(*visible_us);
    }

    fn charge(&mut self, node: Node, now_us: u64) -> u64 {
        if self.overhead_us == 0 {
            return 0;
        }
        self.charges.push((now_us, node));
        let uses = self.uses.entry(node).or_default();
        *uses += 1;
        *uses * self.overhead_us
    }

    fn start(&mut self, operation: &mut Running, event: Event) {
        operation.start_us = event.time_us;
        operation.is_started = true;
        let (origin, key) = (operation.origin, operation.planned.key.0);
        let by_clock = self.rules.procedure != Procedure::PyDht;
        let now_us = event.time_us;
        if by_clock && operation.kind == Kind::Retrieve && self.holds(origin, key, now_us, now_us) {
            operation.holder = Some((origin, 0));
            self.end(operation, event);
            return;
        }
        if self.rules.procedure == Procedure::Rfm19 {
            return self.walk(operation, event);
        }
        operation.origin_overhead_us = self.charge(origin, event.time_us);
        for node in self.closest(origin, key) {
            let known = Known {
                node,
                depth: 1,
                status: Status::Candidate,
            };
            operation.known.insert(self.keys[node] ^ key, known);
        }
        if !by_clock {
            let time_us = event.time_us + self.evaluate(operation);
            self.end(operation, Event { time_us, ..event });
            return;
        }
        self.fill(operation, event);
        if operation.in_flight == 0 {
            self.end(operation, event);
        }
    }

    /// Keeps alpha contacts in flight.
    fn fill(&mut self, operation: &mut Running, event: Event) {
        while operation.in_flight < self.rules.alpha {
            let Some(contacted) = self.contact_nearest(operation, event.time_us) else {
                return;
            };
            let (time_us, what) = contacted.completes(event.time_us);
            self.push(time_us, event.operation, what);
        }
    }

    /// Contacts the nearest candidate, if there is one.
    fn contact_nearest(&mut self, operation: &mut Running, time_us: u64) -> Option<Contacted> {
        let mut known = operation.known.iter_mut();
        let (&distance, known) = known.find(|(_, known)| known.status == Status::Candidate)?;
        known.status = Status::InFlight;
        let (remote, sequence) = (known.node, operation.attempts);
        operation.attempts += 1;
        operation.in_flight += 1;
        let origin_us = operation.origin_overhead_us;
        let (fate, total_us) = self.send(
            operation,
            time_us,
            sequence,
            remote,
            Request::Lookup,
            origin_us,
        );
        Some(Contacted {
            sequence,
            distance,
            is_ok: fate.outcome == Outcome::Ok,
            delay_us: fate.base_delay_us,
            total_us,
        })
    }

    /// Contacts a node. Returns what becomes of it, and what it costs.
    fn send(
        &mut self,
        operation: &Running,
        time_us: u64,
        sequence: u32,
        remote: Node,
        request: Request,
        origin_us: u64,
    ) -> (Fate, u64) {
        let number = operation.planned.number;
        let attempt = Attempt {
            network_seed: self.seed,
            operation: number,
            sequence,
            from: Row(operation.origin as u32),
            to: Some(Row(remote as u32)),
            time_us,
        };
        let fate = self.link.draw(attempt, self.online[remote]);
        let remote_us = self.charge(remote, time_us);
        *self.contacts.entry((operation.number, remote)).or_default() += 1;
        let delays = if fate.outcome == Outcome::Ok { 2 } else { 1 };
        let total_delay_us = delays * fate.base_delay_us + origin_us + remote_us;
        self.connections.push(ConnectionRow {
            network: 0,
            phase: operation.number,
            operation: number,
            sequence,
            time_us,
            from: self.ids[operation.origin],
            to: self.ids[remote],
            request,
            outcome: fate.outcome,
            base_delay_us: fate.base_delay_us,
            origin_overhead_us: origin_us,
            remote_overhead_us: remote_us,
            total_delay_us,
        });
        (fate, total_delay_us)
    }

    /// Takes in what became of a contact that reached its remote at `arrives_us`, if it did, and is back.
    fn take(
        &mut self,
        operation: &mut Running,
        (distance, is_ok): (u64, bool),
        (arrives_us, back_us): (u64, u64),
    ) {
        operation.in_flight -= 1;
        let contacted = operation.known[&distance];
        if is_ok {
            operation.succeeded += 1;
            operation.set_status(distance, Status::Answered);
            self.join(operation, contacted);
            let key = operation.planned.key.0;
            if operation.kind == Kind::Retrieve
                && self.holds(contacted.node, key, arrives_us, back_us)
            {
                operation.holder = Some((contacted.node, contacted.depth));
            }
        } else {
            operation.failed += 1;
            operation.set_status(distance, Status::Failed);
        }
    }

    fn handle(&mut self, operation: &mut Running, event: Event) {
        let What::Contact {
            distance,
            is_ok,
            arrives_us,
            ..
        } = event.what
        else {
            unreachable!("contacts are handled");
        };
        if self.rules.procedure == Procedure::Rfm19 {
            return self.handle_in_round(operation, event, (distance, is_ok), arrives_us);
        }
        self.take(operation, (distance, is_ok), (arrives_us, event.time_us));
        let mut is_stopped = operation.holder.is_some();
        is_stopped |= match self.rules.stop {
            Stop::NoProgress => operation.idle_steps == self.rules.steps_to_stop,
            Stop::ClosestAnswered => {
                let asked = operation.known.values();
                let counted =
                    asked.filter(|k| k.status != Status::Failed && k.status != Status::Origin);
                counted
                    .take(self.rules.beta as usize)
                    .all(|k| k.status == Status::Answered)
            }
        };
        if !is_stopped {
            self.fill(operation, event);
        }
        if is_stopped || operation.in_flight == 0 {
            self.end(operation, event);
        }
    }

    /// The answer of a contacted node joins what is known.
    fn join(&self, operation: &mut Running, contacted: Known) {
        let key = operation.planned.key.0;
        let farthest = *operation.known.keys().next_back().unwrap();
        let mut progress = false;
        for node in self.closest(contacted.node, key) {
            let distance = self.keys[node] ^ key;
            if operation.known.contains_key(&distance) {
                continue;
            }
            progress |= distance < farthest;
            let by_clock = self.rules.procedure == Procedure::Iterative;
            let status = if by_clock && node == operation.origin {
                Status::Origin
            } else {
                Status::Candidate
            };
            operation.known.insert(
                distance,
                Known {
                    node,
                    depth: contacted.depth + 1,
                    status,
                },
            );
        }
        operation.idle_steps = if progress {
            0
        } else {
            operation.idle_steps + 1
        };
    }

    /// The lookup has ended; a provide stores.
    fn end(&mut self, operation: &mut Running, event: Event) {
        let lookup_end_us = event.time_us;
        operation.lookup_end_us = Some(lookup_end_us);
        let closest = operation
            .known
            .values()
            .filter(|known| self.rules.stop == Stop::NoProgress || known.status != Status::Failed);
        let result: Vec<Known> = match self.rules.procedure {
            Procedure::Rfm19 => operation.met.into_iter().collect(),
            _ => closest.take(self.rules.beta as usize).copied().collect(),
        };
        // What is evaluated whole carries its start as its time.
        let sent_us = match self.rules.procedure {
            Procedure::Iterative | Procedure::Rfm19 => lookup_end_us,
            Procedure::PyDht => operation.start_us,
        };
        let mut end_us = lookup_end_us;
        if operation.kind == Kind::Provide {
            let by_clock = self.rules.procedure != Procedure::PyDht;
            let (key, mut sequence) = (operation.planned.key.0, operation.attempts);
            for known in &result {
                let remote = known.node;
                if by_clock && remote == operation.origin {
                    operation.stored += 1;
                    self.own_stores.push((operation.number, lookup_end_us));
                    self.store(remote, key, lookup_end_us);
                    continue;
                }
                let origin_us = self.charge(operation.origin, sent_us);
                let (fate, total_us) = self.send(
                    operation,
                    sent_us,
                    sequence,
                    remote,
                    Request::Store,
                    origin_us,
                );
                sequence += 1;
                let completes_us = lookup_end_us + total_us;
                end_us = end_us.max(completes_us);
                if fate.outcome == Outcome::Ok {
                    operation.stored += 1;
                    self.store(remote, key, completes_us - fate.base_delay_us);
                } else {
                    operation.store_failed += 1;
                }
            }
        }
        self.push(end_us, event.operation, What::End);
        self.operations
            .push(self.row(operation, Some(end_us), &result));
        let result = result.iter().map(|known| self.ids[known.node]);
        self.results.push(Some(result.collect()));
    }
}

impl Running {
    fn new(planned: Planned, phase: usize, described: &Phase) -> Self {
        Self {
            phase,
            number: described.number,
            kind: described.kind,
            planned,
            origin: planned.origin.index(),
            start_us: 0,
            is_admitted: false,
            is_started: false,
            known: BTreeMap::new(),
            round: BTreeMap::new(),
            heard: BTreeSet::new(),
            rounds: 0,
            met: None,
            in_flight: 0,
            idle_steps: 0,
            origin_overhead_us: 0,
            attempts: 0,
            succeeded: 0,
            failed: 0,
            holder: None,
            lookup_end_us: None,
            stored: 0,
            store_failed: 0,
        }
    }

    /// Whether its lookup has ended; contacts still in flight are abandoned.
    fn is_over(&self) -> bool {
        self.lookup_end_us.is_some()
    }

    fn set_status(&mut self, distance: u64, status: Status) {
        if let Some(known) = self.known.get_mut(&distance) {
            known.status = status;
        }
    }
}
