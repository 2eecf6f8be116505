//! Sweeps: the same bytes in whatever order and portions cells run, and however often they are interrupted; the study's
//! tables.

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

/// Every file of a study by its path, but those that depend on the machine.
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

/// The folders of the cells.
fn folders(dir: &Dir, out: &str) -> Vec<String> {
    let list = dir
        .kadsim(&["sweep", "long.toml", "--list", "--out", out])
        .ends(0)
        .stdout;
    let folders = list.lines().map(|line| line.split_once('\t').unwrap().1);
    folders.map(str::to_owned).collect()
}

/// How many cells are done.
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
        // What was done is not run again.
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
    // Its table alone is made anew.
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
    // What no run has written, not even with --force.
    fs::create_dir_all(dir.path("else/grid")).unwrap();
    dir.write("else/grid/thesis.txt", "years of work");
    for more in [&[][..], &["--force"]] {
        let call = [&["run", "grid.toml", "--out", "else"], more].concat();
        dir.kadsim(&call).ends(2).says(&["else/grid", "left alone"]);
    }
    assert_eq!(dir.list("else/grid"), ["thesis.txt"]);
}

#[test]
fn one_row_per_cell_network_and_metric_with_the_swept_keys_as_columns() {
    let dir = Dir::new();
    grid(&dir);
    dir.kadsim(&["run", "grid.toml", "--quiet", "--set", "networks=3"])
        .ends(0);
    let table = dir.table("out/grid/summary.parquet");
    let schema = table.batch.schema();
    let names: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let expected = [
        "cell",
        "lookup.alpha",
        "network.nodes",
        "phase.getting.draw",
        "case",
        "link.slow_error",
        "network.bucket_size",
        "network",
        "metric",
        "value",
    ];
    assert_eq!(names, expected);
    assert_eq!(table.complete.as_deref(), Some("true"));
    let list = dir
        .kadsim(&["sweep", "grid.toml", "--list", "--set", "networks=3"])
        .stdout;
    let folders: Vec<&str> = list
        .lines()
        .map(|line| line.split_once('\t').unwrap().1)
        .collect();
    let (cells, networks) = (table.values("cell"), table.values("network"));
    let (metrics, values) = (table.words("metric"), table.numbers("value"));
    let rows: Vec<_> = (0..table.rows()).collect();
    let metric_count = rows.len() / 24 / 3;
    assert_eq!(rows.len(), 24 * 3 * metric_count);
    for (cell, folder) in folders.iter().enumerate() {
        let summary: Value =
            serde_json::from_str(&dir.read(&format!("{folder}/summary.json"))).unwrap();
        let of = |metric: &str| -> Vec<f64> {
            let is = |row: &&usize| cells[**row] == cell as f64 && metrics[**row] == metric;
            rows.iter()
                .filter(is)
                .map(|row| values[*row].unwrap())
                .collect()
        };
        // Counts add up, and the mean and the interval over networks are those of the rows.
        let counts = of("putting.attempts.count");
        assert_eq!(counts, [10.0; 3]);
        let means = of("getting.attempts.mean");
        let mean = means.iter().sum::<f64>() / 3.0;
        let squares: f64 = means.iter().map(|value| (value - mean).powi(2)).sum();
        let half = 4.302_652_73 * (squares / 2.0 / 3.0).sqrt();
        let number = |key: &str| summary[key].as_f64().unwrap();
        assert!((number("getting.attempts.mean.networks.mean") - mean).abs() < 1e-9);
        assert!((number("getting.attempts.mean.networks.ci95") - half).abs() < 1e-6);
        assert!((number("getting.attempts.mean") - mean).abs() < 1e-9);
    }
    assert_eq!(networks[metric_count - 1..=metric_count], [0.0, 1.0]);
    let (alpha, bucket) = (
        table.values("lookup.alpha"),
        table.numbers("network.bucket_size"),
    );
    assert_eq!((alpha[0], bucket[0]), (1.0, None));
    assert_eq!(
        (alpha[rows.len() - 1], bucket[rows.len() - 1]),
        (3.0, Some(8.0))
    );
}

