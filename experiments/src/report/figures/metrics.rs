//! Figures of a study's metrics as the page first shows them. `page/script.js` draws them anew when the reader picks
//! another metric or axis; `tests/browser/check.py` compares both.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::shared::{literal, text};
use crate::report::figure::{DASHES, Figure, PALETTE, TRACES_MAX, vary};
use crate::report::study::{Axis, Cell, Study, number};

/// Most panels of small multiples.
pub const PANELS_MAX: usize = 12;

/// What the page shows first. Axes and metrics are indices.
pub struct Pick {
    /// The metrics of the study.
    pub metrics: Vec<String>,
    /// The metric against an axis, and in the map.
    pub metric: usize,
    /// The axis across.
    pub axis: usize,
    /// The axis of lines, and of rows of the map.
    pub lines: Option<usize>,
    /// The axis of panels.
    pub columns: Option<usize>,
    /// The metric that is a cost.
    pub cost: usize,
    /// The metric that is a benefit.
    pub benefit: usize,
    /// Whether a smaller benefit is better.
    pub is_less_better: bool,
}

/// Parts of the names of metrics of which less is better.
const COSTS: [&str; 10] = [
    "duration",
    "attempts",
    "failed",
    "depth",
    "contacts",
    "abandoned",
    "late",
    "stale",
    "missing",
    "cut_off",
];

impl Pick {
    /// Picks what the page shows first; `None` if the study has no metric or no axis.
    pub fn of(study: &Study) -> Option<Self> {
        let metrics = study.metrics();
        if metrics.is_empty() || study.axes.is_empty() {
            return None;
        }
        let last = |end: &str| metrics.iter().rposition(|metric| metric.ends_with(end));
        let wanted = [".in_time", ".found.mean", ".duration_ms.p99"];
        let metric = wanted.into_iter().find_map(last).unwrap_or(0);
        let axis = |index: usize| (index < study.axes.len()).then_some(index);
        // The cost of the operations that have the benefit, if they have one.
        let phase = metrics[metric].split('.').next().unwrap_or_default();
        let cost = last(&format!("{phase}.attempts.mean")).or_else(|| last(".attempts.mean"));
        Some(Self {
            metric,
            axis: 0,
            lines: axis(1),
            columns: axis(2),
            cost: cost.unwrap_or(0),
            benefit: metric,
            is_less_better: COSTS.iter().any(|cost| metrics[metric].contains(cost)),
            metrics,
        })
    }

    /// Returns the data from which the page draws: axes, metrics, settings and values of cells, and the picks.
    pub fn data(&self, study: &Study) -> Value {
        let of = |cell: &Cell, value: fn(&Cell, &str) -> Option<f64>| -> Vec<Option<f64>> {
            let metrics = self.metrics.iter();
            metrics.map(|metric| value(cell, metric)).collect()
        };
        let cells: Vec<Value> = study
            .cells
            .iter()
            .map(|cell| {
                json!({
                    "settings": cell.settings, "values": of(cell, Cell::value),
                    "intervals": of(cell, Cell::interval),
                })
            })
            .collect();
        let axes: Vec<Value> = study
            .axes
            .iter()
            .map(|axis| json!({"name": axis.name, "values": axis.values, "isNumeric": axis.is_numeric}))
            .collect();
        let or_none = |index: Option<usize>| index.map_or(-1, |index| index as i64);
        json!({
            "axes": axes, "metrics": self.metrics, "cells": cells,
            "linesMax": TRACES_MAX, "panelsMax": PANELS_MAX, "dashes": DASHES, "costs": COSTS,
            "pick": {
                "metric": self.metric, "axis": self.axis, "lines": or_none(self.lines), "columns": or_none(self.columns),
                "cost": self.cost, "benefit": self.benefit, "better": if self.is_less_better { "less" } else { "more" },
            },
        })
    }

    /// Returns the figures of the pick.
    pub fn figures(&self, study: &Study) -> [Figure; 3] {
        [self.multiples(study), self.map(study), self.front(study)]
    }

