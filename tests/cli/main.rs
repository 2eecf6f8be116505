//! The command line as a user meets it: whole runs of the program, each in a folder of its own.

mod bad_input;
mod checks;
mod closing;
mod contacts;
mod crash;
mod digests;
mod folders;
mod fuzz;
mod growth;
mod imports;
mod interruption;
mod keys;
mod layouts;
mod memory;
mod presence;
mod small_networks;
mod starts;
mod support;
mod sweep;
mod warnings;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;
use snapbox::{assert_data_eq, file};
use support::{Answer, Dir};

/// What changed on purpose is written anew by `SNAPSHOTS=overwrite cargo test --test cli`.
#[test]
fn help_and_version() {
    let dir = Dir::new();
    let help = |args| dir.kadsim(args).ends(0).stdout;
    assert_data_eq!(help(&["--help"]), file!["help.txt"]);
    assert_data_eq!(help(&["run", "--help"]), file!["help_run.txt"]);
    let version = dir.kadsim(&["--version"]).ends(0).stdout;
    assert_eq!(version, format!("kadsim {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_of_each_shell() {
    let dir = Dir::new();
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef kadsim"),
        ("fish", "complete -c kadsim"),
    ] {
        let script = dir.kadsim(&["completions", shell]).ends(0).stdout;
        assert!(
            script.contains(mark) && script.contains("inspect"),
            "{shell}: {script}"
        );
    }
}

#[test]
fn wrong_usage_is_2() {
    let dir = Dir::new();
    dir.kadsim(&[]).ends(2).says(&["Usage"]);
    dir.kadsim(&["rnu", "small.toml"]).ends(2).says(&["rnu"]);
    dir.kadsim(&["run"]).ends(2).says(&["FILE"]);
    dir.kadsim(&["run", "small.toml", "--thread", "2"])
        .ends(2)
        .says(&["--thread", "--threads"]);
    dir.kadsim(&["run", "small.toml", "--threads", "0"])
        .ends(2)
        .says(&["--threads"]);
    dir.kadsim(&["run", "small.toml", "--threads", "257"])
        .ends(2)
        .says(&["--threads", "257", "256"]);
    dir.kadsim(&["run", "nowhere.toml"])
        .ends(2)
        .says(&["nowhere.toml"]);
    dir.kadsim(&["inspect", "nowhere"])
        .ends(2)
        .says(&["nowhere"]);
    dir.kadsim(&["completions", "csh"])
        .ends(2)
        .says(&["csh", "fish"]);
    assert!(dir.list("out").is_empty());
}

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

/// Whoever reads the results may leave before their end, as `head` does; the status is the run's all the same.
#[test]
fn a_failing_expectation_is_1_where_nobody_reads_the_results() {
    let dir = Dir::new();
    let expect = "expect=[{ metric = \"getting.found.mean\", within = [2, 3] }]";
    let mut child = dir.spawn(&["run", "small.toml", "--set", expect]);
    drop(child.stdout.take());
    let answer = Answer::new(child.wait_with_output().unwrap());
    answer.ends(1).says(&["getting.found.mean", "[2, 3]"]);
    assert_eq!(dir.list("out"), ["small"]);
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

/// An origin with an operation that never started is not in time with all of its operations.
#[test]
fn origins_of_a_phase_that_is_cut_off_are_in_time_only_with_all_of_their_operations() {
    let dir = Dir::new();
    let looking = "[[phase]]\nname = \"looking\"\nkind = \"lookup\"\norigin = { sample = 10 }\n\
                   count_each = 3\nspread_ms = 100_000\nmax_ms = 50_000\ndeadline_ms = 50_000\n";
    let head = support::SMALL.split("[[phase]]").next().unwrap();
    dir.write("small.toml", format!("{head}{looking}"));
    dir.kadsim(&["run", "small.toml"]).ends(1);
    let operations = dir.table("out/small/operations.parquet");
    let mut done: HashMap<String, u32> = HashMap::new();
    for (origin, end) in operations
        .values("origin")
        .iter()
        .zip(operations.numbers("end_ms"))
    {
        *done.entry(origin.to_string()).or_default() += u32::from(end.is_some());
    }
    let all = done.values().filter(|&&done| done == 3).count();
    assert!(done.values().any(|done| (1..3).contains(done)), "{done:?}");
    let summary: Value = serde_json::from_str(&dir.read("out/small/summary.json")).unwrap();
    assert_eq!(summary["looking.origins_in_time"], all as f64 / 10.0);
}

#[test]
fn a_phase_that_is_cut_off_is_1() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml", "--set", "phase.getting.max_ms=120"])
        .ends(1)
        .says(&["getting", "max_ms"]);
    let operations = dir.table("out/small/operations.parquet");
    assert!(operations.numbers("end_ms").contains(&None));
    assert_eq!(operations.complete.as_deref(), Some("true"));
}

#[test]
fn a_phase_that_is_cut_off_is_said_once_with_its_networks() {
    let dir = Dir::new();
    let cut = ["--set", "phase.getting.max_ms=120", "--set"];
    let run =
        |more: &[&str]| dir.kadsim(&[&["run", "small.toml", "--force"], &cut[..], more].concat());
    let answer = run(&["networks=3", "--json"]).ends(1);
    let said = "\"getting\" was cut off by its max_ms in 3 of 3 networks: 0, 1, 2\n";
    assert_eq!(
        answer.stderr.matches("cut off").count(),
        1,
        "{}",
        answer.stderr
    );
    let answer = answer.says(&[said]);
    let document: Value = serde_json::from_str(&answer.stdout).unwrap();
    let expected = serde_json::json!([{ "phase": "getting", "networks": [0, 1, 2] }]);
    assert_eq!(document["cut_off"], expected);
    let answer = run(&["networks=12"]).ends(1);
    answer.says(&["in 12 of 12 networks: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …\n"]);
}

/// A retrieve that found its segment has no recall: the mean is over the misses, and says nothing of the phase.
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

#[test]
fn a_finished_run_is_not_overwritten() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml"]).ends(0);
    let digest = dir.digest("out/small");
    dir.kadsim(&["run", "small.toml", "--seed", "8"])
        .ends(2)
        .says(&["out/small", "--force"]);
    assert_eq!(
        (dir.list("out"), dir.digest("out/small")),
        (vec!["small".to_owned()], digest.clone())
    );
    dir.kadsim(&["run", "small.toml", "--seed", "8", "--force"])
        .ends(0);
    assert_eq!(dir.list("out"), ["small"]);
    assert_ne!(dir.digest("out/small"), digest);
}

/// README's table of columns is that of the tables.
#[test]
fn readme_lists_the_columns_of_every_table() {
    let dir = Dir::new();
    let all = "output.tables=[\"ticks\", \"operations\", \"nodes\", \"connections\", \"routing\"]";
    dir.kadsim(&["run", "small.toml", "--set", all]).ends(0);
    let readme = include_str!("../../README.md");
    for name in [
        "ticks",
        "operations",
        "nodes",
        "connections",
        "routing",
        "summary",
        "timings",
    ] {
        let row = format!("| `{name}` | network, ");
        let line = readme.lines().find(|line| line.starts_with(&row)).unwrap();
        let columns = line.split(" | ").nth(2).unwrap();
        let listed: Vec<_> = columns.split('`').skip(1).step_by(2).collect();
        let table = dir.table(&format!("out/small/{name}.parquet"));
        let schema = table.batch.schema();
        let found = schema.fields().iter().map(|field| {
            let null = if field.is_nullable() { "?" } else { "" };
            format!("{}{null}", field.name())
        });
        assert_eq!(listed, found.collect::<Vec<_>>(), "{name}");
    }
}
