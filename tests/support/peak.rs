//! Peak resident memory of a run.

use std::fs;
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::process::Stdio;

use rustix::fs::{OFlags, fcntl_setfl};

use super::program::{Answer, Dir};

/// Returns the peak resident memory of a run, in KiB. `is_done` returns whether the run has done its work.
///
/// The kernel reports the peak of living processes only. The run's last act is to print its results, and stdout is a
/// full pipe, so the run waits there until its peak is read.
pub fn peak_kib(dir: &Dir, args: &[&str], is_done: impl Fn() -> bool) -> u64 {
    let (reader, stdout) = full_pipe();
    let changes = dir.changes();
    let mut command = dir.command(args);
    command.stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    changes.wait_until(&mut child, is_done);
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim_end_matches("kB").trim().parse().unwrap();
    drop(reader);
    Answer::new(child.wait_with_output().unwrap()).ends(0);
    kib
}

fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    // A pipe without room for a page may still have room for less.
    while writer.write(&[0; 4096]).is_ok() {}
    while writer.write(&[0]).is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).unwrap();
    (reader, writer)
}
