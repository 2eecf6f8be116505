//! The networks of a run, one after the other, the phases of each, and what is recorded of them.

use indicatif::{HumanCount, ProgressBar};
use kadsim_engine::node::Row;
use kadsim_engine::operation::Source;
use kadsim_engine::random::network_seed;
use kadsim_engine::record::{Kind, NodeRow, RoutingRow, TimingRow};
use kadsim_engine::sizes::Sizes;
use kadsim_systems::Network;
use kadsim_systems::network::Progress;
use kadsim_systems::step::Timings;
use rayon::prelude::*;

use super::clock::{Clock, Lap};
use super::workload::{Workload, kind};
use crate::file::{Experiment, Phase};
use crate::inputs::{self, Inputs};
use crate::output::{RECORDING, Writers};
use crate::spent::{Moment, Spent};
use crate::summary::Summary;
use crate::watch::Watch;
use crate::workload::SegmentKeys;

/// A run on its way.
pub(super) struct Simulation<'a> {
    experiment: &'a Experiment,
    inputs: &'a Inputs,
    watch: Watch<'a>,
    writers: Writers,
    summary: Summary,
    /// The networks in which each phase was cut off.
    cut_off: Vec<Vec<u32>>,
    clock: Clock,
    /// What recording has taken in this phase.
    recording: Spent,
}

impl<'a> Simulation<'a> {
    pub(super) fn new(
        experiment: &'a Experiment,
        inputs: &'a Inputs,
        watch: Watch<'a>,
        writers: Writers,
        clock: Clock,
    ) -> Self {
        let perfect = experiment.lookup.beta.min(inputs.nodes);
        Self {
            experiment,
            inputs,
            watch,
            writers,
            summary: Summary::new(&experiment.phases, experiment.networks, perfect),
            cut_off: vec![Vec::new(); experiment.phases.len()],
            clock,
            recording: Spent::default(),
        }
    }

    /// The tables, the summary, and the networks in which each phase was cut off.
    pub(super) fn into_parts(self) -> (Writers, Summary, Vec<Vec<u32>>) {
        (self.writers, self.summary, self.cut_off)
    }

    /// Every network, one after the other.
    ///
    /// # Errors
    ///
    /// [`crate::watch::Stopped`]; nodes that cannot be; a table that cannot be written.
    pub(super) fn networks(&mut self) -> anyhow::Result<()> {
        (0..self.experiment.networks).try_for_each(|network| self.network(network))
    }

    /// One network with all its phases.
    fn network(&mut self, number: u32) -> anyhow::Result<()> {
        let mut network = self.bootstrap(number)?;
        if self.writers.wants_routing() {
            self.routing(number, &mut network)?;
        }
        let mut provided: Vec<Option<SegmentKeys>> = Vec::new();
        for place in 0..self.experiment.phases.len() {
            let keys = self.phase(number, place, &mut network, &provided)?;
            provided.push(keys);
        }
        self.writers.network(number, &self.summary.end_network())?;
        Ok(())
    }

    /// The network before its first phase: its nodes with full tables.
    fn bootstrap(&mut self, number: u32) -> anyhow::Result<Network> {
        let experiment = self.experiment;
        let nodes = HumanCount(u64::from(self.inputs.nodes));
        let _line = self.watch.busy(format!("bootstrapping {nodes} nodes"));
        self.clock.start();
        let seed = network_seed(experiment.seed, number);
        let mut network = Network::new(inputs::spec(experiment, self.inputs, seed))?;
        network.recorded().network = number;
        network.recorded().results = experiment.output.results;
        network.activity().connections = experiment.output.tables.connections;
        network.activity().recall = experiment.wants_recall();
        self.timing(number, "bootstrap", "spawn", 1)?;
        self.watch.go_on()?;
        network.bootstrap();
        self.timing(number, "bootstrap", "tables", 1)?;
        self.watch.go_on()?;
        Ok(network)
    }

    /// One phase; returns what it provides.
    fn phase(
        &mut self,
        number: u32,
        place: usize,
        network: &mut Network,
        provided: &[Option<SegmentKeys>],
    ) -> anyhow::Result<Option<SegmentKeys>> {
        let phase = &self.experiment.phases[place];
        let kind = kind(phase.kind);
        if phase.reset_overhead {
            network.reset_overhead();
        }
        let (experiment, inputs) = (self.experiment, self.inputs);
        let workload =
            |network: &mut Network| Workload::new(experiment, inputs, place, network, provided);
        let Workload {
            source,
            total,
            keys,
        } = workload(network);
        let bar = self.bar(number, phase, total);
        // Made before anything has happened: a phase that is cut off leaves no trace of what it left out.
        let all =
            (phase.deadline_us.is_some() && phase.max_us.is_some()).then(|| workload(network));
        network.begin_phase(place as u32, kind, source, phase.parallel, phase.max_us);
        self.clock.start();
        let mut progress = Progress::Going;
        while progress == Progress::Going {
            self.watch.go_on()?;
            progress = network.step();
            self.take(network, &bar)?;
        }
        let cut = network.end_phase(total);
        self.take(network, &bar)?;
        self.timings(number, phase, &network.take_timings())?;
        self.nodes(number, place as u32, network)?;
        self.timing(number, &phase.name, "nodes", 1)?;
        self.recording(number, phase)?;
        if let Some(all) = all.filter(|_| cut.is_cut) {
            self.plan(place, all.source, network);
        }
        self.summary.end_phase(place, total, cut.is_cut);
        if cut.is_cut {
            self.cut_off[place].push(number);
        }
        Ok(if kind == Kind::Provide {
            Some(keys)
        } else {
            None
        })
    }

