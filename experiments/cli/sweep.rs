//! Studies on the command line: `kadsim sweep`, and what `run` and `check` say of an experiment with a `[sweep]`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use kadsim::estimate::human;
use kadsim::file::Setting;
use kadsim::run::Options;
use kadsim::sweep::{CellReport, Slice, Study, StudyCell, StudyReport, Task};
use kadsim::warnings::notices_of_cells;
use serde_json::{Map, Value, json};

use super::results::{
    COLUMNS, WORDS, aligned, complaints, cut_offs, display, expects, phase_lines, pretty,
    verdict_line,
};
use super::{
    Failure, INTERRUPTED, OutputArgs, SweepArgs, conclude, part, parts, print, warn, watch,
};

/// Most cells that the closing table has lines for.
const SHOWN_MAX: usize = 50;

/// `I/N`, as `--shard` takes it.
pub(super) fn shard(text: &str) -> Result<Slice, String> {
    let numbers = text.split_once('/').and_then(|(shard, of)| {
        let shard: usize = shard.parse().ok()?;
        Some((shard, of.parse::<usize>().ok()?))
    });
    match numbers {
        Some((shard, of)) if (1..=of).contains(&shard) => Ok(Slice::Shard { shard, of }),
        _ => Err("allowed: I/N, two numbers with I from 1 to N".to_owned()),
    }
}

pub(super) fn sweep(args: &SweepArgs) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let output = &args.output;
    let watch = watch(output.quiet)?;
    let task = args.experiment.task(output.machine.seed, watch)?;
    let Task::Study(study) = task else {
        let file = args.experiment.file.display();
        return Err(Failure::Other(anyhow::anyhow!(
            "{file} has no [sweep]: `kadsim run` runs it"
        )));
    };
    let slice = match (args.cells.index, args.cells.shard) {
        (Some(index), _) => Slice::Index(index),
        (None, Some(shard)) => shard,
        (None, None) => return list(&study, output),
    };
    run(&study, slice, output, &output.options(false, watch, begun))
}

/// The settings of a cell.
fn settings(cell: &StudyCell) -> Value {
    let value = |setting: &Setting| match setting {
        Setting::Integer(number) => i64::try_from(*number)
            .map(Value::from)
            .or_else(|_| u64::try_from(*number).map(Value::from))
            .unwrap_or(Value::Null),
        Setting::Float(number) => Value::from(*number),
        Setting::Boolean(value) => Value::from(*value),
        Setting::Text(text) => Value::from(text.as_str()),
    };
    let all = cell.cell.settings.iter();
    all.map(|(key, setting)| (key.clone(), value(setting)))
        .collect::<Map<_, _>>()
        .into()
}

/// The cells, one a line or as one JSON document.
fn list(study: &Study, output: &OutputArgs) -> Result<ExitCode, Failure> {
    let root = study.path(output.out.as_deref());
    let folder = |cell: &StudyCell| display(&root.join(cell.cell.folder()));
    if output.json {
        let cell = |cell: &StudyCell| json!({ "index": cell.cell.index, "path": folder(cell), "settings": settings(cell) });
        let cells: Value = study.cells.iter().map(cell).collect();
        return print(&pretty(&cells));
    }
    let line = |cell: &StudyCell| format!("{}\t{}\n", cell.cell.index, folder(cell));
    print(&study.cells.iter().map(line).collect::<String>())
}

