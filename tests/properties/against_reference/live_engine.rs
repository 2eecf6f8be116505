//! Networks whose tables traffic changes, against the reference simulator that handles one event at a time: every row, every
//! node, and every entry of every table.

use kadsim_engine::node::Row;
use kadsim_engine::operation::Ending;
use kadsim_engine::random::Stream;
use kadsim_engine::record::{ConnectionRow, Purpose, TickRow};
use kadsim_systems::Network;
use kadsim_systems::network::Spec;

use super::case::pick;
use super::maintenance::any_maintenance;
use super::{Kept, assert_rows, cases, events, live};
use crate::properties::reference::live::LiveReference;

/// A node's table: bucket, node, second last heard and failures of each entry; bucket and node of each replacement.
type Table = (Vec<(u32, u32, u64, u8)>, Vec<(u32, u32)>);

/// Returns the tables of the engine, by row.
fn tables(network: &mut Network) -> Vec<Table> {
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

#[test]
fn every_row_and_table_of_a_living_network_equals_the_reference() {
    let (mut operations, mut broken_off, mut entries) = (0, 0, 0);
    // A case takes a fifth of a second.
    let cases = cases() / 4;
    for seed in 0..cases {
        let case = live::any_case(80_000 + seed);
        if !events::fits(&case) {
            continue;
        }
        let stream = &mut Stream::from_state(seed);
        let mut maintenance = any_maintenance(stream, case.nodes);
        let (_, mut reference) = live::both(&case, Some(maintenance.clone()));
        maintenance.joining.retry_us = reference.timeout_us();
        let republish_us = pick(stream, &[None, Some(2_000_000)]);
        let ttl_us = pick(stream, &[None, Some(3_000_000)]);
        reference.rules.republish_us = republish_us;
        reference.base.ttl_us = ttl_us;
        let rules = maintenance.clone();
        let mut network = case.network_of(|spec| Spec {
            maintenance: Some(maintenance),
            republish_us,
            ttl_us,
            ..spec
        });
        if let Some(window_us) = pick(stream, &[None, None, Some(1), Some(3_333)]) {
            network.set_window_us(window_us);
        }
        let mut first = 0;
        for index in 0..live::KINDS.len() {
            let phases = live::phases_after(&case, stream, &reference.base, &mut first, index);
            reference.run(&phases);
            let found = events::run(&mut network, &phases);
            let at = format!("{case:?}, {rules:?}, {republish_us:?}, {ttl_us:?}, {phases:?}");
            assert_rows(&found.operations, &reference.base.operations, &at);
            assert_rows(&found.results, &reference.base.results, &at);
            assert_rows(&tables(&mut network), &expected_tables(&reference), &at);
            if case.connections {
                assert_connections(&found, &reference.base.connections, &at);
            }
            for ((number, end_us, _, nodes), expected) in found.ends.iter().zip(&reference.ends) {
                assert_eq!(
                    (*number, *end_us),
                    (expected.end.number, expected.end.end_us),
                    "{at}"
                );
                let segments: Vec<u32> = nodes.iter().map(|node| node.segments).collect();
                let records: Vec<u32> = expected.nodes.iter().map(|node| node.records).collect();
                assert_rows(&segments, &records, &at);
            }
            let rows = found.operations.iter();
            operations += rows.len();
            broken_off += rows.filter(|row| row.ending == Ending::OriginLeft).count();
            entries += tables(&mut network)
                .iter()
                .map(|(entries, _)| entries.len())
                .sum::<usize>();
        }
    }
    let seen = (operations, broken_off, entries);
    let most = cases as usize;
    assert!(
        operations > 20 * most && broken_off > most / 2 && entries > 100 * most,
        "{seen:?}"
    );
}
