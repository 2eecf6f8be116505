//! The operations in flight bound the memory of a run, whatever the total of operations.

use std::collections::VecDeque;

use kadsim_engine::key::Key;
use kadsim_engine::link::{Delay, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::Planned;
use kadsim_engine::random::Stream;
use kadsim_engine::record::{Kind, OperationRow};
use kadsim_systems::network::run_loop::Progress;
use kadsim_systems::network::{Network, NodeSet, Spec};
use kadsim_systems::phases::Phase;
use kadsim_systems::rules::{Procedure, Rules};

use crate::properties::listed::Listed;

/// Most operations that one step starts, unless more are due at the same time.
const BATCH: usize = 1 << 14;
/// Operations of the dense stretch, a microsecond apart.
const DENSE: u64 = 6 * BATCH as u64;
const NODES: u64 = 50;

/// Windows grow while few operations start. One that grew to span a whole dense stretch would hold all its operations,
/// connections and rows in memory at once.
#[test]
fn a_calm_stretch_before_a_dense_one_does_not_fill_memory() {
    for procedure in [Procedure::Iterative, Procedure::PyDht] {
        for connections in [false, true] {
            for parallel in [None, Some(4)] {
                calm_before_dense(procedure, connections, parallel);
            }
        }
    }
}

fn calm_before_dense(procedure: Procedure, connections: bool, parallel: Option<u32>) {
    let at = format!("{procedure:?}, connections {connections}, parallel {parallel:?}");
    let spec = Spec {
        nodes: NodeSet::Generated(NODES as u32),
        bucket_size: 4,
        rules: Rules {
            alpha: 1,
            beta: 2,
            procedure,
            ..Rules::default()
        },
        link: Box::new(UniformLink {
            delay: Delay::Constant(10),
            ..UniformLink::default()
        }),
        ..Spec::default()
    };
    let mut network = Network::new(spec).unwrap();
    network.bootstrap();
    network.recording().connections = connections;
    // A calm phase, then a phase that is calm before it is dense.
    for (phase, dense) in [(0, 0), (1, DENSE)] {
        run_phase(&mut network, phase, dense, parallel, &at);
    }
}

/// Runs a phase and asserts that a step records a bounded number of rows.
fn run_phase(network: &mut Network, phase: u32, dense: u64, parallel: Option<u32>, at: &str) {
    let planned = plan(network, dense);
    let operations = planned.len();
    network.begin_phase(Phase {
        number: phase,
        kind: Kind::Lookup,
        source: Box::new(Listed(planned)),
        operations: operations as u64,
        parallel,
        start_us: network.now_us(),
        duration_us: 0,
        max_us: None,
        freshness_us: None,
    });
    let (mut rows, mut most, mut most_connections) = (Vec::new(), 0, 0);
    let mut take = |network: &mut Network| {
        let recorded = network.recorded();
        most = most.max(recorded.operations.len());
        most_connections = most_connections.max(recorded.connections.len());
        rows.append(&mut recorded.operations);
        recorded.clear();
    };
    while network.step().unwrap() == Progress::Going {
        take(network);
    }
    assert!(
        !network.end_phase().unwrap().unwrap().cut_off.is_cut,
        "{at}"
    );
    take(network);
    assert_eq!(rows.len(), operations, "{at}");
    let in_flight = most_in_flight(&rows);
    // More operations in flight would make the bound below meaningless.
    assert!(in_flight < BATCH / 16, "{at}: {in_flight} in flight");
    assert!(
        most <= BATCH + in_flight,
        "{at}: {most} of {operations} operations recorded in one step"
    );
    let attempts = rows.iter().map(|row| row.attempts).max().unwrap() as usize;
    assert!(
        most_connections <= attempts * (BATCH + in_flight),
        "{at}: {most_connections} connections recorded in one step"
    );
}

/// Plans lookups a second apart, then `dense` lookups a microsecond apart.
fn plan(network: &mut Network, dense: u64) -> VecDeque<Planned> {
    const CALM: u64 = 60;
    let stream = &mut Stream::from_state(dense);
    let calm_us = (0..CALM).map(|i| i * 1_000_000);
    let dues_us = calm_us.chain((0..dense).map(|i| CALM * 1_000_000 + i));
    let (first, now_us) = (network.next_operation(), network.now_us());
    let planned = (first..).zip(dues_us).map(|(number, due_us)| Planned {
        number,
        origin: Row(stream.below(NODES) as u32),
        key: Key(stream.bits()),
        due_us: now_us + due_us,
        lacks_origin: false,
    });
    planned.collect()
}

/// Returns the most operations that were in flight at the same time.
fn most_in_flight(rows: &[OperationRow]) -> usize {
    let starts = rows.iter().map(|row| (row.start_us, 1));
    let ends = rows.iter().map(|row| (row.end_us.unwrap() + 1, -1));
    let mut changes: Vec<(u64, i64)> = starts.chain(ends).collect();
    changes.sort_unstable();
    let mut in_flight = 0;
    let counts = changes.into_iter().map(|(_, change)| {
        in_flight += change;
        in_flight
    });
    counts.max().unwrap_or(0) as usize
}
