//! The tables of a study, with the swept keys as columns: `summary.parquet`, the metrics of all cells and networks, and
//! `study.parquet`, the mean of each metric over the networks of its cell.
//!
//! Both are gathered from the `summary.parquet` of the cells, one cell after the other, so that memory does not grow
//! with the study. The rows of `summary.parquet` are in the order of cell, network and metric, those of `study.parquet`
//! in the order of cell and metric.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, UInt32Array, UInt64Array, new_null_array,
};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema, UInt32Type};
use kadsim_engine::record::writer::TableWriter;
use kadsim_engine::record::{RunInfo, Table, summary};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::study::Study;
use crate::batch::column;
use crate::file::{Cell, Setting};
use crate::summary::OverNetworks;

/// The table over all cells: the metrics of each network.
pub(crate) const SUMMARY: &str = "summary.parquet";
/// The table of the means over networks.
pub(crate) const MEANS: &str = "study.parquet";

/// Description of `study.parquet`, without the columns of swept keys, which each study has of its own.
pub const STUDY_TABLE: Table = Table {
    name: "study",
    about: "The mean of a metric over the networks of a cell. Behind `cell` stand a column for each swept key, \
            `case` and each key that cases set. `summary.parquet` of a study begins with the same columns, and goes on \
            with those of `summary`",
    order: "cell, metric",
    schema: || schema(&[], means()),
};

/// Returns a column with its unit and meaning.
fn noted(field: Field, unit: &str, description: &str) -> Field {
    let notes = [("unit", unit), ("description", description)];
    let notes = notes.map(|(key, text)| (key.to_owned(), text.to_owned()));
    field.with_metadata(HashMap::from(notes))
}

/// Returns the columns of `summary.parquet` behind the swept keys: those of a cell's table.
fn values() -> Vec<Field> {
    let of_cell = (summary::TABLE.schema)();
    let fields = of_cell.fields().iter().map(|field| Field::clone(field));
    let of_study = fields.map(|field| match field.name().as_str() {
        "network" => noted(field, "1", "Network of the cell, from 0"),
        _ => field,
    });
    of_study.collect()
}

/// Returns the columns of `study.parquet` behind the swept keys.
fn means() -> Vec<Field> {
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    vec![
        noted(
            Field::new("metric", word(), false),
            "1",
            "Key of summary.json",
        ),
        noted(
            number("mean"),
            "of the metric",
            "Mean over the networks of their own values, METRIC.networks.mean; of one network, its value",
        ),
        noted(
            number("ci95"),
            "of the metric",
            "Half the width of the 95 % confidence interval around the mean, by Student's t over networks",
        ),
        noted(
            Field::new("n", DataType::UInt32, false),
            "1",
            "Networks that have a value",
        ),
    ]
}

/// Returns the type of a swept key's column.
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

/// Returns the type of columns of short strings, few of them different.
fn word() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Makes a column with the same value in all rows.
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
    /// Whether every cell has a value of the key.
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

/// Returns the schema of a study's table: the cell, the swept keys, and the columns `behind` them.
fn schema(swept: &[Swept], behind: Vec<Field>) -> Schema {
    let cell = Field::new("cell", DataType::UInt32, false);
    let mut fields = vec![noted(cell, "1", "Cell of the sweep, from 0")];
    for Swept {
        key,
        column,
        always,
    } in swept
    {
        let unit = if key.ends_with("_ms") { "ms" } else { "1" };
        let field = Field::new(key, column.clone(), !always);
        fields.push(noted(field, unit, &format!("{key} of the cell")));
    }
    fields.extend(behind);
    Schema::new(fields)
}

fn create(path: &Path, study: &Study, schema: Schema) -> Result<TableWriter> {
    let info = RunInfo {
        experiment: study.name.clone(),
        seed: study.cells[0].loaded.experiment.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        living: false,
    };
    Ok(TableWriter::create(path, Arc::new(schema), &info)?)
}

/// Writes `summary.parquet` over all cells in `root` to `path`.
///
/// # Errors
///
/// A cell's table cannot be read, or this one cannot be written; the path is in the message.
pub(super) fn write(path: &Path, root: &Path, study: &Study) -> Result<()> {
    let swept = swept(study);
    let values = values();
    let mut writer = create(path, study, schema(&swept, values.clone()))?;
    for cell in &study.cells {
        for batch in metrics(&root.join(cell.cell.folder()))? {
            let batch = batch?;
            let mut columns = settings(&cell.cell, &swept, batch.num_rows())?;
            for value in &values {
                columns.push(column(&batch, value.name(), value.data_type())?);
            }
            writer.append(columns)?;
        }
    }
    writer.finish(true)?;
    Ok(())
}

/// Writes `study.parquet` over all cells in `root` to `path`.
///
/// # Errors
///
/// As of [`write`].
pub(super) fn write_means(path: &Path, root: &Path, study: &Study) -> Result<()> {
    let swept = swept(study);
    let mut writer = create(path, study, schema(&swept, means()))?;
    for cell in &study.cells {
        let mut found: BTreeMap<String, OverNetworks> = BTreeMap::new();
        for_each_metric(&root.join(cell.cell.folder()), |_, metric, value| {
            if !found.contains_key(metric) {
                found.insert(metric.to_owned(), OverNetworks::default());
            }
            if let (Some(over), Some(value)) = (found.get_mut(metric), value) {
                over.add(value);
            }
        })?;
        let names = StringArray::from_iter_values(found.keys());
        let places = Int32Array::from_iter_values(0..i32::try_from(found.len())?);
        let of = found.values();
        let counts = of.clone().map(|over| Ok(u32::try_from(over.count())?));
        let counts = counts.collect::<Result<Vec<u32>>>()?;
        let mut columns = settings(&cell.cell, &swept, found.len())?;
        columns.extend::<[ArrayRef; 4]>([
            Arc::new(DictionaryArray::<Int32Type>::try_new(
                places,
                Arc::new(names),
            )?),
            Arc::new(Float64Array::from_iter(of.clone().map(OverNetworks::mean))),
            Arc::new(Float64Array::from_iter(of.map(OverNetworks::half_width))),
            Arc::new(UInt32Array::from(counts)),
        ]);
        writer.append(columns)?;
    }
    writer.finish(true)?;
    Ok(())
}

/// Returns the columns of a cell's index and settings, `rows` long.
fn settings(cell: &Cell, swept: &[Swept], rows: usize) -> Result<Vec<ArrayRef>> {
    let index = u32::try_from(cell.index)?;
    let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(vec![index; rows]))];
    for Swept { key, column, .. } in swept {
        let set = cell.settings.iter().find(|(other, _)| other == key);
        columns.push(constant(set.map(|(_, value)| value), column, rows));
    }
    Ok(columns)
}

/// Reads the table of the cell in `folder`, batch by batch.
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

/// Calls `take` with each row of the table of the cell in `folder`.
///
/// # Errors
///
/// The table cannot be read; the path is in the message.
pub(super) fn for_each_metric(
    folder: &Path,
    mut row: impl FnMut(u32, &str, Option<f64>),
) -> Result<()> {
    for batch in metrics(folder)? {
        let batch = batch?;
        let column = |name: &str, data_type: &DataType| column(&batch, name, data_type);
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
