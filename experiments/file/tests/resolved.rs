//! The experiment written out again, and its times.

use super::super::reader::micros;
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
