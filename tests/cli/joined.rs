//! Networks that grow by joins before the first phase.

use serde_json::Value;

use crate::support::{Dir, Shown, Table, signal};

const JOINED: &str = r#"schema = 1
name = "joined"
seed = 3
networks = 2
[network]
nodes = 200
bucket_size = 8
bootstrap = "joined"
doubling_ms = 20_000
[lookup]
stop = "closest-answered"
[link]
delay_ms = 50
timeout_ms = 1000
[maintenance]
rules = "kademlia"
refresh_ms = 30_000
[churn]
session = { exponential = { mean_ms = 60_000 } }
absence = { exponential = { mean_ms = 60_000 } }
[[phase]]
name = "first"
kind = "lookup"
rate_per_s = 20
duration_ms = 20_000
[[phase]]
name = "beside"
kind = "lookup"
count = 50
start_ms = 5_000
deadline_ms = 60_000
deadline_from = "run"
[output]
tables = ["ticks", "operations", "nodes", "routing"]
in_degree = true
"#;

/// Returns the experiment without sessions.
fn without_churn() -> String {
    let churn = JOINED.find("[churn]").unwrap()..JOINED.find("[[phase]]").unwrap();
    let mut file = JOINED.to_owned();
    file.replace_range(churn, "");
    file
}

/// Returns the sum of a column over the rows of a phase and network.
fn sum(table: &Table, column: &str, phase: &str, network: f64) -> f64 {
    let (values, phases) = (table.values(column), table.words("phase"));
    let networks = table.values("network");
    let rows = (0..table.rows()).filter(|&i| phases[i] == phase && networks[i] == network);
    rows.map(|i| values[i]).sum()
}

/// What goes on between phases counts in the phase before, so nothing is lost.
#[test]
fn maintenance_between_phases_counts_in_the_one_before() {
    let dir = Dir::new();
    let file = without_churn()
        .replace(
            "duration_ms = 20_000",
            "duration_ms = 20_000\nstart_ms = 15_000",
        )
        .replace("start_ms = 5_000", "start_ms = 120_000")
        .replace("deadline_ms = 60_000", "deadline_ms = 140_000");
    dir.write("joined.toml", &file);
    dir.kadsim(&["run", "joined.toml"]).ends(0);
    let table = |name: &str| dir.table(&format!("out/joined/{name}.parquet"));
    let (ticks, nodes) = (table("ticks"), table("nodes"));
    // Rows stand in the order of networks, phases and ticks.
    let (networks, phases) = (ticks.values("network"), ticks.words("phase"));
    let names = ["bootstrap", "first", "beside"];
    let place = |phase: &str| names.iter().position(|name| *name == phase);
    let rows = ticks.values("tick").into_iter().enumerate();
    let order: Vec<_> = rows
        .map(|(i, tick)| (networks[i], place(&phases[i]), tick))
        .collect();
    assert!(order.is_sorted());
    for network in [0.0, 1.0] {
        let of = |column, phase| sum(&ticks, column, phase, network);
        let all = |column| {
            let phases = ["bootstrap", "first", "beside"];
            phases.map(|phase| of(column, phase)).iter().sum::<f64>()
        };
        let entries = sum(&nodes, "table_entries", "beside", network);
        assert_eq!(all("learned") - all("evicted"), entries);
        // Nodes are counted at the end of the phase.
        let sent = sum(&nodes, "maintenance_sent", "first", network);
        assert!(of("maintenance_connections", "first") > 3.0 * sent && sent > 0.0);
    }
    let summary: Value = serde_json::from_str(&dir.read("out/joined/summary.json")).unwrap();
    // Both networks count for 105 s, from the start of the phase to that of the next.
    let rate = summary["first.maintenance_connections.per_s"]
        .as_f64()
        .unwrap();
    let sent = [0.0, 1.0].map(|network| sum(&ticks, "maintenance_connections", "first", network));
    let counted = sent.iter().sum::<f64>() / (2.0 * 105.0);
    assert!((rate / counted - 1.0).abs() < 1e-9, "{rate}, {counted}");
}

