//! Figures of maintenance: what nodes send to keep their routing tables and segments good, and what it buys.

use serde_json::{Value, json};

use super::metrics::query;
use super::shared::{Source, name_of};
use crate::report::figure::{Figure, line, rounded};
use crate::report::run::{PURPOSES, Run};
use crate::report::study::{Cell, Study};

/// Metrics of a phase that say whether its operations succeed: what the report calls them, and their keys.
const SUCCESSES: [(&str, &str); 2] = [("found", "found.mean"), ("recall", "recall.mean")];
/// Key behind the phase: connections of maintenance of a node in a second.
const COST: &str = "maintenance_per_node_s";

/// Returns the connections of maintenance over time, if a run has some.
pub fn by_purpose(runs: &[Run]) -> Option<Figure> {
    let mut figure = Figure::new(
        "maintenance",
        "Maintenance by purpose",
        "Connections of maintenance made in a second, each counted when it is sent. Checks are pings of entries and of nodes \
         that may become entries. The line is those that failed.",
    )
    .axes("time (s)", "connections per second");
    for (number, run) in runs.iter().enumerate() {
        let Some(ticks) = &run.ticks else { continue };
        let per_s = 1e3 / ticks.purposes.width_ms();
        for (index, (name, column)) in PURPOSES.iter().enumerate() {
            if ticks.purposes.bins().all(|(_, bin)| bin[index] == 0.0) {
                continue;
            }
            let points = ticks.purposes.bins();
            let points = points.map(|(ms, bin)| (ms / 1e3, bin[index] * per_s));
            let mut trace = line(&name_of(runs, run, name), points);
            // Failed connections are of all purposes, so they are no part of the sum.
            if *column != "maintenance_failed" {
                trace["stackgroup"] = format!("run {number}").into();
                trace["line"]["width"] = 0.5.into();
            }
            figure.trace(trace);
        }
    }
    if figure.data.is_empty() {
        return None;
    }
    let sums: Vec<String> = PURPOSES
        .iter()
        .map(|(_, column)| format!("sum(\"{column}\") AS \"{column}\""))
        .collect();
    let Source { table, run } = Source::of(runs, "ticks");
    Some(figure.query(format!(
        "SELECT {run}floor(time_ms / 1000) AS seconds,\n       {}\nFROM {table}\nGROUP BY {run}seconds ORDER BY {run}seconds",
        sums.join(", ")
    )))
}

/// Returns what maintenance buys in the cells of a study, if a cell has maintenance.
pub fn success(study: &Study) -> Option<Figure> {
    let mut figure = Figure::new(
        "success-maintenance",
        "Success against maintenance per node and second",
        "One point a cell. Success: the share of retrieves that found their segment, or the recall of lookups. Maintenance: \
         connections that a node makes in a second of the time that it is online, operations of the phase left out.",
    )
    .axes("connections of maintenance per node and second", "success")
    .shares("yaxis");
    for phase in phases(study) {
        for (name, behind) in SUCCESSES {
            let points: Vec<(f64, f64, &str)> = study
                .cells
                .iter()
                .filter_map(|cell| {
                    let number = |behind| number(cell, phase, behind);
                    Some((number(COST)?, number(behind)?, cell.folder.as_str()))
                })
                .collect();
            if !points.is_empty() {
                figure.trace(json!({
                    "type": "scatter", "mode": "markers", "name": format!("{name}, {phase}"),
                    "x": points.iter().map(|(x, ..)| rounded(*x)).collect::<Vec<_>>(),
                    "y": points.iter().map(|(_, y, _)| rounded(*y)).collect::<Vec<_>>(),
                    "text": points.iter().map(|(.., cell)| cell.replace('/', ", ")).collect::<Vec<_>>(),
                }));
            }
        }
    }
    figure.layout["yaxis"]["rangemode"] = "normal".into();
    let condition =
        format!("LIKE '%.{COST}' OR metric LIKE '%.found.mean' OR metric LIKE '%.recall.mean'");
    (!figure.data.is_empty()).then(|| figure.query(query(study, &condition)))
}

/// Returns the phases with maintenance in some cell, in order.
fn phases(study: &Study) -> Vec<&str> {
    let mut phases: Vec<&str> = Vec::new();
    for (metric, value) in study.cells.iter().flat_map(|cell| &cell.summary) {
        let phase = metric
            .strip_suffix(COST)
            .and_then(|rest| rest.strip_suffix('.'));
        let is_some = value.as_f64().is_some_and(|cost| cost > 0.0);
        phases.extend(phase.filter(|phase| is_some && !phases.contains(phase)));
    }
    phases.sort_unstable();
    phases
}

