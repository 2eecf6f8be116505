//! What the figures of runs share: names of traces, tables in queries, and words for what is not drawn.

use std::path::Path;

use crate::report::figure::Figure;
use crate::report::run::{Run, State};

/// Returns the name of a trace: what it is of and, if there are several runs, which.
pub(super) fn name_of(runs: &[Run], run: &Run, what: &str) -> String {
    match runs.len() {
        1 => what.to_owned(),
        _ => format!("{what}, {}", run.label),
    }
}

/// A table of one or several runs, as a query of DuckDB reads it.
pub(super) struct Source {
    /// What stands behind FROM.
    pub table: String,
    /// The column that names the run, with the comma behind it; empty if there is one run.
    pub run: &'static str,
}

impl Source {
    /// Returns a table of all runs that have it whole. Runs whose table breaks off cannot be queried.
    pub(super) fn of(runs: &[Run], table: &str) -> Self {
        if let [run] = runs {
            let table = text(&run.table(table));
            return Self { table, run: "" };
        }
        let whole = runs
            .iter()
            .filter(|run| run.state(table) == State::Whole)
            .map(|run| {
                let label = literal(&run.label);
                format!("SELECT {label} AS run, * FROM {}", text(&run.table(table)))
            });
        let all: Vec<String> = whole.collect();
        Self {
            table: format!("({})", all.join("\n      UNION ALL BY NAME ")),
            run: "run, ",
        }
    }
}

/// Returns a path as a literal of SQL.
pub(super) fn text(path: &Path) -> String {
    literal(&path.display().to_string())
}

/// Returns a text as a literal of SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns a caption for a figure whose table is missing.
pub(super) fn lacks(table: &str) -> String {
    match table {
        "timings" => "Not drawn: there is no table `timings`.".to_owned(),
        _ => format!(
            "Not drawn: there is no table `{table}`. Name it in `output.tables` of the experiment file."
        ),
    }
}

/// Ends a figure of a table. If it has no traces, its caption says why; if no table is whole, it has no query.
pub(super) fn finished(mut figure: Figure, runs: &[Run], table: &str) -> Figure {
    let has = |state: State| runs.iter().any(|run| run.state(table) == state);
    if !has(State::Whole) {
        figure.query.clear();
    }
    if figure.data.is_empty() {
        figure.query.clear();
        figure.caption = match () {
            () if has(State::Whole) => {
                format!("Not drawn: the table `{table}` has no such value.")
            }
            () if has(State::Broken) => {
                format!(
                    "Not drawn: the table `{table}` breaks off, because the run did not close it."
                )
            }
            () => lacks(table),
        };
    }
    figure
}
