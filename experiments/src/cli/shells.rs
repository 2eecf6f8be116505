//! `kadsim completions` and `kadsim man`: what shells and `man` take from the definition of the command line.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

/// Returns the completion script of a shell.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kadsim", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // Bash puts a space behind a word that it has completed, but a value follows a key.
        Shell::Bash => script.replace(
            "                --set)\n",
            "                --set)\n                    compopt -o nospace 2>/dev/null\n",
        ),
        _ => script,
    }
}

/// Writes a man page for the program, `kadsim.1`, and one for each command, to a folder, which is made if it is missing.
///
/// # Errors
///
/// The folder or a page cannot be written; the folder is in the message.
pub(super) fn man(folder: &Path) -> anyhow::Result<()> {
    let written = fs::create_dir_all(folder).and_then(|()| {
        clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder)
    });
    written.with_context(|| format!("cannot write man pages to {}", folder.display()))
}
