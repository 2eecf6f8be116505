//! Footer of a table: the metadata that closes a Parquet file, and which run the table belongs to.
//!
//! A Parquet file ends with its footer, so a closed file can be marked anew without a copy of its rows, and a file
//! whose writer failed can be closed behind its last complete row group.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::Schema;
use parquet::arrow::{ArrowSchemaConverter, encode_arrow_schema};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};

use super::error::RecordError;

/// Parquet metadata key of the name of the experiment.
pub const KEY_EXPERIMENT: &str = "kadsim.experiment";
/// Parquet metadata key of the seed, in decimal.
pub const KEY_SEED: &str = "kadsim.seed";
/// Parquet metadata key of the version of kadsim.
pub const KEY_VERSION: &str = "kadsim.version";
/// Parquet metadata key whose value is `true` if the run reached its end and no row is missing, else `false`.
pub const KEY_COMPLETE: &str = "kadsim.complete";

/// Description of a run, which each of its tables carries as Parquet key-value metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// Name of the experiment.
    pub experiment: String,
    /// Seed of the experiment.
    pub seed: u64,
    /// Version of kadsim.
    pub version: String,
    /// Whether the run is living, so that its tables have the columns of living runs: nodes come and go, some cannot be
    /// asked, or they lie in regions.
    pub living: bool,
}

impl RunInfo {
    /// Returns the key-value metadata of a table of the run. `complete` is the value of [`KEY_COMPLETE`].
    pub(super) fn metadata(&self, complete: bool) -> Vec<KeyValue> {
        [
            (KEY_EXPERIMENT, self.experiment.clone()),
            (KEY_SEED, self.seed.to_string()),
            (KEY_VERSION, self.version.clone()),
            (KEY_COMPLETE, complete.to_string()),
        ]
        .map(|(key, value)| KeyValue::new(key.to_owned(), value))
        .to_vec()
    }
}

/// Marks the closed table at `path` incomplete, for a run that fails after the table was closed. A table that is already
/// marked stays unchanged.
///
/// # Errors
/// The file is not a whole table, or cannot be written.
pub fn revoke(path: &Path) -> Result<(), RecordError> {
    let (io_error, parquet_error) = (RecordError::io(path), RecordError::parquet(path));
    let opened = File::options().read(true).write(true).open(path);
    let mut file = opened.map_err(&io_error)?;
    let read = ParquetMetaDataReader::new().parse_and_finish(&file);
    let metadata = read.map_err(&parquet_error)?;
    let old = metadata.file_metadata();
    let mut pairs = old.key_value_metadata().cloned().unwrap_or_default();
    let Some(complete) = pairs.iter_mut().find(|pair| pair.key == KEY_COMPLETE) else {
        return Ok(());
    };
    if complete.value.as_deref() == Some("false") {
        return Ok(());
    }
    complete.value = Some("false".to_owned());
    let new = FileMetaData::new(
        old.version(),
        old.num_rows(),
        old.created_by().map(str::to_owned),
        Some(pairs),
        old.schema_descr_ptr(),
        old.column_orders().cloned(),
    );
    let new = ParquetMetaData::new(new, metadata.row_groups().to_vec());
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &new)
        .finish()
        .map_err(parquet_error)?;
    // The length of the footer stands before the last four bytes.
    let mut length = [0; 4];
    let mut rewrite = || {
        file.seek(SeekFrom::End(-8))?;
        file.read_exact(&mut length)?;
        let start = file.seek(SeekFrom::End(-8 - i64::from(u32::from_le_bytes(length))))?;
        // Where the disk is full, the old footer makes room for the new one.
        file.set_len(start)?;
        file.write_all(&footer)?;
        file.sync_all()
    };
    rewrite().map_err(io_error)
}

/// Returns the offset of the byte behind the last column of a row group.
pub(super) fn end_of(group: &RowGroupMetaData) -> u64 {
    let ends = group.columns().iter().map(|column| {
        let (start, length) = column.byte_range();
        start + length
    });
    ends.max().unwrap_or(0)
}

/// Returns the bytes that close a file of these row groups, which have `rows` rows together.
pub(super) fn footer(
    schema: &Schema,
    mut metadata: Vec<KeyValue>,
    groups: Vec<RowGroupMetaData>,
    rows: i64,
) -> Result<Vec<u8>, ParquetError> {
    metadata.push(KeyValue::new(
        parquet::arrow::ARROW_SCHEMA_META_KEY.to_owned(),
        encode_arrow_schema(schema),
    ));
    let descriptor = ArrowSchemaConverter::new().convert(schema)?;
    let file = FileMetaData::new(
        1,
        rows,
        Some(concat!("kadsim version ", env!("CARGO_PKG_VERSION")).to_owned()),
        Some(metadata),
        Arc::new(descriptor),
        None,
    );
    let mut bytes = Vec::new();
    ParquetMetaDataWriter::new(&mut bytes, &ParquetMetaData::new(file, groups)).finish()?;
    Ok(bytes)
}
