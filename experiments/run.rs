//! Runs an experiment: its networks one after the other, the phases of each, and what is left behind.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::random::network_seed;
use kadsim_engine::record::{Kind, NodeRow, RoutingRow, TimingRow};
use kadsim_systems::Network;
use kadsim_systems::network::Progress;
use kadsim_systems::step::Timings;
use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::estimate::{self, estimate, human};
use crate::file::{self, Experiment, Invalid, Loaded, Origin, Phase, Work};
use crate::import::TraceRow;
use crate::inputs::{self, Inputs};
use crate::output::{Folder, FolderError, Writers};
use crate::summary::Summary;
use crate::workload::{Drawn, Listed, Origins, Plan, SegmentKeys, Targets};

/// How to run, beside the experiment itself.
pub struct Options<'a> {
    /// Folder for the run's folder, instead of the experiment's own.
    pub out: Option<PathBuf>,
    /// Threads to use; all cores if not given.
    pub threads: Option<usize>,
    /// Whether a finished run may be replaced.
    pub force: bool,
    /// Whether a progress bar is shown on stderr.
    pub progress: bool,
    /// Set from outside to stop the run.
    pub interrupted: &'a AtomicBool,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The experiment is invalid.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The run cannot begin.
    #[error("{0}")]
    Folder(#[from] FolderError),
    /// The experiment is too large for this machine.
    #[error(
        "the experiment needs about {need} of memory, this machine has {has}; see `kadsim check` for the parts"
    )]
    Memory {
        /// Estimate.
        need: String,
        /// What there is.
        has: String,
    },
    /// Stopped from outside.
    #[error("interrupted; what was written is in {0}")]
    Interrupted(PathBuf),
    /// Something went wrong on the way.
    #[error("{error:#}; what was written is in {partial}")]
    Failed {
        /// What.
        error: anyhow::Error,
        /// Where the unfinished run is.
        partial: PathBuf,
    },
}

/// What an `[[expect]]` says of a finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Key of `summary.json`.
    pub metric: String,
    /// What it must be within, ends included.
    pub within: [f64; 2],
    /// What it is, if it has a value.
    pub value: Option<f64>,
    /// Where the expectation comes from.
    pub source: Option<String>,
}

impl Verdict {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.value
            .is_some_and(|value| (self.within[0]..=self.within[1]).contains(&value))
    }
}

/// What a finished run tells.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run's folder.
    pub path: PathBuf,
    /// `summary.json`.
    pub summary: Map<String, Value>,
    /// What became of each `[[expect]]`.
    pub verdicts: Vec<Verdict>,
    /// Phases that were cut off by their `max_ms`.
    pub cut_off: Vec<String>,
    /// Rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// Wall time, s.
    pub seconds: f64,
}

/// Runs the experiment.
///
/// # Errors
///
/// See [`RunError`]. Whatever happens, a folder that has the run's name holds a finished run.
pub fn run(loaded: &Loaded, options: &Options) -> Result<Report, RunError> {
    let begun = Instant::now();
    let experiment = &loaded.experiment;
    let inputs = inputs::read(loaded)?;
    let need = estimate(experiment, &inputs).total();
    let has = estimate::machine_memory();
    if need > has {
        return Err(RunError::Memory {
            need: human(need),
            has: human(has),
        });
    }
    let dir = options
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(&experiment.output.dir));
    let folder = Folder::create(&dir, &experiment.name, options.force)?;
    let partial = folder.partial().to_path_buf();
    let failed = |error: anyhow::Error| match error.downcast_ref::<Stopped>() {
        Some(Stopped) => RunError::Interrupted(partial.clone()),
        None => RunError::Failed {
            error,
            partial: partial.clone(),
        },
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads.unwrap_or(0))
        .build()
        .map_err(|error| failed(error.into()))?;
    pool.install(|| record(experiment, &inputs, options, folder, begun))
        .map_err(failed)
}

/// Says that a run was stopped from outside.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Stopped;

