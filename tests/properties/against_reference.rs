//! Random small networks with errors, overhead, nodes that are offline and nodes added later: every
//! operation and connection, field by field, as the naive simulator has it; and ticks that add up.

use std::collections::{BTreeMap, VecDeque};

use kadsim_engine::key::Key;
use kadsim_engine::layout::LayoutKind;
use kadsim_engine::link::{Delay, Fault, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::random::{Probability, Stream};
use kadsim_engine::record::{Kind, Outcome, Request};
use kadsim_engine::routing::Policy;
use kadsim_systems::network::{Network, NodeSet, Progress, Spec};
use kadsim_systems::step::{Procedure, Rules, Stop};

use crate::reference::Reference;

const CASES: u64 = 400;

/// Operations in the order of (due time, number).
struct Listed(VecDeque<Planned>);

impl Source for Listed {
    fn peek(&self) -> Option<Planned> {
        self.0.front().copied()
    }

    fn advance(&mut self) {
        self.0.pop_front();
    }
}

/// A random experiment.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    nodes: u32,
    k: u8,
    policy: Policy,
    layout: LayoutKind,
    rules: Rules,
    link: UniformLink,
    overhead_us: u64,
    tick_us: u64,
    offline: u64,
    added: u64,
    parallel: Option<u32>,
    segments: Vec<Key>,
}

fn pick<T: Clone>(stream: &mut Stream, choices: &[T]) -> T {
    choices[stream.below(choices.len() as u64) as usize].clone()
}

fn any_delay(stream: &mut Stream) -> Delay {
    let low = 1 + stream.below(60) * pick(stream, &[1, 1000]);
    match stream.below(3) {
        0 => Delay::Constant(low),
        1 => Delay::Uniform {
            low,
            high: low + stream.below(40_000),
        },
        _ => Delay::Choice(vec![low, low + 1, low + 25_000]),
    }
}

fn any_fault(stream: &mut Stream) -> Option<Fault> {
    let share = pick(stream, &[0.0, 0.1, 0.4, 1.0]);
    let delay = any_delay(stream);
    (stream.below(3) > 0).then_some(Fault {
        probability: Probability::new(share),
        delay,
    })
}

impl Case {
    fn new(seed: u64) -> Self {
        let stream = &mut Stream::from_state(seed);
        let rules = Rules {
            alpha: 1 + stream.below(5) as u32,
            beta: 1 + stream.below(9) as u32,
            steps_to_stop: 1 + stream.below(4) as u32,
            stop: pick(
                stream,
                &[Stop::NoProgress, Stop::NoProgress, Stop::ClosestAnswered],
            ),
            procedure: Procedure::Iterative,
        };
        let nodes = pick(stream, &[1, 2, 3, 10, 30, 60, 120]);
        Self {
            seed,
            nodes,
            k: 1 + stream.below(8) as u8,
            policy: pick(stream, &[Policy::Closest, Policy::Random]),
            layout: pick(stream, &LayoutKind::ALL),
            rules,
            link: UniformLink {
                delay: any_delay(stream),
                fast_error: any_fault(stream),
                slow_error: any_fault(stream),
                timeout: any_delay(stream),
            },
            overhead_us: pick(stream, &[0, 1, 250, 7_000]),
            tick_us: pick(stream, &[1_000, 50_000, 10_000_000]),
            offline: stream.below(u64::from(nodes) / 4 + 1),
            added: stream.below(3),
            parallel: pick(stream, &[None, Some(1), Some(2)]),
            segments: (0..6).map(|_| Key(stream.bits())).collect(),
        }
    }

    fn network(&self) -> Network {
        let mut network = Network::new(Spec {
            nodes: NodeSet::Generated(self.nodes),
            seed: self.seed,
            bucket_size: self.k,
            policy: self.policy,
            layout: self.layout,
            rules: self.rules,
            link: Box::new(self.link.clone()),
            overhead_us: self.overhead_us,
            tick_us: self.tick_us,
        })
        .unwrap();
        network.bootstrap();
        network.activity().connections = true;
        network.recorded().results = true;
        network
    }
}

