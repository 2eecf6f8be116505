//! Networks and workloads of the smallest sizes, generated and imported.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, UInt64Array};

use crate::support::{Answer, Dir};

#[test]
fn networks_of_few_nodes_run() {
    for nodes in [1usize, 2, 7] {
        let dir = Dir::new();
        let nodes_set = format!("network.nodes={nodes}");
        let tables =
            "output.tables=[\"ticks\", \"operations\", \"nodes\", \"connections\", \"routing\"]";
        dir.kadsim(&[
            "run",
            "small.toml",
            "--set",
            &nodes_set,
            "--set",
            tables,
            "--set",
            "link.fast_error.rate=0",
            "--set",
            "phase.getting.count=10",
        ])
        .ends(0);
        let operations = dir.table("out/small/operations.parquet");
        assert_eq!(operations.rows(), 20);
        assert_eq!(dir.table("out/small/nodes.parquet").rows(), 2 * nodes);
        // Every node knows every other node.
        assert_eq!(
            dir.table("out/small/routing.parquet").rows(),
            nodes * (nodes - 1)
        );
        let connections = dir.table("out/small/connections.parquet");
        assert_eq!(
            dir.table("out/small/ticks.parquet").sum("connections"),
            connections.rows() as f64
        );
        let kinds = operations.words("kind");
        for (kind, found) in kinds.iter().zip(operations.numbers("found")) {
            match (kind.as_str(), nodes) {
                ("retrieve", 1) => assert!(found.is_some()),
                // Without errors, and with all nodes in each routing table, the retrieve asks the holder.
                ("retrieve", _) => assert_eq!(found, Some(1.0), "{nodes} nodes"),
                _ => assert_eq!(found, None),
            }
        }
        let recalls = operations.numbers("recall");
        assert!(
            recalls
                .iter()
                .flatten()
                .all(|recall| (0.0..=1.0).contains(recall)),
            "{recalls:?}"
        );
    }
}

#[test]
fn where_everything_fails_nothing_is_found() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml", "--set", "link.fast_error.rate=1.0"])
        .ends(0);
    let operations = dir.table("out/small/operations.parquet");
    assert_eq!(operations.rows(), 30);
    assert_eq!(operations.sum("succeeded"), 0.0);
    assert_eq!(operations.values("failed"), operations.values("completed"));
    assert!(operations.numbers("end_ms").iter().all(Option::is_some));
    let found: Vec<_> = operations.numbers("found").into_iter().flatten().collect();
    // No store succeeded, so no origin holds a segment.
    assert_eq!(found, [0.0; 20]);
    assert!(operations.numbers("holder").iter().all(Option::is_none));
    assert!(
        operations
            .numbers("stored")
            .into_iter()
            .flatten()
            .all(|stored| stored == 0.0)
    );
    let ticks = dir.table("out/small/ticks.parquet");
    assert_eq!((ticks.sum("ok"), ticks.sum("missed")), (0.0, 20.0));
    assert_eq!(ticks.sum("fast_error"), ticks.sum("connections"));
}

const TRACED: &str = r#"schema = 1
name = "traced"
seed = 1
network.ids = "ids.csv"
link.delay_ms = { uniform = [50, 75] }
[[phase]]
name = "putting"
kind = "provide"
trace = "ops.csv"
[[phase]]
name = "looking"
kind = "lookup"
count = 20
"#;

#[test]
fn an_empty_trace_runs() {
    let dir = Dir::new();
    dir.write("traced.toml", TRACED);
    dir.write("ops.csv", "origin,key,start_ms\n");
    dir.kadsim(&[
        "run",
        "traced.toml",
        "--set",
        "network.ids=",
        "--set",
        "phase.looking.count=0",
    ])
    .ends(2);
    dir.write("ids.csv", "node,key\n5,1\n6,18446744073709551615\n");
    dir.kadsim(&["run", "traced.toml", "--set", "phase.looking.count=0"])
        .ends(0);
    for (table, rows) in [("operations", 0), ("ticks", 0), ("nodes", 4)] {
        assert_eq!(
            dir.table(&format!("out/traced/{table}.parquet")).rows(),
            rows,
            "{table}"
        );
    }
}

