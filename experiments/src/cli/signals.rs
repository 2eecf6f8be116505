//! Signals that stop a run: Ctrl-C, the end of the terminal, a shutdown.
//!
//! At the first signal the run closes its tables as soon as it can. At the second the process ends at once, and the run
//! stays `.partial`, as after a kill.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use kadsim::watch::{beside_lines, tell};
use serde_json::json;

use super::{INTERRUPTED, is_dumb};

static STOPPING: AtomicBool = AtomicBool::new(false);

/// Whether to write events instead of text.
static EVENTS: AtomicBool = AtomicBool::new(false);

/// Watches SIGINT, SIGTERM and SIGHUP. The flag returned is set when one of them arrives. With `events`, the message that
/// follows is an event.
///
/// # Errors
///
/// The operating system refuses, or the signals are watched already.
pub(super) fn watch(events: bool) -> anyhow::Result<&'static AtomicBool> {
    EVENTS.store(events, Ordering::Relaxed);
    unless_hangups_are_ignored(|| ctrlc::set_handler(on_signal))
        .context("cannot watch for Ctrl-C")?;
    Ok(&STOPPING)
}

fn on_signal() {
    if STOPPING.swap(true, Ordering::Relaxed) {
        std::process::exit(i32::from(INTERRUPTED));
    }
    if EVENTS.load(Ordering::Relaxed) {
        return tell(&json!({ "event": "stopping" }));
    }
    beside_lines(|| {
        let mut stderr = io::stderr();
        // A terminal echoes the key at the cursor.
        let is_drawn = stderr.is_terminal() && !is_dumb();
        let start = if is_drawn { "\r\x1b[K" } else { "" };
        let _ = writeln!(stderr, "{start}stopping… (again to end at once)");
    });
}

/// Ignores SIGXFSZ: a file that passes the limit of the shell (`ulimit -f`) is then an error of the write, as a full
/// disk is, and the tables are closed.
#[cfg(unix)]
pub(super) fn survive_large_files() {
    use nix::sys::signal::{SigHandler, Signal, signal};

    // SAFETY: to ignore a signal runs no code of this process.
    #[expect(unsafe_code, reason = "no safe call ignores a signal")]
    // If the system refuses, the signal still ends the process.
    let _ = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
}

#[cfg(not(unix))]
pub(super) fn survive_large_files() {}

/// Lets `set` set handlers, except for SIGHUP if the parent process ignored it, as `nohup` does.
#[cfg(unix)]
fn unless_hangups_are_ignored<T>(set: impl FnOnce() -> T) -> T {
    use nix::sys::signal::{SigHandler, Signal, signal};

    // SAFETY: to ignore a signal or to handle it by default runs no code of this process.
    #[expect(unsafe_code, reason = "no safe call says whether a signal is ignored")]
    let handle = |handler: SigHandler| unsafe { signal(Signal::SIGHUP, handler) };
    let before = handle(SigHandler::SigIgn);
    let done = set();
    if let Ok(SigHandler::SigIgn) = before {
        let _ = handle(SigHandler::SigIgn);
    }
    done
}

#[cfg(not(unix))]
fn unless_hangups_are_ignored<T>(set: impl FnOnce() -> T) -> T {
    set()
}
