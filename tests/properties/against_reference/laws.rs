//! Laws of the engine's routing tables whatever traffic does to them: no entry comes or goes uncounted, and no table names
//! what it may not.

use std::collections::BTreeSet;

use kadsim_engine::node::Row;
use kadsim_engine::random::Stream;
use kadsim_engine::routing::{Join, OnLeaving};
use kadsim_systems::Network;
use kadsim_systems::network::Spec;

use super::case::{Case, pick};
use super::maintenance::any_maintenance;
use super::{cases, copy_nodes, events, live};
use crate::properties::reference::Reference;

/// Asserts the laws of every table, and returns the number of entries of all.
fn assert_tables(network: &mut Network, case: &Case, names_clients: bool) -> u64 {
    network.read(|nodes| {
        let (in_time, live) = (&nodes.in_time, nodes.in_time.live.unwrap());
        let mut all = 0;
        for owner in (0..nodes.columns.keys.len() as u32).map(Row) {
            let (key, tables) = (nodes.columns.keys[owner.index()], live.of(owner).unwrap());
            for bucket in 0..64 {
                let entries = tables.entries(owner, bucket);
                let at = || format!("bucket {bucket} of {owner:?}, {case:?}: {entries:?}");
                let named = entries.iter().map(|entry| entry.row());
                let named: Vec<Row> = named
                    .chain(tables.replacements(owner, bucket).iter().copied())
                    .collect();
                let distinct: BTreeSet<u32> = named.iter().map(|row| row.0).collect();
                assert!(distinct.len() == named.len(), "a node twice: {}", at());
                assert!(
                    entries.len() <= usize::from(case.k),
                    "more than k: {}",
                    at()
                );
                for &other in &named {
                    let of_other = nodes.columns.keys[other.index()];
                    let belongs = key.bucket_of(of_other).map(|bucket| bucket.index());
                    assert_eq!(belongs, Some(bucket), "of another range: {}", at());
                    let is_server = in_time.makeup.is_server(of_other);
                    assert!(is_server || names_clients, "a known client: {}", at());
                }
                // What was never heard stands where it was appended.
                let heard = entries.iter().map(|entry| entry.heard_s());
                let heard: Vec<u32> = heard.filter(|&second| second > 0).collect();
                assert!(heard.is_sorted(), "not in the order of hearing: {}", at());
                all += entries.len() as u64;
            }
        }
        all
    })
}

/// Draws an experiment, in most cases one in which only traffic changes tables, in half of them without clients in the tables
/// of the start. It has one phase, which begins at the start: what happens before the first phase is counted in none.
fn any_case(seed: u64) -> Case {
    let mut case = live::any_case(90_000 + seed);
    case.beside = 1;
    let life = case.life.as_mut().unwrap();
    if !seed.is_multiple_of(4) {
        life.aging.join = Join::Protocol;
        life.aging.renewal_us = None;
    }
    if !seed.is_multiple_of(2) {
        life.clients_in_tables = 0.0;
    }
    case
}

#[test]
fn entries_come_and_go_counted_and_tables_name_what_they_may() {
    let (mut learned, mut evicted, mut wiped, mut without_clients) = (0, 0, 0, 0);
    for seed in 0..cases() {
        let case = any_case(seed);
        let life = case.life.clone().unwrap();
        if !events::fits(&case) {
            continue;
        }
        let stream = &mut Stream::from_state(!seed);
        let maintenance = any_maintenance(stream, case.nodes);
        // Tables that full knowledge makes anew are learned from no one.
        let makes_anew =
            life.is_living() && (life.aging.join == Join::Ideal || life.aging.renewal_us.is_some());
        let names_clients = !maintenance.clients_known || life.clients_in_tables > 0.0;
        without_clients += u64::from(!names_clients);
        let is_wiped = life.is_living() && life.aging.table == OnLeaving::Lost;
        let mut network = case.network_of(|spec| Spec {
            maintenance: Some(maintenance),
            republish_us: pick(stream, &[None, Some(2_000_000)]),
            ..spec
        });
        let mut reference = Reference::new(
            case.seed,
            usize::from(case.k),
            case.rules,
            case.links.clone(),
            0,
        );
        reference.policy = case.policy;
        copy_nodes(&case, &mut network, &mut reference);
        let before = assert_tables(&mut network, &case, names_clients);
        let phases = live::phases_after(&case, stream, &reference, &mut 0, 0);
        let ticks = events::run(&mut network, &phases).ticks;
        let after = assert_tables(&mut network, &case, names_clients);
        let came = ticks.iter().map(|tick| tick.learned).sum::<u64>();
        let went = ticks.iter().map(|tick| tick.evicted).sum::<u64>();
        (learned, evicted) = (learned + came, evicted + went);
        if makes_anew {
            continue;
        }
        let at = format!("{case:?}, {phases:?}: {before} + {came} - {went}, {after}");
        let gone = (before + came).checked_sub(went + after).expect(&at);
        assert!(is_wiped || gone == 0, "{at}");
        wiped += gone;
    }
    let seen = (learned, evicted, wiped, without_clients);
    let most = cases();
    assert!(
        learned > 5 * most && evicted > most && wiped > most,
        "{seen:?}"
    );
    assert!(16 * without_clients > most, "{seen:?}");
}
