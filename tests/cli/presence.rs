//! Nodes that are offline, operations that nodes start, in-degrees, and the clock of deadlines.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, UInt64Type};
use serde_json::Value;

use crate::support::{Dir, Table};

/// 300 nodes of which 90 are offline, in two networks, with every table.
const ABSENT: &str = r#"schema = 1
name = "absent"
seed = 3
networks = 2
network.nodes = 300
network.offline = 0.3
network.bucket_size = 8
lookup.beta = 8
link.delay_ms = 50
link.timeout_ms = 700
[[phase]]
name = "putting"
kind = "provide"
count = 60
[[phase]]
name = "getting"
kind = "retrieve"
origin = "each"
count_each = 2
segments = "putting"
deadline_ms = 1000
[[phase]]
name = "looking"
kind = "lookup"
origin = { sample = 210 }
count_each = 1
keys = "nodes"
[output]
tables = ["ticks", "operations", "nodes", "connections", "routing"]
results = true
in_degree = true
"#;

fn ids(table: &Table, column: &str) -> Vec<i64> {
    let column = table.batch.column_by_name(column).unwrap();
    column.as_primitive::<Int64Type>().values().to_vec()
}

fn keys(table: &Table) -> Vec<u64> {
    let column = table.batch.column_by_name("key").unwrap();
    column.as_primitive::<UInt64Type>().values().to_vec()
}

/// A node: its network and its id.
type Node = (u32, i64);

fn nodes_of(table: &Table, column: &str) -> Vec<Node> {
    let networks = table.values("network");
    let ids = ids(table, column);
    networks
        .iter()
        .map(|&network| network as u32)
        .zip(ids)
        .collect()
}

fn summary(dir: &Dir, run: &str) -> Value {
    serde_json::from_str(&dir.read(&format!("{run}/summary.json"))).unwrap()
}

/// Runs [`ABSENT`]. Returns its folder, and whether each node is online.
fn absent() -> (Dir, BTreeMap<Node, bool>) {
    let dir = Dir::new();
    dir.write("absent.toml", ABSENT);
    dir.kadsim(&["run", "absent.toml", "--threads", "2"])
        .ends(0);
    let nodes = dir.table("out/absent/nodes.parquet");
    let online = nodes
        .values("online")
        .into_iter()
        .map(|online| online == 1.0);
    let online = nodes_of(&nodes, "node").into_iter().zip(online).collect();
    (dir, online)
}

#[test]
fn nodes_that_are_offline_are_in_the_tables_and_do_not_answer() {
    let (dir, online) = absent();
    for network in 0..2 {
        let of_network = online.iter().filter(|((of, _), _)| *of == network);
        assert_eq!(of_network.filter(|(_, online)| !**online).count(), 90);
    }
    let offline = |network| {
        let nodes = online.iter().filter(move |((of, _), _)| *of == network);
        nodes
            .filter(|(_, online)| !**online)
            .map(|((_, id), _)| *id)
            .collect::<BTreeSet<_>>()
    };
    assert_ne!(offline(0), offline(1), "each network has its own draw");
    let table = |name: &str| dir.table(&format!("out/absent/{name}.parquet"));
    let routing = table("routing");
    let named = nodes_of(&routing, "peer").into_iter();
    let named = named.filter(|peer| !online[peer]).collect::<BTreeSet<_>>();
    assert!(named.len() > 170, "{} are named", named.len());
    let connections = table("connections");
    let delays = connections.values("total_delay_ms");
    let outcomes = connections.words("outcome");
    let sent = nodes_of(&connections, "to")
        .into_iter()
        .zip(outcomes)
        .zip(delays);
    for ((to, outcome), delay_ms) in sent {
        let expected = if online[&to] {
            ("ok", 100.0)
        } else {
            ("not_found", 700.0)
        };
        assert_eq!((outcome.as_str(), delay_ms), expected, "{to:?}");
    }
    let ticks = table("ticks");
    assert!(ticks.values("online").iter().all(|&online| online == 210.0));
    assert!(ticks.sum("not_found") > 1000.0 && ticks.sum("ok") > 1000.0);
    let from = nodes_of(&connections, "from");
    assert!(from.iter().all(|origin| online[origin]));
}

