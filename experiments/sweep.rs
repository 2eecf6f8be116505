//! Studies: the cells of a sweep, each a run of its own, and one table over all of them.
//!
//! A cell is a pure function of file, overrides and index: it is read, estimated and digested without the others,
//! runs in a process of its own or beside others, and leaves the same bytes. So nobody keeps a state of the whole: a
//! cell is done if and only if its folder has its name, as any run is, and a study goes on from what is there.
//!
//! Before anything runs, all cells are read and checked, whichever of them are to be run.

mod plan;
mod root;
mod table;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::Context;
use indicatif::MultiProgress;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use self::plan::Plan;
use self::root::Root;
pub(crate) use self::root::SUMMARY;
use crate::estimate::{self, Estimate, estimate, human};
use crate::file::{
    self, Cell, DEFAULT_LAYOUT, Drafts, Experiment, Invalid, Loaded, Population, Work,
};
use crate::inputs::{self, Files, InputError, Inputs};
use crate::inspect::hex;
use crate::output::FolderError;
use crate::run::{self, CutOff, Options, RunError, Verdict};
use crate::summary::CUT_OFF;
use crate::watch::Watch;

/// What an experiment file asks for.
pub enum Task {
    /// One experiment.
    One(Box<Loaded>, Inputs),
    /// All cells of a sweep.
    Study(Study),
}

/// A sweep that is valid in each of its cells.
pub struct Study {
    /// Name of its folder.
    pub name: String,
    /// Folder for that, relative to the working directory.
    pub dir: String,
    /// The cells, in order.
    pub cells: Vec<StudyCell>,
    /// What tells it from any other study: SHA-256 over the version, the cells and the files that they read.
    digest: String,
}

/// A cell, ready to run.
pub struct StudyCell {
    /// Where it is in the grid.
    pub cell: Cell,
    /// What to run.
    pub loaded: Loaded,
    /// The memory it will need.
    pub need: Estimate,
    /// How long it takes, beside others: nodes made and operations planned, over all networks.
    work: u64,
}

/// Which cells to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// All of them.
    All,
    /// The one of this index, from 0.
    Index(usize),
    /// Of so many shards this one, from 1: every `of`-th cell.
    Shard {
        /// Which one, from 1.
        shard: usize,
        /// Of how many.
        of: usize,
    },
}

