//! The program under test, a temporary folder to run it in, and the output of a call.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use arrow::array::ArrayRef;

use super::events::Changes;
use super::experiments::SMALL;
use super::tables::{self, Table};
use super::terminal::on_terminal;

/// The program under test: the one built with the tests, or another build that `KADSIM` names.
fn program() -> OsString {
    std::env::var_os("KADSIM").unwrap_or_else(|| env!("CARGO_BIN_EXE_kadsim").into())
}

/// A folder that is deleted in the end; `small.toml` is in it.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Self {
        let dir = Self(tempfile::tempdir().unwrap());
        dir.write("small.toml", SMALL);
        dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn write_parquet(&self, name: &str, columns: Vec<(&str, ArrayRef)>) {
        tables::write(&self.path(name), columns);
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        // The width of the help is the default one.
        command
            .args(args)
            .current_dir(self.0.path())
            .env_remove("COLUMNS");
        command
    }

    pub fn kadsim(&self, args: &[&str]) -> Answer {
        Answer::new(self.command(args).output().unwrap())
    }

    /// Runs the program on terminals of `columns` columns.
    pub fn on_terminal(&self, columns: u16, args: &[&str]) -> Answer {
        on_terminal(columns, self.command(args).env("TERM", "xterm"))
    }

    /// Returns a command that runs the program by a shell, behind `script`.
    pub fn through(&self, script: &str, args: &[&str]) -> Command {
        let script = format!("{script} \"$0\" \"$@\"");
        let mut command = Command::new("bash");
        command
            .args(["-c", &script])
            .arg(program())
            .args(args)
            .current_dir(self.0.path());
        command
    }

    /// Watches the folder for changes from now on.
    pub fn changes(&self) -> Changes {
        Changes::below(self.0.path())
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        piped(&mut self.command(args)).spawn().unwrap()
    }

    /// Returns the names of the entries of the folder `name`, sorted; none if it is missing.
    pub fn list(&self, name: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(name)) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn digest(&self, name: &str) -> String {
        kadsim::inspect::digest(&self.path(name)).unwrap()
    }

    pub fn table(&self, name: &str) -> Table {
        Table::read(&self.path(name))
    }
}

/// Sends a signal, such as `-INT`.
pub fn signal(child: &Child, name: &str) {
    let mut kill = Command::new("kill");
    let status = kill.args([name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Pipes the output of a command.
pub fn piped(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// Output and exit status of a call.
pub struct Answer {
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn new(output: Output) -> Self {
        Self {
            status: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Replaces the line ends of a terminal by those of a file.
    pub fn with_plain_line_ends(mut self) -> Self {
        for text in [&mut self.stdout, &mut self.stderr] {
            *text = text.replace("\r\n", "\n");
        }
        self
    }

    #[track_caller]
    pub fn ends(self, status: i32) -> Self {
        assert_eq!(
            self.status,
            Some(status),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.stderr.contains(word),
                "no {word:?} in\n{}",
                self.stderr
            );
        }
        self
    }
}
