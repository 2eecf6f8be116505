//! Reading experiment files: the documented example, each kind of bad input, overrides, round trips.

use std::path::Path;

use proptest::prelude::*;

use super::reader::micros;
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

/// As [`refused`], of `SMALL` with `old` replaced by `new`, with the line of the error.
#[track_caller]
fn refused_file(old: &str, new: &str, line: usize, says: &[&str]) {
    assert!(SMALL.contains(old));
    let place = format!("runs/test.toml:{line}:");
    refused(
        &SMALL.replacen(old, new, 1),
        &[],
        &[&[place.as_str()], says].concat(),
    );
}

#[test]
fn the_documented_example_is_read() {
    let experiment = fine(EXAMPLE, &[]);
    assert_eq!(experiment.name, "example");
    assert_eq!(experiment.network.size, Population::Generated(10_000));
    assert_eq!(
        experiment.link.delay,
        Delay::Uniform {
            low: 50_000,
            high: 75_000
        }
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
        (sampling.kind, sampling.deadline_us),
        (Kind::Retrieve, Some(4_000_000))
    );
    let work = Work::Drawn {
        origin: Origin::Each,
        count: 73,
        keys: Keys::Random,
        spread_us: 0,
        segments: Some(0),
        draw: Draw::Distinct,
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
    assert_eq!(experiment.lookup.alpha, DEFAULT_ALPHA);
    assert_eq!(experiment.link.delay, DEFAULT_DELAY);
    assert_eq!(experiment.link.timeout, DEFAULT_DELAY);
    assert_eq!(experiment.tick_us, DEFAULT_TICK_US);
    assert_eq!(experiment.output.tables, DEFAULT_TABLES);
    assert_eq!(experiment.phases[0].parallel, None);
    let slow = fine(
        SMALL,
        &["link.slow_error={rate=0.5, delay_ms={choice=[1,2.5]}}"],
    );
    assert_eq!(slow.link.timeout, Delay::Choice(vec![1000, 2500]));
}

#[test]
fn bad_values_are_refused_where_they_stand() {
    refused_file(
        "schema = 1",
        "schema = 2",
        1,
        &["`schema` cannot be 2", "allowed: 1"],
    );
    refused_file(
        "\"small\"",
        "\"Small run\"",
        2,
        &["`name`", "Small run", "a to z"],
    );
    refused_file("\"small\"", "\"\"", 2, &["`name`", "at least one"]);
    refused_file(
        "seed = 7",
        "seed = -7",
        3,
        &["`seed` cannot be -7", "allowed: 0 to"],
    );
    refused_file(
        "nodes = 100",
        "nodes = 0",
        4,
        &["`network.nodes` cannot be 0", "2147483648 (2^31)"],
    );
    refused_file(
        "nodes = 100",
        "nodes = 2147483649",
        4,
        &["2147483649", "(2^31)"],
    );
    refused_file(
        "seed = 7",
        "sede = 7\nseed = 7",
        3,
        &["unknown key `sede`", "did you mean `seed`?"],
    );
    refused_file(
        "count = 10",
        "count = \"ten\"",
        9,
        &["`phase.putting.count` is a string: \"ten\"", "an integer"],
    );
    refused_file(
        "\"provide\"",
        "\"provid\"",
        8,
        &[
            "\"provid\"",
            "allowed: provide, lookup, retrieve",
            "did you mean",
        ],
    );
    refused_file("seed = 7", "seed = 7 8", 3, &["not valid TOML"]);
    refused_file(
        "seed = 7",
        "seed = 7\nseed = 8",
        4,
        &["not valid TOML", "duplicate key"],
    );
}

#[test]
fn bad_overrides_are_refused_where_they_stand() {
    let cases: &[(&str, &[&str])] = &[
        ("network.bucket_size=0", &["allowed: 1 to 255"]),
        ("network.bucket_size=256", &["allowed: 1 to 255"]),
        ("network.bootstrap=close", &["closest, random"]),
        (
            "lookup.alpha=0",
            &["`lookup.alpha` cannot be 0", "allowed: 1 to 4096"],
        ),
        ("lookup.beta=0", &["allowed: 1 to 65536"]),
        ("lookup.steps_to_stop=0", &["allowed: 1 to 1000000"]),
        (
            "lookup.alpha=1.5",
            &["is a float: 1.5", "an integer, 1 to 4096"],
        ),
        (
            "lookup.alpha=99999999999999999999999999999999999999999999",
            &["1 to 4096"],
        ),
        ("networks=0", &["1 to 1000000"]),
        (
            "link.delay_ms=1.2345",
            &["more than three decimals", "1.2345"],
        ),
        ("link.delay_ms=-1", &["below zero", "0 to 9e12"]),
        ("link.delay_ms=nan", &["not a finite number"]),
        ("link.delay_ms=inf", &["not a finite number"]),
        ("link.delay_ms=9000000000001", &["above 9e12"]),
        (
            "link.delay_ms=abc",
            &[
                "--set link.delay_ms=abc",
                "is a string: abc",
                "taken as a string",
            ],
        ),
        (
            "link.delay_ms={uniform=[75, 50]}",
            &["[75, 50]", "lo not above hi"],
        ),
        ("link.delay_ms={uniform=[75]}", &["lo not above hi"]),
        ("link.delay_ms={choice=[]}", &["empty list", "at least one"]),
        (
            "link.delay_ms={choice=[1], uniform=[1,2]}",
            &["{ uniform = [lo, hi] } or"],
        ),
        ("link.delay_ms={}", &["{ uniform = [lo, hi] } or"]),
        (
            "link.fast_error={rate=1.5, delay_ms=1}",
            &["`link.fast_error.rate` cannot be 1.5", "from 0 to 1"],
        ),
        ("link.fast_error={rate=-0.1, delay_ms=1}", &["from 0 to 1"]),
        (
            "link.fast_error.rate=0.5",
            &["missing key `link.fast_error.delay_ms`"],
        ),
        (
            "link.overhead_ms=1",
            &[
                "`link.overhead_ms` above 0",
                "`link.delay_ms` is 0 by default",
                "py-dht",
            ],
        ),
        (
            "clock.tick_ms=0",
            &["`clock.tick_ms` cannot be 0", "above 0"],
        ),
        ("engine.layout=sparse", &["dense, packed, implicit"]),
        ("output.dir=", &["`output.dir` cannot be \"\"", "not empty"]),
        (
            "output.tables=[\"tick\"]",
            &["\"tick\"", "connections, routing", "did you mean `ticks`?"],
        ),
        ("output.tables=[\"ticks\", \"ticks\"]", &["\"ticks\" twice"]),
        ("output.results=1", &["true or false"]),
        (
            "network.ids=nodes.csv",
            &["cannot both be given", "one of the two"],
        ),
        ("sweep={}", &["not supported yet"]),
        ("phase=[]", &["empty list", "[[phase]]"]),
        ("phase=3", &["`phase` is an integer"]),
        (
            "expect=[{metric=\"x\", within=[2, 1]}]",
            &["[2, 1]", "lo not above hi"],
        ),
        ("expect=[{metric=\"x\", within=[1, inf]}]", &["finite"]),
        (
            "expect=[{metric=\"x\", within=[1, 2], where={}}]",
            &["needs a `[sweep]`"],
        ),
        ("expect=[{within=[1, 2]}]", &["missing key `expect.metric`"]),
        ("phase.getting.name=putting", &["two phases"]),
        ("phase.putting.parallel=0", &["1 to 4294967295"]),
        (
            "phase.putting.origin=every",
            &["\"each\", { sample = SIZE }"],
        ),
        ("phase.putting.keys=nodes", &["is for lookups"]),
        ("phase.putting.draw=same", &["is for retrieves"]),
        (
            "phase.putting.count_each=3",
            &["does not go with origin = \"random\"", "`count` here"],
        ),
        (
            "phase.putting.trace=ops.csv",
            &["`phase.putting.count` cannot be given with `trace`"],
        ),
        (
            "phase.getting.segments=puting",
            &[
                "earlier phase of kind provide: putting",
                "did you mean `putting`?",
            ],
        ),
        (
            "phase.getting.segments=getting",
            &["earlier phase of kind provide"],
        ),
        (
            "phase.getting.draw=same",
            &["\"same\" with origin = \"random\"", "count_each"],
        ),
        (
            "phase.getting.count=1001",
            &[
                "more distinct segments",
                "0 to 1000",
                "\"putting\" provides 10",
            ],
        ),
        ("phase.putting.count=0", &["no segments"]),
        (
            "phase.getting.count=18446744073709551615",
            &["`phase.getting.count`"],
        ),
        (
            "phase.gething.count=1",
            &[
                "no `phase` has the name `gething`",
                "putting, getting",
                "`getting`?",
            ],
        ),
        ("phase.count=1", &["`phase` is a list", "phase.NAME.KEY"]),
        ("seed.x=1", &["`seed` is an integer, not a table"]),
        ("seed.x.y=1", &["`seed` is an integer, not a table"]),
        (
            "lookup.alhpa=1",
            &["unknown key `lookup.alhpa`", "did you mean `alpha`?"],
        ),
        ("seed", &["has no value", "KEY=VALUE"]),
        ("=1", &["is not a key"]),
        ("a..b=1", &["is not a key"]),
        ("a.b.c.d.e.f.g.h.i=1", &["up to 8 parts"]),
    ];
    for (setting, says) in cases {
        // The excess over 64 bits is two errors of one cause: too many operations, too many segments.
        let independent = setting.starts_with("phase.getting.count=184");
        let before: &[&str] = if independent {
            &["phase.getting.draw=independent"]
        } else {
            &[]
        };
        // Some overrides make what stands in the file wrong.
        let place = match *setting {
            "phase.putting.count=0" => "runs/test.toml:14:",
            "phase.putting.trace=ops.csv" => "runs/test.toml:9:",
            _ => "command line:1:",
        };
        let settings = [before, &[*setting]].concat();
        refused(SMALL, &settings, &[&[place], *says].concat());
    }
}

#[test]
fn contradictions_between_keys_are_refused() {
    let py_dht = ["lookup.procedure=py-dht", "lookup.stop=closest-answered"];
    refused(SMALL, &py_dht, &["py-dht", "allowed: no-progress here"]);
    let free = [
        "link.delay_ms=5",
        "link.overhead_ms=1",
        "link.fast_error={rate=0.1, delay_ms=0}",
    ];
    refused(
        SMALL,
        &free,
        &["`link.overhead_ms` above 0", "this can be 0"],
    );
    fine(SMALL, &["link.overhead_ms=1", "lookup.procedure=py-dht"]);
    fine(
        SMALL,
        &[
            "link.delay_ms=5",
            "link.overhead_ms=1",
            "link.fast_error={rate=0, delay_ms=0}",
        ],
    );
    let sample = r#"phase=[{name="a", kind="lookup", origin={sample=101}, count_each=1}]"#;
    refused(
        SMALL,
        &[sample],
        &["`phase.a.origin.sample` cannot be 101", "1 to 100"],
    );
    let node = r#"phase=[{name="a", kind="lookup", origin={node=100}, count_each=1}]"#;
    refused(
        SMALL,
        &[node],
        &["`phase.a.origin.node` cannot be 100", "0 to 99"],
    );
    let both = r#"phase=[{name="a", kind="lookup", origin={node=1, sample=1}, count_each=1}]"#;
    refused(SMALL, &[both], &["{ sample = SIZE } or { node = ID }"]);
    let missing = r#"phase=[{name="a", kind="retrieve", count=1}]"#;
    refused(
        SMALL,
        &[missing],
        &["a retrieve needs `segments` or `trace`"],
    );
    let each = r#"phase=[{name="a", kind="lookup", origin="each", count=1}]"#;
    refused(
        SMALL,
        &[each],
        &["goes with origin = \"random\" only", "`count_each` here"],
    );
}

#[test]
fn segments_are_counted_over_origins() {
    let text = |origin: &str, each: u64| {
        let lines = format!("origin = {origin}\ncount_each = 5\n");
        let text = SMALL.replacen("count = 10\n", &lines, 1);
        text.replacen(
            "count = 20\n",
            &format!("origin = \"one\"\ncount_each = {each}\n"),
            1,
        )
    };
    for (origin, segments) in [
        ("\"one\"", 5),
        ("{ node = 3 }", 5),
        ("{ sample = 7 }", 35),
        ("\"each\"", 500),
    ] {
        fine(&text(origin, segments), &[]);
        refused(
            &text(origin, segments + 1),
            &[],
            &[&format!("0 to {segments}"), "distinct"],
        );
        fine(
            &text(origin, segments + 1),
            &["phase.getting.draw=independent"],
        );
    }
    // How many nodes there are is not known: nor is how many segments.
    let imported = text("\"each\"", 1_000_000).replace("nodes = 100", "ids = \"nodes.parquet\"");
    fine(&imported, &[]);
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_text() {
    let text = SMALL
        .replace("seed = 7", "sed = 7")
        .replace("count = 10", "count = -1\ndelay = 1");
    let text = text.replace("kind = \"retrieve\"", "kind = 3");
    let overrides = [
        "lookup.alpha=0".to_owned(),
        "link.delay_ms=0.0001".to_owned(),
    ];
    let invalid = parse("many.toml", &text, &overrides).expect_err("it is invalid");
    let shown = invalid.to_string();
    assert_eq!(invalid.len(), 7, "{shown}");
    let parts = [
        "key `seed`",
        "key `sed`",
        "`phase.putting.count`",
        "`phase.putting.delay`",
        "kind` is",
        "alpha",
        "0.0001",
    ];
    let places: Vec<_> = parts
        .map(|part| {
            shown
                .find(part)
                .unwrap_or_else(|| panic!("{part} in\n{shown}"))
        })
        .into();
    assert!(places.is_sorted(), "{places:?}\n{shown}");
    assert!(invalid.render(true).contains('\u{1b}'));
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn an_error_looks_like_this() {
    let error = read(
        &SMALL.replace("seed = 7", "seed = 7\nlookup.alpha = 0"),
        &[],
    )
    .expect_err("it is invalid");
    let expected = "\
error: `lookup.alpha` cannot be 0
 --> runs/test.toml:4:16
  |
4 | lookup.alpha = 0
  |                ^ allowed: 1 to 4096";
    assert_eq!(error, expected);
}

#[test]
fn what_is_missing_is_named() {
    let error = read("", &[]).expect_err("it is invalid");
    for part in [
        "`schema`",
        "`name`",
        "`seed`",
        "`network.nodes` or `network.ids`",
        "`phase`",
    ] {
        assert!(
            error.contains(&format!("missing key {part}")),
            "no {part} in\n{error}"
        );
    }
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
        Work::Drawn { count: 12, .. }
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

/// A key that is refused in any case is no help.
#[test]
fn keys_that_are_not_supported_are_not_offered() {
    for unknown in ["sweeps=1", "expect=[{metric=\"x\", within=[1, 2], were=1}]"] {
        let error = read(SMALL, &[unknown]).expect_err("it is invalid");
        assert!(error.contains("unknown key"), "{error}");
        assert!(
            !error.contains("sweep,") && !error.contains("`sweep`"),
            "{error}"
        );
        assert!(!error.contains("where"), "{error}");
    }
}

#[test]
fn paths_start_at_the_experiment_file() {
    let text = SMALL.replace("nodes = 100", "ids = \"data/nodes.csv\"");
    let text = text.replace(
        "count = 20\nsegments = \"putting\"",
        "trace = \"/abs/ops.csv\"",
    );
    let loaded = parse("runs/test.toml", &text, &[]).expect("it is valid");
    let Population::Imported { path, span } = &loaded.experiment.network.size else {
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

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("missing.toml");
    let error = load(&path, &[]).expect_err("it is missing").to_string();
    assert!(error.contains("missing.toml"), "{error}");
    std::fs::write(&path, [0xff, 0xfe]).expect("written");
    let error = load(&path, &[]).expect_err("it is not text").to_string();
    assert!(error.contains("UTF-8"), "{error}");
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

#[test]
fn resolved_text_reads_as_the_same_experiment() {
    let cases: &[&[&str]] = &[
        &[],
        &[
            "seed=18446744073709551615",
            "output.tables=[\"routing\", \"ticks\"]",
            "output.dir=\"a\\\"\\\\\\n\u{7f}ä\"",
        ],
        &[
            "link.slow_error={rate=0.05, delay_ms={uniform=[1.001, 2]}}",
            "link.delay_ms={choice=[3, 1e3, 0.5]}",
        ],
        &[
            "link.slow_error={rate=1e-7, delay_ms=3}",
            "link.timeout_ms=0.25",
            "clock.tick_ms=0.001",
        ],
        &[
            "lookup.procedure=py-dht",
            "link.overhead_ms=0.5",
            "network.bootstrap=random",
        ],
        &[
            "lookup.stop=closest-answered",
            "output.results=true",
            "output.tables=[]",
        ],
        &[
            r#"phase=[{name="a", kind="lookup", origin={node=9}, count_each=3, keys="nodes", spread_ms=1.5}]"#,
        ],
        &[
            r#"phase=[{name="a", kind="provide", origin={sample=9}, count_each=3, reset_overhead=false}]"#,
        ],
        &[
            r#"phase=[{name="a", kind="provide", trace="o\"ps.csv", parallel=3, deadline_ms=1, max_ms=2}]"#,
        ],
        &[
            r#"expect=[{metric="a.b", within=[-1e300, 0.1]}, {metric="c", within=[1, 1], source="x 'y'"}]"#,
        ],
    ];
    for overrides in cases {
        for text in [SMALL, EXAMPLE] {
            let experiment = fine(text, overrides);
            let resolved = experiment.to_toml();
            let again = fine(&resolved, &[]);
            assert_eq!(again, experiment, "{resolved}");
            assert_eq!(again.to_toml(), resolved);
        }
    }
    let imported = fine(&SMALL.replace("nodes = 100", "ids = 'n.csv'"), &[]);
    assert_eq!(fine(&imported.to_toml(), &[]), imported);
}

#[test]
fn milliseconds_are_exact() {
    let fine = [
        ("0", 0),
        ("-0.0", 0),
        ("0.001", 1),
        ("1.5", 1500),
        ("+2.25", 2250),
        ("1.5000", 1500),
        ("1e3", 1_000_000),
        ("1E-3", 1),
        ("12.5e-2", 125),
        ("0.0e99999999999999999999", 0),
        ("9e12", TIME_MAX_US),
        ("9000000000000.000", TIME_MAX_US),
    ];
    for (text, expected) in fine {
        assert_eq!(micros(text), Ok(expected), "{text}");
        assert_eq!(micros(&milliseconds(expected)), Ok(expected));
    }
    let bad = [
        "0.0001",
        "1e-4",
        "1.2345",
        "9000000000000.001",
        "1e99",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "-1",
        "nan",
        "-inf",
        "+inf",
    ];
    for text in bad {
        assert!(micros(text).is_err(), "{text}");
    }
}

#[test]
fn deep_and_strange_input_is_refused_calmly() {
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&deep, &[]).is_err());
    assert!(read(&format!("{} = 1", vec!["a"; 10_000].join(".")), &[]).is_err());
    assert!(read(SMALL, &[&deep]).is_err());
    assert!(read("\u{feff}é = \"\u{1b}[31m", &["é.ü=ö", "\n=\n", ""]).is_err());
    let many: String = (0..200).map(|index| format!("key{index} = 1\n")).collect();
    assert!(
        read(&many, &[])
            .expect_err("it is invalid")
            .contains("errors more")
    );
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), setting in any::<String>()) {
        let _ = read(&text, &[&setting]);
        let _ = read(SMALL, &[&setting, &text]);
    }

    #[test]
    fn edits_of_a_file_never_panic(
        start in 0..EXAMPLE.len(),
        length in 0..40_usize,
        new in "[a-z0-9=.,{}\\[\\]\"'\n_é-]{0,12}",
    ) {
        let mut text = EXAMPLE.to_owned();
        text.replace_range(start..(start + length).min(EXAMPLE.len()), &new);
        if let Ok(experiment) = read(&text, &[]) {
            prop_assert_eq!(fine(&experiment.to_toml(), &[]), experiment);
        }
    }

    #[test]
    fn values_of_any_kind_never_panic(
        key in prop::sample::select(vec![
            "seed", "network.nodes", "network.ids", "lookup.alpha", "link.delay_ms", "link.fast_error",
            "link.fast_error.delay_ms", "clock", "phase", "phase.seeding.count", "phase.sampling.count_each",
            "phase.sampling.origin", "phase.seeding.kind", "phase.seeding.trace", "expect", "output.tables", "sweep",
        ]),
        value in prop::sample::select(vec![
            "", "0", "-1", "18446744073709551615", "0xffffffffffffffffffffffffffffffffffffff", "1e400", "nan", "true",
            "[]", "{}", "[[]]", "[{}]", "{ uniform = [1, 2] }", "{ sample = 0 }", "{ node = -1 }", "1979-05-27", "lookup",
        ]),
    ) {
        let _ = read(EXAMPLE, &[&format!("{key}={value}")]);
    }
}
