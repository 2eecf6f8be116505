//! Digests of 37 experiments, which a change of the engine must reproduce bit for bit.
//!
//! `digests/recorded.txt` has a line for each table of each experiment: the number of rows, and the digest of each column.
//! The test compares recorded columns alone, so that a new column needs no new record. After an intended change of results,
//! `KADSIM_RECORD=1 cargo test --test tests cli::digests` records them anew, in a commit that says why.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use kadsim::inspect;

use crate::support::{Dir, MIXED};

/// Phases from traces, on imported nodes.
const IMPORTED: &str = r#"schema = 1
name = "imported"
seed = 5
network.ids = "ids.csv"
link.delay_ms = 20
[[phase]]
name = "putting"
kind = "provide"
trace = "trace.csv"
[[phase]]
name = "getting"
kind = "retrieve"
origin = "each"
count_each = 2
segments = "putting"
[output]
tables = ["ticks", "operations", "nodes", "routing"]
results = true
"#;

/// A sweep over a value and over cases.
const SWEPT: &str = r#"schema = 1
name = "swept"
seed = 3
networks = 2
network.nodes = 150
link.delay_ms = 10
[[phase]]
name = "looking"
kind = "lookup"
count = 20
[sweep]
"lookup.alpha" = [1, 3]
[[sweep.cases]]
label = "calm"
[[sweep.cases]]
label = "failing"
"link.fast_error" = { rate = 0.2, delay_ms = 30 }
"#;

/// No recorded connections: nothing is shared, so operations run whole.
const WHOLE: &str = r#"output.tables=["ticks", "operations", "nodes", "routing"]"#;
const OVERLAP: [&str; 2] = ["phase.looking.start_ms=700.5", "phase.getting.start_ms=400"];

/// Name, and what differs from [`MIXED`].
fn variants() -> Vec<(&'static str, Vec<&'static str>)> {
    let with = |more: &[&'static str], sets: &[&'static str]| [more, sets].concat();
    vec![
        ("as-it-is", vec![]),
        ("whole", vec![WHOLE]),
        ("dense", vec!["engine.layout=dense"]),
        ("spans", vec!["engine.layout=spans", WHOLE]),
        ("implicit", vec!["engine.layout=implicit"]),
        ("random", vec!["network.bootstrap=random"]),
        (
            "random-spans",
            vec!["network.bootstrap=random", "engine.layout=spans", WHOLE],
        ),
        ("closest-answered", vec!["lookup.stop=closest-answered"]),
        (
            "closest-answered-whole",
            vec!["lookup.stop=closest-answered", "lookup.beta=12", WHOLE],
        ),
        ("one-at-a-time", vec!["lookup.alpha=1", WHOLE]),
        (
            "wide",
            vec!["lookup.alpha=7", "lookup.steps_to_stop=5", "lookup.beta=40"],
        ),
        (
            "greedy",
            vec![
                "lookup.alpha=1",
                "lookup.beta=1",
                "lookup.stop=closest-answered",
            ],
        ),
        ("large-buckets", vec!["network.bucket_size=255", WHOLE]),
        ("buckets-of-one", vec!["network.bucket_size=1"]),
        ("py-dht", vec!["lookup.procedure=py-dht"]),
        ("py-dht-whole", vec!["lookup.procedure=py-dht", WHOLE]),
        (
            "py-dht-overhead",
            vec!["lookup.procedure=py-dht", "link.overhead_ms=0.5"],
        ),
        ("rfm19", vec!["lookup.procedure=rfm19"]),
        (
            "rfm19-random",
            vec!["lookup.procedure=rfm19", "network.bootstrap=random", WHOLE],
        ),
        ("overhead", vec!["link.overhead_ms=0.25"]),
        (
            "overhead-kept",
            vec![
                "link.overhead_ms=0.25",
                "phase.getting.reset_overhead=false",
                "phase.getting.parallel=3",
            ],
        ),
        ("overlap", OVERLAP.to_vec()),
        ("overlap-whole", with(&[WHOLE], &OVERLAP)),
        (
            "overlap-overhead",
            with(&["link.overhead_ms=0.25"], &OVERLAP),
        ),
        (
            "parallel",
            vec![
                "phase.putting.parallel=1",
                "phase.getting.parallel=2",
                WHOLE,
            ],
        ),
        (
            "cut-off",
            vec!["phase.looking.max_ms=500", "phase.getting.max_ms=300"],
        ),
        (
            "cut-off-whole",
            with(&[WHOLE, "phase.getting.max_ms=300"], &OVERLAP),
        ),
        ("no-delay", vec!["link={}", WHOLE]),
        (
            "constant",
            vec!["link={ delay_ms = 50, fast_error = { rate = 0.3, delay_ms = 7 } }"],
        ),
        (
            "choice",
            vec!["link={ delay_ms = { choice = [10, 20, 70] } }", WHOLE],
        ),
        (
            "withheld",
            vec![
                "phase.putting.withheld=6",
                "phase.putting.parts=3",
                "phase.getting.draw=independent",
            ],
        ),
        (
            "draw-same",
            vec![
                "phase.getting.draw=same",
                "phase.getting.origin=each",
                WHOLE,
            ],
        ),
        ("networks", vec!["networks=3", "clock.tick_ms=200"]),
    ]
}

