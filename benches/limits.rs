//! Limits of this machine's memory: cache lines read at random and bytes read in order, on one and two threads. Figures
//! of other benchmarks are compared with these.
//!
//! `cargo bench --bench limits`

mod common;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kadsim_engine::hardware::with_huge_pages;
use rayon::prelude::*;

use common::gather::{self, Reads, gather};
use common::pool;

/// Number of lines that a measurement reads.
const LINES: u64 = 1 << 24;

/// Number of words that a task reads or writes: 8 MiB.
const CHUNK: usize = 1 << 20;

fn random_gather(criterion: &mut Criterion) {
    let table = gather::table();
    let mut group = criterion.benchmark_group("random gather of cache lines, 1 GiB");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(LINES));
    for threads in [1, 2] {
        let pool = pool(threads);
        for reads in [Reads::Plain, Reads::Ahead(16), Reads::Ahead(64)] {
            group.bench_function(format!("{reads:?}, threads: {threads}"), |bencher| {
                bencher.iter(|| pool.install(|| black_box(gather(&table, LINES, reads))));
            });
        }
    }
}

fn bandwidth(criterion: &mut Criterion) {
    let table = gather::table();
    let mut target = with_huge_pages(table.len());
    target.extend_from_slice(&table);
    let mut group = criterion.benchmark_group("bandwidth, 1 GiB");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    let bytes = gather::TABLE_BYTES as u64;
    for threads in [1, 2] {
        let pool = pool(threads);
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(format!("read, threads: {threads}"), |bencher| {
            bencher.iter(|| pool.install(|| black_box(sum(&table))));
        });
        group.bench_function(format!("write, threads: {threads}"), |bencher| {
            let fill = |words: &mut [u64]| words.fill(7);
            bencher.iter(|| pool.install(|| target.par_chunks_mut(CHUNK).for_each(fill)));
        });
        group.throughput(Throughput::Bytes(2 * bytes));
        group.bench_function(format!("copy, threads: {threads}"), |bencher| {
            bencher.iter(|| pool.install(|| copy(&table, &mut target)));
        });
    }
}

fn sum(words: &[u64]) -> u64 {
    let sum = |words: &[u64]| words.iter().copied().fold(0, u64::wrapping_add);
    words
        .par_chunks(CHUNK)
        .map(sum)
        .reduce(|| 0, u64::wrapping_add)
}

fn copy(from: &[u64], to: &mut [u64]) {
    let pairs = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
    pairs.for_each(|(to, from)| to.copy_from_slice(from));
}

criterion_group!(benches, random_gather, bandwidth);
criterion_main!(benches);