/// Why the cells of a study cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// There is no such cell.
    #[error("there is no cell {index}: the sweep has {cells} cells, allowed: 0 to {}", cells - 1)]
    Index {
        /// What was asked for.
        index: usize,
        /// How many there are.
        cells: usize,
    },
    /// A cell is too large for this machine.
    #[error(
        "cell {index} ({cell}) needs about {need} of memory, this machine has {has}; see `kadsim check` for the parts"
    )]
    Memory {
        /// Its index.
        index: usize,
        /// Its settings.
        cell: String,
        /// Estimate.
        need: String,
        /// What there is.
        has: String,
    },
    /// The folder holds what another file, or this one before it was changed, has led to.
    #[error(
        "{0} holds a study of another experiment, or of this one before its file, a file it reads or kadsim changed: name another folder with --out, or replace it by `kadsim run` with --force"
    )]
    Changed(PathBuf),
    /// The folder cannot be written to.
    #[error("{0}")]
    Folder(#[from] FolderError),
    /// What is there cannot be read, or the table over all cells not be written.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// Why a cell has no result.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// It failed or was interrupted.
    #[error("{0}")]
    Run(#[from] RunError),
    /// What it reads has changed since it was checked.
    #[error("{0}")]
    Inputs(#[from] InputError),
}

impl CellError {
    /// Whether it was asked to stop.
    fn is_stop(&self) -> bool {
        matches!(
            self,
            Self::Run(RunError::Interrupted(_)) | Self::Inputs(InputError::Stopped(_))
        )
    }
}

/// What came of running cells of a study.
pub struct StudyReport {
    /// The study's folder.
    pub path: PathBuf,
    /// The cells that were asked for, in order.
    pub cells: Vec<usize>,
    /// Those of them that were run now, or begun, in order.
    pub ran: Vec<usize>,
    /// Those that failed, in order, and why.
    pub failed: Vec<(usize, CellError)>,
    /// Those that are done, in order.
    pub ended: Vec<usize>,
    /// Whether it was asked to stop before all of them were done.
    pub interrupted: bool,
    /// How many cells of the whole study are done.
    pub done: usize,
    /// Wall time, s.
    pub seconds: f64,
}

/// What a cell that is done tells.
pub struct CellReport {
    /// Its folder.
    pub path: PathBuf,
    /// `summary.json`.
    pub summary: Map<String, Value>,
    /// What became of each `[[expect]]` that is for it.
    pub verdicts: Vec<Verdict>,
    /// Phases that were cut off by their `max_ms`, in order.
    pub cut_off: Vec<CutOff>,
}

/// Reads the experiment file `path` with `overrides`, and what each of its cells reads beside.
///
/// # Errors
///
/// As of [`inputs::load`], over all cells: what is wrong in some of them names the first.
pub fn load(path: &Path, overrides: &[String], watch: Watch<'_>) -> Result<Task, InputError> {
    let mut files = Files::default();
    let drafts = match file::drafts(path, overrides)? {
        Drafts::One(draft) => {
            let (loaded, inputs) = inputs::of_draft(*draft, &mut files, watch)?;
            return Ok(Task::One(Box::new(loaded), inputs));
        }
        Drafts::Cells(drafts) => drafts,
    };
    let total = drafts.len();
    let (mut cells, mut wrong) = (Vec::with_capacity(total), Vec::new());
    for (cell, draft) in drafts {
        let read = draft
            .map_err(InputError::from)
            .and_then(|draft| inputs::of_draft(draft, &mut files, watch));
        match read {
            Ok((loaded, inputs)) => cells.push(StudyCell::new(cell, loaded, &inputs)),
            Err(InputError::Invalid(invalid)) => wrong.push((cell, invalid)),
            Err(stopped) => return Err(stopped),
        }
    }
    Invalid::merge_cells(wrong, total)?;
    let first = &cells[0].loaded.experiment;
    Ok(Task::Study(Study {
        name: first.name.clone(),
        dir: first.output.dir.clone(),
        digest: digest(&cells)?,
        cells,
    }))
}

/// What tells a study from any other one.
fn digest(cells: &[StudyCell]) -> Result<String, Invalid> {
    let mut hasher = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(env!("CARGO_PKG_VERSION").as_bytes());
    let mut files = BTreeSet::new();
    for StudyCell { cell, loaded, .. } in cells {
        // How tables lie in memory changes no result.
        let results = Experiment {
            layout: DEFAULT_LAYOUT,
            ..loaded.experiment.clone()
        };
        add(cell.folder().as_os_str().as_encoded_bytes());
        add(results.to_toml().as_bytes());
        files.extend(read_by(&loaded.experiment));
    }
    for path in files {
        let content = digest_of_file(path)
            .map_err(|error| Invalid::plain(format!("cannot read {}: {error}", path.display())))?;
        add(content.as_bytes());
    }
    Ok(hex(hasher))
}

/// The files that an experiment reads beside its own.
fn read_by(experiment: &Experiment) -> impl Iterator<Item = &Path> {
    let ids = match &experiment.network.size {
        Population::Imported { path, .. } => Some(path.as_path()),
        Population::Generated(_) => None,
    };
    let traces = experiment
        .phases
        .iter()
        .filter_map(|phase| match &phase.work {
            Work::Trace { path, .. } => Some(path.as_path()),
            Work::Drawn { .. } => None,
        });
    ids.into_iter().chain(traces)
}

fn digest_of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(hasher)),
            read => hasher.update(&buffer[..read]),
        }
    }
}

