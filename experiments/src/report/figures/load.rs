//! Figures of load: how requests spread over the nodes.

use serde_json::json;

use super::shared::{Source, finished, name_of};
use crate::report::figure::{Figure, line, rounded};
use crate::report::run::{HOTTEST, KEY_PARTS, Load, Run};

/// Points of a curve by rank.
const RANKS: usize = 300;

fn loads(runs: &[Run]) -> impl Iterator<Item = (&Run, &Load)> {
    runs.iter()
        .filter_map(|run| Some((run, run.load.as_ref()?)))
}

/// Requests by rank of the node.
pub fn by_rank(runs: &[Run]) -> Figure {
    let caption = "Nodes ordered by the requests that they received in a phase, the busiest first. A flat curve is an even load.";
    let mut figure = Figure::new("load", "Requests that nodes receive, by rank", caption)
        .axes("rank of the node", "requests received")
        .logarithmic("xaxis")
        .logarithmic("yaxis");
    for (run, load) in loads(runs) {
        for (phase, tally, _) in &load.phases {
            let mut rank = 0u64;
            let mut points = Vec::new();
            for (contacts, count) in tally.counts().rev().filter(|&(contacts, _)| contacts > 0) {
                points.push(((rank + 1) as f64, contacts as f64));
                rank += count;
                points.push((rank as f64, contacts as f64));
            }
            let step = points.len().div_ceil(RANKS).max(1);
            if !points.is_empty() {
                let thin = points
                    .iter()
                    .copied()
                    .step_by(step)
                    .chain(points.last().copied());
                figure.trace(line(&name_of(runs, run, phase), thin));
            }
        }
    }
    let Source { table, run } = Source::of(runs, "nodes");
    let query = format!(
        "SELECT {run}phase, row_number() OVER (PARTITION BY {run}phase ORDER BY contacts DESC) AS rank, contacts\n\
         FROM {table}\nWHERE contacts > 0 ORDER BY {run}phase, rank"
    );
    finished(figure.query(query), runs, "nodes")
}

/// Requests over the key space.
pub fn over_keys(runs: &[Run]) -> Figure {
    let caption = format!(
        "The key space in {KEY_PARTS} equal parts. A part with more nodes, or with popular keys, receives more."
    );
    let mut figure = Figure::new("key-space", "Requests over the key space", caption).axes(
        "key, as a part of the key space",
        "requests received by its nodes",
    );
    for (run, load) in loads(runs) {
        for (phase, _, parts) in &load.phases {
            let middle = |part: usize| (part as f64 + 0.5) / KEY_PARTS as f64;
            let points = parts
                .iter()
                .enumerate()
                .map(|(part, sum)| (middle(part), *sum));
            let mut trace = line(&name_of(runs, run, phase), points);
            trace["line"]["shape"] = "hvh".into();
            figure.trace(trace);
        }
    }
    figure.layout["xaxis"]["range"] = json!([0, 1]);
    figure.layout["yaxis"]["rangemode"] = "tozero".into();
    let Source { table, run } = Source::of(runs, "nodes");
    let query = format!(
        "SELECT {run}phase, floor(key / 2.0^64 * {KEY_PARTS}) / {KEY_PARTS} AS part, sum(contacts) AS contacts\n\
         FROM {table}\nGROUP BY {run}phase, part ORDER BY {run}phase, part"
    );
    finished(figure.query(query), runs, "nodes")
}

/// The hottest nodes.
pub fn hottest(runs: &[Run]) -> Figure {
    let has_degrees =
        loads(runs).any(|(_, load)| load.hottest.iter().any(|hot| hot.in_degree.is_some()));
    let caption = match has_degrees {
        true => "The nodes with most requests in a phase, and how many routing tables name them.",
        false => {
            "The nodes with most requests in a phase. With `output.in_degree = true` they carry the number of routing tables \
             that name them."
        }
    };
    let mut figure = Figure::new("hottest", "The hottest nodes", caption)
        .axes("requests received in the phase", "node");
    for (run, load) in loads(runs) {
        let hot = load.hottest.iter().filter(|hot| hot.contacts > 0);
        let (mut x, mut y, mut text) = (Vec::new(), Vec::new(), Vec::new());
        for hot in hot {
            x.push(rounded(hot.contacts as f64));
            y.push(format!(
                "{}, network {}, {}",
                hot.node, hot.network, hot.phase
            ));
            text.push(
                hot.in_degree
                    .map_or(String::new(), |degree| format!("named by {degree} tables")),
            );
        }
        if !x.is_empty() {
            let name = name_of(runs, run, "requests");
            figure.trace(json!({"type": "bar", "orientation": "h", "name": name, "x": x, "y": y, "text": text}));
        }
    }
    figure.layout["yaxis"]["autorange"] = "reversed".into();
    figure.layout["yaxis"]["automargin"] = true.into();
    figure.layout["yaxis"]["type"] = "category".into();
    let degree = if has_degrees { ", in_degree" } else { "" };
    let Source { table, run } = Source::of(runs, "nodes");
    let first = match run {
        "" => format!("ORDER BY contacts DESC LIMIT {HOTTEST}"),
        _ => format!(
            "QUALIFY row_number() OVER (PARTITION BY run ORDER BY contacts DESC) <= {HOTTEST}\nORDER BY run, contacts DESC"
        ),
    };
    let query =
        format!("SELECT {run}node, network, phase, contacts{degree}\nFROM {table}\n{first}");
    finished(figure.query(query), runs, "nodes")
}
