//! Describes run folders and tables, and computes digests of their content.
//!
//! The digest is SHA-256 over names, types and values only. Row groups, compression, encodings, metadata and batch
//! sizes do not change it. Each column is a stream of its own: for each value one byte for present (1) or absent (0),
//! then, if present, the value in little-endian bytes. Strings and lists follow their length in 8 bytes; dictionaries
//! count as their strings. The digest of a table covers its number of rows and each column's name, type and stream.
//! That of a folder covers the names and digests of all its tables but `timings.parquet`, and `summary.json`. For a
//! study, see `study`.

mod closing;
mod study;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use self::closing::closing;
pub(crate) use self::study::{cells_of, is_study};
use crate::hex::hex;
use crate::output::METRICS;
use crate::table::{Side, TextTable, wrapped};

/// The table that depends on the machine. A folder's digest leaves it out.
const TIMINGS: &str = "timings.parquet";
/// Line behind a summary: how exact its percentiles are.
const PERCENTILES: &str =
    "Percentiles are nearest-rank, exact below 2048 (times: 2.048 ms), else at most 1/1024 off.";
const METADATA: [&str; 4] = [
    "kadsim.experiment",
    "kadsim.seed",
    "kadsim.version",
    "kadsim.complete",
];

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// Its type, with `?` at the end if values may be absent.
    pub data_type: String,
    /// Its unit, `-` if the file has none.
    pub unit: String,
    /// Its meaning, empty if the file has none.
    pub description: String,
    /// Number of absent values.
    pub nulls: u64,
    /// SHA-256 of its values, in hex.
    pub digest: String,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSummary {
    /// Experiment, seed, version and complete (`true` or `false`), each if the file has it.
    pub metadata: [Option<String>; 4],
    /// Number of rows.
    pub rows: u64,
    /// Its columns, in order.
    pub columns: Vec<ColumnSummary>,
    /// SHA-256 of its content, in hex.
    pub digest: String,
}

/// Options of a description.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Largest width of tables, in columns of a terminal. `None`: no limit.
    pub width: Option<usize>,
    /// Whether all cells of a study are shown, rather than the first ones.
    pub all: bool,
}

/// Describes a study's folder, a run folder or one table, as text with a line break at the end.
///
/// In an unfinished folder (its name ends in `.partial`), the message about an unreadable table takes the place of the
/// table.
///
/// # Errors
/// The path is missing or holds no table, or a table of a finished run cannot be read. The path is in the message.
pub fn describe(path: &Path, view: &View) -> Result<String> {
    let found = fs::metadata(path).with_context(|| path.display().to_string())?;
    if found.is_dir() && study::is_study(path) {
        return study::describe(path, view);
    }
    if found.is_dir() {
        return folder(path, view);
    }
    Ok(describe_table(path, &summarise(path)?, view))
}

/// Returns the digest of the content of a table, a run folder or a finished study: SHA-256 in hex.
///
/// # Errors
/// The path is missing or cannot be read; the path is in the message.
pub fn digest(path: &Path) -> Result<String> {
    let found = fs::metadata(path).with_context(|| path.display().to_string())?;
    if !found.is_dir() {
        return Ok(summarise(path)?.digest);
    }
    if study::is_study(path) {
        return study::digest_of_study(path);
    }
    let mut parts = Vec::new();
    for table in tables(path)? {
        if name_of(&table) != TIMINGS {
            parts.push((name_of(&table), summarise(&table)?.digest));
        }
    }
    folder_digest(path, parts)
}

/// Reads a whole table and summarises its content.
///
/// # Errors
/// The file is missing or not a whole Parquet file; the path is in the message.
pub fn summarise(path: &Path) -> Result<TableSummary> {
    // The Parquet reader may panic over a damaged file. That is reported as an error too.
    catch_unwind(AssertUnwindSafe(|| scan(path)))
        .unwrap_or_else(|_| Err(anyhow!("the file is damaged")))
        .with_context(|| format!("{}: not a readable Parquet table", path.display()))
}

fn folder(path: &Path, view: &View) -> Result<String> {
    // The canonical path, because the given one may end in a slash or be a dot.
    let whole = fs::canonicalize(path).with_context(|| path.display().to_string())?;
    let partial = is_unfinished(&whole);
    let tables = tables(path)?;
    if tables.is_empty() {
        bail!("{}: no tables (*.parquet) in this folder", path.display());
    }
    let state = if partial { "not finished" } else { "finished" };
    let mut text = format!("{}\nrun      {state}\n", path.display());
    let summary = path.join(METRICS).is_file();
    let _ = writeln!(text, "summary  {}", if summary { METRICS } else { "none" });
    let mut parts = Vec::new();
    let mut bodies = String::new();
    let mut unreadable = false;
    for table in &tables {
        let name = name_of(table);
        match summarise(table) {
            Ok(summary) => {
                bodies += "\n";
                bodies += &describe_table(Path::new(&name), &summary, view);
                if name != TIMINGS {
                    parts.push((name, summary.digest));
                }
            }
            Err(error) if partial => {
                unreadable |= name != TIMINGS;
                let _ = writeln!(bodies, "\n{name}\nunreadable: {:#}", root(&error));
            }
            Err(error) => return Err(error),
        }
    }
    let digest = match unreadable {
        true => "none: a table cannot be read".to_owned(),
        false => folder_digest(path, parts)?,
    };
    let _ = writeln!(text, "digest   {digest}");
    if summary {
        let _ = writeln!(text, "{}", wrapped(PERCENTILES, view.width));
    }
    Ok(text + &bodies)
}

