//! Writer of a Parquet file: appends batches, and closes the file.
//!
//! A writer whose disk is full closes the file behind its last complete row group, so that rows once encoded are not lost.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::WriterProperties;

use super::error::RecordError;
use super::footer::{RunInfo, end_of, footer};

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

/// First bytes of a Parquet file.
const MAGIC: &[u8] = b"PAR1";

/// Limits of a row group, each at least 1.
#[derive(Clone, Copy, Debug)]
struct RowGroupLimits {
    rows: usize,
    /// Encoded bytes.
    bytes: usize,
}

impl Default for RowGroupLimits {
    /// Returns [`ROW_GROUP_ROWS`] and [`ROW_GROUP_BYTES`].
    fn default() -> Self {
        Self {
            rows: ROW_GROUP_ROWS,
            bytes: ROW_GROUP_BYTES,
        }
    }
}

/// The file of a table. It is shared, so that it outlives a Parquet writer that failed.
#[derive(Clone, Debug)]
struct Sink {
    file: Arc<File>,
    /// Number of bytes after which writes fail, to simulate a full disk.
    #[cfg(test)]
    room: Option<Arc<std::sync::atomic::AtomicUsize>>,
}

impl Sink {
    fn create(path: &Path) -> Result<Self, RecordError> {
        let file = File::create(path).map_err(RecordError::io(path))?;
        Ok(Self {
            file: Arc::new(file),
            #[cfg(test)]
            room: None,
        })
    }
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
        let sink = Sink::create(path)?;
        TableWriter::over(sink, path, schema, info, RowGroupLimits::default())
    }

    /// Returns a writer to the empty file `sink`, which lies at `path`.
    fn over(
        sink: Sink,
        path: &Path,
        schema: Arc<Schema>,
        info: &RunInfo,
        limits: RowGroupLimits,
    ) -> Result<Self, RecordError> {
        let parquet_error = RecordError::parquet(path);
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(&parquet_error)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(limits.rows))
            .set_max_row_group_bytes(Some(limits.bytes))
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
            Err(error) if complete => error,
            Err(_) => return self.salvage(),
        };
        // The error says already that rows are missing. An error of saving the complete row groups adds nothing.
        let _ = self.salvage();
        Err(error)
    }

    /// Writes what is buffered and the footer, and waits until the disk has all of it.
    fn close(&mut self, complete: bool) -> Result<(), RecordError> {
        for pair in self.info.metadata(complete) {
            self.writer.append_key_value_metadata(pair);
        }
        if let Err(source) = self.writer.finish() {
            return Err(self.parquet_error(source));
        }
        let io_error = RecordError::io(&self.path);
        self.writer.sync().map_err(&io_error)?;
        self.sink.file.sync_all().map_err(&io_error)
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
        let io_error = RecordError::io(&path);
        let length = sink.file.metadata().map_err(&io_error)?.len();
        groups.retain(|group| end_of(group) <= length);
        let end = groups.iter().map(end_of).max();
        let end = end.unwrap_or(MAGIC.len() as u64);
        sink.file.set_len(end).map_err(&io_error)?;
        #[cfg(test)]
        if let Some(room) = &sink.room {
            room.fetch_add(
                length.saturating_sub(end) as usize,
                std::sync::atomic::Ordering::Relaxed,
            );
        }
        let rows: i64 = groups.iter().map(RowGroupMetaData::num_rows).sum();
        let footer = footer(&schema, info.metadata(false), groups, rows);
        let footer = footer.map_err(RecordError::parquet(&path))?;
        let mut rewrite = |from: u64, bytes: &[u8]| {
            sink.file.as_ref().seek(SeekFrom::Start(from))?;
            sink.write_all(bytes)
        };
        rewrite(0, MAGIC).map_err(&io_error)?;
        rewrite(end, &footer).map_err(&io_error)?;
        sink.file.sync_all().map_err(&io_error)?;
        Ok(rows.unsigned_abs())
    }

    /// Returns the error of columns that form no batch, and remembers it for later calls.
    pub(super) fn batch_error(&mut self, source: ArrowError) -> RecordError {
        self.failed = Some(source.to_string());
        RecordError::Batch {
            path: self.path.clone(),
            source,
        }
    }

    /// Returns an error of Parquet, and remembers it for later calls.
    fn parquet_error(&mut self, source: ParquetError) -> RecordError {
        self.failed = Some(source.to_string());
        RecordError::parquet(&self.path)(source)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::AtomicUsize;

    use arrow::array::UInt64Array;
    use arrow::datatypes::{DataType, Field};
    use parquet::file::metadata::KeyValue;

    use super::super::footer::{KEY_COMPLETE, KEY_EXPERIMENT, KEY_SEED, KEY_VERSION, revoke};
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
        let limits = RowGroupLimits {
            rows: 1000,
            bytes: 1 << 20,
        };
        TableWriter::over(sink, path, numbers(), &info(), limits).unwrap()
    }

    /// A table of numbers whose row groups have these limits.
    fn limited(path: &Path, rows: usize, bytes: usize) -> TableWriter {
        let sink = Sink::create(path).unwrap();
        let limits = RowGroupLimits { rows, bytes };
        TableWriter::over(sink, path, numbers(), &info(), limits).unwrap()
    }

    #[test]
    fn row_groups_are_bounded_in_rows_and_in_bytes() {
        let folder = Folder::new();
        let path = folder.path("rows.parquet");
        let mut table = limited(&path, 1000, 1 << 20);
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
        let mut table = limited(&path, 1 << 20, 64 << 10);
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
    fn an_error_has_the_text_of_the_operating_system() {
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