/// Simulates and writes everything, and gives the run its name.
fn record(
    experiment: &Experiment,
    inputs: &Inputs,
    options: &Options,
    folder: Folder,
    begun: Instant,
) -> anyhow::Result<Report> {
    folder.write("resolved.toml", &experiment.to_toml())?;
    let perfect = experiment.lookup.beta.min(inputs.nodes);
    let mut run = Run {
        experiment,
        inputs,
        options,
        writers: Writers::create(&folder, experiment)?,
        summary: Summary::new(&experiment.phases, perfect),
        cut_off: Vec::new(),
        clock: Clock::default(),
        sizes: Vec::new(),
    };
    let simulated = run.networks();
    let Run {
        writers,
        summary,
        cut_off,
        ..
    } = run;
    // Whatever happened, what is written shall be readable.
    let closed = writers.finish(simulated.is_ok());
    simulated?;
    let rows = closed?;
    let summary = summary.to_json();
    let text = serde_json::to_string_pretty(&summary).context("summary.json")? + "\n";
    folder.write("summary.json", &text)?;
    let verdicts = experiment.expects.iter().map(|expect| Verdict {
        metric: expect.metric.clone(),
        within: [expect.low, expect.high],
        value: summary.get(&expect.metric).and_then(Value::as_f64),
        source: expect.source.clone(),
    });
    let verdicts = verdicts.collect();
    let path = folder.finish()?;
    Ok(Report {
        path,
        summary,
        verdicts,
        cut_off,
        rows,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// A run on its way.
struct Run<'a> {
    experiment: &'a Experiment,
    inputs: &'a Inputs,
    options: &'a Options<'a>,
    writers: Writers,
    summary: Summary,
    cut_off: Vec<String>,
    clock: Clock,
    /// Entries and non-empty buckets of each node's table, which does not change during a run.
    sizes: Vec<(u32, u8)>,
}

impl Run<'_> {
    fn networks(&mut self) -> anyhow::Result<()> {
        (0..self.experiment.networks).try_for_each(|network| self.network(network))
    }

    /// One network with all its phases.
    fn network(&mut self, number: u32) -> anyhow::Result<()> {
        let experiment = self.experiment;
        self.clock.start();
        let seed = network_seed(experiment.seed, number);
        let mut network = Network::new(inputs::spec(experiment, self.inputs, seed))?;
        network.recorded().network = number;
        network.recorded().results = experiment.output.results;
        network.activity().connections = experiment.output.tables.connections;
        self.timing(number, "bootstrap", "spawn", 1)?;
        network.bootstrap();
        self.timing(number, "bootstrap", "tables", 1)?;
        self.sizes = network.view_tables(|population, columns, _, tables| {
            let size = |(row, &table)| tables.size(&population, Row(row as u32), table);
            columns.tables.par_iter().enumerate().map(size).collect()
        });
        self.timing(number, "bootstrap", "sizes", 1)?;
        if self.writers.wants_routing() {
            self.routing(number, &mut network)?;
        }
        let mut provided: Vec<Option<SegmentKeys>> = Vec::new();
        for place in 0..experiment.phases.len() {
            let keys = self.phase(number, place, &mut network, &provided)?;
            provided.push(keys);
        }
        Ok(())
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
        let (source, total, keys) = self.workload(place, network, provided);
        let bar = self.bar(number, phase, total);
        network.begin_phase(place as u32, kind, source, phase.parallel, phase.max_us);
        self.clock.start();
        let mut is_going = true;
        while is_going {
            if self.options.interrupted.load(Ordering::Relaxed) {
                return Err(Stopped.into());
            }
            is_going = network.step() == Progress::Going;
            self.take(network, &bar)?;
        }
        let cut = network.end_phase(total);
        self.take(network, &bar)?;
        self.timings(number, phase, &network.take_timings())?;
        self.nodes(number, place as u32, network)?;
        self.timing(number, &phase.name, "nodes", 1)?;
        self.summary.end_phase(place, total);
        if cut.is_cut {
            self.cut_off.push(phase.name.clone());
        }
        bar.finish_and_clear();
        Ok(if kind == Kind::Provide {
            Some(keys)
        } else {
            None
        })
    }

    /// Hands what was recorded to the tables and the summary.
    fn take(&mut self, network: &mut Network, bar: &ProgressBar) -> anyhow::Result<()> {
        let recorded = network.recorded();
        self.writers.step(recorded)?;
        recorded
            .operations
            .iter()
            .for_each(|row| self.summary.operation(row));
        bar.inc(recorded.operations.len() as u64);
        recorded.clear();
        Ok(())
    }

    /// Where the operations of a phase come from, how many they are, and the keys they ask for if they
    /// provide them.
    fn workload(
        &self,
        place: usize,
        network: &mut Network,
        provided: &[Option<SegmentKeys>],
    ) -> (Box<dyn Source>, u64, SegmentKeys) {
        let phase = &self.experiment.phases[place];
        let (first, start_us, network_seed) =
            (network.next_operation(), network.now_us(), network.seed());
        match (&phase.work, &self.inputs.traces[place]) {
            (
                Work::Drawn {
                    origin,
                    count,
                    keys,
                    spread_us,
                    segments,
                    draw,
                },
                _,
            ) => {
                let nodes = self.inputs.nodes;
                let segments =
                    segments.and_then(|provide| provided.get(provide).cloned().flatten());
                let targets = match (segments, keys) {
                    (Some(segments), _) => Targets::Segments(segments, *draw),
                    (None, file::Keys::Random) => Targets::Random,
                    (None, file::Keys::Nodes) => {
                        network.view(|population, _, ids| match ids.key_seed() {
                            Some(key_seed) => Targets::GeneratedNodes(key_seed),
                            None => Targets::ListedNodes(population.keys().into()),
                        })
                    }
                };
                let origins = match origin {
                    Origin::Random => Origins::Random,
                    Origin::Each => Origins::Each,
                    Origin::One => Origins::one(network_seed, nodes),
                    Origin::Sample(size) => Origins::sample(network_seed, *size, nodes),
                    Origin::Node(id) => Origins::Listed(network.row(*id).into_iter().collect()),
                };
                let plan = Plan {
                    network_seed,
                    phase: place as u32,
                    first,
                    nodes,
                    origins,
                    count: *count,
                    targets,
                    start_us,
                    spread_us: *spread_us,
                };
                let total = plan.total();
                (
                    Box::new(Drawn::new(plan)),
                    total,
                    SegmentKeys::Drawn {
                        network_seed,
                        first,
                        count: total,
                    },
                )
            }
            (Work::Trace { .. }, trace) => {
                let rows: &[TraceRow] = trace.as_deref().unwrap_or_default();
                let planned: Vec<Planned> = rows
                    .iter()
                    .enumerate()
                    .map(|(i, row)| Planned {
                        number: first + i as u64,
                        origin: network.row(row.origin).unwrap_or(Row(0)),
                        key: Key(row.key),
                        due_us: start_us.saturating_add(row.start_us),
                    })
                    .collect();
                let keys: Arc<[Key]> = planned.iter().map(|operation| operation.key).collect();
                (
                    Box::new(Listed::new(planned)),
                    rows.len() as u64,
                    SegmentKeys::Listed(keys),
                )
            }
        }
    }

    /// Writes the routing tables.
    fn routing(&mut self, number: u32, network: &mut Network) -> anyhow::Result<()> {
        let writers = &mut self.writers;
        network.view_tables(|population, columns, ids, tables| {
            let mut rows = Vec::new();
            let mut written = Ok(());
            for owner in (0..columns.keys.len() as u32).map(Row) {
                let node = ids.id(owner, columns.keys);
                tables.for_each_bucket(
                    &population,
                    owner,
                    columns.tables[owner.index()],
                    &mut rows,
                    |bucket, peers| {
                        for (position, &peer) in peers.iter().enumerate() {
                            let row = RoutingRow {
                                network: number,
                                node,
                                bucket: bucket as u8,
                                position: position as u8,
                                peer: ids.id(peer, columns.keys),
                            };
                            if written.is_ok() {
                                written = writers.routing(&row);
                            }
                        }
                    },
                );
                if written.is_err() {
                    break;
                }
            }
            written
        })?;
        Ok(())
    }

    /// Writes and counts the nodes at the end of a phase.
    fn nodes(&mut self, number: u32, phase: u32, network: &mut Network) -> anyhow::Result<()> {
        const CHUNK: usize = 1 << 16;
        let overhead_us = network.overhead_us();
        let (writers, summary, sizes) = (&mut self.writers, &mut self.summary, &self.sizes);
        network.view(|_, columns, ids| {
            let row = |place: usize| {
                let owner = Row(place as u32);
                let activity = &columns.activity[place];
                let (table_entries, buckets) = sizes[place];
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
                (start..nodes.min(start + CHUNK))
                    .into_par_iter()
                    .map(row)
                    .collect_into_vec(&mut rows);
                summary.nodes(phase as usize, &rows);
                rows.iter().try_for_each(|row| writers.node(row))?;
            }
            Ok(())
        })
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
        let (wall_us, cpu_us, resident_bytes) = self.clock.lap();
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
        if !self.options.progress {
            return ProgressBar::hidden();
        }
        let style =
            "{prefix:>16} {bar:32} {human_pos:>12} of {human_len} {msg} {per_sec}, {eta} left";
        let bar = ProgressBar::new(total).with_style(
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_prefix(match self.experiment.networks {
            1 => phase.name.clone(),
            _ => format!("{network}/{}", phase.name),
        });
        bar.set_message(match phase.kind {
            file::Kind::Provide => "provides",
            file::Kind::Lookup => "lookups",
            file::Kind::Retrieve => "retrieves",
        });
        bar
    }
}

fn kind(kind: file::Kind) -> Kind {
    match kind {
        file::Kind::Provide => Kind::Provide,
        file::Kind::Lookup => Kind::Lookup,
        file::Kind::Retrieve => Kind::Retrieve,
    }
}

/// Wall and CPU time between two moments, and memory at the second.
#[derive(Default)]
struct Clock {
    begun: Option<(Instant, u64)>,
}

impl Clock {
    fn start(&mut self) {
        let (cpu_ms, _) = process();
        self.begun = Some((Instant::now(), cpu_ms));
    }

    /// Wall time and CPU time, µs, and resident memory, bytes.
    fn lap(&mut self) -> (u64, Option<u64>, Option<u64>) {
        let (cpu_ms, resident) = process();
        let now = Instant::now();
        let (begun, cpu_begun_ms) = self.begun.replace((now, cpu_ms)).unwrap_or((now, cpu_ms));
        (
            (now - begun).as_micros() as u64,
            Some((cpu_ms - cpu_begun_ms) * 1000),
            Some(resident),
        )
    }
}

/// CPU time of this process so far, ms, and its resident memory, bytes.
fn process() -> (u64, u64) {
    let (Ok(mut system), Ok(pid)) = (sysinfo::System::new(), sysinfo::get_current_pid()) else {
        return (0, 0);
    };
    let what = sysinfo::ProcessRefreshKind::nothing()
        .with_memory()
        .with_cpu()
        .without_tasks();
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::Some(&[pid]), false, what);
    system.process(pid).map_or((0, 0), |process| {
        (process.accumulated_cpu_time(), process.memory())
    })
}