    /// Hands what was recorded to the tables and the summary.
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
        bar.inc(recorded.operations.len() as u64);
        recorded.clear();
        self.recording += begun.spent();
        Ok(())
    }

    /// Tells the summary which operations a phase that was cut off should have had.
    fn plan(&mut self, place: usize, mut source: Box<dyn Source>, network: &mut Network) {
        let summary = &mut self.summary;
        network.view(|population, _, ids| {
            while let Some(planned) = source.peek() {
                summary.plan(place, ids.id(planned.origin, population.keys()));
                source.advance();
            }
        });
    }

    /// Writes the routing tables.
    fn routing(&mut self, number: u32, network: &mut Network) -> anyhow::Result<()> {
        let _line = self.watch.busy("writing the routing tables".to_owned());
        let (watch, writers) = (self.watch, &mut self.writers);
        network.view_tables(|population, columns, ids, tables| {
            let (keys, mut rows) = (columns.keys, Vec::new());
            let mut written = Ok(());
            for owner in (0..keys.len() as u32).map(Row) {
                watch.go_on()?;
                let node = ids.id(owner, keys);
                let mut write = |bucket: u32, peers: &[Row]| {
                    peers.iter().enumerate().try_for_each(|(position, &peer)| {
                        writers.routing(&RoutingRow {
                            network: number,
                            node,
                            bucket: bucket as u8,
                            position: position as u8,
                            peer: ids.id(peer, keys),
                        })
                    })
                };
                let table = columns.tables[owner.index()];
                tables.for_each_bucket(&population, owner, table, &mut rows, |bucket, peers| {
                    if written.is_ok() {
                        written = write(bucket, peers);
                    }
                });
                if written.is_err() {
                    break;
                }
            }
            Ok(written?)
        })
    }

    /// Writes and counts the nodes at the end of a phase.
    fn nodes(&mut self, number: u32, phase: u32, network: &mut Network) -> anyhow::Result<()> {
        const CHUNK: usize = 1 << 16;
        let overhead_us = network.overhead_us();
        let begun = Moment::of_the_process();
        let encoded = self.writers.encoding();
        let (writers, summary) = (&mut self.writers, &mut self.summary);
        let watch = self.watch;
        network.view_tables(|population, columns, ids, tables| {
            let row = |sizes: &mut Sizes, place: usize| {
                let owner = Row(place as u32);
                let activity = &columns.activity[place];
                let (table_entries, buckets) = sizes.of(owner, columns.tables[place]);
                NodeRow {
                    network: number,
                    phase,
                    node: ids.id(owner, columns.keys),
                    key: columns.keys[place].0,
                    online: activity.is_online(),
                    table_entries,
                    buckets,
                    contacts: u64::from(activity.contacts()),
                    segments: u64::from(columns.stores[place].len),
                    overhead_us: overhead_us * u64::from(activity.uses()),
                }
            };
            let nodes = columns.keys.len();
            let mut rows = Vec::with_capacity(CHUNK.min(nodes));
            for start in (0..nodes).step_by(CHUNK) {
                watch.go_on()?;
                (start..nodes.min(start + CHUNK))
                    .into_par_iter()
                    .map_init(|| tables.sizes(&population), row)
                    .collect_into_vec(&mut rows);
                summary.nodes(phase as usize, &rows);
                rows.iter().try_for_each(|row| writers.node(row))?;
            }
            anyhow::Ok(())
        })?;
        let mut spent = begun.spent();
        // That is counted on its own.
        spent.cpu = spent.cpu.saturating_sub(self.writers.encoding() - encoded);
        self.recording += spent;
        Ok(())
    }

    /// Writes what recording has taken in a phase, the encoders' threads included.
    fn recording(&mut self, network: u32, phase: &Phase) -> anyhow::Result<()> {
        let Spent { wall, cpu } = std::mem::take(&mut self.recording);
        let cpu = cpu + self.writers.take_encoding();
        self.writers.timing(&TimingRow {
            network,
            phase: phase.name.clone(),
            system: RECORDING.to_owned(),
            wall_us: wall.as_micros() as u64,
            cpu_us: Some(cpu.as_micros() as u64),
            resident_bytes: None,
            calls: 1,
        })?;
        Ok(())
    }

    /// Writes how long the stages of a phase's steps took.
    fn timings(&mut self, network: u32, phase: &Phase, timings: &Timings) -> anyhow::Result<()> {
        for (stage, spent) in Timings::STAGES.iter().zip(timings.stages) {
            self.writers.timing(&TimingRow {
                network,
                phase: phase.name.clone(),
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
        self.timing(network, &phase.name, "phase", 1)
    }

    /// Writes how long it is since the clock was started, and starts it anew.
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

    fn bar(&self, network: u32, phase: &Phase, total: u64) -> ProgressBar {
        match self.experiment.networks {
            1 => self.watch.bar(&phase.name, total),
            _ => self.watch.bar(&format!("{network}/{}", phase.name), total),
        }
    }
}
