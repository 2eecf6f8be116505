//! Memory of phases in flight at the same time: operations, the messages that they send, stored segments, and rows in
//! wait.

use std::ops::Range;

use kadsim_engine::key::{Distance, Key};
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Contact, Operation, Planned};
use kadsim_engine::record::{ConnectionRow, OperationRow};
use kadsim_systems::network::phase_end::NodeState;
use kadsim_systems::outbox::{Send, Stored};
use kadsim_systems::record::Ended;
use kadsim_systems::window::Execution;

use super::GROWN;
use super::lookup::Lookup;
use crate::file::{Experiment, Kind, Work};
use crate::inputs::Inputs;

/// Most operations that a step starts, unless more are due at the same time.
const BATCH: f64 = (1 << 14) as f64;
/// Contacts sent in a window if operations are spread evenly. Windows double until they send at least half of this.
const WINDOW_SENDS: f64 = (1 << 16) as f64;
/// Least length of the head of an operation's list of known nodes.
const HEAD_MIN: f64 = 32.0;
/// Nodes of the head beyond those of a result.
const HEAD_SPARE: f64 = 12.0;
/// Bytes of a known node in the head: distance, row, state.
const HEAD_BYTES: f64 = 16.0;
/// Bytes of a known node beyond the head: row, state.
const FAR_BYTES: f64 = 8.0;
/// Bytes that alignment and the allocator add to an operation's lists.
const OPERATION_SPARE_BYTES: f64 = 240.0;
/// Bytes of an origin in the map of origins with limited operations.
const ORIGIN_BYTES: f64 = 240.0;
/// Bytes of a stored segment in the map that collects stores. The map keeps an eighth of its slots free.
const STORE_BYTES: f64 = 25.0 * 8.0 / 7.0;

/// The operations of one phase.
#[derive(Clone, Copy)]
struct Operations {
    is_provide: bool,
    total: f64,
    /// Operations in flight at once.
    in_flight: f64,
    /// Operations due at the same moment.
    together: f64,
    /// Operations that start in a microsecond.
    rate: f64,
    /// Number of origins, if the operations in flight of each are limited.
    limited_origins: Option<f64>,
}

/// Phases in flight at the same time.
pub(super) struct Flight<'a> {
    experiment: &'a Experiment,
    lookup: &'a Lookup,
    execution: Execution,
    /// Shortest time of a contact to an online node, µs.
    shortest_us: u64,
    phases: Vec<Operations>,
}

impl<'a> Flight<'a> {
    /// Estimates the phases of these indices.
    pub(super) fn of(
        experiment: &'a Experiment,
        inputs: &Inputs,
        lookup: &'a Lookup,
        places: Range<usize>,
    ) -> Self {
        let shares_nothing =
            experiment.link.overhead_us == 0 && !experiment.output.tables.connections;
        let is_by_clock = experiment.lookup.rules.procedure.is_by_clock();
        let execution = match shares_nothing {
            true => Execution::Whole,
            false if is_by_clock => Execution::Windowed,
            false => Execution::Sequential,
        };
        let phases = places.map(|place| Operations::of(experiment, inputs, lookup, place));
        Self {
            experiment,
            lookup,
            execution,
            shortest_us: inputs.link_of(experiment).shortest_us(false),
            phases: phases.collect(),
        }
    }

    fn sum(&self, of: impl Fn(&Operations) -> f64) -> f64 {
        self.phases.iter().map(of).sum()
    }

    fn total(&self) -> f64 {
        self.sum(|phase| phase.total)
    }

    fn provides(&self) -> f64 {
        self.sum(|phase| if phase.is_provide { phase.total } else { 0.0 })
    }

    fn together(&self) -> f64 {
        self.sum(|phase| phase.together)
    }

    /// Returns contacts and stores of an operation.
    fn sends_each(&self) -> f64 {
        self.lookup.attempts + self.lookup.result
    }

    /// Returns the contacts sent in a window if operations are spread evenly. Where overhead is charged, the lookahead
    /// limits the window.
    fn even_sends(&self) -> f64 {
        let each = self.sends_each();
        let all = self.total() * each;
        let within = match self.experiment.link.overhead_us {
            0 => f64::MAX,
            _ => {
                let lookahead_us = self.shortest_us as f64;
                self.sum(|phase| phase.rate) * each * lookahead_us
            }
        };
        WINDOW_SENDS.min(within).min(all)
    }

