//! Networks whose tables traffic changes, against the reference simulator that handles one event at a time: every row, every
//! node, and every entry of every table.

use std::collections::BTreeMap;

use kadsim_engine::link::{Delay, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::operation::Ending;
use kadsim_engine::random::Stream;
use kadsim_engine::record::{ConnectionRow, Purpose, TickRow};
use kadsim_systems::Network;
use kadsim_systems::maintenance::{Check, Checked, Maintenance};
use kadsim_systems::network::phase_end::NodeState;
use kadsim_systems::network::{NodeSet, Spec};
use kadsim_systems::rules::{Rules, Stop};

use super::case::pick;
use super::maintenance::any_maintenance;
use super::{Kept, assert_rows, cases, events, live, ticks};
use crate::properties::reference::live::LiveReference;
use crate::properties::reference::live::recording::{NodeEnd, TickCounts};

/// A node's table: bucket, node, second last heard and failures of each entry; bucket and node of each replacement.
type Table = (Vec<(u32, u32, u64, u8)>, Vec<(u32, u32)>);

/// Returns the tables of the engine, by row.
fn tables_of(network: &mut Network) -> Vec<Table> {
    network.read(|nodes| {
        let live = nodes.in_time.live.unwrap();
        let rows = (0..nodes.columns.keys.len() as u32).map(Row);
        let table = |row: Row| {
            let tables = live.of(row).unwrap();
            let (mut entries, mut replacements) = (Vec::new(), Vec::new());
            for bucket in 0..64 {
                let of_bucket = tables.entries(row, bucket).iter();
                entries.extend(of_bucket.map(|entry| {
                    let heard_s = u64::from(entry.heard_s());
                    (bucket as u32, entry.row().0, heard_s, entry.failures())
                }));
                let of_bucket = tables.replacements(row, bucket).iter();
                replacements.extend(of_bucket.map(|other| (bucket as u32, other.0)));
            }
            (entries, replacements)
        };
        rows.map(table).collect()
    })
}

/// Returns the tables of the reference at the end of its last phase, by node.
fn expected_tables(reference: &LiveReference) -> Vec<Table> {
    let nodes = &reference.ends.last().unwrap().nodes;
    let table = |node: &crate::properties::reference::live::recording::NodeEnd| {
        let entries = node
            .entries
            .iter()
            .map(|&(bucket, entry)| (bucket, entry.node as u32, entry.heard_s, entry.failures));
        let replacements = node.replacements.iter();
        let replacements = replacements.map(|&(bucket, other)| (bucket, other as u32));
        (entries.collect(), replacements.collect())
    };
    nodes.iter().map(table).collect()
}

/// Asserts that the users' connections are those of the reference, that all stand in order, and that as many are made for each
/// purpose as the ticks count.
fn assert_connections(found: &Kept, expected: &[ConnectionRow], at: &str) {
    let (users, others): (Vec<ConnectionRow>, Vec<_>) = found
        .connections
        .iter()
        .partition(|row| row.purpose == Purpose::User);
    assert_rows(&users, expected, at);
    let order = |row: &ConnectionRow| (row.time_us, row.operation, row.sequence);
    assert!(found.connections.is_sorted_by_key(order), "{at}");
    let made = |purposes: &[Purpose]| {
        let made = others.iter().filter(|row| purposes.contains(&row.purpose));
        made.count() as u64
    };
    let counted = |column: fn(&TickRow) -> u64| found.ticks.iter().map(column).sum::<u64>();
    let purposes = [
        (made(&[Purpose::Refresh]), counted(|tick| tick.refresh)),
        (made(&[Purpose::Join]), counted(|tick| tick.join)),
        (
            made(&[Purpose::Check, Purpose::Ping]),
            counted(|tick| tick.check),
        ),
        (made(&[Purpose::Republish]), counted(|tick| tick.republish)),
    ];
    for (made, counted) in purposes {
        assert_eq!(made, counted, "{purposes:?} {at}");
    }
    assert!(others.iter().all(|row| row.operation >= 1 << 63), "{at}");
}

/// Counts by phase and tick.
type Ticks = BTreeMap<(u32, u64), TickCounts>;

/// Returns the counts of rows of ticks, of which there is at most one for a tick of a phase.
fn counts_of(rows: &[TickRow], tick_us: u64, at: &str) -> Ticks {
    let mut ticks = Ticks::new();
    for row in rows {
        assert_eq!(row.time_us, row.tick * tick_us, "{at}");
        let counts = TickCounts {
            outcomes: [
                row.ok,
                row.fast_error,
                row.slow_error,
                row.not_found,
                row.late,
            ],
            maintenance: row.maintenance_connections,
            maintenance_failed: row.maintenance_failed,
            refresh: row.refresh,
            join: row.join,
            check: row.check,
            republish: row.republish,
            learned: row.learned,
            evicted: row.evicted,
            arrivals: row.arrivals,
            departures: row.departures,
            ..TickCounts::default()
        };
        let before = ticks.insert((row.phase, row.tick), counts);
        assert_eq!(before, None, "{row:?} {at}");
    }
    ticks
}

/// Asserts that rows of ticks count what the reference has counted, and that they show its tables.
fn assert_counts(rows: &[TickRow], mut expected: Ticks, tick_us: u64, at: &str) {
    let tables: Vec<_> = expected
        .iter_mut()
        .filter_map(|(&tick, counts)| {
            counts.wiped = 0;
            let (tables, sum) = counts.tables.take().filter(|(tables, _)| *tables > 0)?;
            let entries = Some(sum.entries as f64 / tables as f64);
            Some((tick, (entries, sum.stale(), sum.missing())))
        })
        .collect();
    let shown = rows.iter().filter(|row| row.entries.is_some());
    let mut shown: Vec<_> = shown
        .map(|row| ((row.phase, row.tick), (row.entries, row.stale, row.missing)))
        .collect();
    // Joins come first, and have the last number.
    shown.sort_by_key(|(tick, _)| *tick);
    assert_rows(&shown, &tables, at);
    let mut seen = counts_of(rows, tick_us, at);
    for ticks in [&mut seen, &mut expected] {
        ticks.retain(|_, counts| *counts != TickCounts::default());
    }
    assert_rows(
        &seen.into_iter().collect::<Vec<_>>(),
        &expected.into_iter().collect::<Vec<_>>(),
        at,
    );
}

/// Asserts that nodes at the end of a phase are those of the reference.
fn assert_nodes(found: &[NodeState], expected: &[NodeEnd], at: &str) {
    let found: Vec<_> = found
        .iter()
        .map(|node| {
            let life = node.life.unwrap();
            let maintenance = [node.maintenance_sent, node.maintenance_received];
            (life.is_online, maintenance, node.segments, life.freshness)
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|node| {
            let maintenance = [node.maintenance_sent, node.maintenance_received];
            (node.is_online, maintenance, node.records, node.freshness)
        })
        .collect();
    assert_rows(&found, &expected, at);
}

/// Begins the joins of a network, lets both simulators run them, and compares all that they record. The first phase starts
/// `later_us` after them. Returns what the network has recorded and the reference has counted of ticks that go on.
fn join(
    network: &mut Network,
    reference: &mut LiveReference,
    later_us: u64,
    at: &str,
) -> (Kept, Ticks) {
    const NUMBER: u32 = 77;
    network
        .begin_joins(NUMBER, reference.rules.freshness_us, later_us)
        .unwrap();
    let found = events::run(network, &[]);
    reference.join_all(NUMBER);
    assert_rows(&tables_of(network), &expected_tables(reference), at);
    let (number, end_us, cut_off, nodes) = &found.ends[0];
    let expected = &reference.ends[0];
    assert_eq!((*number, *end_us), (NUMBER, expected.end.end_us), "{at}");
    assert!(!cut_off.is_cut, "{at}");
    assert_nodes(nodes, &expected.nodes, at);
    assert_eq!(network.now_us(), reference.base.now_us, "{at}");
    assert_eq!(network.first_us(), network.now_us(), "{at}");
    let ticks = reference.ticks.clone();
    if later_us == 0 {
        let arrivals: u64 = found.ticks.iter().map(|row| row.arrivals).sum();
        let joined = reference.joins.as_ref().unwrap().order.len();
        assert_eq!(arrivals as usize, joined.saturating_sub(1), "{at}");
        assert_counts(&found.ticks, ticks, reference.rules.tick_us, at);
        return Default::default();
    }
    (found, ticks)
}

#[test]
fn every_row_and_table_of_a_living_network_equals_the_reference() {
    let (mut operations, mut broken_off, mut entries, mut joined, mut gaps) = (0, 0, 0, 0, 0);
    // A case takes a fifth of a second.
    let cases = cases() / 4;
    for seed in 0..cases {
        let mut case = live::any_case(80_000 + seed);
        if !events::fits(&case) {
            continue;
        }
        let stream = &mut Stream::from_state(seed);
        let mut maintenance = any_maintenance(stream, case.nodes);
        let doubling_us = live::any_doubling(&mut case, stream);
        case.life.as_mut().unwrap().is_recorded = true;
        let (base, mut rules) = live::described(&case, Some(maintenance.clone()));
        let freshness_us = pick(stream, &[None, Some(100_000)]);
        let mut reference = match doubling_us {
            Some(doubling_us) => {
                rules.aging = case.life.as_ref().unwrap().aging;
                rules.freshness_us = freshness_us;
                LiveReference::joined(base, rules, doubling_us)
            }
            None => LiveReference::new(base, rules),
        };
        maintenance.joining.retry_us = reference.timeout_us();
        let republish_us = pick(stream, &[None, Some(2_000_000)]);
        let ttl_us = pick(stream, &[None, Some(3_000_000)]);
        reference.rules.republish_us = republish_us;
        reference.base.ttl_us = ttl_us;
        let rules = maintenance.clone();
        let mut network = case.empty_network_of(|spec| Spec {
            maintenance: Some(maintenance),
            republish_us,
            ttl_us,
            doubling_us,
            ..spec
        });
        if let Some(window_us) = pick(stream, &[None, None, Some(1), Some(3_333)]) {
            network.set_window_us(window_us);
        }
        let made = format!("{case:?}, {rules:?}, {doubling_us:?}, {republish_us:?}, {ttl_us:?}");
        let later_us = pick(stream, &[0, 1, 1_500_000]);
        let (mut before, mut counted) = match doubling_us {
            Some(_) => join(&mut network, &mut reference, later_us, &made),
            None => {
                network.bootstrap();
                Default::default()
            }
        };
        joined += usize::from(doubling_us.is_some());
        // Phases that are drawn start now.
        reference.base.now_us += later_us;
        reference.rules.freshness_us = Some(events::FRESHNESS_US);
        let mut first = 0;
        for index in 0..live::KINDS.len() {
            let phases = live::phases_after(&case, stream, &reference.base, &mut first, index);
            reference.run(&phases);
            let mut found = events::run(&mut network, &phases);
            let at = format!("{made}, {phases:?}");
            assert_rows(&found.operations, &reference.base.operations, &at);
            assert_rows(&found.results, &reference.base.results, &at);
            assert_rows(&tables_of(&mut network), &expected_tables(&reference), &at);
            for phase in &phases {
                ticks::assert_ticks(&case, &mut network, &reference.base, phase);
            }
            found.ticks.splice(..0, before.ticks.drain(..));
            found.connections.splice(..0, before.connections.drain(..));
            for (&tick, counts) in &reference.ticks {
                counted.entry(tick).or_default().add(counts);
            }
            let counted = std::mem::take(&mut counted);
            assert_counts(&found.ticks, counted, reference.rules.tick_us, &at);
            let is_after = |row: &&TickRow| {
                let mut ends = found.ends.iter();
                ends.any(|&(phase, end_us, ..)| phase == row.phase && row.time_us > end_us)
            };
            let after = found.ticks.iter().filter(is_after);
            gaps += after.filter(|row| row.maintenance_connections > 0).count();
            if case.connections {
                assert_connections(&found, &reference.base.connections, &at);
            }
            for ((number, end_us, _, nodes), expected) in found.ends.iter().zip(&reference.ends) {
                assert_eq!(
                    (*number, *end_us),
                    (expected.end.number, expected.end.end_us),
                    "{at}"
                );
                assert_nodes(nodes, &expected.nodes, &at);
            }
            let rows = found.operations.iter();
            operations += rows.len();
            broken_off += rows.filter(|row| row.ending == Ending::OriginLeft).count();
            entries += tables_of(&mut network)
                .iter()
                .map(|(entries, _)| entries.len())
                .sum::<usize>();
        }
    }
    let seen = (operations, broken_off, entries, joined, gaps);
    let most = cases as usize;
    assert!(
        operations > 20 * most && broken_off > most / 2 && entries > 100 * most,
        "{seen:?}"
    );
    assert!(6 * joined > most && gaps > 20 * most, "{seen:?}");
}

/// Single operations of a caller run while the shift of the joins goes on, and close nothing that the first phase counts.
#[test]
fn single_operations_run_between_joins_and_the_first_phase() {
    const LATER_US: u64 = 5_000_000;
    let mut network = Network::new(Spec {
        nodes: NodeSet::Generated(60),
        bucket_size: 4,
        rules: Rules {
            stop: Stop::ClosestAnswered,
            ..Rules::default()
        },
        link: Box::new(UniformLink {
            delay: Delay::Constant(10_000),
            timeout: Delay::Constant(100_000),
            ..UniformLink::default()
        }),
        maintenance: Some(Maintenance {
            learn_asker: true,
            learn_answerer: true,
            check: Some(Check {
                what: Checked::Oldest,
                every_us: 200_000,
            }),
            ..Maintenance::default()
        }),
        doubling_us: Some(100_000),
        ..Spec::default()
    })
    .unwrap();
    network.recording().living = true;
    network.begin_joins(1, None, LATER_US).unwrap();
    events::run(&mut network, &[]);
    let key = kadsim_engine::key::Key(1 << 60);
    for origin in [3, 9] {
        assert!(!network.lookup(Row(origin), key).is_empty());
    }
    let mut ticks = network.recorded().ticks.clone();
    let phase = crate::properties::reference::Phase {
        number: 2,
        kind: kadsim_engine::record::Kind::Lookup,
        planned: Vec::new(),
        parallel: None,
        start_us: network.first_us() + LATER_US,
        lasts_us: 1_000_000,
        cut_us: None,
    };
    ticks.append(&mut events::run(&mut network, &[phase]).ticks);
    let checks = |number| {
        let rows = ticks.iter().filter(|row| row.phase == number);
        rows.map(|row| row.check).sum::<u64>()
    };
    // 60 nodes, 5 a second. Single operations have number 0.
    assert_eq!(checks(0), 0);
    assert!(checks(1) > 1000 && (250..=350).contains(&checks(2)));
    let others = ticks.iter().filter(|row| row.phase > 0);
    let order: Vec<_> = others.map(|row| (row.phase, row.tick)).collect();
    assert!(order.is_sorted(), "{order:?}");
}

/// Callers of the library who do not want to see the joins have the same network after them.
#[test]
fn a_bootstrap_does_what_the_phase_of_joins_does() {
    let (mut seen, mut operations) = (0, 0);
    for seed in 0..40 {
        let mut case = live::any_case(90_000 + seed);
        let stream = &mut Stream::from_state(seed);
        let maintenance = any_maintenance(stream, case.nodes);
        let doubling_us = live::any_doubling(&mut case, stream);
        if doubling_us.is_none() || !events::fits(&case) {
            continue;
        }
        let network = || {
            case.empty_network_of(|spec| Spec {
                maintenance: Some(maintenance.clone()),
                doubling_us,
                ..spec
            })
        };
        let (mut one, mut other) = (network(), network());
        one.begin_joins(3, None, 0).unwrap();
        events::run(&mut one, &[]);
        other.bootstrap();
        assert!(other.recorded().is_empty());
        assert_eq!(one.now_us(), other.now_us());
        assert_eq!((one.come(), other.come()), (None, None));
        assert_rows(
            &tables_of(&mut one),
            &tables_of(&mut other),
            &format!("seed {seed}"),
        );
        // It grows once.
        other.bootstrap();
        assert_eq!(one.now_us(), other.now_us());
        let phases = [crate::properties::reference::Phase {
            number: 0,
            kind: kadsim_engine::record::Kind::Lookup,
            planned: Vec::new(),
            parallel: None,
            start_us: one.now_us(),
            lasts_us: 2_000_000,
            cut_us: None,
        }];
        let (found, expected) = (
            events::run(&mut one, &phases),
            events::run(&mut other, &phases),
        );
        assert_rows(&found.ticks, &expected.ticks, &format!("seed {seed}"));
        assert_rows(
            &tables_of(&mut one),
            &tables_of(&mut other),
            &format!("seed {seed}"),
        );
        seen += 1;
        operations += found.ticks.len();
    }
    assert!(seen > 5 && operations > 5, "{seen}, {operations}");
}
