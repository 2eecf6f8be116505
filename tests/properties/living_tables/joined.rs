//! A thousand nodes that join one after the other.

use kadsim_engine::routing::{Aging, Freshness, Join, OnLeaving};
use kadsim_systems::maintenance::{JoinRefresh, Joining, Maintenance};
use kadsim_systems::rules::Stop;

use super::measured::{Measured, mean};
use super::{SECOND_US, lookups, network, seeds};
use crate::properties::reference::Node;
use crate::properties::reference::live::{LiveReference, LiveRules};
use crate::properties::reference::presence::Stay;

const NODES: u64 = 1000;
/// Time in which the number of nodes doubles, µs: so long that each node has joined when the next one comes.
const DOUBLING_US: u64 = 40_000 * SECOND_US;

/// Figures of a network that has grown by joins.
struct Joined {
    /// Entries, and their share of what full knowledge would give.
    entries: f64,
    share: f64,
    /// Contacts of a join.
    contacts: f64,
    /// Ascending.
    in_degrees: Vec<u32>,
    /// Mean of the first and of the last tenth.
    first: f64,
    last: f64,
    closest_answered: Measured,
    no_progress: Measured,
}

/// Lets a network grow by joins.
fn run(refresh: JoinRefresh, learn_named: bool, seed: u64) -> Joined {
    let stay = |_, _| vec![Stay::FOREVER];
    let base = network(seed, NODES, 20, Stop::ClosestAnswered, stay);
    let rules = LiveRules {
        maintenance: Some(Maintenance {
            learn_asker: true,
            learn_answerer: true,
            learn_named,
            joining: Joining {
                refresh,
                ..Joining::default()
            },
            ..Maintenance::default()
        }),
        aging: Aging {
            join: Join::Protocol,
            table: OnLeaving::Kept,
            renewal_us: None,
        },
        clients_known: true,
        republish_us: None,
        tick_us: SECOND_US,
        freshness_us: None,
    };
    let mut live = LiveReference::joined(base, rules, DOUBLING_US);
    live.join_all(0);
    let joins: u64 = live.ticks.values().map(|tick| tick.join).sum();
    let tables: Vec<_> = (0..NODES as Node)
        .map(|node| live.freshness(node))
        .collect();
    let sum = tables
        .iter()
        .copied()
        .fold(Freshness::default(), |sum, table| sum + table);
    let mut in_degrees = vec![0; NODES as usize];
    for (_, entry) in live.ends[0].nodes.iter().flat_map(|node| &node.entries) {
        in_degrees[entry.node] += 1;
    }
    let order = &live.joins.as_ref().unwrap().order;
    let mut in_degrees: Vec<u32> = order.iter().map(|&node| in_degrees[node]).collect();
    let tenth = NODES as usize / 10;
    let of = |degrees: &[u32]| mean(degrees.iter().map(|&degree| f64::from(degree)));
    let (first, last) = (of(&in_degrees[..tenth]), of(&in_degrees[9 * tenth..]));
    in_degrees.sort_unstable();
    // Lookups find tables as the joins have left them.
    live.rules.maintenance = None;
    let mut measure = |number, stop| {
        live.base.rules.stop = stop;
        let phase = lookups(&live.base, number, 4000, SECOND_US / 5);
        live.run(&[phase]);
        Measured::of_last_phase(&live)
    };
    Joined {
        entries: sum.entries as f64 / NODES as f64,
        share: sum.live as f64 / sum.ideal as f64,
        contacts: joins as f64 / (NODES - 1) as f64,
        in_degrees,
        first,
        last,
        no_progress: measure(1, Stop::NoProgress),
        closest_answered: measure(2, Stop::ClosestAnswered),
    }
}

fn print(name: &str, refresh: JoinRefresh, learn_named: bool, published: &str) {
    println!("{name}\n  published: {published}");
    for seed in seeds() {
        let joined = run(refresh, learn_named, seed);
        let quantile = |share: usize| joined.in_degrees[NODES as usize * share / 100];
        let max = joined.in_degrees.last().unwrap();
        println!(
            "  seed {seed}: entries {:.1} ({:.4}), contacts a join {:.1}, in-degree {} {} {} {} {max}, {:.0} / {:.1}, \
             closest-answered {:.4} {:.2}, no-progress {:.4} {:.2}",
            joined.entries,
            joined.share,
            joined.contacts,
            quantile(10),
            quantile(50),
            quantile(90),
            quantile(99),
            joined.first,
            joined.last,
            joined.closest_answered.recall,
            joined.closest_answered.attempts,
            joined.no_progress.recall,
            joined.no_progress.attempts,
        );
        assert!(joined.closest_answered.recall > 0.999, "{name}");
        assert!(joined.no_progress.recall > 0.99, "{name}");
    }
}

#[test]
#[ignore = "minutes"]
fn e1_nodes_look_up_their_own_key_and_all_farther_buckets() {
    let farther = JoinRefresh::Farther;
    print(
        "E1, sender only",
        farther,
        false,
        "130.8 (.9991), 226.2, in-degree 40.7 112 257 337 360, 297 / 34.9, closest-answered 1.0000 24.32, \
         no-progress .9977 8.24",
    );
    print(
        "E2, named too",
        farther,
        true,
        "130.8 (.9991), 221.6, in-degree 34 81 275 690 728, 498 / 31.9, closest-answered 1.0000 23.88, \
         no-progress .9983 7.69",
    );
}

#[test]
#[ignore = "minutes"]
fn e4_nodes_join_otherwise() {
    let published = [
        (JoinRefresh::Own, false, ".361, 25.6; 1.0000, .9973"),
        (JoinRefresh::Own, true, ".569, 24.7; 1.0000, .9987"),
        (JoinRefresh::Random(3), false, ".705, 97.8; 1.0000, .9985"),
        (JoinRefresh::Random(3), true, ".818, 95.0; 1.0000, .9987"),
    ];
    for (refresh, learn_named, figures) in published {
        let name = format!("E4, {refresh:?}, named {learn_named}");
        print(&name, refresh, learn_named, figures);
    }
}
