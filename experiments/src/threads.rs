//! Thread pools: their number of threads and the size of their stacks.

use std::num::NonZero;
use std::thread;

use kadsim_engine::hardware::STACK_BYTES;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Most threads.
pub const THREADS_MAX: usize = 256;

/// Environment variable with the number of threads, used if the command line has none.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Returns the default number of threads: that of the environment, else one for each core, 1 to [`THREADS_MAX`].
pub(crate) fn all() -> usize {
    let said = std::env::var(VARIABLE).ok();
    let said = said.and_then(|text| text.parse().ok());
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    // 0 means all cores.
    let threads = said.filter(|threads| *threads > 0);
    threads.unwrap_or_else(cores).clamp(1, THREADS_MAX)
}

/// Makes a pool of `threads` threads, or of [`all`]. Each stack has [`STACK_BYTES`], whatever `RUST_MIN_STACK` says.
///
/// # Errors
///
/// The system starts no more threads.
pub(crate) fn pool(threads: Option<usize>) -> Result<ThreadPool, ThreadPoolBuildError> {
    ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or_else(all))
        .stack_size(STACK_BYTES)
        .build()
}
