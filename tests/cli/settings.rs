//! `--set`, `--seed`, `--out` and `--threads`; the resolved experiment; `check`.

use crate::support::Dir;

#[test]
fn overrides_reach_the_run() {
    let dir = Dir::new();
    let set = [
        "--set",
        "phase.getting.count=5",
        "--set",
        "engine.layout=dense",
        "--seed",
        "9",
        "--out",
        "else",
    ];
    dir.kadsim(&[&["run", "small.toml", "--threads", "2"], &set[..]].concat())
        .ends(0);
    assert_eq!(dir.table("else/small/operations.parquet").rows(), 15);
    let resolved = dir.read("else/small/resolved.toml");
    assert!(
        resolved.contains("seed = 9") && resolved.contains("layout = \"dense\""),
        "{resolved}"
    );
    dir.kadsim(&[
        "run",
        "small.toml",
        "--set",
        "phase.getting.count=5",
        "--set",
        "seed=9",
    ])
    .ends(0);
    assert_eq!(dir.digest("out/small"), dir.digest("else/small"));
    dir.kadsim(&[
        "run",
        "small.toml",
        "--set",
        "phase.getting.count=5",
        "--out",
        "third",
    ])
    .ends(0);
    assert_ne!(dir.digest("out/small"), dir.digest("third/small"));
}

#[test]
fn what_is_resolved_runs_the_same() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml"]).ends(0);
    dir.kadsim(&["run", "out/small/resolved.toml", "--out", "again"])
        .ends(0);
    assert_eq!(dir.digest("out/small"), dir.digest("again/small"));
}

#[test]
fn check_runs_nothing() {
    let dir = Dir::new();
    let answer = dir
        .kadsim(&["check", "small.toml", "--set", "lookup.alpha=5"])
        .ends(0);
    assert!(
        answer.stdout.contains("alpha = 5") && answer.stdout.contains("# Estimated memory"),
        "{}",
        answer.stdout
    );
    assert!(dir.list("out").is_empty());
}
