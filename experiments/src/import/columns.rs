//! Reads columns of a Parquet file, batch by batch.
//!
//! 1. Lengths, offsets and numbers of rows and columns in the metadata are checked before they are used. Text is read
//!    as views of the pages, so that a long text that many rows share is in memory once.
//! 2. The Parquet reader may panic over a damaged page. Such a panic is reported as an error of the file. A hook, set
//!    once for the process, keeps its message off stderr on the reading thread only.

use std::cell::Cell as Flag;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::{Arc, Once};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, UInt64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::error::Place;
use super::row::{Cell, Column, Header, Kind, Row, Take};
use super::{COLUMNS_MAX, ImportError, METADATA_BYTES_MAX, PEER_ID_BYTES_MAX, ROWS_MAX, Reason};
use crate::content;
use crate::watch::Watch;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Bytes of the end of a file: the length of the metadata and [`MAGIC`].
const TAIL_BYTES: u64 = 8;
const MAGIC: &[u8; 4] = b"PAR1";
/// Largest size of a column chunk's dictionary and page headers, in bytes.
const CHUNK_OVERHEAD_BYTES: u64 = 16 << 20;

/// Calls `take` with each row.
pub(super) fn read<const N: usize>(
    path: &Path,
    columns: &[Column; N],
    check: &dyn Fn(&Header) -> Result<(), Reason>,
    watch: Watch<'_>,
    take: &mut Take<'_, N>,
) -> Result<(), ImportError> {
    let (file, length) = super::source::open(path)?;
    let reader = Reader {
        columns,
        length,
        watch,
    };
    let read = quietly(|| reader.read(file, check, take));
    let damaged = || Err(Reason::NotParquet("the file is damaged".to_owned()));
    read.unwrap_or_else(damaged).map_err(|reason| ImportError {
        path: path.into(),
        reason,
    })
}

thread_local! {
    /// Whether panics of this thread are caught and reported as errors.
    static QUIET: Flag<bool> = const { Flag::new(false) };
}

/// Runs `work`. Returns `None` if it panics, and keeps the panic's message off stderr.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    QUIET.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    done.ok()
}

struct Reader<'a, const N: usize> {
    columns: &'a [Column; N],
    length: u64,
    watch: Watch<'a>,
}

fn not_parquet(error: ParquetError) -> Reason {
    Reason::NotParquet(error.to_string())
}

fn implausible(what: &str) -> Reason {
    Reason::NotParquet(format!("the file is damaged: its {what} cannot be"))
}

