//! The memory that `kadsim check` estimates for an experiment, beside the peak of its run.

mod cases;

use std::path::Path;
use std::process::{Command, ExitCode};

use kadsim::estimate::{Estimate, estimate};
use kadsim::sweep::{self, Task};
use kadsim::watch::Watch;

use self::cases::Case;
use crate::peak;

/// Range in which the ratio of estimate to peak must lie.
const ALLOWED: std::ops::RangeInclusive<f64> = 1.0..=2.0;

/// Unit of the table, in bytes.
const UNIT: f64 = (1 << 20) as f64;

/// Prints the table of the cases whose names contain one of `wanted`, or of all cases if `wanted` is empty.
pub fn main(wanted: &[String]) -> ExitCode {
    let folder = std::env::temp_dir().join(format!("kadsim-estimate-{}", std::process::id()));
    let cases = std::fs::create_dir_all(&folder)
        .map_err(Into::into)
        .and_then(|()| cases::all(&folder));
    let cases = match cases {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("cannot write the experiments: {error}");
            return ExitCode::FAILURE;
        }
    };
    let is_wanted =
        |case: &&Case| wanted.is_empty() || wanted.iter().any(|part| case.name.contains(part));
    header();
    let (mut ratios, mut status) = (Vec::new(), ExitCode::SUCCESS);
    for case in cases.iter().filter(is_wanted) {
        match measure(case, &folder.join("out")) {
            Ok(ratio) => {
                ratios.push(ratio);
                if !ALLOWED.contains(&ratio) {
                    status = ExitCode::FAILURE;
                }
            }
            Err(error) => {
                eprintln!("{}: {error}", case.name);
                status = ExitCode::FAILURE;
            }
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    ratios.sort_by(f64::total_cmp);
    if let [least, .., most] = ratios[..] {
        let median = ratios[ratios.len() / 2];
        let count = ratios.len();
        println!("{count} experiments, ratios {least:.2} to {most:.2}, median {median:.2}");
    }
    status
}

fn header() {
    print!("{:<40}", "experiment, MiB");
    for (name, _) in Estimate::default().parts() {
        let short = name.rsplit(' ').next().unwrap_or(name);
        print!(
            "{:>10}",
            if name == "operations in flight" {
                "operations"
            } else {
                short
            }
        );
    }
    println!("{:>10}{:>10}{:>7}", "in all", "peak", "ratio");
}

/// Runs a case, prints its line and returns the ratio.
fn measure(case: &Case, out: &Path) -> Result<f64, Box<dyn std::error::Error>> {
    let (parts, need) = need(case)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_kadsim"));
    command.arg("run").arg(&case.file);
    command.arg("--force").arg("--quiet").arg("--out").arg(out);
    for value in &case.overrides {
        command.arg("--set").arg(value);
    }
    if let Some(threads) = case.threads {
        command.arg("--threads").arg(threads.to_string());
    }
    let peak = peak::of(&command)?.ok_or("the system does not report the peak memory")?;
    let ratio = need as f64 / peak as f64;
    print!("{:<40}", case.name);
    for (_, bytes) in parts.parts() {
        print!("{:>10.1}", bytes as f64 / UNIT);
    }
    let mark = if ALLOWED.contains(&ratio) {
        ""
    } else {
        "  <- not within 1 and 2"
    };
    println!(
        "{:>10.1}{:>10.1}{ratio:>7.2}{mark}",
        need as f64 / UNIT,
        peak as f64 / UNIT
    );
    Ok(ratio)
}

/// Returns the estimate by part, which for a sweep is that of its largest cell, and the bytes needed by all cells that run
/// at once.
fn need(case: &Case) -> Result<(Estimate, u64), Box<dyn std::error::Error>> {
    match sweep::load(&case.file, &case.overrides, Watch::SILENT)? {
        Task::One(loaded, inputs) => {
            let need = estimate(&loaded.experiment, &inputs);
            Ok((need, need.total()))
        }
        Task::Study(study) => {
            let all: Vec<usize> = (0..study.cells.len()).collect();
            let plan = study.plan(&all, case.threads)?;
            let needs = study.cells.iter().map(|cell| cell.need);
            let largest = needs.max_by_key(Estimate::total).unwrap_or_default();
            Ok((largest, plan.need))
        }
    }
}
