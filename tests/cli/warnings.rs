//! Warnings about experiments that may not mean what they say: key, place, value and advice.

use serde_json::Value;

use crate::support::{Answer, Dir, SMALL};

/// Writes `small.toml` with changed settings.
fn with(dir: &Dir, changes: &[(&str, &str)]) {
    let mut text = SMALL.to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    dir.write("small.toml", text);
}

/// Checks that `check` and `run` print the same warnings with their places, and that `summary.json` has them.
#[track_caller]
fn warned(changes: &[(&str, &str)], warnings: &[&[&str]]) {
    let dir = Dir::new();
    with(&dir, changes);
    let check = dir.kadsim(&["check", "small.toml"]).ends(0);
    assert_eq!(
        check.stderr.matches("warning: ").count(),
        warnings.len(),
        "{}",
        check.stderr
    );
    let run = dir.kadsim(&["run", "small.toml"]).ends(0);
    assert_eq!(run.stderr, check.stderr);
    let summary: Value = serde_json::from_str(&dir.read("out/small/summary.json")).unwrap();
    let listed = summary["warnings"].as_array().unwrap();
    assert_eq!(listed.len(), warnings.len(), "{listed:?}");
    for (words, listed) in warnings.iter().zip(listed) {
        let (place, said) = words.split_first().unwrap();
        assert!(
            run.stderr.contains(place),
            "no {place:?} in\n{}",
            run.stderr
        );
        let listed = listed.as_str().unwrap();
        for word in said {
            assert!(run.stderr.contains(word), "no {word:?} in\n{}", run.stderr);
            assert!(listed.contains(word), "no {word:?} in {listed}");
        }
        assert!(!listed.contains("small.toml"), "{listed}");
    }
}

#[test]
fn an_experiment_without_contradictions_has_no_warning() {
    warned(&[], &[]);
    // Neither setting stops a lookup after steps without progress.
    let stop = "seed = 7\nlookup = { alpha = 9, stop = \"closest-answered\" }";
    warned(&[("seed = 7", stop)], &[]);
    let walk = "seed = 7\nlookup = { alpha = 9, procedure = \"rfm19\" }";
    warned(&[("seed = 7", walk)], &[]);
    warned(&[("count = 20", "count = 20\ndeadline_ms = 100")], &[]);
    warned(&[("count = 20", "count = 20\nstart_ms = 50")], &[]);
    warned(&[("nodes = 300", "nodes = 20")], &[]);
}

#[test]
fn more_contacts_than_steps_to_stop() {
    warned(
        &[("seed = 7", "seed = 7\nlookup.alpha = 5")],
        &[&[
            "small.toml:4:16",
            "`lookup.alpha` is 5",
            "`lookup.steps_to_stop`, which is 3",
            "alpha up to 3, or steps_to_stop from 5",
        ]],
    );
    // Where alpha is not written, the other key is the place.
    warned(
        &[("seed = 7", "seed = 7\nlookup.steps_to_stop = 2")],
        &[&["small.toml:4:24", "`lookup.alpha` is 3", "which is 2"]],
    );
}

#[test]
fn longer_results_than_there_are_nodes() {
    warned(
        &[("nodes = 300", "nodes = 19")],
        &[&[
            "small.toml:4:17",
            "`lookup.beta` is 20",
            "19 nodes of `network.nodes`",
        ]],
    );
    warned(
        &[("seed = 7", "seed = 7\nlookup.beta = 301")],
        &[&["small.toml:4:15", "`lookup.beta` is 301", "beta up to 300"]],
    );
}

#[test]
fn a_deadline_shorter_than_a_round_trip() {
    warned(
        &[("count = 20", "count = 20\ndeadline_ms = [99.999, 4000]")],
        &[&[
            "small.toml:17:15",
            "`phase.getting.deadline_ms` is 99.999",
            "at least 100 ms",
            "better: from 100",
        ]],
    );
}

