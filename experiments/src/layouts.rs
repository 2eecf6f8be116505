//! Compares the bucket layouts: runs one experiment under each of them.
//!
//! 1. The first network of the experiment is made under every layout. Its routing tables are filled [`BOOTSTRAPS`]
//!    times, and all its phases run, because provides and retrieves are lookups too. No file is written.
//! 2. The network then runs the first operations of every phase again, one after the other, and counts the cache lines
//!    that answers read. The segments are stored already, so a retrieve finds the same segment again.
//! 3. A digest covers every operation of both, those of the second with their results. Layouts of the same routing
//!    tables have the same digest.

mod digest;
mod misses;

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar};
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::random::network_seed;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::Network;
use kadsim_systems::halt::Halt;
use kadsim_systems::network::read::NodesView;
use kadsim_systems::network::run_loop::Observer;
use kadsim_systems::network::{BytesUsed, NetworkError};
use kadsim_systems::outbox::Reads;
use rayon::prelude::*;

use self::digest::Digest;
use self::misses::Misses;
use crate::estimate::{self, estimate, human};
use crate::file::Experiment;
use crate::inputs::{self, Inputs};
use crate::run::workload::{Pool, Workload};
use crate::watch::{Stopped, Watch};
use crate::workload::SegmentKeys;

/// Number of times that the routing tables are filled under each layout. The reported time is the median.
pub const BOOTSTRAPS: usize = 3;

/// Most operations of the instrumented run, over all phases in proportion to their operations. Counting is slow, and a
/// few hundred thousand answers give a mean to within a percent.
pub const INSTRUMENTED_OPERATIONS_MAX: u64 = 20_000;

/// Reason that layouts cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum LayoutsError {
    /// The user has stopped the program.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// No layout fits into memory.
    #[error(
        "under every layout the experiment needs more memory than this machine has: about {need} of {has} \
         under \"{layout}\""
    )]
    Memory {
        /// The layout that needs the least.
        layout: LayoutKind,
        /// Estimated peak memory, as text.
        need: String,
        /// Memory of the machine, as text.
        has: String,
    },
    /// The routing tables are those of joins, not of a layout.
    #[error(
        "`network.bootstrap` of \"joined\" has no layout to compare: allowed are closest and random, by which full knowledge \
         fills the routing tables"
    )]
    Joined,
    /// The nodes are impossible, or come and go more often than can be kept.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A network cannot go on.
    #[error(transparent)]
    Halted(#[from] Halt),
    /// The system starts no threads.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Costs of the layouts.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Layouts that were run, in the order of [`LayoutKind::ALL`].
    pub measured: Vec<Measured>,
    /// Layouts that do not fit into memory.
    pub skipped: Vec<Skipped>,
    /// Number of nodes.
    pub nodes: u32,
    /// Operations of all phases.
    pub operations: u64,
    /// Operations of the instrumented run.
    pub instrumented_operations: u64,
    /// Number of threads used.
    pub threads: usize,
    /// Reason that cache misses are unknown, if they are.
    pub misses_unknown: Option<String>,
}

impl Comparison {
    /// Groups the layouts by digest, in the order of the first layout of each group.
    pub fn agreeing(&self) -> Vec<(&str, Vec<LayoutKind>)> {
        let mut groups: Vec<(&str, Vec<LayoutKind>)> = Vec::new();
        for measured in &self.measured {
            match groups
                .iter_mut()
                .find(|(digest, _)| *digest == measured.digest)
            {
                Some((_, layouts)) => layouts.push(measured.layout),
                None => groups.push((&measured.digest, vec![measured.layout])),
            }
        }
        groups
    }
}

/// Costs of a layout.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Which.
    pub layout: LayoutKind,
    /// Time to fill all routing tables, the median.
    pub bootstrap: Duration,
    /// Time of all phases.
    pub lookups: Duration,
    /// Contacts sent in all phases, stores not counted.
    pub contacts: u64,
    /// Bytes of all nodes before the first phase.
    pub bytes: BytesUsed,
    /// Entries of all routing tables.
    pub entries: u64,
    /// Cache lines that answers of the instrumented run have read.
    pub reads: Reads,
    /// Last-level cache misses during the phases, where the machine counts them.
    pub misses: Option<u64>,
    /// SHA-256 of all operations.
    pub digest: String,
}

/// A layout that does not fit into memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which.
    pub layout: LayoutKind,
    /// Estimated peak memory, bytes.
    pub need: u64,
    /// Memory of the machine, bytes.
    pub has: u64,
}

