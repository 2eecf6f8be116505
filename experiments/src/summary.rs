//! `summary.json`: statistics of a run's operations and nodes, flat, `PHASE.COLUMN.STATISTIC`, pooled over
//! networks; of each network by itself, for `summary.parquet`; and, of several networks, each metric's mean and
//! confidence interval over them, `METRIC.networks.mean` and `METRIC.networks.ci95`.
//!
//! Memory is bounded: values are counted in a `Distribution` per column, whose percentiles are nearest-rank
//! and off by at most 0.1 %, most often by nothing. Counts, means and maxima are exact.

mod deadline;
pub(crate) mod distribution;
mod interval;

use std::collections::BTreeMap;

use kadsim_engine::record::{NodeRow, OperationRow};
use rayon::prelude::*;
use serde_json::{Map, Value};

use self::deadline::Deadline;
use self::distribution::Distribution;
pub(crate) use self::interval::OverNetworks;
use crate::file::{Experiment, Phase};

/// A column with statistics: its name, and how a row gives the integer that is counted. Times count in µs, recall in
/// nodes of a perfect result, of which the second argument is the number.
type Column<Row> = (&'static str, fn(&Row, f64) -> Option<u64>);

/// Columns of operations with a statistic of numbers.
const OPERATION_COLUMNS: [Column<OperationRow>; 13] = [
    ("duration_ms", |row, _| {
        row.end_us.map(|end_us| end_us - row.start_us)
    }),
    ("attempts", |row, _| Some(row.attempts.into())),
    ("completed", |row, _| Some(row.completed.into())),
    ("succeeded", |row, _| Some(row.succeeded.into())),
    ("failed", |row, _| Some(row.failed.into())),
    ("abandoned", |row, _| Some(row.abandoned.into())),
    ("depth", |row, _| Some(row.depth.into())),
    ("known", |row, _| Some(row.known.into())),
    (RECALL, |row, perfect| {
        row.recall
            .map(|recall| (f64::from(recall) * perfect).round() as u64)
    }),
    ("stored", |row, _| row.stored.map(u64::from)),
    ("store_failed", |row, _| row.store_failed.map(u64::from)),
    ("lookup_ms", |row, _| row.lookup_us),
    ("store_ms", |row, _| row.store_us),
];
/// Columns of nodes with a statistic.
const NODE_COLUMNS: [Column<NodeRow>; 5] = [
    ("contacts", |row, _| Some(row.contacts)),
    ("segments", |row, _| Some(row.segments)),
    ("overhead_ms", |row, _| Some(row.overhead_us)),
    ("table_entries", |row, _| Some(row.table_entries.into())),
    ("started", |row, _| Some(row.started)),
];
/// The column of nodes that has a statistic if nodes carry it.
const IN_DEGREE: Column<NodeRow> = ("in_degree", |row, _| row.in_degree.map(u64::from));
/// The column of operations that counts in parts of a perfect result.
const RECALL: &str = "recall";
/// Statistics of a column of numbers.
pub const STATISTICS: [&str; 6] = ["count", "mean", "p50", "p90", "p99", "max"];
/// Share of networks in which a phase was cut off, behind the phase.
pub const CUT_OFF: &str = "cut_off";
/// The key of the warnings, a list: the only one that is no metric.
pub const WARNINGS: &str = "warnings";
/// What a metric's mean over networks is called, behind the metric.
pub const NETWORKS_MEAN: &str = "networks.mean";
/// What half the width of its 95 % confidence interval is called.
pub const NETWORKS_CI95: &str = "networks.ci95";

/// Statistics of a phase, of one network or over all.
#[derive(Clone)]
struct PhaseSummary {
    /// In the order of [`OPERATION_COLUMNS`].
    columns: [Distribution; OPERATION_COLUMNS.len()],
    found: (u64, u64),
    /// By name, with the column that each counts.
    nodes: BTreeMap<&'static str, (Column<NodeRow>, Distribution)>,
    /// Networks in which it was cut off, and all; of phases that can be.
    cut_off: Option<(u64, u64)>,
    deadlines: Vec<Deadline>,
}

/// Statistics of a run.
pub struct Summary {
    names: Vec<String>,
    /// Of the current network.
    phases: Vec<PhaseSummary>,
    /// Of those before it.
    pooled: Vec<PhaseSummary>,
    /// Each metric over those before it.
    over: BTreeMap<String, OverNetworks>,
    networks: u32,
    /// How many nodes a perfect result names.
    perfect: f64,
}

impl PhaseSummary {
    /// Adds what another network counted, and leaves that with nothing.
    fn take(&mut self, other: &mut Self) {
        let of_nodes = self.nodes.values_mut().map(|(_, values)| values);
        let columns = self.columns.iter_mut().chain(of_nodes);
        let of_nodes = other.nodes.values_mut().map(|(_, values)| values);
        let others = other.columns.iter_mut().chain(of_nodes);
        columns
            .zip(others)
            .for_each(|(column, other)| column.take(other));
        let sum = |pair: &mut (u64, u64), other: &mut (u64, u64)| {
            let (part, whole) = std::mem::take(other);
            pair.0 += part;
            pair.1 += whole;
        };
        sum(&mut self.found, &mut other.found);
        if let (Some(cut_off), Some(other)) = (&mut self.cut_off, &mut other.cut_off) {
            sum(cut_off, other);
        }
        let deadlines = self.deadlines.iter_mut().zip(&mut other.deadlines);
        deadlines.for_each(|(deadline, other)| deadline.take(other));
    }
}

impl Summary {
    /// Of a run of so many networks with nothing done yet; results name at most `perfect` nodes.
    pub fn new(experiment: &Experiment, networks: u32, perfect: u32) -> Self {
        let phases = &experiment.phases;
        let perfect = f64::from(perfect.max(1));
        let scale = |column: &str| match column {
            RECALL => perfect,
            _ if column.ends_with("_ms") => 1000.0,
            _ => 1.0,
        };
        let in_degree = experiment.output.in_degree.then_some(IN_DEGREE);
        let node_columns = || NODE_COLUMNS.into_iter().chain(in_degree);
        let phases_of = |phase: &Phase| PhaseSummary {
            columns: OPERATION_COLUMNS.map(|(name, _)| Distribution::new(scale(name))),
            found: (0, 0),
            nodes: node_columns()
                .map(|column| (column.0, (column, Distribution::new(scale(column.0)))))
                .collect(),
            cut_off: phase.max_us.map(|_| (0, 0)),
            deadlines: phase
                .deadlines_us
                .iter()
                .copied()
                .map(|deadline_us| Deadline::new(deadline_us, phase.deadline_from))
                .collect(),
        };
        let none: Vec<_> = phases.iter().map(phases_of).collect();
        Self {
            names: phases.iter().map(|phase| phase.name.clone()).collect(),
            phases: none.clone(),
            pooled: none,
            over: BTreeMap::new(),
            networks,
            perfect,
        }
    }

    /// A phase of a network ends, of so many planned operations; or is cut off.
    pub fn end_phase(&mut self, phase: usize, planned: u64, is_cut: bool) {
        let phase = &mut self.phases[phase];
        if let Some(cut_off) = &mut phase.cut_off {
            cut_off.0 += u64::from(is_cut);
            cut_off.1 += 1;
        }
        let deadlines = phase.deadlines.iter_mut();
        deadlines.for_each(|deadline| deadline.end_phase(planned));
    }

    /// An operation was planned for this origin, in a phase that was cut off: some have not even started.
    pub fn plan(&mut self, phase: usize, origin: i64) {
        let deadlines = self.phases[phase].deadlines.iter_mut();
        deadlines.for_each(|deadline| deadline.plan(origin));
    }

    /// Counts an operation.
    pub fn operation(&mut self, row: &OperationRow) {
        let perfect = self.perfect;
        let phase = &mut self.phases[row.phase as usize];
        for (distribution, (_, value)) in phase.columns.iter_mut().zip(OPERATION_COLUMNS) {
            if let Some(value) = value(row, perfect) {
                distribution.record(value);
            }
        }
        if let Some(found) = row.found {
            phase.found.0 += u64::from(found);
            phase.found.1 += 1;
        }
        let deadlines = phase.deadlines.iter_mut();
        deadlines.for_each(|deadline| deadline.operation(row));
    }

    /// Counts nodes at the end of a phase, column by column in parallel.
    pub fn nodes(&mut self, phase: usize, rows: &[NodeRow]) {
        let perfect = self.perfect;
        let columns = &mut self.phases[phase].nodes;
        columns
            .par_iter_mut()
            .for_each(|(_, (column, distribution))| {
                rows.iter()
                    .filter_map(|row| column.1(row, perfect))
                    .for_each(|value| distribution.record(value));
            });
    }

    /// A network ends: its own metrics, in the order of their names.
    pub fn end_network(&mut self) -> Map<String, Value> {
        let metrics = self.flat(&self.phases);
        for (metric, value) in &metrics {
            if let Some(value) = value.as_f64() {
                self.over.entry(metric.clone()).or_default().add(value);
            }
        }
        let ended = self.pooled.iter_mut().zip(&mut self.phases);
        ended.for_each(|(pooled, network)| pooled.take(network));
        metrics
    }

    /// Everything as one flat object.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut json = self.flat(&self.pooled);
        if self.networks > 1 {
            let metrics: Vec<String> = json.keys().cloned().collect();
            for metric in metrics {
                let over = self.over.get(&metric).copied().unwrap_or_default();
                json.insert(format!("{metric}.{NETWORKS_MEAN}"), over.mean().into());
                json.insert(
                    format!("{metric}.{NETWORKS_CI95}"),
                    over.half_width().into(),
                );
            }
        }
        json
    }

    /// The metrics of phases.
    fn flat(&self, phases: &[PhaseSummary]) -> Map<String, Value> {
        let mut json = Map::new();
        for (name, phase) in self.names.iter().zip(phases) {
            for ((column, _), distribution) in OPERATION_COLUMNS.iter().zip(&phase.columns) {
                distribution.write(&format!("{name}.{column}"), &mut json);
            }
            let (found, retrieved) = phase.found;
            json.insert(format!("{name}.found.count"), retrieved.into());
            json.insert(format!("{name}.found.mean"), share(found, retrieved));
            if let [deadline, ..] = phase.deadlines.as_slice() {
                deadline.write(name, "", &mut json);
            }
            if phase.deadlines.len() > 1 {
                let each = phase.deadlines.iter();
                each.for_each(|deadline| deadline.write(name, &deadline.suffix(), &mut json));
            }
            if let Some((cut, networks)) = phase.cut_off {
                json.insert(format!("{name}.{CUT_OFF}"), share(cut, networks));
            }
            for (column, (_, distribution)) in &phase.nodes {
                distribution.write(&format!("nodes.{name}.{column}"), &mut json);
            }
        }
        json
    }
}

