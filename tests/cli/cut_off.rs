//! Phases that `max_ms` cuts off: the exit status, the message, and the summary.

use std::collections::HashMap;

use serde_json::Value;

use crate::support::{Dir, SMALL};

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

/// An origin with an operation that never started is not in time with all of its operations.
#[test]
fn origins_of_a_phase_that_is_cut_off_are_in_time_only_with_all_of_their_operations() {
    let dir = Dir::new();
    let looking = "[[phase]]\nname = \"looking\"\nkind = \"lookup\"\norigin = { sample = 10 }\n\
                   count_each = 3\nspread_ms = 100_000\nmax_ms = 50_000\ndeadline_ms = 50_000\n";
    let head = SMALL.split("[[phase]]").next().unwrap();
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
