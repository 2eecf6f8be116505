//! The command line: arguments, what is printed, and the exit status.
//!
//! Results go to stdout; progress and diagnostics to stderr. Exit status 0: done; 1: the run failed, hit
//! `max_ms`, or an `[[expect]]` does not hold; 2: wrong usage or invalid experiment; 130: interrupted.

mod columns;
mod failure;
mod keys;
mod layouts;
mod new;
mod report;
mod results;
mod shells;
mod signals;
mod sweep;

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use indicatif::HumanCount;
use kadsim::estimate::{self, Estimate, Upkeep, human};
use kadsim::file::{Experiment, Loaded, Notices};
use kadsim::inputs::{self, Inputs};
use kadsim::inspect::{self, View};
use kadsim::run::{self, Options, RunError};
use kadsim::sweep::{Slice, Task};
use kadsim::warnings::{notices, warnings};
use kadsim::watch::{Progress, Watch, tell};

use self::failure::{Failure, tell_failure};
use self::new::NewArgs;

/// Exit status of a run that the user has stopped.
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
        /// Threads that a sweep would be run on, 1 to 256 [default: all cores]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
        threads: Option<u16>,
    },
    /// List the cells of a sweep, or run one or a slice of them
    Sweep(SweepArgs),
    /// Run an experiment's bootstrap and lookups under every bucket layout and compare what they cost
    Layouts(LayoutsArgs),
    /// Show what a study, a run folder or a table holds: columns, rows, seed, digest of the content
    Inspect {
        /// A study's folder, a run folder or a .parquet table
        path: PathBuf,
        /// Show all cells of a study, not the first ones only
        #[arg(long)]
        all: bool,
        /// Show the table that the run ended with, or the means of the study's cells, and nothing else
        #[arg(long)]
        closing: bool,
        /// Print that table as one JSON document
        #[arg(long, requires = "closing")]
        json: bool,
    },
    /// Write a commented experiment file to start from, or list the kinds
    New(NewArgs),
    /// Make a page with figures of runs, or of a study: one HTML file that needs no network
    Report(report::ReportArgs),
    /// List every key of the experiment file with its type, default, range, unit and meaning
    Keys {
        /// Print a table in Markdown
        #[arg(long)]
        markdown: bool,
    },
    /// Print the JSON Schema of the experiment file, for editors
    Schema,
    /// List every column of the tables that a run writes with its type, unit and meaning
    Columns {
        /// A table, instead of all
        #[arg(value_parser = PossibleValuesParser::new(columns::names()))]
        table: Option<String>,
        /// Print tables in Markdown
        #[arg(long)]
        markdown: bool,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a man page of the program and one of each command
    Man {
        /// The folder to write them to
        dir: PathBuf,
    },
}

#[derive(Args)]
struct ExperimentArgs {
    /// The experiment file (TOML), or - for the standard input
    file: PathBuf,
    /// Override a key of the file, e.g. link.fast_error.rate=0.2 or phase.seeding.count=100
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = keys::OverrideParser, hide_possible_values = true)]
    overrides: Vec<String>,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Replace a finished run, or a study and all its cells
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
struct OutputArgs {
    /// Write to this folder instead of the experiment's output.dir
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArgs,
    /// Show no progress, no warnings and no closing table
    #[arg(long)]
    quiet: bool,
    /// Show no progress; everything else as without
    #[arg(long)]
    no_progress: bool,
    /// Print the results as one JSON document
    #[arg(long)]
    json: bool,
    /// Write progress, warnings and errors as JSON, one event a line
    #[arg(long)]
    events: bool,
}

#[derive(Args)]
struct SweepArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    cells: CellsArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Which cells.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct CellsArgs {
    /// Print the index and the folder of each cell, with a tab between them
    #[arg(long)]
    list: bool,
    /// Run the cell of this index, from 0
    #[arg(long, value_name = "I")]
    index: Option<usize>,
    /// Run the I-th of N shards, I from 1: every N-th cell
    #[arg(long, value_name = "I/N", value_parser = sweep::shard)]
    shard: Option<Slice>,
}

#[derive(Args)]
struct LayoutsArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Show no progress; everything else as without
    #[arg(long)]
    no_progress: bool,
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

/// Parses the command line, runs the command, and returns the exit status.
pub fn main() -> ExitCode {
    signals::survive_large_files();
    let cli = Cli::parse();
    match execute(&cli.command) {
        Ok(status) => status,
        // The reader of stdout has closed it, so no message can reach the reader.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.tell(cli.command.events())),
    }
}