/// Operations of each network, by the table, have the statistics that the network's own metrics say.
#[test]
fn a_network_has_metrics_of_its_own() {
    let dir = Dir::new();
    dir.kadsim(&["run", "small.toml", "--quiet", "--set", "networks=4"])
        .ends(0);
    let operations = dir.table("out/small/operations.parquet");
    let summary = dir.table("out/small/summary.parquet");
    let (networks, phases) = (operations.values("network"), operations.words("phase"));
    let (attempts, durations) = (
        operations.values("attempts"),
        operations.values("duration_ms"),
    );
    for network in 0..4 {
        let of_network =
            |row: &usize| networks[*row] == f64::from(network) && phases[*row] == "getting";
        let rows: Vec<usize> = (0..operations.rows()).filter(of_network).collect();
        let sum: f64 = rows.iter().map(|row| attempts[*row]).sum();
        let max = rows.iter().map(|row| durations[*row]).fold(0.0, f64::max);
        let metric = |name: &str| {
            let is = |row: &usize| {
                summary.values("network")[*row] == f64::from(network)
                    && summary.words("metric")[*row] == name
            };
            summary.numbers("value")[(0..summary.rows()).find(is).unwrap()]
        };
        assert_eq!(metric("getting.attempts.count"), Some(20.0));
        assert_eq!(metric("getting.attempts.mean"), Some(sum / 20.0));
        assert_eq!(metric("getting.duration_ms.max"), Some(max));
        assert_eq!(metric("putting.recall.count"), Some(10.0));
    }
}

#[test]
fn the_closing_table_has_mean_and_interval_over_networks() {
    let dir = Dir::new();
    let answer = dir
        .kadsim(&["run", "small.toml", "--set", "networks=4"])
        .ends(0);
    for phase in ["putting", "getting"] {
        for part in ["networks.mean", "networks.ci95"] {
            let part = format!("{phase} {part}");
            assert_eq!(answer.stdout.matches(&part).count(), 1, "{}", answer.stdout);
        }
    }
    let expect = "expect=[{metric=\"getting.found.mean.networks.ci95\", within=[0, 1]}]";
    dir.kadsim(&[
        "run",
        "small.toml",
        "--out",
        "b",
        "--quiet",
        "--set",
        "networks=4",
        "--set",
        expect,
    ])
    .ends(0);
    // Of one network there is none.
    dir.kadsim(&["run", "small.toml", "--out", "c", "--set", expect])
        .ends(2)
        .says(&["no metric"]);
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
    // Of the cells that are done, too, and of one alone.
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
    // Too large for any machine, in one cell.
    let huge = "sweep.network.nodes=[200, 2_000_000_000]";
    check(&["--set", huge])
        .ends(2)
        .says(&["cell 4 (", "memory"]);
    dir.kadsim(&["run", "grid.toml", "--set", huge])
        .ends(2)
        .says(&["cell 4 (", "memory"]);
    assert!(dir.list("out").is_empty());
}

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

/// More shards than cells: some have nothing to do, and that is well.
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

/// A value stands in its folder's name so that hive-style readers get it back.
#[test]
fn values_of_any_kind_have_a_folder() {
    let dir = Dir::new();
    let sweep = "\n[sweep]\n\"link.overhead_ms\" = [0, 0.5, 12.0]\n\"link.delay_ms\" = [50, { uniform = [50, 75] }]\n\
                 \"output.results\" = [true]\nseed = [18446744073709551615]\n";
    dir.write("small.toml", SMALL.to_owned() + sweep);
    dir.kadsim(&["run", "small.toml", "--quiet"]).ends(0);
    let folders = [
        "link.overhead_ms=0",
        "link.overhead_ms=0.5",
        "link.overhead_ms=12",
        "study.json",
        "study.parquet",
        "summary.parquet",
    ];
    assert_eq!(dir.list("out/small"), folders);
    let delays = [
        "link.delay_ms=%7Buniform%3D%5B50%2C75%5D%7D",
        "link.delay_ms=50",
    ];
    assert_eq!(dir.list("out/small/link.overhead_ms=12"), delays);
    let table = dir.table("out/small/summary.parquet");
    let kinds = [
        "link.overhead_ms",
        "link.delay_ms",
        "output.results",
        "seed",
    ];
    let kinds = kinds.map(|name| {
        table
            .batch
            .schema()
            .field_with_name(name)
            .unwrap()
            .data_type()
            .to_string()
    });
    assert_eq!(
        [&kinds[0], &kinds[2], &kinds[3]],
        ["Float64", "Boolean", "UInt64"]
    );
    assert_eq!(
        table.words("link.delay_ms").last().unwrap(),
        "{uniform=[50,75]}"
    );
}

/// The peak memory of a sweep stays below what `check` said.
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
