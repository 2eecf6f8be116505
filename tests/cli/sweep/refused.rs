//! Sweeps, `where`s and calls of `sweep` that are refused.

use super::grid;
use crate::support::{Dir, SMALL};

#[track_caller]
fn refused(dir: &Dir, sweep: &str, words: &[&str]) {
    dir.write("grid.toml", SMALL.to_owned() + "\n[sweep]\n" + sweep + "\n");
    for call in [
        &["run", "grid.toml"][..],
        &["check", "grid.toml"],
        &["sweep", "grid.toml", "--list"],
    ] {
        let answer = dir.kadsim(call).ends(2).says(words);
        assert!(answer.stdout.is_empty() && dir.list("out").is_empty());
    }
}

#[test]
fn bad_sweeps_are_refused_before_anything_runs() {
    let dir = Dir::new();
    let cases: &[(&str, &[&str])] = &[
        ("", &["grid.toml:19:", "`sweep` is empty"]),
        (
            "\"lookup.alhpa\" = [1]",
            &[
                "grid.toml:20:",
                "unknown key `lookup.alhpa`",
                "did you mean `alpha`?",
                "^",
            ],
        ),
        (
            "\"phase.gettign.count\" = [1]",
            &[
                "grid.toml:20:",
                "no `phase` has the name `gettign`",
                "did you mean `getting`?",
            ],
        ),
        (
            "\"lookup.alpha\" = []",
            &[
                "grid.toml:20:",
                "`sweep.lookup.alpha` cannot be an empty list",
            ],
        ),
        (
            "\"lookup.alpha\" = 3",
            &[
                "grid.toml:20:",
                "`sweep.lookup.alpha` is an integer",
                "a list of values",
            ],
        ),
        (
            "\"network.nodes\" = [100, 200]\n\"lookup.alpha\" = [1, \"three\", 5]",
            &[
                "grid.toml:21:",
                "`lookup.alpha` is a string: \"three\"",
                "in cell 1 (network.nodes=100, lookup.alpha=three)",
                "and 1 more of the 6 cells",
            ],
        ),
        (
            "\"lookup.alpha\" = [1, 0]",
            &[
                "grid.toml:20:",
                "`lookup.alpha` cannot be 0",
                "in cell 1 (lookup.alpha=0)",
            ],
        ),
        // A contradiction that a cell has by its settings together.
        (
            "\"phase.getting.count\" = [20, 5000]\n\"network.nodes\" = [10, 300]",
            &[
                "grid.toml:20:",
                "`phase.getting.count` cannot be 5000",
                "in cell 2 (phase.getting.count=5000, network.nodes=10)",
            ],
        ),
        (
            "\"lookup.alpha\" = [1, 3, 1]",
            &["grid.toml:20:", "has 1 twice"],
        ),
        (
            "\"lookup.alpha\" = [1]\nlookup.alpha = [3]",
            &["grid.toml:21:", "`lookup.alpha` is swept twice"],
        ),
        (
            "\"link.fast_error\" = [{ rate = 0.1, delay_ms = 1 }]\n\"link.fast_error.rate\" = [0.2]",
            &["`link.fast_error.rate` is swept twice"],
        ),
        (
            "name = [\"a\", \"b\"]",
            &["`name` cannot be swept", "seed, networks"],
        ),
        (
            "\"output.dir\" = [\"a\"]",
            &["`output.dir` cannot be swept"],
        ),
        ("network = [1]", &["`network` cannot be swept", "in quotes"]),
        ("\"lookup..alpha\" = [1]", &["`lookup..alpha` is not a key"]),
        ("cases = []", &["`sweep.cases` cannot be an empty list"]),
        (
            "[[sweep.cases]]\n\"lookup.alpha\" = 3",
            &["missing key `sweep.cases.label`"],
        ),
        (
            "[[sweep.cases]]\nlabel = \"A b\"",
            &["`sweep.cases.label` cannot be \"A b\""],
        ),
        (
            "[[sweep.cases]]\nlabel = \"a\"\n[[sweep.cases]]\nlabel = \"a\"",
            &["grid.toml:23:", "two cases have the label \"a\""],
        ),
        (
            "\"lookup.alpha\" = [1]\n[[sweep.cases]]\nlabel = \"a\"\n\"lookup.alpha\" = 3",
            &["grid.toml:23:", "`lookup.alpha` is swept twice"],
        ),
        (
            "[[sweep.cases]]\nlabel = \"a\"\nlookup.alpha = 3",
            &["`lookup` cannot be swept", "in quotes"],
        ),
        (
            "[[sweep.cases]]\nlabel = \"a\"\n\"lookup.alpha\" = 0\n[[sweep.cases]]\nlabel = \"b\"",
            &[
                "grid.toml:22:",
                "`lookup.alpha` cannot be 0",
                "in cell 0 (case=a)",
            ],
        ),
    ];
    for (sweep, words) in cases {
        refused(&dir, sweep, words);
    }
    let delays: Vec<String> = (1..=60).map(|n| n.to_string()).collect();
    let long = format!(
        "\"link.delay_ms\" = [{{ choice = [{}] }}]",
        delays.join(", ")
    );
    refused(&dir, &long, &["too long for a folder's name", "label"]);
    let long: Vec<String> = (1..=101).map(|n| n.to_string()).collect();
    let list = long.join(", ");
    let many = format!("\"lookup.alpha\" = [{list}]\n\"lookup.beta\" = [{list}]");
    refused(&dir, &many, &["the sweep has 10201 cells", "up to 10000"]);
}

