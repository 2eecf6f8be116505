//! Wall and CPU time of parts of a run.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use kadsim_engine::hardware::clock::{process_cpu, thread_cpu};

/// Wall and CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Wall time.
    pub(crate) wall: Duration,
    /// CPU time; zero if the system does not report it.
    pub(crate) cpu: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}

/// Start of a measurement.
pub(crate) struct Moment {
    wall: Instant,
    clock: fn() -> Option<Duration>,
    cpu: Option<Duration>,
}

impl Moment {
    fn of(clock: fn() -> Option<Duration>) -> Self {
        Self {
            wall: Instant::now(),
            clock,
            cpu: clock(),
        }
    }

    /// Starts to measure the CPU time of this thread.
    pub(crate) fn of_this_thread() -> Self {
        Self::of(thread_cpu)
    }

    /// Starts to measure the CPU time of all threads of the process.
    pub(crate) fn of_the_process() -> Self {
        Self::of(process_cpu)
    }

    /// Returns the time spent since the start.
    pub(crate) fn spent(&self) -> Spent {
        let cpu = (self.clock)().zip(self.cpu);
        Spent {
            wall: self.wall.elapsed(),
            cpu: cpu.map_or(Duration::ZERO, |(now, then)| now.saturating_sub(then)),
        }
    }
}
