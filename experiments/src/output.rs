//! Writes the folder of a run and the tables in it.

mod folder;
mod lock;
mod owned;
mod system;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::StringArray;
use kadsim_engine::record::{
    ConnectionRow, ConnectionTable, NodeRow, NodeTable, OperationRow, OperationTable, RecordError,
    RoutingRow, RoutingTable, RunInfo, SummaryRow, SummaryTable, TickRow, TickTable, TimingRow,
    TimingTable, footer,
};
use kadsim_systems::record::Recorded;
use serde_json::{Map, Value};

pub use self::folder::{Folder, FolderError, Names, publish, remove_stale_lock, write_new};
pub use self::lock::{Kind, Lock, make_folder, pause};
pub use self::owned::{
    CELL, LOCK, METRICS, RESOLVED, STUDY, Shape, is_empty, is_file, is_folder, is_there,
};
use crate::file::{Experiment, Tables};
use crate::spent::{Moment, Spent};
use crate::summary;

/// Marks the closed tables in the folder of a run incomplete: the run has failed after all. A table that cannot be
/// marked is left as it is.
fn revoke_tables(partial: &Path) {
    for entry in partial.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if is_file(&path) && path.extension().is_some_and(|end| end == "parquet") {
            // What failed before is what the caller reports.
            let _ = footer::revoke(&path);
        }
    }
}

/// The tables that a run writes.
pub struct Writers {
    ticks: Option<TickTable>,
    operations: Option<OperationTable>,
    nodes: Option<NodeTable>,
    connections: Option<ConnectionTable>,
    routing: Option<RoutingTable>,
    summary: SummaryTable,
    timings: TimingTable,
    /// Encoding time already written to the timings table.
    written: Duration,
}

/// `system` of the timings table for all work on tables and summary: ending steps, filling, encoding and closing
/// tables.
pub const RECORDING: &str = "recording";
/// `phase` of the timings table for closing the tables, after the last phase.
const END: &str = "end";