/// Writes a line to `out` for each table in a run's folder.
fn describe(name: &str, folder: &Path, out: &mut String) {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let table = file.file_stem().unwrap().to_string_lossy().into_owned();
        if file.extension().is_none_or(|end| end != "parquet") || table == "timings" {
            continue;
        }
        let summary = inspect::summarise(&file).unwrap();
        write!(out, "{name} {table} rows:{}", summary.rows).unwrap();
        for column in &summary.columns {
            write!(out, " {}:{}", column.name, &column.digest[..10]).unwrap();
        }
        out.push('\n');
    }
}

/// Returns the folders of a study's cells, in order.
fn cells(folder: &Path) -> Vec<PathBuf> {
    let mut cells = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.join("resolved.toml").is_file() {
            cells.push(path);
        } else if path.is_dir() {
            cells.extend(self::cells(&path));
        }
    }
    cells.sort();
    cells
}

/// Runs the experiments for which `is_wanted` returns true, with more settings, and describes their tables.
fn run_all(more: &[&str], is_wanted: impl Fn(&str, &[&str]) -> bool) -> String {
    let dir = Dir::new();
    let mut out = String::new();
    let more: Vec<&str> = more.iter().flat_map(|&set| ["--set", set]).collect();
    dir.write("mixed.toml", MIXED);
    for (name, sets) in variants() {
        if !is_wanted(name, &sets) {
            continue;
        }
        let sets = sets.iter().flat_map(|&set| ["--set", set]);
        let sets: Vec<&str> = sets.chain(more.iter().copied()).collect();
        let call = ["run", "mixed.toml", "--quiet", "--out", name];
        let answer = dir.kadsim(&[&call[..], &sets].concat());
        assert!(
            answer.status == Some(if name.starts_with("cut-off") { 1 } else { 0 }),
            "{name}: {}",
            answer.stderr
        );
        describe(name, &dir.path(&format!("{name}/mixed")), &mut out);
    }
    let mut ids = "node,key\n".to_owned();
    let mut trace = "origin,key,start_ms\n".to_owned();
    for id in 0..200_u64 {
        // Weyl sequences: distinct and spread, from no generator that may change.
        writeln!(ids, "{},{}", 3 * id, id.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
        if id % 5 == 0 {
            let key = id.wrapping_mul(0xd1b5_4a32_d192_ed03);
            writeln!(trace, "{},{key},{}", 3 * (199 - id), 7 * id % 90).unwrap();
        }
    }
    dir.write("ids.csv", ids);
    dir.write("trace.csv", trace);
    dir.write("imported.toml", IMPORTED);
    let run = |file| [&["run", file, "--quiet"], &more[..]].concat();
    dir.kadsim(&run("imported.toml")).ends(0);
    describe("imported", &dir.path("out/imported"), &mut out);
    dir.write("swept.toml", SWEPT);
    dir.kadsim(&run("swept.toml")).ends(0);
    for (index, cell) in cells(&dir.path("out/swept")).iter().enumerate() {
        describe(&format!("swept-{index}"), cell, &mut out);
    }
    out
}

#[test]
fn results_are_those_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/digests/recorded.txt");
    let found = run_all(&[], |_, _| true);
    if std::env::var_os("KADSIM_RECORD").is_some() {
        fs::write(&path, &found).unwrap();
        return;
    }
    let recorded = fs::read_to_string(&path).unwrap();
    assert!(recorded.lines().count() > 150, "the record is not whole");
    assert_recorded(&found, recorded.lines());
}

/// Settings under which a network lives, but no node leaves. Ticks have no rows for counts of freshness.
const NEVER: [&str; 3] = [
    "churn.session=never",
    "link.timeout_ms=10000",
    "output.freshness_ms=9e12",
];

/// In every experiment that may live (overhead, and delays of 0, are for frozen networks alone), and in all tables but the
/// summary, which has more metrics.
#[test]
fn a_network_that_no_node_leaves_has_the_results_of_a_frozen_one() {
    let may_live = |name: &str, sets: &[&str]| {
        name != "no-delay" && !sets.iter().any(|set| set.contains("overhead_ms"))
    };
    let found = run_all(&NEVER, may_live);
    let left_out: Vec<&str> = variants()
        .iter()
        .filter(|(name, sets)| !may_live(name, sets))
        .map(|&(name, _)| name)
        .collect();
    assert_eq!(left_out.len(), 5);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/digests/recorded.txt");
    let recorded = fs::read_to_string(path).unwrap();
    let lives = |line: &&str| {
        let mut words = line.split(' ');
        let is_left_out = words.next().is_none_or(|name| left_out.contains(&name));
        !is_left_out && words.next() != Some("summary")
    };
    assert_recorded(&found, recorded.lines().filter(lives));
}

/// Asserts that the tables found have the columns of the record.
fn assert_recorded<'a>(found: &str, recorded: impl Iterator<Item = &'a str>) {
    let key = |line: &str| line.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ");
    let mut wrong = Vec::new();
    for line in recorded {
        let key = key(line);
        let Some(now) = found
            .lines()
            .find(|now| now.starts_with(&format!("{key} ")))
        else {
            wrong.push(format!("{key}: not written"));
            continue;
        };
        let now: Vec<&str> = now.split(' ').skip(2).collect();
        let differing = line.split(' ').skip(2).filter(|part| !now.contains(part));
        let differing: Vec<&str> = differing.collect();
        if !differing.is_empty() {
            wrong.push(format!("{key}: {}", differing.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
