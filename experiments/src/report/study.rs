//! What a report shows of a study: the settings and the summary of each of its cells.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::scan::scan;
use super::tally::Tally;
use crate::output::STUDY;

/// Summary of a cell's folder.
const SUMMARY: &str = "summary.json";

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
    /// Its values of the axes; empty where a key is not set.
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
        let file = path.join(STUDY);
        let read = || -> Result<Value> { Ok(serde_json::from_slice(&fs::read(&file)?)?) };
        let known = read().with_context(|| format!("cannot read {}", file.display()))?;
        let folders = known["cells"].as_array();
        let folders = folders.into_iter().flatten().filter_map(Value::as_str);
        let mut study = Self {
            path: path.to_owned(),
            axes: Vec::new(),
            cells: Vec::new(),
            unfinished: Vec::new(),
        };
        for folder in folders {
            for part in folder.split('/') {
                let (axis, _) = part.split_once('=').unwrap_or((part, ""));
                if !study.axes.iter().any(|known| known == axis) {
                    study.axes.push(axis.to_owned());
                }
            }
        }
        for folder in known["cells"].as_array().into_iter().flatten() {
            let folder = folder.as_str().unwrap_or_default();
            match path.join(folder).join(SUMMARY).is_file() {
                true => {
                    let cell = study.cell(folder)?;
                    study.cells.push(cell);
                }
                false => study.unfinished.push(folder.to_owned()),
            }
        }
        if study.cells.is_empty() {
            bail!("{}: no cell of the study is done", path.display());
        }
        Ok(study)
    }

    fn cell(&self, folder: &str) -> Result<Cell> {
        let path = self.path.join(folder);
        let file = path.join(SUMMARY);
        let read =
            || -> Result<Map<String, Value>> { Ok(serde_json::from_slice(&fs::read(&file)?)?) };
        let summary = read().with_context(|| format!("cannot read {}", file.display()))?;
        let parts: Vec<(&str, &str)> = folder
            .split('/')
            .filter_map(|part| part.split_once('='))
            .collect();
        let setting = |axis: &String| {
            let found = parts.iter().find(|(key, _)| key == axis);
            found.map_or(String::new(), |(_, value)| unescaped(value))
        };
        let mut durations_us: Vec<(String, Tally)> = Vec::new();
        let operations = path.join("operations.parquet");
        if operations.is_file() {
            scan(&operations, &["phase", "duration_ms"], |rows| {
                use arrow::array::AsArray;

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
        Ok(Cell {
            folder: folder.to_owned(),
            settings: self.axes.iter().map(setting).collect(),
            summary,
            durations_us,
        })
    }

    /// Returns the metrics that can be drawn: those with a number in a cell, without those over networks.
    pub fn metrics(&self) -> Vec<String> {
        let mut metrics: Vec<String> = Vec::new();
        for cell in &self.cells {
            for (metric, value) in &cell.summary {
                let is_drawn = value.is_number() && !metric.contains(".networks.");
                if is_drawn && !metrics.contains(metric) {
                    metrics.push(metric.clone());
                }
            }
        }
        metrics
    }
}

/// Returns a value of a folder's name as it is in the file: hive folders escape some characters as `%XX`.
fn unescaped(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped.filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
