//! Random small networks against the reference simulator: every row of operations and connections, field by field, the
//! state of every node, and ticks that count those rows.
//!
//! Networks vary in errors, overhead, offline nodes, nodes added later, cut-offs, load and procedure.

mod case;
mod events;
mod laws;
mod life;
mod live;
mod live_engine;
mod maintenance;
mod phases;
mod ticks;

use kadsim_engine::key::Key;
use kadsim_engine::node::Row;
use kadsim_engine::operation::Ending;
use kadsim_engine::random::Stream;
use kadsim_engine::record::{ConnectionRow, Kind, OperationRow, TickRow};
use kadsim_systems::Network;
use kadsim_systems::network::phase_end::NodeState;
use kadsim_systems::network::read::NodesView;
use kadsim_systems::network::run_loop::Progress;
use kadsim_systems::phases::{CutOff, Phase};
use kadsim_systems::rules::Procedure;

use crate::properties::listed::Listed;
use crate::properties::reference::presence::Stay;
use crate::properties::reference::tables::{Instant, Tables};
use crate::properties::reference::{self, Reference};
use case::Case;
use life::Life;
use phases::any_phases;
use ticks::assert_ticks;

/// Returns the number of cases of most tests. `PROPTEST_CASES` sets it, as for proptest.
fn cases() -> u64 {
    let set = std::env::var("PROPTEST_CASES").ok();
    set.map_or(800, |cases| cases.parse().unwrap())
}

/// Copies the network's nodes and, if nodes neither come and go nor differ, their tables into the reference.
fn copy_nodes(case: &Case, network: &mut Network, reference: &mut Reference) {
    network.read(
        |NodesView {
             population,
             columns,
             ids,
             tables,
             ..
         }| {
            let nodes = population.keys().len();
            reference.keys = population.keys().iter().map(|key| key.0).collect();
            let id = |node| ids.id(Row(node as u32), population.keys());
            reference.ids = (0..nodes).map(id).collect();
            let presence = columns.presence.iter();
            reference.is_server = vec![true; nodes];
            reference.is_absent = columns
                .presence
                .iter()
                .map(|one| !one.is_online())
                .collect();
            reference.stays = presence
                .map(|presence| presence.is_online().then_some(Stay::FOREVER))
                .map(|stay| stay.into_iter().collect())
                .collect::<Vec<_>>()
                .into();
            let mut all = Vec::new();
            let mut rows = Vec::new();
            for owner in (0..nodes as u32).map(Row) {
                let mut entries = Vec::new();
                let table = columns.tables[owner.index()];
                tables.for_each_bucket(&population, owner, table, &mut rows, |_, rows| {
                    entries.extend(rows.iter().map(|row| row.index()));
                });
                all.push(entries);
            }
            reference.tables = Tables::Given(all);
        },
    );
    if let Some(life) = &case.life {
        let bootstrapped = std::mem::replace(&mut reference.tables, Tables::Given(Vec::new()));
        life.describe(reference);
        assert_bootstrapped(case, reference, &bootstrapped);
    }
}

/// Asserts that the network's tables are those of full knowledge at the start.
fn assert_bootstrapped(case: &Case, reference: &Reference, tables: &Tables) {
    let Tables::Given(tables) = tables else {
        unreachable!("tables are read from the network");
    };
    for (node, found) in tables.iter().enumerate() {
        let stay = reference.stays[node].first();
        let is_there = stay.is_some_and(|stay| stay.from_us.is_none());
        let mut expected = match is_there || reference.is_absent[node] {
            true => reference.full_knowledge(node, Instant::Start),
            false => Vec::new(),
        };
        let mut found = found.clone();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "table of {node}, {case:?}");
    }
}