impl StudyCell {
    fn new(cell: Cell, loaded: Loaded, inputs: &Inputs) -> Self {
        let operations = inputs.operations.iter().copied();
        let once = operations.fold(u64::from(inputs.nodes), u64::saturating_add);
        Self {
            need: estimate(&loaded.experiment, inputs),
            work: once.saturating_mul(u64::from(loaded.experiment.networks)),
            cell,
            loaded,
        }
    }

    /// Runs it in the study's folder.
    fn run(&self, root: &Path, options: &Options<'_>) -> Result<(), CellError> {
        let inputs = inputs::read(&self.loaded, options.watch)?;
        let path = root.join(self.cell.folder());
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            unreachable!("a cell has a folder")
        };
        let experiment = &self.loaded.experiment;
        run::run_in(dir, &name.to_string_lossy(), experiment, &inputs, options)?;
        Ok(())
    }

    /// What it tells, done, in the study's folder `root`.
    ///
    /// # Errors
    ///
    /// Its summary cannot be read; the path is in the message.
    pub fn report(&self, root: &Path) -> anyhow::Result<CellReport> {
        let path = root.join(self.cell.folder());
        let summary = path.join("summary.json");
        let read = || -> anyhow::Result<Map<String, Value>> {
            Ok(serde_json::from_slice(&std::fs::read(&summary)?)?)
        };
        let summary = read().with_context(|| format!("cannot read {}", summary.display()))?;
        Ok(CellReport {
            verdicts: run::verdicts(&self.loaded.experiment, &summary),
            cut_off: self.cut_off(&path)?,
            summary,
            path,
        })
    }

    /// The phases that were cut off, by the metrics of each network.
    fn cut_off(&self, path: &Path) -> anyhow::Result<Vec<CutOff>> {
        let phases = self.loaded.experiment.phases.iter();
        let mut cut_off: Vec<CutOff> = phases
            .filter(|phase| phase.max_us.is_some())
            .map(|phase| CutOff {
                phase: phase.name.clone(),
                networks: Vec::new(),
            })
            .collect();
        if !cut_off.is_empty() {
            table::for_each_metric(path, |network, metric, value| {
                let phase = metric
                    .strip_suffix(CUT_OFF)
                    .and_then(|m| m.strip_suffix('.'));
                let known = cut_off
                    .iter_mut()
                    .find(|known| Some(&*known.phase) == phase);
                if let Some(known) = known.filter(|_| value.is_some_and(|cut| cut > 0.0)) {
                    known.networks.push(network);
                }
            })?;
            cut_off.retain(|phase| !phase.networks.is_empty());
        }
        Ok(cut_off)
    }
}

impl Study {
    /// The cells of a slice, in order.
    ///
    /// # Errors
    ///
    /// [`StudyError::Index`].
    pub fn places(&self, slice: Slice) -> Result<Vec<usize>, StudyError> {
        let cells = self.cells.len();
        match slice {
            Slice::All => Ok((0..cells).collect()),
            Slice::Index(index) if index < cells => Ok(vec![index]),
            Slice::Index(index) => Err(StudyError::Index { index, cells }),
            Slice::Shard { shard, of } => Ok((shard - 1..cells).step_by(of).collect()),
        }
    }

    /// The study's folder: in `out`, or else where the experiment says.
    pub fn path(&self, out: Option<&Path>) -> PathBuf {
        out.unwrap_or(Path::new(&self.dir)).join(&self.name)
    }