/// Gives the reference what the network's nodes are now.
fn copy_nodes(network: &mut Network, reference: &mut Reference) {
    network.view_tables(|population, columns, ids, tables| {
        let nodes = population.keys().len();
        reference.keys = population.keys().iter().map(|key| key.0).collect();
        let id = |node| ids.id(Row(node as u32), population.keys());
        reference.ids = (0..nodes).map(id).collect();
        reference.online = columns
            .activity
            .iter()
            .map(|activity| activity.is_online())
            .collect();
        reference.tables.clear();
        let mut rows = Vec::new();
        for owner in (0..nodes as u32).map(Row) {
            let mut entries = Vec::new();
            let table = columns.tables[owner.index()];
            tables.for_each_bucket(&population, owner, table, &mut rows, |_, rows| {
                entries.extend(rows.iter().map(|row| row.index()));
            });
            reference.tables.push(entries);
        }
    });
}

/// Operations of random online origins, many of them at the same time.
fn plan(case: &Case, stream: &mut Stream, network: &mut Network, online: &[bool]) -> Vec<Planned> {
    let origins: Vec<u32> = (0..online.len() as u32)
        .filter(|&row| online[row as usize])
        .collect();
    let spread_us = pick(stream, &[1, 3_000, 400_000]);
    let now_us = network.now_us();
    let mut dues_us: Vec<u64> = (0..1 + stream.below(25))
        .map(|_| now_us + stream.below(spread_us))
        .collect();
    dues_us.sort_unstable();
    let first = network.next_operation();
    let planned = (first..).zip(dues_us).map(|(number, due_us)| Planned {
        number,
        origin: Row(pick(stream, &origins)),
        key: pick(stream, &case.segments),
        due_us,
    });
    planned.collect()
}

