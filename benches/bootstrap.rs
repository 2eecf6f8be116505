//! Bootstrap on all threads, from the sorted key column to tables that answer, by number of nodes, policy and layout. The
//! index alone and the spawning of the nodes are measured separately.
//!
//! `cargo bench --bench bootstrap`, or a part of it: `cargo bench --bench bootstrap -- 1e6/packed`

mod common;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_engine::routing::{Knowledge, Policy};
use kadsim_systems::Network;
use kadsim_systems::network::{NodeSet, Spec};

use common::{Setup, keys, power_of_ten};

const NODES: [u32; 3] = [10_000, 100_000, 1_000_000];

fn bootstrap(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bootstrap");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(2));
    group.warm_up_time(Duration::from_millis(200));
    for nodes in NODES {
        let keys = keys(nodes);
        group.throughput(Throughput::Elements(u64::from(nodes)));
        for layout in LayoutKind::ALL {
            for policy in Policy::ALL {
                let rule = Setup::new(nodes, layout, policy).rule();
                let (n, layout_name) = (power_of_ten(nodes), layout.as_str());
                group.bench_function(format!("{n}/{layout_name}/{policy:?}"), |bencher| {
                    bencher.iter_with_large_drop(|| {
                        let index = RadixIndex::new(&keys);
                        let tables =
                            layout.build(Knowledge::of_all(&Population::new(&keys, &index), &rule));
                        (index, tables)
                    });
                });
            }
        }
        group.bench_function(format!("{}/index alone", power_of_ten(nodes)), |bencher| {
            bencher.iter_with_large_drop(|| RadixIndex::new(&keys));
        });
    }
}

fn spawn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spawn");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(2));
    group.warm_up_time(Duration::from_millis(200));
    for nodes in NODES {
        group.throughput(Throughput::Elements(u64::from(nodes)));
        let setup = Setup::new(nodes, LayoutKind::Implicit, Policy::Closest);
        group.bench_function(format!("{}/generated", power_of_ten(nodes)), |bencher| {
            bencher.iter_with_large_drop(|| setup.spawn());
        });
        // Not in the order of keys, as in files.
        let ids = (0i64..).zip(keys(nodes).into_iter().rev());
        let imported: Vec<_> = ids.collect();
        group.bench_function(format!("{}/imported", power_of_ten(nodes)), |bencher| {
            let spec = |nodes| Spec {
                nodes: NodeSet::Imported(nodes),
                ..Spec::default()
            };
            bencher.iter_batched(
                || imported.clone(),
                |nodes| black_box(Network::new(spec(nodes))),
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, bootstrap, spawn);
criterion_main!(benches);