fn share(part: u64, whole: u64) -> Value {
    if whole == 0 {
        Value::Null
    } else {
        Value::from(part as f64 / whole as f64)
    }
}

/// Every key that the experiment's summary has.
pub fn keys(experiment: &Experiment) -> Vec<String> {
    let summary = Summary::new(experiment, experiment.networks, 1);
    summary.to_json().into_iter().map(|(key, _)| key).collect()
}

/// The metrics of each network, in order.
pub fn metrics(experiment: &Experiment) -> Vec<String> {
    let summary = Summary::new(experiment, 1, 1);
    summary.to_json().into_iter().map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use kadsim_engine::record::{nodes, operations};

    use super::*;

    #[test]
    fn statistics_are_those_of_columns_of_numbers() {
        let operations = (operations::TABLE.schema)();
        let nodes = (nodes::TABLE.schema)();
        let names = OPERATION_COLUMNS.map(|(name, _)| name);
        let of_operations = names.map(|name| operations.field_with_name(name));
        let names = NODE_COLUMNS.into_iter().chain([IN_DEGREE]);
        let of_nodes = names.map(|(name, _)| nodes.field_with_name(name));
        for field in of_operations.into_iter().chain(of_nodes) {
            let field = field.unwrap();
            assert!(field.data_type().is_numeric(), "{field}");
            let is_time = field.metadata()["unit"] == "ms";
            assert_eq!(is_time, field.name().ends_with("_ms"), "{field}");
        }
    }
}
