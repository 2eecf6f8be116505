//! Reading experiment files: the documented example, defaults, overrides, paths.

mod churn;
mod link;
mod maintenance;
mod refused;
mod resolved;
mod strange;

use std::path::Path;

use kadsim_systems::rules::Rules;

use super::*;

/// The example of the contract, without its sweep.
const EXAMPLE: &str = r#"schema = 1
name = "example"
seed = 42
networks = 1

[network]
nodes = 10_000
bucket_size = 20
bootstrap = "closest"

[lookup]
alpha = 3
beta = 20
steps_to_stop = 3
stop = "no-progress"
procedure = "iterative"

[link]
delay_ms = { uniform = [50, 75] }
fast_error = { rate = 0.10, delay_ms = { uniform = [50, 100] } }
slow_error = { rate = 0.05, delay_ms = 5000 }
timeout_ms = 5000
overhead_ms = 0.0

[clock]
tick_ms = 50

[engine]
layout = "packed"

[[phase]]
name = "seeding"
kind = "provide"
origin = "random"
count = 1000
spread_ms = 0
parallel = 80
reset_overhead = true
max_ms = 600_000

[[phase]]
name = "sampling"
kind = "retrieve"
origin = "each"
count_each = 73
segments = "seeding"
draw = "distinct"
deadline_ms = 4000

[output]
dir = "out"
tables = ["ticks", "operations", "nodes"]
results = false

[[expect]]
metric = "sampling.completed.p99"
within = [12, 14]
source = "arXiv 2402.09993, lookups with 10 % fast errors"
"#;

const SMALL: &str = r#"schema = 1
name = "small"
seed = 7
network.nodes = 100

[[phase]]
name = "putting"
kind = "provide"
count = 10

[[phase]]
name = "getting"
kind = "retrieve"
count = 20
segments = "putting"
"#;

fn read(text: &str, overrides: &[&str]) -> Result<Experiment, String> {
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    match parse("runs/test.toml", text, &overrides) {
        Ok(loaded) => Ok(loaded.experiment),
        Err(invalid) => Err(invalid.render(false)),
    }
}

fn fine(text: &str, overrides: &[&str]) -> Experiment {
    read(text, overrides).unwrap_or_else(|error| panic!("{error}"))
}

/// Checks that the overrides make exactly one error, which says all of `says`.
#[track_caller]
fn refused(text: &str, overrides: &[&str], says: &[&str]) {
    let error = read(text, overrides).expect_err("it is invalid");
    assert_eq!(error.matches("error:").count(), 1, "{error}");
    for part in says {
        assert!(error.contains(part), "no {part:?} in\n{error}");
    }
}

#[test]
fn the_documented_example_is_read() {
    let experiment = fine(EXAMPLE, &[]);
    assert_eq!(experiment.name, "example");
    assert_eq!(experiment.network.size, Population::Generated(10_000));
    assert_eq!(
        experiment.link.delay,
        OneWay::Drawn(Delay::Uniform {
            low: 50_000,
            high: 75_000
        })
    );
    let fast = ErrorRate {
        rate: 0.1,
        delay: Delay::Uniform {
            low: 50_000,
            high: 100_000,
        },
    };
    assert_eq!(experiment.link.fast_error, Some(fast));
    assert_eq!(experiment.link.timeout, Delay::Constant(5_000_000));
    assert_eq!(experiment.phases[0].max_us, Some(600_000_000));
    let sampling = &experiment.phases[1];
    assert_eq!(
        (sampling.kind(), sampling.deadlines_us.as_slice()),
        (PhaseKind::Operations(Kind::Retrieve), &[4_000_000][..])
    );
    let work = Work::Drawn {
        kind: Kind::Retrieve,
        origin: Origin::Each,
        pace: Pace::Count {
            count: 73,
            spread_us: 0,
        },
        keys: Keys::Random,
        segments: Some(0),
        draw: Draw::Distinct,
        withheld: DEFAULT_WITHHELD,
        parts: DEFAULT_PARTS,
    };
    assert_eq!(sampling.work, work);
    assert_eq!(
        (experiment.expects[0].low, experiment.expects[0].high),
        (12.0, 14.0)
    );
}

