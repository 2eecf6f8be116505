//! Output tables and imports: rows a second that are written to a temporary folder, and rows of ids and traces a second
//! that are read.
//!
//! `cargo bench --bench tables`

mod common;

use std::fmt::Write;
use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kadsim::import::{read_ids, read_trace};
use kadsim::watch::Watch;
use kadsim::workload::Listed;
use kadsim_engine::key::{Key, mix};
use kadsim_engine::node::Row;
use kadsim_engine::operation::Planned;
use kadsim_engine::record::writer::BATCH_ROWS;
use kadsim_engine::record::{
    ConnectionRow, ConnectionTable, Kind, NodeRow, NodeTable, OperationRow, OperationTable,
    RecordError, RoutingRow, RoutingTable, RunInfo, TickRow, TickTable,
};
use kadsim_engine::routing::Policy;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::network::read::NodesView;
use kadsim_systems::network::run_loop::Progress;
use kadsim_systems::phases::Phase;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use common::{Links, Setup, is_wanted, keys, run_phase};

/// Number of rows of a table.
const ROWS: usize = 1_000_000;

/// Number of nodes of the network that the rows come from.
const NODES: u32 = 100_000;

fn info() -> RunInfo {
    RunInfo {
        experiment: "bench".to_owned(),
        seed: 42,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        living: false,
    }
}

fn phases() -> [String; 1] {
    ["lookups".to_owned()]
}

fn setup() -> Setup {
    Setup {
        links: Links::Faulty,
        ..Setup::new(NODES, LayoutKind::Packed, Policy::Closest)
    }
}

fn operations() -> Vec<OperationRow> {
    let mut rows = Vec::with_capacity(ROWS);
    let (mut network, lookups) = (setup().network(), ROWS as u64);
    run_phase(&mut network, Kind::Lookup, lookups, 0, |&row| {
        rows.push(row)
    });
    rows
}

fn connections() -> Vec<ConnectionRow> {
    let mut network = setup().network();
    network.recording().connections = true;
    let mut rows: Vec<ConnectionRow> = Vec::with_capacity(ROWS);
    let lookups = (0u64..).map(|number| Planned {
        number,
        origin: Row((mix(number) % u64::from(NODES)) as u32),
        key: Key(mix(!number)),
        due_us: 60 * number,
        lacks_origin: false,
    });
    let source = Listed::new(lookups.take(ROWS / 8).collect());
    network.begin_phase(Phase {
        number: 0,
        kind: Kind::Lookup,
        source: Box::new(source),
        operations: ROWS as u64 / 8,
        parallel: None,
        start_us: network.now_us(),
        duration_us: 0,
        max_us: None,
        freshness_us: None,
    });
    while rows.len() < ROWS && network.step().unwrap() == Progress::Going {
        rows.append(&mut network.recorded().connections);
        network.recorded().clear();
    }
    rows.truncate(ROWS);
    rows
}

/// Returns entries of the tables of the first nodes.
fn routing() -> Vec<RoutingRow> {
    let mut rows = Vec::with_capacity(ROWS);
    setup().network().read(
        |NodesView {
             population,
             columns,
             ids,
             tables,
             ..
         }| {
            let keys = columns.keys;
            for owner in (0..keys.len() as u32).map(Row) {
                let (table, node) = (columns.tables[owner.index()], ids.id(owner, keys));
                let mut entries = Vec::new();
                tables.for_each_bucket(&population, owner, table, &mut entries, |bucket, peers| {
                    rows.extend((0u8..).zip(peers).map(|(position, &peer)| RoutingRow {
                        network: 0,
                        node,
                        bucket: bucket.get(),
                        position,
                        peer: ids.id(peer, keys),
                    }));
                });
                if rows.len() >= ROWS {
                    break;
                }
            }
        },
    );
    rows.truncate(ROWS);
    rows
}

fn nodes() -> Vec<NodeRow> {
    let row = |(node, key): (i64, Key)| NodeRow {
        network: 0,
        phase: 0,
        node,
        key: key.0,
        label: None,
        online: true,
        table_entries: 330 + (key.0 % 16) as u32,
        buckets: 17,
        contacts: mix(key.0) % 40,
        segments: mix(!key.0) % 4,
        overhead_us: 0,
        started: mix(key.0) % 3,
        in_degree: None,
        ..NodeRow::default()
    };
    (0..).zip(keys(ROWS as u32)).map(row).collect()
}

fn ticks() -> Vec<TickRow> {
    let row = |tick: u64| {
        let [a, b] = [mix(tick) % 500, mix(!tick) % 50];
        TickRow {
            network: 0,
            phase: 0,
            tick,
            time_us: 50_000 * tick,
            online: u64::from(NODES),
            active: 6000 + a,
            started: 800 + b,
            finished: 800 + a % 60,
            connections: 10_000 + a,
            ok: 9_000 + a - b,
            fast_error: 1000 + b,
            slow_error: 0,
            not_found: 0,
            stored: 0,
            found: 0,
            missed: 0,
            duration_us: Some([400_000 + a, 500_000 + b, 600_000 + a + b]),
            ..TickRow::default()
        }
    };
    (0..ROWS as u64).map(row).collect()
}

