//! `summary.parquet` of a study: the metrics of all cells, with the swept keys as columns.
//!
//! One row per cell, network and metric, in this order, gathered from the tables of the same name that the cells have:
//! they are read batch by batch, so that memory does not grow with the study.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, UInt32Array, UInt64Array, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema, UInt32Type};
use kadsim_engine::record::RunInfo;
use kadsim_engine::record::writer::TableWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::Study;
use super::root::SUMMARY;
use crate::file::{Cell, Setting};

/// Columns of a cell's table, which come behind those of the study.
const COLUMNS: [&str; 3] = ["network", "metric", "value"];

/// What a swept key is as a column.
fn column_type(settings: &[&Setting]) -> DataType {
    let all = |is: fn(&Setting) -> bool| settings.iter().all(|one| is(one));
    let within = |low: i128, high: i128| {
        settings.iter().all(|one| match one {
            Setting::Integer(number) => (low..=high).contains(number),
            _ => false,
        })
    };
    if within(i64::MIN.into(), i64::MAX.into()) {
        DataType::Int64
    } else if within(0, u64::MAX.into()) {
        DataType::UInt64
    } else if all(|one| matches!(one, Setting::Integer(_) | Setting::Float(_))) {
        DataType::Float64
    } else if all(|one| matches!(one, Setting::Boolean(_))) {
        DataType::Boolean
    } else {
        word()
    }
}

/// Small strings.
fn word() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The same value in all rows.
fn constant(setting: Option<&Setting>, column: &DataType, rows: usize) -> ArrayRef {
    let Some(setting) = setting else {
        return new_null_array(column, rows);
    };
    match (column, setting) {
        (DataType::Int64, Setting::Integer(number)) => {
            Arc::new(Int64Array::from(vec![*number as i64; rows]))
        }
        (DataType::UInt64, Setting::Integer(number)) => {
            Arc::new(UInt64Array::from(vec![*number as u64; rows]))
        }
        (DataType::Float64, Setting::Integer(number)) => {
            Arc::new(Float64Array::from(vec![*number as f64; rows]))
        }
        (DataType::Float64, Setting::Float(number)) => {
            Arc::new(Float64Array::from(vec![*number; rows]))
        }
        (DataType::Boolean, Setting::Boolean(value)) => {
            Arc::new(BooleanArray::from(vec![*value; rows]))
        }
        (_, text) => {
            let words = Arc::new(StringArray::from(vec![text.to_string()]));
            let all = Int32Array::from(vec![0; rows]);
            Arc::new(DictionaryArray::<Int32Type>::new(all, words))
        }
    }
}

/// A swept key as a column.
struct Swept {
    key: String,
    column: DataType,
    /// Whether each cell has a value of it.
    always: bool,
}

fn swept(study: &Study) -> Vec<Swept> {
    let mut keys: Vec<&String> = Vec::new();
    let mut values: HashMap<&String, Vec<&Setting>> = HashMap::new();
    for (key, value) in study.cells.iter().flat_map(|cell| &cell.cell.settings) {
        let of_key = values.entry(key).or_default();
        if of_key.is_empty() {
            keys.push(key);
        }
        of_key.push(value);
    }
    let column = |key: &String| {
        let values = &values[key];
        Swept {
            key: key.clone(),
            column: column_type(values),
            always: values.len() == study.cells.len(),
        }
    };
    keys.into_iter().map(column).collect()
}

fn schema(swept: &[Swept]) -> Schema {
    let noted = |field: Field, unit: &str, description: String| {
        let notes = [("unit", unit.to_owned()), ("description", description)];
        let notes = notes.map(|(key, text)| (key.to_owned(), text));
        field.with_metadata(HashMap::from(notes))
    };
    let cell = Field::new("cell", DataType::UInt32, false);
    let mut fields = vec![noted(cell, "1", "Cell of the sweep, from 0".to_owned())];
    for Swept {
        key,
        column,
        always,
    } in swept
    {
        let unit = if key.ends_with("_ms") { "ms" } else { "1" };
        let field = Field::new(key, column.clone(), !always);
        fields.push(noted(field, unit, format!("{key} of the cell")));
    }
    let types = [DataType::UInt32, word(), DataType::Float64];
    let notes = [
        ("1", "Network of the cell, from 0"),
        ("1", "Key of summary.json"),
        (
            "of the metric",
            "Its value in this network alone; percentiles are nearest-rank, at most 1/1024 off",
        ),
    ];
    for ((name, column), (unit, description)) in COLUMNS.into_iter().zip(types).zip(notes) {
        let field = Field::new(name, column, name == "value");
        fields.push(noted(field, unit, description.to_owned()));
    }
    Schema::new(fields)
}

/// Writes the table over all cells in `root` to `path`.
///
/// # Errors
///
/// A cell's table cannot be read, or this one not be written; the path is in the message.
pub(super) fn write(path: &Path, root: &Path, study: &Study) -> Result<()> {
    let info = RunInfo {
        experiment: study.name.clone(),
        seed: study.cells[0].loaded.experiment.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let swept = swept(study);
    let mut writer = TableWriter::create(path, Arc::new(schema(&swept)), &info)?;
    for cell in &study.cells {
        for batch in metrics(&root.join(cell.cell.folder()))? {
            writer.append(columns(&cell.cell, &swept, &batch?)?)?;
        }
    }
    writer.finish(true)?;
    Ok(())
}

/// A batch of a cell's table as one of the study's.
fn columns(cell: &Cell, swept: &[Swept], batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let rows = batch.num_rows();
    let index = u32::try_from(cell.index)?;
    let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(vec![index; rows]))];
    for Swept { key, column, .. } in swept {
        let set = cell.settings.iter().find(|(other, _)| other == key);
        columns.push(constant(set.map(|(_, value)| value), column, rows));
    }
    for name in COLUMNS {
        let column = batch.column_by_name(name);
        columns.push(Arc::clone(
            column.with_context(|| format!("no column {name}"))?,
        ));
    }
    Ok(columns)
}

/// The batches of the table of the cell in `folder`.
fn metrics(folder: &Path) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
    let path = folder.join(SUMMARY);
    let open = || -> Result<ParquetRecordBatchReader> {
        Ok(ParquetRecordBatchReaderBuilder::try_new(File::open(&path)?)?.build()?)
    };
    let unreadable = {
        let path = path.clone();
        move || format!("cannot read {}", path.display())
    };
    let batches = open().with_context(&unreadable)?;
    Ok(batches.map(move |batch| batch.with_context(&unreadable)))
}

/// Goes through the rows of the table of the cell in `folder`.
///
/// # Errors
///
/// It cannot be read; the path is in the message.
pub(super) fn for_each_metric(
    folder: &Path,
    mut row: impl FnMut(u32, &str, Option<f64>),
) -> Result<()> {
    for batch in metrics(folder)? {
        let batch = batch?;
        let column = |name: &str, r#type: &DataType| -> Result<ArrayRef> {
            let column = batch.column_by_name(name);
            Ok(cast(
                column.with_context(|| format!("no column {name}"))?,
                r#type,
            )?)
        };
        let networks = column("network", &DataType::UInt32)?;
        let names = column("metric", &DataType::Utf8)?;
        let values = column("value", &DataType::Float64)?;
        let (networks, names) = (
            networks.as_primitive::<UInt32Type>(),
            names.as_string::<i32>(),
        );
        let values = values.as_primitive::<Float64Type>();
        for place in 0..batch.num_rows() {
            let value = values.is_valid(place).then(|| values.value(place));
            row(networks.value(place), names.value(place), value);
        }
    }
    Ok(())
}
