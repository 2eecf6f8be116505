//! The experiment written out again, and its times.

use super::super::milliseconds::{micros, micros_rounded};
use super::*;

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
            "network.offline=0.123456789",
            "output.in_degree=true",
            "phase=[{name=\"a\", kind=\"lookup\", count=1, deadline_ms=1, deadline_from=\"run\"}]",
        ],
        &[
            "link.delay_ms={lognormal={median_ms=50.5, sigma=0.5}}",
            "link.fast_error={rate=0.1, delay_ms={quantiles=\"q \\\"1\\\".csv\"}}",
            "link.jitter_ms=2.5",
            "link.round_trips=2",
            "lookup.answer=8",
            "reachability.clients=0.25",
            "reachability.clients_known=false",
            "reachability.clients_in_tables=1e-7",
        ],
        &[
            "link.delay_ms={regions=\"world-2018\", floor_ms=0.5}",
            "reachability.clients={EU=0.3, NAE=1}",
        ],
        &[
            "link.delay_ms={regions=\"mine.toml\", weights={EU=0.25, \"x y\"=0.75}}",
            "reachability.clients={}",
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

/// A phase of lookups, for sweeps.
const LOOKING: &str = r#"schema = 1
name = "looking"
seed = 7
network.nodes = 100
[[phase]]
name = "a"
kind = "lookup"
count = 10
"#;

/// The cells of a sweep, each valid, and its resolved text.
#[track_caller]
fn swept(text: &str, overrides: &[&str]) -> (Vec<(Cell, Experiment)>, String) {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    let drafts = build(
        Path::new("test.toml"),
        "test.toml".to_owned(),
        text.to_owned(),
        &overrides,
    );
    let Drafts::Cells(grid, cells) = drafts.unwrap_or_else(|error| panic!("{error}\n{text}"))
    else {
        panic!("no sweep in\n{text}")
    };
    let valid = |draft: Result<Draft, Invalid>| {
        let draft = draft.unwrap_or_else(|error| panic!("{error}\n{text}"));
        if let Some(wrong) = draft.wrong {
            panic!("{wrong}\n{text}");
        }
        draft.loaded.experiment
    };
    let cells: Vec<_> = cells
        .into_iter()
        .map(|(cell, draft)| (cell, valid(draft)))
        .collect();
    let resolved = grid.to_toml(cells.iter().map(|(_, experiment)| experiment));
    (cells, resolved)
}

/// Checks that the resolved text of a sweep reads as the same one, and returns the text.
#[track_caller]
fn stays_the_same_sweep(text: &str, overrides: &[&str]) -> String {
    let (cells, resolved) = swept(text, overrides);
    let (again, twice) = swept(&resolved, &[]);
    assert_eq!(cells.len(), again.len(), "{resolved}");
    for (one, other) in cells.iter().zip(&again) {
        assert_eq!(one.0.folder(), other.0.folder());
        assert_eq!(one, other, "{resolved}");
    }
    assert_eq!(twice, resolved);
    resolved
}

/// What a key outside of `[sweep]` says, if it is there.
fn line<'t>(resolved: &'t str, key: &str) -> Option<&'t str> {
    let above = resolved.split("\n[sweep]").next().unwrap();
    above
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{key} = ")))
}

#[test]
fn resolved_text_of_a_sweep_reads_as_the_same_sweep() {
    // Keys of each kind of a section; lists of an override; expectations with and without a `where`.
    let text = LOOKING.to_owned()
        + r#"
[sweep]
"lookup.alpha" = [1, 0x3, 1_000]
seed = [1, 18446744073709551615]
"link.delay_ms" = [12.5, { uniform = [50, 75] }, { choice = [1, 2e1] }]
[[expect]]
metric = "a.b"
within = [-1e300, 1]
source = "x 'y' \"z\""
where = { lookup.alpha = 3, "seed" = 1 }
[[expect]]
metric = "c"
within = [1, 1]
"#;
    let resolved = stays_the_same_sweep(&text, &[]);
    assert_eq!(line(&resolved, "alpha"), None);
    assert_eq!(line(&resolved, "beta"), Some("20"));
    assert!(resolved.contains("\n# alpha: swept\n"), "{resolved}");
    let resolved = stays_the_same_sweep(&text, &["sweep.lookup.alpha=[3]", "lookup.beta=7"]);
    assert!(resolved.contains("\"lookup.alpha\" = [3]"), "{resolved}");
    assert_eq!(line(&resolved, "beta"), Some("7"));
}

