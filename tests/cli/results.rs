//! Output of one run: its files, stdout and stderr, the summary, and the status of a failing expectation.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use crate::support::{Answer, Dir};

#[test]
fn a_run_leaves_its_tables() {
    let dir = Dir::new();
    let answer = dir.kadsim(&["run", "small.toml"]).ends(0);
    assert_eq!(dir.list("out"), ["small"]);
    let files = [
        "nodes.parquet",
        "operations.parquet",
        "resolved.toml",
        "summary.json",
        "summary.parquet",
        "ticks.parquet",
        "timings.parquet",
    ];
    assert_eq!(dir.list("out/small"), files);
    assert_eq!(dir.table("out/small/operations.parquet").rows(), 30);
    assert_eq!(
        dir.table("out/small/ticks.parquet").complete.as_deref(),
        Some("true")
    );
    assert!(
        answer.stdout.contains("out/small") && answer.stdout.contains("getting"),
        "{}",
        answer.stdout
    );
    let digest = dir.digest("out/small");
    let text = dir.kadsim(&["inspect", "out/small"]).ends(0).stdout;
    assert!(text.contains(&digest) && text.contains("duration_ms") && text.contains("small"));
}

#[test]
fn piped_output_is_plain() {
    let dir = Dir::new();
    let answer = dir.kadsim(&["run", "small.toml"]).ends(0);
    let is_plain = |text: &str| {
        text.chars()
            .all(|letter| letter == '\n' || !letter.is_control())
    };
    assert!(is_plain(&answer.stdout), "{:?}", answer.stdout);
    assert_eq!(answer.stderr, "");
    let answer = dir
        .kadsim(&["run", "small.toml", "--force", "--quiet"])
        .ends(0);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
    let answer = dir
        .kadsim(&["run", "small.toml", "--set", "lookup.alpha=0"])
        .ends(2);
    assert!(
        is_plain(&answer.stderr) && answer.stdout.is_empty(),
        "{:?}",
        answer.stderr
    );
}

#[test]
fn json_is_one_document_with_the_summary() {
    let dir = Dir::new();
    let answer = dir.kadsim(&["run", "small.toml", "--json"]).ends(0);
    let document: Value = serde_json::from_str(&answer.stdout).unwrap();
    let summary: Value = serde_json::from_str(&dir.read("out/small/summary.json")).unwrap();
    assert_eq!(document["summary"], summary);
    assert_eq!(document["rows"]["operations"], 30);
    assert_eq!(document["path"], "out/small");
    assert_eq!(summary["putting.attempts.count"], 10);
}

#[test]
fn json_names_a_folder_that_is_not_unicode() {
    let dir = Dir::new();
    let mut command = dir.command(&["run", "small.toml", "--json", "--out"]);
    command.arg(OsStr::from_bytes(b"a\xff"));
    let answer = Answer::new(command.output().unwrap()).ends(0);
    let document: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(document["path"], "a\u{fffd}/small");
}

#[test]
fn a_failing_expectation_is_1() {
    let dir = Dir::new();
    let expect = "expect=[{ metric = \"getting.found.mean\", within = [2, 3] }]";
    let answer = dir.kadsim(&["run", "small.toml", "--set", expect]).ends(1);
    let answer = answer.says(&["getting.found.mean", "[2, 3]"]);
    assert!(
        answer.stdout.contains("the expectation does not hold"),
        "{}",
        answer.stdout
    );
    assert_eq!(dir.list("out"), ["small"]);
    let expect = "expect=[{ metric = \"getting.found.mean\", within = [0, 1] }]";
    dir.kadsim(&["run", "small.toml", "--force", "--set", expect])
        .ends(0);
}

/// The exit status is that of the run even if the reader of stdout, such as `head`, closes it early.
#[test]
fn a_failing_expectation_is_1_when_the_reader_of_stdout_is_gone() {
    let dir = Dir::new();
    let expect = "expect=[{ metric = \"getting.found.mean\", within = [2, 3] }]";
    let mut child = dir.spawn(&["run", "small.toml", "--set", expect]);
    drop(child.stdout.take());
    let answer = Answer::new(child.wait_with_output().unwrap());
    answer.ends(1).says(&["getting.found.mean", "[2, 3]"]);
    assert_eq!(dir.list("out"), ["small"]);
}

/// A retrieve that found its segment has no recall. The mean is over the misses, so it does not describe the phase.
#[test]
fn the_closing_table_has_no_recall_of_retrieves() {
    let dir = Dir::new();
    let answer = dir.kadsim(&["run", "small.toml"]).ends(0);
    let recall = answer
        .stdout
        .lines()
        .find(|line| line.starts_with("recall.mean"));
    let recall: Vec<_> = recall.unwrap().split_whitespace().collect();
    assert_ne!(recall[1], "-");
    assert_eq!(recall[2], "-");
}
