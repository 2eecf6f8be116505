//! Operations that run as events by node record what they record when each runs whole.

use kadsim_engine::random::Stream;
use kadsim_engine::record::Kind;
use kadsim_systems::Network;
use kadsim_systems::network::Spec;
use kadsim_systems::network::run_loop::Progress;
use kadsim_systems::phases::Phase;
use kadsim_systems::rules::Procedure;

use super::case::{Case, pick};
use super::phases::any_phases;
use super::{Kept, assert_rows, cases, copy_nodes};
use crate::properties::listed::Listed;
use crate::properties::reference::{self, Reference};

/// Period at which routing tables are counted, µs.
pub const FRESHNESS_US: u64 = 300_000;

/// Runs phases to their ends and returns what they record.
pub fn run(network: &mut Network, phases: &[reference::Phase]) -> Kept {
    network.recorded().clear();
    for phase in phases {
        network.begin_phase(Phase {
            number: phase.number,
            kind: phase.kind,
            source: Box::new(Listed(phase.planned.clone().into())),
            operations: phase.planned.len() as u64,
            parallel: phase.parallel,
            start_us: phase.start_us,
            max_us: phase.cut_us.map(|cut_us| cut_us - phase.start_us),
            duration_us: phase.lasts_us,
            freshness_us: Some(FRESHNESS_US),
        });
    }
    let mut ends = Vec::new();
    let mut progress = Progress::Going;
    while progress == Progress::Going {
        progress = network.step().unwrap();
        while let Some(end) = network.end_phase().unwrap() {
            let nodes = network.read_end(&end, |nodes, node| {
                let rows = (0..nodes.columns.keys.len() as u32).map(kadsim_engine::node::Row);
                rows.map(node).collect::<Vec<_>>()
            });
            ends.push((end.phase, end.end_us, end.cut_off, nodes));
        }
    }
    let recorded = network.recorded();
    Kept {
        operations: recorded.operations.clone(),
        results: recorded.result_ids.clone(),
        connections: recorded.connections.clone(),
        ticks: recorded.ticks.clone(),
        ends,
    }
}

/// Returns whether operations of a case can run as events.
pub fn fits(case: &Case) -> bool {
    let life = case.life.clone().unwrap_or_default();
    case.rules.procedure == Procedure::Iterative
        && case.overhead_us == 0
        && life.link(&case.links).shortest_delay_us() > 0
}

/// Cases of every kind.
fn any_cases() -> impl Iterator<Item = Case> {
    (0..cases()).flat_map(|seed| {
        [
            Case::new(seed),
            Case::new(5000 + seed).overlapping(2 + (seed % 2) as usize),
            Case::meeting(9000 + seed),
            Case::varied(20_000 + seed),
            Case::living(30_000 + seed),
        ]
    })
}

#[test]
fn operations_as_events_record_the_same() {
    let (mut operations, mut broken_off, mut cut) = (0, 0, 0);
    let crowds = (0..4).map(|seed| Case::living(40_000 + seed).busy(2_000));
    for case in any_cases().chain(crowds).filter(fits) {
        let stream = &mut Stream::from_state(!case.seed);
        let mut whole = case.network();
        let mut events = case.network_of(|spec| Spec {
            events: true,
            ..spec
        });
        if let Some(window_us) = pick(stream, &[None, Some(1), Some(777), Some(20_000)]) {
            events.set_window_us(window_us);
        }
        let mut reference = Reference::new(
            case.seed,
            usize::from(case.k),
            case.rules,
            case.links.clone(),
            case.overhead_us,
        );
        reference.policy = case.policy;
        copy_nodes(&case, &mut whole, &mut reference);
        for (phase, kind) in (0..).zip([Kind::Provide, Kind::Retrieve, Kind::Lookup]) {
            let beside = [kind, Kind::Retrieve, Kind::Provide];
            let group: Vec<_> = (phase * 3..).zip(beside).take(case.beside).collect();
            let first = whole.next_operation();
            let phases = any_phases(&case, stream, &reference, first, &group);
            reference.run(&phases);
            let (one, other) = (run(&mut whole, &phases), run(&mut events, &phases));
            let at = format!("{case:?}, {phases:?}");
            assert_rows(&other.operations, &one.operations, &at);
            assert_rows(&other.results, &one.results, &at);
            assert_rows(&other.connections, &one.connections, &at);
            assert_rows(&other.ticks, &one.ticks, &at);
            assert_rows(&other.ends, &one.ends, &at);
            operations += one.operations.len();
            let rows = one.operations.iter();
            cut += rows.clone().filter(|row| row.end_us.is_none()).count();
            broken_off += rows
                .filter(|row| row.ending == kadsim_engine::operation::Ending::OriginLeft)
                .count();
        }
    }
    assert!(
        operations > 50_000 && broken_off > 400 && cut > 1_000,
        "{operations} operations, {broken_off} whose origin left, {cut} cut off"
    );
}