/// Measures rows written a second, the closing of the file included.
fn write(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let path = folder.path();
    let mut group = criterion.benchmark_group("tables written");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(ROWS as u64));
    let rows = operations();
    group.bench_function("operations", |bencher| {
        bencher.iter(|| write_operations(path, &rows, None));
    });
    let result: Vec<i64> = (0..20)
        .map(|i| (mix(i) % u64::from(NODES)) as i64)
        .collect();
    group.bench_function("operations with results", |bencher| {
        bencher.iter(|| write_operations(path, &rows, Some(&result)));
    });
    let rows = connections();
    group.bench_function("connections", |bencher| {
        bencher.iter(|| {
            let path = path.join("connections.parquet");
            let mut table = ConnectionTable::create(&path, &info(), &phases())?;
            rows.iter().try_for_each(|row| table.push(row))?;
            table.finish(true)
        });
    });
    let rows = routing();
    group.bench_function("routing", |bencher| {
        bencher.iter(|| {
            let mut table = RoutingTable::create(&path.join("routing.parquet"), &info())?;
            rows.iter().try_for_each(|row| table.push(row))?;
            table.finish(true)
        });
    });
    let rows = nodes();
    group.bench_function("nodes", |bencher| bencher.iter(|| write_nodes(path, &rows)));
    let rows = ticks();
    group.bench_function("ticks", |bencher| {
        bencher.iter(|| {
            let mut table = TickTable::create(&path.join("ticks.parquet"), &info(), &phases())?;
            rows.iter().try_for_each(|row| table.push(row))?;
            table.finish(true)
        });
    });
}

fn write_operations(
    folder: &Path,
    rows: &[OperationRow],
    result: Option<&[i64]>,
) -> Result<u64, RecordError> {
    let path = folder.join("operations.parquet");
    let mut table = OperationTable::create(&path, &info(), &phases())?;
    rows.iter().try_for_each(|row| table.push(row, result))?;
    table.finish(true)
}

fn write_nodes(folder: &Path, rows: &[NodeRow]) -> Result<u64, RecordError> {
    let mut table = NodeTable::create(
        &folder.join("nodes.parquet"),
        &info(),
        &phases(),
        None,
        None,
    )?;
    rows.iter().try_for_each(|row| table.push(row))?;
    table.finish(true)
}

/// Measures rows read and checked a second, with the file in the page cache.
fn import(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let rows = nodes();
    let parquet = folder.path().join("nodes.parquet");
    write_nodes(folder.path(), &rows).expect("the disk has room");
    let csv = folder.path().join("nodes.csv");
    let mut text = "node,key\n".to_owned();
    for row in &rows {
        let _ = writeln!(text, "{},{}", row.node, row.key);
    }
    std::fs::write(&csv, text).expect("the disk has room");
    let trace = folder.path().join("trace.csv");
    let mut text = "origin,key,start_ms\n".to_owned();
    for row in &rows {
        let start_us = mix(row.key) % 60_000_000;
        let _ = writeln!(
            text,
            "{},{},{}",
            row.node,
            row.key,
            start_us as f64 / 1000.0
        );
    }
    std::fs::write(&trace, text).expect("the disk has room");

    let mut group = criterion.benchmark_group("import");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, path) in [("ids, Parquet", &parquet), ("ids, CSV", &csv)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                black_box(read_ids(path, None, Watch::SILENT)).map(|list| list.nodes.len())
            });
        });
    }
    group.bench_function("trace, CSV", |bencher| {
        bencher.iter(|| black_box(read_trace(&trace, |_| None, Watch::SILENT)).map(|t| t.len()));
    });
}

/// Prints seconds and bytes a row of the operations and nodes tables for each compression of their columns.
fn compression(_: &mut Criterion) {
    if !is_wanted("compression") {
        return;
    }
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    write_operations(folder.path(), &operations(), None).expect("the disk has room");
    write_nodes(folder.path(), &nodes()).expect("the disk has room");
    let zstd = |level| Compression::ZSTD(ZstdLevel::try_new(level).expect("there is such a level"));
    let codecs = [
        ("none", Compression::UNCOMPRESSED),
        ("snappy", Compression::SNAPPY),
        ("zstd 1", zstd(1)),
        ("zstd 2", zstd(2)),
        ("zstd 3", zstd(3)),
        ("zstd 6", zstd(6)),
    ];
    println!("compression, {ROWS} rows: seconds (best of 3), bytes a row");
    for table in ["operations", "nodes"] {
        let path = folder.path().join(format!("{table}.parquet"));
        let file = File::open(path).expect("it has just been written");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|reader| reader.with_batch_size(BATCH_ROWS).build())
            .expect("it is a table");
        let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("it is whole")).collect();
        for (name, codec) in codecs {
            let best = (0..3)
                .map(|_| encode(&batches, codec).expect("memory has room"))
                .min()
                .expect("three times");
            let (seconds, bytes) = (best.0.as_secs_f64(), best.1 as f64 / ROWS as f64);
            println!("{table:<12}{name:<8}{seconds:>8.3} s{bytes:>8.1} B");
        }
    }
}

/// Encodes a table in memory. Returns the time and the bytes.
fn encode(batches: &[RecordBatch], codec: Compression) -> Result<(Duration, usize), ParquetError> {
    let properties = WriterProperties::builder().set_compression(codec).build();
    let begun = Instant::now();
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties))?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    let bytes = writer.into_inner()?.len();
    Ok((begun.elapsed(), bytes))
}

criterion_group!(benches, write, import, compression);
criterion_main!(benches);
