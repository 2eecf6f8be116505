//! Studies that grow: finished cells stay, and the program refuses and names a change that would invalidate them.

use std::fs;
use std::time::SystemTime;

use serde_json::Value;

use super::sweep::assert_same;
use crate::support::{Answer, Dir, SMALL};

const SWEEP: &str = "\n[sweep]\n\"lookup.alpha\" = [1, 3]\n\n[[sweep.cases]]\nlabel = \"calm\"\n\n\
                     [[sweep.cases]]\nlabel = \"failing\"\n\"link.slow_error\" = { rate = 0.2, delay_ms = 500 }\n";

fn text() -> String {
    SMALL.replace("\"small\"", "\"grid\"") + SWEEP
}

/// Runs the experiment `text`; which cells were run, by index.
#[track_caller]
fn ran(dir: &Dir, text: &str, more: &[&str]) -> Vec<u64> {
    let document = run(dir, text, more);
    let ran = document["ran"].as_array().unwrap();
    ran.iter().map(|index| index.as_u64().unwrap()).collect()
}

#[track_caller]
fn run(dir: &Dir, text: &str, more: &[&str]) -> Value {
    dir.write("grid.toml", text);
    let answer = dir
        .kadsim(&[&["run", "grid.toml", "--json"], more].concat())
        .ends(0);
    serde_json::from_str(&answer.stdout).unwrap()
}

fn written(dir: &Dir, cell: &str) -> SystemTime {
    let path = dir.path(&format!("out/grid/{cell}/operations.parquet"));
    path.metadata().unwrap().modified().unwrap()
}

#[test]
fn a_finished_or_unfinished_study_takes_new_values_and_cases() {
    let dir = Dir::new();
    let before = text();
    let after = before.replace("[1, 3]", "[1, 2, 3]").replace(
        "label = \"failing\"",
        "label = \"slow\"\n\"link.delay_ms\" = 90\n\n[[sweep.cases]]\nlabel = \"failing\"",
    );
    run(&dir, &after, &["--out", "fresh"]);
    // Cells of the 9 that the study of 4 has: alpha 1 and 3, calm and failing.
    let new = [1, 3, 4, 5, 7];
    assert_eq!(ran(&dir, &before, &[]), [0, 1, 2, 3]);
    let kept = written(&dir, "lookup.alpha=1/case=calm");
    assert_eq!(ran(&dir, &after, &[]), new);
    assert_eq!(written(&dir, "lookup.alpha=1/case=calm"), kept);
    assert_same(&dir, "fresh/grid", "out/grid");
    assert_eq!(dir.list("out"), ["grid"]);
    // Two of the four cells are done.
    dir.write("grid.toml", &before);
    for index in ["0", "3"] {
        let call = [
            "sweep",
            "grid.toml",
            "--index",
            index,
            "--out",
            "half",
            "--quiet",
        ];
        dir.kadsim(&call).ends(0);
    }
    assert_eq!(ran(&dir, &after, &["--out", "half"]), [1, 2, 3, 4, 5, 6, 7]);
    assert_same(&dir, "fresh/grid", "half/grid");
}

#[test]
fn values_that_are_gone_leave_their_cells_and_no_row() {
    let dir = Dir::new();
    let (before, after) = (text(), text().replace("[1, 3]", "[3]"));
    run(&dir, &after, &["--out", "fresh"]);
    run(&dir, &before, &[]);
    let digest = dir.digest("out/grid");
    assert!(ran(&dir, &after, &[]).is_empty());
    assert_eq!(dir.digest("out/grid"), dir.digest("fresh/grid"));
    let table = dir.table("out/grid/summary.parquet");
    assert!(
        table
            .values("lookup.alpha")
            .iter()
            .all(|alpha| *alpha == 3.0)
    );
    assert!(
        dir.path("out/grid/lookup.alpha=1/case=calm/nodes.parquet")
            .is_file()
    );
    // Cells that return to the file are still done, and `--force` removes them with the study.
    assert!(ran(&dir, &before, &[]).is_empty());
    assert_eq!(dir.digest("out/grid"), digest);
    ran(&dir, &after, &[]);
    run(&dir, &after, &["--force"]);
    assert_eq!(
        dir.list("out/grid"),
        [
            "lookup.alpha=3",
            "study.json",
            "study.parquet",
            "summary.parquet"
        ]
    );
    assert_eq!(dir.list("out"), ["grid"]);
}

