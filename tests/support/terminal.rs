//! Runs of a command on pseudo-terminals.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;

use nix::pty::{Winsize, openpty};

use super::program::Answer;

/// What a call says with stdout on a terminal of so many columns, and stderr on another one.
pub fn on_terminal(columns: u16, command: &mut Command) -> Answer {
    let (stdout, out) = terminal(columns);
    let (stderr, err) = terminal(columns);
    let mut child = command.stdout(out).stderr(err).spawn().unwrap();
    // The last ones at the terminals' other ends, so that reading comes to an end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let [stdout, stderr] = [stdout, stderr].map(|end| thread::spawn(|| read_terminal(end)));
    Answer {
        status: child.wait().unwrap().code(),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// A terminal of so many columns: the end that sees what is shown, and the one for a program.
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

/// All that a terminal was given, lines ended as in a file.
fn read_terminal(end: OwnedFd) -> String {
    let (mut file, mut text) = (File::from(end), Vec::new());
    let mut buffer = [0; 4096];
    // Linux reports an error when the last one at the other end is gone, others an end.
    while let Ok(read @ 1..) = file.read(&mut buffer) {
        text.extend(&buffer[..read]);
    }
    String::from_utf8(text).unwrap().replace("\r\n", "\n")
}