/// Sums and single ticks against the rows of operations and connections.
fn ticks_add_up(case: &Case, network: &mut Network, phase: u32) {
    let recorded = network.recorded();
    let (mut started, mut finished) = (BTreeMap::<u64, u64>::new(), BTreeMap::<u64, u64>::new());
    let mut sent = BTreeMap::<(u64, usize), u64>::new();
    let (mut stored, mut found, mut missed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for row in &recorded.operations {
        *started.entry(row.start_us / case.tick_us).or_default() += 1;
        *finished
            .entry(row.end_us.unwrap() / case.tick_us)
            .or_default() += 1;
        let end_tick = row.end_us.unwrap() / case.tick_us;
        *found.entry(end_tick).or_default() += u64::from(row.found == Some(true));
        *missed.entry(end_tick).or_default() += u64::from(row.found == Some(false));
        assert_eq!(
            row.attempts,
            row.completed + row.abandoned,
            "{case:?}: {row:?}"
        );
        assert_eq!(
            row.completed,
            row.succeeded + row.failed,
            "{case:?}: {row:?}"
        );
    }
    for row in &recorded.connections {
        let is_stored = row.request == Request::Store && row.outcome == Outcome::Ok;
        *stored.entry(row.time_us / case.tick_us).or_default() += u64::from(is_stored);
        *sent
            .entry((row.time_us / case.tick_us, row.outcome as usize))
            .or_default() += 1;
    }
    let (mut started_sum, mut finished_sum, mut connections_sum) = (0, 0, 0);
    let mut last = None;
    for tick in &recorded.ticks {
        let at = (&case, phase, tick);
        assert!(last < Some(tick.tick), "{at:?}: ticks in order, each once");
        last = Some(tick.tick);
        let count = |counts: &BTreeMap<u64, u64>| counts.get(&tick.tick).copied().unwrap_or(0);
        assert_eq!(
            (tick.started, tick.finished),
            (count(&started), count(&finished)),
            "{at:?}"
        );
        assert_eq!(
            [tick.stored, tick.found, tick.missed],
            [count(&stored), count(&found), count(&missed)],
            "{at:?}"
        );
        let outcomes = [tick.ok, tick.fast_error, tick.slow_error, tick.not_found];
        for (outcome, found) in outcomes.into_iter().enumerate() {
            let expected = sent.get(&(tick.tick, outcome)).copied().unwrap_or(0);
            assert_eq!(found, expected, "{at:?}: outcome {outcome}");
        }
        assert_eq!(tick.connections, outcomes.iter().sum::<u64>(), "{at:?}");
        started_sum += tick.started;
        finished_sum += tick.finished;
        connections_sum += tick.connections;
        assert_eq!(started_sum, finished_sum + tick.active, "{at:?}");
    }
    assert_eq!(
        started_sum,
        recorded.operations.len() as u64,
        "{case:?}, phase {phase}"
    );
    assert_eq!(finished_sum, started_sum, "{case:?}, phase {phase}");
    assert_eq!(
        connections_sum,
        recorded.connections.len() as u64,
        "{case:?}, phase {phase}"
    );
}

fn run_phase(
    case: &Case,
    stream: &mut Stream,
    network: &mut Network,
    reference: &mut Reference,
    phase: u32,
    kind: Kind,
) {
    copy_nodes(network, reference);
    let planned = plan(case, stream, network, &reference.online);
    network.recorded().clear();
    network.begin_phase(
        phase,
        kind,
        Box::new(Listed(planned.clone().into())),
        case.parallel,
        None,
    );
    while network.step() == Progress::Going {}
    let cut_off = network.end_phase(planned.len() as u64);
    assert!(!cut_off.is_cut, "{case:?}, phase {phase}");
    reference.run(phase, kind, &planned, case.parallel);
    let recorded = network.recorded();
    for (found, expected) in recorded.connections.iter().zip(&reference.connections) {
        assert_eq!(found, expected, "{case:?}");
    }
    assert_eq!(
        recorded.connections.len(),
        reference.connections.len(),
        "{case:?}, phase {phase}"
    );
    for (found, expected) in recorded.operations.iter().zip(&reference.operations) {
        assert_eq!(found, expected, "{case:?}");
    }
    assert_eq!(
        recorded.operations.len(),
        reference.operations.len(),
        "{case:?}, phase {phase}"
    );
    assert_eq!(
        recorded.result_ids, reference.results,
        "{case:?}, phase {phase}"
    );
    ticks_add_up(case, network, phase);
    assert_eq!(
        network.now_us(),
        reference.now_us,
        "{case:?}, phase {phase}"
    );
}

#[test]
fn every_row_is_the_naive_simulators() {
    let kinds = [
        Kind::Provide,
        Kind::Retrieve,
        Kind::Lookup,
        Kind::Provide,
        Kind::Retrieve,
    ];
    let (mut operations, mut connections, mut found) = (0, 0, 0);
    for seed in 0..CASES {
        let case = Case::new(seed);
        let stream = &mut Stream::from_state(!seed);
        let mut network = case.network();
        let mut reference = Reference::new(
            case.seed,
            usize::from(case.k),
            case.rules,
            case.link.clone(),
            case.overhead_us,
        );
        for (phase, kind) in kinds.into_iter().enumerate() {
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
                // One comes back.
                network.set_online(Row(0), true);
            }
            if phase == 3 && seed % 2 == 0 {
                network.reset_overhead();
                reference.uses.clear();
                network.bootstrap();
            }
            run_phase(
                &case,
                stream,
                &mut network,
                &mut reference,
                phase as u32,
                kind,
            );
            operations += reference.operations.len();
            connections += reference.connections.len();
            found += reference
                .operations
                .iter()
                .filter(|row| row.found == Some(true))
                .count();
        }
    }
    // The cases are worth something.
    assert!(
        operations > 15_000 && connections > 100_000 && found > 1_000,
        "{operations} {connections} {found}"
    );
}