/// Returns whether the terminal shows text alone.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Returns whether diagnostics have colors.
fn is_colored() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !plain && !is_dumb()
}

/// Shows warnings on stderr, or writes them as an event.
fn warn(notices: &Notices, events: bool) {
    if notices.is_empty() {
        return;
    }
    if events {
        let mut event = notices.to_json();
        event["event"] = "warnings".into();
        return tell(&event);
    }
    let _ = writeln!(io::stderr(), "{}\n", notices.render(is_colored()));
}

impl Command {
    /// Returns whether errors are written as events.
    fn events(&self) -> bool {
        match self {
            Self::Run(args) => args.output.events,
            Self::Sweep(args) => args.output.events,
            _ => false,
        }
    }
}

fn execute(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(args) => run(args),
        Command::Check {
            experiment,
            threads,
        } => check(experiment, threads.map(usize::from)),
        Command::Sweep(args) => sweep::sweep(args),
        Command::Layouts(args) => layouts::layouts(args),
        Command::Inspect {
            path,
            all,
            closing: true,
            json,
        } => {
            let table = inspect::closing(path, *all).map_err(Failure::Other)?;
            match json {
                true => print(&results::pretty(&table.to_json())),
                false => print(&table.render(width_of(&io::stdout()))),
            }
        }
        Command::Inspect { path, all, .. } => {
            let view = View {
                width: width_of(&io::stdout()),
                all: *all,
            };
            let text = inspect::describe(path, &view).map_err(Failure::Other)?;
            print(&text)
        }
        Command::Report(args) => print(&report::report(args).map_err(Failure::Other)?),
        Command::New(args) => {
            print(&new::new(args, width_of(&io::stdout())).map_err(Failure::Other)?)
        }
        Command::Keys { markdown: true } => print(&keys::markdown()),
        Command::Keys { markdown: false } => print(&keys::table(width_of(&io::stdout()))),
        Command::Schema => print(&format!("{:#}", kadsim::file::keys::json_schema())),
        Command::Columns {
            table,
            markdown: true,
        } => print(&columns::markdown(table.as_deref())),
        Command::Columns {
            table,
            markdown: false,
        } => print(&columns::text(table.as_deref(), width_of(&io::stdout()))),
        Command::Completions { shell } => print(&shells::completions(*shell)),
        Command::Man { dir } => {
            shells::man(dir).map_err(Failure::Other)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut stdout = io::stdout().lock();
    let end = match text.is_empty() || text.ends_with('\n') {
        true => "",
        false => "\n",
    };
    write!(stdout, "{text}{end}")
        .and_then(|()| stdout.flush())
        .map_err(Failure::Io)?;
    Ok(ExitCode::SUCCESS)
}

impl ExperimentArgs {
    /// Returns the overrides, the seed among them.
    fn overrides(&self, seed: Option<u64>) -> Vec<String> {
        let seed = seed.map(|seed| format!("seed={seed}"));
        self.overrides.iter().cloned().chain(seed).collect()
    }

    /// Reads the file, which must hold a single experiment.
    fn load(&self, seed: Option<u64>, watch: Watch<'_>) -> Result<(Loaded, Inputs), Failure> {
        Ok(inputs::load(&self.file, &self.overrides(seed), watch)?)
    }

    /// Reads the experiment, or all cells of its sweep.
    fn task(&self, seed: Option<u64>, watch: Watch<'_>) -> Result<Task, Failure> {
        let overrides = self.overrides(seed);
        Ok(kadsim::sweep::load(&self.file, &overrides, watch)?)
    }
}

fn check(args: &ExperimentArgs, threads: Option<usize>) -> Result<ExitCode, Failure> {
    let (loaded, inputs) = match args.task(None, Watch::SILENT)? {
        Task::One(loaded, inputs) => (loaded, inputs),
        Task::Study(study) => return sweep::check(&study, threads),
    };
    warn(
        &notices(&loaded, &warnings(&loaded.experiment, &inputs)),
        false,
    );
    let need = estimate::estimate(&loaded.experiment, &inputs);
    let has = estimate::machine_memory();
    let mut text = loaded.experiment.to_toml();
    text.push_str("\n# Estimated memory\n");
    text.push_str(&parts(&need));
    text.push_str(&part("this machine has", has));
    if let Some(upkeep) = estimate::upkeep(&loaded.experiment, &inputs) {
        text.push_str(&maintenance(&upkeep, &loaded.experiment));
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

/// Formats an estimate by part, as comments of an experiment file.
fn parts(need: &Estimate) -> String {
    let parts = need.parts().into_iter().chain([("in all", need.total())]);
    parts.map(|(name, bytes)| part(name, bytes)).collect()
}

fn part(name: &str, bytes: u64) -> String {
    format!("# {name:<22}{:>15}\n", human(bytes))
}

/// Formats the contacts of maintenance, as comments of an experiment file.
fn maintenance(upkeep: &Upkeep, experiment: &Experiment) -> String {
    let mut text = "\n# Contacts of maintenance, at most, per node and second\n".to_owned();
    let parts = [
        ("joins", upkeep.join),
        ("refreshes", upkeep.refresh),
        ("checks and pings", upkeep.check),
        ("in all", upkeep.per_node_s()),
    ];
    for (name, per_s) in parts {
        text.push_str(&format!("# {name:<22}{per_s:>15.4}\n"));
    }
    let phases = experiment.phases.iter();
    let lasts_us: u64 = phases.map(|phase| phase.length_us().unwrap_or(0)).sum();
    let all = upkeep.per_node_s() * upkeep.online * lasts_us as f64 / 1e6;
    let bootstrap = upkeep.bootstrap * f64::from(experiment.networks);
    let all = all * f64::from(experiment.networks) + bootstrap;
    let joins = experiment
        .joins()
        .map(|_| ("to join, at the start", bootstrap));
    for (name, contacts) in joins.into_iter().chain([("in the run", all)]) {
        let contacts = HumanCount(contacts as u64).to_string();
        text.push_str(&format!("# {name:<22}{contacts:>15}\n"));
    }
    text
}

/// Columns of a terminal that does not report them.
const USUAL_WIDTH: usize = 80;

/// Returns the width of tables on this stream: that of the terminal, else that of the variable COLUMNS. Without either,
/// each row of a table is one line.
fn width_of(stream: &(impl AsFd + IsTerminal)) -> Option<usize> {
    if stream.is_terminal() {
        let size = terminal_size::terminal_size_of(stream);
        return Some(size.map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0)));
    }
    let columns = std::env::var("COLUMNS").ok()?;
    columns.parse().ok().filter(|columns| *columns > 0)
}

/// Returns the user at the terminal: what they see and whether they have stopped the program.
fn watch(hidden: bool, events: bool) -> Result<Watch<'static>, Failure> {
    let progress = match events {
        _ if hidden => Progress::Hidden,
        true => Progress::Events,
        false if io::stderr().is_terminal() && !is_dumb() => Progress::Lines,
        false => Progress::Hidden,
    };
    Ok(Watch {
        progress,
        interrupted: signals::watch(events).map_err(Failure::Other)?,
        cell: None,
    })
}

fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let output = &args.output;
    let watch = output.watch()?;
    let task = args.experiment.task(output.machine.seed, watch)?;
    let options = output.options(args.force, watch, begun);
    let (loaded, inputs) = match task {
        Task::One(loaded, inputs) => (loaded, inputs),
        Task::Study(study) => return sweep::run(&study, Slice::All, output, &options),
    };
    if !output.quiet {
        warn(
            &notices(&loaded, &warnings(&loaded.experiment, &inputs)),
            output.events,
        );
    }
    let report = run::run(&loaded.experiment, &inputs, &options).map_err(Failure::Run)?;
    let networks = loaded.experiment.networks;
    let complaints = results::complaints(networks, &report.cut_off, &report.verdicts);
    let text = match (output.json, output.quiet) {
        (true, _) => results::document(&loaded, &report),
        (false, true) => String::new(),
        (false, false) => results::closing_table(&loaded, &report, width_of(&io::stdout())),
    };
    // Errors come last, where the user looks first.
    let ended = conclude(&text, results::status(&complaints));
    results::complain(&complaints, output.events);
    ended
}

impl OutputArgs {
    fn watch(&self) -> Result<Watch<'static>, Failure> {
        watch(self.quiet || self.no_progress, self.events)
    }

    fn options<'a>(&self, force: bool, watch: Watch<'a>, begun: Instant) -> Options<'a> {
        Options {
            out: self.out.clone(),
            threads: self.machine.threads.map(usize::from),
            force,
            watch,
            begun,
            shares_process: false,
        }
    }
}

/// Prints the results of a finished command. The status stays the same if the reader of stdout is gone.
fn conclude(text: &str, status: ExitCode) -> Result<ExitCode, Failure> {
    match print(text) {
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(status),
        printed => printed.map(|_| status),
    }
}
