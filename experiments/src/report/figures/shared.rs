//! What the figures of runs share: names of traces, paths in queries, and words for what is not drawn.

use crate::report::figure::Figure;
use crate::report::run::Run;

/// Returns the name of a trace: what it is of and, if there are several runs, which.
pub(super) fn name_of(runs: &[Run], run: &Run, what: &str) -> String {
    match runs.len() {
        1 => what.to_owned(),
        _ => format!("{what}, {}", run.label),
    }
}

/// Returns the path of a table as a literal of SQL; of several runs, of the first.
pub(super) fn table(runs: &[Run], name: &str) -> String {
    let path = runs[0].path.join(format!("{name}.parquet"));
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

/// Returns a caption for a figure whose table is missing.
pub(super) fn lacks(table: &str) -> String {
    format!(
        "Not drawn: there is no table `{table}`. Name it in `output.tables` of the experiment file."
    )
}

/// Returns a figure of a table. If it has no traces, the table is missing, which its caption says instead.
pub(super) fn unless_lacking(mut figure: Figure, table: &str) -> Figure {
    if figure.data.is_empty() {
        figure.query.clear();
        figure.caption = lacks(table);
    }
    figure
}
