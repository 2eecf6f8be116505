//! Node lists and traces in both formats, and every error of a file.

mod formats;
mod limits;
mod peers;
mod presence;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int8Array, Int64Array, RecordBatch, StringArray,
    UInt32Array, UInt64Array,
};
use parquet::arrow::ArrowWriter;

use parquet::file::properties::WriterProperties;

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
        self.parquet_as(columns, WriterProperties::default())
    }

    fn parquet_as(&self, columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> PathBuf {
        let path = self.0.path().join("t.parquet");
        let columns = columns.into_iter().map(|(name, array)| (name, array, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
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

fn read_trace(path: &Path) -> Result<Vec<TraceRow>, ImportError> {
    super::read_trace(path, |_| None, Watch::SILENT)
}

fn read_ids(path: &Path) -> Result<Vec<(i64, u64)>, ImportError> {
    Ok(super::read_ids(path, None, Watch::SILENT)?.nodes)
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
fn times_are_rounded_to_whole_microseconds() {
    let folder = Folder::new();
    let starts = [0.0004, 0.0005, 1.0055, 1.2345, 2.7184];
    let expected = [0, 1, 1006, 1235, 2718];
    let rows: String = starts.map(|start| format!("1,1,{start}\n")).concat();
    let text = folder.text("t.csv", format!("origin,key,start_ms\n{rows}"));
    let table = folder.parquet(vec![
        ("origin", i64s(&[1; 5])),
        ("key", u64s(&[1; 5])),
        ("start_ms", f64s(&starts)),
    ]);
    for path in [text, table] {
        let found: Vec<u64> = read_trace(&path)
            .unwrap()
            .iter()
            .map(|row| row.start_us)
            .collect();
        assert_eq!(found, expected, "{}", path.display());
    }
}

#[test]
fn an_origin_that_is_no_node_is_named_with_its_row() {
    let folder = Folder::new();
    let path = folder.text("t.csv", "origin,key,start_ms\n1,1,9\n-4,1,5\n7,1,0\n");
    let result = super::read_trace(
        &path,
        |id| (id != 1).then_some("a node of the network"),
        Watch::SILENT,
    );
    fails(
        result,
        &path,
        "line 3: `origin` is `-4`, not a node of the network",
    );
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
        let message = message
            .replacen("is ", "is `", 1)
            .replacen(", not", "`, not", 1);
        fails(read_trace(&path), &path, &message);
        fails(read_trace(&path), &path, "line 3: ");
    }
    let path = folder.text("t.csv", "origin,key,start_ms\n1,1,soon\n");
    fails(
        read_trace(&path),
        &path,
        "line 2: `start_ms` is `soon`, not a number",
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
        fails(read_ids(&path), &path, "must end in .parquet, .csv or .tsv");
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
    fails(
        read_ids(&path),
        &path,
        "line 3: 1 field, but the header has 2",
    );
    let path = folder.text("t.csv", "node,key\n1,2,3\n");
    fails(
        read_ids(&path),
        &path,
        "line 2: 3 fields, but the header has 2",
    );
    let path = folder.text("t.csv", b"node,key\n1,\xFF\n");
    fails(read_ids(&path), &path, "line 2: `key` is not UTF-8");
    let path = folder.text("t.csv", "\n");
    fails(read_ids(&path), &path, "the file is empty");
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
        let path = folder.parquet(vec![("key", i64s(&[1])), ("node", array)]);
        fails(
            read_ids(&path),
            &path,
            &format!("column `node` is {name}, not an integer type"),
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
        fails(read_ids(&path), &path, "line 3: no value in column `key`");
    }
    for bad in [
        "x",
        "1.5",
        "-1",
        "18446744073709551616",
        "9".repeat(66).as_str(),
    ] {
        let path = folder.text("t.csv", format!("node,key\n1,{bad}\n"));
        fails(
            read_ids(&path),
            &path,
            &format!("line 2: `key` is `{bad}`, not "),
        );
    }
    // Rows count on over the reader's batches.
    let rows: String = (0..5000).map(|i| format!("{i},{i}\n")).collect();
    let path = folder.text("t.csv", format!("node,key\n{rows}y,1\n"));
    fails(read_ids(&path), &path, "line 5002: `node` is `y`");
    let mut nodes: Vec<Option<i64>> = (0..20_000).map(Some).collect();
    nodes[19_999] = None;
    let nodes: ArrayRef = Arc::new(Int64Array::from(nodes));
    let keys: Vec<u64> = (0..20_000).collect();
    let path = folder.parquet(vec![("node", nodes), ("key", u64s(&keys))]);
    fails(
        read_ids(&path),
        &path,
        "row 20000: no value in column `node`",
    );
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
    fails(read_ids(&path), &path, "lines 2 and 4 have the same key, 8");
}

#[test]
fn reading_stops_when_the_user_interrupts() {
    let folder = Folder::new();
    let asked = AtomicBool::new(true);
    let watch = Watch {
        interrupted: &asked,
        ..Watch::SILENT
    };
    let path = folder.text("ids.csv", "node,key\n1,2\n");
    let stopped = super::read_ids(&path, None, watch);
    assert!(matches!(stopped.unwrap_err().reason, Reason::Stopped(_)));
    let path = folder.text("ops.csv", "origin,key,start_ms\n1,2,0\n");
    let stopped = super::read_trace(&path, |_| None, watch);
    assert!(matches!(stopped.unwrap_err().reason, Reason::Stopped(_)));
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