fn number(cell: &Cell, phase: &str, behind: &str) -> Option<f64> {
    let value = cell.summary.get(&format!("{phase}.{behind}"));
    value.and_then(Value::as_f64)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use kadsim_engine::record::{RunInfo, TickRow, TickTable};

    use crate::report::study::Axis;

    use super::*;

    fn cell(folder: &str, summary: Value) -> Cell {
        Cell {
            folder: folder.to_owned(),
            settings: Vec::new(),
            summary: summary.as_object().unwrap().clone(),
            durations: Vec::new(),
        }
    }

    fn study(cells: Vec<Cell>) -> Study {
        Study {
            path: PathBuf::from("out/upkeep"),
            axes: vec![Axis {
                name: "case".to_owned(),
                values: Vec::new(),
                is_numeric: false,
            }],
            cells,
            unfinished: Vec::new(),
        }
    }

    #[test]
    fn success_is_drawn_where_there_is_maintenance() {
        let without =
            json!({"a.maintenance_per_node_s": 0.0, "a.recall.mean": 0.9, "a.found.mean": null});
        assert!(success(&study(vec![cell("case=none", without.clone())])).is_none());
        let with = json!({"a.maintenance_per_node_s": 0.5, "a.recall.mean": 0.99, "a.found.mean": null,
                          "b.maintenance_per_node_s": 0.25, "b.recall.mean": null, "b.found.mean": 0.75});
        let study = study(vec![
            cell("case=none", without),
            cell("case=kademlia", with),
        ]);
        let figure = success(&study).unwrap();
        let traces: Vec<_> = figure
            .data
            .iter()
            .map(|trace| (&trace["name"], &trace["x"], &trace["y"], &trace["text"]))
            .collect();
        let recall = (
            &json!("recall, a"),
            &json!([0.0, 0.5]),
            &json!([0.9, 0.99]),
            &json!(["case=none", "case=kademlia"]),
        );
        let found = (
            &json!("found, b"),
            &json!([0.25]),
            &json!([0.75]),
            &json!(["case=kademlia"]),
        );
        assert_eq!(traces, [recall, found]);
        assert!(figure.query.contains("out/upkeep/**/summary.parquet"));
    }

    /// Reads a run with these rows of the table of ticks, each of a second.
    fn run(rows: &[TickRow]) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let resolved = "schema = 1\nname = \"upkeep\"\nseed = 1\nnetwork.nodes = 10\n\
                        clock.tick_ms = 1000\nphase = [{ name = \"a\", kind = \"lookup\", count = 1 }]\n";
        fs::write(folder.path().join("resolved.toml"), resolved).unwrap();
        let info = RunInfo {
            experiment: "upkeep".to_owned(),
            seed: 1,
            version: "0".to_owned(),
            living: true,
        };
        let path = folder.path().join("ticks.parquet");
        let mut table = TickTable::create(&path, &info, &["a".to_owned()]).unwrap();
        rows.iter().for_each(|row| table.push(row).unwrap());
        table.finish(true).unwrap();
        Run::read(folder.path(), "upkeep".to_owned(), false).unwrap()
    }

    #[test]
    fn maintenance_is_drawn_by_purpose() {
        let row = |second: u64, refresh, join| TickRow {
            time_us: second * 1_000_000,
            maintenance_connections: refresh + join,
            maintenance_failed: 1,
            refresh,
            join,
            ..TickRow::default()
        };
        let figure = by_purpose(&[run(&[row(0, 3, 1), row(1, 5, 0)])]).unwrap();
        let of = |name: &str| figure.data.iter().find(|trace| trace["name"] == name);
        let (refresh, join, failed) = (of("refresh"), of("join"), of("failed, of all"));
        assert_eq!(refresh.unwrap()["y"], json!([3.0, 5.0]));
        assert_eq!(join.unwrap()["y"], json!([1.0, 0.0]));
        assert_eq!(refresh.unwrap()["stackgroup"], join.unwrap()["stackgroup"]);
        assert_eq!(failed.unwrap()["y"], json!([1.0, 1.0]));
        assert!(failed.unwrap()["stackgroup"].is_null());
        assert!(of("check").is_none() && of("republish").is_none());
        assert!(by_purpose(&[run(&[TickRow::default()])]).is_none());
    }
}
