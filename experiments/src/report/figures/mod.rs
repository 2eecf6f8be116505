//! The figures of a report, one file a group.

mod living;
mod load;
mod operations;
mod sampling;
pub mod study;
mod time;

use super::figure::Figure;
use super::run::Run;

/// Returns the figures of runs, which are overlaid.
pub fn of_runs(runs: &[Run]) -> Vec<Figure> {
    let mut figures = vec![
        operations::succeeded(runs),
        time::in_flight(runs),
        time::connections(runs),
        operations::contacts(runs),
        operations::depth(runs),
        load::by_rank(runs),
        load::over_keys(runs),
        load::hottest(runs),
        operations::recall(runs),
        time::spent(runs),
    ];
    figures.extend(sampling::figures(runs));
    figures.extend(living::figures(runs));
    // Figures that could not be drawn come last.
    figures.sort_by_key(|figure| figure.data.is_empty());
    figures
}

/// Returns the name of a trace: what it is of and, if there are several runs, which.
fn name_of(runs: &[Run], run: &Run, what: &str) -> String {
    match runs.len() {
        1 => what.to_owned(),
        _ => format!("{what}, {}", run.label),
    }
}

/// Returns the path of a table as a literal of SQL; of several runs, of the first.
fn table(runs: &[Run], name: &str) -> String {
    let path = runs[0].path.join(format!("{name}.parquet"));
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

/// Returns a caption for a figure whose table is missing.
fn lacks(table: &str) -> String {
    format!(
        "Not drawn: there is no table `{table}`. Name it in `output.tables` of the experiment file."
    )
}
