//! The summary table: one row for each metric of each network.
//!
//! Rows come in order of network, metric by name.

use std::path::Path;

use arrow::datatypes::{Float64Type, UInt32Type};

use super::batches::Batches;
use super::column::{Label, Number, Optional, columns};
use super::error::RecordError;
use super::footer::RunInfo;

columns! {
    "summary", "A metric of a network by itself", "network, metric by name";
    row: &SummaryRow;
    network: Number<UInt32Type>, "1", "Network of the experiment, from 0" = row.network;
    metric: Label, "1", "Key of summary.json" = row.metric;
    value: Optional<Float64Type>, "of the metric", "Its value in this network alone; percentiles are nearest-rank, at most 1/1024 off" = row.value;
}

/// A metric of a network. A field means what the column of its name means.
#[expect(missing_docs, reason = "the columns say what the fields mean")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SummaryRow {
    pub network: u32,
    /// Index into the metrics given at `create`.
    pub metric: u32,
    pub value: Option<f64>,
}

/// Writes `summary.parquet`.
pub struct SummaryTable(Batches<Batch>);

impl SummaryTable {
    /// Creates the file. `metrics` are the names that `metric` of a row indexes.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path, info: &RunInfo, metrics: &[String]) -> Result<Self, RecordError> {
        let columns = Batch {
            metric: Label::new(metrics),
            ..Batch::default()
        };
        Ok(Self(Batches::create(path, info, columns)?))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// An earlier batch could not be written. The error may appear some rows after its cause.
    pub fn push(&mut self, row: &SummaryRow) -> Result<(), RecordError> {
        self.0.row()?.push(row);
        self.0.pushed()
    }

    /// Closes the file and returns its number of rows; see [`TableWriter::finish`](super::writer::TableWriter::finish).
    ///
    /// # Errors
    /// The file could not be closed, or rows are missing from it.
    pub fn finish(self, complete: bool) -> Result<u64, RecordError> {
        self.0.finish(complete)
    }
}
