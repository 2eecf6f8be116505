//! Output of a finished run: complaints on stderr; a table or a JSON document of results for stdout.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use kadsim::figures::{self, PHASES_MAX};
use kadsim::file::{Loaded, Setting};
use kadsim::run::{CutOff, Report, Verdict};
use kadsim::table::wrapped;
use kadsim::watch::tell;
use serde_json::{Map, Value, json};

use super::width_of;

/// Most complaints that are printed.
const COMPLAINTS_MAX: usize = 20;

/// Prints complaints on stderr, or writes them as events.
pub(super) fn complain(complaints: &[String], events: bool) {
    if events {
        for complaint in complaints {
            tell(&json!({ "event": "complaint", "message": complaint }));
        }
        return;
    }
    let mut stderr = io::stderr();
    let width = width_of(&stderr);
    for complaint in complaints.iter().take(COMPLAINTS_MAX) {
        let _ = writeln!(stderr, "{}", wrapped(&format!("error: {complaint}"), width));
    }
    if let Some(more @ 1..) = complaints.len().checked_sub(COMPLAINTS_MAX) {
        let _ = writeln!(stderr, "error: and {more} more, which --json tells");
    }
}

/// Returns the exit status of a run with these complaints.
pub(super) fn status(complaints: &[String]) -> ExitCode {
    match complaints {
        [] => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Returns the complaints about a run of `count` networks.
pub(super) fn complaints(count: u32, cut_off: &[CutOff], verdicts: &[Verdict]) -> Vec<String> {
    let cut = |CutOff { phase, networks }: &CutOff| match count {
        1 => format!("phase \"{phase}\" was cut off by its max_ms"),
        _ => format!(
            "phase \"{phase}\" was cut off by its max_ms in {} of {count} networks: {}",
            networks.len(),
            some(networks)
        ),
    };
    let failing = verdicts.iter().filter(|verdict| !verdict.holds());
    cut_off
        .iter()
        .map(cut)
        .chain(failing.map(failing_line))
        .collect()
}

/// Describes an expectation that does not hold.
fn failing_line(verdict: &Verdict) -> String {
    let [low, high] = verdict.within;
    let said = match verdict.value {
        Some(value) => format!("{value} is not within [{low}, {high}]"),
        None => format!("no value, where one within [{low}, {high}] is expected"),
    };
    let place = verdict.place.iter();
    let place: Vec<_> = place.map(|(key, value)| format!("{key}={value}")).collect();
    let place = match place.is_empty() {
        true => String::new(),
        false => format!(", where {}", place.join(", ")),
    };
    let source = verdict.source.as_ref();
    let source = source.map_or(String::new(), |source| format!(" ({source})"));
    format!("{}: {said}{place}{source}", verdict.metric)
}

/// Returns the line that counts the expectations that hold, if there are any.
pub(super) fn holding<'v>(verdicts: impl Iterator<Item = &'v Verdict> + Clone) -> Option<String> {
    let holding = verdicts.clone().filter(|verdict| verdict.holds()).count();
    match (holding, verdicts.count()) {
        (_, 0) => None,
        (1, 1) => Some("the expectation holds".to_owned()),
        (0, 1) => Some("the expectation does not hold".to_owned()),
        (_, all) => Some(format!("{holding} of {all} expectations hold")),
    }
}

/// Lists numbers, as many as fit a line.
fn some(numbers: &[u32]) -> String {
    const MOST: usize = 10;
    let shown = numbers.iter().take(MOST).map(u32::to_string);
    let more = (numbers.len() > MOST).then(|| "…".to_owned());
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

/// Returns the verdict on each expectation.
pub(super) fn expects(verdicts: &[Verdict]) -> Value {
    let verdict = |verdict: &Verdict| {
        json!({
            "metric": verdict.metric, "within": verdict.within, "value": verdict.value,
            "holds": verdict.holds(), "source": verdict.source,
            "where": settings(&verdict.place),
        })
    };
    verdicts.iter().map(verdict).collect()
}

/// Returns keys with their values as JSON.
pub(super) fn settings(settings: &[(String, Setting)]) -> Value {
    let value = |setting: &Setting| match setting {
        Setting::Integer(number) => i64::try_from(*number)
            .map(Value::from)
            .or_else(|_| u64::try_from(*number).map(Value::from))
            .unwrap_or(Value::Null),
        Setting::Float(number) => Value::from(*number),
        Setting::Boolean(value) => Value::from(*value),
        Setting::Text(text) => Value::from(text.as_str()),
    };
    let all = settings.iter();
    all.map(|(key, setting)| (key.clone(), value(setting)))
        .collect::<Map<_, _>>()
        .into()
}

/// Returns the phases that were cut off as JSON.
pub(super) fn cut_offs(cut_off: &[CutOff]) -> Value {
    let one = |CutOff { phase, networks }: &CutOff| json!({ "phase": phase, "networks": networks });
    cut_off.iter().map(one).collect()
}

/// Returns the results as one JSON document.
pub(super) fn document(loaded: &Loaded, report: &Report) -> String {
    let document = json!({
        "experiment": loaded.experiment.name,
        "seed": loaded.experiment.seed,
        "path": display(&report.path),
        "seconds": report.seconds,
        "rows": report.rows.iter().map(|(table, rows)| ((*table).to_owned(), Value::from(*rows))).collect::<Map<_, _>>(),
        "cut_off": cut_offs(&report.cut_off),
        "expects": expects(&report.verdicts),
        "summary": report.summary,
    });
    pretty(&document)
}

/// Formats a JSON document.
pub(super) fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Returns the closing table with what stands below it: counts of expectations and rows, the folder, the time.
pub(super) fn closing_table(loaded: &Loaded, report: &Report, width: Option<usize>) -> String {
    let experiment = &loaded.experiment;
    let mut text = figures::of_run(experiment, &report.summary).render(width);
    if let Some(more @ 1..) = experiment.phases.len().checked_sub(PHASES_MAX) {
        text.push_str(&format!("… and {more} phases more, in summary.json\n"));
    }
    if let Some(holding) = holding(report.verdicts.iter()) {
        text.push_str(&format!("\n{holding}\n"));
    }
    let asked_for = |(table, _): &&(&str, u64)| !matches!(*table, "timings" | "summary");
    let tables = report.rows.iter().filter(asked_for);
    let tables: Vec<String> = tables
        .map(|(table, rows)| format!("{table} {rows}"))
        .collect();
    let place = format!("{} in {:.1} s", display(&report.path), report.seconds);
    let rows = format!("rows: {}", tables.join(", "));
    text.push_str(&format!("\n{}\n", side_by_side([&place, &rows], width)));
    text.push_str(&format!("{}\n", figures_hint(&report.path, width)));
    text
}

/// Returns the line that names the command for figures of a folder.
pub(super) fn figures_hint(path: &Path, width: Option<usize>) -> String {
    let path = display(path);
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-=+,:@%".contains(letter);
    // A shell takes a quoted path as it is.
    let path = match path.chars().all(is_plain) {
        true => path,
        false => format!("'{}'", path.replace('\'', "'\\''")),
    };
    wrapped(&format!("`kadsim report {path}` draws figures"), width)
}

/// Joins parts with semicolons, or puts each on a line of its own if the joined line is too long.
pub(super) fn side_by_side<const N: usize>(parts: [&str; N], width: Option<usize>) -> String {
    let line = parts.join("; ");
    match width {
        Some(width) if line.chars().count() > width => {
            parts.map(|part| wrapped(part, Some(width))).join("\n")
        }
        _ => line,
    }
}

pub(super) fn display(path: &Path) -> String {
    path.display().to_string()
}
