//! Node lists and traces as CSV and Parquet. Most are valid before their mutation.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, UInt64Array,
};
use kadsim::engine::random::Stream;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Most rows of a file.
const ROWS_MAX: u64 = 40;
/// Numbers at the edges of ranges.
const EDGES: [i64; 8] = [
    0,
    -1,
    1,
    i64::MAX,
    i64::MIN,
    1 << 32,
    9_000_000_000_000,
    1 << 53,
];

/// Columns of a file: names, and values as they stand in CSV.
struct Columns(Vec<(&'static str, Vec<String>)>);

/// Makes an experiment file, and the name and the content of its imported file.
pub fn import(stream: &mut Stream) -> (String, &'static str, Vec<u8>) {
    let is_ids = stream.below(2) == 0;
    let rows = stream.below(ROWS_MAX) as usize;
    let columns = match is_ids {
        true => ids(rows, stream),
        false => trace(rows, stream),
    };
    let (name, content) = match stream.below(2) {
        0 => ("data.csv", columns.csv(stream)),
        _ => ("data.parquet", columns.parquet(stream)),
    };
    let network = match is_ids {
        true => format!("network.ids = \"{name}\"\n"),
        false => "network.nodes = 50\n".to_owned(),
    };
    let work = match is_ids {
        true => "count = 5\n".to_owned(),
        false => format!("trace = \"{name}\"\n"),
    };
    let kind = ["lookup", "provide", "retrieve"][stream.below(if is_ids { 2 } else { 3 }) as usize];
    let text = format!(
        "schema = 1\nname = \"fuzz\"\nseed = 1\n{network}[[phase]]\nname = \"p\"\nkind = \"{kind}\"\n{work}"
    );
    (text, name, content)
}

fn edge(stream: &mut Stream, usual: u64) -> i64 {
    match stream.below(60) {
        0 => EDGES[stream.below(EDGES.len() as u64) as usize],
        _ => usual as i64,
    }
}

fn ids(rows: usize, stream: &mut Stream) -> Columns {
    let nodes = (0..rows).map(|row| edge(stream, row as u64).to_string());
    let nodes = nodes.collect();
    let keys = (0..rows).map(|_| match stream.below(30) {
        0 => edge(stream, 5).to_string(),
        _ => stream.bits().to_string(),
    });
    Columns(vec![("node", nodes), ("key", keys.collect())])
}

fn trace(rows: usize, stream: &mut Stream) -> Columns {
    let origins = (0..rows).map(|_| {
        let usual = stream.below(50);
        edge(stream, usual).to_string()
    });
    let origins = origins.collect();
    let keys = (0..rows).map(|_| stream.bits().to_string()).collect();
    let starts = (0..rows).map(|_| match stream.below(30) {
        0 => {
            ["-0.5", "1e300", "NaN", "inf", "9e12", "0.00049"][stream.below(6) as usize].to_owned()
        }
        _ => format!("{}.{:03}", stream.below(1000), stream.below(1000)),
    });
    Columns(vec![
        ("origin", origins),
        ("key", keys),
        ("start_ms", starts.collect()),
    ])
}

impl Columns {
    fn csv(&self, stream: &mut Stream) -> Vec<u8> {
        let Columns(columns) = self;
        let (comma, end) = match stream.below(8) {
            0 => (";", "\n"),
            1 => ("\t", "\n"),
            2 => (",", "\r\n"),
            _ => (",", "\n"),
        };
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let mut text = names.join(comma) + end;
        for row in 0..columns[0].1.len() {
            let values: Vec<&str> = columns.iter().map(|(_, values)| &*values[row]).collect();
            text += &values.join(comma);
            text += end;
        }
        text.into_bytes()
    }

    fn parquet(&self, stream: &mut Stream) -> Vec<u8> {
        let Columns(columns) = self;
        let array = |(name, values): &(&'static str, Vec<String>)| -> (&'static str, ArrayRef) {
            let numbers = || values.iter().map(|value| value.parse::<f64>().unwrap());
            let array: ArrayRef = match (*name, stream.below(10)) {
                (_, 0) => Arc::new(StringArray::from_iter_values(values)),
                (_, 1) => Arc::new(Int32Array::from_iter_values(numbers().map(|n| n as i32))),
                (_, 2) => Arc::new(Float64Array::from_iter_values(numbers())),
                (_, 3) => Arc::new(
                    numbers()
                        .map(|n| (n > 3.0).then_some(n as i64))
                        .collect::<Int64Array>(),
                ),
                ("start_ms", _) => Arc::new(Float64Array::from_iter_values(numbers())),
                ("key", _) => Arc::new(UInt64Array::from_iter_values(
                    values.iter().map(|value| value.parse().unwrap_or(0)),
                )),
                _ => Arc::new(Int64Array::from_iter_values(
                    values.iter().map(|value| value.parse().unwrap_or(0)),
                )),
            };
            (*name, array)
        };
        let arrays: Vec<(&'static str, ArrayRef)> = columns.iter().map(array).collect();
        let nullable = arrays.into_iter().map(|(name, array)| (name, array, true));
        let batch = RecordBatch::try_from_iter_with_nullable(nullable).unwrap();
        let compression = match stream.below(3) {
            0 => Compression::UNCOMPRESSED,
            1 => Compression::SNAPPY,
            _ => Compression::ZSTD(ZstdLevel::default()),
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_dictionary_enabled(stream.below(2) == 0)
            .set_max_row_group_row_count(Some(1 + stream.below(ROWS_MAX) as usize))
            .build();
        let mut content = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut content, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        content
    }
}
