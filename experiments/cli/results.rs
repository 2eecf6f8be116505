//! What a finished run says: complaints on stderr; a table or a JSON document of results for stdout.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use kadsim::file::{Kind, Loaded};
use kadsim::run::{CutOff, Report};
use serde_json::{Value, json};

/// Says on stderr in what a finished run of `count` networks fell short; the exit status for that.
pub(super) fn complain(count: u32, report: &Report) -> ExitCode {
    let cut_off = |CutOff { phase, networks }: &CutOff| match count {
        1 => format!("phase \"{phase}\" was cut off by its max_ms"),
        _ => format!(
            "phase \"{phase}\" was cut off by its max_ms in {} of {count} networks: {}",
            networks.len(),
            some(networks)
        ),
    };
    let mut complaints: Vec<String> = report.cut_off.iter().map(cut_off).collect();
    let failing = report.verdicts.iter().filter(|verdict| !verdict.holds());
    complaints.extend(failing.map(|verdict| {
        let [low, high] = verdict.within;
        let value = shown(verdict.value);
        format!(
            "expected {} within [{low}, {high}], got {value}",
            verdict.metric
        )
    }));
    for complaint in &complaints {
        let _ = writeln!(io::stderr(), "error: {complaint}");
    }
    if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
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

/// The results as one JSON document.
pub(super) fn document(loaded: &Loaded, report: &Report) -> String {
    let verdicts = report.verdicts.iter().map(|verdict| {
        json!({
            "metric": verdict.metric, "within": verdict.within, "value": verdict.value,
            "holds": verdict.holds(), "source": verdict.source,
        })
    });
    let cut_off = report
        .cut_off
        .iter()
        .map(|CutOff { phase, networks }| json!({ "phase": phase, "networks": networks }));
    let document = json!({
        "experiment": loaded.experiment.name,
        "seed": loaded.experiment.seed,
        "path": display(&report.path),
        "seconds": report.seconds,
        "rows": report.rows.iter().map(|(table, rows)| ((*table).to_owned(), Value::from(*rows))).collect::<serde_json::Map<_, _>>(),
        "cut_off": cut_off.collect::<Vec<_>>(),
        "expects": verdicts.collect::<Vec<_>>(),
        "summary": report.summary,
    });
    serde_json::to_string_pretty(&document).unwrap_or_else(|error| unreachable!("{error}"))
}

/// The closing table: a line for each phase.
pub(super) fn closing_table(loaded: &Loaded, report: &Report) -> String {
    let number = |key: &str| report.summary.get(key).and_then(Value::as_f64);
    let show = |value: Option<f64>, decimals: usize| {
        value.map_or("-".to_owned(), |v| format!("{v:.decimals$}"))
    };
    let mut lines = vec![
        [
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
        ]
        .map(str::to_owned),
    ];
    for phase in &loaded.experiment.phases {
        let name = &phase.name;
        let get = |statistic: &str| number(&format!("{name}.{statistic}"));
        lines.push([
            name.clone(),
            phase.kind.to_string(),
            show(get("attempts.count"), 0),
            show(get("duration_ms.p50"), 1),
            show(get("duration_ms.p90"), 1),
            show(get("duration_ms.p99"), 1),
            show(get("attempts.mean"), 2),
            show(get("depth.mean"), 2),
            // A retrieve has a recall only if it missed: no figure for the phase.
            show(
                get("recall.mean").filter(|_| phase.kind != Kind::Retrieve),
                4,
            ),
            show(get("found.mean"), 4),
            show(get("stored.mean"), 2),
        ]);
    }
    let mut text = aligned(&lines, 2);
    for verdict in &report.verdicts {
        let [low, high] = verdict.within;
        let holds = if verdict.holds() { "holds" } else { "FAILS" };
        let value = shown(verdict.value);
        text.push_str(&format!(
            "\n{holds}: {} = {value} within [{low}, {high}]",
            verdict.metric
        ));
        if let Some(source) = &verdict.source {
            text.push_str(&format!("  ({source})"));
        }
    }
    let tables = report.rows.iter().filter(|(table, _)| *table != "timings");
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

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// Columns next to each other, the first `left` to the left, the others to the right.
pub(super) fn aligned<const N: usize>(lines: &[[String; N]], left: usize) -> String {
    let width: Vec<usize> = (0..N)
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let width = width[column];
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
