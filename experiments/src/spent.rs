//! Time that a part of a run takes: on the clock, and of the processors.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use kadsim_engine::hardware::clock::{process_cpu, thread_cpu};

/// Time that something has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// On the clock.
    pub(crate) wall: Duration,
    /// Of the processors; nothing where the system does not tell.
    pub(crate) cpu: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}

/// A moment that time is counted from.
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

    /// Now; what this thread does from here on counts.
    pub(crate) fn of_this_thread() -> Self {
        Self::of(thread_cpu)
    }

    /// Now; what all threads do from here on counts.
    pub(crate) fn of_the_process() -> Self {
        Self::of(process_cpu)
    }

    /// What has been spent since.
    pub(crate) fn spent(&self) -> Spent {
        let cpu = (self.clock)().zip(self.cpu);
        Spent {
            wall: self.wall.elapsed(),
            cpu: cpu.map_or(Duration::ZERO, |(now, then)| now.saturating_sub(then)),
        }
    }
}
