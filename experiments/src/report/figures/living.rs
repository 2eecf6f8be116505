//! Figures of living runs: who is online, and how good routing tables are.

use super::shared::{Source, finished, name_of};
use crate::report::figure::{Figure, line};
use crate::report::run::Run;

/// Returns the figures, if a run has the columns of living runs.
pub fn figures(runs: &[Run]) -> Vec<Figure> {
    if !runs
        .iter()
        .any(|run| run.ticks.as_ref().is_some_and(|ticks| ticks.is_living))
    {
        return Vec::new();
    }
    let online = Figure::new(
        "online",
        "Nodes online over time",
        "Of a network: the mean over the ticks of each point.",
    )
    .axes("time (s)", "nodes online");
    let stale = Figure::new(
        "stale",
        "Stale and missing entries over time",
        "Stale: entries whose node is offline or a client, of all entries. Missing: what tables lack of what full knowledge \
         of the online servers would give. Counted on a sample of the nodes.",
    )
    .axes("time (s)", "share of entries")
    .shares("yaxis");
    let entries = Figure::new(
        "entries",
        "Entries of routing tables over time",
        "Mean over the sample's online nodes.",
    )
    .axes("time (s)", "entries of a table");
    let Source { table, run } = Source::of(runs, "ticks");
    let of = |columns: &str, condition: &str| {
        format!(
            "SELECT {run}time_ms / 1000 AS seconds, {columns}\nFROM {table}\n{condition}GROUP BY {run}time_ms ORDER BY {run}time_ms"
        )
    };
    let counted = "WHERE entries IS NOT NULL ";
    let mut figures = vec![
        (
            online.query(of("avg(online) AS online", "")),
            vec![(0, "online")],
        ),
        (
            stale.query(of("avg(stale) AS stale, avg(missing) AS missing", counted)),
            vec![(1, "stale"), (2, "missing")],
        ),
        (
            entries.query(of("avg(entries) AS entries", counted)),
            vec![(3, "entries")],
        ),
    ];
    for run in runs {
        let Some(ticks) = &run.ticks else { continue };
        for (figure, columns) in &mut figures {
            for &(index, name) in &*columns {
                let bins = ticks.living.bins().filter(|(_, bin)| bin[index + 4] > 0.0);
                let points = bins.map(|(ms, bin)| (ms / 1e3, bin[index] / bin[index + 4]));
                figure.trace(line(&name_of(runs, run, name), points));
            }
        }
    }
    let figures = figures.into_iter();
    figures
        .map(|(figure, _)| finished(figure, runs, "ticks"))
        .collect()
}
