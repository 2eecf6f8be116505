//! Columns of record batches by name.

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;

/// Returns the column `name`, cast to `data_type`.
///
/// # Errors
///
/// There is no such column, or it cannot be cast.
pub(crate) fn column(batch: &RecordBatch, name: &str, data_type: &DataType) -> Result<ArrayRef> {
    let column = batch.column_by_name(name);
    let column = column.with_context(|| format!("no column {name}"))?;
    Ok(cast(column, data_type)?)
}
