//! Duration and outcome of a contact, a store, a walk in rounds and a cut-off.

use std::collections::HashMap;

use crate::support::{Dir, Table};

/// Two nodes, each in the other's table, so that the origin of a provide is among its own result whenever the other
/// one has answered: 22 times of 40.
const SELF_STORE: &str = r#"schema = 1
name = "self"
seed = 1
[network]
nodes = 2
[link]
delay_ms = 10
fast_error = { rate = 0.5, delay_ms = 1 }
[[phase]]
name = "put"
kind = "provide"
count = 40
[output]
tables = ["ticks", "operations", "nodes", "connections"]
results = true
"#;

/// Returns the number of stores of each operation that are no connections.
fn own_stores(operations: &Table, connections: &Table) -> HashMap<u64, f64> {
    let stores = operations.values("stored").into_iter();
    let stores = stores.zip(operations.values("store_failed"));
    let numbers = operations.values("operation").into_iter();
    let mut own: HashMap<u64, f64> = numbers
        .zip(stores)
        .map(|(number, (stored, failed))| (number as u64, stored + failed))
        .collect();
    let sent = connections.values("operation").into_iter();
    for (number, request) in sent.zip(connections.words("request")) {
        if request == "store" {
            *own.get_mut(&(number as u64)).unwrap() -= 1.0;
        }
    }
    own
}

#[test]
fn an_origin_among_its_own_result_stores_at_itself_without_a_connection() {
    let dir = Dir::new();
    dir.write("self.toml", SELF_STORE);
    dir.kadsim(&["run", "self.toml", "--set", "link.overhead_ms=0.5"])
        .ends(0);
    let table = |name: &str| dir.table(&format!("out/self/{name}.parquet"));
    let (operations, connections) = (table("operations"), table("connections"));
    let ends = connections
        .values("from")
        .into_iter()
        .zip(connections.values("to"));
    assert!(ends.clone().all(|(from, to)| from != to));
    let own = own_stores(&operations, &connections);
    assert!(own.values().all(|&stores| stores == 0.0 || stores == 1.0));
    assert_eq!(own.values().sum::<f64>(), 22.0);
    // The store at the origin cannot fail and is no contact. It counts as a store in the tick of the lookup's end.
    let stored: HashMap<u64, f64> = operations
        .values("operation")
        .into_iter()
        .map(|number| number as u64)
        .zip(operations.values("stored"))
        .collect();
    assert!(own.iter().all(|(number, &stores)| stored[number] >= stores));
    let (ticks, nodes) = (table("ticks"), table("nodes"));
    assert_eq!(ticks.sum("stored"), operations.sum("stored"));
    assert_eq!(ticks.sum("connections"), connections.rows() as f64);
    assert_eq!(nodes.sum("contacts"), connections.rows() as f64);
    // The n-th use costs n gamma: the origin once a lookup and once a store that it sends, the remote each time.
    let stores = connections.words("request");
    let stores = stores.iter().filter(|request| *request == "store").count();
    let uses = operations.rows() + connections.rows() + stores;
    assert_eq!(nodes.sum("overhead_ms"), 0.5 * uses as f64);
}

#[test]
fn a_provide_that_stores_at_its_origin_alone_takes_no_time() {
    let dir = Dir::new();
    dir.write("self.toml", SELF_STORE);
    let by = |procedure: &str| {
        let set = format!("lookup.procedure={procedure}");
        dir.kadsim(&["run", "self.toml", "--force", "--set", &set])
            .ends(0);
        let table = |name: &str| dir.table(&format!("out/self/{name}.parquet"));
        (table("operations"), table("connections"), table("ticks"))
    };
    // Each of two nodes is among the twenty closest.
    let (operations, connections, ticks) = by("rfm19");
    assert_eq!((operations.rows(), connections.rows()), (40, 0));
    assert_eq!(operations.values("stored"), [1.0; 40]);
    for column in ["store_failed", "lookup_ms", "store_ms", "duration_ms"] {
        assert_eq!(operations.values(column), [0.0; 40], "{column}");
    }
    assert_eq!((ticks.sum("stored"), ticks.sum("connections")), (40.0, 0.0));
    // By py-dht's procedure it is a connection like any other.
    let (operations, connections, _) = by("py-dht");
    let own = own_stores(&operations, &connections);
    assert!(own.values().all(|&stores| stores == 0.0));
}

