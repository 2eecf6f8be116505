//! A file and a seed have one result, whatever the threads, the layout, the length of a tick and other networks in the
//! process.

use std::collections::HashMap;
use std::fs;

use crate::support::{Dir, MIXED, Table};
use kadsim::systems::network::{NodeSet, Spec};
use kadsim_engine::key::Key;
use kadsim_engine::link::{Delay, Fault, UniformLink};
use kadsim_engine::node::Row;
use kadsim_engine::random::Probability;
use kadsim_engine::routing::layout::LayoutKind;
use kadsim_systems::Network;

/// Settings under which steps of the mixed experiment hold many operations: two networks, overhead, a limit on operations
/// in flight. The last phase is cut off.
const LARGE: [&str; 11] = [
    "networks=2",
    "network.nodes=1500",
    "link.overhead_ms=0.5",
    "phase.putting.count=300",
    "phase.looking.count=500",
    "phase.getting.origin={ sample = 30 }",
    "phase.getting.count_each=20",
    "phase.getting.parallel=4",
    "phase.getting.reset_overhead=false",
    "phase.getting.deadline_ms=4000",
    "phase.getting.max_ms=800",
];

const TABLES: [&str; 5] = ["ticks", "operations", "nodes", "connections", "routing"];

/// The digest of each table and the text of the summary.
type Contents = HashMap<&'static str, String>;

/// Runs the mixed experiment with [`LARGE`] and more arguments.
fn contents(dir: &Dir, out: &str, args: &[&str]) -> Contents {
    let large = LARGE.map(|set| ["--set", set]).concat();
    contents_of(dir, "mixed", out, &[&large[..], args].concat(), 1)
}

/// Runs an experiment, which ends with `status`, and returns its contents.
fn contents_of(dir: &Dir, name: &str, out: &str, args: &[&str], status: i32) -> Contents {
    let file = format!("{name}.toml");
    dir.kadsim(&[&["run", &file, "--quiet", "--out", out], args].concat())
        .ends(status);
    let table = |table| (table, format!("{out}/{name}/{table}.parquet"));
    let mut contents: Contents = TABLES
        .into_iter()
        .map(table)
        .filter(|(_, path)| dir.path(path).exists())
        .map(|(table, path)| (table, dir.digest(&path)))
        .collect();
    contents.insert(
        "summary",
        fs::read_to_string(dir.path(&format!("{out}/{name}/summary.json"))).unwrap(),
    );
    contents
}

fn without(mut contents: Contents, parts: &[&str]) -> Contents {
    contents.retain(|part, _| !parts.contains(part));
    contents
}

