//! Runs an experiment: its networks one after the other, the phases of each, and what is left behind.

mod clock;
mod simulation;
pub(crate) mod workload;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
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
    /// Who watches.
    pub watch: Watch<'a>,
    /// Since when the run takes its time: its inputs are read before.
    pub begun: Instant,
    /// Whether other runs share the process, whose CPU time and memory then say nothing about this one.
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
        /// Estimate.
        need: String,
        /// What there is.
        has: String,
    },
    /// Stopped from outside.
    #[error("interrupted; what was written is in {0}")]
    Interrupted(PathBuf),
    /// Something went wrong on the way.
    #[error("{}; what was written is in {partial}", said_once(error))]
    Failed {
        /// What.
        error: anyhow::Error,
        /// Where the unfinished run is.
        partial: PathBuf,
    },
}

/// An error and its causes, each said once: some errors say their cause themselves.
fn said_once(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        // What Parquet puts before every error of the file below it.
        let cause = cause.to_string().replace("External: ", "");
        if !said.contains(&cause) {
            let colon = if said.is_empty() { "" } else { ": " };
            said = said + colon + &cause;
        }
    }
    said
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
    /// In a sweep, the settings of the cells that it is for: its `where`.
    pub place: Vec<(String, Setting)>,
}

impl Verdict {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.value
            .is_some_and(|value| (self.within[0]..=self.within[1]).contains(&value))
    }
}

/// A phase that was cut off by its `max_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// Its name.
    pub phase: String,
    /// The networks in which it was, in order.
    pub networks: Vec<u32>,
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
    /// Phases that were cut off by their `max_ms`, in order.
    pub cut_off: Vec<CutOff>,
    /// Rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// Wall time, s.
    pub seconds: f64,
}

/// Runs the experiment with what it reads beside its file.
///
/// # Errors
///
/// See [`RunError`]. Whatever happens, a folder that has the run's name holds a finished run.
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

/// Runs the experiment in a folder of these names, whatever memory it needs. Of a cell of a study, `cell` is what its
/// results depend on.
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

/// Simulates and writes everything, and gives the run its name.
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
    let writers = Writers::create(folder, experiment, inputs.labels.clone())?;
    let texts = [RESOLVED].into_iter().chain(cell.map(|_| CELL));
    let noted = folder.take_note(texts.map(str::to_owned).chain(writers.files()));
    if let Err(error) = noted {
        // What is written shall be readable; why it is not whole is the first error.
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
    // Whatever happened, what is written shall be readable.
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

/// What each `[[expect]]` says of the summary.
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
        let inputs = inputs::read(&loaded, Watch::NOBODY).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            out: Some(folder.path().to_owned()),
            threads: Some(1),
            force: false,
            watch: Watch {
                interrupted: &AtomicBool::new(true),
                ..Watch::NOBODY
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
