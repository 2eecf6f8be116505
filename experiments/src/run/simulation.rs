//! Simulates the networks of a run one after the other, and hands what they record to the tables and the summary.

mod joins;

use std::ops::Range;

use anyhow::{anyhow, bail};
use indicatif::{HumanCount, ProgressBar};
use kadsim_engine::in_degree::InDegrees;
use kadsim_engine::node::Row;
use kadsim_engine::operation::Source;
use kadsim_engine::random::network_seed;
use kadsim_engine::record::{NodeRow, TimingRow};
use kadsim_engine::routing::{Size, Sizes};
use kadsim_engine::time::LAST_US;
use kadsim_systems::Network;
use kadsim_systems::halt::Halt;
use kadsim_systems::network::phase_end::{NodeState, PhaseEnd};
use kadsim_systems::network::read::NodesView;
use kadsim_systems::network::run_loop::Observer;
use kadsim_systems::record::phase_order::PhaseOrder;
use kadsim_systems::step::Timings;
use rayon::prelude::*;

use super::clock::{Clock, Lap};
use super::routing;
use super::workload::{Pool, Workload, start_us};
use crate::file::{Experiment, JOINS, Phase, PhaseKind, milliseconds};
use crate::inputs::{self, Inputs};
use crate::output::{RECORDING, Writers};
use crate::spent::{Moment, Spent};
use crate::summary::Summary;
use crate::watch::{Line, Watch};

/// State of a run.
pub(super) struct Simulation<'a> {
    experiment: &'a Experiment,
    inputs: &'a Inputs,
    watch: Watch<'a>,
    writers: Writers,
    summary: Summary,
    /// The networks in which each phase was cut off.
    cut_off: Vec<Vec<u32>>,
    clock: Clock,
    /// Time spent on recording in the current phase.
    recording: Spent,
    /// Number of routing tables that name each node of the current network, with `output.in_degree`.
    in_degrees: Option<InDegrees>,
}

impl<'a> Simulation<'a> {
    pub(super) fn new(
        experiment: &'a Experiment,
        inputs: &'a Inputs,
        watch: Watch<'a>,
        writers: Writers,
        clock: Clock,
    ) -> Self {
        let k = experiment.network.bucket_size;
        let perfect = experiment.lookup.rules.results(k).min(inputs.online);
        Self {
            experiment,
            inputs,
            watch,
            writers,
            summary: Summary::new(experiment, experiment.networks, perfect),
            cut_off: vec![Vec::new(); experiment.phases.len()],
            clock,
            recording: Spent::default(),
            in_degrees: None,
        }
    }

    /// Returns the tables, the summary, and the networks in which each phase was cut off.
    pub(super) fn into_parts(self) -> (Writers, Summary, Vec<Vec<u32>>) {
        (self.writers, self.summary, self.cut_off)
    }

    /// Simulates every network, one after the other.
    ///
    /// # Errors
    ///
    /// [`crate::watch::Stopped`]; impossible nodes; a table that cannot be written.
    pub(super) fn networks(&mut self) -> anyhow::Result<()> {
        (0..self.experiment.networks).try_for_each(|network| self.network(network))
    }

    /// Simulates one network with all its phases.
    fn network(&mut self, number: u32) -> anyhow::Result<()> {
        let mut network = self.bootstrap(number)?;
        self.summary.begin_phases(network.first_us());
        if self.writers.wants_routing() {
            routing::write(number, &mut network, &mut self.writers, self.watch)?;
        }
        let mut pool = Pool::new(&mut network);
        for places in self.experiment.overlapping() {
            self.phases(number, places, &mut network, &mut pool)?;
        }
        self.in_degrees = None;
        self.writers.network(number, &self.summary.end_network())?;
        Ok(())
    }

    /// Makes the network: its nodes, with full routing tables or those that their joins have given them.
    fn bootstrap(&mut self, number: u32) -> anyhow::Result<Network> {
        let experiment = self.experiment;
        let nodes = HumanCount(u64::from(self.inputs.nodes));
        let line = self.watch.busy(format!("bootstrapping {nodes} nodes"));
        self.clock.start();
        let seed = network_seed(experiment.seed, number);
        let mut network = Network::new(inputs::spec(experiment, self.inputs, seed))?;
        network.recording().network = number;
        network.recording().results = experiment.output.results;
        network.recording().connections = experiment.output.tables.connections;
        network.recording().recall = experiment.wants_recall();
        network.recording().living = experiment.has_living_columns();
        self.timing(number, JOINS, "spawn", 1)?;
        self.watch.go_on()?;
        if network.is_joined() {
            drop(line);
            self.join(number, &mut network)?;
            return Ok(network);
        }
        network.bootstrap();
        self.timing(number, JOINS, "tables", 1)?;
        self.watch.go_on()?;
        self.count_in_degrees(number, &mut network)?;
        Ok(network)
    }

