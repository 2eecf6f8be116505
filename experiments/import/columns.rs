//! Named columns of a Parquet or CSV file, batch by batch, with the place of whatever is wrong in them.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, UInt64Type};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::{ImportError, MAX_ROWS, MAX_START_MS};

/// What a column has to be.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Type {
    Integer,
    Number,
}

impl Type {
    /// What it is read as, or `None` for a type that does not fit.
    fn read_as(self, found: &DataType) -> Option<DataType> {
        match found {
            DataType::UInt64 => Some(DataType::UInt64),
            found if found.is_integer() => Some(DataType::Int64),
            DataType::Float64 if self == Type::Number => Some(DataType::Float64),
            DataType::Utf8 => Some(DataType::Utf8),
            _ => None,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Type::Integer => "an integer type",
            Type::Number => "float64 or an integer type",
        }
    }
}

/// Some rows of the columns asked for, as i64, u64, f64 or text.
pub(super) struct Batch<'a> {
    path: &'a Path,
    names: &'a [&'static str],
    columns: Vec<ArrayRef>,
    pub(super) rows: usize,
    /// Rows before this batch.
    before: u64,
}

impl Batch<'_> {
    fn row(&self, i: usize) -> u64 {
        self.before + i as u64 + 1
    }

    /// The column, which has a value at `i`.
    fn column(&self, c: usize, i: usize) -> Result<&ArrayRef, ImportError> {
        let column = &self.columns[c];
        let blank = |text: &ArrayRef| text.as_string::<i32>().value(i).trim().is_empty();
        if column.is_null(i) || (*column.data_type() == DataType::Utf8 && blank(column)) {
            return Err(ImportError::Null {
                path: self.path.into(),
                row: self.row(i),
                column: self.names[c],
            });
        }
        Ok(column)
    }

    /// Says that the value at row `i` of column `c` is not allowed.
    pub(super) fn value_error(
        &self,
        c: usize,
        i: usize,
        value: &str,
        expected: &'static str,
    ) -> ImportError {
        ImportError::Value {
            path: self.path.into(),
            row: self.row(i),
            column: self.names[c],
            value: value.chars().take(80).collect(),
            expected,
        }
    }

    /// The integer at row `i` of column `c`, whatever it is read as.
    fn integer_in<T>(&self, c: usize, i: usize, expected: &'static str) -> Result<T, ImportError>
    where
        T: TryFrom<i128>,
    {
        let column = self.column(c, i)?;
        let (value, text) = match column.data_type() {
            DataType::Int64 => {
                let value = column.as_primitive::<Int64Type>().value(i);
                (Some(i128::from(value)), value.to_string())
            }
            DataType::UInt64 => {
                let value = column.as_primitive::<UInt64Type>().value(i);
                (Some(i128::from(value)), value.to_string())
            }
            _ => {
                let text = column.as_string::<i32>().value(i).trim();
                (text.parse().ok(), format!("`{text}`"))
            }
        };
        let value = value.and_then(|value: i128| T::try_from(value).ok());
        value.ok_or_else(|| self.value_error(c, i, &text, expected))
    }

    pub(super) fn integer(&self, c: usize, i: usize) -> Result<i64, ImportError> {
        self.integer_in(c, i, "an integer that 64 bits with a sign hold")
    }

    pub(super) fn key(&self, c: usize, i: usize) -> Result<u64, ImportError> {
        self.integer_in(c, i, "an integer from 0 to 18446744073709551615")
    }

    pub(super) fn start_us(&self, c: usize, i: usize) -> Result<u64, ImportError> {
        let column = self.column(c, i)?;
        let expected = "a number of milliseconds from 0 to 9e12";
        let ms = match column.data_type() {
            DataType::Float64 => column.as_primitive::<Float64Type>().value(i),
            DataType::Utf8 => {
                let text = column.as_string::<i32>().value(i).trim();
                let parsed = text.parse();
                parsed.map_err(|_| self.value_error(c, i, &format!("`{text}`"), expected))?
            }
            _ => self.integer_in::<i64>(c, i, expected)? as f64,
        };
        if !(0.0..=MAX_START_MS).contains(&ms) {
            return Err(self.value_error(c, i, &ms.to_string(), expected));
        }
        let expected = "a number with at most three decimals";
        to_us(ms).ok_or_else(|| self.value_error(c, i, &ms.to_string(), expected))
    }
}

/// Milliseconds as whole microseconds, or `None` if they have a fourth decimal. What a float cannot
/// express is no decimal: a nanosecond, or two units in the last place if that is more.
pub(super) fn to_us(ms: f64) -> Option<u64> {
    let us = ms * 1000.0;
    let noise = f64::max(1e-3, us * 2.0 * f64::EPSILON);
    ((us - us.round()).abs() <= noise).then(|| us.round() as u64)
}

pub(super) type Take<'a> = dyn FnMut(&Batch) -> Result<(), ImportError> + 'a;

