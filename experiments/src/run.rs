//! Runs an experiment: simulates its networks one after the other, and writes its folder.

mod clock;
mod routing;
mod simulation;
pub(crate) mod workload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use arrow::array::StringArray;
use serde_json::{Map, Value};

pub use crate::output::FolderError;

use self::clock::Clock;
use self::simulation::Simulation;
use crate::estimate::{self, estimate, human};
use crate::file::{Expect, Experiment, Setting};
use crate::inputs::Inputs;
use crate::output::{CELL, Folder, METRICS, Names, RESOLVED, Writers};
use crate::summary::WARNINGS;
use crate::threads;
use crate::warnings::{Warning, warnings};
use crate::watch::{Stopped, Watch};

/// How to run, beside the experiment itself.
pub struct Options<'a> {
    /// Folder for the run's folder, instead of the experiment's own.
    pub out: Option<PathBuf>,
    /// Threads to use; all cores if not given.
    pub threads: Option<usize>,
    /// Whether a finished run may be replaced.
    pub force: bool,
    /// Shows progress and carries the request to stop.
    pub watch: Watch<'a>,
    /// Start of the reported wall time. The caller sets it before it reads the inputs.
    pub begun: Instant,
    /// Whether other runs share the process. CPU time and memory of the process are then left out of `timings`.
    pub shares_process: bool,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run cannot begin.
    #[error("{0}")]
    Folder(#[from] FolderError),
    /// The experiment is too large for this machine.
    #[error(
        "the experiment needs about {need} of memory, this machine has {has}; see `kadsim check` for the parts"
    )]
    Memory {
        /// Estimated peak memory, as text.
        need: String,
        /// Memory of the machine, as text.
        has: String,
    },
    /// The user has stopped the run.
    #[error("interrupted; what was written is in {0}")]
    Interrupted(PathBuf),
    /// The simulation failed, or a file could not be written.
    #[error("{}; what was written is in {partial}", said_once(error))]
    Failed {
        /// The cause.
        error: anyhow::Error,
        /// Folder of the unfinished run.
        partial: PathBuf,
    },
}

/// Joins the messages of an error and its causes. Leaves out a cause that an earlier message contains already.
fn said_once(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        // Parquet puts this prefix before every error of the file system.
        let cause = cause.to_string().replace("External: ", "");
        if !said.contains(&cause) {
            let colon = if said.is_empty() { "" } else { ": " };
            said = said + colon + &cause;
        }
    }
    said
}

/// Result of an `[[expect]]` for a finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Key of `summary.json`.
    pub metric: String,
    /// Smallest and largest value that hold.
    pub within: [f64; 2],
    /// Value in the summary, if there is one.
    pub value: Option<f64>,
    /// Where the bounds come from.
    pub source: Option<String>,
    /// In a sweep, the `where` of the expectation: the settings of the cells that it is for.
    pub place: Vec<(String, Setting)>,
}

impl Verdict {
    /// Returns whether the expectation holds. Without a value it does not.
    pub fn holds(&self) -> bool {
        self.value
            .is_some_and(|value| (self.within[0]..=self.within[1]).contains(&value))
    }
}

/// A phase that was cut off by its `max_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// Name of the phase.
    pub phase: String,
    /// Networks in which it was cut off, in ascending order.
    pub networks: Vec<u32>,
}

/// Results of a finished run, as the program prints them.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run's folder.
    pub path: PathBuf,
    /// `summary.json`.
    pub summary: Map<String, Value>,
    /// Result of each `[[expect]]`, in the order of the file.
    pub verdicts: Vec<Verdict>,
    /// Phases that were cut off by their `max_ms`, in order.
    pub cut_off: Vec<CutOff>,
    /// Name and number of rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// Wall time, s.
    pub seconds: f64,
}

/// Runs the experiment with its node list and traces.
///
/// # Errors
///
/// See [`RunError`]. A folder with the run's name holds a finished run even after an error.
pub fn run(
    experiment: &Experiment,
    inputs: &Inputs,
    options: &Options,
) -> Result<Report, RunError> {
    let need = estimate(experiment, inputs).total();
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
    let names = Names::new(&dir, &experiment.name);
    run_in(names, None, experiment, inputs, options)
}

/// Runs the experiment in a folder of these names, without a check of the memory that it needs. For a cell of a study,
/// `cell` is the text of its `cell.json`.
pub(crate) fn run_in(
    names: Names,
    cell: Option<&str>,
    experiment: &Experiment,
    inputs: &Inputs,
    options: &Options,
) -> Result<Report, RunError> {
    let mut folder = Folder::create(names, options.force)?;
    let partial = folder.partial().to_path_buf();
    let failed = |error: anyhow::Error| match error.downcast_ref::<Stopped>() {
        Some(Stopped) => RunError::Interrupted(partial.clone()),
        None => RunError::Failed {
            error,
            partial: partial.clone(),
        },
    };
    let pool = threads::pool(options.threads).map_err(|error| failed(error.into()))?;
    let recorded = pool.install(|| record(cell, experiment, inputs, options, &mut folder));
    recorded.map_err(|error| {
        folder.revoke_tables();
        failed(error)
    })
}

