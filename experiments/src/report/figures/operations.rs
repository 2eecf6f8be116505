//! Figures of operations: when they succeed, what they cost, and how right they are.

use serde_json::{Value, json};

use super::shared::{Source, finished, name_of};
use crate::report::figure::{Figure, rounded, steps};
use crate::report::run::{Phase, Run};
use crate::report::tally::{POINTS_MAX, Tally};

/// Most bars of a distribution; wider values share the last one.
const BARS_MAX: u64 = 100;

fn phases(runs: &[Run]) -> impl Iterator<Item = (&Run, &Phase)> {
    let all = runs
        .iter()
        .flat_map(|run| run.phases.iter().map(move |phase| (run, phase)));
    all.filter(|(_, phase)| phase.operations > 0)
}

/// Share of operations that have succeeded, by time since they were due.
pub fn succeeded(runs: &[Run]) -> Figure {
    let title = "Share of operations that have succeeded, by time since they were due";
    let caption = "An operation succeeds when a retrieve has its segment, a provide has stored it, or a lookup has ended with a result. \
                   A retrieve that misses never succeeds, so a curve ends at the share found. Dotted lines are deadlines.";
    let mut figure = Figure::new("succeeded", title, caption)
        .axes("time since due (s)", "share of operations")
        .shares("yaxis");
    let mut deadlines = Vec::new();
    for (run, phase) in phases(runs) {
        let points = phase.since_due_us.cumulative(phase.operations, POINTS_MAX);
        let points = points
            .into_iter()
            .map(|(us, share)| (us as f64 / 1e6, share));
        let points = std::iter::once((0.0, 0.0)).chain(points);
        figure.trace(steps(&name_of(runs, run, &phase.name), points));
        for s in run.deadlines_s(phase) {
            let label = (s, format!("{s} s"));
            if !deadlines.contains(&label) {
                deadlines.push(label);
            }
        }
    }
    let Source { table, run } = Source::of(runs, "operations");
    let is_living = runs.iter().any(|run| run.experiment.has_living_columns());
    let lookup = match is_living {
        true => "kind = 'lookup' AND coalesce(ended, 'done') = 'done'",
        false => "kind = 'lookup'",
    };
    let query = format!(
        "SELECT {run}phase, (end_ms - due_ms) / 1000 AS seconds,\n       \
         row_number() OVER (PARTITION BY {run}phase ORDER BY end_ms - due_ms) / total AS share\n\
         FROM (SELECT *, count(*) OVER (PARTITION BY {run}phase) AS total\nFROM {table})\n\
         WHERE duration_ms IS NOT NULL AND ({lookup} OR found OR stored > 0)\nORDER BY {run}phase, seconds"
    );
    finished(figure.lines(deadlines).query(query), runs, "operations")
}

/// Returns bars of the share of operations by a whole number.
fn bars(name: &str, tally: &Tally) -> Value {
    let mut shares = std::collections::BTreeMap::<u64, u64>::new();
    for (value, count) in tally.counts() {
        *shares.entry(value.min(BARS_MAX)).or_default() += count;
    }
    let total = tally.total().max(1) as f64;
    let (x, y): (Vec<u64>, Vec<f64>) = shares
        .into_iter()
        .map(|(value, count)| (value, rounded(count as f64 / total)))
        .unzip();
    json!({"type": "bar", "name": name, "x": x, "y": y})
}

/// Draws the distribution of a column over the operations that meet a condition.
fn distribution(
    runs: &[Run],
    figure: Figure,
    column: &str,
    condition: &str,
    of: impl Fn(&Phase) -> &Tally,
) -> Figure {
    let mut figure = figure.shares("yaxis");
    for (run, phase) in phases(runs) {
        if of(phase).total() > 0 {
            figure.trace(bars(&name_of(runs, run, &phase.name), of(phase)));
        }
    }
    let Source { table, run } = Source::of(runs, "operations");
    let query = format!(
        "SELECT {run}phase, {column}, count(*) / sum(count(*)) OVER (PARTITION BY {run}phase) AS share\n\
         FROM {table}\n{condition}GROUP BY {run}phase, {column} ORDER BY {run}phase, {column}"
    );
    finished(figure.query(query), runs, "operations")
}

/// Contacts that operations send.
pub fn contacts(runs: &[Run]) -> Figure {
    let caption = format!(
        "Contacts of an operation, failed ones included and stores left out. The last bar holds those of {BARS_MAX} and more."
    );
    let figure = Figure::new("contacts", "Contacts that operations send", caption)
        .axes("contacts of an operation", "share of operations");
    distribution(runs, figure, "attempts", "", |phase| &phase.attempts)
}

/// Depth of operations.
pub fn depth(runs: &[Run]) -> Figure {
    let caption = "How far from the origin's own table the nearest node, or the node with the value, was found: 1 is a node \
                   that the table named.";
    let figure = Figure::new("depth", "Depth at which operations end", caption)
        .axes("depth", "share of operations");
    let ended = "WHERE duration_ms IS NOT NULL ";
    distribution(runs, figure, "depth", ended, |phase| &phase.depth)
}

/// Recall of results.
pub fn recall(runs: &[Run]) -> Figure {
    let caption = "Recall is the share of the beta closest nodes of the network that a result names. A curve that rises late \
                   is that of good results. Retrieves have a recall only when they miss.";
    let mut figure = Figure::new("recall", "Share of results up to a recall", caption)
        .axes("recall", "share of results at or below")
        .shares("yaxis");
    for (run, phase) in phases(runs) {
        let total = phase.recall.total();
        if total > 0 {
            let points = phase.recall.cumulative(total, POINTS_MAX).into_iter();
            let points = points.map(|(thousandths, share)| (thousandths as f64 / 1e3, share));
            let points = std::iter::once((0.0, 0.0)).chain(points);
            let mut trace = steps(&name_of(runs, run, &phase.name), points);
            trace["mode"] = "lines+markers".into();
            trace["marker"]["size"] = 4.into();
            figure.trace(trace);
        }
    }
    figure.layout["xaxis"]["range"] = json!([0, 1.02]);
    let Source { table, run } = Source::of(runs, "operations");
    let query = format!(
        "SELECT {run}phase, recall, cume_dist() OVER (PARTITION BY {run}phase ORDER BY recall) AS share\n\
         FROM {table}\nWHERE recall IS NOT NULL ORDER BY {run}phase, recall"
    );
    finished(figure.query(query), runs, "operations")
}
