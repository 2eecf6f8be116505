//! Every limit is enforced while reading, for any metadata and any length of file.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};

use parquet::file::properties::WriterProperties;

use super::*;

/// Returns a gzip member that unpacks to `unit`, repeated `times` times.
fn packed(unit: &[u8], times: u64) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..times).for_each(|_| encoder.write_all(unit).unwrap());
    encoder.finish().unwrap()
}

#[test]
fn a_file_without_end_is_refused() {
    let folder = Folder::new();
    for name in ["t.csv", "t.csv.gz", "t.parquet"] {
        let path = folder.text(name, "PAR1");
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        // A hole in the file takes no space on the disk.
        file.set_len(FILE_BYTES_MAX + 1).unwrap();
        fails(
            read_ids(&path),
            &path,
            "the file is longer than 4294967296 bytes",
        );
    }
    let path = folder.text("t.csv", "node,key\n1,\"");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(2_149_000_000).unwrap();
    fails(read_ids(&path), &path, "this file is binary, not text");
}

#[test]
fn columns_without_end_are_refused() {
    let folder = Folder::new();
    let many = |count: usize| (0..count).map(|i| format!(",c{i}")).collect::<String>();
    let path = folder.text("t.csv", format!("node,key{}\n", many(1_000_000)));
    fails(read_ids(&path), &path, "line 1: longer than 1048576 bytes");
    let path = folder.text("t.csv", format!("node,key{}\n", many(COLUMNS_MAX)));
    fails(read_ids(&path), &path, "more than 1024 columns");
    let path = folder.text(
        "t.csv",
        format!("node,key\n1,2{}\n", ",3".repeat(COLUMNS_MAX)),
    );
    fails(read_ids(&path), &path, "more than 1024 columns");
    let header = format!("node,key{}\n", many(COLUMNS_MAX - 2));
    let row = format!("1,2{}\n", ",3".repeat(COLUMNS_MAX - 2));
    let path = folder.text("t.csv", format!("{header}{row}"));
    assert_eq!(read_ids(&path).unwrap(), [(1, 2)]);
    let names: Vec<String> = (0..COLUMNS_MAX).map(|i| format!("c{i}")).collect();
    let mut columns: Vec<(&str, ArrayRef)> = names
        .iter()
        .map(|name| (name.as_str(), i64s(&[1])))
        .collect();
    columns.push(("node", i64s(&[1])));
    let path = folder.parquet(columns);
    fails(read_ids(&path), &path, "more than 1024 columns");
}

#[test]
fn equal_rows_are_doubles_before_they_fill_the_memory() {
    let folder = Folder::new();
    let rows = packed("1,1\n".repeat(1 << 14).as_bytes(), 512);
    let path = folder.text("t.csv.gz", [packed(b"node,key\n", 1), rows].concat());
    assert!(fs::metadata(&path).unwrap().len() < 1 << 19);
    fails(
        read_ids(&path),
        &path,
        "lines 2 and 3 have the same node, 1",
    );
}

#[test]
fn what_unpacks_without_end_is_refused_at_the_limit_of_a_line() {
    let folder = Folder::new();
    for unit in [b' ', 0, b'"', b'1'] {
        let start = packed(b"node,key\n1,\"", 1);
        let rest = packed(&vec![unit; 1 << 20], 64);
        let path = folder.text("t.csv.gz", [start, rest].concat());
        fails(read_ids(&path), &path, "line 2: longer than 1048576 bytes");
    }
    let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    io::copy(&mut io::repeat(b'1').take(64 << 20), &mut packer).unwrap();
    let path = folder.text("t.csv.zst", packer.finish().unwrap());
    fails(read_ids(&path), &path, "line 1: longer than 1048576 bytes");
}

#[test]
fn what_swells_beyond_measure_is_refused() {
    let folder = Folder::new();
    let header = packed(b"origin,key,start_ms\n", 1);
    let said = "it unpacks to more than 100 times its length";
    for rows in ["1,1,0\n", "\n"] {
        let rows = rows.repeat((1 << 20) / rows.len());
        let content = [&header[..], &packed(rows.as_bytes(), 80)].concat();
        let path = folder.text("t.csv.gz", content);
        fails(read_trace(&path), &path, said);
    }
    // A short text is read even if its compression ratio is large.
    let rows = packed("1,1,0\n".repeat(1 << 16).as_bytes(), 4);
    let path = folder.text("t.csv.gz", [header, rows].concat());
    assert_eq!(read_trace(&path).unwrap().len(), 1 << 18);
}

