//! The command line: arguments, what is printed, and the exit status.
//!
//! Results go to stdout; progress and diagnostics to stderr. Exit status 0: done; 1: the run failed, hit
//! `max_ms`, or an `[[expect]]` does not hold; 2: wrong usage or invalid experiment; 130: interrupted.

mod signals;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use kadsim::estimate::{self, human};
use kadsim::file::{Invalid, Kind, Loaded};
use kadsim::inputs::{self, InputError, Inputs};
use kadsim::inspect;
use kadsim::run::{self, CutOff, Options, Report, RunError};
use kadsim::watch::Watch;
use serde_json::{Value, json};

/// Exit status of a run that was asked to stop.
const INTERRUPTED: u8 = 130;

/// Simulates Kademlia networks of millions of nodes from an experiment file.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an experiment and write its tables
    Run(RunArgs),
    /// Validate an experiment, print it with all defaults and an estimate of memory, and run nothing
    Check {
        #[command(flatten)]
        experiment: ExperimentArgs,
    },
    /// Show what a run folder or a table holds: columns, rows, seed, digest of the content
    Inspect {
        /// A run folder or a .parquet table
        path: PathBuf,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
struct ExperimentArgs {
    /// The experiment file (TOML)
    file: PathBuf,
    /// Override a key of the file, e.g. link.fast_error.rate=0.2 or phase.seeding.count=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// Write to this folder instead of the experiment's output.dir
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads to use, 1 to 256 [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Override the experiment's seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Replace a finished run
    #[arg(long)]
    force: bool,
    /// Show no progress and no closing table
    #[arg(long)]
    quiet: bool,
    /// Print the results as one JSON document
    #[arg(long)]
    json: bool,
}

/// Parses, runs, and says how it went.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match execute(&cli.command) {
        Ok(status) => status,
        // Whoever reads stdout has gone away: there is nobody to tell.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            let (text, status) = failure.describe();
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::from(status)
        }
    }
}

/// Whether the terminal takes text and nothing else.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Why a command has no result.
enum Failure {
    Invalid(Invalid),
    /// Asked to stop before there was anything to leave.
    Stopped,
    Run(RunError),
    Io(io::Error),
    Other(anyhow::Error),
}

impl Failure {
    fn describe(&self) -> (String, u8) {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = io::stderr().is_terminal() && !plain && !is_dumb();
        match self {
            Failure::Invalid(invalid) => (invalid.render(color), 2),
            Failure::Stopped => (
                "error: interrupted before the run began".to_owned(),
                INTERRUPTED,
            ),
            Failure::Run(error) => {
                let status = match error {
                    RunError::Interrupted(_) => INTERRUPTED,
                    RunError::Failed { .. } => 1,
                    _ => 2,
                };
                (format!("error: {error}"), status)
            }
            Failure::Io(error) => (format!("error: cannot write to stdout: {error}"), 1),
            Failure::Other(error) => (format!("error: {error:#}"), 2),
        }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Invalid(invalid) => Self::Invalid(invalid),
            InputError::Stopped(_) => Self::Stopped,
        }
    }
}

fn execute(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(args) => run(args),
        Command::Check { experiment } => check(experiment),
        Command::Inspect { path } => {
            let text = inspect::inspect(path).map_err(Failure::Other)?;
            print(&text)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "kadsim", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut stdout = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write!(stdout, "{text}{end}")
        .and_then(|()| stdout.flush())
        .map_err(Failure::Io)?;
    Ok(ExitCode::SUCCESS)
}

fn load(
    args: &ExperimentArgs,
    seed: Option<u64>,
    watch: Watch<'_>,
) -> Result<(Loaded, Inputs), Failure> {
    let mut overrides = args.overrides.clone();
    overrides.extend(seed.map(|seed| format!("seed={seed}")));
    Ok(inputs::load(&args.file, &overrides, watch)?)
}

fn check(args: &ExperimentArgs) -> Result<ExitCode, Failure> {
    let (loaded, inputs) = load(args, None, Watch::NOBODY)?;
    let need = estimate::estimate(&loaded.experiment, &inputs);
    let has = estimate::machine_memory();
    let parts = [
        ("nodes", need.nodes),
        ("routing tables", need.tables),
        ("operations in flight", need.operations),
        ("stored segments", need.segments),
        ("imported files", need.imports),
        ("recording", need.recording),
        ("in all", need.total()),
        ("this machine has", has),
    ];
    let mut text = loaded.experiment.to_toml();
    text.push_str("\n# Estimated memory\n");
    for (part, bytes) in parts {
        text.push_str(&format!("# {part:<22}{:>15}\n", human(bytes)));
    }
    print(&text)?;
    if need.total() > has {
        return Err(Failure::Run(RunError::Memory {
            need: human(need.total()),
            has: human(has),
        }));
    }
    Ok(ExitCode::SUCCESS)
}

fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let interrupted = signals::watch().map_err(Failure::Other)?;
    let watch = Watch {
        progress: !args.quiet && io::stderr().is_terminal() && !is_dumb(),
        interrupted,
    };
    let (loaded, inputs) = load(&args.experiment, args.seed, watch)?;
    let options = Options {
        out: args.out.clone(),
        threads: args.threads.map(usize::from),
        force: args.force,
        watch,
    };
    let report = run::run(&loaded.experiment, &inputs, &options).map_err(Failure::Run)?;
    let status = complain(loaded.experiment.networks, &report);
    let text = match (args.json, args.quiet) {
        (true, _) => document(&loaded, &report),
        (false, true) => return Ok(status),
        (false, false) => closing_table(&loaded, &report),
    };
    match print(&text) {
        // The run counts, also where nobody reads to the end of what it says.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(status),
        printed => printed.map(|_| status),
    }
}

/// Says on stderr in what a finished run of `count` networks fell short; the exit status for that.
fn complain(count: u32, report: &Report) -> ExitCode {
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
fn document(loaded: &Loaded, report: &Report) -> String {
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
fn closing_table(loaded: &Loaded, report: &Report) -> String {
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
fn aligned<const N: usize>(lines: &[[String; N]], left: usize) -> String {
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
