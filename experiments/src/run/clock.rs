//! Measures wall time, CPU time and memory of the parts of a run.

use std::time::Instant;

/// Stopwatch for the parts of a run.
pub(super) struct Clock {
    /// Whether the run has the process to itself, so that CPU time and memory of the process are its own.
    is_alone: bool,
    begun: Option<(Instant, Option<u64>)>,
}

/// One reading of the [`Clock`].
pub(super) struct Lap {
    /// Wall time, µs.
    pub(super) wall_us: u64,
    /// CPU time of the process, µs; `None` if the system does not report it or runs share the process.
    pub(super) cpu_us: Option<u64>,
    /// Resident memory of the process at the reading, bytes; `None` in the same cases.
    pub(super) resident_bytes: Option<u64>,
}

impl Clock {
    /// Makes a clock that is not started. `shares_process`: whether other runs share the process.
    pub(super) fn new(shares_process: bool) -> Self {
        Self {
            is_alone: !shares_process,
            begun: None,
        }
    }

    pub(super) fn start(&mut self) {
        let process = self.process();
        self.begun = Some((Instant::now(), process.map(|(cpu_ms, _)| cpu_ms)));
    }

    fn process(&self) -> Option<(u64, u64)> {
        self.is_alone.then(process).flatten()
    }

    /// Returns time since the clock was started, and starts it again.
    pub(super) fn lap(&mut self) -> Lap {
        let process = self.process();
        let now = (Instant::now(), process.map(|(cpu_ms, _)| cpu_ms));
        let begun = self.begun.replace(now).unwrap_or(now);
        let cpu_ms = begun.1.zip(now.1);
        Lap {
            wall_us: (now.0 - begun.0).as_micros() as u64,
            cpu_us: cpu_ms.map(|(from, to)| to.saturating_sub(from) * 1000),
            resident_bytes: process.map(|(_, resident)| resident),
        }
    }
}

/// Returns CPU time of this process so far, ms, and its resident memory, bytes, if the system reports them.
fn process() -> Option<(u64, u64)> {
    let mut system = sysinfo::System::new().ok()?;
    let pid = sysinfo::get_current_pid().ok()?;
    let what = sysinfo::ProcessRefreshKind::nothing()
        .with_memory()
        .with_cpu()
        .without_tasks();
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::Some(&[pid]), false, what);
    let process = system.process(pid)?;
    Some((process.accumulated_cpu_time(), process.memory()))
}
