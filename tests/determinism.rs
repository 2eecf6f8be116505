//! One file and seed, one result: whatever the threads, the layout, the length of a tick or the neighbours.

#[allow(dead_code)]
#[path = "cli/support.rs"]
mod support;

use std::collections::HashMap;
use std::fs;

use kadsim::systems::network::{NodeSet, Spec};
use kadsim_engine::key::Key;
use kadsim_engine::link::{Delay, Fault, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::random::Probability;
use kadsim_systems::Network;
use support::{Dir, Table};

/// Errors of both kinds, overhead, all tables, several phases with a limit on what is in flight.
const MIXED: &str = r#"schema = 1
name = "mixed"
seed = 11
networks = 2
network.nodes = 1500
network.bucket_size = 8
[link]
delay_ms = { uniform = [50, 75] }
fast_error = { rate = 0.1, delay_ms = { uniform = [50, 100] } }
slow_error = { rate = 0.05, delay_ms = { choice = [500, 900] } }
overhead_ms = 0.5
[[phase]]
name = "putting"
kind = "provide"
count = 300
spread_ms = 2000
[[phase]]
name = "looking"
kind = "lookup"
count = 500
keys = "nodes"
[[phase]]
name = "getting"
kind = "retrieve"
origin = { sample = 30 }
count_each = 20
segments = "putting"
parallel = 4
reset_overhead = false
deadline_ms = 4000
max_ms = 800
[output]
tables = ["ticks", "operations", "nodes", "connections", "routing"]
results = true
"#;

const TABLES: [&str; 5] = ["ticks", "operations", "nodes", "connections", "routing"];

/// The digest of each table and the text of the summary.
fn contents(dir: &Dir, out: &str, args: &[&str]) -> HashMap<&'static str, String> {
    let answer = dir.kadsim(&[&["run", "mixed.toml", "--quiet", "--out", out], args].concat());
    // The last phase is cut off.
    assert_eq!(answer.status, Some(1), "{}", answer.stderr);
    let mut contents: HashMap<_, _> = TABLES
        .iter()
        .map(|&table| (table, dir.digest(&format!("{out}/mixed/{table}.parquet"))))
        .collect();
    contents.insert(
        "summary",
        fs::read_to_string(dir.path(&format!("{out}/mixed/summary.json"))).unwrap(),
    );
    contents
}

fn all_the_same(settings: &[&str]) {
    let dir = Dir::new();
    dir.write("mixed.toml", MIXED);
    let settings: Vec<&str> = settings.iter().flat_map(|&set| ["--set", set]).collect();
    let mut runs = 0;
    let mut run = |more: &[&str]| {
        runs += 1;
        contents(&dir, &format!("run{runs}"), &[&settings[..], more].concat())
    };
    let first = run(&["--threads", "1"]);
    assert_eq!(
        first,
        run(&["--threads", "2", "--set", "engine.layout=dense"])
    );
    assert_eq!(first, run(&["--threads", "8"]));
    assert_eq!(
        first,
        run(&["--threads", "8", "--set", "engine.layout=implicit"])
    );
    assert_eq!(
        first,
        run(&["--threads", "1", "--set", "engine.layout=dense"])
    );
    let without_ticks = |mut contents: HashMap<&'static str, String>| {
        contents.remove("ticks");
        contents
    };
    let first = without_ticks(first);
    for tick in ["clock.tick_ms=1", "clock.tick_ms=10000"] {
        assert_eq!(first, without_ticks(run(&["--set", tick])), "{tick}");
    }
    let other = run(&["--seed", "12"]);
    assert!(first.keys().all(|part| first[part] != other[part]));
}

#[test]
fn iterative_with_closest_buckets() {
    all_the_same(&[]);
}

#[test]
fn iterative_with_random_buckets() {
    all_the_same(&["network.bootstrap=random", "lookup.stop=closest-answered"]);
}

#[test]
fn py_dht_with_closest_buckets() {
    all_the_same(&["lookup.procedure=py-dht"]);
}

#[test]
fn py_dht_with_random_buckets() {
    all_the_same(&["lookup.procedure=py-dht", "network.bootstrap=random"]);
}