#[test]
fn csv_and_parquet_give_the_same_run() {
    let dir = Dir::new();
    dir.write("traced.toml", TRACED);
    let key = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let ids: Vec<(i64, u64)> = (0..200)
        .map(|i| (1000 - 3 * i, key(i as u64 + 1)))
        .collect();
    let trace: Vec<(i64, u64, f64)> = (0..50)
        .map(|i| {
            (
                1000 - 3 * (i % 40),
                key(i as u64 + 900),
                (i * 7 % 50) as f64 * 10.125,
            )
        })
        .collect();
    let mut text = "node,key\n".to_owned();
    ids.iter()
        .for_each(|(node, key)| text += &format!("{node},{key}\n"));
    dir.write("ids.csv", text);
    let mut text = "key,origin,start_ms\n".to_owned();
    trace
        .iter()
        .for_each(|(origin, key, start)| text += &format!("{key},{origin},{start}\n"));
    dir.write("ops.csv", text);
    let node: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.iter().map(|row| row.0)));
    let keys: ArrayRef = Arc::new(UInt64Array::from_iter_values(ids.iter().map(|row| row.1)));
    dir.write_parquet("ids.parquet", vec![("node", node), ("key", keys)]);
    let origin: ArrayRef = Arc::new(Int64Array::from_iter_values(trace.iter().map(|row| row.0)));
    let keys: ArrayRef = Arc::new(UInt64Array::from_iter_values(trace.iter().map(|row| row.1)));
    let start: ArrayRef = Arc::new(Float64Array::from_iter_values(
        trace.iter().map(|row| row.2),
    ));
    dir.write_parquet(
        "ops.parquet",
        vec![("origin", origin), ("key", keys), ("start_ms", start)],
    );
    dir.kadsim(&["run", "traced.toml", "--out", "a"]).ends(0);
    let set = [
        "--set",
        "network.ids=ids.parquet",
        "--set",
        "phase.putting.trace=ops.parquet",
        "--out",
        "b",
    ];
    dir.kadsim(&[&["run", "traced.toml"], &set[..]].concat())
        .ends(0);
    assert_eq!(dir.digest("a/traced"), dir.digest("b/traced"));
    let operations = dir.table("a/traced/operations.parquet");
    assert_eq!(operations.rows(), 70);
    let mut due: Vec<f64> = operations.values("due_ms")[..50].to_vec();
    let mut wanted: Vec<f64> = trace.iter().map(|row| row.2).collect();
    due.sort_by(f64::total_cmp);
    wanted.sort_by(f64::total_cmp);
    assert_eq!(due, wanted);
    let mut nodes = dir.table("a/traced/nodes.parquet").values("node");
    nodes.sort_by(f64::total_cmp);
    nodes.dedup();
    assert_eq!(nodes.len(), 200);
    assert_eq!((nodes[0], nodes[199]), (403.0, 1000.0));
}

/// Paths in `resolved.toml` are absolute, because it lies in another folder than the experiment file.
#[test]
fn what_is_resolved_of_imported_files_runs_from_its_own_folder() {
    let dir = Dir::new();
    dir.write("traced.toml", TRACED);
    dir.write("ids.csv", "node,key\n5,1\n6,18446744073709551615\n");
    dir.write("ops.csv", "origin,key,start_ms\n5,9,0\n");
    dir.kadsim(&["run", "traced.toml"]).ends(0);
    let mut again = dir.command(&["run", "resolved.toml", "--out", "again"]);
    let output = again.current_dir(dir.path("out/traced")).output().unwrap();
    Answer::new(output).ends(0);
    assert_eq!(
        dir.digest("out/traced/again/traced"),
        dir.digest("out/traced")
    );
}

#[test]
fn a_key_that_a_trace_provides_twice_is_one_segment() {
    let dir = Dir::new();
    let getting = "[[phase]]\nname = \"getting\"\nkind = \"retrieve\"\norigin = \"one\"\n\
                   count_each = 2\nsegments = \"putting\"\n";
    dir.write("traced.toml", format!("{TRACED}{getting}"));
    dir.write("ids.csv", "node,key\n5,1\n6,18446744073709551615\n");
    dir.write(
        "ops.csv",
        "origin,key,start_ms\n5,9,0\n6,9,1\n5,8,2\n6,9,3\n",
    );
    dir.kadsim(&["run", "traced.toml", "--set", "phase.getting.count_each=3"])
        .ends(2)
        .says(&["3 segments", "provides 2"]);
    dir.kadsim(&["run", "traced.toml"]).ends(0);
    let operations = dir.table("out/traced/operations.parquet");
    let rows = operations
        .words("phase")
        .into_iter()
        .zip(operations.values("key"));
    let mut keys: Vec<f64> = rows
        .filter_map(|(phase, key)| (phase == "getting").then_some(key))
        .collect();
    keys.sort_by(f64::total_cmp);
    assert_eq!(keys, [8.0, 9.0]);
}
