//! Peak resident memory of a run.

use std::fs;
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::process::Stdio;

use rustix::fs::{OFlags, fcntl_setfl};

use super::program::{Answer, Dir};

/// Returns the peak of a run that has done its work once `is_done` holds, in KiB.
///
/// The kernel tells it of living processes alone. The run's last act is to print its results, and stdout is a full
/// pipe: the run waits there until its peak has been read.
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
    // A page that does not fit may leave room for less.
    while writer.write(&[0; 4096]).is_ok() {}
    while writer.write(&[0]).is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).unwrap();
    (reader, writer)
}