/// Stores and requests that meet, at delays of very different size.
const MEETING: &str = r#"schema = 1
name = "meeting"
seed = 3
[network]
nodes = 60
bucket_size = 4
[lookup]
beta = 6
[link]
delay_ms = { choice = [5, 80, 300] }
fast_error = { rate = 0.1, delay_ms = 40 }
overhead_ms = 0.1
[[phase]]
name = "putting"
kind = "provide"
count = 300
spread_ms = 3000
[[phase]]
name = "getting"
kind = "retrieve"
count = 3000
spread_ms = 3000
segments = "putting"
start_ms = 0
[output]
tables = ["operations", "connections"]
"#;

/// Recomputes the outcome and the holder of each retrieve from the tables.
#[test]
fn a_request_is_answered_from_what_the_remote_holds_when_it_arrives() {
    let dir = Dir::new();
    dir.write("meeting.toml", MEETING);
    dir.kadsim(&["run", "meeting.toml"]).ends(0);
    let operations = dir.table("out/meeting/operations.parquet");
    let connections = dir.table("out/meeting/connections.parquet");
    let us = |ms: f64| (ms * 1000.0).round() as u64;
    let column = |name: &str| connections.values(name);
    let (sent, total, base) = (
        column("time_ms"),
        column("total_delay_ms"),
        column("base_delay_ms"),
    );
    let (numbers, to) = (column("operation"), column("to"));
    let (requests, outcomes) = (connections.words("request"), connections.words("outcome"));
    let keys: HashMap<u64, u64> = {
        let values = operations.values("operation").into_iter();
        // As doubles, which tell the keys of an experiment apart.
        values
            .map(|number| number as u64)
            .zip(operations.values("key").into_iter().map(f64::to_bits))
            .collect()
    };
    // Of each node and key: when the first store has arrived, and when the first one completes.
    let mut held: HashMap<(u64, u64), (u64, u64)> = HashMap::new();
    // Of each retrieve: node, arrival and completion of its contacts.
    let mut asked: HashMap<u64, Vec<(u64, u64, u64)>> = HashMap::new();
    let mut sent_to_others: HashMap<u64, f64> = HashMap::new();
    for i in (0..connections.rows()).filter(|&i| outcomes[i] == "ok") {
        let (number, node) = (numbers[i] as u64, to[i].to_bits());
        let completes_us = us(sent[i]) + us(total[i]);
        let arrives_us = completes_us - us(base[i]);
        if requests[i] == "store" {
            *sent_to_others.entry(number).or_default() += 1.0;
            let first = held
                .entry((node, keys[&number]))
                .or_insert((u64::MAX, u64::MAX));
            *first = (first.0.min(arrives_us), first.1.min(completes_us));
        } else {
            let contacts = asked.entry(number).or_default();
            contacts.push((node, arrives_us, completes_us));
        }
    }
    let (mut found_by_contact, mut differ, mut own_stores) = (0, 0, 0);
    let (kinds, holders) = (operations.words("kind"), operations.numbers("holder"));
    let [numbers, starts, ends, origins] =
        ["operation", "start_ms", "end_ms", "origin"].map(|name| operations.values(name));
    // An origin's store at itself is no connection.
    let (stored, lookups) = (operations.numbers("stored"), operations.values("lookup_ms"));
    for i in (0..operations.rows()).filter(|&i| kinds[i] == "provide") {
        let number = numbers[i] as u64;
        if stored[i] > Some(sent_to_others.get(&number).copied().unwrap_or(0.0)) {
            own_stores += 1;
            let holds_us = us(starts[i]) + us(lookups[i]);
            let first = held
                .entry((origins[i].to_bits(), keys[&number]))
                .or_insert((u64::MAX, u64::MAX));
            *first = (first.0.min(holds_us), first.1.min(holds_us));
        }
    }
    for i in (0..operations.rows()).filter(|&i| kinds[i] == "retrieve") {
        let number = numbers[i] as u64;
        let end_us = us(ends[i]);
        let holder = holders[i].map(f64::to_bits);
        if holders[i] == Some(origins[i]) {
            continue;
        }
        let mut contacts = asked.remove(&number).unwrap_or_default();
        // Of those that complete at the end, some may be abandoned.
        let handled_us = end_us + u64::from(holder.is_some());
        contacts.retain(|&(_, _, completes_us)| completes_us < handled_us);
        let key = keys[&number];
        let holds = |node: u64| held.get(&(node, key)).copied();
        let is_held = |&&(node, arrives_us, _): &&(u64, u64, u64)| {
            holds(node).is_some_and(|(visible_us, _)| visible_us <= arrives_us)
        };
        let was_held_late = |&&(node, _, completes_us): &&(u64, u64, u64)| {
            holds(node).is_some_and(|(_, late_us)| late_us <= completes_us)
        };
        let by_arrival: Vec<u64> = contacts.iter().filter(is_held).map(|c| c.0).collect();
        let by_completion: Vec<u64> = contacts.iter().filter(was_held_late).map(|c| c.0).collect();
        differ += u32::from(by_arrival != by_completion);
        match holder {
            Some(holder) => assert!(by_arrival.contains(&holder), "operation {number}"),
            None => assert!(by_arrival.is_empty(), "operation {number}"),
        }
        found_by_contact += u32::from(holder.is_some());
    }
    assert!(found_by_contact > 500, "{found_by_contact}");
    assert!(differ > 10, "{differ}");
    assert!(own_stores > 10, "{own_stores}");
}

