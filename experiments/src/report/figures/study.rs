//! Figures of a study. The page draws a metric that the reader picks from the values of all cells; here are the figures
//! that need more than the summaries.

use serde_json::{Value, json};

use crate::report::figure::{Figure, line, rounded};
use crate::report::study::Study;

/// Returns the data from which the page draws metrics against axes: axes, metrics, and the settings and values of cells.
pub fn data(study: &Study) -> Value {
    let metrics = study.metrics();
    let number = |value: Option<&Value>| value.and_then(Value::as_f64).map(rounded);
    let cells: Vec<Value> = study
        .cells
        .iter()
        .map(|cell| {
            let values: Vec<Option<f64>> = metrics
                .iter()
                .map(|metric| number(cell.summary.get(metric)))
                .collect();
            let intervals: Vec<Option<f64>> = metrics
                .iter()
                .map(|metric| number(cell.summary.get(&format!("{metric}.networks.ci95"))))
                .collect();
            json!({"settings": cell.settings, "values": values, "intervals": intervals})
        })
        .collect();
    json!({"axes": study.axes, "metrics": metrics, "cells": cells, "first": first_metric(&metrics), "cost": cost(&metrics)})
}

/// Returns the metric that is shown first.
fn first_metric(metrics: &[String]) -> Option<&String> {
    let wanted = [".in_time", ".found.mean", ".duration_ms.p99"];
    let last = |end: &&str| metrics.iter().rev().find(|metric| metric.ends_with(*end));
    wanted.iter().find_map(last)
}

/// Returns the metric that is a cost at first.
fn cost(metrics: &[String]) -> Option<&String> {
    metrics
        .iter()
        .rev()
        .find(|metric| metric.ends_with(".attempts.mean"))
}

/// Overlaid distributions of durations.
pub fn durations(study: &Study) -> Figure {
    let caption = "One curve a cell and phase, by the time of the operation. Operations that did not end are left out.";
    let mut figure = Figure::new(
        "durations",
        "Distributions of durations, cell by cell",
        caption,
    )
    .axes("duration (s)", "share of operations at or below")
    .shares("yaxis");
    for cell in &study.cells {
        for (phase, tally) in cell
            .durations_us
            .iter()
            .filter(|(_, tally)| tally.total() > 0)
        {
            let points = tally.cumulative(tally.total()).into_iter();
            let step = (points.len() / 120).max(1);
            let points = points
                .step_by(step)
                .map(|(us, share)| (us as f64 / 1e6, share));
            figure.trace(line(
                &format!("{phase}, {}", cell.folder.replace('/', ", ")),
                points,
            ));
        }
    }
    figure.is_wide = true;
    // A legend of many cells scrolls beside the plot.
    figure.layout["legend"] = json!({"orientation": "v", "x": 1.02, "y": 1});
    if figure.data.is_empty() {
        figure.caption = super::shared::lacks("operations");
        return figure;
    }
    let path = study.path.display().to_string().replace('\'', "''");
    let axes: Vec<String> = study
        .axes
        .iter()
        .map(|axis| format!("\"{axis}\""))
        .collect();
    let axes = axes.join(", ");
    figure.query(format!(
        "SELECT {axes}, phase, duration_ms / 1000 AS seconds,\n       \
         cume_dist() OVER (PARTITION BY {axes}, phase ORDER BY duration_ms) AS share\n\
         FROM read_parquet('{path}/**/operations.parquet', hive_partitioning = true)\n\
         WHERE duration_ms IS NOT NULL ORDER BY {axes}, phase, seconds"
    ))
}

/// Returns the query for the metrics of all cells that meet a condition.
pub fn query(study: &Study, condition: &str) -> String {
    let path = study.path.join("study.parquet").display().to_string();
    let path = path.replace('\'', "''");
    format!("SELECT * FROM '{path}'\nWHERE metric {condition} ORDER BY cell, metric")
}
