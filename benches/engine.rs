//! What the engine's parts cost: bootstrap by layout and policy, and a step with one event.
//!
//! `cargo bench --bench engine`

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use kadsim_engine::key::Key;
use kadsim_engine::layout::LayoutKind;
use kadsim_engine::link::{Delay, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::Planned;
use kadsim_engine::population::{Population, RadixIndex};
use kadsim_engine::record::Kind;
use kadsim_engine::routing::{Policy, Rule};
use kadsim_systems::Network;
use kadsim_systems::network::{NodeSet, Progress, Spec};

use kadsim::workload::Listed;

const NODES: u32 = 1_000_000;

/// From the sorted key column to tables that answer, on all threads.
fn bootstrap(criterion: &mut Criterion) {
    let mut keys: Vec<Key> = (0..u64::from(NODES))
        .map(|id| Key::of_node(id, 1))
        .collect();
    keys.sort_unstable();
    let mut group = criterion.benchmark_group("bootstrap 1M, k = 20");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    for layout in LayoutKind::ALL {
        for policy in [Policy::Closest, Policy::Random] {
            let rule = Rule {
                bucket_size: 20,
                policy,
                network_seed: 1,
            };
            group.bench_function(format!("{layout:?} {policy:?}"), |bencher| {
                bencher.iter(|| {
                    let index = RadixIndex::new(&keys);
                    black_box(layout.build(&Population::new(&keys, &index), &rule));
                });
            });
        }
    }
}

/// Steps in which one contact completes: lookups one after the other, alpha = 1, in a million nodes.
fn step_with_one_event(criterion: &mut Criterion) {
    let spec = Spec {
        nodes: NodeSet::Generated(NODES),
        layout: LayoutKind::Implicit,
        rules: kadsim_systems::step::Rules {
            alpha: 1,
            ..Default::default()
        },
        link: Box::new(UniformLink {
            delay: Delay::Constant(50_000),
            ..UniformLink::default()
        }),
        // Charged, so that a step is no longer than the lookahead.
        overhead_us: 1,
        ..Spec::default()
    };
    let mut network = match Network::new(spec) {
        Ok(network) => network,
        Err(error) => unreachable!("{error}"),
    };
    network.bootstrap();
    criterion.bench_function("a step with one event, 1M nodes", |bencher| {
        bencher.iter_custom(|steps| {
            let mut spent = Duration::ZERO;
            let mut left = steps;
            while left > 0 {
                let (first, now_us) = (network.next_operation(), network.now_us());
                let planned = |i: u64| Planned {
                    number: first + i,
                    origin: Row((i * 7919 % u64::from(NODES)) as u32),
                    key: Key::of_node(i, 99),
                    // No lookup takes 100 s: never two at once.
                    due_us: now_us + i * 100_000_000,
                };
                let operations = 256;
                let source = Listed::new((0..operations).map(planned).collect());
                network.begin_phase(0, Kind::Lookup, Box::new(source), None, None);
                let begun = Instant::now();
                while left > 0 && network.step() == Progress::Going {
                    left -= 1;
                }
                spent += begun.elapsed();
                while network.step() == Progress::Going {}
                let _ = network.end_phase(operations);
                network.recorded().clear();
            }
            spent
        });
    });
}

criterion_group!(benches, bootstrap, step_with_one_event);
criterion_main!(benches);
