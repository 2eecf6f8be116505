//! Every table is written and read back: names, types, nulls, units and values.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt32Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;

use crate::operation::Ending;

use super::*;

mod living;

/// A folder for one test, removed at the end of the test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kadsim-record-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn info() -> RunInfo {
    RunInfo {
        experiment: "quick-start".to_owned(),
        seed: u64::MAX,
        version: "1.2.3".to_owned(),
        living: false,
    }
}

pub(super) fn metadata(path: &Path) -> Arc<ParquetMetaData> {
    let file = std::fs::File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    Arc::clone(builder.metadata())
}

pub(super) fn read(path: &Path) -> Vec<RecordBatch> {
    let file = std::fs::File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    builder.build().unwrap().map(Result::unwrap).collect()
}

fn whole(path: &Path) -> RecordBatch {
    let batches = read(path);
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn phases() -> Vec<String> {
    ["seeding", "sampling"].map(str::to_owned).to_vec()
}

/// `name type[?] [unit]`, one a line, in the order of the columns.
fn columns_of(batch: &RecordBatch) -> String {
    let lines = batch.schema_ref().fields().iter().map(|field| {
        let data_type = match field.data_type() {
            DataType::Dictionary(_, value) => format!("label {value}"),
            DataType::List(element) => format!("list {}", element.data_type()),
            other => other.to_string(),
        };
        let null = if field.is_nullable() { "?" } else { "" };
        let unit = &field.metadata()["unit"];
        assert!(!field.metadata()["description"].is_empty());
        format!("{} {data_type}{null} [{unit}]\n", field.name())
    });
    lines.collect()
}

fn strings(batch: &RecordBatch, name: &str) -> Vec<String> {
    let array = cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
    let values = array.as_string::<i32>().iter();
    values.map(|value| value.unwrap().to_owned()).collect()
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    let array = batch.column_by_name(name).unwrap();
    array.as_primitive::<Float64Type>().iter().collect()
}

fn tick(tick: u64) -> TickRow {
    TickRow {
        network: 1,
        phase: (tick % 2) as u32,
        tick,
        time_us: tick * 50_000,
        online: 10,
        active: 11,
        started: 12,
        finished: 13,
        connections: 14,
        ok: 15,
        fast_error: 16,
        slow_error: 17,
        not_found: 18,
        stored: 19,
        found: 20,
        missed: 21,
        duration_us: (tick % 2 == 1).then_some([1_001, 2_002, 3_003]),
        ..TickRow::default()
    }
}

#[test]
fn ticks() {
    let folder = Folder::new();
    let path = folder.path("ticks.parquet");
    let mut table = TickTable::create(&path, &info(), &phases()).unwrap();
    // More than one batch.
    for i in 0..40_000 {
        table.push(&tick(i)).unwrap();
    }
    assert_eq!(table.finish(true).unwrap(), 40_000);
    let batch = whole(&path);
    assert_eq!(
        columns_of(&batch),
        "network UInt32 [1]\nphase label Utf8 [1]\ntick UInt64 [1]\ntime_ms Float64 [ms]\n\
         online UInt64 [1]\nactive UInt64 [1]\nstarted UInt64 [1]\nfinished UInt64 [1]\n\
         connections UInt64 [1]\nok UInt64 [1]\nfast_error UInt64 [1]\nslow_error UInt64 [1]\n\
         not_found UInt64 [1]\nstored UInt64 [1]\nfound UInt64 [1]\nmissed UInt64 [1]\n\
         duration_ms_p50 Float64? [ms]\nduration_ms_p90 Float64? [ms]\nduration_ms_p99 Float64? [ms]\n"
    );
    for (i, name) in (10..).zip([
        "online",
        "active",
        "started",
        "finished",
        "connections",
        "ok",
        "fast_error",
        "slow_error",
        "not_found",
        "stored",
        "found",
        "missed",
    ]) {
        let column = batch.column_by_name(name).unwrap();
        assert_eq!(
            column.as_primitive::<UInt64Type>().value(39_999),
            i,
            "{name}"
        );
    }
    let ticks = batch
        .column_by_name("tick")
        .unwrap()
        .as_primitive::<UInt64Type>();
    assert!(ticks.values().iter().copied().eq(0..40_000));
    assert_eq!(
        strings(&batch, "phase")[..3],
        ["seeding", "sampling", "seeding"]
    );
    assert_eq!(floats(&batch, "time_ms")[39_999], Some(1_999_950.0));
    assert_eq!(floats(&batch, "duration_ms_p50")[..2], [None, Some(1.001)]);
    assert_eq!(floats(&batch, "duration_ms_p90")[..2], [None, Some(2.002)]);
    assert_eq!(floats(&batch, "duration_ms_p99")[..2], [None, Some(3.003)]);
}

fn operation() -> OperationRow {
    OperationRow {
        network: 0,
        phase: 0,
        operation: 7,
        kind: Kind::Provide,
        origin: -3,
        key: u64::MAX,
        due_us: 1,
        start_us: 1_500,
        end_us: Some(4_000_000),
        attempts: 1,
        completed: 2,
        succeeded: 3,
        failed: 4,
        abandoned: 5,
        depth: 6,
        known: 7,
        recall: Some(0.95),
        found: None,
        holder: None,
        stored: Some(20),
        store_failed: Some(0),
        lookup_us: Some(1),
        store_us: Some(2),
        ending: Ending::Done,
        late: 0,
        stale_contacts: 0,
        holders_online: None,
    }
}

#[test]
fn operations() {
    let folder = Folder::new();
    let path = folder.path("operations.parquet");
    let mut table = OperationTable::create(&path, &info(), &phases()).unwrap();
    table.push(&operation(), Some(&[5, -6])).unwrap();
    let cut_off = OperationRow {
        phase: 1,
        kind: Kind::Retrieve,
        end_us: None,
        recall: None,
        found: Some(false),
        holder: Some(i64::MIN),
        stored: None,
        store_failed: None,
        lookup_us: None,
        store_us: None,
        ..operation()
    };
    table.push(&cut_off, None).unwrap();
    let lookup = OperationRow {
        kind: Kind::Lookup,
        ..operation()
    };
    table.push(&lookup, Some(&[])).unwrap();
    assert_eq!(table.finish(true).unwrap(), 3);
    let batch = whole(&path);
    assert_eq!(
        columns_of(&batch),
        "network UInt32 [1]\nphase label Utf8 [1]\noperation UInt64 [1]\nkind label Utf8 [1]\n\
         origin Int64 [node id]\nkey UInt64 [key]\ndue_ms Float64 [ms]\nstart_ms Float64 [ms]\n\
         end_ms Float64? [ms]\nduration_ms Float64? [ms]\nattempts UInt32 [1]\ncompleted UInt32 [1]\n\
         succeeded UInt32 [1]\nfailed UInt32 [1]\nabandoned UInt32 [1]\ndepth UInt32 [1]\n\
         known UInt32 [1]\nrecall Float32? [1]\nfound Boolean? [1]\nholder Int64? [node id]\n\
         stored UInt32? [1]\nstore_failed UInt32? [1]\nlookup_ms Float64? [ms]\n\
         store_ms Float64? [ms]\nresult list Int64? [node id]\n"
    );
    assert_eq!(strings(&batch, "phase"), ["seeding", "sampling", "seeding"]);
    assert_eq!(strings(&batch, "kind"), ["provide", "retrieve", "lookup"]);
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(column("origin").as_primitive::<Int64Type>().value(0), -3);
    assert_eq!(
        column("key").as_primitive::<UInt64Type>().value(0),
        u64::MAX
    );
    assert_eq!(floats(&batch, "due_ms")[0], Some(0.001));
    assert_eq!(floats(&batch, "start_ms")[0], Some(1.5));
    assert_eq!(floats(&batch, "end_ms")[..2], [Some(4000.0), None]);
    assert_eq!(floats(&batch, "duration_ms")[..2], [Some(3998.5), None]);
    for (i, name) in (1..).zip([
        "attempts",
        "completed",
        "succeeded",
        "failed",
        "abandoned",
        "depth",
        "known",
    ]) {
        assert_eq!(
            column(name).as_primitive::<UInt32Type>().value(0),
            i,
            "{name}"
        );
    }
    assert_eq!(
        column("recall").as_primitive::<Float32Type>().value(0),
        0.95
    );
    let found: Vec<_> = column("found").as_boolean().iter().collect();
    assert_eq!(found, [None, Some(false), None]);
    let holder: Vec<_> = column("holder")
        .as_primitive::<Int64Type>()
        .iter()
        .collect();
    assert_eq!(holder, [None, Some(i64::MIN), None]);
    let optional = |name: &str| {
        column(name)
            .as_primitive::<UInt32Type>()
            .iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(optional("stored"), [Some(20), None, Some(20)]);
    assert_eq!(optional("store_failed"), [Some(0), None, Some(0)]);
    assert_eq!(
        floats(&batch, "lookup_ms"),
        [Some(0.001), None, Some(0.001)]
    );
    assert_eq!(floats(&batch, "store_ms"), [Some(0.002), None, Some(0.002)]);
    let result = column("result").as_list::<i32>();
    assert_eq!(
        result
            .value(0)
            .as_primitive::<Int64Type>()
            .values()
            .as_ref(),
        [5, -6]
    );
    assert!(result.is_null(1));
    assert!(result.is_valid(2) && result.value(2).is_empty());
}

#[test]
fn long_results_are_sent_before_the_batch_is_full() {
    let folder = Folder::new();
    let path = folder.path("operations.parquet");
    let mut table = OperationTable::create(&path, &info(), &phases()).unwrap();
    let ids: Vec<i64> = (0..100_000).collect();
    for _ in 0..10 {
        table.push(&operation(), Some(&ids)).unwrap();
    }
    assert_eq!(table.finish(true).unwrap(), 10);
    let total: usize = read(&path).iter().map(RecordBatch::num_rows).sum();
    assert_eq!(total, 10);
}

#[test]
fn a_phase_without_a_name_is_an_error() {
    let folder = Folder::new();
    let path = folder.path("operations.parquet");
    let mut table = OperationTable::create(&path, &info(), &phases()).unwrap();
    let row = OperationRow {
        phase: 2,
        ..operation()
    };
    table.push(&row, None).unwrap();
    let error = table.finish(true).unwrap_err();
    assert!(error.to_string().contains("operations.parquet"), "{error}");
}

#[test]
fn nodes() {
    let folder = Folder::new();
    let path = folder.path("nodes.parquet");
    let labels = Arc::new(StringArray::from(vec!["QmA", "QmB"]));
    let mut table = NodeTable::create(&path, &info(), &phases(), Some(labels), None).unwrap();
    let row = NodeRow {
        network: 2,
        phase: 1,
        node: 5,
        key: 1 << 63,
        label: Some(1),
        online: true,
        table_entries: 240,
        buckets: 14,
        contacts: 3,
        segments: 4,
        overhead_us: 2_345,
        started: 8,
        in_degree: Some(9),
        ..NodeRow::default()
    };
    table.push(&row).unwrap();
    assert_eq!(table.finish(true).unwrap(), 1);
    let batch = whole(&path);
    assert_eq!(
        columns_of(&batch),
        "network UInt32 [1]\nphase label Utf8 [1]\nnode Int64 [node id]\nkey UInt64 [key]\n\
         label label Utf8? [1]\nonline Boolean [1]\ntable_entries UInt32 [1]\nbuckets UInt8 [1]\ncontacts UInt64 [1]\n\
         segments UInt64 [1]\noverhead_ms Float64 [ms]\nstarted UInt64 [1]\nin_degree UInt32? [1]\n"
    );
    assert_eq!(
        values(&batch),
        [
            "2",
            "sampling",
            "5",
            "9223372036854775808",
            "QmB",
            "true",
            "240",
            "14",
            "3",
            "4",
            "2.345",
            "8",
            "9"
        ]
    );
}

/// The first row as strings.
fn values(batch: &RecordBatch) -> Vec<String> {
    let first = |array: &arrow::array::ArrayRef| {
        let text = cast(array, &DataType::Utf8).unwrap();
        let text = text.as_string::<i32>();
        if text.is_null(0) {
            "null".to_owned()
        } else {
            text.value(0).to_owned()
        }
    };
    batch.columns().iter().map(first).collect()
}

#[test]
fn connections() {
    let folder = Folder::new();
    let path = folder.path("connections.parquet");
    let mut table = ConnectionTable::create(&path, &info(), &phases()).unwrap();
    for (i, outcome) in (0..).zip(Outcome::ALL) {
        let row = ConnectionRow {
            network: 0,
            phase: 0,
            operation: 1,
            sequence: i,
            time_us: 3,
            from: 4,
            to: 5,
            request: Request::ALL[i as usize % 2],
            outcome,
            base_delay_us: 6_000,
            origin_overhead_us: 7_000,
            remote_overhead_us: 8_000,
            total_delay_us: 21_000,
            purpose: Purpose::User,
        };
        table.push(&row).unwrap();
    }
    assert_eq!(table.finish(true).unwrap(), 5);
    let batch = whole(&path);
    assert_eq!(
        columns_of(&batch),
        "network UInt32 [1]\nphase label Utf8 [1]\noperation UInt64 [1]\nsequence UInt32 [1]\n\
         time_ms Float64 [ms]\nfrom Int64 [node id]\nto Int64 [node id]\nrequest label Utf8 [1]\n\
         outcome label Utf8 [1]\nbase_delay_ms Float64 [ms]\norigin_overhead_ms Float64 [ms]\n\
         remote_overhead_ms Float64 [ms]\ntotal_delay_ms Float64 [ms]\n"
    );
    assert_eq!(
        strings(&batch, "request"),
        ["lookup", "store", "lookup", "store", "lookup"]
    );
    assert_eq!(
        strings(&batch, "outcome"),
        ["ok", "fast_error", "slow_error", "not_found", "late"]
    );
    let expected = [
        "0", "seeding", "1", "0", "0.003", "4", "5", "lookup", "ok", "6.0", "7.0", "8.0", "21.0",
    ];
    assert_eq!(values(&batch), expected);
}

#[test]
fn routing() {
    let folder = Folder::new();
    let path = folder.path("routing.parquet");
    let mut table = RoutingTable::create(&path, &info()).unwrap();
    let row = RoutingRow {
        network: 1,
        node: 2,
        bucket: 63,
        position: 254,
        peer: 5,
    };
    table.push(&row).unwrap();
    assert_eq!(table.finish(true).unwrap(), 1);
    let batch = whole(&path);
    assert_eq!(
        columns_of(&batch),
        "network UInt32 [1]\nnode Int64 [node id]\nbucket UInt8 [1]\nposition UInt8 [1]\npeer Int64 [node id]\n"
    );
    assert_eq!(values(&batch), ["1", "2", "63", "254", "5"]);
}

#[test]
fn timings() {
    let folder = Folder::new();
    let path = folder.path("timings.parquet");
    let mut table = TimingTable::create(&path, &info()).unwrap();
    let row = |phase: &str, system: &str| TimingRow {
        network: 0,
        phase: phase.to_owned(),
        system: system.to_owned(),
        wall_us: 1_500,
        cpu_us: None,
        resident_bytes: Some(1 << 40),
        calls: 9,
    };
    for (phase, system) in [
        ("bootstrap", "fill"),
        ("seeding", "advance"),
        ("bootstrap", "advance"),
    ] {
        table.push(&row(phase, system)).unwrap();
    }
    assert_eq!(table.finish(true).unwrap(), 3);
    let batch = whole(&path);
    assert_eq!(
        columns_of(&batch),
        "network UInt32 [1]\nphase label Utf8 [1]\nsystem label Utf8 [1]\nwall_ms Float64 [ms]\n\
         cpu_ms Float64? [ms]\nresident_bytes UInt64? [bytes]\ncalls UInt64 [1]\n"
    );
    assert_eq!(
        strings(&batch, "phase"),
        ["bootstrap", "seeding", "bootstrap"]
    );
    assert_eq!(strings(&batch, "system"), ["fill", "advance", "advance"]);
    assert_eq!(
        values(&batch),
        [
            "0",
            "bootstrap",
            "fill",
            "1.5",
            "null",
            "1099511627776",
            "9"
        ]
    );
}

#[test]
fn an_empty_table_has_its_columns() {
    let folder = Folder::new();
    let path = folder.path("ticks.parquet");
    let table = TickTable::create(&path, &info(), &[]).unwrap();
    assert_eq!(table.finish(false).unwrap(), 0);
    assert_eq!(
        metadata(&path).file_metadata().schema_descr().num_columns(),
        19
    );
    assert!(read(&path).is_empty());
}