/// What a sweep would run and what memory that needs.
pub(super) fn check(study: &Study, threads: Option<usize>) -> Result<ExitCode, Failure> {
    let all: Vec<usize> = (0..study.cells.len()).collect();
    warn(&notices_of_cells(study, &all));
    let plan = study.plan(&all, threads);
    let largest = study.cells.iter().max_by_key(|cell| cell.need.total());
    let (first, largest) = (&study.cells[0], largest.unwrap_or(&study.cells[0]));
    let mut text = format!(
        "# Cell {} of {}: {}\n",
        first.cell.index,
        study.cells.len(),
        first.cell
    );
    text.push_str(&first.loaded.experiment.to_toml());
    text.push_str("\n# Cells and their estimated memory\n");
    let lines: Vec<[String; 3]> = study
        .cells
        .iter()
        .map(|cell| {
            [
                format!("# {}", cell.cell.index),
                cell.cell.to_string(),
                human(cell.need.total()),
            ]
        })
        .collect();
    text.push_str(&aligned(&lines, 2));
    text.push_str(&format!(
        "\n# Estimated memory of the largest, cell {}\n",
        largest.cell.index
    ));
    text.push_str(&parts(&largest.need));
    if let Ok(plan) = &plan {
        text.push_str(&format!(
            "\n# {} at once on {} threads\n",
            plan.at_once, plan.threads
        ));
        text.push_str(&part("in all", plan.need));
    }
    text.push_str(&part(
        "this machine has",
        kadsim::estimate::machine_memory(),
    ));
    print(&text)?;
    plan.map_err(Failure::Study)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a slice of the cells and says what came of it.
pub(super) fn run(
    study: &Study,
    slice: Slice,
    output: &OutputArgs,
    options: &Options<'_>,
) -> Result<ExitCode, Failure> {
    if !output.quiet {
        let places = study.places(slice).map_err(Failure::Study)?;
        warn(&notices_of_cells(study, &places));
    }
    let report = study.run(slice, options).map_err(Failure::Study)?;
    let mut ended = Vec::new();
    for place in &report.ended {
        let cell = &study.cells[*place];
        let told = cell.report(&report.path);
        ended.push((cell, told.map_err(|error| Failure::Study(error.into()))?));
    }
    let status = complain(study, &report, &ended);
    let text = match (output.json, output.quiet) {
        (true, _) => document(study, &report, &ended),
        (false, true) => return Ok(status),
        (false, false) => closing_table(study, &report, &ended),
    };
    conclude(&text, status)
}

/// Says on stderr what failed or fell short; the exit status for that.
fn complain(study: &Study, report: &StudyReport, ended: &[(&StudyCell, CellReport)]) -> ExitCode {
    let failed = report.failed.iter().map(|(place, error)| {
        let cell = &study.cells[*place].cell;
        format!("cell {} ({cell}): {error}", cell.index)
    });
    let short = ended.iter().flat_map(|(cell, told)| {
        let networks = cell.loaded.experiment.networks;
        let complaints = complaints(networks, &told.cut_off, &told.verdicts);
        let cell = &cell.cell;
        let named = move |complaint| format!("cell {} ({cell}): {complaint}", cell.index);
        complaints.into_iter().map(named)
    });
    let complaints: Vec<String> = failed.chain(short).collect();
    let mut stderr = io::stderr();
    for complaint in &complaints {
        let _ = writeln!(stderr, "error: {complaint}");
    }
    if report.interrupted {
        let _ = writeln!(
            stderr,
            "error: interrupted; {} of {} cells are done in {}, the same call goes on with the others",
            report.done,
            study.cells.len(),
            report.path.display()
        );
        return ExitCode::from(INTERRUPTED);
    }
    if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The results as one JSON document.
fn document(study: &Study, report: &StudyReport, ended: &[(&StudyCell, CellReport)]) -> String {
    let cells = ended.iter().map(|(cell, told)| {
        json!({
            "index": cell.cell.index,
            "path": display(&told.path),
            "settings": settings(cell),
            "cut_off": cut_offs(&told.cut_off),
            "expects": expects(&told.verdicts),
            "summary": told.summary,
        })
    });
    let failed = report.failed.iter().map(|(place, error)| {
        json!({ "index": study.cells[*place].cell.index, "error": error.to_string() })
    });
    let document = json!({
        "experiment": study.name,
        "seed": study.cells[0].loaded.experiment.seed,
        "path": display(&report.path),
        "seconds": report.seconds,
        "ran": report.ran,
        "done": report.done,
        "failed": failed.collect::<Vec<_>>(),
        "cells": cells.collect::<Vec<_>>(),
    });
    pretty(&document)
}

/// The closing table: the lines of each cell's phases.
fn closing_table(
    study: &Study,
    report: &StudyReport,
    ended: &[(&StudyCell, CellReport)],
) -> String {
    let mut text = String::new();
    if !ended.is_empty() {
        text = table(study, ended);
    }
    let verdicts = ended.iter().flat_map(|(_, told)| &told.verdicts);
    let holding = verdicts.clone().filter(|verdict| verdict.holds()).count();
    match verdicts.count() {
        0 => {}
        all => text.push_str(&format!("\nholds: {holding} of {all} expectations")),
    }
    for (cell, told) in ended {
        let failing = told.verdicts.iter().filter(|verdict| !verdict.holds());
        for verdict in failing {
            text.push_str(&format!(
                "\ncell {}: {}",
                cell.cell.index,
                verdict_line(verdict)
            ));
        }
    }
    let is_done = |place: &&usize| report.ended.binary_search(place).is_ok();
    let now = report.ran.iter().filter(is_done).count();
    text.push_str(&format!(
        "\n{} in {:.1} s; {} of {} cells done, {} now\n",
        display(&report.path),
        report.seconds,
        report.done,
        study.cells.len(),
        now
    ));
    text
}

fn table(study: &Study, ended: &[(&StudyCell, CellReport)]) -> String {
    let axes = &study.cells[0].cell.axes;
    let names = axes.iter().map(|(name, _)| name.as_str());
    let header = ["cell"].into_iter().chain(names).chain(COLUMNS);
    let mut lines: Vec<Vec<String>> = vec![header.map(str::to_owned).collect()];
    for (cell, told) in ended.iter().take(SHOWN_MAX) {
        let experiment = &cell.loaded.experiment;
        for phase in &experiment.phases {
            for line in phase_lines(phase, experiment.networks, &told.summary) {
                let values = cell.cell.axes.iter().map(|(_, value)| value.to_string());
                let index = cell.cell.index.to_string();
                lines.push([index].into_iter().chain(values).chain(line).collect());
            }
        }
    }
    let mut text = aligned(&lines, 1 + axes.len() + WORDS);
    if let Some(more) = ended.len().checked_sub(SHOWN_MAX + 1) {
        text.push_str(&format!("… and {} cells more\n", more + 1));
    }
    text
}