/// Runs phases of these numbers and kinds in the network and in the reference, and compares what they record.
fn run_phases(
    case: &Case,
    stream: &mut Stream,
    network: &mut Network,
    reference: &mut Reference,
    kinds: &[(u32, Kind)],
) {
    copy_nodes(case, network, reference);
    let first = network.next_operation();
    let phases = any_phases(case, stream, reference, first, kinds);
    network.recorded().clear();
    for phase in &phases {
        network.begin_phase(Phase {
            number: phase.number,
            kind: phase.kind,
            source: Box::new(Listed(phase.planned.clone().into())),
            operations: phase.planned.len() as u64,
            parallel: phase.parallel,
            start_us: phase.start_us,
            max_us: phase.cut_us.map(|cut_us| cut_us - phase.start_us),
            duration_us: phase.lasts_us,
            freshness_us: None,
        });
    }
    reference.run(&phases);
    let at = format!("{case:?}, {phases:?}");
    let mut ends = reference.ends.iter();
    let mut progress = Progress::Going;
    while progress == Progress::Going {
        progress = network.step().unwrap();
        while let Some(end) = network.end_phase().unwrap() {
            let expected = ends.next().unwrap();
            let of_phase = reference.operations.iter();
            let of_phase = of_phase.filter(|row| row.phase == expected.number);
            let running = of_phase.filter(|row| row.end_us.is_none()).count() as u64;
            let is_cut = expected.is_cut;
            let cut_off = CutOff { is_cut, running };
            let found = (end.phase, end.end_us, end.cut_off);
            assert_eq!(found, (expected.number, expected.end_us, cut_off), "{at}");
            let mut nodes: Vec<NodeState> = network.read_end(&end, |nodes, node| {
                let rows = (0..nodes.columns.keys.len() as u32).map(Row);
                rows.map(node).collect()
            });
            // Tables are compared by the answers that come from them.
            let lives = nodes.iter_mut().filter_map(|node| node.life.as_mut());
            lives.for_each(|life| life.freshness = None);
            assert_rows(
                &nodes,
                &expected.nodes,
                &format!("phase {} of {at}", end.phase),
            );
        }
    }
    assert_eq!(ends.next(), None, "{at}");
    let recorded = network.recorded();
    if case.connections {
        assert_rows(&recorded.connections, &reference.connections, &at);
    } else {
        assert!(recorded.connections.is_empty(), "{at}");
    }
    assert_rows(&recorded.operations, &reference.operations, &at);
    assert_rows(&recorded.result_ids, &reference.results, &at);
    assert!(recorded.ticks.is_sorted_by_key(|tick| tick.phase), "{at}");
    for phase in &phases {
        assert_ticks(case, network, reference, phase);
    }
    assert_eq!(network.now_us(), reference.now_us, "{at}");
}

/// Asserts that rows are equal. The message names the first that differs.
#[track_caller]
fn assert_rows<T: PartialEq + std::fmt::Debug>(found: &[T], expected: &[T], at: &str) {
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "row {row} of {at}");
    }
    assert_eq!(found.len(), expected.len(), "{at}");
}

/// What happened in the cases of a test. Each test asserts that enough did.
#[derive(Default, Debug)]
struct Seen {
    operations: usize,
    connections: usize,
    found: usize,
    cut: usize,
    store_failed: usize,
    own_stores: usize,
    stores: reference::Seen,
    /// Operations whose origin left, was offline, or was not found.
    broken_off: usize,
    late: u64,
    stale: u64,
    /// Everything recorded, if it is kept.
    kept: Option<Vec<Kept>>,
}

/// What a phase recorded.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    operations: Vec<OperationRow>,
    results: Vec<Option<Vec<i64>>>,
    connections: Vec<ConnectionRow>,
    ticks: Vec<TickRow>,
    ends: Vec<(u32, u64, CutOff, Vec<NodeState>)>,
}

/// Changes nodes between the phases of a case: some go offline, some are added, overhead is reset.
fn change_nodes(
    case: &Case,
    stream: &mut Stream,
    network: &mut Network,
    reference: &mut Reference,
    phase: u32,
) {
    if phase == 1 {
        for _ in 0..case.offline {
            network.set_online(Row(stream.below(u64::from(case.nodes)) as u32), false);
        }
    }
    if phase == 2 {
        for id in 0..case.added {
            let row = network
                .add_node(1_000_000 + id as i64, Key(stream.bits()))
                .unwrap();
            if stream.below(2) == 0 {
                network.bootstrap_node(row);
            }
        }
        // A node comes back.
        network.set_online(Row(0), true);
    }
    if phase == 3 && case.seed.is_multiple_of(2) {
        network.reset_overhead();
        reference.uses.clear();
        network.bootstrap();
    }
    // Tables are those of the nodes that come and go now.
    if case.life.as_ref().is_some_and(Life::is_living) {
        network.bootstrap();
    }
}