    /// Returns the operations that start, or end, in a step.
    fn batch(&self) -> f64 {
        let batch = self.total().min(BATCH);
        match self.execution {
            Execution::Whole | Execution::Sequential => batch,
            Execution::Windowed | Execution::Events => {
                batch.min(self.even_sends() / self.sends_each())
            }
        }
    }

    /// Returns the number of operation slots.
    fn slots(&self) -> f64 {
        let is_limited = |phase: &Operations| phase.limited_origins.is_some();
        match self.execution {
            Execution::Sequential if self.phases.iter().any(is_limited) => 1.0,
            Execution::Whole | Execution::Sequential => self.batch(),
            // An operation that ends in a step keeps its slot until the step is over.
            Execution::Windowed | Execution::Events => {
                let in_flight = self.sum(|phase| phase.in_flight);
                (in_flight + self.batch()).min(self.total())
            }
        }
    }

    /// Returns bytes of the operations in flight, of their messages, and of operations that wait for others of their
    /// origin.
    pub(super) fn operation_bytes(&self) -> f64 {
        let slots = self.slots();
        let each = self.slot_bytes() + size_of::<Ended>() as f64;
        let queued = self.sum(Operations::queued_bytes);
        // Each phase but the first has counters of contacts received and operations started for every node.
        let counters = (self.phases.len() as f64 - 1.0) * self.lookup.nodes * 8.0;
        slots * each + self.entered_bytes() + self.sent_bytes() + queued + counters
    }

    /// Returns bytes of an operation slot, which keeps the capacity of the longest lists that it ever held.
    fn slot_bytes(&self) -> f64 {
        let lookup = self.lookup;
        let k = self.experiment.network.bucket_size;
        let results = self.experiment.lookup.rules.results(k);
        let results = f64::from(results).min(lookup.nodes);
        let is_reused = self.total() > self.slots();
        let known = match is_reused {
            true => lookup.most_known,
            false => lookup.known,
        };
        // The head doubles as nodes become known.
        let head = power_of_two(results + HEAD_SPARE).min(power_of_two(known));
        let head = head.max(HEAD_MIN);
        let named = match self.experiment.lookup.rules.procedure.asks_for_buckets() {
            false => 0.0,
            // A round receives one bucket from each node asked.
            true => {
                let k = f64::from(self.experiment.network.bucket_size);
                power_of_two(lookup.in_flight * k) * size_of::<(Distance, Row)>() as f64
            }
        };
        let contacts = power_of_two(lookup.in_flight).max(4.0);
        let result = power_of_two(lookup.result).max(4.0);
        size_of::<Operation>() as f64 * GROWN
            + head * HEAD_BYTES
            + (known - head).max(0.0) * GROWN * FAR_BYTES
            + named
            + contacts * size_of::<Contact>() as f64
            + result * size_of::<Row>() as f64
            + OPERATION_SPARE_BYTES
    }

    /// Returns bytes of the stores of a step, kept by operation and then once more in one list.
    fn entered_bytes(&self) -> f64 {
        let operations = match self.execution {
            Execution::Whole | Execution::Sequential => self.slots(),
            // Operations that start together do not end together.
            Execution::Windowed | Execution::Events => self.batch().max(self.together() / 4.0),
        };
        let stores = operations.min(self.provides()) * self.lookup.result;
        2.0 * stores * size_of::<Stored>() as f64
    }

    /// Returns bytes of the messages of a step, where they are charged or recorded: by operation, then sorted, then as
    /// rows.
    fn sent_bytes(&self) -> f64 {
        let all = self.total() * self.sends_each();
        let sends = match self.execution {
            Execution::Whole => return 0.0,
            Execution::Sequential => self.slots() * self.sends_each(),
            Execution::Windowed | Execution::Events => {
                let burst = self.together() * (self.lookup.in_flight + 1.0);
                burst.min(all).max(self.even_sends())
            }
        };
        let row = match self.experiment.output.tables.connections {
            true => size_of::<ConnectionRow>(),
            false => 0,
        };
        sends * GROWN * (2 * size_of::<Send>() + row) as f64
    }

