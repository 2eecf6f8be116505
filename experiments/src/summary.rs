//! Statistics of a run's operations and nodes. `summary.json` has them pooled over networks, as a flat object with keys
//! `PHASE.COLUMN.STATISTIC`. With several networks it also has each metric's mean and confidence interval over them,
//! `METRIC.networks.mean` and `METRIC.networks.ci95`. `summary.parquet` has the metrics of each network alone.
//!
//! Memory is bounded: a `Distribution` counts the values of each column. Its percentiles are nearest-rank and off by at
//! most 0.1 %, most often by nothing. Counts, means and maxima are exact.

mod deadline;
pub(crate) mod distribution;
mod interval;
mod over_time;
mod share;

use std::collections::BTreeMap;

use kadsim_engine::record::{NodeRow, OperationRow, TickRow};
use rayon::prelude::*;
use serde_json::{Map, Value};

use self::deadline::Deadline;
use self::distribution::Distribution;
pub(crate) use self::interval::OverNetworks;
use self::over_time::OverTime;
use self::share::Share;
use crate::file::{Experiment, Phase};

/// A column with statistics: its name, and a function from a row to the integer that is counted. Times count in µs,
/// recall in nodes of a perfect result. The second argument is the number of nodes in a perfect result.
type Column<Row> = (&'static str, fn(&Row, f64) -> Option<u64>);

/// Columns of operations with statistics.
const OPERATION_COLUMNS: [Column<OperationRow>; 13] = [
    ("duration_ms", |row, _| row.duration_us()),
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
/// Columns of operations with statistics in living runs.
const LIVING_COLUMNS: [Column<OperationRow>; 3] = [
    ("late", |row, _| Some(row.late.into())),
    ("stale_contacts", |row, _| Some(row.stale_contacts.into())),
    ("holders_online", |row, _| row.holders_online.map(u64::from)),
];
/// Columns of nodes with statistics.
const NODE_COLUMNS: [Column<NodeRow>; 5] = [
    ("contacts", |row, _| Some(row.contacts)),
    ("segments", |row, _| Some(row.segments)),
    ("overhead_ms", |row, _| Some(row.overhead_us)),
    ("table_entries", |row, _| Some(row.table_entries.into())),
    ("started", |row, _| Some(row.started)),
];
/// Columns of nodes with statistics in living runs.
const LIVING_NODE_COLUMNS: [Column<NodeRow>; 4] = [
    ("sessions", |row, _| Some(row.sessions.into())),
    ("online_ms", |row, _| Some(row.online_us)),
    ("maintenance_sent", |row, _| Some(row.maintenance_sent)),
    ("maintenance_received", |row, _| {
        Some(row.maintenance_received)
    }),
];
/// A column of nodes with statistics if the table has it.
const IN_DEGREE: Column<NodeRow> = ("in_degree", |row, _| row.in_degree.map(u64::from));
/// The column of operations that is counted in nodes of a perfect result.
const RECALL: &str = "recall";
/// Names of the statistics of a column.
pub const STATISTICS: [&str; 6] = ["count", "mean", "p50", "p90", "p99", "max"];
/// Key behind the phase: share of networks in which it was cut off.
pub const CUT_OFF: &str = "cut_off";
/// Key of the list of warnings, the only key that is no metric.
pub const WARNINGS: &str = "warnings";
/// Key behind the metric: its mean over networks.
pub const NETWORKS_MEAN: &str = "networks.mean";
/// Key behind the metric: half the width of the 95 % confidence interval around its mean over networks.
pub const NETWORKS_CI95: &str = "networks.ci95";

/// Statistics of a phase, in one network or over several.
#[derive(Clone)]
struct PhaseSummary {
    /// Columns of operations and their values.
    columns: Vec<(Column<OperationRow>, Distribution)>,
    /// Statistics over time, in living runs.
    over_time: Option<OverTime>,
    /// Retrieves that found their segment, of all retrieves.
    found: Share,
    /// The column and its values, by name.
    nodes: BTreeMap<&'static str, (Column<NodeRow>, Distribution)>,
    /// Networks in which the phase was cut off, of all networks. `None` without a `max_ms`.
    cut_off: Option<Share>,
    deadlines: Vec<Deadline>,
}

/// Statistics of a run.
pub struct Summary {
    names: Vec<String>,
    /// Statistics of the current network.
    phases: Vec<PhaseSummary>,
    /// Statistics pooled over the networks before it.
    pooled: Vec<PhaseSummary>,
    /// Each metric over the networks before it.
    over: BTreeMap<String, OverNetworks>,
    networks: u32,
    /// Length of a tick, µs.
    tick_us: u64,
    /// Starts of the phases of the current network, µs, with their numbers, in order.
    starts: Vec<(u64, usize)>,
    /// When the first phase of the current network may start, µs.
    first_us: u64,
    /// Number of nodes in a perfect result.
    perfect: f64,
}

impl PhaseSummary {
    /// Moves the counts of `other` into this summary, and leaves `other` empty.
    fn take(&mut self, other: &mut Self) {
        let of_nodes = self.nodes.values_mut().map(|(_, values)| values);
        let of_operations = self.columns.iter_mut().map(|(_, values)| values);
        let columns = of_operations.chain(of_nodes);
        let of_nodes = other.nodes.values_mut().map(|(_, values)| values);
        let of_operations = other.columns.iter_mut().map(|(_, values)| values);
        let others = of_operations.chain(of_nodes);
        columns
            .zip(others)
            .for_each(|(column, other)| column.take(other));
        self.found.take(&mut other.found);
        if let (Some(over_time), Some(other)) = (&mut self.over_time, &mut other.over_time) {
            over_time.take(other);
        }
        if let (Some(cut_off), Some(other)) = (&mut self.cut_off, &mut other.cut_off) {
            cut_off.take(other);
        }
        let deadlines = self.deadlines.iter_mut().zip(&mut other.deadlines);
        deadlines.for_each(|(deadline, other)| deadline.take(other));
    }
}

impl Summary {
    /// Makes the empty summary of a run of `networks` networks. `perfect` is the number of nodes in a perfect result.
    pub fn new(experiment: &Experiment, networks: u32, perfect: u32) -> Self {
        let joins = experiment.joins();
        let phases = || experiment.phases.iter().chain(&joins);
        let perfect = f64::from(perfect.max(1));
        let scale = |column: &str| match column {
            RECALL => perfect,
            _ if column.ends_with("_ms") => 1000.0,
            _ => 1.0,
        };
        let in_degree = experiment.output.in_degree.then_some(IN_DEGREE);
        let is_living = experiment.has_living_columns();
        let node_columns = || {
            let living = LIVING_NODE_COLUMNS.into_iter().filter(|_| is_living);
            NODE_COLUMNS.into_iter().chain(living).chain(in_degree)
        };
        let phases_of = |phase: &Phase| PhaseSummary {
            columns: OPERATION_COLUMNS
                .into_iter()
                .chain(LIVING_COLUMNS.into_iter().filter(|_| is_living))
                .map(|column| (column, Distribution::new(scale(column.0))))
                .collect(),
            over_time: is_living.then(OverTime::default),
            found: Share::default(),
            nodes: node_columns()
                .map(|column| (column.0, (column, Distribution::new(scale(column.0)))))
                .collect(),
            cut_off: phase.max_us.map(|_| Share::default()),
            deadlines: phase
                .deadlines_us
                .iter()
                .copied()
                .map(|deadline_us| Deadline::new(deadline_us, phase.deadline_from))
                .collect(),
        };
        let none: Vec<_> = phases().map(phases_of).collect();
        Self {
            names: experiment.phase_names(),
            phases: none.clone(),
            pooled: none,
            over: BTreeMap::new(),
            networks,
            tick_us: experiment.tick_us,
            starts: Vec::new(),
            first_us: 0,
            perfect,
        }
    }

    /// Counts the end of a phase in a network, at `end_us`. `planned` is its number of operations, `is_cut` whether it was cut
    /// off.
    pub fn end_phase(&mut self, phase: usize, planned: u64, is_cut: bool, end_us: u64) {
        let phase = &mut self.phases[phase];
        if let Some(over_time) = &mut phase.over_time {
            over_time.end(end_us);
        }
        if let Some(cut_off) = &mut phase.cut_off {
            cut_off.count(is_cut);
        }
        let deadlines = phase.deadlines.iter_mut();
        deadlines.for_each(|deadline| deadline.end_phase(planned));
    }

    /// Counts a planned operation of this origin, in a phase that was cut off. It may never have started.
    pub fn plan(&mut self, phase: usize, origin: i64) {
        let deadlines = self.phases[phase].deadlines.iter_mut();
        deadlines.for_each(|deadline| deadline.plan(origin));
    }

    /// Counts an operation.
    pub fn operation(&mut self, row: &OperationRow) {
        let perfect = self.perfect;
        let phase = &mut self.phases[row.phase as usize];
        if let Some(over_time) = &mut phase.over_time {
            over_time.operation(row);
        }
        for ((_, value), distribution) in &mut phase.columns {
            if let Some(value) = value(row, perfect) {
                distribution.record(value);
            }
        }
        if let Some(found) = row.found {
            phase.found.count(found);
        }
        let deadlines = phase.deadlines.iter_mut();
        deadlines.for_each(|deadline| deadline.operation(row, self.first_us));
    }

    /// Begins the phases of a network, whose times count from `first_us`.
    pub fn begin_phases(&mut self, first_us: u64) {
        self.first_us = first_us;
    }

    /// Notes that a phase starts at `start_us` in the current network.
    pub fn begin_phase(&mut self, phase: usize, start_us: u64) {
        if let Some(over_time) = &mut self.phases[phase].over_time {
            over_time.begin(start_us);
        }
        self.starts.push((start_us, phase));
        self.starts.sort_unstable();
        for pair in self.starts.windows(2) {
            let ((_, before), (next_us, _)) = (pair[0], pair[1]);
            if let Some(over_time) = &mut self.phases[before].over_time {
                over_time.end_shift_at(next_us);
            }
        }
    }

    /// Counts a tick.
    pub fn tick(&mut self, row: &TickRow) {
        let tick_us = self.tick_us;
        if let Some(over_time) = &mut self.phases[row.phase as usize].over_time {
            over_time.tick(row, tick_us);
        }
    }

    /// Notes that a phase has counted maintenance, arrivals and departures for `counted_for_us` in a network.
    pub fn end_shift(&mut self, phase: usize, counted_for_us: u64) {
        if let Some(over_time) = &mut self.phases[phase].over_time {
            over_time.end_shift(counted_for_us);
        }
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

    /// Ends the current network. Returns its metrics, in the order of their names.
    pub fn end_network(&mut self) -> Map<String, Value> {
        let metrics = self.flat(&self.phases);
        self.starts.clear();
        for (metric, value) in &metrics {
            if let Some(value) = value.as_f64() {
                self.over.entry(metric.clone()).or_default().add(value);
            }
        }
        let ended = self.pooled.iter_mut().zip(&mut self.phases);
        ended.for_each(|(pooled, network)| pooled.take(network));
        metrics
    }

    /// Returns `summary.json` without the warnings.
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

    /// Returns the metrics of all phases as one flat object.
    fn flat(&self, phases: &[PhaseSummary]) -> Map<String, Value> {
        let mut json = Map::new();
        for (name, phase) in self.names.iter().zip(phases) {
            if let Some(over_time) = &phase.over_time {
                over_time.write(name, &mut json);
            }
            for ((column, _), distribution) in &phase.columns {
                distribution.write(&format!("{name}.{column}"), &mut json);
            }
            json.insert(format!("{name}.found.count"), phase.found.whole.into());
            json.insert(format!("{name}.found.mean"), phase.found.value());
            if let [deadline, ..] = phase.deadlines.as_slice() {
                deadline.write(name, "", &mut json);
            }
            if phase.deadlines.len() > 1 {
                let each = phase.deadlines.iter();
                each.for_each(|deadline| deadline.write(name, &deadline.suffix(), &mut json));
            }
            if let Some(cut_off) = &phase.cut_off {
                json.insert(format!("{name}.{CUT_OFF}"), cut_off.value());
            }
            for (column, (_, distribution)) in &phase.nodes {
                distribution.write(&format!("nodes.{name}.{column}"), &mut json);
            }
        }
        json
    }
}

/// Returns every metric that `summary.json` of the experiment has.
pub fn keys(experiment: &Experiment) -> Vec<String> {
    let summary = Summary::new(experiment, experiment.networks, 1);
    summary.to_json().into_iter().map(|(key, _)| key).collect()
}

/// Returns the metrics that each network has in `summary.parquet`, in order.
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
        let columns = OPERATION_COLUMNS.into_iter().chain(LIVING_COLUMNS);
        let of_operations = columns.map(|(name, _)| operations.field_with_name(name));
        let names = NODE_COLUMNS.into_iter().chain(LIVING_NODE_COLUMNS);
        let names = names.chain([IN_DEGREE]);
        let of_nodes = names.map(|(name, _)| nodes.field_with_name(name));
        for field in of_operations.into_iter().chain(of_nodes) {
            let field = field.unwrap();
            assert!(field.data_type().is_numeric(), "{field}");
            let is_time = field.metadata()["unit"] == "ms";
            assert_eq!(is_time, field.name().ends_with("_ms"), "{field}");
        }
    }
}