#[test]
fn what_is_not_there_has_its_default() {
    let experiment = fine(SMALL, &[]);
    assert_eq!(experiment.networks, DEFAULT_NETWORKS);
    assert_eq!(experiment.lookup.rules, Rules::DEFAULT);
    assert_eq!(experiment.link.delay, OneWay::Drawn(DEFAULT_DELAY));
    assert_eq!(experiment.link.timeout, DEFAULT_DELAY);
    assert_eq!(experiment.tick_us, DEFAULT_TICK_US);
    assert_eq!(experiment.output.tables, DEFAULT_TABLES);
    assert_eq!(experiment.phases[0].parallel, None);
    assert_eq!(experiment.phases[0].deadline_from, DEFAULT_DEADLINE_FROM);
    assert_eq!(experiment.network.offline, DEFAULT_OFFLINE);
    assert_eq!(experiment.output.in_degree, DEFAULT_IN_DEGREE);
    let slow = fine(
        SMALL,
        &["link.slow_error={rate=0.5, delay_ms={choice=[1,2.5]}}"],
    );
    assert_eq!(slow.link.timeout, Delay::Choice(vec![1000, 2500].into()));
}

#[test]
fn phases_that_say_when_they_start_overlap() {
    let groups = |settings: &[&str]| {
        let experiment = fine(SMALL, settings);
        let resets: Vec<bool> = experiment.phases.iter().map(|p| p.reset_overhead).collect();
        (experiment.overlapping().collect::<Vec<_>>(), resets)
    };
    assert_eq!(groups(&[]), (vec![0..1, 1..2], vec![true, true]));
    let later = ["phase.getting.start_ms=0.5", "link.delay_ms=1"];
    let both = std::iter::once(0..2).collect();
    assert_eq!(groups(&later), (both, vec![true, false]));
    let first = ["phase.putting.start_ms=7"];
    assert_eq!(groups(&first), (vec![0..1, 1..2], vec![false, true]));
    let deadlines = fine(SMALL, &["phase.getting.deadline_ms=[4000, 12_000.5]"]);
    assert_eq!(deadlines.phases[1].deadlines_us, [4_000_000, 12_000_500]);
}

#[test]
fn overrides_reach_every_depth() {
    let settings = [
        "link.fast_error={rate=0.1, delay_ms=1}",
        "link.fast_error.rate=0.25",
        "phase.putting.count=12",
        "phase.putting.name=storing",
        "phase.getting.segments=storing",
        "phase.storing.max_ms=5",
        "engine.layout=dense",
        "output.dir=a=b",
        "name=\"quoted\"",
    ];
    let experiment = fine(SMALL, &settings);
    assert_eq!(
        experiment.link.fast_error.map(|error| error.rate),
        Some(0.25)
    );
    assert_eq!(experiment.phases[0].name, "storing");
    assert_eq!(experiment.phases[0].max_us, Some(5000));
    assert!(matches!(
        experiment.phases[0].work,
        Work::Drawn {
            pace: Pace::Count { count: 12, .. },
            ..
        }
    ));
    assert_eq!(experiment.layout, Layout::Dense);
    assert_eq!(experiment.output.dir, "a=b");
    assert_eq!(experiment.name, "quoted");
}

/// What stands to both sides of an assignment in a file may stand there in an override.
#[test]
fn overrides_may_have_spaces_around_their_equals_sign() {
    let settings = [
        " network.nodes = 7 ",
        "engine . layout = dense",
        "output.dir = a b ",
    ];
    let experiment = fine(SMALL, &settings);
    assert_eq!(experiment.network.size, Population::Generated(7));
    assert_eq!(experiment.layout, Layout::Dense);
    assert_eq!(experiment.output.dir, "a b");
    refused(
        SMALL,
        &["network. nods = 7"],
        &["command line:1:16", "unknown key"],
    );
    refused(
        SMALL,
        &["network.nodes =  0"],
        &["command line:1:24", "cannot be 0"],
    );
}

#[test]
fn paths_start_at_the_experiment_file() {
    let text = SMALL.replace("nodes = 100", "ids = \"data/nodes.csv\"");
    let text = text.replace(
        "count = 20\nsegments = \"putting\"",
        "trace = \"/abs/ops.csv\"",
    );
    let loaded = parse("runs/test.toml", &text, &[]).expect("it is valid");
    let Population::Imported { path, span, .. } = &loaded.experiment.network.size else {
        panic!("not imported")
    };
    let here = std::env::current_dir().expect("a folder");
    assert_eq!(*path, here.join("runs/data/nodes.csv"));
    let error = loaded
        .sources
        .error(span, "no such file".to_owned(), "a file".to_owned())
        .render(false);
    assert!(error.contains("runs/test.toml:4:15"), "{error}");
    let trace = Path::new("/abs/ops.csv");
    assert!(matches!(&loaded.experiment.phases[1].work, Work::Trace { path, .. } if path == trace));
}

