//! The summary table: one row for each metric of each network.
//!
//! Rows come in order of network, metric by name.

use std::path::Path;

use arrow::datatypes::{Float64Type, UInt32Type};

use super::batches::Batches;
use super::column::{Label, Number, Optional};
use super::error::RecordError;
use super::footer::RunInfo;
use super::table::table;

table! {
    "summary", "A metric of a network by itself", "network, metric by name";
    SummaryTable;
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
}
