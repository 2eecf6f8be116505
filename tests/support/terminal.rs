//! Runs commands on pseudo-terminals.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use nix::pty::{Winsize, openpty};

use super::events::PATIENCE;
use super::program::Answer;

/// Runs a command with stdout on a terminal of `columns` columns, and stderr on another one.
pub fn on_terminal(columns: u16, command: &mut Command) -> Answer {
    Shown::start(columns, command).end()
}

/// A process with stdout on a terminal, and stderr on another one.
pub struct Shown {
    pub child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    /// Read from `stderr` so far.
    seen: Vec<u8>,
}

impl Shown {
    pub fn start(columns: u16, command: &mut Command) -> Self {
        let (stdout, out) = terminal(columns);
        let (stderr, err) = terminal(columns);
        let child = command.stdout(out).stderr(err).spawn().unwrap();
        // Closes the programs' ends in this process: a terminal ends when its last one is closed.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self {
            child,
            stdout: read_terminal(stdout),
            stderr: read_terminal(stderr),
            seen: Vec::new(),
        }
    }

    /// Waits until stderr holds what `is_there` looks for, among all that it has shown.
    #[track_caller]
    pub fn wait_for(&mut self, is_there: impl Fn(&str) -> bool) {
        loop {
            let text = String::from_utf8_lossy(&self.seen);
            if is_there(&text) {
                return;
            }
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(more) => self.seen.extend(more),
                Err(error) => panic!("{error}, after {text}"),
            }
        }
    }

    /// Waits until stderr shows anything that it has not shown before.
    #[track_caller]
    pub fn wait_for_more(&mut self) {
        self.seen.extend(self.stderr.try_iter().flatten());
        let seen = self.seen.len();
        self.wait_for(|text| text.len() > seen);
    }

    /// Waits for the end of the process. Kills it after a time in which it should have ended.
    #[track_caller]
    pub fn end(mut self) -> Answer {
        let begun = Instant::now();
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(more) if begun.elapsed() < PATIENCE => self.seen.extend(more),
                // The last program has closed the terminal.
                Err(RecvTimeoutError::Disconnected) => break,
                _ => {
                    self.child.kill().unwrap();
                    panic!("it goes on, after {}", String::from_utf8_lossy(&self.seen));
                }
            }
        }
        let status = self.child.wait().unwrap();
        Answer::new(std::process::Output {
            status,
            stdout: self.stdout.iter().flatten().collect(),
            stderr: self.seen,
        })
        .with_plain_line_ends()
    }
}

/// Opens a terminal of `columns` columns. Returns the end that reads its output, and the end for a program.
fn terminal(columns: u16) -> (OwnedFd, OwnedFd) {
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let ends = openpty(&size, None).unwrap();
    (ends.master, ends.slave)
}

/// Reads the output of a terminal on a thread of its own.
fn read_terminal(end: OwnedFd) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let (mut file, mut buffer) = (File::from(end), [0; 4096]);
        // When the last program's end is closed, Linux reports an error, other systems an end of file.
        while let Ok(read @ 1..) = file.read(&mut buffer) {
            if sender.send(buffer[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}
