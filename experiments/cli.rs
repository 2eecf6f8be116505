//! The command line: arguments, what is printed, and the exit status.
//!
//! Results go to stdout; progress and diagnostics to stderr. Exit status 0: done; 1: the run failed, hit
//! `max_ms`, or an `[[expect]]` does not hold; 2: wrong usage or invalid experiment; 130: interrupted.

mod layouts;
mod results;
mod signals;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, CommandFactory, Parser, Subcommand};
use kadsim::estimate::{self, human};
use kadsim::file::{Invalid, Loaded};
use kadsim::inputs::{self, InputError, Inputs};
use kadsim::inspect;
use kadsim::layouts::LayoutsError;
use kadsim::run::{self, Options, RunError};
use kadsim::watch::Watch;

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
    /// Run an experiment's bootstrap and lookups under every bucket layout and compare what they cost
    Layouts(LayoutsArgs),
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
    #[command(flatten)]
    machine: MachineArgs,
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

#[derive(Args)]
struct LayoutsArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Print the raw numbers as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct MachineArgs {
    /// Threads to use, 1 to 256 [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Override the experiment's seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
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
    Layouts(LayoutsError),
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
            Failure::Layouts(error) => {
                let status = match error {
                    LayoutsError::Stopped(_) => INTERRUPTED,
                    LayoutsError::Memory { .. } => 2,
                    LayoutsError::Network(_) | LayoutsError::Threads(_) => 1,
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
        Command::Layouts(args) => layouts::layouts(args),
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

/// Whoever sits at the terminal.
fn watch(quiet: bool) -> Result<Watch<'static>, Failure> {
    Ok(Watch {
        progress: !quiet && io::stderr().is_terminal() && !is_dumb(),
        interrupted: signals::watch().map_err(Failure::Other)?,
    })
}

fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let watch = watch(args.quiet)?;
    let (loaded, inputs) = load(&args.experiment, args.machine.seed, watch)?;
    let options = Options {
        out: args.out.clone(),
        threads: args.machine.threads.map(usize::from),
        force: args.force,
        watch,
        begun,
    };
    let report = run::run(&loaded.experiment, &inputs, &options).map_err(Failure::Run)?;
    let status = results::complain(loaded.experiment.networks, &report);
    let text = match (args.json, args.quiet) {
        (true, _) => results::document(&loaded, &report),
        (false, true) => return Ok(status),
        (false, false) => results::closing_table(&loaded, &report),
    };
    conclude(&text, status)
}

/// Prints what came of a command that has been carried out; that counts, also where nobody reads to the
/// end of it.
fn conclude(text: &str, status: ExitCode) -> Result<ExitCode, Failure> {
    match print(text) {
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(status),
        printed => printed.map(|_| status),
    }
}
