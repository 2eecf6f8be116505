//! The reference simulator of networks whose tables traffic changes: where no traffic changes a table, its rows are those
//! of the other reference simulator; where traffic does, tables obey the rules at all times.

use std::collections::BTreeSet;

use kadsim_engine::link::Delay;
use kadsim_engine::operation::Ending;
use kadsim_engine::random::{Probability, Stream};
use kadsim_engine::record::Kind;
use kadsim_engine::routing::Join;
use kadsim_systems::maintenance::Maintenance;
use kadsim_systems::rules::Procedure;

use super::case::{Case, pick};
use super::maintenance::any_maintenance;
use super::phases::any_phases;
use super::{assert_rows, cases, copy_nodes};
use crate::properties::reference::live::recording::{NodeEnd, TickCounts};
use crate::properties::reference::live::{LiveReference, LiveRules};
use crate::properties::reference::{Phase, Reference};

pub const KINDS: [Kind; 5] = [
    Kind::Provide,
    Kind::Retrieve,
    Kind::Lookup,
    Kind::Provide,
    Kind::Retrieve,
];

/// Draws an experiment in which nodes come and go, without nodes that go offline by hand.
pub fn any_case(seed: u64) -> Case {
    let mut case = Case::living(seed);
    case.rules.procedure = Procedure::Iterative;
    let life = case.life.as_mut().unwrap();
    if seed.is_multiple_of(3) {
        life.aging.join = Join::Protocol;
        life.aging.renewal_us = None;
    }
    // A store may be on its way when segments are removed: here it arrives all the same.
    case.forgets = false;
    case
}

/// Returns the network of a case in both reference simulators.
pub fn both(case: &Case, maintenance: Option<Maintenance>) -> (Reference, LiveReference) {
    let (reference, rules) = described(case, maintenance);
    let live = LiveReference::new(reference.clone(), rules);
    (reference, live)
}

/// Returns what the reference simulators know of a case.
pub fn described(case: &Case, maintenance: Option<Maintenance>) -> (Reference, LiveRules) {
    let mut network = case.network();
    let k = usize::from(case.k);
    let mut reference = Reference::new(case.seed, k, case.rules, case.links.clone(), 0);
    reference.policy = case.policy;
    copy_nodes(case, &mut network, &mut reference);
    let life = case.life.as_ref().unwrap();
    let rules = LiveRules {
        aging: match life.is_living() {
            true => life.aging,
            false => Default::default(),
        },
        clients_known: maintenance.as_ref().is_none_or(|rules| rules.clients_known),
        republish_us: None,
        tick_us: case.tick_us,
        freshness_us: None,
        maintenance,
    };
    (reference, rules)
}

/// Lets the network of every second case grow by joins. Returns the time in which the number of its nodes doubles, µs.
pub fn any_doubling(case: &mut Case, stream: &mut Stream) -> Option<u64> {
    let doubling_us = pick(stream, &[1, 5_000, 300_000, 2_000_000]);
    // Somebody has to answer.
    let (base, _) = described(case, None);
    let mut joins = (0..base.keys.len()).filter(|&node| !base.is_absent[node]);
    if stream.below(2) == 0 || !joins.any(|node| base.is_server[node]) {
        return None;
    }
    // A contact may succeed, so that all nodes join in the end.
    let link = &mut case.links.uniform;
    let faults = [&mut link.fast_error, &mut link.slow_error];
    for fault in faults.into_iter().flatten() {
        if fault.probability == Probability::new(1.0) {
            fault.probability = Probability::new(0.4);
        }
    }
    link.timeout = Delay::Constant(pick(stream, &[1_000_000, 3_000_000]));
    let life = case.life.as_mut().unwrap();
    life.is_recorded = true;
    if stream.below(4) == 0 {
        life.churn = None;
    }
    Some(doubling_us)
}

/// Draws the phases that run at the same time after `index` others.
pub fn phases_after(
    case: &Case,
    stream: &mut Stream,
    reference: &Reference,
    first: &mut u64,
    index: usize,
) -> Vec<Phase> {
    let beside = [
        KINDS[index],
        KINDS[(index + 1) % KINDS.len()],
        Kind::Retrieve,
    ];
    let group: Vec<_> = (3 * index as u32..).zip(beside).take(case.beside).collect();
    let phases = any_phases(case, stream, reference, *first, &group);
    *first += phases
        .iter()
        .map(|phase| phase.planned.len() as u64)
        .sum::<u64>();
    phases
}

