//! Errors of studies and of their cells.

use std::path::PathBuf;

use super::difference::Difference;
use crate::inputs::InputError;
use crate::output::FolderError;
use crate::run::RunError;

/// Reason that the cells of a study cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// There is no such cell.
    #[error("there is no cell {index}: the sweep has {cells} cells, allowed: 0 to {}", cells - 1)]
    Index {
        /// The requested index.
        index: usize,
        /// Number of cells.
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
        /// Estimated peak memory, as text.
        need: String,
        /// Memory of the machine, as text.
        has: String,
    },
    /// The folder holds a cell with another basis.
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
        /// Differences between the bases.
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
    /// The folder cannot be read, or the tables over all cells cannot be written.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// Advice about a folder of another experiment.
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

/// Reason that a cell has no result.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// It failed or was interrupted.
    #[error("{0}")]
    Run(#[from] RunError),
    /// A file that it reads has become invalid since the study was checked.
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
    /// Returns whether another process runs the cell.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Run(RunError::Folder(FolderError::Busy(_))))
    }

    /// Returns whether the user has stopped the cell.
    pub(super) fn is_stop(&self) -> bool {
        matches!(
            self,
            Self::Run(RunError::Interrupted(_)) | Self::Inputs(InputError::Stopped(_))
        )
    }
}