/// As any path on a command line does, also in the list of a sweep.
#[test]
fn paths_of_overrides_start_at_the_working_directory() {
    let here = std::env::current_dir().expect("a folder");
    let text = SMALL.replace("nodes = 100", "ids = \"nodes.csv\"");
    let text = text.replace("count = 20\nsegments = \"putting\"", "trace = \"ops.csv\"");
    let experiment = fine(&text, &["network.ids=data/a.csv"]);
    assert!(
        matches!(&experiment.network.size, Population::Imported { path, .. } if *path == here.join("data/a.csv"))
    );
    assert!(
        matches!(&experiment.phases[1].work, Work::Trace { path, .. } if *path == here.join("runs/ops.csv"))
    );
    let experiment = fine(&text, &["phase.getting.trace=\"b.csv\""]);
    assert!(
        matches!(&experiment.phases[1].work, Work::Trace { path, .. } if *path == here.join("b.csv"))
    );
    let text = format!("{text}\n[sweep]\n\"network.ids\" = [\"a.csv\"]\n");
    let paths = |overrides: &[String]| -> Vec<std::path::PathBuf> {
        let drafts = build(
            Path::new("runs/s.toml"),
            "s".to_owned(),
            text.clone(),
            overrides,
        );
        let Ok(Drafts::Cells(_, cells)) = drafts else {
            panic!("no cells")
        };
        let path = |(_, draft): (Cell, Result<Draft, Invalid>)| match draft
            .expect("a draft")
            .loaded
            .experiment
            .network
            .size
        {
            Population::Imported { path, .. } => path,
            Population::Generated(_) => panic!("not imported"),
        };
        cells.into_iter().map(path).collect()
    };
    assert_eq!(paths(&[]), [here.join("runs/a.csv")]);
    let lists = ["sweep.network.ids=[\"b.csv\", \"c.csv\"]".to_owned()];
    assert_eq!(paths(&lists), [here.join("b.csv"), here.join("c.csv")]);
}

#[test]
fn a_hash_is_read_with_ids_alone() {
    let text = SMALL.replace(
        "nodes = 100",
        "ids = \"nodes.csv\"\nnetwork.hash = \"keccak256\"",
    );
    let experiment = fine(&text, &[]);
    assert!(matches!(
        experiment.network.size,
        Population::Imported {
            hash: Some(Hash::Keccak256),
            ..
        }
    ));
    assert_eq!(fine(&experiment.to_toml(), &[]), experiment);
    refused(
        SMALL,
        &["network.hash=sha256"],
        &["`network.hash` is for `network.ids`"],
    );
    refused(&text, &["network.hash=sha3"], &["sha256, keccak256"]);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("missing.toml");
    let error = load(&path, &[]).expect_err("it is missing").to_string();
    assert!(error.contains("missing.toml"), "{error}");
    std::fs::write(&path, [0xff, 0xfe]).expect("written");
    let error = load(&path, &[]).expect_err("it is not text").to_string();
    assert!(error.contains("is UTF-16: save it as UTF-8"), "{error}");
    std::fs::write(&path, b"schema = 1\nname = \"\xE9\"\n").expect("written");
    let error = load(&path, &[]).expect_err("it is Latin-1").to_string();
    assert!(error.contains("line 2 is not UTF-8"), "{error}");
    std::fs::write(&path, [0x1f, 0x8b, 8, 0]).expect("written");
    let error = load(&path, &[]).expect_err("it is packed").to_string();
    assert!(
        error.contains("compressed by gzip; an experiment file is TOML"),
        "{error}"
    );
    std::fs::write(&path, vec![b'#'; FILE_BYTES_MAX as usize + 1]).expect("written");
    let error = load(&path, &[]).expect_err("it is too long").to_string();
    assert!(error.contains("longer than"), "{error}");
    std::fs::write(&path, EXAMPLE).expect("written");
    assert_eq!(
        load(&path, &[]).expect("it is valid").experiment,
        fine(EXAMPLE, &[])
    );
}

#[test]
fn several_errors_merge() {
    let loaded = parse("a.toml", SMALL, &[]).expect("it is valid");
    let one = |index: usize| {
        let phase = &loaded.experiment.phases[index];
        loaded.sources.error(
            &phase.spans.name,
            format!("wrong {}", phase.name),
            "allowed: none".to_owned(),
        )
    };
    let merged = Invalid::merge([one(1), one(0), Invalid::plain("elsewhere".to_owned())])
        .expect_err("three errors");
    assert_eq!(merged.len(), 3);
    let shown = merged.to_string();
    assert!(
        shown.find("wrong putting") < shown.find("wrong getting"),
        "{shown}"
    );
    assert!(Invalid::merge([]).is_ok());
    let nowhere = loaded
        .sources
        .error(&Span::default(), "nowhere".to_owned(), String::new());
    assert!(nowhere.to_string().contains("nowhere"));
}
