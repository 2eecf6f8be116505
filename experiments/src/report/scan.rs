//! Reads some columns of a table, batch by batch.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::batch::column;

/// Rows of a batch.
const ROWS: usize = 1 << 14;

/// A batch of rows of which some columns were read.
pub struct Rows(RecordBatch);

impl Rows {
    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// Returns a column of numbers or booleans; NaN where a value is missing. A column that the table lacks is all missing.
    ///
    /// # Errors
    ///
    /// The column holds no numbers.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        if !self.has(name) {
            return Ok(vec![f64::NAN; self.len()]);
        }
        let column = column(&self.0, name, &DataType::Float64)?;
        let column = column.as_primitive::<Float64Type>();
        let value = |row| match column.is_valid(row) {
            true => column.value(row),
            false => f64::NAN,
        };
        Ok((0..column.len()).map(value).collect())
    }

    /// Returns whether the table has a column.
    pub fn has(&self, name: &str) -> bool {
        self.0.column_by_name(name).is_some()
    }

    /// Returns a column of texts.
    ///
    /// # Errors
    ///
    /// There is no such column, or it holds no texts.
    pub fn texts(&self, name: &str) -> Result<ArrayRef> {
        column(&self.0, name, &DataType::Utf8)
    }
}

/// Calls `visit` with the rows of a table in batches, of which those of `columns` are read that the table has.
///
/// # Errors
///
/// The file is missing or damaged; its path is in the message.
pub fn scan(
    path: &Path,
    columns: &[&str],
    mut visit: impl FnMut(&Rows) -> Result<()>,
) -> Result<()> {
    let read = || {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let reader = builder.with_projection(mask).with_batch_size(ROWS);
        for batch in reader.build()? {
            visit(&Rows(batch?))?;
        }
        Ok(())
    };
    // The Parquet reader may panic over a damaged file.
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(anyhow!("the file is damaged")))
        .with_context(|| format!("cannot read {}", path.display()))
}
