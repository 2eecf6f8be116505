//! Whole runs of the experiment files that come with kadsim: wall time, peak memory of the process, and the share of
//! recording (tables and summary) in its CPU time.
//!
//! `cargo bench --bench runs` runs all files, `cargo bench --bench runs -- million` those with `million` in their names.
//!
//! `cargo bench --bench runs -- estimate` compares the memory that `kadsim check` estimates with the peak of the run, for
//! many kinds of experiments. It exits with 1 if an estimate is not 1 to 2 times the peak. `-- estimate quickstart` selects
//! experiments by name.

mod estimate;
mod peak;

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Name shown, experiment file, overrides.
const RUNS: [(&str, &str, &[&str]); 5] = [
    ("quickstart", "quickstart", &[]),
    ("study", "published/study", &[]),
    ("million", "million", &[]),
    (
        "million, twice the operations",
        "million",
        &[
            "phase.lookups.count=2_000_000",
            "phase.lookups.spread_ms=120_000",
            "phase.retrieves.count=2_000_000",
            "phase.retrieves.spread_ms=120_000",
        ],
    ),
    ("ten-million", "ten-million", &[]),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == peak::FLAG) {
        return peak::child(arguments);
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if let Some((first, names)) = wanted.split_first()
        && first == "estimate"
    {
        return estimate::main(names);
    }
    whole_runs(&wanted)
}

/// Runs the experiment files of these names, or all.
fn whole_runs(wanted: &[String]) -> ExitCode {
    let out = std::env::temp_dir().join(format!("kadsim-bench-{}", std::process::id()));
    println!(
        "{:<32}{:>10}{:>14}{:>14}",
        "run", "wall s", "peak MiB", "recording %"
    );
    let mut status = ExitCode::SUCCESS;
    for (name, file, overrides) in RUNS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        match measure(file, overrides, &out) {
            Ok((wall, peak_kib)) => {
                let peak = peak_kib.map_or("-".to_owned(), |kib| (kib / 1024).to_string());
                let recording = recording(&out.join(file).join("timings.parquet"))
                    .map_or("-".to_owned(), |share| format!("{:.1}", 100.0 * share));
                println!(
                    "{name:<32}{:>10.2}{peak:>14}{recording:>14}",
                    wall.as_secs_f64()
                );
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                status = ExitCode::FAILURE;
            }
        }
    }
    let _ = std::fs::remove_dir_all(&out);
    status
}

/// Runs an experiment. Returns the wall time, and the peak resident memory in KiB where the kernel reports it.
fn measure(
    file: &str,
    overrides: &[&str],
    out: &Path,
) -> Result<(Duration, Option<u64>), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("experiments/{file}.toml"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kadsim"));
    command.arg("run").arg(path);
    command.arg("--force").arg("--quiet").arg("--out").arg(out);
    for value in overrides {
        command.arg("--set").arg(value);
    }
    let peak = peak::of(&command)?;
    Ok((begun.elapsed(), peak.map(|bytes| bytes >> 10)))
}

/// Returns the share of recording in the CPU time of a run, according to its timings table.
///
/// Rows of `recording` are parts of other rows, except for the one of the phase `end`. All other rows add up to the run.
fn recording(timings: &Path) -> Result<f64, Box<dyn std::error::Error>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(timings)?)?.build()?;
    let (mut recording, mut whole) = (0.0, 0.0);
    for batch in reader {
        let batch = batch?;
        let text = |name: &str| {
            let column = batch.column_by_name(name).ok_or("a column is missing")?;
            Ok::<_, Box<dyn std::error::Error>>(cast(column, &DataType::Utf8)?)
        };
        let (phases, systems) = (text("phase")?, text("system")?);
        let (phases, systems) = (phases.as_string::<i32>(), systems.as_string::<i32>());
        let cpu_ms = batch
            .column_by_name("cpu_ms")
            .ok_or("a column is missing")?
            .as_primitive::<Float64Type>();
        for row in (0..batch.num_rows()).filter(|&row| cpu_ms.is_valid(row)) {
            let is_recording = systems.value(row) == "recording";
            if is_recording {
                recording += cpu_ms.value(row);
            }
            if !is_recording || phases.value(row) == "end" {
                whole += cpu_ms.value(row);
            }
        }
    }
    Ok(recording / whole)
}