/// Runs all phases of a case and compares each with the reference.
fn run_case(case: &Case, seen: &mut Seen) {
    let kinds = [
        Kind::Provide,
        Kind::Retrieve,
        Kind::Lookup,
        Kind::Provide,
        Kind::Retrieve,
    ];
    let stream = &mut Stream::from_state(!case.seed);
    let mut network = case.network();
    let mut reference = Reference::new(
        case.seed,
        usize::from(case.k),
        case.rules,
        case.links.clone(),
        case.overhead_us,
    );
    let offline = network.len() as u64 - network.online();
    assert_eq!(offline, u64::from(case.offline_from_start()));
    reference.policy = case.policy;
    copy_nodes(case, &mut network, &mut reference);
    for (phase, kind) in (0..).zip(kinds) {
        change_nodes(case, stream, &mut network, &mut reference, phase);
        if case.forgets {
            network.clear_segments();
            reference.stored_us.clear();
        }
        let beside = [
            kind,
            kinds[(phase as usize + 1) % kinds.len()],
            Kind::Retrieve,
        ];
        let group: Vec<_> = (phase * 3..).zip(beside).take(case.beside).collect();
        let group = group.as_slice();
        run_phases(case, stream, &mut network, &mut reference, group);
        let rows = &reference.operations;
        seen.operations += rows.len();
        seen.connections += reference.connections.len();
        seen.found += rows.iter().filter(|row| row.found == Some(true)).count();
        seen.cut += rows.iter().filter(|row| row.end_us.is_none()).count();
        let failed = rows.iter().filter_map(|row| row.store_failed);
        seen.store_failed += failed.sum::<u32>() as usize;
        seen.own_stores += reference.own_stores.len();
        let endings = rows.iter().map(|row| row.ending);
        let broken_off = endings.filter(|ending| !matches!(ending, Ending::Done | Ending::CutOff));
        seen.broken_off += broken_off.count();
        seen.late += rows.iter().map(|row| u64::from(row.late)).sum::<u64>();
        seen.stale += rows
            .iter()
            .map(|row| u64::from(row.stale_contacts))
            .sum::<u64>();
        if let Some(kept) = &mut seen.kept {
            let recorded = network.recorded();
            kept.push(Kept {
                operations: recorded.operations.clone(),
                results: recorded.result_ids.clone(),
                connections: recorded.connections.clone(),
                ticks: recorded.ticks.clone(),
                ends: Vec::new(),
            });
        }
    }
    seen.stores.ties += reference.seen.ties;
    seen.stores.early += reference.seen.early;
    seen.stores.lost += reference.seen.lost;
}

#[test]
fn every_row_equals_the_reference() {
    for procedure in Procedure::ALL {
        let mut seen = Seen::default();
        let cases = (0..cases()).map(Case::new);
        for case in cases.filter(|case| case.rules.procedure == procedure) {
            run_case(&case, &mut seen);
        }
        // A walk in rounds ends sooner than a lookup, and stores at one node, mostly its origin.
        let (connections, store_failed, own_stores) = match procedure {
            Procedure::Rfm19 => (10_000, 100, 2_000),
            Procedure::Iterative => (50_000, 2_000, 1_500),
            Procedure::PyDht => (50_000, 2_000, 0),
        };
        assert!(
            seen.operations > 10_000 && seen.connections > connections && seen.found > 700,
            "{seen:?}"
        );
        assert!(
            seen.cut > 500 && seen.store_failed > store_failed && seen.own_stores >= own_stores,
            "{seen:?}"
        );
    }
}