#[test]
fn retrieves_before_anything_can_be_stored() {
    // A lookup whose contacts all fail ends after 50 ms.
    warned(
        &[("count = 20", "count = 20\nstart_ms = 49.999")],
        &[&[
            "small.toml:17:12",
            "`phase.getting.start_ms` is 49.999",
            "\"putting\"",
            "from 50 ms on",
        ]],
    );
    warned(
        &[("count = 10", "count = 10\nwithheld = 10")],
        &[&[
            "small.toml:12:12",
            "`phase.putting.withheld` is 10",
            "the retrieves of phase \"getting\" find nothing",
        ]],
    );
    // No phase provides the segments of the trace.
    let dir = Dir::new();
    let text = SMALL
        .replace("provide", "lookup")
        .replace("count = 20\nsegments = \"putting\"", "trace = \"ops.csv\"");
    dir.write("small.toml", text);
    dir.write("ops.csv", "origin,key,start_ms\n1,2,3\n");
    let answer = dir.kadsim(&["check", "small.toml"]).ends(0);
    answer.says(&[
        "small.toml:16:9",
        "`phase.getting.trace`",
        "no phase provides anything",
    ]);
}

#[test]
fn a_table_of_too_many_connections() {
    let dir = Dir::new();
    let many = [
        "--set",
        "phase.putting.count=4000",
        "--set",
        "networks=1000",
        "--set",
    ];
    let tables = "output.tables=[\"connections\"]";
    let check = dir.kadsim(&[&["check", "small.toml"], &many[..], &[tables]].concat());
    let check = check.ends(0).says(&[
        "command line:1:",
        "`output.tables` has \"connections\"",
        "e8 rows",
    ]);
    assert_eq!(
        check.stderr.matches("warning: ").count(),
        1,
        "{}",
        check.stderr
    );
    let few = dir
        .kadsim(&["check", "small.toml", "--set", tables])
        .ends(0);
    assert_eq!(few.stderr, "");
}

#[test]
fn quiet_runs_keep_their_warnings_in_the_summary() {
    let dir = Dir::new();
    let answer = dir
        .kadsim(&["run", "small.toml", "--set", "lookup.alpha=5", "--quiet"])
        .ends(0);
    assert_eq!(answer.stderr, "");
    assert!(
        dir.read("out/small/summary.json")
            .contains("`lookup.alpha` is 5")
    );
}

#[test]
fn a_warning_of_a_sweep_is_said_once_with_its_cells() {
    let dir = Dir::new();
    let sweep = "[sweep]\n\"lookup.alpha\" = [1, 4, 5]\n\"network.nodes\" = [10, 300]\n";
    dir.write(
        "small.toml",
        format!("{}\n{sweep}", SMALL.replace("network.nodes = 300\n", "")),
    );
    let said = |answer: Answer, words: &[&str]| {
        assert_eq!(
            answer.stderr.matches("warning: ").count(),
            2,
            "{}",
            answer.stderr
        );
        answer.says(words)
    };
    let alpha = "in cell 2 (lookup.alpha=4, network.nodes=10) and 3 more of 6 cells";
    let beta = "in cell 0 (lookup.alpha=1, network.nodes=10) and 2 more of 6 cells";
    said(
        dir.kadsim(&["check", "small.toml"]).ends(0),
        &[alpha, beta, "small.toml:19:22"],
    );
    said(dir.kadsim(&["run", "small.toml"]).ends(0), &[alpha, beta]);
    let last = "out/small/lookup.alpha=5/network.nodes=300/summary.json";
    let summary: Value = serde_json::from_str(&dir.read(last)).unwrap();
    assert_eq!(summary["warnings"].as_array().unwrap().len(), 1);
    // A cell that runs alone has its warnings.
    let args = ["sweep", "small.toml", "--index", "0", "--out", "else"];
    let answer = dir.kadsim(&args).ends(0).says(&["`lookup.beta` is 20"]);
    assert_eq!(
        answer.stderr.matches("warning: ").count(),
        1,
        "{}",
        answer.stderr
    );
}

#[test]
fn nodes_that_are_offline_cost_something() {
    let offline = ("nodes = 300", "nodes = 300\nnetwork.offline = 0.1");
    let said = [
        "small.toml:5:19",
        "`link.timeout_ms` is 0",
        "30 nodes are offline",
        "link.timeout_ms above 0",
    ];
    warned(&[offline], &[&said]);
    warned(
        &[offline, ("seed = 7", "seed = 7\nlink.timeout_ms = 500")],
        &[],
    );
}
