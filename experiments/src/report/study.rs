//! What a report shows of a study: the settings and the summary of each of its cells.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use arrow::array::AsArray;
use serde_json::{Map, Value};

use super::figure::rounded;
use super::scan::scan;
use super::tally::Tally;
use crate::file::setting_of;
use crate::inspect::{cells_of, summary_of};
use crate::output::METRICS;

/// Most points of a cell's distribution of durations.
const POINTS_MAX: usize = 120;

/// A study.
pub struct Study {
    /// Its folder, as given.
    pub path: PathBuf,
    /// Its swept keys, in order.
    pub axes: Vec<Axis>,
    /// Its cells that are done.
    pub cells: Vec<Cell>,
    /// Folders of the cells that are not.
    pub unfinished: Vec<String>,
}

/// A swept key.
pub struct Axis {
    /// Its path.
    pub name: String,
    /// Its values in cells that are done: numbers ascending, others in the order of the file.
    pub values: Vec<String>,
    /// Whether all of them are numbers.
    pub is_numeric: bool,
}

/// A cell that is done.
pub struct Cell {
    /// Its folder in the study's.
    pub folder: String,
    /// Its values of the axes.
    pub settings: Vec<String>,
    /// Content of its `summary.json`.
    pub summary: Map<String, Value>,
    /// Durations of its operations by phase, if it has a table of operations.
    pub durations: Vec<Durations>,
}

/// The distribution of the durations of a phase's operations that have ended.
pub struct Durations {
    /// The phase.
    pub phase: String,
    /// Half of them last at most as long, µs.
    pub median_us: u64,
    /// Durations, µs, each with the share of the operations that last at most as long.
    pub points: Vec<(u64, f64)>,
}

impl Study {
    /// Reads the folder of a study.
    ///
    /// # Errors
    ///
    /// A file cannot be read; its path is in the message. No cell is done.
    pub fn read(path: &Path) -> Result<Self> {
        let mut study = Self {
            path: path.to_owned(),
            axes: Vec::new(),
            cells: Vec::new(),
            unfinished: Vec::new(),
        };
        for cell in cells_of(path)? {
            let is_done = cell.is_done && path.join(&cell.folder).join(METRICS).is_file();
            match is_done {
                true => study.cells.push(Cell::read(path, cell.folder)?),
                false => study.unfinished.push(cell.folder),
            }
        }
        let Some(first) = study.cells.first() else {
            bail!("{}: no cell of the study is done", path.display());
        };
        let names = settings_of(&first.folder).map(|(name, _)| name.to_owned());
        let axes = names.enumerate();
        study.axes = axes
            .map(|(index, name)| Axis::of(name, index, &study.cells))
            .collect();
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

/// Returns the number that a value is.
pub fn number(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

impl Axis {
    /// Returns the axis of this index with the values that cells have of it.
    fn of(name: String, index: usize, cells: &[Cell]) -> Self {
        let mut values: Vec<String> = Vec::new();
        for setting in cells.iter().filter_map(|cell| cell.settings.get(index)) {
            if !values.contains(setting) {
                values.push(setting.clone());
            }
        }
        let numbers: Option<Vec<f64>> = values.iter().map(|value| number(value)).collect();
        let is_numeric = numbers.is_some();
        if is_numeric {
            let of = |value: &String| number(value).unwrap_or_default();
            values.sort_by(|one, other| of(one).total_cmp(&of(other)));
        }
        Self {
            name,
            values,
            is_numeric,
        }
    }
}

impl Cell {
    /// Reads the cell in `folder` of the study at `path`.
    fn read(path: &Path, folder: String) -> Result<Self> {
        let cell = path.join(&folder);
        Ok(Self {
            settings: settings_of(&folder).map(|(_, value)| value).collect(),
            summary: summary_of(&cell)?,
            durations: durations(&cell.join("operations.parquet"))?,
            folder,
        })
    }

    /// Returns the value of a metric: the mean over the networks of the cell or, of one network, its value.
    pub fn value(&self, metric: &str) -> Option<f64> {
        let mean = self.summary.get(&format!("{metric}.networks.mean"));
        let value = mean.or_else(|| self.summary.get(metric))?.as_f64();
        value.map(rounded)
    }

    /// Returns half the width of the confidence interval of [`Self::value`], if there are several networks.
    pub fn interval(&self, metric: &str) -> Option<f64> {
        let interval = self.summary.get(&format!("{metric}.networks.ci95"))?;
        interval.as_f64().map(rounded)
    }
}

/// Reads the durations of operations from a table, if it is there.
fn durations(table: &Path) -> Result<Vec<Durations>> {
    let mut phases: Vec<(String, Tally)> = Vec::new();
    if !table.is_file() {
        return Ok(Vec::new());
    }
    scan(table, &["phase", "duration_ms"], |rows| {
        let (names, duration_ms) = (rows.texts("phase")?, rows.numbers("duration_ms")?);
        for (row, ms) in duration_ms
            .into_iter()
            .enumerate()
            .filter(|(_, ms)| !ms.is_nan())
        {
            let name = names.as_string::<i32>().value(row);
            let known = phases.iter().position(|(phase, _)| phase == name);
            let index = known.unwrap_or_else(|| {
                phases.push((name.to_owned(), Tally::default()));
                phases.len() - 1
            });
            phases[index].1.record((1e3 * ms).round() as u64);
        }
        Ok(())
    })?;
    let each = phases.into_iter().map(|(phase, tally)| Durations {
        phase,
        median_us: tally.median(),
        points: tally.cumulative(tally.total(), POINTS_MAX),
    });
    Ok(each.collect())
}