#[test]
fn networks_can_be_added() {
    let dir = Dir::new();
    let after = format!("networks = 3\n{}", text());
    run(&dir, &after, &["--out", "fresh"]);
    run(&dir, &text(), &[]);
    dir.write("grid.toml", &after);
    // Cells run one after the other. Those that have not run yet stay as they are.
    dir.kadsim(&["sweep", "grid.toml", "--index", "1", "--quiet"])
        .ends(0);
    assert!(!dir.path("out/grid/summary.parquet").exists());
    let rows = |cell: &str| {
        dir.table(&format!(
            "out/grid/lookup.alpha=1/case={cell}/operations.parquet"
        ))
        .rows()
    };
    assert_eq!([rows("calm"), rows("failing")], [30, 90]);
    assert_eq!(ran(&dir, &after, &[]), [0, 2, 3]);
    assert_same(&dir, "fresh/grid", "out/grid");
    assert_eq!(dir.list("out"), ["grid"]);
    // Fewer networks are refused, because they would discard results.
    dir.write("grid.toml", text());
    refused(&dir, &["`networks` was 3 and is 1"]);
}

#[track_caller]
fn refused(dir: &Dir, words: &[&str]) {
    let (list, digest) = (dir.list("out"), dir.digest("out/grid"));
    for call in [
        &["run", "grid.toml"][..],
        &["sweep", "grid.toml", "--index", "0"],
    ] {
        let answer: Answer = dir.kadsim(call).ends(2).says(words);
        answer.says(&["out/grid", "--force", "--out"]);
    }
    assert_eq!((dir.list("out"), dir.digest("out/grid")), (list, digest));
}

#[test]
fn a_refusal_names_what_differs() {
    let dir = Dir::new();
    run(&dir, &text(), &[]);
    let change = |old: &str, new: &str, words: &[&str]| {
        assert!(text().contains(old));
        dir.write("grid.toml", text().replace(old, new));
        refused(&dir, words);
    };
    change(
        "seed = 7",
        "seed = 8",
        &[
            "cell 0 (lookup.alpha=1, case=calm)",
            "`seed` was 7 and is 8",
        ],
    );
    change(
        "count = 20\n",
        "count = 30\ndeadline_ms = 400\n",
        &[
            "`phase.getting.count` was 20 and is 30",
            "`phase.getting.deadline_ms` was not set and is 400",
        ],
    );
    change(
        "rate = 0.2,",
        "rate = 0.3,",
        &["case=failing", "`link.slow_error.rate` was 0.2 and is 0.3"],
    );
    change(
        "\"lookup.alpha\" = [1, 3]",
        "\"lookup.beta\" = [5, 20]",
        &["lookup.alpha, case", "lookup.beta, case"],
    );
    change("[1, 3]", "[2]", &["none of which"]);
    // Keys that change no result may change.
    let same = text().replace("[sweep]", "[engine]\nlayout = \"dense\"\n\n[sweep]");
    let expect = "\n[[expect]]\nmetric = \"getting.attempts.count\"\nwithin = [0, 20]\n";
    assert!(ran(&dir, &(same + expect), &[]).is_empty());
    // Another version of kadsim.
    let cell = "out/grid/lookup.alpha=1/case=calm/cell.json";
    let known: Value = serde_json::from_str(&dir.read(cell)).unwrap();
    assert_eq!(known["version"], env!("CARGO_PKG_VERSION"));
    let older = dir.read(cell).replace(env!("CARGO_PKG_VERSION"), "0.0.9");
    let digest = known["digest"].as_str().unwrap();
    dir.write(cell, older.replace(digest, "another"));
    refused(&dir, &["kadsim 0.0.9 has run it"]);
}

/// The content of an imported file decides, not its path.
#[test]
fn a_file_that_has_changed_is_named() {
    let dir = Dir::new();
    let nodes = |from: u64| {
        let rows = (0..300_u64).map(|id| format!("{id},{}\n", (id + from) << 50));
        "node,key\n".to_owned() + &rows.collect::<String>()
    };
    dir.write("nodes.csv", nodes(0));
    let imported = text().replace("network.nodes = 300", "network.ids = \"nodes.csv\"");
    run(&dir, &imported, &[]);
    dir.write("nodes.csv", nodes(1));
    refused(&dir, &["the file of `network.ids` has another content"]);
    fs::create_dir(dir.path("moved")).unwrap();
    dir.write("moved/nodes.csv", nodes(0));
    assert!(ran(&dir, &imported.replace("nodes.csv", "moved/nodes.csv"), &[]).is_empty());
}