/// Hands the named columns to `take`, batch by batch.
pub(super) fn read_columns<const N: usize>(
    path: &Path,
    names: [&'static str; N],
    types: [Type; N],
    take: &mut Take,
) -> Result<(), ImportError> {
    let io_error = |source| ImportError::Io {
        path: path.into(),
        source,
    };
    let extension = path.extension().and_then(|end| end.to_str());
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    if !["parquet", "csv"].contains(&extension.as_str()) {
        return Err(ImportError::Extension { path: path.into() });
    }
    let file = File::open(path).map_err(io_error)?;
    let found = file.metadata().map_err(io_error)?;
    if found.is_dir() {
        return Err(io_error(io::ErrorKind::IsADirectory.into()));
    }
    if found.is_file() && found.len() == 0 {
        return Err(ImportError::Empty { path: path.into() });
    }
    let columns = Wanted {
        path,
        names: &names,
        types: &types,
    };
    if extension == "csv" {
        return columns.read_csv(file, take);
    }
    // A panic of the Parquet reader over a damaged file, should one be left in it, is an error too.
    catch_unwind(AssertUnwindSafe(|| columns.read_parquet(file, take)))
        .unwrap_or_else(|_| Err(columns.not_parquet("the file is damaged")))
}

/// The columns to read from one file.
pub(super) struct Wanted<'a> {
    pub(super) path: &'a Path,
    pub(super) names: &'a [&'static str],
    pub(super) types: &'a [Type],
}

impl Wanted<'_> {
    fn not_parquet(&self, reason: impl ToString) -> ImportError {
        let mut reason = reason.to_string();
        if reason.contains("Disabled feature") {
            reason += "; this build does not read that compression, so write the file with zstd";
        }
        ImportError::NotParquet {
            path: self.path.into(),
            reason,
        }
    }

    fn not_csv(&self, error: ArrowError) -> ImportError {
        let reason = match error {
            ArrowError::CsvError(reason) => reason,
            other => other.to_string(),
        };
        ImportError::NotCsv {
            path: self.path.into(),
            reason,
        }
    }

    fn read_parquet(&self, file: File, take: &mut Take) -> Result<(), ImportError> {
        let error = |error: ParquetError| self.not_parquet(error);
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(error)?;
        let places = self.places(builder.schema())?;
        for ((&name, kind), &place) in self.names.iter().zip(self.types).zip(&places) {
            let found = builder.schema().field(place).data_type();
            if *found == DataType::Utf8 || kind.read_as(found).is_none() {
                return Err(ImportError::WrongType {
                    path: self.path.into(),
                    column: name,
                    found: found.to_string(),
                    expected: kind.expected(),
                });
            }
        }
        let mask = ProjectionMask::roots(builder.parquet_schema(), places);
        let reader = builder.with_projection(mask).build().map_err(error)?;
        let mut before = 0;
        for batch in reader {
            let batch = batch.map_err(|error| self.not_parquet(error))?;
            self.hand_on(&batch, &mut before, take)?;
        }
        Ok(())
    }

    fn read_csv(&self, mut file: File, take: &mut Take) -> Result<(), ImportError> {
        let io_error = |source| ImportError::Io {
            path: self.path.into(),
            source,
        };
        // Spreadsheets begin a file with a byte order mark.
        let mut start = Vec::new();
        file.by_ref()
            .take(3)
            .read_to_end(&mut start)
            .map_err(io_error)?;
        let start = if start == b"\xEF\xBB\xBF" { 3 } else { 0 };
        file.seek(SeekFrom::Start(start)).map_err(io_error)?;
        let format = arrow::csv::reader::Format::default().with_header(true);
        let header = format.infer_schema(BufReader::new(&file), Some(0));
        let (header, _) = header.map_err(|error| self.not_csv(error))?;
        let text = |field: &Arc<Field>| Field::new(field.name().trim(), DataType::Utf8, true);
        let schema = Arc::new(Schema::new(
            header.fields().iter().map(text).collect::<Vec<_>>(),
        ));
        self.places(&schema)?;
        file.seek(SeekFrom::Start(start)).map_err(io_error)?;
        let reader = arrow::csv::ReaderBuilder::new(schema).with_header(true);
        let reader = reader.build(file).map_err(|error| self.not_csv(error))?;
        let mut before = 0;
        for batch in reader {
            let batch = batch.map_err(|error| self.not_csv(error))?;
            self.hand_on(&batch, &mut before, take)?;
        }
        Ok(())
    }

    /// Where in the schema each column is.
    fn places(&self, schema: &Schema) -> Result<Vec<usize>, ImportError> {
        let present = || schema.fields().iter().map(|field| field.name());
        let place = |&column: &&'static str| {
            let mut places = present().enumerate().filter(|(_, name)| *name == column);
            let Some((place, _)) = places.next() else {
                return Err(ImportError::MissingColumn {
                    path: self.path.into(),
                    column,
                    present: present().cloned().collect(),
                });
            };
            match places.next() {
                None => Ok(place),
                Some(_) => Err(ImportError::TwiceColumn {
                    path: self.path.into(),
                    column,
                }),
            }
        };
        self.names.iter().map(place).collect()
    }

    pub(super) fn hand_on(
        &self,
        batch: &RecordBatch,
        before: &mut u64,
        take: &mut Take,
    ) -> Result<(), ImportError> {
        let rows = batch.num_rows();
        if *before + rows as u64 > MAX_ROWS {
            return Err(ImportError::TooManyRows {
                path: self.path.into(),
            });
        }
        let places = self.places(batch.schema_ref())?;
        let column = |(&place, kind): (&usize, &Type)| {
            let column = batch.column(place);
            match kind.read_as(column.data_type()) {
                Some(wide) => cast(column, &wide).map_err(|error| self.not_parquet(error)),
                None => Err(self.not_parquet("the type of a column changes")),
            }
        };
        let columns = places.iter().zip(self.types).map(column);
        take(&Batch {
            path: self.path,
            names: self.names,
            columns: columns.collect::<Result<_, _>>()?,
            rows,
            before: *before,
        })?;
        *before += rows as u64;
        Ok(())
    }
}
