//! Studies: the cells of a sweep, each a run of its own, and one table over all of them.
//!
//! A cell is a pure function of file, overrides and index. It is read, estimated and digested without the others, runs in
//! any process, alone or beside others, and leaves the same bytes. So no process keeps the state of the whole study: a
//! cell is done if and only if its folder has its name and its digest, and a study continues from the cells that are done.
//!
//! All cells are read and checked before any of them runs.

mod basis;
mod difference;
mod error;
mod plan;
mod report;
mod root;
mod study;
mod table;

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use kadsim_engine::hardware::STACK_BYTES;

pub(crate) use self::basis::digest_in;
pub use self::difference::Difference;
pub use self::error::{CellError, StudyError};
pub use self::plan::Plan;
pub use self::report::CellReport;
use self::root::Root;
pub use self::study::{Slice, Study, StudyCell, Task, load};
pub use self::table::STUDY_TABLE;
pub(crate) use self::table::{MEANS, SUMMARY};
use crate::inputs;
use crate::output::{FolderError, pause};
use crate::run::{self, Options, RunError};

/// The outcome of running cells of a study.
pub struct StudyReport {
    /// The study's folder.
    pub path: PathBuf,
    /// The cells that were asked for, in order.
    pub cells: Vec<usize>,
    /// Cells that this process has run or begun, in order.
    pub ran: Vec<usize>,
    /// Cells that failed, in order, each with the reason.
    pub failed: Vec<(usize, CellError)>,
    /// Cells that are done, in order.
    pub ended: Vec<usize>,
    /// Whether the user stopped it before all of them were done.
    pub interrupted: bool,
    /// Number of cells of the whole study that are done.
    pub done: usize,
    /// Wall time, s.
    pub seconds: f64,
}

impl Study {
    /// Runs the cells of a slice that are not done, several at once; when all cells of the study are, writes the table
    /// over them.
    ///
    /// # Errors
    ///
    /// See [`StudyError`]; what goes wrong in a cell is in the report.
    pub fn run(&self, slice: Slice, options: &Options<'_>) -> Result<StudyReport, StudyError> {
        let cells = self.places(slice)?;
        // Planned before the folder is changed, because all cells may have to run.
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
            // Another process concludes the study, or the next call will.
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
                    // A finished cell in the folder has fewer networks.
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
                    // Another process runs the cell. When this thread tries the cell again, it is finished, or
                    // abandoned by a failed process. A thread that has found only busy cells since then waits a moment.
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
                // If a thread cannot start, the running threads do its share. Without any running thread, this one
                // does.
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

    /// Runs a cell, unless another process has done so meanwhile. Returns whether it has run.
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
        // Checked before the inputs are read, which may take long.
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

/// Cells run by this process.
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
