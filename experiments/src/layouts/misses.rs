//! Last-level cache misses as the processor counts them, if the system lets a program read the counter.

/// Counter of the misses of this thread and of all threads that it starts, in user space.
pub(super) struct Misses(Result<counter::Counter, String>);

/// Reading of the counter: misses, time that the counter was enabled, and time that it ran.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    count: u64,
    enabled_ns: u64,
    running_ns: u64,
}

impl Misses {
    /// Starts to count, if the system allows it.
    pub(super) fn open() -> Self {
        Self(counter::open())
    }

    /// Returns the reason that misses are not counted, if they are not.
    pub(super) fn unknown(&self) -> Option<&str> {
        self.0.as_ref().err().map(String::as_str)
    }

    /// Reads the counter.
    pub(super) fn read(&mut self) -> Option<Moment> {
        let read = counter::read(self.0.as_mut().ok()?);
        match read {
            Ok(moment) => Some(moment),
            Err(error) => {
                self.0 = Err(error);
                None
            }
        }
    }

    /// Returns the misses since a reading. If the processor shared its counters with other programs, the misses are
    /// scaled from the time that the counter ran to all of the time.
    pub(super) fn since(&mut self, before: Option<Moment>) -> Option<u64> {
        let (before, now) = (before?, self.read()?);
        let running_ns = now.running_ns.saturating_sub(before.running_ns);
        if running_ns == 0 {
            self.0 = Err("the processor's counters are taken by others".to_owned());
            return None;
        }
        let enabled_ns = now.enabled_ns.saturating_sub(before.enabled_ns);
        let seen = now.count.saturating_sub(before.count);
        let all = u128::from(seen) * u128::from(enabled_ns) / u128::from(running_ns);
        Some(all as u64)
    }
}

#[cfg(target_os = "linux")]
mod counter {
    use std::io;

    use perf_event::Builder;
    pub(super) use perf_event::Counter;
    use perf_event::events::Hardware;

    use super::Moment;

    pub(super) fn open() -> Result<Counter, String> {
        let open = || -> io::Result<Counter> {
            let mut misses = Builder::new().kind(Hardware::CACHE_MISSES);
            misses.inherit(true);
            let mut counter = misses.build()?;
            counter.enable()?;
            Ok(counter)
        };
        open().map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "the kernel does not permit it, see /proc/sys/kernel/perf_event_paranoid"
                }
                io::ErrorKind::NotFound => "this machine, perhaps a virtual one, has no counter",
                _ => "the kernel does not count them",
            };
            format!("{why} (perf_event_open: {error})")
        })
    }

    pub(super) fn read(counter: &mut Counter) -> Result<Moment, String> {
        let read = counter.read_count_and_time();
        let read = read.map_err(|error| format!("the kernel's counter cannot be read: {error}"))?;
        Ok(Moment {
            count: read.count,
            enabled_ns: read.time_enabled,
            running_ns: read.time_running,
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod counter {
    use super::Moment;

    pub(super) enum Counter {}

    pub(super) fn open() -> Result<Counter, String> {
        Err("that takes Linux".to_owned())
    }

    pub(super) fn read(counter: &mut Counter) -> Result<Moment, String> {
        match *counter {}
    }
}
