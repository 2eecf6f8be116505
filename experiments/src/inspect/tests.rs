//! Tests of digests, which cover the content only, and of the descriptions of tables and folders.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    DictionaryArray, Float64Array, Int8Array, Int32Array, Int64Builder, ListBuilder, RecordBatch,
    StringArray, UInt64Array,
};
use arrow::datatypes::Schema;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::*;

/// Describes a path without a limit to the width.
fn inspect(path: &Path) -> Result<String> {
    let view = View {
        width: None,
        all: false,
    };
    describe(path, &view)
}

fn batch(rows: u64, change: impl Fn(&mut Vec<u64>), names: ArrayRef) -> RecordBatch {
    let mut keys: Vec<u64> = (0..rows).map(|i| i.wrapping_mul(u64::MAX / 3)).collect();
    change(&mut keys);
    let times = (0..rows).map(|i| (i % 3 > 0).then_some(i as f64 / 1000.0));
    let mut lists = ListBuilder::new(Int64Builder::new());
    for i in 0..rows as i64 {
        lists.values().append_slice(&[i, -i][..i as usize % 3]);
        lists.append(i % 5 > 0);
    }
    let noted = [("unit", "ms"), ("description", "When it was")];
    let noted = HashMap::from(noted.map(|(key, text)| (key.to_owned(), text.to_owned())));
    let lists = lists.finish();
    let schema = Schema::new(vec![
        Field::new("key", DataType::UInt64, false),
        Field::new("time_ms", DataType::Float64, true).with_metadata(noted),
        Field::new("phase", names.data_type().clone(), false),
        Field::new("result", lists.data_type().clone(), true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from(keys)),
        Arc::new(Float64Array::from_iter(times)),
        names,
        Arc::new(lists),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn text(rows: u64) -> ArrayRef {
    let names = (0..rows).map(|i| ["seeding", "sampling"][i as usize % 2]);
    Arc::new(StringArray::from_iter_values(names))
}

fn write(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    let pairs = METADATA.iter().zip(["study", "42", "0.1.0", "true"]);
    for (key, value) in pairs {
        let pair = KeyValue::new((*key).to_owned(), value.to_owned());
        writer.append_key_value_metadata(pair);
    }
    writer.close().unwrap();
}

fn plain() -> WriterProperties {
    WriterProperties::builder().build()
}

fn digest_of(folder: &Path, batch: &RecordBatch, properties: WriterProperties) -> String {
    let path = folder.join("t.parquet");
    write(&path, batch, properties);
    digest(&path).unwrap()
}

#[test]
fn the_digest_is_of_the_content_only() {
    let folder = tempfile::tempdir().unwrap();
    let digest_of = |batch: &RecordBatch, properties| digest_of(folder.path(), batch, properties);
    let rows = 5000;
    let reference = digest_of(&batch(rows, |_| (), text(rows)), plain());
    let others = WriterProperties::builder()
        .set_max_row_group_row_count(Some(77))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_data_page_size_limit(500)
        .build();
    assert_eq!(
        digest_of(&batch(rows, |_| (), text(rows)), others),
        reference
    );

    // Dictionaries count as their strings, whatever the indices.
    let names = Arc::new(StringArray::from(vec!["seeding", "sampling"]));
    let indices = (0..rows).map(|i| (i % 2) as i8);
    let labels = DictionaryArray::new(Int8Array::from_iter_values(indices), names);
    assert_eq!(
        digest_of(&batch(rows, |_| (), Arc::new(labels)), plain()),
        reference
    );
    let names = Arc::new(StringArray::from(vec!["unused", "sampling", "seeding"]));
    let indices = (0..rows).map(|i| 2 - (i % 2) as i32);
    let labels = DictionaryArray::new(Int32Array::from_iter_values(indices), names);
    assert_eq!(
        digest_of(&batch(rows, |_| (), Arc::new(labels)), plain()),
        reference
    );
}

#[test]
fn the_digest_sees_values_order_names_types_and_rows() {
    let folder = tempfile::tempdir().unwrap();
    let digest_of = |batch: &RecordBatch| digest_of(folder.path(), batch, plain());
    let rows = 100;
    let same = batch(rows, |_| (), text(rows));
    let mut seen = vec![
        digest_of(&same),
        digest_of(&batch(rows, |keys| keys[99] ^= 1, text(rows))),
        digest_of(&batch(rows, |keys| keys.swap(3, 4), text(rows))),
        digest_of(&same.slice(0, 99)),
        digest_of(&same.project(&[1, 0, 2, 3]).unwrap()),
        digest_of(&same.project(&[0, 1, 2]).unwrap()),
    ];
    for (name, array) in [
        ("renamed", same.column(0).clone()),
        ("key", cast(same.column(0), &DataType::Utf8).unwrap()),
        (
            "key",
            cast(&same.column(1).slice(0, 100), &DataType::Int64).unwrap(),
        ),
    ] {
        let field = Field::new(name, array.data_type().clone(), true);
        let mut fields: Vec<_> = same.schema().fields().iter().cloned().collect();
        fields[0] = Arc::new(field);
        let mut columns = same.columns().to_vec();
        columns[0] = array;
        let changed = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        seen.push(digest_of(&changed));
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

/// Published digests must stay valid.
#[test]
fn the_digest_stays_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let found = digest_of(folder.path(), &batch(10, |_| (), text(10)), plain());
    assert_eq!(
        found,
        "b11e65e9aa4e46aa0e49f2b17a1f6834b618a126bbb89a4796b0e4386d49303b"
    );
}

#[test]
fn a_table_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(&path, &batch(10, |_| (), text(10)), plain());
    let described = inspect(&path).unwrap();
    let digest = digest(&path).unwrap();
    for line in [
        "t.parquet",
        "experiment  study",
        "seed        42",
        "version     0.1.0",
        "complete    true",
        "rows        10",
        &format!("digest      {digest}"),
        "column type unit nulls digest description",
        "key u64 - 0 ",
        "time_ms f64? ms 4 ",
        "phase string - 0 ",
        "result list<i64>? - 2 ",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            squeezed(&described).contains(squeezed(line).as_str()),
            "{line}\n{described}"
        );
    }
    let line = described.lines().find(|line| line.contains("time_ms"));
    assert!(line.unwrap().ends_with("  When it was"), "{described}");
}

#[test]
fn a_folder_has_one_digest_over_all_but_timings() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("study");
    fs::create_dir(&run).unwrap();
    assert!(
        inspect(&run)
            .unwrap_err()
            .to_string()
            .contains("study: no tables")
    );
    write(
        &run.join("ticks.parquet"),
        &batch(10, |_| (), text(10)),
        plain(),
    );
    write(
        &run.join("timings.parquet"),
        &batch(3, |_| (), text(3)),
        plain(),
    );
    let without_summary = digest(&run).unwrap();
    fs::write(run.join(METRICS), "{}").unwrap();
    let first = digest(&run).unwrap();
    assert_ne!(first, without_summary);
    write(
        &run.join("timings.parquet"),
        &batch(4, |_| (), text(4)),
        plain(),
    );
    fs::write(run.join("resolved.toml"), "schema = 1").unwrap();
    assert_eq!(digest(&run).unwrap(), first);
    let described = inspect(&run).unwrap();
    for part in [
        "run      finished\n",
        "summary  summary.json",
        "Percentiles are nearest-rank",
        "\nticks.parquet\n",
        &first,
    ] {
        assert!(described.contains(part), "{part}\n{described}");
    }
    write(
        &run.join("ticks.parquet"),
        &batch(11, |_| (), text(11)),
        plain(),
    );
    assert_ne!(digest(&run).unwrap(), first);
}

#[test]
fn an_unreadable_table_is_noted_in_an_unfinished_run_and_an_error_in_a_finished_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("study.partial");
    fs::create_dir(&run).unwrap();
    write(
        &run.join("ticks.parquet"),
        &batch(10, |_| (), text(10)),
        plain(),
    );
    fs::write(run.join("nodes.parquet"), "PAR1").unwrap();
    let described = inspect(&run).unwrap();
    assert!(described.contains("run      not finished"), "{described}");
    assert!(
        described.contains("nodes.parquet\nunreadable: "),
        "{described}"
    );
    assert!(described.contains("rows        10"), "{described}");
    assert!(digest(&run).is_err());
    for same in [
        "study.partial/",
        "study.partial/.",
        "study.partial/../study.partial/",
    ] {
        let described = inspect(&folder.path().join(same)).unwrap();
        assert!(described.contains("run      not finished"), "{described}");
    }
    let done = folder.path().join("study");
    fs::rename(&run, &done).unwrap();
    let error = format!("{:#}", inspect(&done).unwrap_err());
    assert!(
        error.contains("nodes.parquet: not a readable Parquet table"),
        "{error}"
    );
}

#[test]
fn a_broken_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.parquet");
    write(&good, &batch(1000, |_| (), text(1000)), plain());
    let content = fs::read(&good).unwrap();
    let bad = folder.path().join("bad.parquet");
    for length in [0, 4, 100, content.len() / 2, content.len() - 1] {
        fs::write(&bad, &content[..length]).unwrap();
        let error = format!("{:#}", inspect(&bad).unwrap_err());
        assert!(error.contains("bad.parquet"), "{error}");
    }
    let error = format!("{:#}", inspect(&folder.path().join("absent")).unwrap_err());
    assert!(error.contains("absent"), "{error}");
    // Damage anywhere is an error or another content, never a crash.
    for place in (0..content.len()).step_by(content.len() / 300) {
        let mut content = content.clone();
        content[place] ^= 0xA5;
        fs::write(&bad, &content).unwrap();
        let _ = inspect(&bad);
    }
}
