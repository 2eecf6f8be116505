//! Node ids and traces of operations that come from elsewhere: Parquet or CSV, by the file's extension.
//!
//! Reads columns by name, in any order, and leaves others alone. Integers may be of any width that holds
//! the values (pandas writes keys below 2^63 as int64). Keys are 64 bits wide; longer ids are not read.
//! Every error names the file and, where there is one, the row (the first row of data is row 1) and the
//! value. Cost: one pass, and a sort of the ids to find doubles.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, UInt64Type};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use thiserror::Error;

/// Most rows of an imported file: node rows are 32 bits wide, and one bit stays free.
pub const MAX_ROWS: u64 = 1 << 31;

/// Largest `start_ms` of a trace, in ms: 285 years.
pub const MAX_START_MS: f64 = 9e12;

/// One operation of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// Node id of the node it starts at.
    pub origin: i64,
    /// Key it looks for.
    pub key: u64,
    /// When it is due, in µs from the phase's start.
    pub start_us: u64,
}

/// Why a file of node ids or a trace is not taken. Rows count from 1.
#[derive(Debug, Error)]
pub enum ImportError {
    /// It cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its name ends in neither `.parquet` nor `.csv`.
    #[error("{}: the name must end in .parquet or .csv", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// It has no bytes at all.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is not Parquet, or damaged.
    #[error("{}: not a readable Parquet file: {reason}", path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// It is not CSV: a row of another length, or not UTF-8.
    #[error("{}: not a readable CSV file: {reason}", path.display())]
    NotCsv {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// A column is not there.
    #[error("{}: no column `{column}`; the columns are {}", path.display(), list(present))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column that was looked for.
        column: &'static str,
        /// The columns that are there.
        present: Vec<String>,
    },
    /// Two columns have one name.
    #[error("{}: two columns are named `{column}`", path.display())]
    TwiceColumn {
        /// The file.
        path: PathBuf,
        /// Their name.
        column: &'static str,
    },
    /// A column is of a type that cannot be taken.
    #[error("{}: column `{column}` is {found}, not {expected}", path.display())]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// Its type.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A value is missing.
    #[error("{}: row {row}: no value in column `{column}`", path.display())]
    Null {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: u64,
        /// The column.
        column: &'static str,
    },
    /// A value is not allowed.
    #[error("{}: row {row}: `{column}` is {value}, not {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: u64,
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Two rows have one node id or one key.
    #[error("{}: rows {first} and {second} have the same {column}, {value}", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// `node` or `key`.
        column: &'static str,
        /// What they share.
        value: String,
        /// The earlier row, from 1.
        first: u64,
        /// The later row, from 1.
        second: u64,
    },
    /// A file of node ids without a row.
    #[error("{}: no rows; a network needs at least one node", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// More rows than [`MAX_ROWS`].
    #[error("{}: more than {MAX_ROWS} rows", path.display())]
    TooManyRows {
        /// The file.
        path: PathBuf,
    },
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Reads node ids: columns `node` (int64) and `key` (uint64), each without doubles.
///
/// # Errors
/// Any [`ImportError`]; no rows at all is one.
pub fn read_ids(path: &Path) -> Result<Vec<(i64, u64)>, ImportError> {
    let mut ids = Vec::new();
    read_columns(path, ["node", "key"], [Type::Integer; 2], &mut |batch| {
        for i in 0..batch.rows {
            ids.push((batch.integer(0, i)?, batch.key(1, i)?));
        }
        Ok(())
    })?;
    if ids.is_empty() {
        return Err(ImportError::NoRows { path: path.into() });
    }
    unique(path, "node", &ids, |id| id.0)?;
    unique(path, "key", &ids, |id| id.1)?;
    Ok(ids)
}

/// Reads a trace: columns `origin` (int64), `key` (uint64) and `start_ms` (float64, from the phase's
/// start, with at most three decimals, 0 to [`MAX_START_MS`]). Rows come back in order of start, those of
/// one start in the order of the file. No rows are a trace too.
///
/// # Errors
/// Any [`ImportError`] but `NoRows` and `Duplicate`.
pub fn read_trace(path: &Path) -> Result<Vec<TraceRow>, ImportError> {
    let mut trace = Vec::new();
    let types = [Type::Integer, Type::Integer, Type::Number];
    read_columns(path, ["origin", "key", "start_ms"], types, &mut |batch| {
        for i in 0..batch.rows {
            trace.push(TraceRow {
                origin: batch.integer(0, i)?,
                key: batch.key(1, i)?,
                start_us: batch.start_us(2, i)?,
            });
        }
        Ok(())
    })?;
    trace.sort_by_key(|row| row.start_us);
    Ok(trace)
}

