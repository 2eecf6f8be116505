//! Describes the folder of a study: its cells, each with its digest and, when all are done, its means over networks,
//! and the tables over all cells.
//!
//! The digest of a study covers the folders and digests of its cells, in order, and those of its tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, UInt32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{View, add_bytes, describe_table, digest, summarise};
use crate::batch::column;
use crate::figures::{
    CELLS_SHOWN_MAX, CellRow, Figure, OF_A_CELL, RECALL, RETRIEVES, cells as table_of_cells,
};
use crate::hex::hex;
use crate::output::{RESOLVED, STUDY};
use crate::sweep::{MEANS, SUMMARY, digest_in};
use crate::table::{Side, TextTable, wrapped};

/// Content of `study.json`.
struct Study {
    experiment: String,
    seed: String,
    version: String,
    cells: Vec<String>,
    /// Digest of what the results of each cell depend on, if the file has it.
    digests: Vec<Option<String>>,
}

/// Returns whether the folder is that of a study.
pub(crate) fn is_study(path: &Path) -> bool {
    path.join(STUDY).is_file()
}

fn read(path: &Path) -> Result<Study> {
    let file = path.join(STUDY);
    let read = || -> Result<Value> { Ok(serde_json::from_slice(&fs::read(&file)?)?) };
    let known = read().with_context(|| format!("cannot read {}", file.display()))?;
    let text = |key: &str| match &known[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cells = known["cells"].as_array();
    let cells = cells.ok_or_else(|| anyhow!("{} names no cells", file.display()))?;
    if cells.is_empty() || !cells.iter().all(Value::is_string) {
        bail!("{} names no cells", file.display());
    }
    let folder = |cell: &Value| cell.as_str().map(str::to_owned);
    let digests = (0..cells.len()).map(|index| known["digests"][index].as_str());
    Ok(Study {
        digests: digests.map(|digest| digest.map(str::to_owned)).collect(),
        experiment: text("experiment"),
        seed: text("seed"),
        version: text("version"),
        cells: cells.iter().filter_map(folder).collect(),
    })
}

/// A cell that a study names.
pub(crate) struct CellFolder {
    /// Its folder in the study's.
    pub folder: String,
    /// Whether it is done. A finished cell of an earlier state of the experiment file is not.
    pub is_done: bool,
}

impl Study {
    /// Returns the cells of the study in the folder `path`, in order.
    fn cells(&self, path: &Path) -> impl Iterator<Item = CellFolder> {
        let cells = self.cells.iter().zip(&self.digests);
        cells.map(|(cell, wanted)| {
            let folder = path.join(cell);
            let is_done = folder.is_dir() && (wanted.is_none() || digest_in(&folder) == *wanted);
            CellFolder {
                folder: cell.clone(),
                is_done,
            }
        })
    }
}

/// Returns a study's cells, in order.
///
/// # Errors
///
/// The study's file cannot be read, or names no cells; its path is in the message.
pub(crate) fn cells_of(path: &Path) -> Result<Vec<CellFolder>> {
    Ok(read(path)?.cells(path).collect())
}

/// Returns the digest of a finished study.
pub(super) fn digest_of_study(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    for cell in read(path)?.cells {
        let folder = path.join(&cell);
        if !folder.is_dir() {
            bail!("{}: the cell is not done", folder.display());
        }
        add_bytes(&mut hasher, cell.as_bytes());
        add_bytes(&mut hasher, digest(&folder)?.as_bytes());
    }
    for table in [MEANS, SUMMARY] {
        add_bytes(&mut hasher, table.as_bytes());
        add_bytes(&mut hasher, summarise(&path.join(table))?.digest.as_bytes());
    }
    Ok(hex(hasher))
}

/// Describes a study.
pub(super) fn describe(path: &Path, view: &View) -> Result<String> {
    let study = read(path)?;
    let folders: Vec<_> = study.cells.iter().map(|cell| path.join(cell)).collect();
    let are_done: Vec<bool> = study.cells(path).map(|cell| cell.is_done).collect();
    let done = are_done.iter().filter(|is_done| **is_done).count();
    let is_there = |table: &str| path.join(table).is_file();
    let is_finished = done == folders.len() && is_there(MEANS) && is_there(SUMMARY);
    let whole = match is_finished {
        true => digest_of_study(path)?,
        false => "none: the study is not finished".to_owned(),
    };
    let mut text = format!("{}\n", path.display());
    for (name, value) in [
        ("study", format!("{done} of {} cells done", folders.len())),
        ("experiment", study.experiment),
        ("seed", study.seed),
        ("version", study.version),
        ("digest", whole),
    ] {
        let _ = writeln!(text, "{name:<10}  {value}");
    }
    let most = if view.all {
        usize::MAX
    } else {
        CELLS_SHOWN_MAX
    };
    // The canonical path, because the given one may end in a slash or be a dot.
    let whole = fs::canonicalize(path).with_context(|| path.display().to_string())?;
    let mut partial = whole.into_os_string();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let mut states = Vec::new();
    let cells = folders.iter().zip(&study.cells).zip(&are_done);
    for ((folder, cell), is_done) in cells.take(most) {
        let unfinished = partial.join(cell).join(RESOLVED);
        states.push(match is_done {
            true => digest(folder)?[..12].to_owned(),
            false if unfinished.is_file() => "not finished".to_owned(),
            false if folder.is_dir() => "to run again".to_owned(),
            false => "not begun".to_owned(),
        });
    }
    text += "\n";
    text += &match is_finished {
        true => means(path, &study.cells[0], &states, view)?,
        false => unfinished(&study.cells, &states, view),
    };
    if let Some(more @ 1..) = folders.len().checked_sub(states.len()) {
        let hint = format!(
            "{more} cells more: `kadsim inspect {} --all`",
            path.display()
        );
        text += &format!("… and {}\n", wrapped(&hint, view.width));
    }
    if is_finished {
        for name in [MEANS, SUMMARY] {
            text += "\n";
            text += &describe_table(Path::new(name), &summarise(&path.join(name))?, view);
        }
    }
    Ok(text)
}

/// Lists the cells in these folders with their states.
fn unfinished(cells: &[String], states: &[String], view: &View) -> String {
    let columns = [
        ("cell", Side::Left),
        ("digest", Side::Left),
        ("folder", Side::Left),
    ];
    let mut table = TextTable::new(1, columns);
    for (index, (state, cell)) in states.iter().zip(cells).enumerate() {
        table.push([index.to_string(), state.clone(), cell.clone()]);
    }
    table.render(view.width)
}

/// Returns the means of a finished study: of its first cells, or of `all`.
pub(super) fn closing(path: &Path, all: bool) -> Result<TextTable> {
    let study = read(path)?;
    if !path.join(MEANS).is_file() {
        bail!("{}: the study is not finished", path.display());
    }
    let most = if all { usize::MAX } else { CELLS_SHOWN_MAX };
    let (axes, cells) = means_of(path, &study.cells[0], most)?;
    Ok(table_of_cells(&axes, &rows(&cells, |_| None)))
}

/// Formats the means of the first cells, one row for each phase. The folder `first` names the axes.
fn means(path: &Path, first: &str, digests: &[String], view: &View) -> Result<String> {
    let (axes, cells) = means_of(path, first, digests.len())?;
    let columns: Vec<&str> = std::iter::once("digest").chain(axes).collect();
    let rows = rows(&cells, |index| digests.get(index).cloned());
    let mut text = table_of_cells(&columns, &rows).render(view.width);
    let all = cells.iter().flat_map(|cell| cell.means.values());
    if all.into_iter().any(|mean| mean.ci95.is_some()) {
        let meaning =
            "Mean over the networks of a cell ± half the width of its 95 % confidence interval.";
        text += &format!("{}\n", wrapped(meaning, view.width));
    }
    Ok(text)
}

/// Reads the axes and the means of the first `most` cells of a finished study. The folder `first` names the axes.
fn means_of<'f>(
    path: &Path,
    first: &'f str,
    most: usize,
) -> Result<(Vec<&'f str>, Vec<CellMeans>)> {
    let axes = first.split('/').filter_map(|part| part.split_once('='));
    let axes: Vec<&str> = axes.map(|(name, _)| name).collect();
    let cells = read_means(&path.join(MEANS), &axes, most)
        .with_context(|| format!("cannot read {}", path.join(MEANS).display()))?;
    Ok((axes, cells))
}

