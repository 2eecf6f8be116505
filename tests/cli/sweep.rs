//! Sweeps: the order and the portions in which cells run, and interruptions, do not change the bytes of a study.

mod refused;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;

use serde_json::Value;

use crate::support::{self, Dir, SMALL, signal};

/// 24 cells over the small experiment.
const GRID: &str = r#"
[sweep]
"lookup.alpha" = [1, 3]
"network.nodes" = [200, 300, 400]
"phase.getting.draw" = ["distinct", "independent"]

[[sweep.cases]]
label = "calm"

[[sweep.cases]]
label = "failing"
"link.slow_error" = { rate = 0.2, delay_ms = 500 }
"network.bucket_size" = 8
"#;

fn grid(dir: &Dir) {
    dir.write("grid.toml", SMALL.replace("\"small\"", "\"grid\"") + GRID);
}

/// Returns every file of a study by its path, but those that depend on the machine.
fn bytes(dir: &Dir, study: &str) -> BTreeMap<String, Vec<u8>> {
    fn add(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(root, &path, files);
            } else if !path.ends_with("timings.parquet") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let root = dir.path(study);
    let mut files = BTreeMap::new();
    add(&root, &root, &mut files);
    files
}

#[track_caller]
pub fn assert_same(dir: &Dir, one: &str, other: &str) {
    let (one, other) = (bytes(dir, one), bytes(dir, other));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    let differ: Vec<_> = one
        .keys()
        .filter(|name| one[*name] != other[*name])
        .collect();
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn cells_are_listed_last_key_fastest_and_lie_where_the_list_says() {
    let dir = Dir::new();
    grid(&dir);
    let list = dir.kadsim(&["sweep", "grid.toml", "--list"]).ends(0).stdout;
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 24);
    let first = "lookup.alpha=1/network.nodes=200/phase.getting.draw=distinct/case=";
    assert_eq!(lines[0], format!("0\tout/grid/{first}calm"));
    assert_eq!(lines[1], format!("1\tout/grid/{first}failing"));
    assert!(
        lines[2].contains("draw=independent/case=calm"),
        "{}",
        lines[2]
    );
    assert!(lines[23].starts_with("23\tout/grid/lookup.alpha=3/network.nodes=400/"));
    assert!(dir.list("out").is_empty());
    dir.kadsim(&["run", "grid.toml", "--quiet"]).ends(0);
    for line in lines {
        let folder = line.split_once('\t').unwrap().1;
        assert!(dir.path(folder).join("resolved.toml").is_file(), "{folder}");
    }
    let json = dir
        .kadsim(&["sweep", "grid.toml", "--list", "--json"])
        .ends(0);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json[1]["settings"]["network.bucket_size"], 8);
    assert_eq!(json[0]["settings"]["case"], "calm");
    assert_eq!(json[0]["settings"].as_object().unwrap().len(), 4);
}

/// A cell is what its overrides make of the experiment, and its resolved file runs the same by itself.
#[test]
fn a_cell_is_a_run_with_its_overrides() {
    let dir = Dir::new();
    grid(&dir);
    dir.kadsim(&["sweep", "grid.toml", "--index", "13", "--quiet"])
        .ends(0);
    let cell = "out/grid/lookup.alpha=3/network.nodes=200/phase.getting.draw=distinct/case=failing";
    let set = [
        "lookup.alpha=3",
        "network.nodes=200",
        "phase.getting.draw=distinct",
        "link.slow_error={ rate = 0.2, delay_ms = 500 }",
        "network.bucket_size=8",
    ];
    let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    dir.kadsim(&[&["run", "small.toml", "--quiet"], &set[..]].concat())
        .ends(0);
    assert_eq!(dir.digest(cell), dir.digest("out/small"));
    let resolved = format!("{cell}/resolved.toml");
    dir.kadsim(&["run", &resolved, "--out", "again", "--quiet"])
        .ends(0);
    assert_eq!(dir.digest(cell), dir.digest("again/grid"));
}

