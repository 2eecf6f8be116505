//! Delays by region, jitter, round trips, clients, and how many entries an answer names.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::Dir;

const WORLD: &str = r#"schema = 1
name = "world"
seed = 5
network.nodes = 2000
lookup.stop = "closest-answered"
lookup.answer = 8
[link]
delay_ms = { regions = "world-2018", weights = { EU = 0.6, NAE = 0.4 } }
jitter_ms = 2
round_trips = 2
[reachability]
clients = { EU = 0.5 }
[[phase]]
name = "looking"
kind = "lookup"
count = 400
[output]
tables = ["operations", "nodes", "connections"]
"#;

#[test]
fn contacts_take_the_time_of_their_pair_and_clients_are_not_asked() {
    let dir = Dir::new();
    dir.write("world.toml", WORLD);
    dir.kadsim(&["run", "world.toml", "--threads", "2"]).ends(0);
    let connections = dir.table("out/world/connections.parquet");
    let base = connections.values("base_delay_ms");
    let total = connections.values("total_delay_ms");
    let ids = |column| connections.values(column).into_iter().map(|id| id as i64);
    let (from, to): (Vec<i64>, Vec<i64>) = (ids("from").collect(), ids("to").collect());
    let mut pairs: BTreeMap<(i64, i64), BTreeSet<u64>> = BTreeMap::new();
    let mut jitter_ms = 0.0;
    for contact in 0..base.len() {
        let (one, other) = (from[contact], to[contact]);
        let delays = pairs.entry((one.min(other), one.max(other))).or_default();
        delays.insert((1e3 * base[contact]).round() as u64);
        // Two round trips are four messages, each with a jitter of its own.
        let added = total[contact] - 4.0 * base[contact];
        assert!(added > 0.0 && base[contact] >= 1.0, "{added}");
        jitter_ms += added / 4.0 / base.len() as f64;
    }
    assert!(pairs.values().all(|delays| delays.len() == 1));
    assert!(pairs.len() < base.len(), "some pairs meet twice");
    // The mean of four draws for each of some ten thousand contacts has a standard error of 1 %.
    assert!(
        base.len() > 5000 && (jitter_ms - 2.0).abs() < 0.08,
        "{jitter_ms}"
    );
    // Without clients in tables, the 30 % of the nodes that are clients are never asked, and no contact fails.
    assert!(connections.words("outcome").iter().all(|word| word == "ok"));
    let asked: BTreeSet<i64> = to.into_iter().collect();
    let starters: BTreeSet<i64> = from.into_iter().collect();
    assert!(asked.len() < 1480, "{} of 2000 are asked", asked.len());
    assert!(
        starters.difference(&asked).count() > 60,
        "clients start operations"
    );
}