impl<const N: usize> Reader<'_, N> {
    fn read(
        &self,
        mut file: File,
        check: &dyn Fn(&Header) -> Result<(), Reason>,
        take: &mut Take<'_, N>,
    ) -> Result<(), Reason> {
        self.look_at_ends(&mut file)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(not_parquet)?;
        self.look_at_metadata(metadata.metadata())?;
        let schema = metadata.schema();
        let names = schema.fields().iter().map(|field| field.name().clone());
        let header = Header {
            names: names.collect(),
        };
        check(&header)?;
        let places = header.places(self.columns)?;
        self.look_at_types(schema, &places)?;
        for chunk in self.chunks(metadata.metadata(), schema, &places) {
            self.look_at_chunk(chunk)?;
        }
        let options = ArrowReaderOptions::new().with_schema(with_views(schema));
        let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)
            .map_err(not_parquet)?;
        let present = places.iter().flatten().copied();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), present);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(not_parquet)?;
        let mut before = 0;
        for batch in reader {
            self.watch.go_on()?;
            let batch = batch.map_err(|error| Reason::NotParquet(error.to_string()))?;
            let header = Header {
                names: batch
                    .schema_ref()
                    .fields()
                    .iter()
                    .map(|field| field.name().clone())
                    .collect(),
            };
            let mut arrays = header.places(self.columns)?.into_iter();
            let mut wide: [Option<ArrayRef>; N] = [const { None }; N];
            for (wide, place) in wide.iter_mut().zip(&mut arrays) {
                *wide = place
                    .map(|place| widened(batch.column(place)))
                    .transpose()?;
            }
            self.rows(&wide, batch.num_rows(), &mut before, take)?;
        }
        Ok(())
    }

    /// Checks the first and last bytes of a file, and the length of its metadata.
    fn look_at_ends(&self, file: &mut File) -> Result<(), Reason> {
        let mut start = [0; 16];
        let read = file.read(&mut start)?;
        if read == 0 {
            return Err(Reason::Empty);
        }
        if !start.starts_with(MAGIC) {
            return Err(match content::not_text(&start[..read]) {
                Some(cause) => Reason::NotParquet(cause.to_owned()),
                None => Reason::NotParquet("it does not begin with PAR1".to_owned()),
            });
        }
        if self.length < TAIL_BYTES + MAGIC.len() as u64 {
            return Err(Reason::NotParquet("it is cut off".to_owned()));
        }
        file.seek(SeekFrom::Start(self.length - TAIL_BYTES))?;
        let mut tail = [0; TAIL_BYTES as usize];
        file.read_exact(&mut tail)?;
        let [a, b, c, d, magic @ ..] = tail;
        if magic != *MAGIC {
            return Err(Reason::NotParquet(
                "it does not end with PAR1; it may be cut off".to_owned(),
            ));
        }
        match u64::from(u32::from_le_bytes([a, b, c, d])) {
            length if length > self.length - TAIL_BYTES => Err(implausible("footer")),
            length if length > METADATA_BYTES_MAX => Err(Reason::LongMetadata),
            _ => Ok(()),
        }
    }

    /// Checks the numbers of rows and columns.
    fn look_at_metadata(&self, metadata: &ParquetMetaData) -> Result<(), Reason> {
        if metadata.file_metadata().schema_descr().num_columns() > COLUMNS_MAX {
            return Err(Reason::TooManyColumns);
        }
        let groups = metadata.row_groups().iter();
        let counts = groups.map(|group| u64::try_from(group.num_rows()).ok());
        let rows = counts.chain([u64::try_from(metadata.file_metadata().num_rows()).ok()]);
        let rows: Option<Vec<u64>> = rows.collect();
        let Some((whole, groups)) = rows.as_deref().and_then(<[u64]>::split_last) else {
            return Err(implausible("number of rows"));
        };
        let sum = groups.iter().copied().fold(0, u64::saturating_add);
        match sum.max(*whole) {
            rows if rows > ROWS_MAX => Err(Reason::TooManyRows),
            _ if sum != *whole => Err(implausible("number of rows")),
            _ => Ok(()),
        }
    }

    fn look_at_types(&self, schema: &Schema, places: &[Option<usize>; N]) -> Result<(), Reason> {
        for (column, place) in self.columns.iter().zip(places) {
            let Some(place) = *place else { continue };
            let found = schema.field(place).data_type();
            if !column.kind.takes(found) {
                return Err(Reason::WrongType {
                    column: column.name,
                    found: found.to_string(),
                    expected: column.kind.expected(),
                });
            }
        }
        Ok(())
    }

    /// Returns the chunks of the columns that are read. These columns are flat, so each is one leaf of the schema.
    fn chunks<'m>(
        &self,
        metadata: &'m ParquetMetaData,
        schema: &Schema,
        places: &[Option<usize>; N],
    ) -> Vec<&'m ColumnChunkMetaData> {
        let wanted: Vec<&str> = places
            .iter()
            .flatten()
            .map(|&place| schema.field(place).name().as_str())
            .collect();
        let groups = metadata.row_groups().iter();
        let chunks = groups.flat_map(|group| group.columns());
        let is_wanted = |chunk: &&ColumnChunkMetaData| matches!(chunk.column_path().parts(), [name] if wanted.contains(&name.as_str()));
        chunks.filter(is_wanted).collect()
    }

    /// Checks offset and length of a chunk.
    fn look_at_chunk(&self, chunk: &ColumnChunkMetaData) -> Result<(), Reason> {
        let numbers = [
            chunk.data_page_offset(),
            chunk.dictionary_page_offset().unwrap_or(0),
            chunk.compressed_size(),
            chunk.uncompressed_size(),
            chunk.num_values(),
        ]
        .map(|number| u64::try_from(number).ok());
        let [
            Some(data),
            Some(dictionary),
            Some(packed),
            Some(unpacked),
            Some(values),
        ] = numbers
        else {
            return Err(implausible("place of a column"));
        };
        let start = if chunk.dictionary_page_offset().is_some() {
            dictionary
        } else {
            data
        };
        if start
            .checked_add(packed)
            .is_none_or(|end| end > self.length)
        {
            return Err(implausible("place of a column"));
        }
        let value_bytes = PEER_ID_BYTES_MAX as u64 + 16;
        let most = values
            .saturating_mul(value_bytes)
            .saturating_add(CHUNK_OVERHEAD_BYTES);
        if unpacked > most {
            let column = chunk.column_path().string();
            return Err(Reason::LongColumn(column));
        }
        Ok(())
    }

    fn rows(
        &self,
        arrays: &[Option<ArrayRef>; N],
        rows: usize,
        before: &mut u64,
        take: &mut Take<'_, N>,
    ) -> Result<(), Reason> {
        for i in 0..rows {
            *before += 1;
            if *before > ROWS_MAX {
                return Err(Reason::TooManyRows);
            }
            let mut cells = [Cell::NoColumn; N];
            for (cell, array) in cells.iter_mut().zip(arrays) {
                if let Some(array) = array {
                    *cell = value(array, i);
                }
            }
            take(&Row {
                place: Place::Row(*before),
                columns: self.columns,
                cells,
            })?;
        }
        Ok(())
    }
}