#[test]
fn operations_start_at_nodes_that_are_online_and_are_counted_there() {
    let (dir, online) = absent();
    let operations = dir.table("out/absent/operations.parquet");
    let phases = operations.words("phase");
    let mut started: HashMap<(&str, Node), f64> = HashMap::new();
    let origins = nodes_of(&operations, "origin");
    for (phase, origin) in phases.iter().zip(&origins) {
        assert!(online[origin], "{origin:?}");
        *started.entry((phase, *origin)).or_default() += 1.0;
    }
    let count = |phase: &str| phases.iter().filter(|word| *word == phase).count();
    assert_eq!(
        (count("putting"), count("getting"), count("looking")),
        (120, 840, 420)
    );
    let nodes = dir.table("out/absent/nodes.parquet");
    let rows = nodes
        .words("phase")
        .into_iter()
        .zip(nodes_of(&nodes, "node"));
    for ((phase, node), found) in rows.zip(nodes.values("started")) {
        let expected = started.get(&(phase.as_str(), node)).copied().unwrap_or(0.0);
        assert_eq!(found, expected, "{phase} {node:?}");
    }
    let summary = summary(&dir, "out/absent");
    assert_eq!(summary["nodes.getting.started.mean"], 1.4);
    assert_eq!(summary["nodes.getting.started.max"], 2.0);
    // Only online nodes are origins.
    let in_time = summary["getting.origins_in_time"].as_f64().unwrap() * 420.0;
    assert!((in_time - in_time.round()).abs() < 1e-9, "{in_time}");
}

/// Recall counts the online nodes among those closest to the key.
#[test]
fn recall_is_against_nodes_that_are_online() {
    let (dir, online) = absent();
    let nodes = dir.table("out/absent/nodes.parquet");
    let key_of: BTreeMap<Node, u64> = nodes_of(&nodes, "node")
        .into_iter()
        .zip(keys(&nodes))
        .collect();
    let operations = dir.table("out/absent/operations.parquet");
    let results = operations.batch.column_by_name("result").unwrap();
    let results = results.as_list::<i32>();
    let networks = operations.values("network");
    let rows = keys(&operations)
        .into_iter()
        .zip(operations.numbers("recall"));
    let mut checked = 0;
    for (row, (key, recall)) in rows.enumerate() {
        let Some(recall) = recall else { continue };
        let network = networks[row] as u32;
        let mut closest: Vec<(u64, i64)> = key_of
            .iter()
            .filter(|(node, _)| node.0 == network && online[*node])
            .map(|(node, of)| (of ^ key, node.1))
            .collect();
        closest.sort_unstable();
        closest.truncate(8);
        let result = results.value(row);
        let result = result.as_primitive::<Int64Type>().values().to_vec();
        let hits = closest.iter().filter(|(_, id)| result.contains(id)).count();
        assert_eq!(recall, hits as f64 / 8.0, "row {row}");
        checked += 1;
    }
    assert!(checked > 500, "{checked}");
}

#[test]
fn in_degree_is_the_number_of_tables_that_name_a_node() {
    let (dir, online) = absent();
    let mut named: BTreeMap<Node, f64> = BTreeMap::new();
    for peer in nodes_of(&dir.table("out/absent/routing.parquet"), "peer") {
        *named.entry(peer).or_default() += 1.0;
    }
    let nodes = dir.table("out/absent/nodes.parquet");
    assert_eq!(nodes.rows(), 3 * online.len());
    for (node, found) in nodes_of(&nodes, "node")
        .into_iter()
        .zip(nodes.values("in_degree"))
    {
        assert_eq!(found, named.get(&node).copied().unwrap_or(0.0), "{node:?}");
    }
    let most = named.values().copied().fold(0.0, f64::max);
    assert_eq!(
        summary(&dir, "out/absent")["nodes.looking.in_degree.max"],
        most
    );
    let text = dir
        .kadsim(&["inspect", "out/absent/nodes.parquet"])
        .ends(0)
        .stdout;
    for words in ["started", "in_degree", "routing tables name", "origin of"] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    let set = ["--set", "output.in_degree=false", "--out", "without"];
    dir.kadsim(&[&["run", "absent.toml"], &set[..]].concat())
        .ends(0);
    let without = dir.table("without/absent/nodes.parquet");
    assert!(without.numbers("in_degree").iter().all(Option::is_none));
    assert_eq!(without.values("started"), nodes.values("started"));
    let keys = summary(&dir, "without/absent");
    assert!(keys.get("nodes.looking.in_degree.max").is_none());
    let expect = "expect=[{ metric = \"nodes.looking.in_degree.max\", within = [0, 1] }]";
    dir.kadsim(
        &[
            &["run", "absent.toml"],
            &set[..],
            &["--force", "--set", expect],
        ]
        .concat(),
    )
    .ends(2)
    .says(&["nodes.looking.in_degree.max"]);
}

