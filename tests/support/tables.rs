//! Parquet files as plain columns.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Writes a Parquet file of these columns.
pub fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Returns every row of a Parquet file.
pub fn read(path: &Path) -> RecordBatch {
    all_rows(open(path))
}

fn open(path: &Path) -> ParquetRecordBatchReaderBuilder<File> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ParquetRecordBatchReaderBuilder::try_new(file).unwrap()
}

fn all_rows(reader: ParquetRecordBatchReaderBuilder<File>) -> RecordBatch {
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// A whole table.
pub struct Table {
    pub batch: RecordBatch,
    /// Metadata `kadsim.complete`.
    pub complete: Option<String>,
    /// Metadata `kadsim.seed`.
    pub seed: Option<String>,
}

impl Table {
    pub fn read(path: &Path) -> Self {
        let reader = open(path);
        let metadata = reader
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .cloned()
            .unwrap_or_default();
        let noted = |key: &str| {
            let pair = metadata.iter().find(|pair| pair.key == key);
            pair.and_then(|pair| pair.value.clone())
        };
        let (complete, seed) = (noted("kadsim.complete"), noted("kadsim.seed"));
        Self {
            batch: all_rows(reader),
            complete,
            seed,
        }
    }

    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn column(&self, name: &str, r#type: &DataType) -> ArrayRef {
        let column = self
            .batch
            .column_by_name(name)
            .unwrap_or_else(|| panic!("no column {name}"));
        // Booleans become numbers in two steps.
        let column = match column.data_type() {
            DataType::Boolean => cast(column, &DataType::UInt8).unwrap(),
            _ => column.clone(),
        };
        cast(&column, r#type).unwrap()
    }

    /// Returns a column of numbers or booleans.
    pub fn numbers(&self, name: &str) -> Vec<Option<f64>> {
        self.column(name, &DataType::Float64)
            .as_primitive::<Float64Type>()
            .iter()
            .collect()
    }

    /// Returns a column of numbers without nulls.
    pub fn values(&self, name: &str) -> Vec<f64> {
        self.numbers(name)
            .into_iter()
            .map(|value| value.unwrap_or_else(|| panic!("null in {name}")))
            .collect()
    }

    pub fn sum(&self, name: &str) -> f64 {
        self.values(name).iter().sum()
    }

    pub fn words(&self, name: &str) -> Vec<String> {
        let column = self.column(name, &DataType::Utf8);
        assert_eq!(column.null_count(), 0);
        column
            .as_string::<i32>()
            .iter()
            .map(|word| word.unwrap().to_owned())
            .collect()
    }
}