/// Fails at the first row that has an earlier one's value.
fn unique<T: Copy + Ord + std::fmt::Display>(
    path: &Path,
    column: &'static str,
    ids: &[(i64, u64)],
    value: impl Fn(&(i64, u64)) -> T,
) -> Result<(), ImportError> {
    let mut sorted: Vec<(T, u32)> = (0u32..).zip(ids).map(|(i, id)| (value(id), i)).collect();
    sorted.sort_unstable();
    let pairs = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    let Some(pair) = pairs.min_by_key(|pair| pair[1].1) else {
        return Ok(());
    };
    Err(ImportError::Duplicate {
        path: path.into(),
        column,
        value: pair[0].0.to_string(),
        first: u64::from(pair[0].1) + 1,
        second: u64::from(pair[1].1) + 1,
    })
}

/// What a column has to be.
#[derive(Clone, Copy, PartialEq)]
enum Type {
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
struct Batch<'a> {
    path: &'a Path,
    names: &'a [&'static str],
    columns: Vec<ArrayRef>,
    rows: usize,
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

    fn value_error(&self, c: usize, i: usize, value: &str, expected: &'static str) -> ImportError {
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

    fn integer(&self, c: usize, i: usize) -> Result<i64, ImportError> {
        self.integer_in(c, i, "an integer that 64 bits with a sign hold")
    }

    fn key(&self, c: usize, i: usize) -> Result<u64, ImportError> {
        self.integer_in(c, i, "an integer from 0 to 18446744073709551615")
    }

    fn start_us(&self, c: usize, i: usize) -> Result<u64, ImportError> {
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
fn to_us(ms: f64) -> Option<u64> {
    let us = ms * 1000.0;
    let noise = f64::max(1e-3, us * 2.0 * f64::EPSILON);
    ((us - us.round()).abs() <= noise).then(|| us.round() as u64)
}

type Take<'a> = dyn FnMut(&Batch) -> Result<(), ImportError> + 'a;

/// Hands the named columns to `take`, batch by batch.
fn read_columns<const N: usize>(
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
struct Wanted<'a> {
    path: &'a Path,
    names: &'a [&'static str],
    types: &'a [Type],
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

    fn hand_on(
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

#[cfg(test)]
mod tests {
    use std::fs;

    use arrow::array::{
        BooleanArray, Float64Array, Int8Array, Int64Array, StringArray, UInt32Array, UInt64Array,
    };
    use parquet::arrow::ArrowWriter;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Folder(tempfile::tempdir().unwrap())
        }

        fn text(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, content).unwrap();
            path
        }

        fn parquet(&self, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
            let path = self.0.path().join("t.parquet");
            let columns = columns.into_iter().map(|(name, array)| (name, array, true));
            let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
            let file = File::create(&path).unwrap();
            let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            path
        }
    }

    fn u64s(values: &[u64]) -> ArrayRef {
        Arc::new(UInt64Array::from(values.to_vec()))
    }

    fn i64s(values: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(values.to_vec()))
    }

    fn f64s(values: &[f64]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }

    #[track_caller]
    fn fails<T: std::fmt::Debug>(result: Result<T, ImportError>, path: &Path, message: &str) {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn ids_from_both_formats() {
        let folder = Folder::new();
        let expected = [(7, u64::MAX), (-1, 0), (i64::MIN, 1 << 63)];
        let nodes = [7, -1, i64::MIN];
        let keys = [u64::MAX, 0, 1 << 63];
        let other: ArrayRef = Arc::new(StringArray::from(vec!["x", "y", "z"]));
        let columns = vec![
            ("key", u64s(&keys)),
            ("other", other),
            ("node", i64s(&nodes)),
        ];
        assert_eq!(read_ids(&folder.parquet(columns)).unwrap(), expected);
        let csv = "\u{feff}other, key ,node\r\n\"a,b\",18446744073709551615,7\r\n,0, -1\r\n\
                   x,9223372036854775808,-9223372036854775808";
        assert_eq!(read_ids(&folder.text("ids.CSV", csv)).unwrap(), expected);
    }

    #[test]
    fn other_integer_widths_where_nothing_is_lost() {
        let folder = Folder::new();
        let narrow: ArrayRef = Arc::new(Int8Array::from(vec![-3, 4]));
        let wide: ArrayRef = Arc::new(UInt32Array::from(vec![9, 8]));
        let path = folder.parquet(vec![("node", narrow), ("key", wide)]);
        assert_eq!(read_ids(&path).unwrap(), [(-3, 9), (4, 8)]);
        let path = folder.parquet(vec![("node", u64s(&[1])), ("key", i64s(&[i64::MAX]))]);
        assert_eq!(read_ids(&path).unwrap(), [(1, i64::MAX as u64)]);
        let path = folder.parquet(vec![("node", u64s(&[1, 1 << 63])), ("key", u64s(&[1, 2]))]);
        fails(
            read_ids(&path),
            &path,
            "row 2: `node` is 9223372036854775808, not",
        );
        let path = folder.parquet(vec![("node", u64s(&[1, 2])), ("key", i64s(&[1, -2]))]);
        fails(
            read_ids(&path),
            &path,
            "row 2: `key` is -2, not an integer from 0",
        );
    }

    #[test]
    fn traces_are_sorted_by_start_and_keep_the_order_of_equals() {
        let folder = Folder::new();
        let row = |origin, key, start_us| TraceRow {
            origin,
            key,
            start_us,
        };
        let expected = [
            row(3, 30, 0),
            row(1, 10, 1_500),
            row(4, 40, 1_500),
            row(2, 20, 9_000_000_000_000_000),
        ];
        let starts = [1.5, 9e12, 0.0, 1.5];
        let path = folder.parquet(vec![
            ("start_ms", f64s(&starts)),
            ("origin", i64s(&[1, 2, 3, 4])),
            ("key", u64s(&[10, 20, 30, 40])),
        ]);
        assert_eq!(read_trace(&path).unwrap(), expected);
        let csv = "key,start_ms,origin\n10,1.500,1\n20,9e12,2\n30,0,3\n40,1.5,4\n";
        assert_eq!(read_trace(&folder.text("t.csv", csv)).unwrap(), expected);
        let whole = folder.parquet(vec![
            ("start_ms", i64s(&[5])),
            ("origin", i64s(&[1])),
            ("key", u64s(&[10])),
        ]);
        assert_eq!(read_trace(&whole).unwrap(), [row(1, 10, 5_000)]);
    }

    #[test]
    fn every_microsecond_survives_and_a_fourth_decimal_does_not() {
        let mut us = 1u64;
        while us < 9_000_000_000_000_000 {
            for us in [us, us + 1, us * 10 - 1] {
                assert_eq!(
                    to_us(us as f64 / 1000.0).map(|found| found.abs_diff(us) <= us >> 50),
                    Some(true),
                    "{us}"
                );
            }
            us = us * 3 + 7;
        }
        assert_eq!(to_us(0.1 + 0.2), Some(300));
        for ms in [0.0001, 0.0005, 1.2345, 1e6 + 0.0005, 1e9 + 0.0004] {
            assert_eq!(to_us(ms), None, "{ms}");
        }
    }

    #[test]
    fn starts_out_of_range() {
        let folder = Folder::new();
        for (start, message) in [
            (
                -0.001,
                "`start_ms` is -0.001, not a number of milliseconds from 0",
            ),
            (f64::NAN, "`start_ms` is NaN"),
            (f64::INFINITY, "`start_ms` is inf"),
            (9.001e12, "`start_ms` is 9001000000000"),
            (
                0.1234,
                "`start_ms` is 0.1234, not a number with at most three decimals",
            ),
        ] {
            let path = folder.parquet(vec![
                ("origin", i64s(&[1, 1])),
                ("key", u64s(&[1, 1])),
                ("start_ms", f64s(&[0.0, start])),
            ]);
            fails(read_trace(&path), &path, message);
            fails(read_trace(&path), &path, "row 2");
            let csv = format!("origin,key,start_ms\n1,1,0\n1,1,{start}\n");
            let path = folder.text("t.csv", csv);
            fails(read_trace(&path), &path, message);
        }
        let path = folder.text("t.csv", "origin,key,start_ms\n1,1,soon\n");
        fails(
            read_trace(&path),
            &path,
            "row 1: `start_ms` is `soon`, not a number",
        );
    }

    #[test]
    fn empty_tables() {
        let folder = Folder::new();
        let path = folder.text("t.csv", "origin,key,start_ms\n");
        assert_eq!(read_trace(&path).unwrap(), []);
        let path = folder.parquet(vec![
            ("origin", i64s(&[])),
            ("key", u64s(&[])),
            ("start_ms", f64s(&[])),
        ]);
        assert_eq!(read_trace(&path).unwrap(), []);
        let path = folder.text("t.csv", "node,key\n");
        fails(read_ids(&path), &path, "no rows");
        let path = folder.parquet(vec![("node", i64s(&[])), ("key", u64s(&[]))]);
        fails(read_ids(&path), &path, "no rows");
    }

    #[test]
    fn files_that_are_not_what_they_should_be() {
        let folder = Folder::new();
        for name in ["absent.parquet", "absent.csv"] {
            let path = folder.0.path().join(name);
            fails(read_ids(&path), &path, "No such file");
        }
        for name in ["ids.txt", "ids", "ids.parquet.gz"] {
            let path = folder.text(name, "node,key\n1,2\n");
            fails(read_ids(&path), &path, "must end in .parquet or .csv");
        }
        for name in ["empty.parquet", "empty.csv"] {
            let path = folder.text(name, "");
            fails(read_ids(&path), &path, "the file is empty");
        }
        let path = folder.text("t.parquet", "node,key\n1,2\n");
        fails(read_ids(&path), &path, "not a readable Parquet file");
        let path = folder.0.path().join("folder.csv");
        fs::create_dir(&path).unwrap();
        fails(read_ids(&path), &path, "directory");
        let path = folder.text("t.csv", "node,key\n1,2\n3\n");
        fails(read_ids(&path), &path, "not a readable CSV file");
        let path = folder.text("t.csv", b"node,key\n1,\xFF\n");
        fails(read_ids(&path), &path, "not a readable CSV file");
        let path = folder.text("t.csv", "\n");
        fails(read_ids(&path), &path, "");
    }

    #[test]
    fn columns_that_are_not_what_they_should_be() {
        let folder = Folder::new();
        let path = folder.parquet(vec![("id", i64s(&[1])), ("key", u64s(&[1]))]);
        fails(
            read_ids(&path),
            &path,
            "no column `node`; the columns are `id`, `key`",
        );
        let path = folder.text("t.csv", "node,kee\n1,2\n");
        fails(
            read_ids(&path),
            &path,
            "no column `key`; the columns are `node`, `kee`",
        );
        let path = folder.text("t.csv", "node,key,node\n1,2,3\n");
        fails(read_ids(&path), &path, "two columns are named `node`");
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        let flag: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        for (array, name) in [(text, "Utf8"), (flag, "Boolean"), (f64s(&[1.0]), "Float64")] {
            let path = folder.parquet(vec![("node", i64s(&[1])), ("key", array)]);
            fails(
                read_ids(&path),
                &path,
                &format!("column `key` is {name}, not an integer type"),
            );
        }
    }

    #[test]
    fn nulls_and_values_name_their_row() {
        let folder = Folder::new();
        let holed: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
        let path = folder.parquet(vec![("node", holed), ("key", u64s(&[1, 2, 3]))]);
        fails(read_ids(&path), &path, "row 3: no value in column `node`");
        for blank in ["", " "] {
            let path = folder.text("t.csv", format!("node,key\n1,2\n2,{blank}\n"));
            fails(read_ids(&path), &path, "row 2: no value in column `key`");
        }
        for bad in [
            "x",
            "1.5",
            "-1",
            "18446744073709551616",
            "9".repeat(60).as_str(),
        ] {
            let path = folder.text("t.csv", format!("node,key\n1,{bad}\n"));
            fails(
                read_ids(&path),
                &path,
                &format!("row 1: `key` is `{bad}`, not an integer"),
            );
        }
        // Rows count on over the reader's batches.
        let rows: String = (0..5000).map(|i| format!("{i},{i}\n")).collect();
        let path = folder.text("t.csv", format!("node,key\n{rows}y,1\n"));
        fails(read_ids(&path), &path, "row 5001: `node` is `y`");
    }

    #[test]
    fn doubles_name_both_rows() {
        let folder = Folder::new();
        let path = folder.parquet(vec![
            ("node", i64s(&[5, 6, 7, 6, 5])),
            ("key", u64s(&[1, 2, 3, 4, 5])),
        ]);
        fails(read_ids(&path), &path, "rows 2 and 4 have the same node, 6");
        let path = folder.text("t.csv", "node,key\n1,8\n2,9\n3,8\n");
        fails(read_ids(&path), &path, "rows 1 and 3 have the same key, 8");
    }

    #[test]
    fn more_rows_than_32_bits_minus_one_are_refused() {
        let wanted = Wanted {
            path: Path::new("ids.parquet"),
            names: &["node"],
            types: &[Type::Integer],
        };
        let batch = RecordBatch::try_from_iter([("node", i64s(&[1]))]).unwrap();
        let mut before = MAX_ROWS - 1;
        wanted
            .hand_on(&batch, &mut before, &mut |_| Ok(()))
            .unwrap();
        let result = wanted.hand_on(&batch, &mut before, &mut |_| Ok(()));
        fails(result, wanted.path, "more than 2147483648 rows");
    }

    #[test]
    fn a_damaged_file_is_an_error_or_other_ids_never_a_crash() {
        let folder = Folder::new();
        let nodes: Vec<i64> = (0..500).collect();
        let keys: Vec<u64> = (0..500).map(|i| i * 977).collect();
        let path = folder.parquet(vec![("node", i64s(&nodes)), ("key", u64s(&keys))]);
        let content = fs::read(&path).unwrap();
        for place in (0..content.len()).step_by(content.len() / 300) {
            let mut changed = content.clone();
            changed[place] ^= 0xA5;
            let _ = read_ids(&folder.text("t.parquet", changed));
            let cut = folder.text("t.parquet", &content[..place]);
            fails(read_ids(&cut), &cut, "");
        }
    }
}