/// Several phases in flight at the same time provide, retrieve and look up.
#[test]
fn every_row_of_phases_that_overlap_equals_the_reference() {
    let mut seen = Seen::default();
    for seed in 0..cases() {
        let case = Case::new(5000 + seed).overlapping(2 + (seed % 2) as usize);
        run_case(&case, &mut seen);
    }
    assert!(
        seen.operations > 50_000 && seen.found > 5_000 && seen.cut > 2_000,
        "{seen:?}"
    );
    let mut seen = Seen::default();
    for seed in 0..16 {
        let case = Case::crowded(6000 + seed, 600).overlapping(2);
        run_case(&case, &mut seen);
    }
    assert!(seen.operations > 50_000 && seen.found > 5_000, "{seen:?}");
}

/// Stores and requests reach a node before, after and together with each other.
#[test]
fn every_row_of_stores_and_requests_that_meet_equals_the_reference() {
    let mut seen = Seen::default();
    for seed in 0..cases() {
        run_case(&Case::meeting(9000 + seed), &mut seen);
    }
    assert!(
        seen.operations > 50_000 && seen.found > 5_000 && seen.own_stores > 5_000,
        "{seen:?}"
    );
    assert!(
        seen.stores.early > 300 && seen.stores.ties > 100,
        "{seen:?}"
    );
}

/// More operations are in flight than a chunk holds.
#[test]
fn every_row_of_a_crowd_equals_the_reference() {
    let mut seen = Seen::default();
    for seed in 0..40 {
        run_case(&Case::crowded(1000 + seed, 600), &mut seen);
    }
    assert!(seen.operations > 90_000 && seen.cut > 5_000, "{seen:?}");
}

/// More operations are due than one step starts.
#[test]
fn every_row_of_a_multitude_equals_the_reference() {
    let mut seen = Seen::default();
    for seed in 0..10 {
        run_case(&Case::crowded(2000 + seed, 17_000), &mut seen);
    }
    assert!(seen.operations > 600_000 && seen.cut > 500, "{seen:?}");
}

/// Nodes have regions, some are clients, and contacts take several messages.
#[test]
fn every_row_of_varied_nodes_equals_the_reference() {
    let mut seen = Seen::default();
    for seed in 0..cases() {
        run_case(&Case::varied(20_000 + seed), &mut seen);
    }
    assert!(seen.operations > 50_000 && seen.found > 5_000, "{seen:?}");
}

/// Nodes come and go.
#[test]
fn every_row_of_a_living_network_equals_the_reference() {
    let mut seen = Seen::default();
    for seed in 0..cases() {
        run_case(&Case::living(30_000 + seed), &mut seen);
    }
    assert!(seen.operations > 30_000 && seen.found > 1_000, "{seen:?}");
    assert!(
        seen.broken_off > 5_000 && seen.late > 1_000 && seen.stale > 5_000,
        "{seen:?}"
    );
    assert!(seen.cut > 500 && seen.stores.lost > 100, "{seen:?}");
}

/// Nodes come and go while more operations are in flight than one thread works on.
#[test]
fn every_row_of_a_living_crowd_equals_the_reference() {
    let mut seen = Seen::default();
    for (threads, first) in [(1, 40_000), (3, 41_000)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        for seed in first..first + 12 {
            pool.install(|| run_case(&Case::living(seed).busy(2_000), &mut seen));
        }
    }
    assert!(
        seen.operations > 90_000 && seen.broken_off > 5_000,
        "{seen:?}"
    );
}

/// Rules of churn by which no node leaves change no row.
#[test]
fn a_network_that_no_node_leaves_has_the_rows_of_a_frozen_network() {
    for seed in 0..cases() / 4 {
        let [frozen, never] = [false, true].map(|is_never| {
            let mut seen = Seen {
                kept: Some(Vec::new()),
                ..Seen::default()
            };
            let case = Case::new(50_000 + seed).overlapping(1 + (seed % 2) as usize);
            run_case(&Case { is_never, ..case }, &mut seen);
            seen.kept.unwrap()
        });
        assert_eq!(frozen, never, "seed {seed}");
    }
}