#[test]
fn what_offline_nodes_cannot_do_is_refused_with_its_place() {
    let (dir, online) = absent();
    let check = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|&set| ["--set", set]);
        let args: Vec<&str> = ["check", "absent.toml"].into_iter().chain(sets).collect();
        dir.kadsim(&args)
    };
    let refused = |sets: &[&str], words: &[&str]| {
        check(sets).ends(2).says(words);
    };
    let id = |here: [bool; 2]| {
        let is_here = |id: &i64| online[&(0, *id)] == here[0] && online[&(1, *id)] == here[1];
        (0..300).find(is_here).unwrap()
    };
    let (present, second) = (id([true, true]), id([true, false]));
    let origin = |id: i64| format!("phase.looking.origin={{ node = {id} }}");
    check(&[&origin(present)]).ends(0);
    let says = format!("node {second} is offline in network 1");
    refused(
        &[&origin(second)],
        &["command line:1:", &says, "the id of a node that is online"],
    );
    // The first network has it.
    check(&[&origin(second), "networks=1"]).ends(0);
    refused(
        &[&origin(id([false, true])), "networks=1"],
        &["is offline\n"],
    );
    refused(
        &["phase.looking.origin.sample=211"],
        &["cannot be 211", "1 to 210", "online"],
    );
    let trace = |first: i64, second: i64| {
        dir.write(
            "ops.csv",
            format!("origin,key,start_ms\n{first},1,0\n{second},2,0\n"),
        );
        check(&["phase=[{name=\"traced\", kind=\"lookup\", trace=\"ops.csv\"}]"])
    };
    trace(present, present).ends(0);
    trace(present, second).ends(2).says(&[
        "ops.csv",
        &format!("`origin` is `{second}`, not a node that is online in every network"),
    ]);
    trace(present, 300).ends(2).says(&["a node of the network"]);
    for (share, words) in [
        ("1", "from 0 up to but below 1"),
        ("-0.1", "from 0 up to but below 1"),
        ("nan", "finite"),
        ("0.999", "all 300 nodes are offline"),
    ] {
        let set = format!("network.offline={share}");
        refused(&[&set], &["command line:1:", "`network.offline`", words]);
    }
    refused(
        &["network.nodes=1", "network.offline=0.6"],
        &[
            "`network.offline` cannot be 0.6",
            "the only node is offline",
        ],
    );
    refused(
        &["link.overhead_ms=1", "link.timeout_ms=0"],
        &["absent.toml:6:", "`link.timeout_ms` of 0", "py-dht"],
    );
    check(&[
        "link.overhead_ms=1",
        "link.timeout_ms=0",
        "network.offline=0",
    ])
    .ends(0);
    dir.write("ids.csv", "node,key\n1,1\n2,2\n");
    dir.write(
        "listed.toml",
        ABSENT.replace("network.nodes = 300", "network.ids = \"ids.csv\""),
    );
    dir.kadsim(&["check", "listed.toml"]).ends(2).says(&[
        "listed.toml:6:",
        "`network.offline` does not go with `network.ids`",
    ]);
}

/// Rounded, half away from 0.
#[test]
fn the_share_is_of_an_exact_number() {
    let dir = Dir::new();
    for (nodes, share, offline) in [(300, "0.5", 150.0), (5, "0.5", 3.0), (7, "0.07", 0.0)] {
        let sets = [
            format!("network.nodes={nodes}"),
            format!("network.offline={share}"),
            "link.timeout_ms=9".to_owned(),
        ];
        let mut args = vec!["run", "small.toml", "--force"];
        sets.iter().for_each(|set| args.extend(["--set", set]));
        dir.kadsim(&args).ends(0);
        let table = dir.table("out/small/nodes.parquet");
        let online = table.sum("online") / 2.0;
        assert_eq!(f64::from(nodes) - online, offline, "{share} of {nodes}");
    }
    let resolved = dir.read("out/small/resolved.toml");
    assert!(resolved.contains("\noffline = 0.07\n"), "{resolved}");
}

