//! Figures of operations: when they succeed, what they cost, and how right they are.

use serde_json::{Value, json};

use super::shared::{name_of, table, unless_lacking};
use crate::report::figure::{Figure, line, rounded};
use crate::report::run::{Phase, Run};
use crate::report::tally::Tally;

/// Most bars of a distribution; wider values share the last one.
const BARS_MAX: u64 = 100;

fn phases(runs: &[Run]) -> impl Iterator<Item = (&Run, &Phase)> {
    let all = runs
        .iter()
        .flat_map(|run| run.phases.iter().map(move |phase| (run, phase)));
    all.filter(|(_, phase)| phase.operations > 0)
}

/// Ends a figure of the table of operations: says why it is empty.
fn finished(figure: Figure, runs: &[Run]) -> Figure {
    let mut figure = unless_lacking(figure, "operations");
    if figure.data.is_empty() && runs.iter().any(|run| run.has_operations) {
        figure.caption = "Not drawn: no operation has such a value.".to_owned();
    }
    figure
}

/// Share of operations that have succeeded, by time since they were due.
pub fn succeeded(runs: &[Run]) -> Figure {
    let title = "Share of operations that have succeeded, by time since they were due";
    let caption = "An operation succeeds when a retrieve has its segment, a provide has stored it, or a lookup has ended. \
                   A retrieve that misses never succeeds, so a curve ends at the share found. Dotted lines are deadlines.";
    let mut figure = Figure::new("succeeded", title, caption)
        .axes("time since due (s)", "share of operations")
        .shares("yaxis");
    let mut deadlines = Vec::new();
    for (run, phase) in phases(runs) {
        let points = phase.since_due_us.cumulative(phase.operations);
        let points = points
            .into_iter()
            .map(|(us, share)| (us as f64 / 1e6, share));
        let points = std::iter::once((0.0, 0.0)).chain(points);
        figure.trace(line(&name_of(runs, run, &phase.name), points));
        for ms in run.deadlines_ms(&phase.name) {
            let label = (ms / 1e3, format!("{} s", ms / 1e3));
            if !deadlines.contains(&label) {
                deadlines.push(label);
            }
        }
    }
    let query = format!(
        "SELECT phase, (end_ms - due_ms) / 1000 AS seconds,\n       \
         row_number() OVER (PARTITION BY phase ORDER BY end_ms - due_ms) / total AS share\n\
         FROM (SELECT *, count(*) OVER (PARTITION BY phase) AS total FROM {})\n\
         WHERE duration_ms IS NOT NULL AND (kind = 'lookup' OR found OR stored > 0)\nORDER BY phase, seconds",
        table(runs, "operations")
    );
    finished(figure.lines(deadlines).query(query), runs)
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
    let query = format!(
        "SELECT phase, {column}, count(*) / sum(count(*)) OVER (PARTITION BY phase) AS share\n\
         FROM {}\n{condition}GROUP BY phase, {column} ORDER BY phase, {column}",
        table(runs, "operations")
    );
    finished(figure.query(query), runs)
}

/// Contacts that operations send.
pub fn contacts(runs: &[Run]) -> Figure {
    let caption = format!(
        "All contacts of an operation, failed ones included. The last bar holds those of {BARS_MAX} and more."
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
            let points = phase.recall.cumulative(total).into_iter();
            let points = points.map(|(thousandths, share)| (thousandths as f64 / 1e3, share));
            let points = std::iter::once((0.0, 0.0)).chain(points);
            let mut trace = line(&name_of(runs, run, &phase.name), points);
            trace["line"]["shape"] = "hv".into();
            trace["mode"] = "lines+markers".into();
            trace["marker"]["size"] = 4.into();
            figure.trace(trace);
        }
    }
    figure.layout["xaxis"]["range"] = json!([0, 1.02]);
    let query = format!(
        "SELECT phase, recall, cume_dist() OVER (PARTITION BY phase ORDER BY recall) AS share\n\
         FROM {}\nWHERE recall IS NOT NULL ORDER BY phase, recall",
        table(runs, "operations")
    );
    finished(figure.query(query), runs)
}