#[test]
fn a_node_that_is_alone_finds_no_node() {
    let dir = Dir::new();
    let lookup = "[[phase]]\nname = \"l\"\nkind = \"lookup\"\ncount = 1\n";
    let file = format!("schema = 1\nname = \"one\"\nseed = 1\nnetwork.nodes = 1\n{lookup}");
    dir.write("one.toml", file);
    for procedure in ["iterative", "py-dht", "rfm19"] {
        let set = format!("lookup.procedure={procedure}");
        dir.kadsim(&["run", "one.toml", "--force", "--set", &set])
            .ends(0);
        let operations = dir.table("out/one/operations.parquet");
        assert_eq!(operations.numbers("recall"), [None], "{procedure}");
    }
}

/// An origin that is not among the two closest contacts seven nodes, all of which fail.
#[test]
fn the_first_round_of_a_walk_asks_alpha_nodes_whatever_beta_is() {
    let dir = Dir::new();
    dir.write(
        "walk.toml",
        r#"schema = 1
name = "walk"
seed = 1
network.nodes = 200
lookup = { procedure = "rfm19", alpha = 7, beta = 2 }
link.fast_error = { rate = 1.0, delay_ms = 10 }
[[phase]]
name = "walking"
kind = "lookup"
count = 300
"#,
    );
    dir.kadsim(&["run", "walk.toml"]).ends(0);
    let operations = dir.table("out/walk/operations.parquet");
    let column = |name: &str| operations.values(name);
    let (attempts, known, depth) = (column("attempts"), column("known"), column("depth"));
    let recall = operations.numbers("recall");
    for i in 0..operations.rows() {
        // An origin among the closest contacts no node.
        let is_there = attempts[i] == 0.0;
        assert_eq!(recall[i], (!is_there).then_some(0.0), "row {i}");
        assert_eq!(depth[i], f64::from(u8::from(!is_there)), "row {i}");
        assert!(attempts[i] == known[i].min(7.0), "row {i}");
    }
    let of_seven = attempts.iter().filter(|&&attempts| attempts == 7.0);
    assert!(of_seven.count() > 100, "{attempts:?}");
}

