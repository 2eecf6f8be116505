//! Random small networks against the reference simulator: every operation and every connection, field by field, and ticks
//! that add up.
//!
//! Networks vary in errors, overhead, offline nodes, nodes added later, cut-offs, load and procedure.

use std::collections::{BTreeMap, VecDeque};

use kadsim_engine::key::Key;
use kadsim_engine::link::{Delay, Fault, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::{Planned, Source};
use kadsim_engine::presence::Offline;
use kadsim_engine::random::{Probability, Stream};
use kadsim_engine::record::{Kind, Outcome, Request};
use kadsim_engine::routing::Policy;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::network::read::NodesView;
use kadsim_systems::network::run_loop::Progress;
use kadsim_systems::network::{Network, NodeSet, Spec};
use kadsim_systems::phases::{self, CutOff};
use kadsim_systems::rules::{Procedure, Rules, Stop};

use crate::properties::reference::{self, Phase, Reference};

/// Cases of most tests; more if the environment says so, in the variable that proptest reads too.
fn cases() -> u64 {
    let named = std::env::var("PROPTEST_CASES").ok();
    named.map_or(800, |cases| cases.parse().unwrap())
}

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
    /// Sixths of the nodes but one that are offline from the start.
    offline_sixths: u32,
    /// Nodes, at most, that go offline after the first phase.
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
    /// How many phases are in flight at the same time.
    beside: usize,
    /// What due times are multiples of, µs.
    grain_us: u64,
    /// Whether all stores are emptied before phases begin.
    forgets: bool,
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
            offline_sixths: (seed % 4) as u32,
            offline: stream.below(u64::from(nodes) / 4 + 1),
            added: stream.below(3),
            parallel: pick(stream, &[None, Some(1), Some(2), Some(3)]),
            operations: 25,
            origins: pick(stream, &[1, 3, usize::MAX]),
            connections: stream.below(2) > 0,
            segments: (0..6).map(|_| Key(stream.bits())).collect(),
            beside: 1,
            grain_us: 1,
            forgets: false,
        }
    }

    /// Phases that overlap in a network of few nodes, with few origins that are mostly among their own results, and
    /// delays of few and very different sizes, so that stores arrive before, after and together with requests.
    fn meeting(seed: u64) -> Self {
        let case = Self::new(seed).overlapping(2 + (seed % 2) as usize);
        let stream = &mut Stream::from_state(!seed);
        let delay = pick(
            stream,
            &[
                Delay::Constant(1_000),
                Delay::Choice(vec![1_000, 2_000]),
                Delay::Choice(vec![1_000, 7_000, 60_000]),
                Delay::Constant(30_000),
                Delay::Uniform {
                    low: 10_000,
                    high: 50_000,
                },
            ],
        );
        let fault = |fault: Option<Fault>| {
            fault.map(|fault| Fault {
                probability: Probability::new(0.1),
                ..fault
            })
        };
        Self {
            nodes: 2 + stream.below(12) as u32,
            offline: stream.below(2),
            rules: Rules {
                beta: pick(stream, &[1, 4, 20]),
                ..case.rules
            },
            link: UniformLink {
                delay,
                fast_error: fault(case.link.fast_error),
                slow_error: fault(case.link.slow_error),
                ..case.link
            },
            overhead_us: pick(stream, &[0, 0, 1, 500]),
            origins: pick(stream, &[1, 2, 4]),
            segments: (0..3).map(|_| Key(stream.bits())).collect(),
            grain_us: pick(stream, &[1, 1_000, 1_000]),
            forgets: true,
            ..case
        }
    }

    /// Like this one, with phases that overlap. Whether a store comes before an answer has an order then.
    fn overlapping(self, beside: usize) -> Self {
        let longer = |delay: Delay| match delay {
            Delay::Constant(0) => Delay::Constant(1),
            Delay::Uniform { low: 0, high } => Delay::Uniform {
                low: 1,
                high: high + 1,
            },
            Delay::Choice(delays) => {
                Delay::Choice(delays.into_iter().map(|us| us.max(1)).collect())
            }
            delay => delay,
        };
        let fault = |fault: Fault| Fault {
            delay: longer(fault.delay),
            ..fault
        };
        let link = self.link;
        Self {
            link: UniformLink {
                delay: longer(link.delay),
                fast_error: link.fast_error.map(fault),
                slow_error: link.slow_error.map(fault),
                timeout: longer(link.timeout),
            },
            beside,
            ..self
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

    fn offline_from_start(&self) -> u32 {
        (self.nodes - 1) * self.offline_sixths / 6
    }

    fn network(&self) -> Network {
        let mut network = Network::new(Spec {
            nodes: NodeSet::Generated(self.nodes),
            offline: Offline::Drawn(self.offline_from_start()),
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
        network.recording().connections = self.connections;
        network.recording().results = true;
        network
    }
}

/// Gives the reference what the network's nodes are now.
fn copy_nodes(network: &mut Network, reference: &mut Reference) {
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
            reference.online = columns
                .presence
                .iter()
                .map(|presence| presence.is_online())
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
        },
    );
}

/// Operations of random online origins, many of them at the same time, that are due from `start_us` on.
fn plan(
    case: &Case,
    stream: &mut Stream,
    online: &[bool],
    start_us: u64,
    first: u64,
) -> Vec<Planned> {
    let mut origins: Vec<u32> = (0..online.len() as u32)
        .filter(|&row| online[row as usize])
        .collect();
    while origins.len() > case.origins {
        origins.swap_remove(stream.below(origins.len() as u64) as usize);
    }
    let spread_us = pick(stream, &[1, 3_000, 400_000]);
    // A few at most, or about as many as may be.
    let operations = match case.operations {
        few @ ..=25 => 1 + stream.below(few),
        many => many + stream.below(25),
    };
    let mut dues_us: Vec<u64> = (0..operations)
        .map(|_| start_us + stream.below(spread_us) / case.grain_us * case.grain_us)
        .collect();
    dues_us.sort_unstable();
    let planned = (first..).zip(dues_us).map(|(number, due_us)| Planned {
        number,
        origin: Row(pick(stream, &origins)),
        key: pick(stream, &case.segments),
        due_us,
    });
    planned.collect()
}

/// Sums and single ticks against the rows of operations and connections.
fn ticks_add_up(case: &Case, network: &mut Network, reference: &Reference, phase: &Phase) {
    let cut_tick = phase.cut_us.map(|cut_us| cut_us / case.tick_us);
    let phase = phase.number;
    let recorded = network.recorded();
    let rows = recorded.operations.iter().filter(|row| row.phase == phase);
    let of_phase = reference
        .connections
        .iter()
        .filter(|row| row.phase == phase);
    let online = reference.online.iter().filter(|&&online| online).count() as u64;
    let (mut started, mut finished) = (BTreeMap::<u64, u64>::new(), BTreeMap::<u64, u64>::new());
    let mut sent = BTreeMap::<(u64, usize), u64>::new();
    let (mut stored, mut found, mut missed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut durations_us = BTreeMap::new();
    for row in rows.clone() {
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
    for (_, time_us) in reference.own_stores.iter().filter(|own| own.0 == phase) {
        *stored.entry(time_us / case.tick_us).or_default() += 1;
    }
    for row in of_phase.clone() {
        let is_stored = row.request == Request::Store && row.outcome == Outcome::Ok;
        *stored.entry(row.time_us / case.tick_us).or_default() += u64::from(is_stored);
        *sent
            .entry((row.time_us / case.tick_us, row.outcome as usize))
            .or_default() += 1;
    }
    let (mut started_sum, mut finished_sum, mut connections_sum) = (0, 0, 0);
    let cut = rows.clone().filter(|row| row.end_us.is_none()).count() as u64;
    let mut last = None;
    for tick in recorded.ticks.iter().filter(|tick| tick.phase == phase) {
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
        let cut = if Some(tick.tick) == cut_tick { cut } else { 0 };
        assert_eq!(started_sum, finished_sum + tick.active + cut, "{at:?}");
    }
    if cut > 0 {
        assert_eq!(last, cut_tick, "{case:?}, phase {phase}: a tick of the cut");
    }
    assert_eq!(
        started_sum,
        rows.clone().count() as u64,
        "{case:?}, phase {phase}"
    );
    let ended = rows.filter(|o| o.end_us.is_some());
    assert_eq!(
        finished_sum,
        ended.count() as u64,
        "{case:?}, phase {phase}"
    );
    assert_eq!(
        connections_sum,
        of_phase.count() as u64,
        "{case:?}, phase {phase}"
    );
}

/// When a phase is cut off, if it is: mostly exactly when something happens, else a microsecond beside it.
fn any_cut(stream: &mut Stream, uncut: &Reference, phase: &Phase) -> Option<u64> {
    if stream.below(3) > 0 {
        return None;
    }
    let of_phase = uncut
        .operations
        .iter()
        .filter(|row| row.phase == phase.number);
    let row = pick(stream, &of_phase.collect::<Vec<_>>());
    let mut times_us = vec![row.due_us, row.start_us, row.end_us.unwrap()];
    if !uncut.connections.is_empty() {
        let sent = pick(stream, &uncut.connections);
        times_us.extend([sent.time_us, sent.time_us + sent.total_delay_us]);
    }
    let time_us = pick(stream, &times_us) + pick(stream, &[0, 1, 1, 1, 2]);
    Some(time_us.saturating_sub(1).max(phase.start_us))
}

/// Phases of these numbers and kinds beside each other; the first starts now.
fn any_phases(
    case: &Case,
    stream: &mut Stream,
    network: &Network,
    reference: &Reference,
    kinds: &[(u32, Kind)],
) -> Vec<Phase> {
    let mut first = network.next_operation();
    let mut phases = Vec::new();
    for (place, &(number, kind)) in kinds.iter().enumerate() {
        let later_us = match place {
            0 => 0,
            _ => pick(stream, &[0, 1, 60_000, 300_000, 2_000_000]),
        };
        let start_us = network.now_us() + later_us;
        let planned = plan(case, stream, &reference.online, start_us, first);
        first += planned.len() as u64;
        phases.push(Phase {
            number,
            kind,
            planned,
            parallel: match place {
                0 => case.parallel,
                _ => pick(stream, &[None, case.parallel, Some(2)]),
            },
            start_us,
            cut_us: None,
        });
    }
    let mut uncut = reference.clone();
    uncut.run(&phases);
    for phase in &mut phases {
        phase.cut_us = any_cut(stream, &uncut, phase);
    }
    phases
}

fn run_phases(
    case: &Case,
    stream: &mut Stream,
    network: &mut Network,
    reference: &mut Reference,
    kinds: &[(u32, Kind)],
) {
    copy_nodes(network, reference);
    let phases = any_phases(case, stream, network, reference, kinds);
    network.recorded().clear();
    for phase in &phases {
        network.begin_phase(phases::Phase {
            number: phase.number,
            kind: phase.kind,
            source: Box::new(Listed(phase.planned.clone().into())),
            operations: phase.planned.len() as u64,
            parallel: phase.parallel,
            start_us: phase.start_us,
            max_us: phase.cut_us.map(|cut_us| cut_us - phase.start_us),
        });
    }
    reference.run(&phases);
    let at = format!("{case:?}, {phases:?}");
    let mut ends = reference.ends.iter();
    let mut progress = Progress::Going;
    while progress == Progress::Going {
        progress = network.step();
        while let Some(end) = network.end_phase() {
            let expected = ends.next().unwrap();
            let of_phase = reference.operations.iter();
            let of_phase = of_phase.filter(|row| row.phase == expected.number);
            let running = of_phase.filter(|row| row.end_us.is_none()).count() as u64;
            let is_cut = expected.is_cut;
            assert_eq!(end.cut_off, CutOff { is_cut, running }, "{at}");
            let found = (end.phase, end.end_us);
            assert_eq!(found, (expected.number, expected.end_us), "{at}");
            let nodes: Vec<_> = network.read_end(&end, |nodes, node| {
                let rows = (0..nodes.columns.keys.len() as u32).map(Row);
                let states = rows.map(node);
                states
                    .map(|state| (state.contacts, state.segments, state.uses, state.started))
                    .collect()
            });
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
        ticks_add_up(case, network, reference, phase);
    }
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
    own_stores: usize,
    stores: reference::Seen,
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
    copy_nodes(&mut network, &mut reference);
    let offline = reference.online.iter().filter(|&&online| !online);
    assert_eq!(offline.count(), case.offline_from_start() as usize);
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
        if case.forgets {
            network.clear_segments();
            reference.visible_us.clear();
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
    }
    seen.stores.ties += reference.seen.ties;
    seen.stores.early += reference.seen.early;
}

#[test]
fn every_row_is_the_naive_simulators() {
    for procedure in [Procedure::Iterative, Procedure::PyDht, Procedure::Rfm19] {
        let mut seen = Seen::default();
        let cases = (0..cases()).map(Case::new);
        for case in cases.filter(|case| case.rules.procedure == procedure) {
            run_case(&case, &mut seen);
        }
        // The cases are worth something. A walk in rounds is over sooner, and stores at one node, mostly its
        // origin.
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

/// Several phases in flight at the same time, that provide, retrieve and look up.
#[test]
fn every_row_of_phases_that_overlap_is_the_naive_simulators() {
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

/// Provides and retrieves that meet: stores and requests reach a node before, after and together with each other.
#[test]
fn every_row_of_stores_and_requests_that_meet_is_the_naive_simulators() {
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
