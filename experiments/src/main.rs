//! The command line: what was typed becomes a run, and what came of it an exit status.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