    /// Runs phases that may be in flight at the same time, until the last one has ended.
    fn phases(
        &mut self,
        number: u32,
        places: Range<usize>,
        network: &mut Network,
        pool: &mut Pool,
    ) -> anyhow::Result<()> {
        let phases = &self.experiment.phases[places.clone()];
        if phases[0].reset_overhead {
            network.reset_overhead();
        }
        let mut begun: Vec<Begun> = Vec::new();
        for place in places.clone() {
            begun.push(self.begin(place, network, pool)?);
        }
        let total = begun.iter().map(|begun| begun.total).sum();
        let names: Vec<&str> = phases.iter().map(|phase| phase.name.as_str()).collect();
        let name = names.join("+");
        let are_idle = phases.iter().all(|phase| phase.kind() == PhaseKind::Idle);
        let bar = match are_idle {
            true => self.idle_line(&name, phases),
            false => self.bar(number, &name, total),
        };
        let mut nodes = PhaseOrder::default();
        places.clone().for_each(|place| nodes.begin(place as u32));
        self.clock.start();
        let mut recorder = Recorder {
            simulation: &mut *self,
            number,
            first: places.start,
            begun,
            nodes,
            bar,
        };
        let ran = network.run(&mut recorder);
        drop(recorder);
        ran.map_err(|error| self.explained(number, error))?;
        self.timings(number, &name, &network.take_timings())?;
        self.timing(number, &name, "phase", 1)?;
        self.recording(number, &name)
    }

    /// Adds network, phase and advice to an error that says why a network cannot go on.
    fn explained(&self, number: u32, error: anyhow::Error) -> anyhow::Error {
        let halt = match error.downcast::<Halt>() {
            Ok(halt) => halt,
            Err(other) => return other,
        };
        let advice = match halt {
            Halt::OperationBeyondClock { phase, .. } => {
                let phase = &self.experiment.phases[phase as usize].name;
                return anyhow!(
                    "{halt} (network {number}, phase \"{phase}\"): shorten the delays in [link], \
                     `link.overhead_ms` or `start_ms` and `spread_ms`, or cut the phase off by `max_ms`"
                );
            }
            Halt::JoinBeyondClock => "shorten `network.doubling_ms` or the delays in [link]",
            Halt::JoinUnanswered => "lower the error rates of [link], or raise `link.timeout_ms`",
            Halt::TooManyChanges(_) => "lengthen the sessions and absences of [churn]",
        };
        anyhow!("{halt} (network {number}): {advice}")
    }

    /// Begins the phase of this index.
    ///
    /// # Errors
    ///
    /// The phase lasts beyond the end of the clock; nodes come and go more often than can be kept.
    fn begin(
        &mut self,
        place: usize,
        network: &mut Network,
        pool: &mut Pool,
    ) -> anyhow::Result<Begun> {
        let (experiment, inputs) = (self.experiment, self.inputs);
        let phase = &experiment.phases[place];
        let start_us = start_us(phase, network);
        if start_us.saturating_add(phase.duration_us()) > LAST_US {
            bail!(
                "phase \"{}\" goes beyond {} ms, where times end: make its `duration_ms` smaller",
                phase.name,
                LAST_US / 1000
            );
        }
        let workload = |network: &mut Network, pool: &Pool| {
            Workload::new(experiment, inputs, place, network, pool)
        };
        // Drawn before the phase begins: a phase that is cut off records nothing of the operations that never started.
        let is_counted = !phase.deadlines_us.is_empty() && phase.max_us.is_some();
        let all = match is_counted {
            true => Some(workload(network, pool)?.source),
            false => None,
        };
        let workload = workload(network, pool)?;
        let total = workload.total;
        self.summary.begin_phase(place, start_us);
        pool.add(workload.begin(place, phase, experiment.freshness_us(phase), network));
        Ok(Begun { total, all })
    }

    /// Writes the rows of a step to the tables, and counts its operations in the summary.
    fn take(&mut self, network: &mut Network, bar: &ProgressBar) -> anyhow::Result<()> {
        let recorded = network.recorded();
        if recorded.is_empty() {
            return Ok(());
        }
        let begun = Moment::of_this_thread();
        self.writers.step(recorded)?;
        recorded
            .operations
            .iter()
            .for_each(|row| self.summary.operation(row));
        recorded.ticks.iter().for_each(|row| self.summary.tick(row));
        let shifts = recorded.shifts.iter();
        shifts.for_each(|&(phase, us)| self.summary.end_shift(phase as usize, us));
        bar.inc(recorded.operations.len() as u64);
        recorded.clear();
        self.recording += begun.spent();
        Ok(())
    }