/// Returns every layout with a number of threads: 1, 2 or 8.
fn layouts_by_threads() -> impl Iterator<Item = (LayoutKind, &'static str)> {
    LayoutKind::ALL
        .into_iter()
        .zip(["2", "8", "1", "8"].into_iter().cycle())
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
    for (layout, threads) in layouts_by_threads() {
        let layout = format!("engine.layout={layout}");
        let again = run(&["--threads", threads, "--set", &layout]);
        assert_eq!(first, again, "{threads} threads, {layout}");
    }
    let first = without(first, &["ticks"]);
    for tick in ["clock.tick_ms=1", "clock.tick_ms=10000"] {
        assert_eq!(first, without(run(&["--set", tick]), &["ticks"]), "{tick}");
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
fn rfm19_with_random_buckets() {
    all_the_same(&["lookup.procedure=rfm19", "network.bootstrap=random"]);
}

/// Settings under which some nodes are offline, and the table of nodes has in-degrees.
const ABSENT: [&str; 3] = [
    "network.offline=0.3",
    "link.timeout_ms=250",
    "output.in_degree=true",
];

#[test]
fn iterative_with_nodes_that_are_offline() {
    all_the_same(&ABSENT);
}

#[test]
fn py_dht_with_nodes_that_are_offline() {
    all_the_same(&[&ABSENT[..], &["lookup.procedure=py-dht"]].concat());
}

/// Settings under which the three phases of the mixed experiment run at the same time.
const AT_ONCE: [&str; 2] = ["phase.looking.start_ms=700.5", "phase.getting.start_ms=400"];

#[test]
fn iterative_with_phases_that_overlap() {
    all_the_same(&AT_ONCE);
}

/// A result is half of the network, so many origins store at themselves.
#[test]
fn iterative_with_phases_that_overlap_among_few_nodes() {
    all_the_same(&[&AT_ONCE[..], &["network.nodes=40"]].concat());
}

#[test]
fn rfm19_with_phases_that_overlap_among_few_nodes() {
    let settings = ["network.nodes=40", "lookup.procedure=rfm19"];
    all_the_same(&[&AT_ONCE[..], &settings].concat());
}

#[test]
fn py_dht_with_phases_that_overlap() {
    all_the_same(&[&AT_ONCE[..], &["lookup.procedure=py-dht"]].concat());
}

/// An experiment without overhead, whose operations share nothing and run whole, thousands interleaved, some under a
/// limit. With the table of connections the same operations run window by window.
const FREE: &str = r#"schema = 1
name = "free"
seed = 5
network.nodes = 1500
network.bucket_size = 8
[link]
delay_ms = { uniform = [50, 75] }
fast_error = { rate = 0.1, delay_ms = { uniform = [50, 100] } }
slow_error = { rate = 0.05, delay_ms = { choice = [500, 900] } }
[[phase]]
name = "looking"
kind = "lookup"
count = 5000
[[phase]]
name = "putting"
kind = "provide"
origin = { sample = 40 }
count_each = 25
parallel = 2
[[phase]]
name = "getting"
kind = "retrieve"
origin = { sample = 60 }
count_each = 40
segments = "putting"
parallel = 3
[output]
results = true
"#;

/// All that makes a network live, at once: regions, jitter, dials, churn by class, events, clients, tables made anew, phases
/// by rate that overlap, records lost.
const LIVING: &str = r#"schema = 1
name = "living"
seed = 8
networks = 2
[network]
nodes = 500
bucket_size = 8
offline = 0.1
[lookup]
answer = 5
[link]
delay_ms = { regions = "world-2018" }
jitter_ms = 3
round_trips = 2
timeout_ms = 2500
fast_error = { rate = 0.05, delay_ms = { uniform = [50, 100] } }
[reachability]
clients = 0.2
clients_in_tables = 0.1
[churn]
session = { weibull = { shape = 0.5, scale_ms = 60_000 } }
absence = { exponential = { mean_ms = 90_000 } }
records = "lost"
[[churn.class]]
share = 0.3
session = { lognormal = { median_ms = 20_000, sigma = 1.2 } }
absence = { exponential = { mean_ms = 20_000 } }
[[churn.event]]
at_ms = 30_000
leave = 0.2
for_ms = 40_000
[[churn.event]]
at_ms = 50_000
leave = { region = "EU" }
[maintenance]
rules = "ideal"
refresh_ms = 25_000
[[phase]]
name = "putting"
kind = "provide"
count = 400
spread_ms = 20_000
[[phase]]
name = "resting"
kind = "idle"
duration_ms = 5_000
start_ms = 20_000
[[phase]]
name = "looking"
kind = "lookup"
rate_per_s = 40
duration_ms = 60_000
keys = "online"
start_ms = 22_000
[[phase]]
name = "getting"
kind = "retrieve"
origin = { sample = 60 }
count_each = 20
segments = "putting"
start_ms = 40_000
[output]
tables = ["ticks", "operations", "nodes", "connections", "routing"]
results = true
in_degree = true
"#;

#[test]
fn a_living_network_with_everything() {
    let dir = Dir::new();
    for settings in [
        &[][..],
        &["network.bootstrap=random", "lookup.stop=closest-answered"],
        &[
            "lookup.procedure=rfm19",
            "churn.join=none",
            "churn.table=lost",
        ],
        &["lookup.procedure=py-dht"],
    ] {
        dir.write("living.toml", LIVING);
        let settings: Vec<&str> = settings.iter().flat_map(|&set| ["--set", set]).collect();
        let mut runs = 0;
        let mut run = |more: &[&str]| {
            runs += 1;
            let args = [&settings[..], more, &["--force"]].concat();
            contents_of(&dir, "living", &format!("run{runs}"), &args, 0)
        };
        let first = run(&["--threads", "1"]);
        assert_eq!(first.len(), 1 + TABLES.len());
        for layout in LayoutKind::ALL {
            let layout = format!("engine.layout={layout}");
            for threads in ["2", "8"] {
                let again = run(&["--threads", threads, "--set", &layout]);
                assert_eq!(first, again, "{threads} threads, {layout}");
            }
        }
        // The summary has means over ticks.
        let rest = |contents| without(contents, &["ticks", "summary"]);
        let first = rest(first);
        for tick in ["clock.tick_ms=1", "clock.tick_ms=10000"] {
            assert_eq!(first, rest(run(&["--set", tick])), "{tick}");
        }
    }
}

#[test]
fn a_network_whose_tables_live() {
    let dir = Dir::new();
    dir.write("living.toml", LIVING);
    for rules in ["kademlia", "libp2p", "discv5"] {
        let rules = format!("maintenance.rules={rules}");
        let settings = ["--set", &rules, "--force"];
        let contents = |threads: &str| {
            let args = [&settings[..], &["--threads", threads]].concat();
            contents_of(&dir, "living", &format!("run{threads}"), &args, 0)
        };
        let first = contents("1");
        for threads in ["2", "3", "8"] {
            assert_eq!(first, contents(threads), "{threads} threads, {rules}");
        }
    }
}

#[test]
fn a_network_that_has_come_to_be_by_joins() {
    let dir = Dir::new();
    dir.write("living.toml", LIVING);
    for rules in ["kademlia", "discv5"] {
        let rules = format!("maintenance.rules={rules}");
        let settings = [
            &rules,
            "networks=1",
            "network.nodes=200",
            "network.bootstrap=joined",
            "network.doubling_ms=2_000",
            "reachability.clients_in_tables=0",
        ];
        let settings = settings.map(|set| ["--set", set]).concat();
        let contents = |threads: &str, more: &[&str]| {
            let threads = ["--threads", threads, "--force"];
            let args = [&settings[..], &threads, more].concat();
            contents_of(&dir, "living", "run", &args, 0)
        };
        let first = contents("1", &[]);
        for threads in ["2", "3", "8"] {
            assert_eq!(first, contents(threads, &[]), "{threads} threads, {rules}");
        }
        let rest = |contents| without(contents, &["ticks", "summary"]);
        let tick = contents("2", &["--set", "clock.tick_ms=100"]);
        assert_eq!(rest(first), rest(tick), "{rules}");
    }
}

#[test]
fn operations_as_events_change_no_content() {
    let dir = Dir::new();
    dir.write("living.toml", LIVING);
    for threads in ["1", "2", "8"] {
        let settings = ["--force", "--threads", threads];
        let contents = |events: &str| {
            let events = format!("engine.events={events}");
            let args = [&settings[..], &["--set", &events]].concat();
            contents_of(&dir, "living", "run", &args, 0)
        };
        assert_eq!(contents("false"), contents("true"), "{threads} threads");
    }
}

fn all_the_same_without_overhead(procedure: &str, spread_ms: u32) {
    all_the_same_without_overhead_with(procedure, spread_ms, &[]);
}

fn all_the_same_without_overhead_with(procedure: &str, spread_ms: u32, settings: &[&str]) {
    let dir = Dir::new();
    let with_connections = r#"tables = ["ticks", "operations", "nodes", "connections"]"#;
    let with_spread = format!("[[phase]]\nspread_ms = {spread_ms}");
    let file = FREE.replace("[[phase]]", &with_spread);
    let mut firsts = Vec::new();
    for is_recorded in [false, true] {
        let more = if is_recorded { with_connections } else { "" };
        dir.write("free.toml", file.clone() + more);
        let mut runs = 0;
        let mut run = |threads: &str, layout: LayoutKind, tick_ms: &str| {
            runs += 1;
            let out = format!("{is_recorded}{runs}");
            let sets = [
                format!("lookup.procedure={procedure}"),
                format!("engine.layout={layout}"),
                format!("clock.tick_ms={tick_ms}"),
            ];
            let mut args = vec!["--threads", threads];
            let sets = sets
                .iter()
                .map(String::as_str)
                .chain(settings.iter().copied());
            sets.for_each(|set| args.extend(["--set", set]));
            contents_of(&dir, "free", &out, &args, 0)
        };
        let first = run("1", LayoutKind::Packed, "50");
        assert_eq!(first.contains_key("connections"), is_recorded);
        for (layout, threads) in layouts_by_threads() {
            assert_eq!(
                first,
                run(threads, layout, "50"),
                "{threads} threads, {layout}"
            );
        }
        let rest = without(first.clone(), &["ticks"]);
        let ticks_ms = ["1", "1", "10000", "10000"].into_iter().cycle();
        for ((layout, threads), tick_ms) in layouts_by_threads().zip(ticks_ms) {
            assert_eq!(
                rest,
                without(run(threads, layout, tick_ms), &["ticks"]),
                "{threads} threads, {layout}, tick of {tick_ms} ms"
            );
        }
        firsts.push(without(first, &["connections"]));
    }
    assert_eq!(
        firsts[0], firsts[1],
        "recording connections changes nothing else"
    );
}

#[test]
fn iterative_without_overhead_all_at_once() {
    all_the_same_without_overhead("iterative", 0);
}

#[test]
fn iterative_without_overhead_one_after_the_other() {
    all_the_same_without_overhead("iterative", 700);
}

#[test]
fn without_overhead_with_phases_that_overlap() {
    let starts = ["phase.putting.start_ms=80", "phase.getting.start_ms=900"];
    for procedure in ["iterative", "py-dht"] {
        for spread_ms in [0, 700] {
            all_the_same_without_overhead_with(procedure, spread_ms, &starts);
        }
    }
}

/// A result is a large part of the network, so many origins store at themselves.
#[test]
fn without_overhead_with_phases_that_overlap_among_few_nodes() {
    let starts = ["phase.putting.start_ms=80", "phase.getting.start_ms=100"];
    for procedure in ["iterative", "rfm19"] {
        let settings = [
            &starts[..],
            &["network.nodes=70", "phase.looking.count=500"],
        ]
        .concat();
        all_the_same_without_overhead_with(procedure, 700, &settings);
    }
}

#[test]
fn without_overhead_with_nodes_that_are_offline() {
    all_the_same_without_overhead_with("iterative", 700, &ABSENT);
}

#[test]
fn py_dht_without_overhead_all_at_once() {
    all_the_same_without_overhead("py-dht", 0);
}

#[test]
fn py_dht_without_overhead_one_after_the_other() {
    all_the_same_without_overhead("py-dht", 700);
}

#[test]
fn nothing_is_lost() {
    let at_once = AT_ONCE.map(|set| ["--set", set]).concat();
    for settings in [
        &[][..],
        &["--set", "lookup.procedure=py-dht"],
        &["--set", "lookup.procedure=rfm19"],
        &at_once,
    ] {
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
    let mut cut: HashMap<(u32, String), f64> = HashMap::new();
    let of_operations = operations
        .values("network")
        .into_iter()
        .zip(operations.words("phase"))
        .zip(operations.numbers("end_ms"));
    for ((network, phase), end_ms) in of_operations {
        *cut.entry((network as u32, phase)).or_default() += f64::from(u8::from(end_ms.is_none()));
    }
    assert!(cut.values().any(|&operations| operations > 0.0));
    let mut running = HashMap::new();
    for i in 0..ticks.rows() {
        let phase = (networks[i] as u32, phases[i].clone());
        let is_last =
            (i + 1..ticks.rows()).all(|j| (networks[j] as u32, &phases[j]) != (phase.0, &phase.1));
        let sum: &mut f64 = running.entry(phase.clone()).or_default();
        *sum += started[i] - finished[i];
        // Operations are cut off in the last tick and are not in flight at its end.
        let cut = if is_last { cut[&phase] } else { 0.0 };
        assert_eq!(*sum - cut, active[i], "{phase:?}, row {i}");
        assert!(!is_last || active[i] == 0.0, "{phase:?}, row {i}");
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

/// Runs one operation of each kind. Returns their results and the time after them.
fn one_of_each(network: &mut Network, i: u32) -> (Vec<Row>, Vec<Row>, Vec<Row>, u64) {
    let key = Key(u64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let looked = network.lookup(Row(i), key);
    let provided = network.provide(Row(i + 1), key);
    let retrieved = network.retrieve(Row(i + 2), key);
    (looked, provided, retrieved, network.now_us())
}

#[test]
fn two_networks_side_by_side_do_not_affect_each_other() {
    let alone = |seed| {
        let mut network = network(seed);
        (0..50)
            .map(|i| one_of_each(&mut network, i))
            .collect::<Vec<_>>()
    };
    let (first, second) = (alone(1), alone(2));
    assert_ne!(first, second);
    let (mut left, mut right) = (network(1), network(2));
    for i in 0..50 {
        assert_eq!(one_of_each(&mut left, i), first[i as usize]);
        assert_eq!(one_of_each(&mut right, i), second[i as usize]);
    }
}
