//! Lookups with and without recall, provides and retrieves a second, on all threads, in a network of a million nodes. The
//! cost of a step with one event. Nodes added to a running network: lookups with and without them, adding them, finding
//! them.
//!
//! `cargo bench --bench operations`

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kadsim::workload::Listed;
use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, SlotBytes};
use kadsim_engine::record::Kind;
use kadsim_engine::routing::Policy;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::Network;
use kadsim_systems::network::run_loop::Progress;
use kadsim_systems::network::{NodeSet, Spec};
use kadsim_systems::phases::Phase;
use kadsim_systems::rules::Rules;

use common::{Links, Setup, is_wanted, look_up, run_phase};

const NODES: u32 = 1_000_000;

/// Operations of a phase.
const OPERATIONS: u64 = 50_000;

fn by_kind(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("operations, 1e6 nodes, 10 % errors");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(OPERATIONS));
    for policy in Policy::ALL {
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

/// Measures steps in which one contact completes: lookups one after the other, alpha = 1, in a million nodes.
fn step_with_one_event(criterion: &mut Criterion) {
    let spec = Spec {
        nodes: NodeSet::Generated(NODES),
        layout: LayoutKind::Implicit,
        rules: Rules {
            alpha: 1,
            ..Default::default()
        },
        link: Box::new(Links::Constant.model()),
        // With overhead, a step is no longer than the lookahead.
        overhead_us: 1,
        ..Spec::default()
    };
    let mut network = Network::new(spec).expect("the parameters go together");
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
                    // No lookup takes 100 s, so two are never in flight at once.
                    due_us: now_us + i * 100_000_000,
                    lacks_origin: false,
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
                    duration_us: 0,
                    max_us: None,
                    freshness_us: None,
                });
                let begun = Instant::now();
                while left > 0 && network.step().unwrap() == Progress::Going {
                    left -= 1;
                }
                spent += begun.elapsed();
                while network.step().unwrap() == Progress::Going {}
                network.end_phase().unwrap();
                network.recorded().clear();
            }
            spent
        });
    });
}

/// First id of the added nodes, above the ids of the generated nodes.
const FIRST_ADDED: u32 = 1 << 30;

/// Adds nodes to a network, with keys of their own and empty tables.
fn add_nodes(network: &mut Network, nodes: u32) {
    for id in FIRST_ADDED..FIRST_ADDED + nodes {
        let key = Key::of_node(u64::from(id), 99);
        network
            .add_node(i64::from(id), key)
            .expect("a new id and a new key");
    }
}

/// Measures nodes added to a network of 100 000: lookups with recall with and without them, adding one, and finding a
/// node by its id.
fn added_late(criterion: &mut Criterion) {
    const START: u32 = 100_000;
    const ADDED: u32 = 2000;
    let setup = Setup {
        links: Links::Faulty,
        ..Setup::new(START, LayoutKind::Packed, Policy::Closest)
    };
    let mut group = criterion.benchmark_group("added late");
    group.sample_size(20);
    group.throughput(Throughput::Elements(OPERATIONS));
    let mut networks = [0, ADDED].map(|added| {
        let mut network = setup.network();
        add_nodes(&mut network, added);
        // In the order of their rows, so that each knows those added before it.
        (START..START + added).for_each(|row| network.bootstrap_node(Row(row)));
        network.recording().recall = true;
        network
    });
    for (network, added) in networks.iter_mut().zip([0, ADDED]) {
        group.bench_function(format!("lookup with recall/{added}"), |bencher| {
            bencher.iter(|| look_up(network, OPERATIONS));
        });
    }
    for added in [ADDED, 10 * ADDED] {
        group.throughput(Throughput::Elements(u64::from(added)));
        group.bench_function(format!("add_node/{added}"), |bencher| {
            bencher.iter_batched_ref(
                || setup.spawn(),
                |network| add_nodes(network, added),
                BatchSize::PerIteration,
            );
        });
    }
    group.throughput(Throughput::Elements(1));
    let [_, late] = &mut networks;
    let imported = (0..START).map(|id| (i64::from(id), Key::of_node(u64::from(id), 7)));
    let mut imported = Network::new(Spec {
        nodes: NodeSet::Imported(imported.collect()),
        ..Spec::default()
    })
    .expect("ids and keys are different");
    for (name, network, first, nodes) in [
        ("row/generated", &mut setup.spawn(), 0, START),
        ("row/imported", &mut imported, 0, START),
        ("row/added", &mut *late, FIRST_ADDED, ADDED),
    ] {
        // The stride has no factor in common with the number of nodes, so the ids repeat only after all were found.
        let mut offset = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                offset = (offset + 7919) % nodes;
                network.row(i64::from(first + offset))
            });
        });
    }
    group.bench_function("len", |bencher| bencher.iter(|| black_box(&*late).len()));
}

/// Prints the bytes of a slot of an operation in flight, with the memory that 2 000 000 lookups have left in it.
fn state(_: &mut Criterion) {
    for policy in Policy::ALL {
        let name = format!("state of an operation/{policy:?}");
        if !is_wanted(&name) {
            continue;
        }
        let mut network = Setup::new(NODES, LayoutKind::Implicit, policy).network();
        look_up(&mut network, 2_000_000);
        let SlotBytes { bytes, slots } = network.operation_bytes();
        println!("{name}: {} B, mean of {slots} slots", bytes / slots.max(1));
    }
}

criterion_group!(benches, by_kind, added_late, step_with_one_event, state);
criterion_main!(benches);