/// Runs the first network of the experiment under every layout that fits, on `threads` threads or else on all cores.
///
/// # Errors
///
/// See [`LayoutsError`]. Different digests are no error: see [`Comparison::agreeing`].
pub fn compare(
    experiment: &Experiment,
    inputs: &Inputs,
    threads: Option<usize>,
    watch: Watch,
) -> Result<Comparison, LayoutsError> {
    if experiment.network.doubling_us.is_some() {
        return Err(LayoutsError::Joined);
    }
    let (fitting, skipped) = fitting(experiment, inputs, estimate::machine_memory());
    if let Some(least) = skipped.iter().min_by_key(|skipped| skipped.need)
        && fitting.is_empty()
    {
        return Err(LayoutsError::Memory {
            layout: least.layout,
            need: human(least.need),
            has: human(least.has),
        });
    }
    // Opened before the threads start, because the counter includes only threads that start later.
    let mut misses = Misses::open();
    let pool = crate::threads::pool(threads)?;
    let operations = inputs.operations.iter().sum();
    let trials = fitting.iter().map(|experiment| Trial {
        experiment,
        inputs,
        watch,
        operations,
    });
    let measured = trials
        .map(|trial| pool.install(|| trial.run(&mut misses)))
        .collect::<Result<_, _>>()?;
    Ok(Comparison {
        measured,
        skipped,
        nodes: inputs.nodes,
        operations,
        instrumented_operations: (0..inputs.operations.len())
            .map(|place| share(&inputs.operations, place))
            .sum(),
        threads: pool.current_num_threads(),
        misses_unknown: misses.unknown().map(str::to_owned),
    })
}

/// Returns the experiment under each layout that fits into `has` bytes, and the layouts that do not.
fn fitting(experiment: &Experiment, inputs: &Inputs, has: u64) -> (Vec<Experiment>, Vec<Skipped>) {
    let (mut fitting, mut skipped) = (Vec::new(), Vec::new());
    for layout in LayoutKind::ALL {
        let mut experiment = experiment.clone();
        experiment.layout = layout;
        let need = estimate(&experiment, inputs).total();
        if need <= has {
            fitting.push(experiment);
        } else {
            skipped.push(Skipped { layout, need, has });
        }
    }
    (fitting, skipped)
}

/// Returns the number of operations that run instrumented in the phase of index `place`. `operations` is the number of
/// each phase.
fn share(operations: &[u64], place: usize) -> u64 {
    let total: u64 = operations.iter().sum();
    if total <= INSTRUMENTED_OPERATIONS_MAX {
        return operations[place];
    }
    let part = u128::from(operations[place]) * u128::from(INSTRUMENTED_OPERATIONS_MAX);
    (part / u128::from(total)) as u64
}

/// A run of the experiment under one layout.
struct Trial<'a> {
    experiment: &'a Experiment,
    inputs: &'a Inputs,
    watch: Watch<'a>,
    /// Operations of all phases.
    operations: u64,
}

/// Counts over all phases.
#[derive(Default)]
struct Count {
    spent: Duration,
    contacts: u64,
    digest: Digest,
}

