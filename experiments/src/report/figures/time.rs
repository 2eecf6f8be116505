//! Figures over time: of the network's, and of the machine's.

use serde_json::json;

use super::shared::{Source, finished, name_of};
use crate::report::figure::{Figure, line, rounded};
use crate::report::run::{OUTCOMES, Run, Ticks};

fn ticks(runs: &[Run]) -> impl Iterator<Item = (&Run, &Ticks)> {
    runs.iter()
        .filter_map(|run| Some((run, run.ticks.as_ref()?)))
}

/// Operations in flight.
pub fn in_flight(runs: &[Run]) -> Figure {
    let mut figure = Figure::new(
        "in-flight",
        "Operations in flight over time",
        "Of all networks and phases together: the mean over the time of each point. The query gives the number at the end of \
         each tick.",
    )
    .axes("time (s)", "operations in flight");
    for (run, ticks) in ticks(runs) {
        let width_ms = ticks.active.width_ms();
        let bins = ticks.active.bins();
        let points = bins.map(|(ms, &[active])| (ms / 1e3, active / width_ms));
        figure.trace(line(&name_of(runs, run, "in flight"), points));
    }
    figure.layout["yaxis"]["rangemode"] = "tozero".into();
    let Source { table, run } = Source::of(runs, "ticks");
    let over = match run {
        "" => "",
        _ => "PARTITION BY run ",
    };
    let query = format!(
        "SELECT {run}time_ms / 1000 AS seconds, sum(sum(change)) OVER ({over}ORDER BY time_ms) AS in_flight\n\
         FROM (SELECT *, active::BIGINT - lag(active, 1, 0) OVER (PARTITION BY {run}network, phase ORDER BY tick)::BIGINT AS change\n\
         FROM {table})\nGROUP BY {run}time_ms ORDER BY {run}time_ms"
    );
    finished(figure.query(query), runs, "ticks")
}

/// Connections by outcome.
pub fn connections(runs: &[Run]) -> Figure {
    let mut figure = Figure::new(
        "connections",
        "Connections over time, by outcome",
        "Connections made in a second, each counted when it is sent. A store is a connection too.",
    )
    .axes("time (s)", "connections per second");
    for (index, (run, ticks)) in ticks(runs).enumerate() {
        for (outcome, name) in OUTCOMES.iter().enumerate() {
            if ticks.outcomes.bins().all(|(_, bin)| bin[outcome] == 0.0) {
                continue;
            }
            let per_s = 1e3 / ticks.outcomes.width_ms();
            let points = ticks.outcomes.bins();
            let points = points.map(|(ms, bin)| (ms / 1e3, bin[outcome] * per_s));
            let mut trace = line(&name_of(runs, run, &name.replace('_', " ")), points);
            trace["stackgroup"] = format!("run {index}").into();
            trace["line"]["width"] = 0.5.into();
            figure.trace(trace);
        }
    }
    let Source { table, run } = Source::of(runs, "ticks");
    let late = match runs.iter().any(|run| run.experiment.has_living_columns()) {
        true => ", sum(late) AS late",
        false => "",
    };
    let query = format!(
        "SELECT {run}floor(time_ms / 1000) AS seconds, sum(ok) AS ok, sum(fast_error) AS fast_error,\n       \
         sum(slow_error) AS slow_error, sum(not_found) AS not_found{late}\n\
         FROM {table}\nGROUP BY {run}seconds ORDER BY {run}seconds"
    );
    finished(figure.query(query), runs, "ticks")
}

/// Wall time of the run by phase and part.
pub fn spent(runs: &[Run]) -> Figure {
    let caption = "Wall time on the machine that ran it, by phase and by part of a step.";
    let mut figure =
        Figure::new("spent", "Where the time of the run went", caption).axes("wall time (s)", "");
    let mut systems: Vec<&str> = Vec::new();
    for (_, system, _) in runs.iter().flat_map(|run| &run.spent) {
        if !systems.contains(&system.as_str()) {
            systems.push(system);
        }
    }
    for system in systems {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for run in runs {
            for (phase, _, ms) in run.spent.iter().filter(|(_, one, _)| one == system) {
                let parts = run
                    .spent
                    .iter()
                    .filter(|(one, other, _)| one == phase && other != "phase");
                let parts_ms: f64 = parts.map(|(.., ms)| ms).sum();
                // The whole of a phase stands beside its parts in the table.
                let ms = if system == "phase" {
                    (ms - parts_ms).max(0.0)
                } else {
                    *ms
                };
                x.push(rounded(ms / 1e3));
                y.push(name_of(runs, run, phase));
            }
        }
        let name = if system == "phase" {
            "rest of the phase"
        } else {
            system
        };
        figure.trace(json!({"type": "bar", "orientation": "h", "name": name, "x": x, "y": y}));
    }
    figure.layout["barmode"] = "stack".into();
    figure.layout["yaxis"]["autorange"] = "reversed".into();
    figure.layout["yaxis"]["automargin"] = true.into();
    let Source { table, run } = Source::of(runs, "timings");
    let query = format!(
        "SELECT {run}phase, system, sum(wall_ms) / 1000 AS seconds\n\
         FROM {table}\nGROUP BY {run}phase, system ORDER BY {run}seconds DESC"
    );
    finished(figure.query(query), runs, "timings")
}