#[test]
fn without_maintenance_every_row_equals_the_other_reference() {
    let (mut operations, mut broken_off, mut cut, mut found) = (0, 0, 0, 0);
    for seed in 0..cases() {
        let case = any_case(60_000 + seed);
        // Rules by which nodes learn nothing change no row either.
        let maintenance = (seed % 2 == 0).then(Maintenance::default);
        let (mut reference, mut live) = both(&case, maintenance);
        let is_protocol = live.rules.aging.join == Join::Protocol;
        if is_protocol && live.rules.maintenance.is_some() {
            continue;
        }
        let (stream, mut first) = (&mut Stream::from_state(!seed), 0);
        for index in 0..KINDS.len() {
            let phases = phases_after(&case, stream, &reference, &mut first, index);
            reference.run(&phases);
            live.run(&phases);
            let at = format!("{case:?}, {phases:?}");
            assert_rows(&live.base.operations, &reference.operations, &at);
            assert_rows(&live.base.connections, &reference.connections, &at);
            assert_rows(&live.base.results, &reference.results, &at);
            assert_rows(&live.base.ends, &reference.ends, &at);
            assert_eq!(live.base.now_us, reference.now_us, "{at}");
            let rows = &reference.operations;
            let count = |ending| rows.iter().filter(|row| row.ending == ending).count();
            operations += rows.len();
            cut += count(Ending::CutOff);
            broken_off += rows.len() - count(Ending::Done) - count(Ending::CutOff);
            found += rows.iter().filter(|row| row.found == Some(true)).count();
        }
    }
    let seen = (operations, broken_off, cut, found);
    let most = cases() as usize;
    assert!(operations > 30 * most && broken_off > 3 * most, "{seen:?}");
    assert!(2 * cut > most && found > most, "{seen:?}");
}

/// Asserts what holds of the table of a node whatever happened.
fn assert_table(live: &LiveReference, node: usize, end: &NodeEnd, at: &str) {
    let table = live.rules.maintenance.as_ref().unwrap().table;
    let shared = |other: usize| (live.base.keys[node] ^ live.base.keys[other]).leading_zeros();
    let entries = end
        .entries
        .iter()
        .map(|&(bucket, entry)| (bucket, entry.node));
    let named: Vec<(u32, usize)> = entries.chain(end.replacements.iter().copied()).collect();
    for &(bucket, other) in &named {
        assert!(
            other != node && shared(other) == bucket,
            "node {node} of {at}"
        );
    }
    let distinct: BTreeSet<_> = named.iter().collect();
    assert_eq!(distinct.len(), named.len(), "node {node} of {at}");
    for bucket in 0..64 {
        let of_bucket = end.entries.iter().filter(|(number, _)| *number == bucket);
        let replacements = end.replacements.iter();
        let kept = replacements.filter(|(number, _)| *number == bucket).count();
        assert!(of_bucket.count() <= live.base.k, "node {node} of {at}");
        assert!(
            kept <= usize::from(table.replacements),
            "node {node} of {at}"
        );
    }
}

/// Random rules of maintenance: entries that came and went are counted, and tables are within bounds.
#[test]
fn tables_obey_their_rules_whatever_traffic_does() {
    let mut sum = TickCounts::default();
    let mut answered = 0;
    for seed in 0..cases() / 2 {
        let case = any_case(70_000 + seed);
        let stream = &mut Stream::from_state(seed);
        let maintenance = any_maintenance(stream, case.nodes);
        let (_, mut live) = both(&case, Some(maintenance));
        live.rules.republish_us = pick(stream, &[None, Some(2_000_000)]);
        live.base.ttl_us = pick(stream, &[None, Some(3_000_000)]);
        // The first phase begins at the start, so that all changes have a phase.
        let (mut first, mut entries) = (0, None);
        for index in 0..KINDS.len() {
            let phases = phases_after(&case, stream, &live.base, &mut first, index);
            let before = entries.unwrap_or_else(|| live.entries());
            live.run(&phases);
            let after = live.entries();
            entries = Some(after);
            let at = format!("{case:?}, {:?}, {phases:?}", live.rules);
            let mut ticks = TickCounts::default();
            for tick in live.ticks.values() {
                ticks.add(tick);
            }
            let gone = (before + ticks.learned).saturating_sub(ticks.evicted + ticks.wiped);
            // Tables that full knowledge makes anew are learned from no one.
            if live.rules.aging.join != Join::Ideal && live.rules.aging.renewal_us.is_none() {
                assert_eq!(gone, after, "{at}");
            }
            let purposes = ticks.refresh + ticks.join + ticks.check + ticks.republish;
            assert_eq!(ticks.maintenance, purposes, "{at}");
            let last = live.ends.last().unwrap();
            for (node, end) in last.nodes.iter().enumerate() {
                assert_table(&live, node, end, &at);
            }
            sum.add(&ticks);
            let rows = live.base.operations.iter();
            answered += rows.map(|row| u64::from(row.succeeded)).sum::<u64>();
        }
    }
    let most = cases();
    let seen = (sum, answered);
    assert!(
        sum.learned > 30 * most && sum.evicted > 10 * most,
        "{seen:?}"
    );
    assert!(
        sum.wiped > 10 * most && sum.maintenance_failed > 30 * most,
        "{seen:?}"
    );
    assert!(sum.join > 30 * most && sum.check > 30 * most, "{seen:?}");
    assert!(
        sum.refresh > 30 * most && sum.republish > 3 * most,
        "{seen:?}"
    );
    assert!(answered > 10 * most, "{seen:?}");
}