    /// Counts all planned operations of a phase that was cut off, by origin.
    fn plan(&mut self, place: usize, mut source: Box<dyn Source>, network: &mut Network) {
        let summary = &mut self.summary;
        network.read(
            |NodesView {
                 population, ids, ..
             }| {
                while let Some(planned) = source.peek() {
                    summary.plan(place, ids.id(planned.origin, population.keys()));
                    source.advance();
                }
            },
        );
    }

    /// Writes the time spent on recording in a phase, or in phases in flight at the same time. It includes the threads
    /// that encode tables.
    fn recording(&mut self, network: u32, phase: &str) -> anyhow::Result<()> {
        let Spent { wall, cpu } = std::mem::take(&mut self.recording);
        let cpu = cpu + self.writers.take_encoding();
        self.writers.timing(&TimingRow {
            network,
            phase: phase.to_owned(),
            system: RECORDING.to_owned(),
            wall_us: wall.as_micros() as u64,
            cpu_us: Some(cpu.as_micros() as u64),
            resident_bytes: None,
            calls: 1,
        })?;
        Ok(())
    }

    /// Writes and counts the nodes at the end of a phase.
    fn node_rows(
        &mut self,
        (number, phase): (u32, u32),
        nodes: &NodesView,
        node: &(dyn Fn(Row) -> NodeState + Sync),
    ) -> anyhow::Result<()> {
        const CHUNK: usize = 1 << 16;
        let overhead_us = self.experiment.link.overhead_us;
        let in_degrees = self.in_degrees.as_ref();
        let begun = Moment::of_the_process();
        let encoded = self.writers.encoding();
        let NodesView {
            population,
            columns,
            ids,
            tables,
            ..
        } = nodes;
        let is_labelled = self.inputs.labels.is_some();
        let row = |sizes: &mut Sizes, place: usize| {
            let owner = Row(place as u32);
            let NodeState {
                contacts,
                segments,
                uses,
                started,
                maintenance_sent,
                maintenance_received,
                life,
            } = node(owner);
            let size = match life {
                // Of tables that are made anew, the entries were counted.
                Some(life) => life.freshness.map_or_else(Size::default, |freshness| Size {
                    entries: freshness.entries as u32,
                    buckets: freshness.buckets as u8,
                }),
                None => sizes.of(owner, columns.tables[place]),
            };
            NodeRow {
                network: number,
                phase,
                node: ids.id(owner, columns.keys),
                key: columns.keys[place].0,
                // Rows of imported nodes are in the order of keys, as labels are.
                label: is_labelled.then_some(place as u32),
                online: life.map_or(columns.presence[place].is_online(), |life| life.is_online),
                table_entries: size.entries,
                buckets: size.buckets,
                contacts: u64::from(contacts),
                segments: u64::from(segments),
                overhead_us: overhead_us.saturating_mul(u64::from(uses)),
                started: u64::from(started),
                in_degree: in_degrees.map(|degrees| degrees.of(owner)),
                region: life
                    .and_then(|life| life.region)
                    .map(|region| region.0.into()),
                server: life.is_none_or(|life| life.is_server),
                sessions: life.map_or(0, |life| life.sessions),
                online_us: life.map_or(0, |life| life.online_us),
                stale: life.and_then(|life| life.freshness?.stale()),
                missing: life.and_then(|life| life.freshness?.missing()),
                maintenance_sent: maintenance_sent.into(),
                maintenance_received: maintenance_received.into(),
            }
        };
        let nodes = columns.keys.len();
        let mut rows = Vec::with_capacity(CHUNK.min(nodes));
        for start in (0..nodes).step_by(CHUNK) {
            self.watch.go_on()?;
            (start..nodes.min(start + CHUNK))
                .into_par_iter()
                .map_init(|| tables.sizes(population), row)
                .collect_into_vec(&mut rows);
            if let Some(row) = rows.iter().find(|row| row.overhead_us > LAST_US) {
                let phase = &self.experiment.phase_names()[phase as usize];
                bail!(
                    "the overhead of node {} at the end of phase \"{phase}\" (network {number}) is beyond {} ms, \
                     where times end: make `link.overhead_ms` smaller",
                    row.node,
                    LAST_US / 1000
                );
            }
            self.summary.nodes(phase as usize, &rows);
            rows.iter().try_for_each(|row| self.writers.node(row))?;
        }
        let mut spent = begun.spent();
        // `take_encoding` counts the encoders' time.
        spent.cpu = spent.cpu.saturating_sub(self.writers.encoding() - encoded);
        self.recording += spent;
        Ok(())
    }

