//! Random small networks with errors, overhead, nodes that are offline and nodes added later, phases that are
//! cut off, few operations and many at once, by every procedure: every operation and connection, field by
//! field, as the naive simulator has it; and ticks that add up.

use std::collections::{BTreeMap, VecDeque};

use kadsim_engine::key::Key;
use kadsim_engine::layout::LayoutKind;
use kadsim_engine::link::{Delay, Fault, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::random::{Probability, Stream};
use kadsim_engine::record::{Kind, Outcome, Request};
use kadsim_engine::routing::Policy;
use kadsim_systems::network::{CutOff, Network, NodeSet, Progress, Spec};
use kadsim_systems::step::{Procedure, Rules, Stop};

use crate::reference::Reference;

const CASES: u64 = 800;

/// Operations in the order of (due time, number).
pub struct Listed(pub VecDeque<Planned>);

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
    /// Most operations of a phase.
    operations: u64,
    /// Most nodes that they start at.
    origins: usize,
    /// Whether connections are recorded: then operations go through time side by side.
    connections: bool,
    segments: Vec<Key>,
}

fn pick<T: Clone>(stream: &mut Stream, choices: &[T]) -> T {
    choices[stream.below(choices.len() as u64) as usize].clone()
}

/// A distribution of delays; from `shortest` on, 0 or 1.
fn any_delay(stream: &mut Stream, shortest: u64) -> Delay {
    let low = match stream.below(4) {
        0 => shortest,
        _ => 1 + stream.below(60) * pick(stream, &[1, 1000]),
    };
    match stream.below(3) {
        0 => Delay::Constant(low),
        1 => Delay::Uniform {
            low,
            high: low + stream.below(40_000),
        },
        _ => Delay::Choice(vec![low, low + 1, low + 25_000]),
    }
}

fn any_fault(stream: &mut Stream, shortest: u64) -> Option<Fault> {
    let share = pick(stream, &[0.0, 0.1, 0.4, 1.0]);
    let delay = any_delay(stream, shortest);
    (stream.below(3) > 0).then_some(Fault {
        probability: Probability::new(share),
        delay,
    })
}

impl Case {
    /// A few operations at a time.
    fn new(seed: u64) -> Self {
        let stream = &mut Stream::from_state(seed);
        let procedure = pick(
            stream,
            &[
                Procedure::Iterative,
                Procedure::Iterative,
                Procedure::PyDht,
                Procedure::Rfm19,
            ],
        );
        let stops = [Stop::NoProgress, Stop::NoProgress, Stop::ClosestAnswered];
        let rules = Rules {
            alpha: 1 + stream.below(5) as u32,
            // With 20, a result lies beyond the sorted head where most of that failed.
            beta: match stream.below(4) {
                0 => 20,
                _ => 1 + stream.below(9) as u32,
            },
            steps_to_stop: 1 + stream.below(4) as u32,
            stop: match procedure {
                Procedure::Iterative => pick(stream, &stops),
                Procedure::PyDht | Procedure::Rfm19 => Stop::NoProgress,
            },
            procedure,
        };
        let overhead_us = pick(stream, &[0, 0, 1, 250, 7_000]);
        // By the clock, what costs nothing cannot be charged.
        let is_charged = overhead_us > 0 && procedure.is_by_clock();
        let shortest = u64::from(is_charged);
        let nodes = pick(stream, &[1, 2, 3, 10, 30, 60, 120]);
        Self {
            seed,
            nodes,
            k: 1 + stream.below(8) as u8,
            policy: pick(stream, &[Policy::Closest, Policy::Random]),
            layout: pick(stream, &LayoutKind::ALL),
            rules,
            link: UniformLink {
                delay: any_delay(stream, shortest),
                fast_error: any_fault(stream, shortest),
                slow_error: any_fault(stream, shortest),
                timeout: any_delay(stream, shortest),
            },
            overhead_us,
            tick_us: pick(stream, &[1_000, 50_000, 10_000_000]),
            offline: stream.below(u64::from(nodes) / 4 + 1),
            added: stream.below(3),
            parallel: pick(stream, &[None, Some(1), Some(2), Some(3)]),
            operations: 25,
            origins: pick(stream, &[1, 3, usize::MAX]),
            connections: stream.below(2) > 0,
            segments: (0..6).map(|_| Key(stream.bits())).collect(),
        }
    }