#[test]
fn nothing_is_lost() {
    for settings in [&[][..], &["--set", "lookup.procedure=py-dht"][..]] {
        for tick in ["clock.tick_ms=1", "clock.tick_ms=50", "clock.tick_ms=10000"] {
            let dir = Dir::new();
            dir.write("mixed.toml", MIXED);
            let args = [settings, &["--set", tick]].concat();
            contents(&dir, "out", &args);
            let table = |name: &str| dir.table(&format!("out/mixed/{name}.parquet"));
            conserved(
                &table("ticks"),
                &table("operations"),
                &table("nodes"),
                &table("connections"),
            );
        }
    }
}

fn conserved(ticks: &Table, operations: &Table, nodes: &Table, connections: &Table) {
    let [started, finished, active] =
        ["started", "finished", "active"].map(|name| ticks.values(name));
    let (networks, phases) = (ticks.values("network"), ticks.words("phase"));
    let mut running = HashMap::new();
    for i in 0..ticks.rows() {
        let sum: &mut f64 = running.entry((networks[i] as u32, &phases[i])).or_default();
        *sum += started[i] - finished[i];
        assert_eq!(
            *sum, active[i],
            "network {}, {}, row {i}",
            networks[i], phases[i]
        );
    }
    let outcomes = ["ok", "fast_error", "slow_error", "not_found"].map(|name| ticks.values(name));
    let sent = ticks.values("connections");
    (0..ticks.rows()).for_each(|i| {
        assert_eq!(
            sent[i],
            outcomes.iter().map(|outcome| outcome[i]).sum::<f64>()
        )
    });
    assert_eq!(ticks.sum("connections"), connections.rows() as f64);
    assert_eq!(nodes.sum("contacts"), connections.rows() as f64);
    let found = connections.words("outcome");
    for outcome in ["ok", "fast_error", "slow_error", "not_found"] {
        let count = found.iter().filter(|word| *word == outcome).count();
        assert_eq!(ticks.sum(outcome), count as f64, "{outcome}");
    }
    let [attempts, completed, succeeded, failed, abandoned] =
        ["attempts", "completed", "succeeded", "failed", "abandoned"]
            .map(|name| operations.values(name));
    for i in 0..operations.rows() {
        assert_eq!(
            attempts[i],
            completed[i] + abandoned[i],
            "operation in row {i}"
        );
        assert_eq!(
            completed[i],
            succeeded[i] + failed[i],
            "operation in row {i}"
        );
    }
    let lookups = connections
        .words("request")
        .iter()
        .filter(|request| *request == "lookup")
        .count();
    assert_eq!(operations.sum("attempts"), lookups as f64);
}

fn network(seed: u64) -> Network {
    let fault = Fault {
        probability: Probability::new(0.1),
        delay: Delay::Constant(60_000),
    };
    let link = UniformLink {
        delay: Delay::Uniform {
            low: 50_000,
            high: 75_000,
        },
        fast_error: Some(fault),
        ..UniformLink::default()
    };
    let spec = Spec {
        nodes: NodeSet::Generated(500),
        seed,
        link: Box::new(link),
        overhead_us: 100,
        ..Spec::default()
    };
    let mut network = Network::new(spec).unwrap();
    network.bootstrap();
    network
}

/// One operation of each kind, and the time after them.
fn turn(network: &mut Network, i: u32) -> (Vec<Row>, Vec<Row>, Vec<Row>, u64) {
    let key = Key(u64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let looked = network.lookup(Row(i), key);
    let provided = network.provide(Row(i + 1), key);
    let retrieved = network.retrieve(Row(i + 2), key);
    (looked, provided, retrieved, network.now_us())
}

#[test]
fn two_networks_side_by_side_do_not_touch_each_other() {
    let alone = |seed| {
        let mut network = network(seed);
        (0..50).map(|i| turn(&mut network, i)).collect::<Vec<_>>()
    };
    let (first, second) = (alone(1), alone(2));
    assert_ne!(first, second);
    let (mut left, mut right) = (network(1), network(2));
    for i in 0..50 {
        assert_eq!(turn(&mut left, i), first[i as usize]);
        assert_eq!(turn(&mut right, i), second[i as usize]);
    }
}
