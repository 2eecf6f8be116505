//! Studies on the command line: `kadsim sweep`, and `run` and `check` of an experiment with a `[sweep]`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use kadsim::estimate::human;
use kadsim::figures::{CELLS_SHOWN_MAX, CellRow, OF_A_CELL, cells};
use kadsim::run::Options;
use kadsim::sweep::{CellReport, Slice, Study, StudyCell, StudyReport, Task};
use kadsim::table::{Side, TextTable, wrapped};
use serde_json::{Value, json};

use super::results::{
    complain, complaints, cut_offs, display, expects, figures_hint, holding, pretty, settings,
    side_by_side, status,
};
use super::{
    Failure, INTERRUPTED, OutputArgs, SweepArgs, conclude, part, parts, print, tell_failure, warn,
    width_of,
};

/// Parses `I/N`, the value of `--shard`.
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
    let watch = output.watch()?;
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

/// Prints the cells, one a line or as one JSON document.
fn list(study: &Study, output: &OutputArgs) -> Result<ExitCode, Failure> {
    let root = study.path(output.out.as_deref());
    let folder = |cell: &StudyCell| display(&root.join(cell.cell.folder()));
    if output.json {
        let cell = |cell: &StudyCell| json!({ "index": cell.cell.index, "path": folder(cell), "settings": settings(&cell.cell.settings) });
        let cells: Value = study.cells.iter().map(cell).collect();
        return print(&pretty(&cells));
    }
    let line = |cell: &StudyCell| format!("{}\t{}\n", cell.cell.index, folder(cell));
    print(&study.cells.iter().map(line).collect::<String>())
}