    /// Returns bytes of the rows of evaluated operations while others may still end before them.
    pub(super) fn waiting_bytes(&self) -> f64 {
        let total = self.total();
        let rows = match self.execution {
            Execution::Windowed | Execution::Events => 2.0 * self.batch() + self.together() / 2.0,
            Execution::Whole | Execution::Sequential => {
                let ahead = self.sum(|phase| phase.in_flight.max(phase.together));
                // Retrieves start when all provides in flight with them are evaluated.
                let provides = self.provides();
                let held = if provides < total { provides } else { 0.0 };
                1.5 * (ahead + held + BATCH)
            }
        };
        let result = match self.experiment.output.results {
            true => (24.0 + 8.0 * self.lookup.result) * GROWN,
            false => 0.0,
        };
        let row = size_of::<OperationRow>() + size_of::<(u64, u64, u32)>() + size_of::<u64>();
        let each = GROWN * size_of::<Ended>() as f64 + row as f64 + result;
        // States of nodes wait for the rows of earlier phases.
        let states = (self.phases.len() as f64 - 1.0) * self.lookup.nodes;
        rows.min(total) * each + states * size_of::<NodeState>() as f64
    }

    /// Returns the number of segments that these phases store.
    pub(super) fn stores(&self) -> f64 {
        self.provides() * self.lookup.result * self.lookup.success
    }

    /// Returns bytes of the segments stored `before` these phases and by them. They lie in a map that grows by
    /// doubling, until they are sorted into the arena.
    pub(super) fn segment_bytes(&self, before: f64) -> f64 {
        let stores = self.stores();
        let map = stores * GROWN * STORE_BYTES;
        let growing = 1.5 * map;
        let sorting = map + stores * size_of::<(Row, Key, u64)>() as f64;
        growing.max(sorting) + (before + stores) * size_of::<Key>() as f64
    }
}

impl Operations {
    /// Estimates the operations of the phase of this index.
    fn of(experiment: &Experiment, inputs: &Inputs, lookup: &Lookup, place: usize) -> Self {
        let phase = &experiment.phases[place];
        let origins = match phase.work {
            Work::Drawn { origin, .. } => origin.nodes(inputs.online),
            Work::Idle { .. } | Work::Trace { .. } => None,
        };
        let origins = origins.unwrap_or(u64::from(inputs.online)) as f64;
        let spread_us = spread_us(experiment, inputs, place);
        let due_us = phase
            .max_us
            .map_or(spread_us, |max_us| spread_us.min(max_us as f64));
        let part = if spread_us > 0.0 {
            due_us / spread_us
        } else {
            1.0
        };
        let total = inputs.operations[place] as f64 * part;
        let duration_us = lookup.duration_us(overhead_us(experiment, lookup, total, origins));
        let share = if due_us > 0.0 {
            (duration_us / due_us).min(1.0)
        } else {
            1.0
        };
        let limit = phase
            .parallel
            .map_or(f64::MAX, |limit| f64::from(limit) * origins);
        Self {
            is_provide: phase.does(Kind::Provide),
            total,
            in_flight: (total * share).min(limit),
            together: if due_us > 0.0 { 0.0 } else { total },
            rate: total / (due_us + duration_us).max(1.0),
            limited_origins: phase.parallel.map(|_| origins),
        }
    }

    /// Returns bytes of the operations that wait for others of their origin.
    fn queued_bytes(&self) -> f64 {
        let Some(origins) = self.limited_origins else {
            return 0.0;
        };
        let waiting = self.together.max(BATCH.min(self.total));
        waiting * size_of::<Planned>() as f64 * GROWN + origins.min(self.total) * ORIGIN_BYTES
    }
}

/// Returns the time over which the operations of a phase become due, µs.
pub(super) fn spread_us(experiment: &Experiment, inputs: &Inputs, place: usize) -> f64 {
    match &experiment.phases[place].work {
        Work::Idle { .. } => 0.0,
        Work::Drawn { pace, .. } => pace.spread_us() as f64,
        Work::Trace { .. } => {
            let rows = inputs.traces[place].as_deref().unwrap_or_default();
            rows.last().map_or(0.0, |row| row.start_us as f64)
        }
    }
}

/// Returns the mean overhead of a contact, µs. The n-th use of a node costs n times `link.overhead_ms`.
fn overhead_us(experiment: &Experiment, lookup: &Lookup, total: f64, origins: f64) -> f64 {
    let uses = total * (lookup.attempts / lookup.nodes.max(1.0) + 1.0 / origins.max(1.0));
    experiment.link.overhead_us as f64 * (1.0 + uses / 2.0)
}

/// Returns the smallest power of two that is at least `length`.
fn power_of_two(length: f64) -> f64 {
    length.max(1.0).log2().ceil().exp2()
}
