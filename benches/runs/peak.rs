//! Peak resident memory of a command, as the kernel counts it.
//!
//! The kernel reports to a process the largest peak of the children that it has waited for. Another process of this program
//! therefore runs each command, as its only child. The peak of a child starts at the memory of its parent, which here is
//! less than that of any run of kadsim.

use std::ffi::OsString;
use std::process::{Command, ExitCode, Stdio};

/// The first argument of the process that runs a command.
pub const FLAG: &str = "--peak-of";

/// Runs a command to its end, without its output. Returns its peak in bytes, if the system reports it.
pub fn of(command: &Command) -> Result<Option<u64>, Box<dyn std::error::Error>> {
    let output = Command::new(std::env::current_exe()?)
        .arg(FLAG)
        .arg(command.get_program())
        .args(command.get_args())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse().ok())
}

/// Runs the command that the arguments consist of, prints its peak in bytes and returns its exit status.
pub fn child(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(program) = arguments.next() else {
        return ExitCode::FAILURE;
    };
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status();
    if let Some(bytes) = largest_child() {
        println!("{bytes}");
    }
    let code = status.ok().and_then(|status| status.code());
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Returns the largest peak of a child, in bytes.
#[cfg(target_os = "linux")]
fn largest_child() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    Some(u64::try_from(usage.max_rss()).ok()? << 10)
}

#[cfg(not(target_os = "linux"))]
fn largest_child() -> Option<u64> {
    None
}
