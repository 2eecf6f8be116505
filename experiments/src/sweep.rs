//! Studies: the cells of a sweep, each a run of its own, and one table over all of them.
//!
//! A cell is a pure function of file, overrides and index: it is read, estimated and digested without the others,
//! runs in a process of its own or beside others, and leaves the same bytes. So no process keeps the state of the
//! whole study: a cell is done if and only if its folder has its name and its digest, and a study goes on from there.
//!
//! Before anything runs, all cells are read and checked, whichever of them are to be run.

mod basis;
mod plan;
mod root;
mod table;

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::Context;
use kadsim_engine::hardware::STACK_BYTES;
use serde_json::{Map, Value};

pub use self::basis::Difference;
pub(crate) use self::basis::digest_in;
pub use self::plan::Plan;
use self::root::Root;
pub(crate) use self::root::SUMMARY;
pub(crate) use self::table::MEANS;
use crate::estimate::{self, Estimate, estimate, human};
use crate::file::{self, CELL_ERRORS_MAX, Cell, Drafts, Grid, Invalid, Loaded};
use crate::inputs::{self, Files, InputError, Inputs};
use crate::output::{FolderError, METRICS, pause};
use crate::run::{self, CutOff, Options, RunError, Verdict};
use crate::summary::CUT_OFF;
use crate::threads;
use crate::warnings::{Warning, warnings};
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
    /// What the cells were made from.
    grid: Grid,
}

