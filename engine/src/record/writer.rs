//! Writer of a Parquet file, which takes batches and must be finished explicitly.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter, encode_arrow_schema};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::properties::WriterProperties;
use thiserror::Error;

/// zstd level of every column, 1 to 22. A million operations take 34.1 bytes a row in 0.46 s at level 2, 39.1
/// in 0.43 s at level 1 and 34.3 in 0.56 s at level 3; without compression 65.1 in 0.26 s. Nodes take the same
/// at each (`cargo bench --bench tables -- compression`).
pub const ZSTD_LEVEL: i32 = 2;

/// Maximum number of rows of a row group.
pub const ROW_GROUP_ROWS: usize = 1 << 20;

/// Maximum number of encoded bytes of a row group, which a table holds in memory.
pub const ROW_GROUP_BYTES: usize = 64 << 20;

/// Number of rows of a batch.
pub const BATCH_ROWS: usize = 1 << 14;

/// Maximum number of batches that wait for the thread that encodes them. A batch of 25 columns takes some 3 MB.
pub const QUEUE: usize = 4;

/// Parquet metadata key of the name of the experiment.
pub const KEY_EXPERIMENT: &str = "kadsim.experiment";
/// Parquet metadata key of the seed, in decimal.
pub const KEY_SEED: &str = "kadsim.seed";
/// Parquet metadata key of the version of kadsim.
pub const KEY_VERSION: &str = "kadsim.version";
/// Parquet metadata key whose value is `true` if the run reached its end and no row is missing, else `false`.
pub const KEY_COMPLETE: &str = "kadsim.complete";

/// First bytes of a Parquet file.
const MAGIC: &[u8] = b"PAR1";

/// Description of a run, which each of its tables carries as Parquet key-value metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// Name of the experiment.
    pub experiment: String,
    /// Seed of the experiment.
    pub seed: u64,
    /// Version of kadsim.
    pub version: String,
}

/// Error of writing a table.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file could not be created, written or synchronised.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path of the table.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Parquet could not encode or write, for instance because the disk is full.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// Path of the table.
        path: PathBuf,
        /// Error of the encoder.
        source: ParquetError,
    },
    /// The columns do not form a batch, for instance because a phase has no name.
    #[error("{}: {source}", path.display())]
    Batch {
        /// Path of the table.
        path: PathBuf,
        /// Error of Arrow.
        source: ArrowError,
    },
    /// An earlier write failed, and this one was not tried.
    #[error("{}: not written after an earlier error: {cause}", path.display())]
    Failed {
        /// Path of the table.
        path: PathBuf,
        /// Text of the earlier error.
        cause: String,
    },
}

/// The file of a table. It is shared, so that it outlives a Parquet writer that failed.
#[derive(Clone, Debug)]
struct Sink {
    file: Arc<File>,
    /// Number of bytes after which writes fail, to simulate a full disk.
    #[cfg(test)]
    room: Option<Arc<std::sync::atomic::AtomicUsize>>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        if let Some(room) = &self.room {
            use std::sync::atomic::Ordering::Relaxed;
            let left = room.load(Relaxed).min(bytes.len());
            if left == 0 && !bytes.is_empty() {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            let written = (&*self.file).write(&bytes[..left])?;
            room.fetch_sub(written, Relaxed);
            return Ok(written);
        }
        (&*self.file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.file).flush()
    }
}

/// Writes one Parquet file.
///
/// A writer dropped without [`finish`](Self::finish) leaves a file that no reader opens.
#[derive(Debug)]
pub struct TableWriter {
    path: PathBuf,
    schema: Arc<Schema>,
    info: RunInfo,
    sink: Sink,
    writer: ArrowWriter<Sink>,
    rows: u64,
    failed: Option<String>,
}

impl TableWriter {
    /// Creates `path`, or empties it, for rows of `schema`.
    ///
    /// # Errors
    /// The file cannot be created, or the schema has a type that Parquet lacks.
    pub fn create(path: &Path, schema: Arc<Schema>, info: &RunInfo) -> Result<Self, RecordError> {
        TableWriter::with_row_groups(path, schema, info, ROW_GROUP_ROWS, ROW_GROUP_BYTES)
    }

