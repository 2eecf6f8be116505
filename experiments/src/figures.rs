//! The figures that people are shown of a run or a cell: metrics of `summary.json` behind a phase, by their names there.

use std::iter;

use serde_json::{Map, Value};

use crate::file::Experiment;
use crate::table::{Side, TextTable};

/// A metric that a table shows.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Its key behind the phase.
    pub metric: &'static str,
    /// Digits behind the point.
    decimals: usize,
}

const fn figure(metric: &'static str, decimals: usize) -> Figure {
    Figure { metric, decimals }
}

/// Share of the beta closest nodes that a result names. Only retrieves that miss have one, so a mean over retrieves
/// does not describe the phase and is not shown.
pub const RECALL: &str = "recall.mean";
/// Number of retrieves.
pub const RETRIEVES: &str = "found.count";

/// Text of a missing value.
pub const NO_VALUE: &str = "-";

/// Number of the phase's rows in the table `operations`.
pub const OPERATIONS: Figure = figure("attempts.count", 0);

/// Figures shown for a phase of a run.
pub const OF_A_RUN: [Figure; 12] = [
    figure("duration_ms.p50", 1),
    figure("duration_ms.p90", 1),
    figure("duration_ms.p99", 1),
    figure("attempts.mean", 2),
    figure("completed.mean", 2),
    figure("depth.mean", 2),
    figure(RECALL, 4),
    figure("found.mean", 4),
    figure("stored.mean", 2),
    figure("in_time", 4),
    figure("origins_in_time", 4),
    figure("cut_off", 4),
];

/// Figures shown for a phase of a cell in a study.
pub const OF_A_CELL: [Figure; 5] = [
    figure("duration_ms.p50", 1),
    figure("duration_ms.p99", 1),
    figure("attempts.mean", 2),
    figure(RECALL, 4),
    figure("found.mean", 4),
];

impl Figure {
    /// Formats a value, or [`NO_VALUE`] if there is none.
    pub fn text(self, value: Option<f64>) -> String {
        let decimals = self.decimals;
        value.map_or(NO_VALUE.to_owned(), |value| format!("{value:.decimals$}"))
    }

    /// Formats the value in `summary` for a phase. `behind` follows the metric in the key.
    pub fn of(self, summary: &Map<String, Value>, phase: &str, behind: &str) -> String {
        let get = |metric: &str| summary.get(&format!("{phase}.{metric}{behind}"))?.as_f64();
        let retrieves = || summary.get(&format!("{phase}.{RETRIEVES}"))?.as_f64();
        let hidden = self.metric == RECALL && retrieves().is_some_and(|count| count > 0.0);
        self.text(get(self.metric).filter(|_| !hidden))
    }
}

/// Most phases that a table of a run has a column for.
pub const PHASES_MAX: usize = 20;

/// Makes the closing table of a run: a row for each figure that some phase has, and a column for each of the first
/// [`PHASES_MAX`] phases. With several networks, each phase also has columns for the mean over networks and its 95 %
/// confidence interval.
pub fn of_run(experiment: &Experiment, summary: &Map<String, Value>) -> TextTable {
    let behind: &[&str] = match experiment.networks {
        1 => &[""],
        _ => &["", ".networks.mean", ".networks.ci95"],
    };
    let phases = experiment.phases.iter().take(PHASES_MAX);
    let columns = phases.flat_map(|phase| behind.iter().map(move |behind| (phase, *behind)));
    let header = columns.clone().map(|(phase, behind)| match behind {
        "" => phase.name.clone(),
        behind => format!("{} {}", phase.name, behind.trim_start_matches('.')),
    });
    let header = header.map(|name| (name, Side::Right));
    let first = iter::once(("phase".to_owned(), Side::Left));
    let mut table = TextTable::new(1, first.chain(header));
    let row = |name: &str, cells: Vec<String>| iter::once(name.to_owned()).chain(cells);
    let kinds = columns.clone().map(|(phase, behind)| match behind {
        "" => phase.kind().to_string(),
        _ => String::new(),
    });
    table.push(row("kind", kinds.collect()));
    let figures = OF_A_RUN.map(|figure| (figure.metric, figure));
    for (name, figure) in iter::once(("operations", OPERATIONS)).chain(figures) {
        let cells = columns.clone();
        let cells = cells.map(|(phase, behind)| figure.of(summary, &phase.name, behind));
        let cells: Vec<String> = cells.collect();
        if cells.iter().any(|cell| cell != NO_VALUE) {
            table.push(row(name, cells));
        }
    }
    table
}

/// Most cells of a study that are shown by default.
pub const CELLS_SHOWN_MAX: usize = 20;

/// A phase of a cell, in a table of cells.
pub struct CellRow {
    /// The cell's index.
    pub cell: String,
    /// The phase's name.
    pub phase: String,
    /// The value on each axis.
    pub settings: Vec<String>,
    /// In the order of [`OF_A_CELL`].
    pub figures: Vec<String>,
}

/// Makes a table of cells with a column for each of these axes. The phase is a column if there are several, a figure if
/// some row has it.
pub fn cells(axes: &[&str], rows: &[CellRow]) -> TextTable {
    let several = rows.iter().any(|row| row.phase != rows[0].phase);
    let has = |place: &usize| rows.iter().any(|row| row.figures[*place] != NO_VALUE);
    let figures: Vec<usize> = (0..OF_A_CELL.len()).filter(has).collect();
    let left = |name| (name, Side::Left);
    let mut columns = vec![left("cell")];
    columns.extend(several.then_some(left("phase")));
    let keys = columns.len();
    columns.extend(axes.iter().map(|axis| left(axis)));
    columns.extend(
        figures
            .iter()
            .map(|place| (OF_A_CELL[*place].metric, Side::Right)),
    );
    let mut table = TextTable::new(keys, columns);
    for row in rows {
        let phase = several.then(|| row.phase.clone());
        let names = std::iter::once(row.cell.clone()).chain(phase);
        let settings = row.settings.iter().cloned();
        let shown = figures.iter().map(|place| row.figures[*place].clone());
        table.push(names.chain(settings).chain(shown));
    }
    table
}