    /// Writes the time spent in each stage of the steps of a phase, or of phases in flight at the same time.
    fn timings(&mut self, network: u32, phase: &str, timings: &Timings) -> anyhow::Result<()> {
        for (stage, spent) in Timings::STAGES.iter().zip(timings.stages) {
            self.writers.timing(&TimingRow {
                network,
                phase: phase.to_owned(),
                system: (*stage).to_owned(),
                wall_us: spent.as_micros() as u64,
                cpu_us: None,
                resident_bytes: None,
                calls: timings.steps,
            })?;
        }
        // The last stage runs on one thread: its wall time is its CPU time.
        let [.., record] = timings.stages;
        self.recording += Spent {
            wall: record,
            cpu: record,
        };
        Ok(())
    }

    /// Writes the time since the clock was started, and starts it again.
    fn timing(
        &mut self,
        network: u32,
        phase: &str,
        system: &str,
        calls: u64,
    ) -> anyhow::Result<()> {
        let Lap {
            wall_us,
            cpu_us,
            resident_bytes,
        } = self.clock.lap();
        let (phase, system) = (phase.to_owned(), system.to_owned());
        self.writers.timing(&TimingRow {
            network,
            phase,
            system,
            wall_us,
            cpu_us,
            resident_bytes,
            calls,
        })?;
        Ok(())
    }

    /// Shows how much time passes in phases without operations.
    fn idle_line(&self, name: &str, phases: &[Phase]) -> Line {
        let longest_us = phases.iter().map(Phase::duration_us).max();
        let ms = milliseconds(longest_us.unwrap_or(0));
        self.watch.busy(format!("{name}: {ms} ms pass"))
    }

    fn bar(&self, network: u32, phase: &str, total: u64) -> Line {
        self.watch.bar(&self.named(network, phase), total)
    }

    /// Returns the name of a phase for its line.
    fn named(&self, network: u32, phase: &str) -> String {
        match self.experiment.networks {
            1 => phase.to_owned(),
            _ => format!("{network}/{phase}"),
        }
    }
}

/// Observer of phases in flight at the same time.
struct Recorder<'s, 'a> {
    simulation: &'s mut Simulation<'a>,
    /// Number of the network.
    number: u32,
    /// Index of the first of the phases.
    first: usize,
    begun: Vec<Begun>,
    /// Nodes at the ends of phases, kept until all earlier phases are written.
    nodes: PhaseOrder<Vec<NodeState>>,
    bar: Line,
}

impl Recorder<'_, '_> {
    /// Writes and counts the nodes at the end of a phase. While an earlier phase is in flight, keeps their state instead,
    /// because the table is in the order of phases.
    fn nodes(&mut self, network: &mut Network, end: &PhaseEnd) -> anyhow::Result<()> {
        let (number, phase) = (self.number, end.phase);
        let simulation = &mut *self.simulation;
        self.nodes.end(phase);
        if self.nodes.is_first(phase) {
            network.read_end(end, |nodes, node| {
                simulation.node_rows((number, phase), &nodes, node)
            })?;
        } else {
            let rows = network.len() as u32;
            let states = network.read_end(end, |_, node| {
                (0..rows)
                    .into_par_iter()
                    .map(|row| node(Row(row)))
                    .collect()
            });
            self.nodes.push(phase, states);
        }
        let mut its_turn = Vec::new();
        self.nodes
            .take(|phase, states| its_turn.push((phase, states)));
        for (phase, states) in its_turn {
            network.read_end(end, |nodes, _| {
                let node = |row: Row| states[row.index()];
                simulation.node_rows((number, phase), &nodes, &node)
            })?;
        }
        Ok(())
    }
}

impl Observer for Recorder<'_, '_> {
    type Error = anyhow::Error;

    fn go_on(&mut self) -> anyhow::Result<()> {
        Ok(self.simulation.watch.go_on()?)
    }

    fn recorded(&mut self, network: &mut Network) -> anyhow::Result<()> {
        if let Some((come, _)) = network.come() {
            self.bar.set_position(come.into());
        }
        self.simulation.take(network, &self.bar)
    }

    fn ended(&mut self, network: &mut Network, end: &PhaseEnd) -> anyhow::Result<()> {
        let place = end.phase as usize;
        if place == self.simulation.experiment.phases.len() {
            // Rows of nodes have the in-degrees at the end of the joins.
            self.simulation.count_in_degrees(self.number, network)?;
        }
        self.nodes(network, end)?;
        let is_cut = end.cut_off.is_cut;
        let begun = &mut self.begun[place - self.first];
        if let Some(source) = begun.all.take().filter(|_| is_cut) {
            self.simulation.plan(place, source, network);
        }
        self.simulation
            .summary
            .end_phase(place, begun.total, is_cut, end.end_us);
        if is_cut {
            self.simulation.cut_off[place].push(self.number);
        }
        Ok(())
    }
}

/// Planned operations of a phase in flight.
struct Begun {
    /// Number of operations.
    total: u64,
    /// The same operations again, for deadlines of a phase that may be cut off.
    all: Option<Box<dyn Source>>,
}
