//! Services of the processor and the operating system: prefetching, cache lines, huge pages, CPU clocks and wide vectors.
//!
//! These modules know nothing of nodes, and none of them changes a result.

#![allow(
    unsafe_code,
    reason = "prefetch, target features, page advice and CPU clocks have no safe form"
)]

pub(crate) mod avx512;
pub mod clock;
pub(crate) mod lines;
mod pages;
mod prefetch;
mod vectors;

pub use pages::{move_to_huge_pages, with_huge_pages};
pub use prefetch::Prefetcher;
pub use vectors::{Kernel, vectorised};

/// Bytes of a cache line.
pub const LINE: usize = 64;
/// Size of a thread's stack, in bytes. Every thread is started with it, because the environment may set a smaller one.
pub const STACK_BYTES: usize = 4 << 20;