/// Reads the summary of a run from its folder.
///
/// # Errors
///
/// The file is missing or no JSON object; its path is in the message.
pub(crate) fn summary_of(folder: &Path) -> Result<Map<String, Value>> {
    let file = folder.join(METRICS);
    let read = || Ok(serde_json::from_slice(&fs::read(&file)?)?);
    let summary: Result<_> = read();
    summary.with_context(|| format!("cannot read {}", file.display()))
}

/// Returns whether the folder of a run is unfinished, by its name or by that of the folder of the study's unfinished
/// cells.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    let is_way = |path: &&Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().contains('=')
    };
    let above = path.ancestors().find(|path| !is_way(path));
    above.is_some_and(|path| path.extension().is_some_and(|end| end == "partial"))
}

fn root(error: &anyhow::Error) -> String {
    error.root_cause().to_string()
}

/// Returns the tables in a folder, sorted by name.
fn tables(path: &Path) -> Result<Vec<PathBuf>> {
    let context = || path.display().to_string();
    let mut tables = Vec::new();
    for entry in fs::read_dir(path).with_context(context)? {
        let file = entry.with_context(context)?.path();
        if file.extension().is_some_and(|end| end == "parquet") && file.is_file() {
            tables.push(file);
        }
    }
    tables.sort();
    Ok(tables)
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Returns the digest of a folder. `parts` are names and digests of its tables, sorted by name.
fn folder_digest(path: &Path, parts: Vec<(String, String)>) -> Result<String> {
    let mut hasher = Sha256::new();
    for (name, digest) in parts {
        add_bytes(&mut hasher, name.as_bytes());
        add_bytes(&mut hasher, digest.as_bytes());
    }
    let summary = path.join(METRICS);
    if summary.is_file() {
        let content = fs::read(&summary).with_context(|| summary.display().to_string())?;
        add_bytes(&mut hasher, METRICS.as_bytes());
        add_bytes(&mut hasher, &content);
    }
    Ok(hex(hasher))
}

fn describe_table(path: &Path, table: &TableSummary, view: &View) -> String {
    let mut text = format!("{}\n", path.display());
    for (key, value) in METADATA.iter().zip(&table.metadata) {
        let name = key.trim_start_matches("kadsim.");
        let _ = writeln!(text, "{name:<10}  {}", value.as_deref().unwrap_or("-"));
    }
    let _ = writeln!(text, "{:<10}  {}", "rows", table.rows);
    let _ = writeln!(text, "{:<10}  {}", "digest", table.digest);
    let columns = [
        ("column", Side::Left),
        ("type", Side::Left),
        ("unit", Side::Left),
        ("nulls", Side::Right),
        ("digest", Side::Left),
        ("description", Side::Left),
    ];
    let mut lines = TextTable::new(1, columns);
    for column in &table.columns {
        lines.push([
            column.name.clone(),
            column.data_type.clone(),
            column.unit.clone(),
            column.nulls.to_string(),
            column.digest[..12].to_owned(),
            column.description.clone(),
        ]);
    }
    text + &lines.render(view.width)
}

fn scan(path: &Path) -> Result<TableSummary> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let fields = builder.schema().fields().clone();
    let pairs = builder.metadata().file_metadata().key_value_metadata();
    let metadata = METADATA.map(|key| {
        let pair = pairs?.iter().find(|pair| pair.key == key)?;
        pair.value.clone()
    });
    let mut hashers = vec![Sha256::new(); fields.len()];
    let mut nulls = vec![0; fields.len()];
    let mut rows = 0;
    for batch in builder.build()? {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        for (i, array) in batch.columns().iter().enumerate() {
            nulls[i] += array.null_count() as u64;
            let mut bytes = Vec::new();
            encode(array, &mut bytes).with_context(|| format!("column {}", fields[i].name()))?;
            hashers[i].update(&bytes);
        }
    }
    let mut whole = Sha256::new();
    whole.update(rows.to_le_bytes());
    let mut columns = Vec::with_capacity(fields.len());
    for ((field, hasher), nulls) in fields.iter().zip(hashers).zip(nulls) {
        let digest = hex(hasher);
        add_bytes(&mut whole, field.name().as_bytes());
        add_bytes(&mut whole, type_name(field.data_type()).as_bytes());
        add_bytes(&mut whole, digest.as_bytes());
        columns.push(column_summary(field, nulls, digest));
    }
    Ok(TableSummary {
        metadata,
        rows,
        columns,
        digest: hex(whole),
    })
}

