//! `summary.json`: statistics of a run's operations and nodes, flat, `PHASE.COLUMN.STATISTIC`, pooled over
//! networks.
//!
//! Memory is bounded: values are counted in a `Distribution` per column, whose percentiles are nearest-rank
//! and off by at most 0.1 %, most often by nothing. Counts, means and maxima are exact.

mod deadline;
mod distribution;

use std::collections::BTreeMap;

use kadsim_engine::record::{NodeRow, OperationRow};
use rayon::prelude::*;
use serde_json::{Map, Value};

use self::deadline::Deadline;
use self::distribution::Distribution;
use crate::file::{Experiment, Phase};

/// Columns of operations with a statistic of numbers.
pub const OPERATION_COLUMNS: [&str; 13] = [
    "duration_ms",
    "attempts",
    "completed",
    "succeeded",
    "failed",
    "abandoned",
    "depth",
    "known",
    "recall",
    "stored",
    "store_failed",
    "lookup_ms",
    "store_ms",
];
/// Columns of nodes with a statistic.
pub const NODE_COLUMNS: [&str; 4] = ["contacts", "segments", "overhead_ms", "table_entries"];
/// Statistics of a column of numbers.
pub const STATISTICS: [&str; 6] = ["count", "mean", "p50", "p90", "p99", "max"];

/// Statistics of a phase, over all networks.
struct PhaseSummary {
    columns: BTreeMap<&'static str, Distribution>,
    found: (u64, u64),
    nodes: BTreeMap<&'static str, Distribution>,
    deadlines: Vec<Deadline>,
}

/// Statistics of a run.
pub struct Summary {
    names: Vec<String>,
    phases: Vec<PhaseSummary>,
    /// How many nodes a perfect result names.
    perfect: f64,
}

impl Summary {
    /// Of a run with nothing done yet; results name at most `perfect` nodes.
    pub fn new(phases: &[Phase], perfect: u32) -> Self {
        let perfect = f64::from(perfect.max(1));
        let scale = |column: &str| match column {
            "recall" => perfect,
            _ if column.ends_with("_ms") => 1000.0,
            _ => 1.0,
        };
        let of = |columns: &[&'static str]| {
            columns
                .iter()
                .map(|&c| (c, Distribution::new(scale(c))))
                .collect()
        };
        let phases_of = |phase: &Phase| PhaseSummary {
            columns: of(&OPERATION_COLUMNS),
            found: (0, 0),
            nodes: of(&NODE_COLUMNS),
            deadlines: phase
                .deadlines_us
                .iter()
                .copied()
                .map(Deadline::new)
                .collect(),
        };
        Self {
            names: phases.iter().map(|phase| phase.name.clone()).collect(),
            phases: phases.iter().map(phases_of).collect(),
            perfect,
        }
    }

    /// A phase of a network ends, of so many planned operations.
    pub fn end_phase(&mut self, phase: usize, planned: u64) {
        let deadlines = self.phases[phase].deadlines.iter_mut();
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
        let duration_us = row.end_us.map(|end_us| end_us - row.start_us);
        let number = |n: u32| Some(u64::from(n));
        for (column, value) in [
            ("duration_ms", duration_us),
            ("attempts", number(row.attempts)),
            ("completed", number(row.completed)),
            ("succeeded", number(row.succeeded)),
            ("failed", number(row.failed)),
            ("abandoned", number(row.abandoned)),
            ("depth", number(row.depth)),
            ("known", number(row.known)),
            (
                "recall",
                row.recall
                    .map(|recall| (f64::from(recall) * perfect).round() as u64),
            ),
            ("stored", row.stored.map(u64::from)),
            ("store_failed", row.store_failed.map(u64::from)),
            ("lookup_ms", row.lookup_us),
            ("store_ms", row.store_us),
        ] {
            if let (Some(value), Some(distribution)) = (value, phase.columns.get_mut(column)) {
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
        let columns = &mut self.phases[phase].nodes;
        columns.par_iter_mut().for_each(|(column, distribution)| {
            let value = |row: &NodeRow| match *column {
                "contacts" => row.contacts,
                "segments" => row.segments,
                "overhead_ms" => row.overhead_us,
                _ => u64::from(row.table_entries),
            };
            rows.iter().for_each(|row| distribution.record(value(row)));
        });
    }

    /// Everything as one flat object.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        for (name, phase) in self.names.iter().zip(&self.phases) {
            for (column, distribution) in &phase.columns {
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
            for (column, distribution) in &phase.nodes {
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
    Summary::new(&experiment.phases, 1)
        .to_json()
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}