const SLOT: &str = r#"schema = 1
name = "slot"
seed = 5
networks = 2
network.nodes = 300
link.delay_ms = { uniform = [50, 75] }
[[phase]]
name = "first"
kind = "lookup"
count = 50
[[phase]]
name = "second"
kind = "lookup"
origin = { sample = 40 }
count_each = 3
spread_ms = 1000
deadline_ms = [1300, 1500.5, 9000]
"#;

/// Returns the shares of operations and of origins of the second phase that meet a deadline.
fn in_time(operations: &Table, deadline_ms: f64, from_run: bool) -> [f64; 2] {
    let phases = operations.words("phase");
    let (ends, due) = (operations.numbers("end_ms"), operations.values("due_ms"));
    let mut origins: BTreeMap<Node, u32> = BTreeMap::new();
    let (mut done, mut all) = (0, 0);
    for (row, origin) in nodes_of(operations, "origin").into_iter().enumerate() {
        if phases[row] != "second" {
            continue;
        }
        let from_ms = if from_run { 0.0 } else { due[row] };
        let in_time = ends[row].is_some_and(|end| end - from_ms <= deadline_ms);
        *origins.entry(origin).or_default() += u32::from(in_time);
        done += u32::from(in_time);
        all += 1;
    }
    assert!(all <= 240);
    let full = origins.values().filter(|&&done| done == 3).count();
    // Each of 40 origins in both networks has 3 operations, started or not.
    [f64::from(done) / 240.0, full as f64 / 80.0]
}

#[test]
fn deadlines_count_from_when_operations_are_due_or_from_the_runs_start() {
    let dir = Dir::new();
    dir.write("slot.toml", SLOT);
    for (max_ms, status) in [(None, 0), (Some("phase.second.max_ms=900"), 1)] {
        let mut found = Vec::new();
        for from in ["due", "run"] {
            let set = format!("phase.second.deadline_from={from}");
            let mut args = vec!["run", "slot.toml", "--force", "--set", &set];
            max_ms.iter().for_each(|set| args.extend(["--set", set]));
            dir.kadsim(&args).ends(status);
            let resolved = dir.read("out/slot/resolved.toml");
            assert!(resolved.contains(&format!("\ndeadline_from = \"{from}\"\n")));
            assert_eq!(resolved.matches("deadline_from").count(), 1);
            let summary = summary(&dir, "out/slot");
            let operations = dir.table("out/slot/operations.parquet");
            for (deadline_ms, suffix) in [
                (1300.0, ""),
                (1300.0, ".1300"),
                (1500.5, ".1500.5"),
                (9000.0, ".9000"),
            ] {
                let [operations, origins] = in_time(&operations, deadline_ms, from == "run");
                assert_eq!(
                    summary[format!("second.in_time{suffix}")],
                    operations,
                    "{from} {suffix}"
                );
                let metric = format!("second.origins_in_time{suffix}");
                assert_eq!(summary[metric], origins, "{from} {suffix}");
                found.push(operations);
            }
        }
        let [due, .., in_9_s, run, _, later, _] = found[..] else {
            panic!("{found:?}")
        };
        assert!(0.0 < run && run < later && later <= due, "{found:?}");
        assert_eq!(in_9_s == 1.0, max_ms.is_none(), "{found:?}");
    }
    dir.kadsim(&[
        "check",
        "slot.toml",
        "--set",
        "phase.first.deadline_from=run",
    ])
    .ends(2)
    .says(&[
        "command line:1:",
        "`phase.first.deadline_from` needs `deadline_ms`",
    ]);
    dir.kadsim(&[
        "check",
        "slot.toml",
        "--set",
        "phase.second.deadline_from=slot",
    ])
    .ends(2)
    .says(&["allowed: due, run"]);
}
