//! `[churn]` and `[maintenance]`: what they read as, and what is wrong with them.

use super::*;

/// A living network.
const LIVING: &str = r#"schema = 1
name = "living"
seed = 7
network.nodes = 100
link = { delay_ms = 50, timeout_ms = 1000 }

[churn]
session = { exponential = { mean_ms = 60_000 } }

[[phase]]
name = "looking"
kind = "lookup"
count = 10
"#;

fn churn_of(overrides: &[&str]) -> ChurnSection {
    fine(LIVING, overrides).churn.unwrap()
}

/// Checks what a file with one more `setting` is refused with.
#[track_caller]
fn refuses(setting: &str, says: &[&str]) {
    refused(LIVING, &[setting], says);
}

/// Checks that settings make as many errors as `says`, and that each says its part.
#[track_caller]
fn refuses_each(settings: &[&str], says: &[&str]) {
    let error = read(LIVING, settings).expect_err("it is invalid");
    assert_eq!(error.matches("error:").count(), says.len(), "{error}");
    for part in says {
        assert!(error.contains(part), "no {part:?} in\n{error}");
    }
}

#[test]
fn what_is_absent_has_its_default() {
    let churn = churn_of(&[]);
    let session = Length::Exponential {
        mean_us: 60_000_000,
    };
    let lengths = Lengths {
        session,
        absence: Length::Never,
    };
    assert_eq!(churn.presence, Presence::Drawn(lengths));
    let words = (churn.start, churn.join, churn.table, churn.records);
    let kept = OnLeaving::Kept;
    assert_eq!(words, (Start::Steady, Join::Ideal, kept, kept));
    assert!(churn.classes.is_empty() && churn.events.is_empty());
    assert!(fine(LIVING, &[]).is_living());
    assert!(!fine(SMALL, &[]).is_living());
    let maintained = fine(SMALL, &["maintenance.rules=none"]);
    assert!(maintained.is_living() && maintained.churn.is_none());
}

#[test]
fn classes_have_the_lengths_of_all_unless_they_have_their_own() {
    let churn = churn_of(&[
        "churn.absence={fixed_ms=1.5}",
        "churn.class=[{share=0.25, session=\"never\"}, {share=0.5, absence={fixed_ms=2}, clients=1}]",
    ]);
    let lengths: Vec<_> = churn.lengths().into_iter().collect();
    let shares: Vec<f64> = lengths.iter().map(|(share, _)| *share).collect();
    assert_eq!(shares, [0.25, 0.5, 0.25]);
    let absences: Vec<_> = lengths.iter().map(|(_, one)| one.absence.clone()).collect();
    assert_eq!(absences, [1500, 2000, 1500].map(Length::Fixed));
    assert_eq!(lengths[0].1.session, Length::Never);
    assert_eq!(lengths[1].1.session, lengths[2].1.session);
    assert_eq!(churn.classes[1].clients, Some(1.0));
}

#[test]
fn resolved_text_of_a_living_network_reads_as_the_same() {
    let cases: &[&[&str]] = &[
        &[],
        &[
            "churn.session={weibull={shape=0.34, scale_ms=1234.5}}",
            "churn.absence={lognormal={median_ms=0.001, sigma=0}}",
            "churn.start=fresh",
            "churn.join=none",
            "churn.table=lost",
            "churn.records=lost",
        ],
        &[
            "churn.session={quantiles=\"q\\\"s.csv\"}",
            "churn.class=[{share=0.1, session=\"never\"}, {share=0.2}, {share=0.7, clients=1e-7}]",
            "churn.event=[{at_ms=0, leave=0.5}, {at_ms=1.5, leave=1, for_ms=0.001}]",
        ],
        &[
            "maintenance={rules=\"ideal\", refresh_ms=0.5}",
            "output.freshness_ms=2.5",
        ],
    ];
    for overrides in cases {
        let experiment = fine(LIVING, overrides);
        let resolved = experiment.to_toml();
        let again = fine(&resolved, &[]);
        assert_eq!(again, experiment, "{resolved}");
        assert_eq!(again.to_toml(), resolved);
    }
    let traced = LIVING.replace(
        "session = { exponential = { mean_ms = 60_000 } }",
        "trace = 't.csv'",
    );
    let traced = fine(&traced, &["churn.class=[{share=0.5, clients=0.5}]"]);
    assert_eq!(fine(&traced.to_toml(), &[]), traced);
    assert!(!fine(SMALL, &[]).to_toml().contains("[churn]"));
}