    /// Like [`Case::new`], with many operations at a time, short so that they are soon told.
    fn crowded(seed: u64, operations: u64) -> Self {
        let case = Self::new(seed);
        let (alpha, beta) = (case.rules.alpha.min(3), case.rules.beta.min(4));
        Self {
            nodes: case.nodes.clamp(10, 60),
            offline: case.offline.min(3),
            k: case.k.min(4),
            rules: Rules {
                alpha,
                beta,
                ..case.rules
            },
            operations,
            origins: case.origins.max(3),
            ..case
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
        network.activity().connections = self.connections;
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
    let mut origins: Vec<u32> = (0..online.len() as u32)
        .filter(|&row| online[row as usize])
        .collect();
    while origins.len() > case.origins {
        origins.swap_remove(stream.below(origins.len() as u64) as usize);
    }
    let spread_us = pick(stream, &[1, 3_000, 400_000]);
    let now_us = network.now_us();
    // A few at most, or about as many as may be.
    let operations = match case.operations {
        few @ ..=25 => 1 + stream.below(few),
        many => many + stream.below(25),
    };
    let mut dues_us: Vec<u64> = (0..operations)
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
fn ticks_add_up(case: &Case, network: &mut Network, reference: &Reference, phase: u32) {
    let recorded = network.recorded();
    let online = reference.online.iter().filter(|&&online| online).count() as u64;
    let (mut started, mut finished) = (BTreeMap::<u64, u64>::new(), BTreeMap::<u64, u64>::new());
    let mut sent = BTreeMap::<(u64, usize), u64>::new();
    let (mut stored, mut found, mut missed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut durations_us = BTreeMap::new();
    for row in &recorded.operations {
        *started.entry(row.start_us / case.tick_us).or_default() += 1;
        if let Some(end_us) = row.end_us {
            let end_tick = end_us / case.tick_us;
            *finished.entry(end_tick).or_default() += 1;
            *found.entry(end_tick).or_default() += u64::from(row.found == Some(true));
            *missed.entry(end_tick).or_default() += u64::from(row.found == Some(false));
            let ended: &mut Vec<u64> = durations_us.entry(end_tick).or_default();
            ended.push(end_us - row.start_us);
        }
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
    for row in &reference.connections {
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
        let place = (tick.time_us, tick.online);
        assert_eq!(place, (tick.tick * case.tick_us, online), "{at:?}");
        let nearest_ranks = durations_us.get_mut(&tick.tick).map(|durations| {
            durations.sort_unstable();
            [50, 90, 99].map(|rank| durations[(durations.len() * rank).div_ceil(100) - 1])
        });
        assert_eq!(tick.duration_us, nearest_ranks, "{at:?}");
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
    let ended = recorded.operations.iter().filter(|o| o.end_us.is_some());
    assert_eq!(
        finished_sum,
        ended.count() as u64,
        "{case:?}, phase {phase}"
    );
    assert_eq!(
        connections_sum,
        reference.connections.len() as u64,
        "{case:?}, phase {phase}"
    );
}

/// When a phase is cut off, if it is: mostly exactly when something happens, else a microsecond beside it.
fn any_cut(
    case: &Case,
    stream: &mut Stream,
    reference: &Reference,
    (phase, kind): (u32, Kind),
    planned: &[Planned],
) -> Option<u64> {
    if stream.below(3) > 0 {
        return None;
    }
    let mut uncut = reference.clone();
    uncut.run((phase, kind), planned, case.parallel, None);
    let row = pick(stream, &uncut.operations);
    let mut times_us = vec![row.due_us, row.start_us, row.end_us.unwrap()];
    if !uncut.connections.is_empty() {
        let sent = pick(stream, &uncut.connections);
        times_us.extend([sent.time_us, sent.time_us + sent.total_delay_us]);
    }
    let time_us = pick(stream, &times_us) + pick(stream, &[0, 1, 1, 1, 2]);
    Some(time_us.saturating_sub(1).max(reference.now_us))
}

fn run_phase(
    case: &Case,
    stream: &mut Stream,
    network: &mut Network,
    reference: &mut Reference,
    (phase, kind): (u32, Kind),
) {
    copy_nodes(network, reference);
    let planned = plan(case, stream, network, &reference.online);
    let cut_us = any_cut(case, stream, reference, (phase, kind), &planned);
    let max_us = cut_us.map(|cut_us| cut_us - network.now_us());
    network.recorded().clear();
    network.begin_phase(
        phase,
        kind,
        Box::new(Listed(planned.clone().into())),
        case.parallel,
        max_us,
    );
    let mut progress = Progress::Going;
    while progress == Progress::Going {
        progress = network.step();
    }
    let cut_off = network.end_phase(planned.len() as u64);
    reference.run((phase, kind), &planned, case.parallel, cut_us);
    let at = format!("{case:?}, phase {phase}, cut off at {cut_us:?}");
    let ends = reference.operations.iter().map(|row| row.end_us);
    let running = ends.filter(Option::is_none).count() as u64;
    let is_cut = reference.is_cut;
    assert_eq!(cut_off, CutOff { is_cut, running }, "{at}");
    assert_eq!(progress == Progress::CutOff, is_cut, "{at}");
    let recorded = network.recorded();
    if case.connections {
        assert_rows(&recorded.connections, &reference.connections, &at);
    } else {
        assert!(recorded.connections.is_empty(), "{at}");
    }
    assert_rows(&recorded.operations, &reference.operations, &at);
    assert_rows(&recorded.result_ids, &reference.results, &at);
    ticks_add_up(case, network, reference, phase);
    assert_eq!(network.now_us(), reference.now_us, "{at}");
}

/// Names the first row that differs instead of all of them.
#[track_caller]
fn assert_rows<T: PartialEq + std::fmt::Debug>(found: &[T], expected: &[T], at: &str) {
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "row {place} of {at}");
    }
    assert_eq!(found.len(), expected.len(), "{at}");
}

/// What cases have been worth.
#[derive(Default, Debug)]
struct Seen {
    operations: usize,
    connections: usize,
    found: usize,
    cut: usize,
    store_failed: usize,
}

/// All phases of a case.
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
        case.link.clone(),
        case.overhead_us,
    );
    for (phase, kind) in (0..).zip(kinds) {
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
        if phase == 3 && case.seed.is_multiple_of(2) {
            network.reset_overhead();
            reference.uses.clear();
            network.bootstrap();
        }
        run_phase(case, stream, &mut network, &mut reference, (phase, kind));
        let rows = &reference.operations;
        seen.operations += rows.len();
        seen.connections += reference.connections.len();
        seen.found += rows.iter().filter(|row| row.found == Some(true)).count();
        seen.cut += rows.iter().filter(|row| row.end_us.is_none()).count();
        let failed = rows.iter().filter_map(|row| row.store_failed);
        seen.store_failed += failed.sum::<u32>() as usize;
    }
}

#[test]
fn every_row_is_the_naive_simulators() {
    for procedure in [Procedure::Iterative, Procedure::PyDht, Procedure::Rfm19] {
        let mut seen = Seen::default();
        let cases = (0..CASES).map(Case::new);
        for case in cases.filter(|case| case.rules.procedure == procedure) {
            run_case(&case, &mut seen);
        }
        // The cases are worth something. A walk in rounds is over sooner, and stores at one node.
        let (connections, store_failed) = match procedure {
            Procedure::Rfm19 => (15_000, 700),
            Procedure::Iterative | Procedure::PyDht => (50_000, 2_000),
        };
        assert!(
            seen.operations > 10_000 && seen.connections > connections && seen.found > 700,
            "{seen:?}"
        );
        assert!(
            seen.cut > 500 && seen.store_failed > store_failed,
            "{seen:?}"
        );
    }
}

/// More operations in flight than one thread takes at once.
#[test]
fn every_row_of_a_crowd_is_the_naive_simulators() {
    let mut seen = Seen::default();
    for seed in 0..40 {
        run_case(&Case::crowded(1000 + seed, 600), &mut seen);
    }
    assert!(seen.operations > 90_000 && seen.cut > 5_000, "{seen:?}");
}

/// More operations than one step starts.
#[test]
fn every_row_of_a_multitude_is_the_naive_simulators() {
    let mut seen = Seen::default();
    for seed in 0..10 {
        run_case(&Case::crowded(2000 + seed, 17_000), &mut seen);
    }
    assert!(seen.operations > 600_000 && seen.cut > 500, "{seen:?}");
}
