//! Provides and retrieves a second, on all threads, in a million nodes; recall; and what a step costs in which
//! hardly anything happens.
//!
//! `cargo bench --bench operations`

mod common;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kadsim::workload::Listed;
use kadsim_engine::key::Key;
use kadsim_engine::link::{Delay, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::Planned;
use kadsim_engine::record::Kind;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::Network;
use kadsim_systems::network::run_loop::Progress;
use kadsim_systems::network::{NodeSet, Spec};
use kadsim_systems::phases::Phase;
use kadsim_systems::rules::Rules;

use common::{Links, POLICIES, Setup, is_wanted, look_up, run_phase};

const NODES: u32 = 1_000_000;

/// Operations of a phase.
const OPERATIONS: u64 = 50_000;

fn by_kind(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("operations, 1e6 nodes, 10 % errors");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(OPERATIONS));
    for policy in POLICIES {
        let setup = Setup {
            links: Links::Faulty,
            ..Setup::new(NODES, LayoutKind::Packed, policy)
        };
        let mut network = setup.network();
        group.bench_function(format!("lookup/{policy:?}"), |bencher| {
            bencher.iter(|| look_up(&mut network, OPERATIONS));
        });
        network.recording().recall = true;
        group.bench_function(format!("lookup with recall/{policy:?}"), |bencher| {
            bencher.iter(|| look_up(&mut network, OPERATIONS));
        });
        network.recording().recall = false;
        group.bench_function(format!("provide/{policy:?}"), |bencher| {
            bencher.iter_custom(|phases| {
                let mut spent = Duration::ZERO;
                for _ in 0..phases {
                    let begun = Instant::now();
                    run_phase(&mut network, Kind::Provide, OPERATIONS, 0, |_| ());
                    spent += begun.elapsed();
                    network.clear_segments();
                }
                spent
            });
        });
        run_phase(&mut network, Kind::Provide, OPERATIONS, 0, |_| ());
        group.bench_function(format!("retrieve/{policy:?}"), |bencher| {
            bencher.iter(|| run_phase(&mut network, Kind::Retrieve, OPERATIONS, 0, |_| ()));
        });
    }
}

/// Steps in which one contact completes: lookups one after the other, alpha = 1, in a million nodes.
fn step_with_one_event(criterion: &mut Criterion) {
    let spec = Spec {
        nodes: NodeSet::Generated(NODES),
        layout: LayoutKind::Implicit,
        rules: Rules {
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
                network.begin_phase(Phase {
                    number: 0,
                    kind: Kind::Lookup,
                    source: Box::new(source),
                    operations,
                    parallel: None,
                    start_us: network.now_us(),
                    max_us: None,
                });
                let begun = Instant::now();
                while left > 0 && network.step() == Progress::Going {
                    left -= 1;
                }
                spent += begun.elapsed();
                while network.step() == Progress::Going {}
                let _ = network.end_phase();
                network.recorded().clear();
            }
            spent
        });
    });
}

/// What a slot of an operation in flight takes, with the memory that 2 000 000 lookups have left it.
fn state(_: &mut Criterion) {
    for policy in POLICIES {
        let name = format!("state of an operation/{policy:?}");
        if !is_wanted(&name) {
            continue;
        }
        let mut network = Setup::new(NODES, LayoutKind::Implicit, policy).network();
        look_up(&mut network, 2_000_000);
        let (bytes, slots) = network.operation_bytes();
        println!("{name}: {} B, mean of {slots} slots", bytes / slots.max(1));
    }
}

criterion_group!(benches, by_kind, step_with_one_event, state);
criterion_main!(benches);