/// Returns a row for each phase of each cell. What `before` returns for a cell stands before its settings.
fn rows(cells: &[CellMeans], before: impl Fn(usize) -> Option<String>) -> Vec<CellRow> {
    let mut rows = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        let phases = cell.means.keys().filter_map(|metric| {
            let phase = metric.strip_suffix(A_PHASE_HAS)?;
            // `nodes.PHASE.COLUMN.STATISTIC` has one dot more.
            (!phase.contains('.')).then_some(phase)
        });
        for phase in phases {
            rows.push(CellRow {
                cell: index.to_string(),
                phase: phase.to_owned(),
                settings: before(index)
                    .into_iter()
                    .chain(cell.settings.iter().cloned())
                    .collect(),
                figures: OF_A_CELL.map(|figure| cell.text(phase, figure)).to_vec(),
            });
        }
    }
    rows
}

/// End of a metric that every phase has.
const A_PHASE_HAS: &str = ".duration_ms.p50";

/// Means of a cell.
#[derive(Default)]
struct CellMeans {
    settings: Vec<String>,
    means: BTreeMap<String, Mean>,
}

#[derive(Clone, Copy)]
struct Mean {
    mean: Option<f64>,
    ci95: Option<f64>,
}

impl CellMeans {
    fn text(&self, phase: &str, figure: Figure) -> String {
        let get = |metric: &str| self.means.get(&format!("{phase}.{metric}"));
        let retrieves = get(RETRIEVES).and_then(|count| count.mean);
        let hidden = figure.metric == RECALL && retrieves.is_some_and(|count| count > 0.0);
        let Some(mean) = get(figure.metric).filter(|_| !hidden) else {
            return figure.text(None);
        };
        let text = figure.text(mean.mean);
        match mean.ci95 {
            Some(ci95) => format!("{text} ± {}", figure.text(Some(ci95))),
            None => text,
        }
    }
}