#[test]
fn lengths_out_of_range_are_refused() {
    let above_0 = "a number, above 0";
    refuses(
        "churn.session.exponential.mean_ms=0",
        &["cannot be 0", "above 0"],
    );
    refuses(
        "churn.session={weibull={shape=0, scale_ms=1}}",
        &["`churn.session.weibull.shape` cannot be 0", above_0],
    );
    refuses_each(
        &["churn.session={weibull={shape=-1.5, scale_ms=-1}}"],
        &[
            "shape` cannot be -1.5",
            "scale_ms` cannot be -1: below zero",
        ],
    );
    refuses_each(
        &["churn.absence={lognormal={median_ms=0, sigma=-1}}"],
        &["median_ms` cannot be 0", "sigma` cannot be -1"],
    );
    refuses(
        "churn.absence={fixed_ms=0}",
        &["`churn.absence.fixed_ms` cannot be 0"],
    );
    refuses(
        "churn.session={weibull={shape=0.001, scale_ms=1}}",
        &["its mean is infinite", "allowed: a mean of up to 9e12 ms"],
    );
    refuses(
        "churn.session={lognormal={median_ms=1, sigma=10}}",
        &[
            "its mean is 5.18",
            "e21 ms",
            "allowed: a mean of up to 9e12 ms",
        ],
    );
    refuses(
        "churn.session={lognormal={median_ms=1, sigma=100}}",
        &["sigma` cannot be 100", "from 0 to 10"],
    );
    refuses(
        "churn.session={lognormal={median_ms=9e12, sigma=1}}",
        &["its mean is 1.48", "e13 ms"],
    );
    refuses(
        "churn.session=always",
        &["cannot be \"always\"", "\"never\""],
    );
    refuses("churn.session=7", &["`churn.session` is an integer: 7"]);
    refuses("churn.session={}", &["cannot be {}", "exponential"]);
    refuses(
        "churn.session={fixed_ms=1, quantiles=\"q.csv\"}",
        &["fixed_ms = .."],
    );
    refuses(
        "churn.session={weibul={}}",
        &["unknown key `churn.session.weibul`"],
    );
    refuses(
        "churn.session={weibull={shape=1}}",
        &["missing key `churn.session.weibull.scale_ms`"],
    );
}

#[test]
fn classes_and_events_out_of_range_are_refused() {
    refuses(
        "churn.class=[{share=0.6}, {share=0.5}]",
        &[
            "cannot be 0.5: the shares of the classes sum to 1.1",
            "sum to at most 1",
        ],
    );
    refuses_each(
        &["churn.class=[{clients=2}]"],
        &["missing key `churn.class.share`", "clients` cannot be 2"],
    );
    refuses("churn.class={}", &["[[churn.class]]"]);
    // Sums of shares that are not exact are no more than 1.
    let tenths = ["{share=0.1}"; 10].join(", ");
    fine(LIVING, &[&format!("churn.class=[{tenths}]")]);
    for leave in ["0", "1.5", "-0.5"] {
        let setting = format!("churn.event=[{{at_ms=0, leave={leave}}}]");
        refuses(
            &setting,
            &[
                &format!("`churn.event.leave` cannot be {leave}"),
                "above 0 and up to 1",
            ],
        );
    }
    refuses(
        "churn.event=[{leave=1}]",
        &["missing key `churn.event.at_ms`"],
    );
    refuses(
        "churn.event=[{at_ms=0}]",
        &["missing key `churn.event.leave`"],
    );
    refuses(
        "churn.event=[{at_ms=0, leave=1, for_ms=0}]",
        &["for_ms` cannot be 0"],
    );
    refuses(
        "churn.event=[{at_ms=0, leave={region=\"EU\"}}]",
        &["`churn.event.leave.region` needs `link.delay_ms` by region"],
    );
}

#[test]
fn unknown_words_are_refused() {
    refuses(
        "churn.start=steadily",
        &["allowed: steady, online, fresh", "did you mean `steady`?"],
    );
    refuses("churn.table=gone", &["allowed: kept, lost"]);
}

#[test]
fn what_contradicts_the_rest_is_refused() {
    let without = LIVING.replace("session = { exponential = { mean_ms = 60_000 } }", "");
    refused(
        &without,
        &[],
        &[
            "missing key `churn.session` or `churn.trace`",
            "runs/test.toml:7",
        ],
    );
    refuses(
        "churn.trace=t.csv",
        &["`churn.session` does not go with `churn.trace`"],
    );
    let class = "churn.class=[{share=1, absence=\"never\"}]";
    let says = ["`churn.class.absence` does not go with `churn.trace`"];
    refused(&without, &["churn.trace=t.csv", class], &says);
    let says = ["`churn.start` does not go with `churn.trace`"];
    refused(
        &without,
        &["churn.trace=t.csv", "churn.start=online"],
        &says,
    );
    refuses(
        "maintenance.rules=ideal",
        &["missing key `maintenance.refresh_ms`"],
    );
    refuses("maintenance.refresh_ms=5", &["needs `maintenance.refresh`"]);
    refuses(
        "maintenance={rules=\"ideal\", refresh_ms=0}",
        &["refresh_ms` cannot be 0"],
    );
    refused(
        SMALL,
        &["output.freshness_ms=5"],
        &["needs `[churn]`, `[maintenance]`, `[records]`, clients or regions"],
    );
    refuses("output.freshness_ms=0", &["freshness_ms` cannot be 0"]);
}

#[test]
fn all_errors_are_reported_at_once() {
    let wrong = [
        "churn.session={weibull={shape=0, scale_ms=1}}",
        "churn.absence=always",
        "churn.start=x",
        "churn.class=[{share=2}]",
        "churn.event=[{at_ms=1, leave=0}]",
        "maintenance.rules=x",
    ];
    refuses_each(
        &wrong,
        &[
            "shape",
            "always",
            "churn.start",
            "class.share",
            "event.leave",
            "maintenance.rules",
        ],
    );
}

#[test]
fn keys_of_churn_can_be_swept_but_not_lists() {
    assert!(keys::settable().any(|key| key == "churn.session"));
    assert!(!keys::settable().any(|key| key.starts_with("churn.class")));
    let sweep = |line: &str| format!("{LIVING}[sweep]\n{line}\n");
    let drafts = |text: &str| build(Path::new("s.toml"), "s.toml".into(), text.into(), &[]);
    assert!(drafts(&sweep("\"churn.session.exponential.mean_ms\" = [1, 2]")).is_ok());
    assert!(drafts(&sweep("\"churn.class.share\" = [0.1, 0.2]")).is_err());
}