fn column_summary(field: &Field, nulls: u64, digest: String) -> ColumnSummary {
    let noted = |key: &str| field.metadata().get(key).cloned();
    let null = if field.is_nullable() { "?" } else { "" };
    ColumnSummary {
        name: field.name().clone(),
        data_type: type_name(field.data_type()) + null,
        unit: noted("unit").unwrap_or_else(|| "-".to_owned()),
        description: noted("description").unwrap_or_default(),
        nulls,
        digest,
    }
}

/// Returns the short name of a type, with no trace of how values are encoded.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Dictionary(_, values) => type_name(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::List(element) | DataType::LargeList(element) => {
            format!("list<{}>", type_name(element.data_type()))
        }
        DataType::Boolean => "bool".to_owned(),
        DataType::Float64 => "f64".to_owned(),
        DataType::Float32 => "f32".to_owned(),
        DataType::UInt64 => "u64".to_owned(),
        DataType::UInt32 => "u32".to_owned(),
        DataType::UInt16 => "u16".to_owned(),
        DataType::UInt8 => "u8".to_owned(),
        DataType::Int64 => "i64".to_owned(),
        DataType::Int32 => "i32".to_owned(),
        DataType::Int16 => "i16".to_owned(),
        DataType::Int8 => "i8".to_owned(),
        other => other.to_string(),
    }
}

/// Appends each value of an array, encoded as the head of this module says. Types that kadsim's tables do not have
/// count as the strings that they print as.
fn encode(array: &ArrayRef, bytes: &mut Vec<u8>) -> Result<()> {
    match array.data_type() {
        DataType::UInt8 => numbers::<UInt8Type, 1>(array, bytes, u8::to_le_bytes),
        DataType::UInt16 => numbers::<UInt16Type, 2>(array, bytes, u16::to_le_bytes),
        DataType::UInt32 => numbers::<UInt32Type, 4>(array, bytes, u32::to_le_bytes),
        DataType::UInt64 => numbers::<UInt64Type, 8>(array, bytes, u64::to_le_bytes),
        DataType::Int8 => numbers::<Int8Type, 1>(array, bytes, i8::to_le_bytes),
        DataType::Int16 => numbers::<Int16Type, 2>(array, bytes, i16::to_le_bytes),
        DataType::Int32 => numbers::<Int32Type, 4>(array, bytes, i32::to_le_bytes),
        DataType::Int64 => numbers::<Int64Type, 8>(array, bytes, i64::to_le_bytes),
        DataType::Float32 => numbers::<Float32Type, 4>(array, bytes, f32::to_le_bytes),
        DataType::Float64 => numbers::<Float64Type, 8>(array, bytes, f64::to_le_bytes),
        DataType::Boolean => {
            for value in array.as_boolean() {
                bytes.extend(value.map_or(&[0][..], |value| if value { &[1, 1] } else { &[1, 0] }));
            }
        }
        DataType::Utf8 => {
            for value in array.as_string::<i32>() {
                present(bytes, value.is_some());
                if let Some(value) = value {
                    bytes.extend((value.len() as u64).to_le_bytes());
                    bytes.extend(value.as_bytes());
                }
            }
        }
        DataType::List(_) => {
            for list in array.as_list::<i32>().iter() {
                present(bytes, list.is_some());
                if let Some(list) = list {
                    bytes.extend((list.len() as u64).to_le_bytes());
                    encode(&list, bytes)?;
                }
            }
        }
        DataType::LargeList(element) => {
            encode(&cast(array, &DataType::List(element.clone()))?, bytes)?;
        }
        DataType::Dictionary(_, values) => encode(&cast(array, values)?, bytes)?,
        _ => encode(&cast(array, &DataType::Utf8)?, bytes)?,
    }
    Ok(())
}

fn present(bytes: &mut Vec<u8>, present: bool) {
    bytes.push(u8::from(present));
}

fn numbers<T: ArrowPrimitiveType, const N: usize>(
    array: &ArrayRef,
    bytes: &mut Vec<u8>,
    to_bytes: impl Fn(T::Native) -> [u8; N],
) {
    bytes.reserve(array.len() * (N + 1));
    for value in array.as_primitive::<T>() {
        present(bytes, value.is_some());
        if let Some(value) = value {
            bytes.extend(to_bytes(value));
        }
    }
}

/// Adds bytes with their length, so that no other split of the same bytes gives the same digest.
fn add_bytes(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