/// Rows of one value take almost no space. Their number is checked before any row is read.
#[test]
fn a_small_parquet_file_of_many_rows_is_refused_by_its_metadata() {
    let folder = Folder::new();
    let path = folder.0.path().join("t.parquet");
    let nothing: ArrayRef = Arc::new(Int64Array::new_null(1 << 20));
    let columns = [("node", Arc::clone(&nothing)), ("key", nothing)];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    let batches = ROWS_MAX / batch.num_rows() as u64;
    (0..=batches).for_each(|_| writer.write(&batch).unwrap());
    writer.close().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    fails(read_ids(&path), &path, "more than 67108864 rows");
    fails(read_trace(&path), &path, "more than 67108864 rows");
}

/// A dictionary holds a long text once, and so does the memory of the reader.
#[test]
fn a_long_text_that_many_rows_share_is_refused() {
    let folder = Folder::new();
    let long = "x".repeat(1 << 20);
    let rows = 5000;
    let texts = arrow::array::DictionaryArray::<arrow::datatypes::Int32Type>::new(
        vec![0; rows].into(),
        Arc::new(StringArray::from(vec![long.as_str()])),
    );
    let keys: Vec<u64> = (0..rows as u64).collect();
    let properties = WriterProperties::builder()
        .set_dictionary_page_size_limit(8 << 20)
        .build();
    let columns = vec![
        ("peer_id", Arc::new(texts) as ArrayRef),
        ("key", u64s(&keys)),
    ];
    let path = folder.parquet_as(columns, properties);
    assert!(fs::metadata(&path).unwrap().len() < 4 << 20);
    fails(read_ids(&path), &path, "row 1: `peer_id` is `xxx");
    fails(read_ids(&path), &path, "a text of at most 256 bytes");
    // Without a dictionary, the length of the column limits the text.
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(32 << 20)]));
    let path = folder.parquet(vec![("peer_id", texts), ("key", u64s(&[1]))]);
    fails(
        read_ids(&path),
        &path,
        "column `peer_id` takes more than 256 bytes a value",
    );
}

#[test]
fn what_is_no_file_is_named() {
    let folder = Folder::new();
    let directory = folder.0.path().join("folder.parquet");
    fs::create_dir(&directory).unwrap();
    fails(
        read_ids(&directory),
        &directory,
        "this is a directory, not a file",
    );
    #[cfg(unix)]
    {
        let link = folder.0.path().join("zero.csv");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        fails(read_ids(&link), &link, "this is a device, not a file");
        let link = folder.0.path().join("zero.parquet");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        fails(read_ids(&link), &link, "this is a device, not a file");
        // Opening the pipe would wait for a writer.
        let pipe = folder.0.path().join("pipe.csv");
        let made = std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap();
        assert!(made.success());
        fails(read_ids(&pipe), &pipe, "this is a pipe, not a file");
    }
}

/// Metadata with impossible numbers are an error, not a panic or an allocation.
#[test]
fn lengths_that_cannot_be_are_refused() {
    let folder = Folder::new();
    let content =
        fs::read(folder.parquet(vec![("node", i64s(&[1])), ("key", u64s(&[1]))])).unwrap();
    let footer = content.len() - 8;
    for (length, said) in [
        (u32::MAX, "its footer cannot be"),
        (content.len() as u32, "its footer cannot be"),
        (0, "not a readable Parquet file"),
    ] {
        let mut changed = content.clone();
        changed[footer..footer + 4].copy_from_slice(&length.to_le_bytes());
        let path = folder.text("t.parquet", changed);
        fails(read_ids(&path), &path, said);
    }
    let path = folder.text("t.parquet", &content);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(METADATA_BYTES_MAX + 100).unwrap();
    drop(file);
    let mut changed = fs::read(&path).unwrap();
    let end = changed.len();
    changed[end - 8..end - 4].copy_from_slice(&(METADATA_BYTES_MAX as u32 + 1).to_le_bytes());
    changed[end - 4..].copy_from_slice(b"PAR1");
    let path = folder.text("t.parquet", changed);
    fails(
        read_ids(&path),
        &path,
        "the metadata take more than 16777216 bytes",
    );
}