/// Cases decide whether the network is living, so the sections stand in the cases only.
#[test]
fn a_section_that_some_cells_lack_is_left_out() {
    let living = "[[sweep.cases]]\nlabel = \"living\"\n\"churn.session.fixed_ms\" = 5\n";
    let frozen = "[[sweep.cases]]\nlabel = \"frozen\"\n";
    for cases in [[living, frozen], [frozen, living]] {
        let resolved = stays_the_same_sweep(&format!("{LOOKING}{}", cases.concat()), &[]);
        assert!(!resolved.contains("[churn]"), "{resolved}");
        assert!(!resolved.contains("# churn"), "{resolved}");
    }
    let swept = "[churn]\nstart = \"online\"\n[sweep]\n\"churn.session.fixed_ms\" = [5, 6]\n";
    let resolved = stays_the_same_sweep(&format!("{LOOKING}{swept}"), &[]);
    assert!(resolved.contains("[churn]\n# session: swept"), "{resolved}");
}

/// A case says nothing of the cells of the others, which keep what the file says.
#[test]
fn a_key_that_some_cases_set_keeps_its_value_in_the_others() {
    let text = LOOKING.replace("count = 10", "count = 11\nmax_ms = 9.5")
        + r#"
[link]
slow_error = { rate = 0.25, delay_ms = { uniform = [5, 6] } }
[[sweep.cases]]
label = "calm"
[[sweep.cases]]
label = "more"
"phase.a.count" = 12
"link.slow_error.rate" = 0.5
"lookup.alpha" = 4
[[sweep.cases]]
label = "other"
"link.slow_error" = { rate = 0.5, delay_ms = 7 }
"phase.a.deadline_ms" = [1, 2]
"#;
    let resolved = stays_the_same_sweep(&text, &[]);
    assert_eq!(line(&resolved, "count"), Some("11"));
    assert_eq!(line(&resolved, "alpha"), Some("3"));
    let slow = "{ rate = 0.25, delay_ms = { uniform = [5, 6] } }";
    assert_eq!(line(&resolved, "slow_error"), Some(slow));
    assert_eq!(line(&resolved, "deadline_ms"), None);
    assert!(
        resolved.ends_with("\"phase.a.deadline_ms\" = [1, 2]\n"),
        "{resolved}"
    );
}

/// A default that follows from another key is another one in each cell, and must not become a fixed value.
#[test]
fn a_default_that_follows_from_what_is_swept_is_left_out() {
    let slow =
        r#""link.slow_error" = [{ rate = 0.1, delay_ms = 100 }, { rate = 0.1, delay_ms = 200 }]"#;
    let resolved = stays_the_same_sweep(&format!("{LOOKING}[sweep]\n{slow}"), &[]);
    assert_eq!(line(&resolved, "timeout_ms"), None);
    let comment = "\n# timeout_ms: follows from what is swept\n";
    assert!(resolved.contains(comment), "{resolved}");
    // What the file says is no default.
    let text = format!("{LOOKING}link.timeout_ms = 7\n[sweep]\n{slow}");
    let text = text
        .replace("link.timeout_ms = 7\n", "")
        .replace("[[phase]]", "[link]\ntimeout_ms = 7\n[[phase]]");
    assert_eq!(
        line(&stays_the_same_sweep(&text, &[]), "timeout_ms"),
        Some("7")
    );
    // One part of a table is swept, the other is not.
    let text = LOOKING.replace("[[phase]]", "[link]\nfast_error.delay_ms = 3\n[[phase]]")
        + "[sweep]\n\"link.fast_error.rate\" = [0.1, 0.2]";
    let resolved = stays_the_same_sweep(&text, &[]);
    assert_eq!(line(&resolved, "fast_error"), Some("{ delay_ms = 3 }"));
    // A phase that starts at a time of its own does not reset the overhead.
    let text = LOOKING.to_owned()
        + "[[phase]]\nname = \"b\"\nkind = \"lookup\"\ncount = 3\n\
           [[sweep.cases]]\nlabel = \"one\"\n[[sweep.cases]]\nlabel = \"two\"\n\"phase.b.start_ms\" = 5\n";
    let resolved = stays_the_same_sweep(&text, &[]);
    let comment = "\n# reset_overhead: follows from what is swept\n";
    assert!(resolved.contains(comment), "{resolved}");
}

