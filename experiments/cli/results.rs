//! What a finished run says: complaints on stderr; a table or a JSON document of results for stdout.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use kadsim::file::{Kind, Loaded, Phase};
use kadsim::run::{CutOff, Report, Verdict};
use serde_json::{Map, Value, json};

/// Says on stderr in what a finished run of `count` networks fell short; the exit status for that.
pub(super) fn complain(count: u32, report: &Report) -> ExitCode {
    let complaints = complaints(count, &report.cut_off, &report.verdicts);
    for complaint in &complaints {
        let _ = writeln!(io::stderr(), "error: {complaint}");
    }
    if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// In what a run of `count` networks fell short.
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
    let failing = failing.map(|verdict| {
        let [low, high] = verdict.within;
        let value = shown(verdict.value);
        format!(
            "expected {} within [{low}, {high}], got {value}",
            verdict.metric
        )
    });
    cut_off.iter().map(cut).chain(failing).collect()
}

/// Some numbers, so many that they stay on a line.
fn some(numbers: &[u32]) -> String {
    const MOST: usize = 10;
    let shown = numbers.iter().take(MOST).map(u32::to_string);
    let more = (numbers.len() > MOST).then(|| "…".to_owned());
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

/// A metric's value.
fn shown(value: Option<f64>) -> String {
    value.map_or("no value".to_owned(), |value| value.to_string())
}

/// What became of each expectation.
pub(super) fn expects(verdicts: &[Verdict]) -> Value {
    let verdict = |verdict: &Verdict| {
        json!({
            "metric": verdict.metric, "within": verdict.within, "value": verdict.value,
            "holds": verdict.holds(), "source": verdict.source,
        })
    };
    verdicts.iter().map(verdict).collect()
}

/// The phases that were cut off.
pub(super) fn cut_offs(cut_off: &[CutOff]) -> Value {
    let one = |CutOff { phase, networks }: &CutOff| json!({ "phase": phase, "networks": networks });
    cut_off.iter().map(one).collect()
}

/// The results as one JSON document.
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

/// A JSON document as text.
pub(super) fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|error| unreachable!("{error}"))
}

/// What stands above the columns of the closing table.
pub(super) const COLUMNS: [&str; 11] = [
    "phase",
    "kind",
    "operations",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "contacts",
    "depth",
    "recall",
    "found",
    "stored",
];
/// How many of them are words.
pub(super) const WORDS: usize = 2;

/// The lines of a phase in the closing table: its own, and of several networks the mean over them with its 95 %
/// confidence interval.
pub(super) fn phase_lines(
    phase: &Phase,
    networks: u32,
    summary: &Map<String, Value>,
) -> Vec<[String; COLUMNS.len()]> {
    let numbers = |behind: &str| {
        let get = |metric: &str, decimals: usize| {
            let value = summary.get(&format!("{}.{metric}{behind}", phase.name));
            let value = value.and_then(Value::as_f64);
            value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
        };
        // A retrieve has a recall only if it missed: no figure for the phase.
        let recall = match phase.kind {
            Kind::Retrieve => "-".to_owned(),
            _ => get("recall.mean", 4),
        };
        [
            get("attempts.count", 0),
            get("duration_ms.p50", 1),
            get("duration_ms.p90", 1),
            get("duration_ms.p99", 1),
            get("attempts.mean", 2),
            get("depth.mean", 2),
            recall,
            get("found.mean", 4),
            get("stored.mean", 2),
        ]
    };
    let line = |name: &str, kind: String, behind: &str| {
        let [a, b, c, d, e, f, g, h, i] = numbers(behind);
        [name.to_owned(), kind, a, b, c, d, e, f, g, h, i]
    };
    let mut lines = vec![line(&phase.name, phase.kind.to_string(), "")];
    if networks > 1 {
        lines.push(line("", format!("mean of {networks}"), ".networks.mean"));
        lines.push(line("", "± 95 %".to_owned(), ".networks.ci95"));
    }
    lines
}

/// An expectation and what became of it.
pub(super) fn verdict_line(verdict: &Verdict) -> String {
    let [low, high] = verdict.within;
    let holds = if verdict.holds() { "holds" } else { "FAILS" };
    let value = shown(verdict.value);
    let source = verdict.source.as_ref();
    let source = source.map_or(String::new(), |source| format!("  ({source})"));
    format!(
        "{holds}: {} = {value} within [{low}, {high}]{source}",
        verdict.metric
    )
}

/// The closing table: a line for each phase.
pub(super) fn closing_table(loaded: &Loaded, report: &Report) -> String {
    let experiment = &loaded.experiment;
    let mut lines = vec![COLUMNS.map(str::to_owned)];
    for phase in &experiment.phases {
        lines.extend(phase_lines(phase, experiment.networks, &report.summary));
    }
    let mut text = aligned(&lines, WORDS);
    for verdict in &report.verdicts {
        text.push_str(&format!("\n{}", verdict_line(verdict)));
    }
    let asked_for = |(table, _): &&(&str, u64)| !matches!(*table, "timings" | "summary");
    let tables = report.rows.iter().filter(asked_for);
    let tables: Vec<String> = tables
        .map(|(table, rows)| format!("{table} {rows}"))
        .collect();
    text.push_str(&format!(
        "\n{} in {:.1} s; rows: {}\n",
        display(&report.path),
        report.seconds,
        tables.join(", ")
    ));
    text
}

pub(super) fn display(path: &Path) -> String {
    path.display().to_string()
}

/// Columns next to each other, the first `left` to the left, the others to the right.
pub(super) fn aligned<L: AsRef<[String]>>(lines: &[L], left: usize) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.as_ref().get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let columns = lines.first().map_or(0, |line| line.as_ref().len());
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.as_ref().iter().zip(&widths).enumerate();
        let cells: Vec<String> = cells
            .map(|(column, (cell, &width))| {
                if column < left {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
