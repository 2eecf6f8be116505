//! Closed forms and exact references that a network must meet.

mod oracle;

use kadsim_engine::layout::LayoutKind;
use kadsim_engine::node::Row;
use kadsim_engine::routing::Policy;
use kadsim_systems::Network;
use kadsim_systems::network::{NodeSet, Spec};

/// Bucket i has Bin(n - 1, 2^-(i+1)) candidates, of which it holds at most k = 20: the mean size of a table,
/// counted entry by entry, whatever lays it out.
#[test]
fn tables_are_as_large_as_binomial_buckets() {
    let networks = [(1000, 1, 130.9), (12_000, 1, 202.8), (100_000, 7, 263.9)];
    for (nodes, every, expected) in networks {
        for layout in LayoutKind::ALL {
            for policy in [Policy::Closest, Policy::Random] {
                let mean = mean_entries(nodes, every, layout, policy);
                assert!(
                    (mean / expected - 1.0).abs() < 0.005,
                    "{nodes} nodes, {layout:?}, {policy:?}: {mean} entries, {expected} expected"
                );
            }
        }
    }
}

/// Mean size of the tables of every so many-th node.
fn mean_entries(nodes: u32, every: usize, layout: LayoutKind, policy: Policy) -> f64 {
    let spec = Spec {
        nodes: NodeSet::Generated(nodes),
        seed: 7,
        layout,
        policy,
        ..Spec::default()
    };
    let mut network = Network::new(spec).unwrap();
    network.bootstrap();
    network.view_tables(|population, columns, _, tables| {
        let (mut rows, mut total, mut owners) = (Vec::new(), 0, 0);
        for owner in (0..nodes).step_by(every).map(Row) {
            let table = columns.tables[owner.index()];
            let (mut entries, mut buckets) = (0, 0);
            tables.for_each_bucket(&population, owner, table, &mut rows, |_, rows| {
                entries += rows.len();
                buckets += 1;
            });
            // What is said of a table without reading it is what is in it.
            let size = tables.size(&population, owner, table);
            assert_eq!((entries as u32, buckets), size, "{layout:?} {owner:?}");
            total += entries;
            owners += 1;
        }
        total as f64 / f64::from(owners)
    })
}
