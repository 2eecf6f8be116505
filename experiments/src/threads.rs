//! How many threads work, and how large their stacks are.

use std::num::NonZero;
use std::thread;

use kadsim_engine::hardware::STACK_BYTES;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Most threads.
pub const THREADS_MAX: usize = 256;

/// The environment variable that says how many threads there are where the command line does not.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// As many threads as a run takes that is not told: what the environment says, else one for each core, 1 to
/// [`THREADS_MAX`].
pub(crate) fn all() -> usize {
    let said = std::env::var(VARIABLE).ok();
    let said = said.and_then(|text| text.parse().ok());
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    // 0 means all cores.
    let threads = said.filter(|threads| *threads > 0);
    threads.unwrap_or_else(cores).clamp(1, THREADS_MAX)
}

/// A pool of so many threads, or of [`all`]. Its stacks are [`STACK_BYTES`] each, whatever `RUST_MIN_STACK` says.
///
/// # Errors
///
/// The system gives no more threads.
pub(crate) fn pool(threads: Option<usize>) -> Result<ThreadPool, ThreadPoolBuildError> {
    ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or_else(all))
        .stack_size(STACK_BYTES)
        .build()
}
