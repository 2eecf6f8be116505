//! Separators, compression, lines, and files that are not what their name says.

use std::io::Write;

use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};

use super::*;

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_header_tells_the_separator() {
    let folder = Folder::new();
    for text in [
        "node,key\n7,8\n",
        "node;key\n7;8\n",
        "node\tkey\n7\t8\n",
        "node; key;note, or two\n7; 8;a, b\n",
        "\"a;b\",node,key\nx;y,7,8\n",
        "\n\r\n\u{20}\nnode,key\n7,8\n\n",
    ] {
        for name in ["t.csv", "t.TSV"] {
            let path = folder.text(name, text.trim_start_matches("\n\r\n\u{20}\n"));
            assert_eq!(read_ids(&path).unwrap(), [(7, 8)], "{text:?}");
        }
    }
    let path = folder.text("t.csv", "\nnode;key,online\n");
    let said = "line 2: the header fits commas and semicolons as separators";
    fails(read_ids(&path), &path, said);
    let path = folder.text("t.csv", "id|hash\n");
    fails(read_ids(&path), &path, "the columns are `id|hash`");
    let path = folder.text("t.csv", "id;hash\n");
    fails(read_ids(&path), &path, "the columns are `id`, `hash`");
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let folder = Folder::new();
    for (text, said) in [
        // Blank lines, then a line that is too short.
        ("node,key\n1,5\n\n\n2,6\n3\n", "line 6: 1 field"),
        ("node,key\n1,5\n\n\n2,x\n", "line 5: `key` is `x`"),
        ("\n\nnode,key\n1,5\n \n2,x\n", "line 6: `key` is `x`"),
        ("node,key\r\n1,5\r\n\r\n2,x\r\n", "line 4: `key` is `x`"),
        ("node,key\r1,5\r\r2,x\r", "line 4: `key` is `x`"),
        (
            "note,node,key\n\"a\nb\n\nc\",1,5\nd,2,x\n",
            "line 6: `key` is `x`",
        ),
        (
            "note,node,key\n\"a\nb\n\nc\",1,x\nd,2,6\n",
            "line 2: `key` is `x`",
        ),
        (
            "node,key\n1,5\n\n2,6\n\n1,7\n",
            "lines 2 and 6 have the same node, 1",
        ),
    ] {
        let path = folder.text("t.csv", text);
        fails(read_ids(&path), &path, said);
        let packed = folder.text("t.csv.gz", gzip(text));
        fails(read_ids(&packed), &packed, said);
    }
    // Longer than the buffer, with CR and LF on different sides of its end.
    let rows: String = (0..30_000).map(|i| format!("{i},{i}\r\n")).collect();
    let path = folder.text("t.csv", format!("node,key\r\n{rows}y,1\r\n"));
    fails(read_ids(&path), &path, "line 30002: `node` is `y`");
}

#[test]
fn text_may_be_compressed() {
    let folder = Folder::new();
    let text = "\u{feff}node,key\r\n7,8\r\n";
    let half = |text: &str, at| [gzip(&text[..at]), gzip(&text[at..])].concat();
    for (name, content) in [
        ("t.csv.gz", gzip(text)),
        ("t.tsv.GZ", half(text, 9)),
        ("t.csv.zst", zstd::encode_all(text.as_bytes(), 3).unwrap()),
    ] {
        let path = folder.text(name, content);
        assert_eq!(read_ids(&path).unwrap(), [(7, 8)], "{name}");
    }
    let cut = &gzip(text)[..20];
    let path = folder.text("t.csv.gz", cut);
    fails(read_ids(&path), &path, "not readable as gzip");
    let path = folder.text("t.csv.gz", text);
    fails(read_ids(&path), &path, "not readable as gzip");
    let path = folder.text("t.csv.zst", text);
    fails(read_ids(&path), &path, "not readable as zstd");
    let path = folder.text("t.csv.gz", gzip(gzip(text)));
    fails(read_ids(&path), &path, "this file is compressed by gzip");
}

#[test]
fn parquet_may_be_compressed_by_every_codec() {
    let folder = Folder::new();
    let keys: Vec<u64> = (0..1000).collect();
    let nodes: Vec<i64> = (0..1000).collect();
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::BROTLI(BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let properties = WriterProperties::builder().set_compression(codec).build();
        let columns = vec![("node", i64s(&nodes)), ("key", u64s(&keys))];
        let path = folder.parquet_as(columns, properties);
        assert_eq!(read_ids(&path).unwrap().len(), 1000, "{codec}");
    }
}

#[test]
fn other_content_is_named_with_its_remedy() {
    let folder = Folder::new();
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let parquet = fs::read(folder.parquet(vec![("node", i64s(&[1]))])).unwrap();
    for (name, content, said) in [
        (
            "t.csv",
            wide("\u{feff}node,key\n1,2\n"),
            "this file is UTF-16: save it as UTF-8",
        ),
        ("t.csv", wide("node,key\n1,2\n"), "this file is UTF-16"),
        (
            "t.csv",
            gzip("node,key\n1,2\n"),
            "this file is compressed by gzip: name it .csv.gz",
        ),
        (
            "t.csv",
            zstd::encode_all(&b"node"[..], 1).unwrap(),
            "by zstd: name it .csv.zst",
        ),
        ("t.csv", parquet, "this file is Parquet: name it .parquet"),
        ("t.csv", b"PK\x03\x04\0".to_vec(), "a spreadsheet"),
        ("t.csv", vec![0; 100], "this file is binary"),
        (
            "t.parquet",
            gzip("node"),
            "not a readable Parquet file: this file is compressed by gzip",
        ),
        (
            "t.parquet",
            b"node,key\n1,2\n".to_vec(),
            "does not begin with PAR1",
        ),
        ("t.parquet", b"PAR1".to_vec(), "cut off"),
        (
            "t.parquet",
            b"PAR1 and more, but no end".to_vec(),
            "does not end with PAR1",
        ),
    ] {
        let path = folder.text(name, content);
        fails(read_ids(&path), &path, said);
    }
}