    /// A metric against a swept key, in small multiples.
    fn multiples(&self, study: &Study) -> Figure {
        let caption = format!(
            "Bars are 95 % confidence intervals over the networks of a cell. Swept keys that are not drawn are averaged over. At \
             most {TRACES_MAX} lines and {PANELS_MAX} panels are drawn, those of the first values."
        );
        let mut figure = Figure::new("multiples", "A metric against a swept key", caption);
        let (across, metric) = (&study.axes[self.axis], &self.metrics[self.metric]);
        let panels = values(study, self.columns, PANELS_MAX);
        let mut notes = Vec::new();
        // Lines that the legend names: each once, in the first panel that has it.
        let mut named = HashSet::new();
        figure.layout["grid"] =
            json!({"rows": 1, "columns": panels.len(), "pattern": "independent"});
        for (at, panel) in panels.iter().enumerate() {
            let suffix = match at {
                0 => String::new(),
                _ => (at + 1).to_string(),
            };
            for (index, group) in values(study, self.lines, TRACES_MAX).iter().enumerate() {
                let Some(mut line) = self.line(study, panel, group) else {
                    continue;
                };
                line["legendgroup"] = index.to_string().into();
                line["showlegend"] = named.insert(index).into();
                line["xaxis"] = format!("x{suffix}").into();
                line["yaxis"] = format!("y{suffix}").into();
                line["line"]["color"] = PALETTE[index % PALETTE.len()].into();
                vary(&mut line, index / PALETTE.len());
                figure.trace(line);
            }
            figure.layout[format!("xaxis{suffix}")] = json!({"title": {"text": across.name}});
            figure.layout[format!("yaxis{suffix}")] = match at {
                0 => json!({"title": {"text": metric}}),
                _ => json!({"matches": "y", "showticklabels": false}),
            };
            if let Some(columns) = self.columns {
                let text = format!("{} = {panel}", study.axes[columns].name);
                notes.push(
                    json!({"text": text, "showarrow": false, "xref": format!("x{suffix} domain"),
                    "yref": "paper", "x": 0.5, "y": 1, "yanchor": "bottom"}),
                );
            }
        }
        figure.layout["annotations"] = notes.into();
        figure.layout["showlegend"] = (values(study, self.lines, TRACES_MAX).len() > 1).into();
        self.queried(figure, study, "= 'METRIC'")
    }

    /// Returns the line of a value of the axis of lines in a panel, if a cell has it.
    fn line(&self, study: &Study, panel: &str, group: &str) -> Option<Value> {
        let across = &study.axes[self.axis];
        let metric = &self.metrics[self.metric];
        let (mut x, mut y, mut ci) = (Vec::new(), Vec::new(), Vec::new());
        for value in &across.values {
            let of = study.cells.iter().filter(|cell| {
                cell.settings[self.axis] == *value
                    && has(cell, self.columns, panel)
                    && has(cell, self.lines, group)
            });
            let of: Vec<&Cell> = of.collect();
            if let Some(mean) = mean(&of, metric) {
                x.push(point(across, value));
                y.push(mean);
                let alone = of.first().filter(|_| of.len() == 1);
                ci.push(alone.and_then(|cell| cell.interval(metric)));
            }
        }
        let name = match self.lines {
            Some(lines) => format!("{} = {group}", study.axes[lines].name),
            None => metric.clone(),
        };
        let line = json!({
            "type": "scatter", "mode": "lines+markers", "name": name, "x": x, "y": y,
            "error_y": {"type": "data", "array": ci, "thickness": 1.5, "width": 4},
        });
        (!x.is_empty()).then_some(line)
    }

    /// The same as a map with numbers.
    fn map(&self, study: &Study) -> Figure {
        let caption = "The number of each field is the metric's mean over all cells that agree in the keys of both axes.";
        let mut figure = Figure::new("heat", "The same as a map", caption);
        let across = &study.axes[self.axis];
        let rows = values(study, self.lines, usize::MAX);
        let field = |row: &String, value: &String| {
            let of = study
                .cells
                .iter()
                .filter(|cell| cell.settings[self.axis] == *value && has(cell, self.lines, row));
            mean(&of.collect::<Vec<_>>(), &self.metrics[self.metric])
        };
        let table = rows.iter().map(|row| {
            let fields = across.values.iter().map(|value| field(row, value));
            fields.collect::<Vec<_>>()
        });
        let table: Vec<Vec<Option<f64>>> = table.collect();
        figure.trace(json!({
            "type": "heatmap", "z": table, "x": across.values, "y": rows, "texttemplate": "%{z:.4~r}",
            "colorscale": "Viridis", "showscale": true, "hoverongaps": false,
        }));
        let name = self.lines.map_or("", |lines| &study.axes[lines].name);
        figure.layout = json!({
            "showlegend": false, "xaxis": {"type": "category", "title": {"text": across.name}},
            "yaxis": {"type": "category", "title": {"text": name}},
        });
        self.queried(figure, study, "= 'METRIC'")
    }