    /// How many of these cells run at once on so many threads, or on all.
    ///
    /// # Errors
    ///
    /// [`StudyError::Memory`]: one of them is too large for this machine.
    pub fn plan(&self, places: &[usize], threads: Option<usize>) -> Result<Plan, StudyError> {
        let threads = threads.unwrap_or_else(plan::all_threads);
        let has = estimate::machine_memory();
        let need = |place: &usize| self.cells[*place].need.total();
        let cells = places.iter().map(|place| self.cells[*place].need);
        // The process is there once, whatever runs in it.
        let shared = cells.clone().map(|need| need.process).max().unwrap_or(0);
        let alone = cells.clone().map(|need| need.beside_another());
        let needs = match places.len() > threads {
            true => cells
                .map(|need| need.beside_another_after_others())
                .collect(),
            false => alone.clone().collect(),
        };
        // A cell that fits by itself is run, one at a time.
        let one_by_one = || {
            let plan = Plan::new(alone.collect(), shared, 1, has)?;
            Some(Plan { threads, ..plan })
        };
        let plan = Plan::new(needs, shared, threads, has).or_else(one_by_one);
        plan.ok_or_else(|| {
            let too_large = places.iter().find(|place| need(place) > has);
            let too_large = &self.cells[*too_large.unwrap_or(&0)];
            StudyError::Memory {
                index: too_large.cell.index,
                cell: too_large.cell.to_string(),
                need: human(too_large.need.total()),
                has: human(has),
            }
        })
    }

    /// Runs the cells of a slice that are not done, several at once; when all cells of the study are, writes the table
    /// over them.
    ///
    /// # Errors
    ///
    /// See [`StudyError`]; what goes wrong in a cell is in the report.
    pub fn run(&self, slice: Slice, options: &Options<'_>) -> Result<StudyReport, StudyError> {
        let cells = self.places(slice)?;
        // Known before the folder is touched: all of them may have to be run.
        self.plan(&cells, options.threads)?;
        let path = self.path(options.out.as_deref());
        let root = Root::open(&path, self, options.force)?;
        let mut ran = cells.clone();
        ran.retain(|place| !root.is_done(&self.cells[*place].cell));
        let plan = self.plan(&ran, options.threads)?;
        if !ran.is_empty() {
            root.begin()?;
        }
        let failed = self.run_cells(&ran, &root, plan, options);
        let (stopped, failed): (Vec<_>, Vec<_>) =
            failed.into_iter().partition(|(_, error)| error.is_stop());
        let is_done = |place: &usize| root.is_done(&self.cells[*place].cell);
        let done = (0..self.cells.len()).filter(is_done).count();
        if done == self.cells.len() {
            root.conclude(self)?;
        }
        let mut ended = cells.clone();
        ended.retain(is_done);
        let asked = options.watch.go_on().is_err() || !stopped.is_empty();
        Ok(StudyReport {
            path,
            interrupted: asked && ended.len() < cells.len(),
            cells,
            ran,
            failed,
            ended,
            done,
            seconds: options.begun.elapsed().as_secs_f64(),
        })
    }

    /// Runs cells, as many at once as planned, the longest first; returns those that have no result.
    fn run_cells(
        &self,
        places: &[usize],
        root: &Root,
        plan: Plan,
        options: &Options<'_>,
    ) -> Vec<(usize, CellError)> {
        let mut order = places.to_vec();
        order.sort_by_key(|place| std::cmp::Reverse(self.cells[*place].work));
        let queue = Mutex::new(order.into_iter());
        let failed = Mutex::new(Vec::new());
        let bars = MultiProgress::new();
        let whole = options.watch.cells(&bars, places.len() as u64);
        let work = |threads: usize| {
            // A poisoned lock is another thread's panic, which is met when the threads are joined.
            let next = || queue.lock().ok()?.next();
            while let Some(place) = next().filter(|_| options.watch.go_on().is_ok()) {
                let ended = self.cells[place].run(
                    root.path(),
                    &Options {
                        out: None,
                        threads: Some(threads),
                        force: false,
                        watch: options.watch.among(&bars, place),
                        begun: std::time::Instant::now(),
                        shares_process: plan.at_once > 1,
                    },
                );
                if let (Err(error), Ok(mut failed)) = (ended, failed.lock()) {
                    failed.push((place, error));
                }
                whole.inc(1);
            }
        };
        thread::scope(|scope| {
            for slot in 0..plan.at_once {
                let work = &work;
                scope.spawn(move || work(plan.threads(slot)));
            }
        });
        let mut failed = failed.into_inner().unwrap_or_default();
        failed.sort_by_key(|(place, _)| *place);
        failed
    }
}
