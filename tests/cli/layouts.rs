//! `kadsim layouts`: every layout on one experiment.

use std::process::Command;

use kadsim::engine::routing::layout::LayoutKind;
use serde_json::Value;

use crate::support::{Dir, LONG, Shown, signal};

#[test]
fn a_line_for_each_layout() {
    let dir = Dir::new();
    let answer = dir
        .kadsim(&["layouts", "small.toml", "--threads", "2"])
        .ends(0);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    let columns: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        columns,
        [
            "layout",
            "bootstrap",
            "lookups",
            "contacts/s",
            "components",
            "index",
            "tables",
            "entries",
            "read",
            "lines",
            "misses"
        ]
    );
    let names: Vec<&str> = lines[1..]
        .iter()
        .map_while(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, LayoutKind::ALL.map(LayoutKind::as_str));
    for words in ["300 nodes", "30 operations", "2 threads", "the same"] {
        assert!(answer.stdout.contains(words), "{}", answer.stdout);
    }
    // stderr has at most one line, which says that cache misses are unknown.
    let said = answer.stderr.lines().count();
    assert_eq!(
        said,
        answer.stderr.matches("no cache misses: ").count(),
        "{}",
        answer.stderr
    );
    assert!(said <= 1, "{}", answer.stderr);
    // The command writes no files.
    assert_eq!(dir.list("."), ["small.toml"]);
}

#[test]
fn json_has_raw_numbers_and_equal_results() {
    let dir = Dir::new();
    let args = ["layouts", "small.toml", "--json"];
    let read = |more: &[&str]| -> Value {
        let answer = dir.kadsim(&[&args[..], more].concat()).ends(0);
        serde_json::from_str(&answer.stdout).unwrap()
    };
    let document = read(&["--threads", "1"]);
    assert_eq!(document["experiment"], "small");
    assert_eq!(
        (&document["seed"], &document["nodes"]),
        (&7.into(), &300.into())
    );
    assert_eq!(document["operations"], 30);
    assert_eq!(document["operations_instrumented"], 30);
    assert_eq!(document["threads"], 1);
    assert_eq!(document["equal"], true);
    assert_eq!(document["skipped"], Value::Array(vec![]));
    let layouts = document["layouts"].as_array().unwrap();
    let names: Vec<&Value> = layouts.iter().map(|layout| &layout["layout"]).collect();
    assert_eq!(names, LayoutKind::ALL.map(LayoutKind::as_str));
    for layout in layouts {
        for key in [
            "bootstrap_ms",
            "lookups_ms",
            "contacts",
            "contacts_per_second",
            "components_bytes_per_node",
            "index_bytes_per_node",
            "entries_per_node",
            "answers_instrumented",
            "entries_read_per_answer",
            "cache_lines_per_answer",
        ] {
            assert!(layout[key].as_f64().unwrap() > 0.0, "{key} in {layout}");
        }
        let tables = layout["tables_bytes_per_node"].as_f64().unwrap();
        assert_eq!(tables == 0.0, layout["layout"] == "implicit", "{layout}");
        let misses = &layout["cache_misses_per_contact"];
        assert!(misses.is_null() || misses.is_f64(), "{misses}");
        for shared in [
            "digest",
            "contacts",
            "entries_per_node",
            "answers_instrumented",
        ] {
            assert_eq!(layout[shared], layouts[0][shared], "{shared}");
        }
    }
    // Threads do not change the digest; the seed does.
    let digest = |document: &Value| document["layouts"][0]["digest"].clone();
    assert_eq!(digest(&read(&["--threads", "2"])), digest(&document));
    assert_ne!(digest(&read(&["--seed", "8"])), digest(&document));
}

/// Traces, time limits, overhead, connections: whatever an experiment says, its layouts can be compared.
#[test]
fn any_experiment_can_be_compared() {
    let dir = Dir::new();
    dir.write("trace.csv", "origin,key,start_ms\n3,17,0\n4,18,250.5\n");
    dir.write(
        "any.toml",
        r#"schema = 1
name = "any"
seed = 7
networks = 2
network = { nodes = 300, bootstrap = "random", bucket_size = 5 }
link = { delay_ms = 50, overhead_ms = 0.1, slow_error = { rate = 0.1, delay_ms = 500 } }
output.tables = ["connections"]

[[phase]]
name = "traced"
kind = "provide"
trace = "trace.csv"

[[phase]]
name = "sampling"
kind = "retrieve"
origin = { sample = 5 }
count_each = 2
parallel = 1
segments = "traced"
reset_overhead = false

[[phase]]
name = "cut"
kind = "lookup"
count = 40
max_ms = 300
"#,
    );
    for set in [
        "lookup.procedure=iterative",
        "lookup.procedure=py-dht",
        "network.nodes=5",
    ] {
        let answer = dir.kadsim(&["layouts", "any.toml", "--set", set]).ends(0);
        assert!(answer.stdout.contains("the same"), "{}", answer.stdout);
    }
}

#[test]
fn bad_input_is_2() {
    let dir = Dir::new();
    dir.kadsim(&["layouts"]).ends(2).says(&["FILE"]);
    dir.kadsim(&["layouts", "nowhere.toml"])
        .ends(2)
        .says(&["nowhere.toml"]);
    dir.kadsim(&["layouts", "small.toml", "--set", "lookup.alpha=0"])
        .ends(2)
        .says(&["lookup.alpha"]);
    dir.kadsim(&["layouts", "small.toml", "--threads", "0"])
        .ends(2)
        .says(&["--threads"]);
    dir.kadsim(&[
        "layouts",
        "small.toml",
        "--set",
        "network.nodes=2_000_000_000",
    ])
    .ends(2)
    .says(&["implicit", "GiB"]);
}

#[test]
fn ctrl_c_ends_a_comparison() {
    let dir = Dir::new();
    let mut mkfifo = Command::new("mkfifo");
    assert!(mkfifo.arg(dir.path("pipe")).status().unwrap().success());
    let mut command = dir.command(&["layouts", "pipe"]);
    let mut comparison = Shown::start(80, command.env("TERM", "xterm"));
    // Opened when the program has begun to read.
    dir.write("pipe", LONG);
    comparison.wait_for(|text| text.contains('░'));
    signal(&comparison.child, "-INT");
    let answer = comparison.end();
    let answer = answer.ends(130).says(&["stopping", "interrupted"]);
    assert_eq!(answer.stdout, "");
    assert_eq!(dir.list("."), ["pipe", "small.toml"]);
}
