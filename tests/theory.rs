//! Closed forms that a network must meet.

use kadsim_engine::node::Row;
use kadsim_systems::Network;
use kadsim_systems::network::{NodeSet, Spec};

/// Bucket i has Bin(n - 1, 2^-(i+1)) candidates, of which it holds at most k = 20: the mean size of a table.
#[test]
fn tables_are_as_large_as_binomial_buckets() {
    for (nodes, expected) in [(1000, 130.9), (12_000, 202.8), (100_000, 263.9)] {
        let spec = Spec {
            nodes: NodeSet::Generated(nodes),
            seed: 7,
            ..Spec::default()
        };
        let mut network = Network::new(spec).unwrap();
        network.bootstrap();
        let entries: u64 = network.view_tables(|population, columns, _, tables| {
            (0..nodes)
                .map(|row| {
                    let table = columns.tables[row as usize];
                    u64::from(tables.size(&population, Row(row), table).0)
                })
                .sum()
        });
        let mean = entries as f64 / f64::from(nodes);
        assert!(
            (mean / expected - 1.0).abs() < 0.005,
            "{nodes} nodes: {mean} entries, {expected} expected"
        );
    }
}
