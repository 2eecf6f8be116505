//! The figures of a report, one file a group.

mod living;
mod load;
mod maintenance;
pub mod metrics;
mod operations;
mod sampling;
mod shared;
mod study;
mod time;

use super::figure::Figure;
use super::run::Run;
use super::study::Study;
use metrics::Pick;

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
    figures.extend(maintenance::by_purpose(runs));
    let mut figures: Vec<Figure> = figures.into_iter().map(Figure::told_apart).collect();
    // Figures that could not be drawn come last.
    figures.sort_by_key(|figure| figure.data.is_empty());
    figures
}

/// Returns the figures of a study.
pub fn of_study(study: &Study, pick: Option<&Pick>) -> Vec<Figure> {
    let of_metrics = pick.map(|pick| pick.figures(study));
    let mut figures: Vec<Figure> = of_metrics.into_iter().flatten().collect();
    figures.push(study::durations(study));
    figures.extend(maintenance::success(study));
    figures
}