/// A cell, ready to run.
pub struct StudyCell {
    /// Where it is in the grid.
    pub cell: Cell,
    /// What to run.
    pub loaded: Loaded,
    /// The memory it will need.
    pub need: Estimate,
    /// What it may not mean.
    pub warnings: Vec<Warning>,
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
    /// The folder holds a cell that this experiment would run otherwise.
    #[error(
        "{path} holds cell {index} ({cell}) of another experiment: {}; {REMEDY}",
        first_of(differences)
    )]
    Changed {
        /// The study's folder.
        path: PathBuf,
        /// Its index.
        index: usize,
        /// Its settings.
        cell: String,
        /// In what it differs.
        differences: Vec<Difference>,
    },
    /// The folder holds cells of other axes.
    #[error("{path} holds cells of other axes: {old}, and not {new}; {REMEDY}")]
    Axes {
        /// The study's folder.
        path: PathBuf,
        /// Keys of the axes there.
        old: String,
        /// Keys of the axes now.
        new: String,
    },
    /// The folder holds cells, and none of them is one of this experiment.
    #[error("{0} holds cells, none of which is a cell of this experiment; {REMEDY}")]
    Unrelated(PathBuf),
    /// The folder is that of a run.
    #[error("{0} holds a run, which is another experiment than a study; {REMEDY}")]
    Run(PathBuf),
    /// The folder cannot be written to.
    #[error("{0}")]
    Folder(#[from] FolderError),
    /// What is there cannot be read, or the table over all cells not be written.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// What can be done about a folder that is taken.
const REMEDY: &str = "name another folder with --out, or replace it by `kadsim run` with --force";

/// Most differences of a cell that a message names.
const DIFFERENCES_MAX: usize = 5;

fn first_of(differences: &[Difference]) -> String {
    let shown = differences.iter().take(DIFFERENCES_MAX);
    let mut shown: Vec<String> = shown.map(Difference::to_string).collect();
    match differences.len().saturating_sub(DIFFERENCES_MAX) {
        0 => {}
        more => shown.push(format!("and {more} more")),
    }
    shown.join(", ")
}

/// Why a cell has no result.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// It failed or was interrupted.
    #[error("{0}")]
    Run(#[from] RunError),
    /// What it reads is wrong now, though it was right when the study was checked.
    #[error("{0}")]
    Inputs(#[from] InputError),
    /// A file that it reads has another content than when the study began.
    #[error("a file that the cell reads was changed after the study began: run the study again")]
    Changed,
    /// A file that it reads cannot be read any more.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl CellError {
    /// Whether another process runs it.
    fn is_busy(&self) -> bool {
        matches!(self, Self::Run(RunError::Folder(FolderError::Busy(_))))
    }

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
    let (grid, drafts) = match file::drafts(path, overrides)? {
        Drafts::One(draft) => {
            let (loaded, inputs) = inputs::of_draft(*draft, &mut files, watch)?;
            return Ok(Task::One(Box::new(loaded), inputs));
        }
        Drafts::Cells(grid, drafts) => (grid, drafts),
    };
    let (mut cells, mut wrong) = (Vec::with_capacity(drafts.len()), Vec::new());
    let (mut seen, mut errors) = (0, 0);
    for (cell, draft) in drafts {
        let read = draft
            .map_err(InputError::from)
            .and_then(|draft| inputs::of_draft(draft, &mut files, watch));
        match read {
            Ok((loaded, inputs)) => cells.push(StudyCell::new(cell, loaded, &inputs)),
            Err(InputError::Invalid(invalid)) => {
                errors += invalid.len();
                wrong.push((cell, invalid));
            }
            Err(stopped) => return Err(stopped),
        }
        seen += 1;
        if errors > CELL_ERRORS_MAX {
            break;
        }
    }
    Invalid::merge_cells(wrong, seen, grid.len())?;
    let first = &cells[0].loaded.experiment;
    Ok(Task::Study(Study {
        name: first.name.clone(),
        dir: first.output.dir.clone(),
        cells,
        grid,
    }))
}

impl StudyCell {
    fn new(cell: Cell, loaded: Loaded, inputs: &Inputs) -> Self {
        let operations = inputs.operations.iter().copied();
        let once = operations.fold(u64::from(inputs.nodes), u64::saturating_add);
        Self {
            need: estimate(&loaded.experiment, inputs),
            warnings: warnings(&loaded.experiment, inputs),
            work: once.saturating_mul(u64::from(loaded.experiment.networks)),
            cell,
            loaded,
        }
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
    /// The sweep with every key and its value, as an experiment file that reads as the same sweep.
    pub fn to_toml(&self) -> String {
        let cells = self.cells.iter();
        self.grid.to_toml(cells.map(|cell| &cell.loaded.experiment))
    }

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
        let threads = threads.unwrap_or_else(threads::all);
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
            let largest = places.iter().max_by_key(|place| need(place));
            let too_large = &self.cells[*too_large.or(largest).unwrap_or(&0)];
            StudyError::Memory {
                index: too_large.cell.index,
                cell: too_large.cell.to_string(),
                need: human(too_large.need.total()),
                has: human(has),
            }
        })
    }

    /// What the cell in `place` tells, done, in the study's folder `root`.
    ///
    /// # Errors
    ///
    /// Its summary cannot be read; the path is in the message.
    pub fn report(&self, place: usize, root: &Path) -> anyhow::Result<CellReport> {
        let cell = &self.cells[place];
        let path = root.join(cell.cell.folder());
        let summary = path.join(METRICS);
        let read = || -> anyhow::Result<Map<String, Value>> {
            Ok(serde_json::from_slice(&std::fs::read(&summary)?)?)
        };
        let summary = read().with_context(|| format!("cannot read {}", summary.display()))?;
        let mut verdicts = run::verdicts(&cell.loaded.experiment, &summary);
        for (verdict, settings) in verdicts.iter_mut().zip(self.grid.wheres(&cell.cell)) {
            verdict.place = settings.to_vec();
        }
        Ok(CellReport {
            verdicts,
            cut_off: cell.cut_off(&path)?,
            summary,
            path,
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
        let root = Root::open(&path, self, options.force, options.watch)?;
        let mut left = cells.clone();
        left.retain(|place| !root.is_done(*place));
        let plan = self.plan(&left, options.threads)?;
        let Ran { begun: ran, failed } = self.run_cells(&left, &root, plan, options);
        let (stopped, failed): (Vec<_>, Vec<_>) =
            failed.into_iter().partition(|(_, error)| error.is_stop());
        let done = root.done();
        let mut ended = cells.clone();
        ended.retain(|place| root.is_done(*place));
        match root.conclude(self, options.watch) {
            // Another process is at it, or the next call will be.
            Err(StudyError::Folder(FolderError::Stopped(_))) => {}
            concluded => concluded?,
        }
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

    /// Runs cells, as many at once as planned, the longest first.
    fn run_cells(&self, places: &[usize], root: &Root, plan: Plan, options: &Options<'_>) -> Ran {
        let mut order = places.to_vec();
        order.sort_by_key(|place| std::cmp::Reverse(self.cells[*place].work));
        let queue = Mutex::new(VecDeque::from(order));
        let ran = Mutex::new(Ran::default());
        let whole = options.watch.cells(places.len() as u64);
        let work = |threads: usize| {
            // A poisoned lock is another thread's panic, which is met when the threads are joined.
            let next = || queue.lock().ok()?.pop_front();
            let mut busy = HashSet::new();
            while let Some(place) = next().filter(|_| options.watch.go_on().is_ok()) {
                let options = Options {
                    out: None,
                    threads: Some(threads),
                    // What is there, if anything, has fewer networks.
                    force: true,
                    watch: options.watch.of_cell(place),
                    begun: std::time::Instant::now(),
                    shares_process: plan.at_once > 1,
                };
                if busy.contains(&place) && pause(options.watch).is_err() {
                    break;
                }
                let ended = self.run_cell(place, root, &options);
                if matches!(&ended, Err(error) if error.is_busy()) {
                    // Another process runs it. When its turn comes again it is done, or left behind by a process that
                    // has failed. A thread that has met nothing else since then waits a moment.
                    busy.insert(place);
                    if let Ok(mut queue) = queue.lock() {
                        queue.push_back(place);
                    }
                    continue;
                }
                busy.clear();
                if let Ok(mut ran) = ran.lock() {
                    ran.note(place, ended);
                }
                whole.inc(1);
            }
        };
        thread::scope(|scope| {
            for slot in 0..plan.at_once {
                let work = &work;
                let thread = thread::Builder::new().stack_size(STACK_BYTES);
                let begun = thread.spawn_scoped(scope, move || work(plan.threads(slot)));
                // Without a thread more, those that run do its share; without any, this one does.
                if begun.is_err() && slot == 0 {
                    work(plan.threads);
                }
            }
        });
        let mut ran = ran.into_inner().unwrap_or_default();
        ran.begun.sort_unstable();
        ran.failed.sort_by_key(|(place, _)| *place);
        ran
    }

    /// Runs a cell, unless another process has done so meanwhile; whether it has begun.
    fn run_cell(
        &self,
        place: usize,
        root: &Root,
        options: &Options<'_>,
    ) -> Result<bool, CellError> {
        if root.is_done(place) {
            return Ok(false);
        }
        let (names, cell) = root.cell(self, place);
        // Known before the inputs are read, which may take long.
        names.check_free().map_err(RunError::from)?;
        let loaded = &self.cells[place].loaded;
        let inputs = inputs::read(loaded, options.watch)?;
        if !root.has_same_basis(self, place)? {
            return Err(CellError::Changed);
        }
        run::run_in(names, Some(&cell), &loaded.experiment, &inputs, options)?;
        Ok(true)
    }
}

/// What came of running cells.
#[derive(Default)]
struct Ran {
    /// Those that this process has run, or begun.
    begun: Vec<usize>,
    /// Those that failed, and why.
    failed: Vec<(usize, CellError)>,
}

impl Ran {
    fn note(&mut self, place: usize, ended: Result<bool, CellError>) {
        if !matches!(ended, Ok(false)) {
            self.begun.push(place);
        }
        if let Err(error) = ended {
            self.failed.push((place, error));
        }
    }
}
