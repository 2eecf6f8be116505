//! What a report shows of a study: the settings and the summary of each of its cells.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use arrow::array::AsArray;
use serde_json::{Map, Value};

use super::scan::scan;
use super::tally::Tally;
use crate::file::setting_of;
use crate::inspect::{cells_of, summary_of};
use crate::output::METRICS;

/// A study.
pub struct Study {
    /// Its folder, as given.
    pub path: PathBuf,
    /// Its swept keys, in order.
    pub axes: Vec<String>,
    /// Its cells that are done.
    pub cells: Vec<Cell>,
    /// Folders of the cells that are not.
    pub unfinished: Vec<String>,
}

/// A cell that is done.
pub struct Cell {
    /// Its folder in the study's.
    pub folder: String,
    /// Its values of the axes.
    pub settings: Vec<String>,
    /// Content of its `summary.json`.
    pub summary: Map<String, Value>,
    /// Durations of its operations by phase, µs, if it has a table of operations.
    pub durations_us: Vec<(String, Tally)>,
}

impl Study {
    /// Reads the folder of a study.
    ///
    /// # Errors
    ///
    /// A file cannot be read; its path is in the message.
    pub fn read(path: &Path) -> Result<Self> {
        let mut study = Self {
            path: path.to_owned(),
            axes: Vec::new(),
            cells: Vec::new(),
            unfinished: Vec::new(),
        };
        let folders = cells_of(path)?;
        if let Some(first) = folders.first() {
            let axes = settings_of(first).map(|(axis, _)| axis.to_owned());
            study.axes = axes.collect();
        }
        for folder in folders {
            match path.join(&folder).join(METRICS).is_file() {
                true => study.cells.push(Cell::read(path, folder)?),
                false => study.unfinished.push(folder),
            }
        }
        if study.cells.is_empty() {
            bail!("{}: no cell of the study is done", path.display());
        }
        Ok(study)
    }

    /// Returns the metrics that can be drawn, sorted: those with a number in a cell, without those over networks.
    pub fn metrics(&self) -> Vec<String> {
        let all = self.cells.iter().flat_map(|cell| &cell.summary);
        let drawn =
            all.filter(|(metric, value)| value.is_number() && !metric.contains(".networks."));
        let metrics: BTreeSet<&String> = drawn.map(|(metric, _)| metric).collect();
        metrics.into_iter().cloned().collect()
    }
}

/// Returns the keys and the values in the path of a cell, as the file has them.
fn settings_of(folder: &str) -> impl Iterator<Item = (&str, String)> {
    folder.split('/').filter_map(setting_of)
}

impl Cell {
    /// Reads the cell in `folder` of the study at `path`.
    fn read(path: &Path, folder: String) -> Result<Self> {
        let cell = path.join(&folder);
        let mut durations_us: Vec<(String, Tally)> = Vec::new();
        let operations = cell.join("operations.parquet");
        if operations.is_file() {
            scan(&operations, &["phase", "duration_ms"], |rows| {
                let (phases, duration_ms) = (rows.texts("phase")?, rows.numbers("duration_ms")?);
                for (row, ms) in duration_ms
                    .into_iter()
                    .enumerate()
                    .filter(|(_, ms)| !ms.is_nan())
                {
                    let name = phases.as_string::<i32>().value(row);
                    let known = durations_us.iter().position(|(phase, _)| phase == name);
                    let index = known.unwrap_or_else(|| {
                        durations_us.push((name.to_owned(), Tally::default()));
                        durations_us.len() - 1
                    });
                    durations_us[index].1.record((1e3 * ms).round() as u64);
                }
                Ok(())
            })?;
        }
        Ok(Self {
            settings: settings_of(&folder).map(|(_, value)| value).collect(),
            summary: summary_of(&cell)?,
            folder,
            durations_us,
        })
    }
}