    /// Cells by cost and benefit, with those that no other beats.
    fn front(&self, study: &Study) -> Figure {
        let caption = "The line joins the cells that no other cell beats in both.";
        let mut figure = Figure::new("front", "Cells by cost and benefit", caption);
        let (cost, benefit) = (&self.metrics[self.cost], &self.metrics[self.benefit]);
        let known = study.cells.iter().filter_map(|cell| {
            let name = study.axes.iter().zip(&cell.settings);
            let name = name.map(|(axis, value)| format!("{} = {value}", axis.name));
            Some((
                cell.value(cost)?,
                cell.value(benefit)?,
                name.collect::<Vec<_>>().join("<br>"),
            ))
        });
        let known: Vec<(f64, f64, String)> = known.collect();
        let beats = |one: &(f64, f64, String), other: &(f64, f64, String)| {
            let is_better = match self.is_less_better {
                true => one.1 <= other.1,
                false => one.1 >= other.1,
            };
            one.0 <= other.0 && is_better && (one.0 != other.0 || one.1 != other.1)
        };
        let best = known
            .iter()
            .filter(|cell| !known.iter().any(|other| beats(other, cell)));
        let mut best: Vec<(f64, f64, String)> = best.cloned().collect();
        best.sort_by(|one, other| one.0.total_cmp(&other.0));
        let trace = |cells: &[(f64, f64, String)]| {
            let x: Vec<f64> = cells.iter().map(|cell| cell.0).collect();
            let y: Vec<f64> = cells.iter().map(|cell| cell.1).collect();
            let text: Vec<&str> = cells.iter().map(|cell| cell.2.as_str()).collect();
            json!({"type": "scatter", "x": x, "y": y, "text": text})
        };
        let mut cells = trace(&known);
        cells["mode"] = "markers".into();
        cells["name"] = "cells".into();
        cells["marker"]["size"] = 8.into();
        let mut joined = trace(&best);
        joined["mode"] = "lines+markers".into();
        joined["name"] = "no cell is better in both".into();
        joined["line"]["shape"] = "hv".into();
        figure.trace(cells);
        figure.trace(joined);
        let figure = figure.axes(cost, benefit);
        self.queried(figure, study, "IN ('COST', 'BENEFIT')")
    }

    /// Adds the query for the metrics that meet a condition.
    fn queried(&self, mut figure: Figure, study: &Study, condition: &str) -> Figure {
        let query = query(study, condition);
        let metrics = &self.metrics;
        figure.query = query
            .replace("'METRIC'", &literal(&metrics[self.metric]))
            .replace("'COST'", &literal(&metrics[self.cost]))
            .replace("'BENEFIT'", &literal(&metrics[self.benefit]));
        figure.query_to_pick = query;
        figure.is_wide = true;
        figure
    }
}

/// Returns the query for the metrics of a study that meet a condition: from the table of means or, before it is written,
/// from the tables of the cells.
pub(super) fn query(study: &Study, condition: &str) -> String {
    let means = study.path.join("study.parquet");
    match means.is_file() {
        true => format!(
            "SELECT * FROM {}\nWHERE metric {condition} ORDER BY cell, metric",
            text(&means)
        ),
        false => {
            let axes = study.axes.iter().map(|axis| format!("\"{}\"", axis.name));
            let axes = axes.collect::<Vec<_>>().join(", ");
            let cells = text(&study.path.join("**/summary.parquet"));
            format!(
                "SELECT {axes}, metric, avg(value) AS mean, count(value) AS n\n\
                 FROM read_parquet({cells}, hive_partitioning = true)\n\
                 WHERE metric {condition} GROUP BY {axes}, metric ORDER BY {axes}, metric"
            )
        }
    }
}

/// Returns the first values of an axis, or one empty value if there is no axis.
fn values(study: &Study, axis: Option<usize>, most: usize) -> Vec<String> {
    match axis {
        Some(axis) => study.axes[axis].values.iter().take(most).cloned().collect(),
        None => vec![String::new()],
    }
}

/// Returns whether a cell has this value of an axis, if there is an axis.
fn has(cell: &Cell, axis: Option<usize>, value: &str) -> bool {
    axis.is_none_or(|axis| cell.settings[axis] == value)
}

/// Returns the mean of a metric over the cells that have a value.
fn mean(cells: &[&Cell], metric: &str) -> Option<f64> {
    let known: Vec<f64> = cells.iter().filter_map(|cell| cell.value(metric)).collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// Returns a value of an axis as a coordinate.
fn point(axis: &Axis, value: &str) -> Value {
    match number(value).filter(|_| axis.is_numeric) {
        Some(number) => number.into(),
        None => value.into(),
    }
}
