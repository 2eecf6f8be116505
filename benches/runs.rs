//! Whole runs of the experiment files that come with kadsim: wall time and peak memory of the process.
//!
//! `cargo bench --bench runs`, or with the name of one: `cargo bench --bench runs -- million`

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Name shown, experiment file, overrides.
const RUNS: [(&str, &str, &[&str]); 5] = [
    ("quickstart", "quickstart", &[]),
    ("study", "study", &[]),
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
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let out = std::env::temp_dir().join(format!("kadsim-bench-{}", std::process::id()));
    println!("{:<32}{:>10}{:>14}", "run", "wall s", "peak MiB");
    let mut status = ExitCode::SUCCESS;
    for (name, file, overrides) in RUNS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        match measure(file, overrides, &out) {
            Ok((wall, peak_kib)) => {
                let peak = peak_kib.map_or("-".to_owned(), |kib| (kib / 1024).to_string());
                println!("{name:<32}{:>10.2}{peak:>14}", wall.as_secs_f64());
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

/// Wall time of a run, and its peak resident memory in KiB where the kernel tells.
fn measure(
    file: &str,
    overrides: &[&str],
    out: &Path,
) -> Result<(Duration, Option<u64>), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("experiments/{file}.toml"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kadsim"));
    command
        .arg("run")
        .arg(path)
        .arg("--force")
        .arg("--quiet")
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null());
    for value in overrides {
        command.arg("--set").arg(value);
    }
    let mut child = command.spawn()?;
    let mut peak_kib = None;
    let status = loop {
        peak_kib = high_water_kib(child.id()).max(peak_kib);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    if !status.success() {
        return Err(format!("kadsim run ended with {status}").into());
    }
    Ok((begun.elapsed(), peak_kib))
}

/// The kernel's own high-water mark of a process's resident memory.
fn high_water_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