    /// As [`create`](Self::create), but with limits of a row group other than [`ROW_GROUP_ROWS`] and [`ROW_GROUP_BYTES`].
    /// Each is at least 1.
    ///
    /// # Errors
    /// As for `create`.
    pub fn with_row_groups(
        path: &Path,
        schema: Arc<Schema>,
        info: &RunInfo,
        rows: usize,
        bytes: usize,
    ) -> Result<Self, RecordError> {
        let file = File::create(path).map_err(|source| RecordError::Io {
            path: path.to_owned(),
            source,
        })?;
        let sink = Sink {
            file: Arc::new(file),
            #[cfg(test)]
            room: None,
        };
        TableWriter::over(sink, path, schema, info, (rows, bytes))
    }

    fn over(
        sink: Sink,
        path: &Path,
        schema: Arc<Schema>,
        info: &RunInfo,
        (rows, bytes): (usize, usize),
    ) -> Result<Self, RecordError> {
        let parquet_error = |source| RecordError::Parquet {
            path: path.to_owned(),
            source,
        };
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(parquet_error)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(rows.max(1)))
            .set_max_row_group_bytes(Some(bytes.max(1)))
            .build();
        let writer = ArrowWriter::try_new(sink.clone(), Arc::clone(&schema), Some(properties))
            .map_err(parquet_error)?;
        Ok(TableWriter {
            path: path.to_owned(),
            schema,
            info: info.clone(),
            sink,
            writer,
            rows: 0,
            failed: None,
        })
    }

    /// Returns the path of the table.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of rows appended so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Checks that no earlier write has failed.
    ///
    /// # Errors
    /// [`RecordError::Failed`] if one has.
    #[inline]
    pub fn ready(&self) -> Result<(), RecordError> {
        match &self.failed {
            None => Ok(()),
            Some(cause) => Err(RecordError::Failed {
                path: self.path.clone(),
                cause: cause.clone(),
            }),
        }
    }

    /// Appends the rows of `columns`, which have the order of the schema and equal lengths.
    ///
    /// # Errors
    /// The columns do not fit the schema, a write fails, or an earlier write has failed.
    pub fn append(&mut self, columns: Vec<ArrayRef>) -> Result<(), RecordError> {
        self.ready()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|source| self.batch_error(source))?;
        match self.writer.write(&batch) {
            Ok(()) => {
                self.rows += batch.num_rows() as u64;
                Ok(())
            }
            Err(source) => Err(self.parquet_error(source)),
        }
    }

    /// Writes all data to the disk, closes the file and returns its number of rows. `complete` says whether the run reached
    /// its end.
    ///
    /// If a write has failed, or fails here, the file is cut back to its last complete row group, marked incomplete and
    /// closed, as far as the disk allows. After an earlier failure, `complete = false` returns the number of rows saved, and
    /// `complete = true` the error. A failure of this call is an error in both cases.
    ///
    /// # Errors
    /// The file could not be closed, or rows are missing from it.
    pub fn finish(mut self, complete: bool) -> Result<u64, RecordError> {
        let error = match self.ready() {
            Ok(()) => match self.close(complete) {
                Ok(()) => return Ok(self.rows),
                Err(error) => error,
            },
            Err(error) if complete => {
                // Complete row groups are saved. The error says that rows are missing, so that of saving adds nothing.
                let _ = self.salvage();
                return Err(error);
            }
            Err(_) => return self.salvage(),
        };
        let _ = self.salvage();
        Err(error)
    }

    fn close(&mut self, complete: bool) -> Result<(), RecordError> {
        for pair in self.info.metadata(complete) {
            self.writer.append_key_value_metadata(pair);
        }
        if let Err(source) = self.writer.finish() {
            return Err(self.parquet_error(source));
        }
        self.writer.sync().map_err(|source| self.io_error(source))?;
        let synced = self.sink.file.sync_all();
        synced.map_err(|source| self.io_error(source))
    }

    /// Cuts the file behind its last complete row group, closes it, and returns its number of rows.
    fn salvage(self) -> Result<u64, RecordError> {
        let TableWriter {
            path,
            schema,
            info,
            mut sink,
            writer,
            ..
        } = self;
        let mut groups = writer.flushed_row_groups().to_vec();
        // Drop what the writer still buffers: it must not land behind the footer.
        drop(writer);
        let io_error = |source| RecordError::Io {
            path: path.clone(),
            source,
        };
        let length = sink.file.metadata().map_err(io_error)?.len();
        groups.retain(|group| end_of(group) <= length);
        let end = groups.iter().map(end_of).max();
        let end = end.unwrap_or(MAGIC.len() as u64);
        sink.file.set_len(end).map_err(io_error)?;
        #[cfg(test)]
        if let Some(room) = &sink.room {
            room.fetch_add(
                length.saturating_sub(end) as usize,
                std::sync::atomic::Ordering::Relaxed,
            );
        }
        let rows: i64 = groups.iter().map(RowGroupMetaData::num_rows).sum();
        let footer = footer(&schema, info.metadata(false), groups, rows);
        let footer = footer.map_err(|source| RecordError::Parquet {
            path: path.clone(),
            source,
        })?;
        let mut rewrite = |from: u64, bytes: &[u8]| {
            sink.file.as_ref().seek(SeekFrom::Start(from))?;
            sink.write_all(bytes)
        };
        rewrite(0, MAGIC).map_err(io_error)?;
        rewrite(end, &footer).map_err(io_error)?;
        sink.file.sync_all().map_err(io_error)?;
        Ok(rows.unsigned_abs())
    }

    pub(super) fn batch_error(&mut self, source: ArrowError) -> RecordError {
        self.failed = Some(source.to_string());
        RecordError::Batch {
            path: self.path.clone(),
            source,
        }
    }

    fn parquet_error(&mut self, source: ParquetError) -> RecordError {
        self.failed = Some(source.to_string());
        RecordError::Parquet {
            path: self.path.clone(),
            source,
        }
    }

    fn io_error(&self, source: io::Error) -> RecordError {
        RecordError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

impl RunInfo {
    fn metadata(&self, complete: bool) -> Vec<KeyValue> {
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
    let io_error = |source| RecordError::Io {
        path: path.to_owned(),
        source,
    };
    let parquet_error = |source| RecordError::Parquet {
        path: path.to_owned(),
        source,
    };
    let opened = File::options().read(true).write(true).open(path);
    let mut file = opened.map_err(io_error)?;
    let read = ParquetMetaDataReader::new().parse_and_finish(&file);
    let metadata = read.map_err(parquet_error)?;
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
fn end_of(group: &RowGroupMetaData) -> u64 {
    let ends = group.columns().iter().map(|column| {
        let (start, length) = column.byte_range();
        start + length
    });
    ends.max().unwrap_or(0)
}

/// Returns the bytes that close a file of these row groups.
fn footer(
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

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::AtomicUsize;

    use arrow::array::UInt64Array;
    use arrow::datatypes::{DataType, Field};

    use super::super::tests::{Folder, info, metadata, read};
    use super::*;

    pub(in super::super) fn numbers() -> Arc<Schema> {
        Arc::new(Schema::new(vec![Field::new("n", DataType::UInt64, false)]))
    }

    /// Numbers that do not compress.
    pub(in super::super) fn batch(rows: u64, salt: u64) -> Vec<ArrayRef> {
        let mix = |i: u64| {
            (i + salt)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(29)
        };
        let values = (0..rows).map(|i| mix(mix(i)));
        vec![Arc::new(UInt64Array::from_iter_values(values))]
    }

    /// A table whose disk is full after `room` bytes and whose row groups have 1000 rows.
    pub(in super::super) fn cramped(path: &Path, room: usize) -> TableWriter {
        let sink = Sink {
            file: Arc::new(File::create(path).unwrap()),
            room: Some(Arc::new(AtomicUsize::new(room))),
        };
        TableWriter::over(sink, path, numbers(), &info(), (1000, 1 << 20)).unwrap()
    }

    #[test]
    fn row_groups_are_bounded_in_rows_and_in_bytes() {
        let folder = Folder::new();
        let path = folder.path("rows.parquet");
        let mut table =
            TableWriter::with_row_groups(&path, numbers(), &info(), 1000, 1 << 20).unwrap();
        table.append(batch(2500, 0)).unwrap();
        assert_eq!(table.finish(true).unwrap(), 2500);
        let groups = |path| {
            metadata(path)
                .row_groups()
                .iter()
                .map(|g| g.num_rows())
                .collect()
        };
        let by_rows: Vec<i64> = groups(&path);
        assert_eq!(by_rows, [1000, 1000, 500]);

        let path = folder.path("bytes.parquet");
        let mut table =
            TableWriter::with_row_groups(&path, numbers(), &info(), 1 << 20, 64 << 10).unwrap();
        for salt in 0..20 {
            table.append(batch(5000, salt)).unwrap();
        }
        assert_eq!(table.finish(true).unwrap(), 100_000);
        let by_bytes: Vec<i64> = groups(&path);
        assert!(by_bytes.len() > 5, "{by_bytes:?}");
        assert_eq!(by_bytes.iter().sum::<i64>(), 100_000);
    }

    #[test]
    fn metadata_says_which_run_and_whether_it_ended() {
        let folder = Folder::new();
        for complete in [true, false] {
            let path = folder.path("numbers.parquet");
            let table = TableWriter::create(&path, numbers(), &info()).unwrap();
            assert_eq!(table.finish(complete).unwrap(), 0);
            let file = metadata(&path);
            let pairs = file.file_metadata().key_value_metadata().unwrap();
            let value = |key: &str| {
                let pair = pairs.iter().find(|pair| pair.key == key).unwrap();
                pair.value.clone().unwrap()
            };
            assert_eq!(value(KEY_EXPERIMENT), "quick-start");
            assert_eq!(value(KEY_SEED), u64::MAX.to_string());
            assert_eq!(value(KEY_VERSION), "1.2.3");
            assert_eq!(value(KEY_COMPLETE), complete.to_string());
        }
    }

    #[test]
    fn a_closed_table_can_be_marked_incomplete() {
        let folder = Folder::new();
        let path = folder.path("revoked.parquet");
        let mut table = TableWriter::create(&path, numbers(), &info()).unwrap();
        table.append(batch(5000, 0)).unwrap();
        table.finish(true).unwrap();
        let rows = read(&path);
        for _ in 0..2 {
            revoke(&path).unwrap();
            let file = metadata(&path);
            let pairs = file.file_metadata().key_value_metadata().unwrap();
            let is = |pair: &&KeyValue| pair.key == KEY_COMPLETE;
            let complete: Vec<_> = pairs.iter().filter(is).map(|pair| &pair.value).collect();
            assert_eq!(complete, [&Some("false".to_owned())]);
            assert_eq!(read(&path), rows);
        }
        assert!(revoke(&folder.path("missing.parquet")).is_err());
    }

    #[test]
    fn a_full_disk_is_an_error_of_every_later_call_and_keeps_complete_row_groups() {
        let folder = Folder::new();
        for room in [0, 3, 4, 100, 8_500, 9_000, 20_000, 30_000, 60_000] {
            for complete in [true, false] {
                let path = folder.path("full.parquet");
                let mut table = cramped(&path, room);
                let mut failed = None;
                for salt in 0..20 {
                    if let Err(error) = table.append(batch(700, salt)) {
                        failed = Some(error.to_string());
                        let again = table.append(batch(1, 0)).unwrap_err();
                        assert!(matches!(again, RecordError::Failed { .. }));
                        break;
                    }
                }
                let failed = failed.expect("140 kB do not fit");
                assert!(failed.contains("full.parquet"), "{failed}");
                let finished = table.finish(complete);
                assert!(!(complete && finished.is_ok()));
                if let Ok(rows) = finished {
                    assert_eq!(
                        read(&path).iter().map(|b| b.num_rows() as u64).sum::<u64>(),
                        rows
                    );
                    assert_eq!(rows > 0, room >= 20_000, "{rows} rows in {room} bytes");
                } else if !complete {
                    assert!(room < 8_500, "{room}: {finished:?}");
                }
            }
        }
    }

    #[test]
    fn a_disk_that_fills_at_the_end_is_an_error_of_finish() {
        let folder = Folder::new();
        let path = folder.path("late.parquet");
        let mut table = cramped(&path, 10_000);
        table.append(batch(1000, 0)).unwrap();
        table.append(batch(900, 1)).unwrap();
        let error = table.finish(true).unwrap_err();
        assert!(error.to_string().contains("late.parquet"), "{error}");
        assert_eq!(
            read(&path).iter().map(RecordBatch::num_rows).sum::<usize>(),
            1000
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_devices_own_word_is_in_the_error() {
        let table = TableWriter::create(Path::new("/dev/full"), numbers(), &info()).unwrap();
        let error = table.finish(true).unwrap_err().to_string();
        assert!(
            error.contains("/dev/full") && error.contains("No space left"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_cannot_be_created_is_an_error_that_names_it() {
        let path = Path::new("/nonexistent/folder/table.parquet");
        let error = TableWriter::create(path, numbers(), &info()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("/nonexistent/folder/table.parquet"),
            "{error}"
        );
    }

    #[test]
    fn dropping_without_finish_is_quiet() {
        let folder = Folder::new();
        let mut table = cramped(&folder.path("dropped.parquet"), 5000);
        table.append(batch(999, 0)).unwrap();
        drop(table);
    }
}