/// Retrieves of contacts that all cost 100 ms, so that many end at the moment of the cut.
#[test]
fn operations_that_are_cut_off_stand_by_number_and_are_in_flight_no_more() {
    let dir = Dir::new();
    let sets = [
        "link.delay_ms=50",
        "link.fast_error.rate=0",
        "phase.getting.count=300",
        "phase.getting.max_ms=200",
        "clock.tick_ms=70",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["run", "small.toml"].into_iter().chain(sets).collect();
    dir.kadsim(&args).ends(1);
    let operations = dir.table("out/small/operations.parquet");
    let (ends, numbers) = (operations.numbers("end_ms"), operations.values("operation"));
    let cut_ms = ends.iter().flatten().copied().fold(0.0, f64::max);
    let at_cut = (0..operations.rows()).filter(|&i| ends[i].is_none_or(|end| end == cut_ms));
    let at_cut: Vec<usize> = at_cut.collect();
    let cut = at_cut.iter().filter(|&&i| ends[i].is_none()).count();
    assert!(
        cut > 20 && at_cut.len() - cut > 20,
        "{cut} of {}",
        at_cut.len()
    );
    assert!(at_cut.is_sorted_by_key(|&i| numbers[i]), "{at_cut:?}");
    let ticks = dir.table("out/small/ticks.parquet");
    let of_getting = ticks.words("phase").into_iter().zip(ticks.values("active"));
    let mut of_getting = of_getting.zip(ticks.values("tick"));
    let last = of_getting.rfind(|((phase, _), _)| phase == "getting");
    let ((_, active), tick) = last.unwrap();
    assert_eq!((active, tick), (0.0, (cut_ms / 70.0).floor()));
}

/// Runs an experiment that leaves the range of the clock. Returns its message.
fn leaves_the_clock(name: &str, file: &str, sets: &[&str]) -> String {
    let dir = Dir::new();
    dir.write("far.toml", file);
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["run", "far.toml"].into_iter().chain(sets).collect();
    let answer = dir.kadsim(&args).ends(1).says(&["9000000000000 ms"]);
    assert_eq!(dir.list("out"), [format!("{name}.partial")]);
    let operations = dir.table(&format!("out/{name}.partial/operations.parquet"));
    assert_eq!(operations.complete.as_deref(), Some("false"));
    for end_ms in operations.numbers("end_ms").into_iter().flatten() {
        assert!(end_ms <= 9e12, "{end_ms}");
    }
    answer.stderr
}

/// The clock goes to 9e12 ms.
const OVERHEAD: &str = r#"schema = 1
name = "overhead"
seed = 1
network.nodes = 2
[link]
delay_ms = 1
overhead_ms = 9e12
[[phase]]
name = "p"
kind = "lookup"
count = 2100
"#;

#[test]
fn overhead_beyond_the_end_of_time_is_an_error() {
    let said = leaves_the_clock("overhead", OVERHEAD, &[]);
    assert!(said.contains("operation 0 "), "{said}");
    let py_dht = ["lookup.procedure=py-dht", "lookup.alpha=1"];
    let said = leaves_the_clock("overhead", OVERHEAD, &py_dht);
    assert!(said.contains("operation "), "{said}");
    // A connection may be abandoned; its cost would be written all the same.
    let tables = "output.tables=[\"operations\", \"connections\"]";
    let sets = ["phase.p.max_ms=10", tables];
    let said = leaves_the_clock("overhead", OVERHEAD, &sets);
    assert!(said.contains("operation 0 "), "{said}");
    // So would be the counter of a node.
    let sets = [
        "phase.p.max_ms=10",
        "output.tables=[\"operations\", \"nodes\"]",
    ];
    let said = leaves_the_clock("overhead", OVERHEAD, &sets);
    assert!(said.contains("overhead of node"), "{said}");
}

#[test]
fn what_is_cut_off_before_the_end_of_time_does_not_go_beyond() {
    let dir = Dir::new();
    dir.write("end.toml", END);
    let sets = ["phase.p.start_ms=5", "phase.p.max_ms=10"];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["run", "end.toml"].into_iter().chain(sets).collect();
    dir.kadsim(&args).ends(1).says(&["max_ms"]);
    assert_eq!(dir.list("out"), ["end"]);
}

const END: &str = r#"schema = 1
name = "end"
seed = 1
[network]
nodes = 200
[lookup]
alpha = 1
stop = "closest-answered"
[link]
delay_ms = 9e12
fast_error = { rate = 0.1, delay_ms = 9e12 }
[[phase]]
name = "p"
kind = "lookup"
origin = "one"
count_each = 5000
parallel = 1
start_ms = 9e12
spread_ms = 9e12
deadline_ms = 9e12
"#;

#[test]
fn what_starts_or_ends_beyond_the_end_of_time_is_an_error() {
    for sets in [
        &[][..],
        &["phase.p.max_ms=9e12"],
        &["phase.p.spread_ms=0"],
        &["phase.p.start_ms=0", "phase.p.spread_ms=0"],
        &["link.delay_ms=1", "link.fast_error.rate=0"],
        &[
            "link.delay_ms=1",
            "link.fast_error.rate=0",
            "phase.p.parallel=2",
        ],
        &["link.overhead_ms=1"],
        &["output.tables=[\"operations\", \"connections\"]"],
    ] {
        let said = leaves_the_clock("end", END, sets);
        assert!(said.contains("operation "), "{sets:?}: {said}");
    }
    // The lanes of py-dht's procedure are times too.
    let lanes = [
        "lookup.procedure=py-dht",
        "lookup.stop=no-progress",
        "phase.p.start_ms=0",
        "phase.p.spread_ms=0",
    ];
    let said = leaves_the_clock("end", END, &lanes);
    assert!(said.contains("operation 0 "), "{said}");
}