/// Reads the values of these keys for the first `most` cells from the table of means.
fn read_means(table: &Path, keys: &[&str], most: usize) -> Result<Vec<CellMeans>> {
    let mut cells: Vec<CellMeans> = Vec::new();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(table)?)?.build()?;
    for batch in reader {
        let batch = batch?;
        let column = |name: &str, data_type: &DataType| column(&batch, name, data_type);
        let indices = column("cell", &DataType::UInt32)?;
        let metrics = column("metric", &DataType::Utf8)?;
        let numbers = [
            column("mean", &DataType::Float64)?,
            column("ci95", &DataType::Float64)?,
        ];
        let keys = keys.iter().map(|key| column(key, &DataType::Utf8));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let index = indices.as_primitive::<UInt32Type>().value(row) as usize;
            if index >= most {
                return Ok(cells);
            }
            if index >= cells.len() {
                cells.resize_with(index + 1, CellMeans::default);
                let value = |key: &ArrayRef| key.as_string::<i32>().value(row).to_owned();
                cells[index].settings = keys.iter().map(value).collect();
            }
            let [mean, ci95] = numbers.each_ref().map(|numbers| {
                let is_there = numbers.is_valid(row);
                is_there.then(|| numbers.as_primitive::<Float64Type>().value(row))
            });
            let metric = metrics.as_string::<i32>().value(row);
            cells[index]
                .means
                .insert(metric.to_owned(), Mean { mean, ci95 });
        }
    }
    Ok(cells)
}
