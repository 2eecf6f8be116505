//! Closed forms and exact references.
//!
//! The probabilities of data availability sampling are hypergeometric. A sampler draws S of N² cells without
//! repetition. A false positive draws none of the withheld cells, of which there are at least (N - K + 1)². A false
//! negative draws one of M cells that are missing from an available block.

mod oracle;

use kadsim_engine::node::Row;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_engine::routing::{Policy, Size};
use kadsim_systems::Network;
use kadsim_systems::network::read::NodesView;
use kadsim_systems::network::{NodeSet, Spec};

/// Bucket i has Bin(n - 1, 2^-(i+1)) candidates, of which it holds at most k = 20. The mean size of a table follows, in
/// every layout.
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

/// Returns the mean size of the tables of every `every`-th node, counted entry by entry.
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
    network.read(
        |NodesView {
             population,
             columns,
             tables,
             ..
         }| {
            let (mut rows, mut total, mut owners) = (Vec::new(), 0, 0);
            for owner in (0..nodes).step_by(every).map(Row) {
                let table = columns.tables[owner.index()];
                let mut counted = Size::default();
                tables.for_each_bucket(&population, owner, table, &mut rows, |_, rows| {
                    counted.entries += rows.len() as u32;
                    counted.buckets += 1;
                });
                // `size` does not read the entries that were counted here.
                let size = tables.size(&population, owner, table);
                assert_eq!(counted, size, "{layout:?} {owner:?}");
                total += u64::from(size.entries);
                owners += 1;
            }
            total as f64 / f64::from(owners)
        },
    )
}

/// Returns the probability that exactly `hits` of `drawn` items are `marked`, of `all` items.
fn hypergeometric(hits: u32, all: u32, marked: u32, drawn: u32) -> f64 {
    let choose = |n: u32, k: u32| -> f64 {
        let factors = (0..k).map(|i| f64::from(n - i) / f64::from(k - i));
        factors.map(f64::ln).sum()
    };
    (choose(marked, hits) + choose(all - marked, drawn - hits) - choose(all, drawn)).exp()
}

/// Returns the probability that a sampler of `samples` cells draws at most `losses` withheld ones from a block that
/// cannot be rebuilt.
fn false_positive(losses: u32, samples: u32) -> f64 {
    const CELLS: u32 = 512 * 512;
    const WITHHELD: u32 = (512 - 256 + 1) * (512 - 256 + 1);
    (0..=losses)
        .map(|lost| hypergeometric(lost, CELLS, WITHHELD, samples))
        .sum()
}

/// The figures published for data availability sampling.
#[test]
fn samplers_err_as_often_as_is_published() {
    let near = |value: f64, published: f64, digits: f64| {
        assert!((value - published).abs() <= digits, "{value}, {published}");
    };
    near(false_positive(0, 73), 6.24e-10, 0.005e-10);
    // The fewest samples that keep false positives below 1e-9.
    for (losses, samples) in [(1, 83), (3, 102)] {
        assert!(false_positive(losses, samples) < 1e-9);
        assert!(false_positive(losses, samples - 1) > 1e-9);
    }
    let false_negative = |missing| 1.0 - hypergeometric(0, 512 * 512, missing, 73);
    near(false_negative(1), 0.000_278, 0.000_000_5);
    near(false_negative(2621), 0.519_85, 0.000_005);
    // PeerDAS: 8 of 128 columns, of which 63 are there.
    near(hypergeometric(0, 128, 65, 8), 2.709e-3, 0.000_5e-3);
}
