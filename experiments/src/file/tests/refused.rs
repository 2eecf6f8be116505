//! What is wrong in a file or an override: said where it stands, with what is allowed.

use super::*;

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
        ("network.bootstrap=close", &["closest, random, joined"]),
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
            &[
                "more than three decimals",
                "1.2345",
                "times are whole microseconds: write 1.235",
            ],
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
            &["{ uniform = [lo, hi] }, {"],
        ),
        ("link.delay_ms={}", &["{ uniform = [lo, hi] }, {"]),
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
        ("engine.layout=sparse", &["dense, packed, spans, implicit"]),
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
        ("sweep={}", &["`sweep` is empty"]),
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
    for procedure in ["py-dht", "rfm19"] {
        let set = format!("lookup.procedure={procedure}");
        let says = [procedure, "allowed: no-progress here"];
        refused(SMALL, &[&set, "lookup.stop=closest-answered"], &says);
    }
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

/// A key that is refused in any case is no help.
#[test]
fn keys_that_are_refused_are_not_offered() {
    let unknown = "expect=[{metric=\"x\", within=[1, 2], were=1}]";
    let error = read(SMALL, &[unknown]).expect_err("it is invalid");
    assert!(error.contains("unknown key"), "{error}");
    assert!(!error.contains("where"), "{error}");
}

#[test]
fn rates_and_idle_phases_are_refused_where_they_contradict() {
    let of = |new: &str, line: usize, says: &[&str]| refused_file("count = 10", new, line, says);
    let by_rate = |rate: &str| format!("rate_per_s = {rate}\nduration_ms = 5");
    for rate in ["0", "-2.5"] {
        let says = format!("`phase.putting.rate_per_s` cannot be {rate}");
        of(&by_rate(rate), 9, &[&says, "above 0"]);
    }
    of(
        &by_rate("inf"),
        9,
        &["`phase.putting.rate_per_s`", "a finite number, above 0"],
    );
    of(
        &by_rate("1e300"),
        9,
        &["cannot be 1e300", "operations over all phases"],
    );
    of(
        "rate_per_s = 1",
        6,
        &["missing key `phase.putting.duration_ms`"],
    );
    of(
        "count = 10\nduration_ms = 5",
        10,
        &["`phase.putting.duration_ms` needs `rate_per_s`"],
    );
    let both = by_rate("1") + "\ncount = 10";
    of(
        &both,
        11,
        &["`phase.putting.count` does not go with `rate_per_s`"],
    );
    let spread = by_rate("1") + "\nspread_ms = 10";
    of(
        &spread,
        11,
        &["`phase.putting.spread_ms` does not go with `rate_per_s`"],
    );
    let idle = |other: &str| {
        let phase = format!("[[phase]]\nname = \"rest\"\nkind = \"idle\"\n{other}");
        format!("schema = 1\nname = \"x\"\nseed = 7\nnetwork.nodes = 9\n{phase}\n")
    };
    refused(&idle(""), &[], &["missing key `phase.rest.duration_ms`"]);
    refused(&idle("duration_ms = 0"), &[], &["above 0"]);
    let key = "`phase.rest.max_ms` does not go with kind = \"idle\"";
    refused(&idle("duration_ms = 1\nmax_ms = 1"), &[], &[key]);
    let key = "`phase.rest.count` does not go with kind = \"idle\"";
    refused(&idle("duration_ms = 1\ncount = 1"), &[], &[key]);
}