#[test]
fn bad_wheres_are_refused() {
    let dir = Dir::new();
    let sweep = "\"lookup.alpha\" = [1, 3]\n[[sweep.cases]]\nlabel = \"a\"\n\"lookup.beta\" = 5\n[[sweep.cases]]\nlabel = \"b\"\n";
    for (place, words) in [
        ("3", &["grid.toml:29:", "`expect.where` is an integer"][..]),
        (
            "{ \"lookup.alhpa\" = 3 }",
            &[
                "`expect.where` has `lookup.alhpa`",
                "lookup.alpha, case, lookup.beta",
                "did you mean",
            ],
        ),
        ("{ \"lookup.alpha\" = 2 }", &["no cell has lookup.alpha=2"]),
        (
            "{ case = \"b\", \"lookup.beta\" = 5 }",
            &["no cell is as `expect.where` says"],
        ),
    ] {
        let expect = format!(
            "[[expect]]\nmetric = \"getting.attempts.mean\"\nwithin = [1, 2]\nwhere = {place}"
        );
        refused(&dir, &(sweep.to_owned() + &expect), words);
    }
    // A metric that cells do not have.
    let expect =
        "[[expect]]\nmetric = \"gettign.attempts.mean\"\nwithin = [1, 2]\nwhere = { case = \"b\" }";
    refused(
        &dir,
        &(sweep.to_owned() + expect),
        &["no metric \"gettign.attempts.mean\"", "in cell 1 ("],
    );
}

#[test]
fn bad_calls_are_refused() {
    let dir = Dir::new();
    grid(&dir);
    let sweep = |args: &[&str]| dir.kadsim(&[&["sweep"], args].concat()).ends(2);
    for shard in ["4/3", "0/3", "1/0", "3", "a/b", "-1/3"] {
        sweep(&["grid.toml", &format!("--shard={shard}")]).says(&["--shard", shard]);
    }
    sweep(&["grid.toml", "--index", "24"]).says(&["no cell 24", "24 cells", "0 to 23"]);
    sweep(&["grid.toml", "--index=-1"]).says(&["--index", "-1"]);
    sweep(&["grid.toml"]).says(&["--list", "--index", "--shard"]);
    sweep(&["grid.toml", "--list", "--index", "1"]).says(&["cannot be used with"]);
    sweep(&["small.toml", "--list"]).says(&["small.toml has no [sweep]"]);
    dir.kadsim(&["layouts", "grid.toml"])
        .ends(2)
        .says(&["24 cells"]);
    // What is swept cannot be set, but its list can.
    dir.kadsim(&["run", "grid.toml", "--set", "lookup.alpha=5"])
        .ends(2)
        .says(&[
            "`lookup.alpha` is set here and swept",
            "sweep.lookup.alpha=[..]",
        ]);
    let count = ["--set", "phase.getting.draw=same"];
    dir.kadsim(&[&["run", "grid.toml"], &count[..]].concat())
        .ends(2)
        .says(&["is set here and swept"]);
    assert!(dir.list("out").is_empty());
    let set = [
        "--set",
        "sweep.lookup.alpha=[5]",
        "--set",
        "sweep.network.nodes=[50]",
    ];
    let list = dir
        .kadsim(&[&["sweep", "grid.toml", "--list"], &set[..]].concat())
        .ends(0)
        .stdout;
    assert_eq!(list.lines().count(), 4);
    assert!(
        list.starts_with("0\tout/grid/lookup.alpha=5/network.nodes=50/"),
        "{list}"
    );
}