#[test]
fn the_axis_of_the_cases_stays_in_its_place() {
    let case =
        "[[sweep.cases]]\nlabel = \"x\"\n\"lookup.beta\" = 4\n[[sweep.cases]]\nlabel = \"y\"\n";
    let last = format!("{LOOKING}[sweep]\n\"lookup.alpha\" = [1, 2]\n{case}");
    let first = format!("{LOOKING}{case}[sweep]\n\"lookup.alpha\" = [1, 2]\n");
    let middle = format!(
        "{LOOKING}[sweep]\nseed = [1, 2]\ncases = [{{ label = \"x\", \"lookup.beta\" = 4 }}, {{ label = \"y\" }}]\n\
         \"lookup.alpha\" = [1, 2]\n"
    );
    for text in [last, first, middle] {
        stays_the_same_sweep(&text, &[]);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..proptest::prelude::ProptestConfig::with_cases(200) })]

    /// Axes and cases over any keys, with parts of tables and whole ones.
    #[test]
    fn any_sweep_reads_as_itself(
        fixed in proptest::collection::btree_set(0..FIXED.len(), 0..FIXED.len()),
        axes in proptest::sample::subsequence(AXES.to_vec(), 0..=AXES.len()),
        cases in proptest::collection::vec(
            proptest::sample::subsequence(CASES.to_vec(), 0..=CASES.len()), 0..4),
        order in proptest::bool::ANY,
    ) {
        let mut text = LOOKING.replace("[[phase]]\n", "");
        let phase = text.split_off(text.find("name = \"a\"").unwrap_or(text.len()));
        for place in &fixed {
            text += FIXED[*place];
        }
        text += "[[phase]]\n";
        text += &phase;
        let axes = axes.iter().take(3).map(|axis| format!("{axis}\n"));
        let axes: String = axes.collect();
        let label = |(index, keys): (usize, &Vec<&str>)| {
            format!("[[sweep.cases]]\nlabel = \"c{index}\"\n{}\n", keys.join("\n"))
        };
        let cases: String = cases.iter().enumerate().map(label).collect();
        let lists = if axes.is_empty() { String::new() } else { format!("[sweep]\n{axes}") };
        proptest::prop_assume!(!axes.is_empty() || !cases.is_empty());
        let sweep = if order { lists + &cases } else { cases + &lists };
        stays_the_same_sweep(&format!("{text}\n{sweep}"), &[]);
    }
}

/// Lines above the phases.
const FIXED: [&str; 6] = [
    "link.fast_error = { rate = 0.125, delay_ms = { choice = [1, 2] } }\n",
    "link.slow_error = { rate = 0.25, delay_ms = 1e3 }\n",
    "link.timeout_ms = 8.5\n",
    "link.delay_ms = { uniform = [50, 75] }\n",
    "output.tables = []\n",
    "lookup.alpha = 7\n",
];
/// Axes, of which no two set the same.
const AXES: [&str; 8] = [
    "\"link.round_trips\" = [1, 2]",
    "\"reachability.clients\" = [0, 0.5]",
    "seed = [3, 4]",
    "\"lookup.beta\" = [5, 20]",
    "\"link.delay_ms\" = [10, { uniform = [1, 2.5] }, { regions = \"world-2018\" }, { lognormal = { median_ms = 3, sigma = 1 } }]",
    "\"phase.a.count\" = [1, 2, 3]",
    "\"output.results\" = [true, false]",
    "\"phase.a.keys\" = [\"nodes\", \"random\"]",
];
/// What cases set, no two the same and none what an axis sets.
const CASES: [&str; 7] = [
    "\"link.slow_error\" = { rate = 0.5, delay_ms = 9 }",
    "\"link.fast_error\" = { rate = 0.5, delay_ms = { uniform = [1, 2] } }",
    "\"link.timeout_ms\" = 3",
    "\"phase.a.max_ms\" = 1000",
    "\"phase.a.deadline_ms\" = [1, 2.5]",
    "\"lookup.stop\" = \"closest-answered\"",
    "\"network.bucket_size\" = 0x10",
];

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
fn milliseconds_of_data_are_rounded_away_from_zero() {
    for (text, expected) in [
        ("1.5", Some(1500)),
        ("0.0004999", Some(0)),
        ("0.0005", Some(1)),
        ("0.00005e1", Some(1)),
        ("1e-4", Some(0)),
        ("1.0055", Some(1006)),
        ("8999999999999.9995", Some(TIME_MAX_US)),
        ("9000000000000.0004", Some(TIME_MAX_US)),
        ("9000000000000.0005", None),
        ("1e-99999999999999999999", Some(0)),
        ("1e99", None),
        ("-0.0001", None),
        ("nan", None),
    ] {
        assert_eq!(micros_rounded(text), expected, "{text}");
    }
}