impl Trial<'_> {
    fn run(&self, misses: &mut Misses) -> Result<Measured, LayoutsError> {
        let layout = self.experiment.layout;
        let nodes = HumanCount(u64::from(self.inputs.nodes));
        let line = self.watch.busy(format!("{layout}: making {nodes} nodes"));
        self.watch.go_on()?;
        let seed = network_seed(self.experiment.seed, 0);
        let mut network = Network::new(inputs::spec(self.experiment, self.inputs, seed))?;
        network.recording().recall = false;
        line.set_message(format!("{layout}: filling {nodes} tables"));
        let bootstrap = self.bootstrap(&mut network)?;
        let bytes = network.bytes_used();
        let entries = entries(&mut network);
        drop(line);

        let mut count = Count::default();
        let bar = self.watch.bar(layout.as_str(), self.operations);
        let before = misses.read();
        let pool = self.phases(&mut network, &mut count, &bar)?;
        let misses = misses.since(before);
        drop(bar);
        let (lookups, contacts) = (count.spent, count.contacts);

        let _line = self.watch.busy(format!("{layout}: counting cache lines"));
        let reads = self.instrumented(&mut network, &mut count, &pool)?;
        Ok(Measured {
            layout,
            bootstrap,
            lookups,
            contacts,
            bytes,
            entries,
            reads,
            misses,
            digest: count.digest.finish(),
        })
    }

    /// Fills the routing tables [`BOOTSTRAPS`] times, each time in fresh memory. Returns the median time.
    fn bootstrap(&self, network: &mut Network) -> Result<Duration, Stopped> {
        let mut times = [Duration::ZERO; BOOTSTRAPS];
        for time in &mut times {
            self.watch.go_on()?;
            network.forget_tables();
            let begun = Instant::now();
            network.bootstrap();
            *time = begun.elapsed();
        }
        times.sort_unstable();
        Ok(times[BOOTSTRAPS / 2])
    }

    /// Runs all phases. Returns the pool that they were drawn from, with the segments of each.
    fn phases(
        &self,
        network: &mut Network,
        count: &mut Count,
        bar: &ProgressBar,
    ) -> Result<Pool, LayoutsError> {
        let mut pool = Pool::new(network);
        for places in self.experiment.overlapping() {
            for place in places {
                let keys = self.begin(network, place, &pool, u64::MAX)?;
                pool.add(keys);
            }
            self.advance(network, count, bar)?;
        }
        Ok(pool)
    }

    /// Runs the first operations of every phase again, instrumented, in a network that holds all segments.
    fn instrumented(
        &self,
        network: &mut Network,
        count: &mut Count,
        pool: &Pool,
    ) -> Result<Reads, LayoutsError> {
        network.recording().instrumented = true;
        network.recording().results = true;
        network.recorded().reads = Reads::default();
        let silent = ProgressBar::hidden();
        for place in 0..self.experiment.phases.len() {
            let most = share(&self.inputs.operations, place);
            self.begin(network, place, pool, most)?;
            self.advance(network, count, &silent)?;
        }
        Ok(network.recorded().reads)
    }

    /// Begins a phase with at most `most` of its operations. Returns the segments of the whole phase.
    fn begin(
        &self,
        network: &mut Network,
        place: usize,
        pool: &Pool,
        most: u64,
    ) -> Result<Option<SegmentKeys>, LayoutsError> {
        let phase = &self.experiment.phases[place];
        if phase.reset_overhead {
            network.reset_overhead();
        }
        let workload = Workload::new(self.experiment, self.inputs, place, network, pool)?;
        let workload = Workload {
            source: Box::new(AtMost {
                source: workload.source,
                left: most,
            }),
            ..workload
        };
        Ok(workload.begin(place, phase, None, network))
    }

    /// Runs the network until no operation is in flight.
    fn advance(
        &self,
        network: &mut Network,
        count: &mut Count,
        bar: &ProgressBar,
    ) -> Result<(), LayoutsError> {
        network.run(&mut Counter {
            watch: self.watch,
            count,
            bar,
            begun: Instant::now(),
        })
    }
}

/// Observer that counts operations and the time of steps.
struct Counter<'a> {
    watch: Watch<'a>,
    count: &'a mut Count,
    bar: &'a ProgressBar,
    /// Start of the step.
    begun: Instant,
}

impl Observer for Counter<'_> {
    type Error = LayoutsError;

    fn go_on(&mut self) -> Result<(), LayoutsError> {
        self.watch.go_on()?;
        self.begun = Instant::now();
        Ok(())
    }

    fn recorded(&mut self, network: &mut Network) -> Result<(), LayoutsError> {
        self.count.spent += self.begun.elapsed();
        self.count.take(network, self.bar);
        self.begun = Instant::now();
        Ok(())
    }
}

impl Count {
    /// Counts the recorded operations, and clears them.
    fn take(&mut self, network: &mut Network, bar: &ProgressBar) {
        let recorded = network.recorded();
        let mut results = recorded.result_ids.iter();
        for row in &recorded.operations {
            self.contacts += u64::from(row.attempts);
            self.digest
                .add(row, results.next().and_then(Option::as_deref));
        }
        bar.inc(recorded.operations.len() as u64);
        recorded.clear();
    }
}

/// Returns the number of entries of all routing tables.
fn entries(network: &mut Network) -> u64 {
    network.read(
        |NodesView {
             population,
             columns,
             tables,
             ..
         }| {
            let nodes = columns.tables.par_iter().enumerate();
            let size = |(row, &table)| tables.size(&population, Row(row as u32), table).entries;
            nodes.map(|node| u64::from(size(node))).sum()
        },
    )
}

/// The first operations of a source.
struct AtMost {
    source: Box<dyn Source>,
    left: u64,
}

impl Source for AtMost {
    fn peek(&self) -> Option<Planned> {
        self.source.peek().filter(|_| self.left > 0)
    }

    fn advance(&mut self) {
        self.source.advance();
        self.left -= 1;
    }
}

#[cfg(test)]
mod tests;