/// Simulates all networks, writes every file of the run, and renames its folder.
fn record(
    cell: Option<&str>,
    experiment: &Experiment,
    inputs: &Inputs,
    options: &Options,
    folder: &mut Folder,
) -> anyhow::Result<Report> {
    folder.write(RESOLVED, &experiment.to_toml())?;
    if let Some(cell) = cell {
        folder.write(CELL, cell)?;
    }
    let world = inputs.link.world.as_ref();
    let regions = world.map(|world| Arc::new(StringArray::from(world.names.clone())));
    let writers = Writers::create(folder, experiment, inputs.labels.clone(), regions)?;
    let texts = [RESOLVED].into_iter().chain(cell.map(|_| CELL));
    let noted = folder.take_note(texts.map(str::to_owned).chain(writers.files()));
    if let Err(error) = noted {
        // The tables are closed so that they can be read. The first error is the one reported.
        let _ = writers.finish(false);
        return Err(error);
    }
    let clock = Clock::new(options.shares_process);
    let mut simulation = Simulation::new(experiment, inputs, options.watch, writers, clock);
    let simulated = simulation.networks();
    let (writers, summary, cut_networks) = simulation.into_parts();
    let mut summary = summary.to_json();
    let warnings = warnings(experiment, inputs);
    let warnings: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    summary.insert(WARNINGS.to_owned(), warnings.into());
    let written = simulated.and_then(|()| {
        let text = serde_json::to_string_pretty(&summary).context("summary.json")? + "\n";
        folder.write(METRICS, &text)
    });
    // Tables are closed after an error too, so that they can be read.
    let closed = writers.finish(written.is_ok());
    written?;
    let rows = closed?;
    let verdicts = verdicts(experiment, &summary);
    let phases = experiment.phases.iter().zip(cut_networks);
    let cut_off = phases
        .filter(|(_, networks)| !networks.is_empty())
        .map(|(phase, networks)| CutOff {
            phase: phase.name.clone(),
            networks,
        })
        .collect();
    let path = folder.finish()?;
    Ok(Report {
        path,
        summary,
        verdicts,
        cut_off,
        rows,
        seconds: options.begun.elapsed().as_secs_f64(),
    })
}

/// Compares each `[[expect]]` with the summary.
pub(crate) fn verdicts(experiment: &Experiment, summary: &Map<String, Value>) -> Vec<Verdict> {
    let verdict = |expect: &Expect| Verdict {
        metric: expect.metric.clone(),
        within: [expect.low, expect.high],
        value: summary.get(&expect.metric).and_then(Value::as_f64),
        source: expect.source.clone(),
        place: Vec::new(),
    };
    experiment.expects.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::{file, inputs, inspect};

    const LOOKING: &str = "schema = 1\nname = \"small\"\nseed = 7\nnetwork.nodes = 300\n\
                           [[phase]]\nname = \"looking\"\nkind = \"lookup\"\ncount = 10\n";

    /// Asked to stop before it begins, a run does not first fill a million tables.
    #[test]
    fn a_run_stops_before_its_bootstrap() {
        let loaded = file::parse("small.toml", LOOKING, &[]).unwrap();
        let inputs = inputs::read(&loaded, Watch::SILENT).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            out: Some(folder.path().to_owned()),
            threads: Some(1),
            force: false,
            watch: Watch {
                interrupted: &AtomicBool::new(true),
                ..Watch::SILENT
            },
            begun: Instant::now(),
            shares_process: false,
        };
        let stopped = run(&loaded.experiment, &inputs, &options);
        let Err(RunError::Interrupted(partial)) = stopped else {
            panic!("{stopped:?}")
        };
        let timings = inspect::summarise(&partial.join("timings.parquet")).unwrap();
        // The nodes were made, the tables closed, and that was all.
        assert_eq!(timings.rows, 2);
        assert_eq!(timings.metadata[3].as_deref(), Some("false"));
    }

    #[test]
    fn an_error_that_says_its_cause_is_not_followed_by_it() {
        let disk = || std::io::Error::other("the disk is full");
        let error = anyhow::Error::new(disk()).context("a.parquet: External: the disk is full");
        assert_eq!(said_once(&error), "a.parquet: the disk is full");
        let error = anyhow::Error::new(disk()).context("cannot write a.json");
        assert_eq!(said_once(&error), "cannot write a.json: the disk is full");
    }
}
