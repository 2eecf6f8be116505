//! Contacts of lookups a second, by number of nodes, policy, layout and procedure; with errors, with overhead; on one
//! thread and on two. Benchmarks without a number of threads use all. The ticks table alone is recorded, without recall.
//!
//! A measurement is a phase of lookups for keys that no earlier phase has looked up. Elements are contacts. Their number is
//! that of the phase before the first measurement; lookups of other keys differ from it by about 0.1 %.
//!
//! `cargo bench --bench contacts`, or a part of it, by part of a name: `cargo bench --bench contacts -- 1e6/packed`

mod common;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use kadsim_engine::routing::Policy;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::rules::Procedure;

use common::{Links, Setup, is_wanted, look_up, pool, power_of_ten};

const NODES: [u32; 3] = [10_000, 100_000, 1_000_000];

/// Lookups of a phase.
const LOOKUPS: u64 = 50_000;

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(1));
    group.warm_up_time(Duration::from_millis(300));
    group
}

/// Measures phases of lookups in this network.
fn measure(group: &mut BenchmarkGroup<WallTime>, setup: Setup) {
    let Setup {
        nodes,
        layout,
        policy,
        ..
    } = setup;
    let name = format!("{}/{}/{policy:?}", power_of_ten(nodes), layout.as_str());
    if !is_wanted(&name) {
        return;
    }
    let mut network = setup.network();
    group.throughput(Throughput::Elements(look_up(&mut network, LOOKUPS)));
    group.bench_function(name, |bencher| {
        bencher.iter(|| look_up(&mut network, LOOKUPS));
    });
}

fn by_procedure(criterion: &mut Criterion) {
    for procedure in [Procedure::Iterative, Procedure::PyDht] {
        let mut group = group(criterion, &format!("contacts, {procedure:?}"));
        for nodes in NODES {
            for layout in LayoutKind::ALL {
                for policy in Policy::ALL {
                    let setup = Setup {
                        procedure,
                        ..Setup::new(nodes, layout, policy)
                    };
                    measure(&mut group, setup);
                }
            }
        }
    }
}

fn with_errors(criterion: &mut Criterion) {
    let mut group = group(criterion, "contacts, 10 % errors and uniform delays");
    for layout in LayoutKind::ALL {
        for policy in Policy::ALL {
            let setup = Setup {
                links: Links::Faulty,
                ..Setup::new(1_000_000, layout, policy)
            };
            measure(&mut group, setup);
        }
    }
}

fn with_overhead(criterion: &mut Criterion) {
    for procedure in [Procedure::Iterative, Procedure::PyDht] {
        let mut group = group(criterion, &format!("contacts, overhead, {procedure:?}"));
        for layout in LayoutKind::ALL {
            for policy in Policy::ALL {
                let setup = Setup {
                    procedure,
                    links: Links::Faulty,
                    overhead_us: 125,
                    ..Setup::new(1_000_000, layout, policy)
                };
                measure(&mut group, setup);
            }
        }
    }
}

fn by_threads(criterion: &mut Criterion) {
    let mut group = group(criterion, "contacts, threads");
    for layout in LayoutKind::ALL {
        for policy in Policy::ALL {
            for threads in [1, 2] {
                let name = format!("1e6/{}/{policy:?}/{threads}", layout.as_str());
                if !is_wanted(&name) {
                    continue;
                }
                let mut network = Setup::new(1_000_000, layout, policy).network();
                let pool = pool(threads);
                let mut phase = || pool.install(|| look_up(&mut network, LOOKUPS));
                group.throughput(Throughput::Elements(phase()));
                group.bench_function(name, |bencher| bencher.iter(&mut phase));
            }
        }
    }
}

criterion_group!(
    benches,
    by_procedure,
    with_errors,
    with_overhead,
    by_threads
);
criterion_main!(benches);
