//! Rows of a golden file, by column name. Times are in whole microseconds.

use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};

use crate::support::tables;

/// A golden file.
pub struct Golden {
    name: &'static str,
    batch: RecordBatch,
}

impl Golden {
    /// Reads `data/<name>.parquet`.
    pub fn read(name: &'static str) -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data");
        let path = data.join(name).with_extension("parquet");
        let batch = tables::read(&path);
        assert!(batch.num_rows() > 0, "{name} is empty");
        Self { name, batch }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Returns every row.
    pub fn rows(&self) -> impl Iterator<Item = GoldenRow<'_>> {
        (0..self.len()).map(|row| GoldenRow { golden: self, row })
    }
}

/// A row of a golden file.
#[derive(Clone, Copy)]
pub struct GoldenRow<'a> {
    golden: &'a Golden,
    /// Index of the row.
    pub row: usize,
}

impl GoldenRow<'_> {
    fn cell(&self, column: &str) -> Option<ArrayRef> {
        let Some(array) = self.golden.batch.column_by_name(column) else {
            panic!("{} has no column {column}", self.golden.name);
        };
        array.is_valid(self.row).then(|| array.slice(self.row, 1))
    }

    fn value(&self, column: &str) -> ArrayRef {
        self.cell(column)
            .unwrap_or_else(|| panic!("{self} has no {column}"))
    }

    /// Returns an integer, if the row has one.
    pub fn optional_int(&self, column: &str) -> Option<i64> {
        let cell = cast(&self.cell(column)?, &DataType::Int64).unwrap();
        Some(cell.as_primitive::<Int64Type>().value(0))
    }

    /// Returns an integer.
    pub fn int(&self, column: &str) -> i64 {
        self.optional_int(column)
            .unwrap_or_else(|| panic!("{self} has no {column}"))
    }

    /// Returns a key.
    pub fn key(&self, column: &str) -> u64 {
        self.value(column).as_primitive::<UInt64Type>().value(0)
    }

    /// Returns a string.
    pub fn text(&self, column: &str) -> String {
        self.value(column).as_string::<i32>().value(0).to_owned()
    }

    /// Returns a boolean, if the row has one.
    pub fn optional_flag(&self, column: &str) -> Option<bool> {
        Some(self.cell(column)?.as_boolean().value(0))
    }

    /// Returns a boolean.
    pub fn flag(&self, column: &str) -> bool {
        self.value(column).as_boolean().value(0)
    }

    /// Returns a time in milliseconds as µs, if the row has one.
    pub fn optional_us(&self, column: &str) -> Option<u64> {
        Some(
            self.cell(column)?
                .as_primitive::<Float64Type>()
                .value(0)
                .to_us(),
        )
    }

    /// Returns a time in milliseconds as µs.
    pub fn us(&self, column: &str) -> u64 {
        self.optional_us(column)
            .unwrap_or_else(|| panic!("{self} has no {column}"))
    }

    /// Returns a list of integers. A missing list is empty.
    pub fn ints(&self, column: &str) -> Vec<i64> {
        let Some(cell) = self.cell(column) else {
            return Vec::new();
        };
        let list = cast(&cell.as_list::<i32>().value(0), &DataType::Int64).unwrap();
        list.as_primitive::<Int64Type>().values().to_vec()
    }

    /// Returns a list of times in milliseconds as µs.
    pub fn us_list(&self, column: &str) -> Vec<u64> {
        let list = self.value(column).as_list::<i32>().value(0);
        let values = list.as_primitive::<Float64Type>().values();
        values.iter().map(|ms| ms.to_us()).collect()
    }
}

impl std::fmt::Display for GoldenRow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} row {}", self.golden.name, self.row)
    }
}

trait Milliseconds {
    fn to_us(&self) -> u64;
}

impl Milliseconds for f64 {
    fn to_us(&self) -> u64 {
        let us = self * 1000.0;
        assert!((us - us.round()).abs() < 1e-6, "{self} ms is not whole µs");
        us.round() as u64
    }
}
