//! CPU time as the operating system counts it.

use std::time::Duration;

/// Returns the CPU time that the calling thread has used; `None` on systems that do not measure it.
pub fn thread_cpu() -> Option<Duration> {
    #[cfg(unix)]
    return read(libc::CLOCK_THREAD_CPUTIME_ID);
    #[cfg(not(unix))]
    return None;
}

/// Returns the CPU time that all threads of this process have used; `None` on systems that do not measure it.
pub fn process_cpu() -> Option<Duration> {
    #[cfg(unix)]
    return read(libc::CLOCK_PROCESS_CPUTIME_ID);
    #[cfg(not(unix))]
    return None;
}

#[cfg(unix)]
fn read(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = std::mem::MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the call writes one `timespec` to the address that it receives.
    let status = unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
    // SAFETY: a `timespec` of zeroes is valid, and the call has written a valid one or nothing.
    let time = unsafe { time.assume_init() };
    (status == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn work_takes_cpu_time_and_waiting_does_not() {
        let begun = thread_cpu().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let waited = thread_cpu().unwrap() - begun;
        assert!(waited < Duration::from_millis(25), "{waited:?}");
        let begun = (thread_cpu().unwrap(), process_cpu().unwrap());
        while thread_cpu().unwrap() - begun.0 < Duration::from_millis(5) {}
        assert!(process_cpu().unwrap() - begun.1 >= Duration::from_millis(5));
    }
}
