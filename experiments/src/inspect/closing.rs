//! The table that a finished run or study has ended with, made anew from its folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{is_unfinished, study, summary_of};
use crate::figures;
use crate::file;
use crate::output::{METRICS, RESOLVED};
use crate::table::TextTable;

/// Returns the closing table of a run or a study from its folder. That of a study has its first cells, or `all`.
///
/// # Errors
///
/// The folder is missing, holds no finished run or study, or cannot be read. The path is in the message.
pub fn closing(path: &Path, all: bool) -> Result<TextTable> {
    // The canonical path, because the given one may end in a slash or be a dot.
    let whole = fs::canonicalize(path).with_context(|| path.display().to_string())?;
    if study::is_study(&whole) {
        return study::closing(path, all);
    }
    if is_unfinished(&whole) {
        bail!("{}: the run is not finished", path.display());
    }
    let resolved = path.join(RESOLVED);
    if !path.join(METRICS).is_file() || !resolved.is_file() {
        bail!(
            "{}: no run; the folder of a run has {METRICS} and {RESOLVED}",
            path.display()
        );
    }
    let summary = summary_of(path)?;
    let experiment = file::load(&resolved, &[])?.experiment;
    Ok(figures::of_run(&experiment, &summary))
}