impl Writers {
    /// Opens the tables that the experiment asks for. `labels` are the labels of the nodes, in the order of keys,
    /// `regions` the names of regions.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub fn create(
        folder: &Folder,
        experiment: &Experiment,
        labels: Option<Arc<StringArray>>,
        regions: Option<Arc<StringArray>>,
    ) -> Result<Self, RecordError> {
        let info = RunInfo {
            experiment: experiment.name.clone(),
            seed: experiment.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            living: experiment.has_living_columns(),
        };
        let phases = experiment.phase_names();
        let path = |name: &str| folder.partial().join(format!("{name}.parquet"));
        let Tables {
            ticks,
            operations,
            nodes,
            connections,
            routing,
        } = experiment.output.tables;
        Ok(Self {
            ticks: ticks
                .then(|| TickTable::create(&path("ticks"), &info, &phases))
                .transpose()?,
            operations: operations
                .then(|| OperationTable::create(&path("operations"), &info, &phases))
                .transpose()?,
            nodes: nodes
                .then(|| NodeTable::create(&path("nodes"), &info, &phases, labels, regions))
                .transpose()?,
            connections: connections
                .then(|| ConnectionTable::create(&path("connections"), &info, &phases))
                .transpose()?,
            routing: routing
                .then(|| RoutingTable::create(&path("routing"), &info))
                .transpose()?,
            summary: SummaryTable::create(&path("summary"), &info, &summary::metrics(experiment))?,
            timings: TimingTable::create(&path("timings"), &info)?,
            written: Duration::ZERO,
        })
    }

    /// Returns the names of the tables' files.
    pub fn files(&self) -> impl Iterator<Item = String> + use<> {
        let tables = [
            ("ticks", self.ticks.is_some()),
            ("operations", self.operations.is_some()),
            ("nodes", self.nodes.is_some()),
            ("connections", self.connections.is_some()),
            ("routing", self.routing.is_some()),
            ("summary", true),
            ("timings", true),
        ];
        let written = tables.into_iter().filter(|(_, is_written)| *is_written);
        written.map(|(name, _)| format!("{name}.parquet"))
    }

    /// Writes the rows that a step recorded.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn step(&mut self, recorded: &Recorded) -> Result<(), RecordError> {
        if let Some(table) = &mut self.ticks {
            recorded
                .ticks
                .iter()
                .try_for_each(|row: &TickRow| table.push(row))?;
        }
        if let Some(table) = &mut self.operations {
            let mut results = recorded.result_ids.iter();
            for row in &recorded.operations {
                let row: &OperationRow = row;
                table.push(row, results.next().and_then(Option::as_deref))?;
            }
        }
        if let Some(table) = &mut self.connections {
            recorded
                .connections
                .iter()
                .try_for_each(|row: &ConnectionRow| table.push(row))?;
        }
        Ok(())
    }

    /// Writes a node at the end of a phase.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn node(&mut self, row: &NodeRow) -> Result<(), RecordError> {
        self.nodes.as_mut().map_or(Ok(()), |table| table.push(row))
    }

    /// Returns whether the experiment asks for the output table `routing`.
    pub fn wants_routing(&self) -> bool {
        self.routing.is_some()
    }

    /// Writes an entry of a routing table.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn routing(&mut self, row: &RoutingRow) -> Result<(), RecordError> {
        self.routing
            .as_mut()
            .map_or(Ok(()), |table| table.push(row))
    }

    /// Returns the CPU time of the encoders' threads so far; zero if the system does not report it.
    pub fn encoding(&self) -> Duration {
        let spent = [
            self.ticks.as_ref().map(TickTable::encoding),
            self.operations.as_ref().map(OperationTable::encoding),
            self.nodes.as_ref().map(NodeTable::encoding),
            self.connections.as_ref().map(ConnectionTable::encoding),
            self.routing.as_ref().map(RoutingTable::encoding),
        ];
        spent.into_iter().flatten().sum()
    }

    /// Returns the encoding time since the last call.
    pub fn take_encoding(&mut self) -> Duration {
        let encoding = self.encoding();
        encoding - std::mem::replace(&mut self.written, encoding)
    }

    /// Writes the metrics of a network, in the order of their names.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn network(
        &mut self,
        network: u32,
        metrics: &Map<String, Value>,
    ) -> Result<(), RecordError> {
        (0..).zip(metrics).try_for_each(|(metric, (_, value))| {
            self.summary.push(&SummaryRow {
                network,
                metric,
                value: value.as_f64(),
            })
        })
    }

    /// Writes how long a part of the run took.
    ///
    /// # Errors
    ///
    /// The file system refuses, or has before.
    pub fn timing(&mut self, row: &TimingRow) -> Result<(), RecordError> {
        self.timings.push(row)
    }

    /// Closes all tables, also after one of them fails. Returns the name and number of rows of each.
    ///
    /// # Errors
    ///
    /// The first error met.
    pub fn finish(mut self, complete: bool) -> Result<Vec<(&'static str, u64)>, RecordError> {
        let mut spent = Spent::default();
        spent.cpu += self.take_encoding();
        let closing = Moment::of_the_process();
        let mut closed = vec![
            ("ticks", self.ticks.map(|table| table.finish(complete))),
            (
                "operations",
                self.operations.map(|table| table.finish(complete)),
            ),
            ("nodes", self.nodes.map(|table| table.finish(complete))),
            (
                "connections",
                self.connections.map(|table| table.finish(complete)),
            ),
            ("routing", self.routing.map(|table| table.finish(complete))),
            ("summary", Some(self.summary.finish(complete))),
        ];
        spent += closing.spent();
        let told = self.timings.push(&TimingRow {
            network: 0,
            phase: END.to_owned(),
            system: RECORDING.to_owned(),
            wall_us: spent.wall.as_micros() as u64,
            cpu_us: Some(spent.cpu.as_micros() as u64),
            resident_bytes: None,
            calls: 1,
        });
        let timings = self.timings.finish(complete);
        closed.push(("timings", Some(told.and(timings))));
        closed
            .into_iter()
            .filter_map(|(name, rows)| rows.map(|rows| rows.map(|rows| (name, rows))))
            .collect()
    }
}
