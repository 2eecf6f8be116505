//! Reports of studies, against the tables of the study and of its cells.

use std::collections::BTreeMap;

use super::{assert_close, assert_cumulative, figures, numbers, rows_of, trace};
use crate::cli::closing::study;
use crate::cli::report::of_study;
use crate::support::Dir;

/// A value of a metric in the means of a study, with half the width of its interval.
type Mean = (Option<f64>, Option<f64>);

/// Returns the means of a study by settings and metric.
fn means(dir: &Dir, axes: &[&str]) -> BTreeMap<(Vec<String>, String), Mean> {
    let table = dir.table("out/grid/study.parquet");
    let settings: Vec<Vec<String>> = axes.iter().map(|axis| table.words(axis)).collect();
    let (mean, ci95) = (table.numbers("mean"), table.numbers("ci95"));
    let metrics = table.words("metric").into_iter().enumerate();
    metrics
        .map(|(row, metric)| {
            let of = settings.iter().map(|axis| axis[row].clone()).collect();
            ((of, metric), (mean[row], ci95[row]))
        })
        .collect()
}

#[test]
fn what_is_shown_of_a_study_is_what_its_tables_have() {
    let dir = Dir::new();
    study(
        &dir,
        "\"lookup.alpha\" = [3, 1]\n\"network.nodes\" = [200, 300]\n\"phase.getting.draw\" = [\"distinct\", \"independent\"]\n",
    );
    dir.kadsim(&["run", "grid.toml", "--quiet", "--set", "networks=3"])
        .ends(0);
    dir.kadsim(&["report", "out/grid"]).ends(0);
    let page = dir.read("report.html");
    let (figures, data) = (figures(&page), of_study(&page));
    let axes = ["lookup.alpha", "network.nodes", "phase.getting.draw"];
    let means = means(&dir, &axes);
    let metrics: Vec<&str> = data["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    assert!(metrics.len() > 50);
    let mut compared = 0;
    for cell in data["cells"].as_array().unwrap() {
        let settings: Vec<String> = serde_json::from_value(cell["settings"].clone()).unwrap();
        for (index, metric) in metrics.iter().enumerate() {
            let Some((mean, ci95)) = means.get(&(settings.clone(), (*metric).to_owned())) else {
                continue;
            };
            for (shown, expected) in [
                (&cell["values"][index], mean),
                (&cell["intervals"][index], ci95),
            ] {
                match (shown.as_f64(), expected) {
                    (Some(shown), Some(expected)) => assert_close(shown, *expected, metric),
                    (shown, expected) => assert_eq!(shown, *expected, "{metric}"),
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 8 * 50, "{compared}");

    // The first picks: the share found against alpha, a line for each number of nodes, a panel for each draw.
    let found = "getting.found.mean".to_owned();
    let at = |alpha: &str, nodes: &str, draw: &str| {
        let settings = [alpha, nodes, draw].map(str::to_owned).to_vec();
        means[&(settings, found.clone())]
    };
    let traces = figures["multiples"]["data"].as_array().unwrap();
    let mut index = 0;
    for draw in ["distinct", "independent"] {
        for nodes in ["200", "300"] {
            assert_eq!(traces[index]["name"], format!("network.nodes = {nodes}"));
            assert_eq!(traces[index]["x"], serde_json::json!([1.0, 3.0]));
            for (point, alpha) in ["1", "3"].into_iter().enumerate() {
                let (mean, ci95) = at(alpha, nodes, draw);
                assert_close(
                    traces[index]["y"][point].as_f64().unwrap(),
                    mean.unwrap(),
                    "multiples",
                );
                let shown = traces[index]["error_y"]["array"][point].as_f64().unwrap();
                assert_close(shown, ci95.unwrap(), "intervals");
            }
            index += 1;
        }
    }
    assert_eq!(traces.len(), index);
    for (row, nodes) in ["200", "300"].into_iter().enumerate() {
        for (column, alpha) in ["1", "3"].into_iter().enumerate() {
            let both = ["distinct", "independent"].map(|draw| at(alpha, nodes, draw).0.unwrap());
            let shown = figures["heat"]["data"][0]["z"][row][column]
                .as_f64()
                .unwrap();
            assert_close(shown, (both[0] + both[1]) / 2.0, "map");
        }
    }
    // The front: cells sorted by cost of which each has a larger benefit than all before.
    let mut cells: Vec<(f64, f64)> = means
        .iter()
        .filter(|((_, metric), _)| metric == "getting.attempts.mean")
        .map(|((settings, _), cost)| {
            (
                cost.0.unwrap(),
                means[&(settings.clone(), found.clone())].0.unwrap(),
            )
        })
        .collect();
    cells.sort_by(|one, other| one.0.total_cmp(&other.0).then(other.1.total_cmp(&one.1)));
    let mut best: Vec<(f64, f64)> = Vec::new();
    for cell in cells {
        if best.last().is_none_or(|last| cell.1 > last.1) {
            best.push(cell);
        }
    }
    let shown = trace(&figures["front"], "no cell is better in both");
    assert_eq!(numbers(&shown["x"]).len(), best.len());
    for ((x, y), (cost, benefit)) in numbers(&shown["x"])
        .into_iter()
        .zip(numbers(&shown["y"]))
        .zip(best)
    {
        assert_close(x, cost, "cost");
        assert_close(y, benefit, "benefit");
    }

    let curves = figures["durations"]["data"].as_array().unwrap();
    assert_eq!(curves.len(), 8 * 2);
    for curve in curves {
        let (phase, cell) = curve["name"].as_str().unwrap().split_once(", ").unwrap();
        let folder = cell.replace(", ", "/");
        let table = dir.table(&format!("out/grid/{folder}/operations.parquet"));
        let duration_ms = table.values("duration_ms");
        let rows = rows_of(&table, "phase", phase);
        let values: Vec<f64> = rows.iter().map(|&row| duration_ms[row] / 1e3).collect();
        let count = values.len();
        assert_cumulative(curve, values, count, cell);
    }
}