#[test]
fn a_run_its_shards_and_its_cells_one_by_one_leave_the_same_bytes() {
    let dir = Dir::new();
    grid(&dir);
    dir.kadsim(&["run", "grid.toml", "--quiet", "--threads", "3"])
        .ends(0);
    for shard in ["2/3", "3/3", "1/3"] {
        assert!(!dir.path("shards/grid/summary.parquet").exists());
        let args = ["sweep", "grid.toml", "--shard", shard, "--out", "shards"];
        dir.kadsim(&args).ends(0);
    }
    for index in 0..24 {
        let index = index.to_string();
        let args = [
            "sweep",
            "grid.toml",
            "--index",
            &index,
            "--out",
            "cells",
            "--quiet",
        ];
        let threads = ["--threads", "1"];
        dir.kadsim(&[&args[..], &threads[..]].concat()).ends(0);
    }
    assert_same(&dir, "out/grid", "shards/grid");
    assert_same(&dir, "out/grid", "cells/grid");
    assert_eq!(dir.digest("out/grid"), dir.digest("shards/grid"));
    let text = dir.kadsim(&["inspect", "out/grid"]).ends(0).stdout;
    for part in [
        "24 of 24 cells done",
        &dir.digest("out/grid"),
        "network.nodes",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

/// Starts a sweep of longer cells and waits until some are done and others not.
fn half_way(dir: &Dir, out: &str) -> Child {
    let folders = folders(dir, out);
    let changes = dir.changes();
    let mut child = dir.spawn(&["run", "long.toml", "--quiet", "--out", out]);
    changes.wait_until(&mut child, || done(dir, &folders) >= 5);
    child
}

/// Returns the folders of the cells.
fn folders(dir: &Dir, out: &str) -> Vec<String> {
    let list = dir
        .kadsim(&["sweep", "long.toml", "--list", "--out", out])
        .ends(0)
        .stdout;
    let folders = list.lines().map(|line| line.split_once('\t').unwrap().1);
    folders.map(str::to_owned).collect()
}

/// Returns the number of cells that are done.
fn done(dir: &Dir, folders: &[String]) -> usize {
    let is_done = |folder: &&String| dir.path(folder).is_dir();
    folders.iter().filter(is_done).count()
}

#[test]
fn a_sweep_killed_in_the_middle_ends_with_the_same_bytes() {
    let dir = Dir::new();
    let long = (SMALL.to_owned() + GRID).replace("\"small\"", "\"long\"");
    dir.write(
        "long.toml",
        long.replace("count = 20", "count = 400")
            .replace("count = 10", "count = 400"),
    );
    dir.kadsim(&["run", "long.toml", "--quiet"]).ends(0);
    for (name, out) in [("-KILL", "killed"), ("-INT", "interrupted")] {
        let mut child = half_way(&dir, out);
        signal(&child, name);
        let status = child.wait().unwrap().code();
        assert_eq!(status, (name == "-INT").then_some(130));
        let before = done(&dir, &folders(&dir, out));
        assert!((5..24).contains(&before), "{before} cells were done");
        let study = format!("{out}/long");
        assert!(!dir.path(&study).join("summary.parquet").exists());
        let text = dir.kadsim(&["inspect", &study]).ends(0).stdout;
        assert!(
            text.contains(&format!("{before} of 24 cells done")),
            "{text}"
        );
        let answer = dir
            .kadsim(&["run", "long.toml", "--json", "--out", out])
            .ends(0);
        let document: Value = serde_json::from_str(&answer.stdout).unwrap();
        // Cells that were done do not run again.
        assert_eq!(document["ran"].as_array().unwrap().len(), 24 - before);
        assert_eq!(document["cells"].as_array().unwrap().len(), 24);
        assert_same(&dir, "out/long", &study);
    }
}

#[test]
fn a_study_that_is_done_is_read_and_not_run() {
    let dir = Dir::new();
    grid(&dir);
    let first = dir.kadsim(&["run", "grid.toml"]).ends(0).stdout;
    let timings = "out/grid/lookup.alpha=1/network.nodes=200/phase.getting.draw=distinct/case=calm/timings.parquet";
    let before = dir.path(timings).metadata().unwrap().modified().unwrap();
    let again = dir.kadsim(&["run", "grid.toml"]).ends(0).stdout;
    assert!(again.contains("24 of 24 cells done, 0 run now"), "{again}");
    assert!(first.contains("24 of 24 cells done, 24 run now"), "{first}");
    assert_eq!(
        dir.path(timings).metadata().unwrap().modified().unwrap(),
        before
    );
    // Only the deleted table is written again.
    let digest = dir.digest("out/grid");
    fs::remove_file(dir.path("out/grid/summary.parquet")).unwrap();
    dir.kadsim(&["sweep", "grid.toml", "--index", "3", "--quiet"])
        .ends(0);
    assert_eq!(dir.digest("out/grid"), digest);
}

#[test]
fn a_changed_file_is_refused_without_force() {
    let dir = Dir::new();
    grid(&dir);
    dir.kadsim(&["sweep", "grid.toml", "--index", "0", "--quiet"])
        .ends(0);
    let before = bytes(&dir, "out/grid");
    let text = dir.read("grid.toml");
    dir.write("grid.toml", text.replace("seed = 7", "seed = 8"));
    for call in [
        &["run", "grid.toml"][..],
        &["sweep", "grid.toml", "--index", "0"],
    ] {
        dir.kadsim(call)
            .ends(2)
            .says(&["out/grid", "another experiment", "--force"]);
    }
    assert_eq!(bytes(&dir, "out/grid"), before);
    dir.write("grid.toml", text.replace("[200, 300, 400]", "[200, 500]"));
    dir.kadsim(&["run", "grid.toml", "--quiet", "--force"])
        .ends(0);
    assert_eq!(dir.list("out"), ["grid"]);
    assert_eq!(
        dir.list("out/grid/lookup.alpha=1"),
        ["network.nodes=200", "network.nodes=500"]
    );
}

#[test]
fn a_folder_of_something_else_is_refused() {
    let dir = Dir::new();
    grid(&dir);
    // A run of the same name.
    let text = SMALL.replace("\"small\"", "\"grid\"");
    dir.write("small.toml", &text);
    dir.kadsim(&["run", "small.toml", "--quiet"]).ends(0);
    dir.kadsim(&["run", "grid.toml"])
        .ends(2)
        .says(&["out/grid", "another experiment"]);
    dir.kadsim(&["run", "grid.toml", "--force", "--quiet"])
        .ends(0);
    assert_eq!(dir.list("out"), ["grid"]);
    dir.kadsim(&["run", "small.toml"])
        .ends(2)
        .says(&["out/grid", "--force"]);
    // A folder that no run has written is refused even with --force.
    fs::create_dir_all(dir.path("else/grid")).unwrap();
    dir.write("else/grid/thesis.txt", "years of work");
    for more in [&[][..], &["--force"]] {
        let call = [&["run", "grid.toml", "--out", "else"], more].concat();
        dir.kadsim(&call).ends(2).says(&["else/grid", "left alone"]);
    }
    assert_eq!(dir.list("else/grid"), ["thesis.txt"]);
}

#[test]
fn an_expectation_is_for_the_cells_that_it_names() {
    let dir = Dir::new();
    let expect = |bounds: &str, place: &str| {
        let expect =
            format!("\n[[expect]]\nmetric = \"getting.attempts.count\"\nwithin = {bounds}\n");
        let place = if place.is_empty() {
            String::new()
        } else {
            format!("where = {place}\n")
        };
        let text = SMALL.replace("\"small\"", "\"grid\"") + GRID + &expect + &place;
        dir.write(
            "grid.toml",
            text.replace("\"distinct\", \"independent\"", "\"independent\""),
        );
        let fresh = ["run", "grid.toml", "--force"];
        dir.kadsim(&fresh)
    };
    let answer = expect("[20, 20]", "").ends(0);
    assert!(
        answer.stdout.contains("12 of 12 expectations hold"),
        "{}",
        answer.stdout
    );
    let answer = expect("[0, 1]", "{ \"lookup.alpha\" = 3, case = \"calm\" }").ends(1);
    let answer = answer.says(&[
        "cell 6 (",
        "getting.attempts.count: 20 is not within [0, 1], where lookup.alpha=3, case=calm\n",
    ]);
    assert_eq!(answer.stderr.lines().count(), 3, "{}", answer.stderr);
    assert!(
        answer.stdout.contains("0 of 3 expectations hold"),
        "{}",
        answer.stdout
    );
    let resolved = |cell: &str| dir.read(&format!("out/grid/{cell}/resolved.toml"));
    let cell = "network.nodes=200/phase.getting.draw=independent/case=calm";
    assert!(resolved(&format!("lookup.alpha=3/{cell}")).contains("[[expect]]"));
    assert!(!resolved(&format!("lookup.alpha=1/{cell}")).contains("[[expect]]"));
    // The expectation also fails for finished cells, and for the cell alone.
    dir.kadsim(&["run", "grid.toml"])
        .ends(1)
        .says(&["cell 6 ("]);
    dir.kadsim(&["sweep", "grid.toml", "--index", "6", "--quiet"])
        .ends(1);
    dir.kadsim(&["sweep", "grid.toml", "--index", "5", "--quiet"])
        .ends(0);
}

#[test]
fn a_phase_that_is_cut_off_is_1_also_when_the_cell_was_done_before() {
    let dir = Dir::new();
    let text = SMALL.replace("count = 20", "count = 20\nmax_ms = 60");
    dir.write(
        "small.toml",
        text + "\n[sweep]\n\"phase.getting.max_ms\" = [60, 600_000]\n",
    );
    for _ in 0..2 {
        let answer = dir
            .kadsim(&["run", "small.toml", "--set", "networks=2"])
            .ends(1);
        let answer = answer.says(&["cell 0 (", "cut off by its max_ms in 2 of 2 networks: 0, 1"]);
        assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
    }
    dir.kadsim(&["sweep", "small.toml", "--set", "networks=2", "--index", "1"])
        .ends(0);
}

#[test]
fn check_says_what_the_cells_and_the_whole_need() {
    let dir = Dir::new();
    grid(&dir);
    let check = |more: &[&str]| dir.kadsim(&[&["check", "grid.toml"], more].concat());
    let text = check(&["--threads", "2"]).ends(0).stdout;
    for part in [
        "\n# 0     lookup.alpha=1,",
        "network.nodes=400, phase.getting.draw=distinct, case=calm",
        "# 2 at once on 2 threads",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(
        check(&["--threads", "1"])
            .ends(0)
            .stdout
            .contains("# 1 at once")
    );
    // One cell is too large for any machine.
    let huge = "sweep.network.nodes=[200, 2_000_000_000]";
    check(&["--set", huge])
        .ends(2)
        .says(&["cell 4 (", "memory"]);
    dir.kadsim(&["run", "grid.toml", "--set", huge])
        .ends(2)
        .says(&["cell 4 (", "memory"]);
    assert!(dir.list("out").is_empty());
}

/// With more shards than cells, some shards are empty and succeed.
#[test]
fn a_shard_may_be_empty() {
    let dir = Dir::new();
    grid(&dir);
    let answer = dir
        .kadsim(&["sweep", "grid.toml", "--shard", "30/30"])
        .ends(0);
    assert!(
        answer.stdout.contains("0 of 24 cells done"),
        "{}",
        answer.stdout
    );
}

/// The peak memory of a sweep stays below the estimate of `check`.
#[cfg(target_os = "linux")]
#[test]
fn a_sweep_needs_no_more_memory_than_check_says() {
    let dir = Dir::new();
    grid(&dir);
    let set = "sweep.network.nodes=[10_000]";
    let text = dir
        .kadsim(&["check", "grid.toml", "--set", set, "--threads", "2"])
        .ends(0)
        .stdout;
    let said = text
        .lines()
        .rfind(|line| line.starts_with("# in all"))
        .unwrap();
    let said: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(said[4], "MiB");
    let said: f64 = said[3].parse().unwrap();
    let (summary, partial) = (
        dir.path("out/grid/summary.parquet"),
        dir.path("out/grid.partial"),
    );
    let call = ["run", "grid.toml", "--set", set, "--threads", "2"];
    let peak_kib = support::peak_kib(&dir, &call, || summary.exists() && !partial.exists());
    let peak = peak_kib as f64 / 1024.0;
    assert!(peak < said, "{peak} MiB, said {said} MiB");
}