#[test]
fn joins_are_a_phase_of_their_own() {
    let dir = Dir::new();
    dir.write("joined.toml", JOINED);
    dir.kadsim(&["run", "joined.toml"]).ends(0);
    let table = |name: &str| dir.table(&format!("out/joined/{name}.parquet"));
    let (ticks, nodes) = (table("ticks"), table("nodes"));
    let (operations, routing) = (table("operations"), table("routing"));
    for network in [0.0, 1.0] {
        let of = |table: &Table, column: &str| sum(table, column, "bootstrap", network);
        assert_eq!(of(&ticks, "arrivals"), 199.0);
        assert_eq!(of(&ticks, "departures"), 0.0);
        let sent = of(&ticks, "join") + of(&ticks, "refresh") + of(&ticks, "check");
        assert_eq!(of(&ticks, "maintenance_connections"), sent);
        assert_eq!(of(&nodes, "maintenance_sent"), sent);
        assert!(of(&ticks, "join") > 20.0 * 199.0 && of(&ticks, "refresh") > 0.0);
        assert_eq!(of(&ticks, "connections"), 0.0);
        // What was learned and not evicted is there, and each entry names a node.
        let entries = of(&nodes, "table_entries");
        assert_eq!(of(&ticks, "learned") - of(&ticks, "evicted"), entries);
        assert_eq!(of(&nodes, "in_degree"), entries);
        let networks = routing.values("network");
        let rows = networks.iter().filter(|other| **other == network);
        assert_eq!(rows.count() as f64, entries);
        // About half of the nodes leave when sessions begin.
        assert!((70.0..140.0).contains(&sum(&ticks, "departures", "first", network)));
    }
    let (phases, times) = (ticks.words("phase"), ticks.values("time_ms"));
    let online = ticks.values("online");
    let last = (0..ticks.rows())
        .rfind(|&i| phases[i] == "bootstrap")
        .unwrap();
    assert_eq!(online[last], 200.0);
    let joined_ms = 20_000.0 * 199f64.log2();
    assert!((joined_ms..joined_ms + 60_000.0).contains(&times[last]));
    // The clock goes on, and times of phases count from the end of the joins.
    let (of, due) = (operations.words("phase"), operations.values("due_ms"));
    let networks = operations.values("network");
    let first_due = |phase: &str| {
        let rows = (0..operations.rows()).filter(|&i| of[i] == phase && networks[i] == 1.0);
        rows.map(|i| due[i]).fold(f64::MAX, f64::min)
    };
    assert!((times[last]..times[last] + 1000.0).contains(&first_due("first")));
    let later_ms = first_due("beside") - times[last];
    assert!((5_000.0..5_100.0).contains(&later_ms), "{later_ms}");
    let summary: Value = serde_json::from_str(&dir.read("out/joined/summary.json")).unwrap();
    assert_eq!(summary["beside.in_time"], 1.0);
    assert_eq!(summary["nodes.bootstrap.in_degree.count"], 400);
    assert!(summary["bootstrap.join.per_s"].as_f64().unwrap() > 1.0);
    assert!(summary["bootstrap.missing.last"].as_f64().unwrap() < 0.2);
}

#[test]
fn nodes_without_sessions_join_too() {
    let dir = Dir::new();
    dir.write("joined.toml", without_churn());
    let clients = [
        "--set",
        "reachability.clients=0.3",
        "--set",
        "network.offline=0.1",
    ];
    dir.kadsim(&[&["run", "joined.toml"], &clients[..]].concat())
        .ends(0);
    let ticks = dir.table("out/joined/ticks.parquet");
    assert_eq!(ticks.sum("arrivals"), 2.0 * 179.0);
    assert_eq!(ticks.sum("departures"), 0.0);
    // No table names a node that has never been online.
    let nodes = dir.table("out/joined/nodes.parquet");
    let (online, named) = (nodes.values("online"), nodes.values("in_degree"));
    let absent: Vec<f64> = (0..nodes.rows())
        .filter(|&i| online[i] == 0.0)
        .map(|i| named[i])
        .collect();
    assert_eq!(absent, [0.0; 3 * 2 * 20]);
    // One node alone, and two of which one asks the other.
    for few in ["network.nodes=1", "network.nodes=2"] {
        let few = ["run", "joined.toml", "--force", "--set", few];
        dir.kadsim(&few).ends(0);
    }
}

#[test]
fn what_makes_no_sense_of_joins_is_refused() {
    let dir = Dir::new();
    dir.write("joined.toml", JOINED);
    dir.kadsim(&["layouts", "joined.toml"])
        .ends(2)
        .says(&["\"joined\" has no layout to compare", "closest and random"]);
    let none = [
        "run",
        "joined.toml",
        "--set",
        "reachability.clients=0.999999",
    ];
    dir.kadsim(&none).ends(2).says(&["leave a server online"]);
    let slow = ["run", "joined.toml", "--set", "network.doubling_ms=8e12"];
    dir.kadsim(&slow).ends(1).says(&["joins beyond"]);
    let deaf = [
        "run",
        "joined.toml",
        "--set",
        "link.fast_error={rate=1, delay_ms=10}",
    ];
    dir.kadsim(&deaf)
        .ends(1)
        .says(&["the last node cannot join", "lower the error rates"]);
    let dead = "[[expect]]\nmetric = \"bootstap.join.per_s\"\nwithin = [0, 1]\n";
    dir.write("dead.toml", format!("{JOINED}{dead}"));
    dir.kadsim(&["check", "dead.toml"])
        .ends(2)
        .says(&["bootstrap.join.per_s"]);
}

#[test]
fn the_contacts_of_joins_are_estimated() {
    let dir = Dir::new();
    dir.write("joined.toml", JOINED);
    let answer = dir.kadsim(&["check", "joined.toml"]).ends(0);
    let mut lines = answer.stdout.lines();
    let line = lines.find(|line| line.starts_with("# to join, at the start"));
    let contacts = line.unwrap().rsplit(' ').next().unwrap().replace(',', "");
    let contacts: f64 = contacts.parse().unwrap();
    dir.kadsim(&["run", "joined.toml"]).ends(0);
    let sent = dir.table("out/joined/ticks.parquet");
    let sent = sum(&sent, "join", "bootstrap", 0.0) + sum(&sent, "join", "bootstrap", 1.0);
    assert!(
        (0.5..2.0).contains(&(contacts / sent)),
        "{contacts} of {sent}"
    );
}

#[test]
fn joins_show_their_progress_and_can_be_stopped() {
    let dir = Dir::new();
    dir.write("joined.toml", JOINED);
    let many = ["--set", "network.nodes=200_000", "--set", "networks=1"];
    let call = [&["run", "joined.toml"], &many[..]].concat();
    let mut run = Shown::start(80, dir.command(&call).env("TERM", "xterm"));
    run.wait_for(|text| text.contains("of 200,000"));
    signal(&run.child, "-INT");
    run.end().ends(130).says(&["interrupted"]);
    let read = dir.table("out/joined.partial/ticks.parquet");
    assert_eq!(read.complete.as_deref(), Some("false"));
}