/// Returns the schema with text as views.
fn with_views(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Field::clone(field).with_data_type(DataType::Utf8View),
        _ => Field::clone(field),
    };
    Arc::new(Schema::new(
        schema.fields().iter().map(field).collect::<Vec<_>>(),
    ))
}

impl Kind {
    /// Returns whether a column of this type is read.
    fn takes(self, found: &DataType) -> bool {
        let is_number = matches!(found, DataType::Float32 | DataType::Float64);
        match self {
            Kind::Integer => found.is_integer(),
            Kind::Key => found.is_integer() || *found == DataType::Utf8,
            Kind::Number => found.is_integer() || is_number,
            Kind::Text => *found == DataType::Utf8,
            Kind::Flag => found.is_integer() || *found == DataType::Boolean,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Kind::Integer => "an integer type",
            Kind::Key => "an integer type or text",
            Kind::Number => "float64 or an integer type",
            Kind::Text => "text",
            Kind::Flag => "boolean",
        }
    }
}

/// Casts the values to the widest type of their kind.
fn widened(array: &ArrayRef) -> Result<ArrayRef, Reason> {
    let wide = match array.data_type() {
        DataType::UInt64 => DataType::UInt64,
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        found if found.is_integer() => DataType::Int64,
        found => found.clone(),
    };
    cast(array, &wide).map_err(|error| Reason::NotParquet(error.to_string()))
}

/// Returns the value of row `i` of an array that [`widened`] has made.
fn value(array: &ArrayRef, i: usize) -> Cell<'_> {
    if array.is_null(i) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Int64 => Cell::Integer(array.as_primitive::<Int64Type>().value(i).into()),
        DataType::UInt64 => Cell::Integer(array.as_primitive::<UInt64Type>().value(i).into()),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(i)),
        DataType::Boolean => Cell::Boolean(array.as_boolean().value(i)),
        _ => Cell::Text(array.as_string_view().value(i)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panic elsewhere is still reported: only the reading thread is quiet, and only while it reads.
    #[test]
    fn a_panic_is_caught_and_the_thread_is_loud_again() {
        assert_eq!(quietly(|| 7), Some(7));
        assert_eq!(quietly(|| -> u8 { panic!("a damaged page") }), None);
        assert!(!QUIET.get());
        let elsewhere = quietly(|| std::thread::spawn(|| QUIET.get()).join().unwrap());
        assert_eq!(elsewhere, Some(false));
    }
}