/// Prints the sweep with every default, and, as comments, the cells with their estimated memory.
pub(super) fn check(study: &Study, threads: Option<usize>) -> Result<ExitCode, Failure> {
    let all: Vec<usize> = (0..study.cells.len()).collect();
    warn(&study.notices(&all), false);
    let plan = study.plan(&all, threads);
    let largest = study.cells.iter().max_by_key(|cell| cell.need.total());
    let largest = largest.unwrap_or(&study.cells[0]);
    let mut cells = TextTable::new(
        1,
        [
            ("# cell", Side::Left),
            ("settings", Side::Left),
            ("memory", Side::Left),
        ],
    );
    for cell in &study.cells {
        cells.push([
            format!("# {}", cell.cell.index),
            cell.cell.to_string(),
            human(cell.need.total()),
        ]);
    }
    let mut text = study.to_toml();
    text.push_str(&upkeep(study));
    text.push_str("\n# Cells and their estimated memory\n");
    // A comment ends with its line.
    text.push_str(&cells.render(None));
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

/// Formats the contacts of maintenance of each cell that has some, as comments of an experiment file.
fn upkeep(study: &Study) -> String {
    let with = study
        .cells
        .iter()
        .filter_map(|cell| Some((cell, cell.upkeep?)));
    let mut cells = TextTable::new(
        1,
        [
            ("# cell", Side::Left),
            ("settings", Side::Left),
            ("maintenance", Side::Left),
        ],
    );
    let mut has_some = false;
    for (cell, upkeep) in with {
        has_some = true;
        cells.push([
            format!("# {}", cell.cell.index),
            cell.cell.to_string(),
            format!("{:.4}", upkeep.per_node_s()),
        ]);
    }
    match has_some {
        true => format!(
            "\n# Contacts of maintenance, at most, per node and second\n{}",
            cells.render(None)
        ),
        false => String::new(),
    }
}

/// Runs a slice of the cells and prints the results.
pub(super) fn run(
    study: &Study,
    slice: Slice,
    output: &OutputArgs,
    options: &Options<'_>,
) -> Result<ExitCode, Failure> {
    if !output.quiet {
        let places = study.places(slice).map_err(Failure::Study)?;
        warn(&study.notices(&places), output.events);
    }
    let report = study.run(slice, options).map_err(Failure::Study)?;
    let mut ended = Vec::new();
    for place in &report.ended {
        let told = study.report(*place, &report.path);
        let told = told.map_err(|error| Failure::Study(error.into()))?;
        ended.push((&study.cells[*place], told));
    }
    let complaints = all_complaints(study, &report, &ended);
    let status = match report.interrupted {
        true => ExitCode::from(INTERRUPTED),
        false => status(&complaints),
    };
    let text = match (output.json, output.quiet) {
        (true, _) => document(study, &report, &ended),
        (false, true) => String::new(),
        (false, false) => closing(study, &report, &ended, width_of(&io::stdout())),
    };
    // Errors come last, where the user looks first.
    let concluded = conclude(&text, status);
    complain(&complaints, output.events);
    if report.interrupted {
        let said = format!(
            "error: interrupted; {} of {} cells are done in {}, the same call goes on with the others",
            report.done,
            study.cells.len(),
            report.path.display()
        );
        match output.events {
            true => tell_failure(&said, INTERRUPTED),
            false => {
                let mut stderr = io::stderr();
                let _ = writeln!(stderr, "{}", wrapped(&said, width_of(&stderr)));
            }
        }
    }
    concluded
}

/// Returns the complaints by cell.
fn all_complaints(
    study: &Study,
    report: &StudyReport,
    ended: &[(&StudyCell, CellReport)],
) -> Vec<String> {
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
    failed.chain(short).collect()
}

/// Returns the results as one JSON document.
fn document(study: &Study, report: &StudyReport, ended: &[(&StudyCell, CellReport)]) -> String {
    let cells = ended.iter().map(|(cell, told)| {
        json!({
            "index": cell.cell.index,
            "path": display(&told.path),
            "settings": settings(&cell.cell.settings),
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

/// Returns the closing text of a study: a table of its cells if they are few, and counts of cells by state.
fn closing(
    study: &Study,
    report: &StudyReport,
    ended: &[(&StudyCell, CellReport)],
    width: Option<usize>,
) -> String {
    let mut text = String::new();
    if (1..=CELLS_SHOWN_MAX).contains(&ended.len()) && report.cells.len() <= CELLS_SHOWN_MAX {
        text = table(ended, width) + "\n";
    }
    if let Some(holding) = holding(ended.iter().flat_map(|(_, told)| &told.verdicts)) {
        text.push_str(&format!("{holding}\n"));
    }
    let is_done = |place: &&usize| report.ended.binary_search(place).is_ok();
    let now = report.ran.iter().filter(is_done).count();
    let count = |is: fn(&CellReport) -> bool| ended.iter().filter(|(_, told)| is(told)).count();
    let counts = format!(
        "{} of {} cells done, {now} run now, {} failed, {} cut off, {} not as expected",
        report.done,
        study.cells.len(),
        report.failed.len(),
        count(|told| !told.cut_off.is_empty()),
        count(|told| told.verdicts.iter().any(|verdict| !verdict.holds())),
    );
    let path = display(&report.path);
    let place = format!("{path} in {:.1} s", report.seconds);
    let inspect = format!("`kadsim inspect {path}` shows the cells");
    let place = side_by_side([&place, &inspect], width);
    let mut text = text + &wrapped(&counts, width) + "\n" + &place + "\n";
    if report.done > 0 {
        text = text + &figures_hint(&report.path, width) + "\n";
    }
    text
}

/// Returns a table with a row for each phase of each cell.
fn table(ended: &[(&StudyCell, CellReport)], width: Option<usize>) -> String {
    let mut rows = Vec::new();
    for (cell, told) in ended {
        for phase in &cell.loaded.experiment.phases {
            let figures = OF_A_CELL.map(|figure| figure.of(&told.summary, &phase.name, ""));
            rows.push(CellRow {
                cell: cell.cell.index.to_string(),
                phase: phase.name.clone(),
                settings: cell
                    .cell
                    .axes
                    .iter()
                    .map(|(_, value)| value.to_string())
                    .collect(),
                figures: figures.to_vec(),
            });
        }
    }
    let axes = ended.iter().flat_map(|(cell, _)| &cell.cell.axes);
    let axes: Vec<&str> = axes
        .take(ended[0].0.cell.axes.len())
        .map(|(name, _)| name.as_str())
        .collect();
    let table = cells(&axes, &rows);
    table.render(width)
}
