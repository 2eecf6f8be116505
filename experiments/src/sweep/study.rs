//! A sweep whose cells are all valid, with the inputs, the estimate and the warnings of each cell.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::error::StudyError;
use super::plan::Plan;
use crate::estimate::{self, Estimate, Upkeep, estimate, human, upkeep};
use crate::file::{self, CELL_ERRORS_MAX, Cell, Drafts, Grid, Invalid, Loaded, Notices};
use crate::inputs::{self, Files, InputError, Inputs};
use crate::threads;
use crate::warnings::{Warning, warnings};
use crate::watch::Watch;

/// An experiment file that is valid.
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
    /// The grid that the cells come from.
    pub(super) grid: Grid,
}

/// A cell, ready to run.
pub struct StudyCell {
    /// Its index and settings.
    pub cell: Cell,
    /// Its experiment.
    pub loaded: Loaded,
    /// Estimated peak memory.
    pub need: Estimate,
    /// Estimated contacts of maintenance, if there are some.
    pub upkeep: Option<Upkeep>,
    /// Warnings about it.
    pub warnings: Vec<Warning>,
    /// Measure of how long it takes, relative to other cells: nodes made and operations planned, over all networks.
    pub(super) work: u64,
}

/// Which cells to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// All of them.
    All,
    /// The one of this index, from 0.
    Index(usize),
    /// One of several shards: every `of`-th cell.
    Shard {
        /// Number of the shard, from 1.
        shard: usize,
        /// Number of shards.
        of: usize,
    },
}

/// Reads the experiment file `path` with `overrides`, and what each of its cells reads beside.
///
/// # Errors
///
/// As of [`inputs::load`], over all cells. An error of some cells names the first of them.
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
            upkeep: upkeep(&loaded.experiment, inputs),
            warnings: warnings(&loaded.experiment, inputs),
            work: once.saturating_mul(u64::from(loaded.experiment.networks)),
            cell,
            loaded,
        }
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

    /// Returns the study's folder: in `out`, or else in `output.dir`.
    pub fn path(&self, out: Option<&Path>) -> PathBuf {
        out.unwrap_or(Path::new(&self.dir)).join(&self.name)
    }

    /// Returns the warnings of these cells, those about one key as one: the first, with the number of cells that have
    /// it.
    pub fn notices(&self, places: &[usize]) -> Notices {
        let mut found: Vec<(&StudyCell, &Warning, usize)> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for cell in places.iter().map(|place| &self.cells[*place]) {
            for warning in &cell.warnings {
                let place = *known.entry(&warning.key).or_insert_with(|| {
                    found.push((cell, warning, 0));
                    found.len() - 1
                });
                found[place].2 += 1;
            }
        }
        let mut notices = Notices::default();
        for (cell, warning, times) in found {
            let all = self.cells.len();
            let more = match times {
                1 => String::new(),
                _ => format!(" and {} more", times - 1),
            };
            let index = cell.cell.index;
            let cells = format!("in cell {index} ({}){more} of {all} cells", cell.cell);
            let cells = (times < all).then_some(cells);
            warning.add_to(&mut notices, &cell.loaded.sources, cells);
        }
        notices
    }

    /// Plans the number of these cells that run at once on `threads` threads, by default on all.
    ///
    /// # Errors
    ///
    /// [`StudyError::Memory`]: one of them is too large for this machine.
    pub fn plan(&self, places: &[usize], threads: Option<usize>) -> Result<Plan, StudyError> {
        let threads = threads.unwrap_or_else(threads::all);
        let has = estimate::machine_memory();
        let need = |place: &usize| self.cells[*place].need.total();
        let cells = places.iter().map(|place| self.cells[*place].need);
        // All cells share the memory of the process itself.
        let shared = cells.clone().map(|need| need.process).max().unwrap_or(0);
        let alone = cells.clone().map(|need| need.beside_another());
        let needs = match places.len() > threads {
            true => cells
                .map(|need| need.beside_another_after_others())
                .collect(),
            false => alone.clone().collect(),
        };
        // If cells fit only alone, they run one at a time.
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
}
