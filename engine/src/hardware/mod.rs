//! What the processor and the operating system offer beyond the language: prefetching, cache lines, huge pages, CPU
//! clocks and wide vectors.
//!
//! Nothing here knows what a node is, and nothing here changes a result.

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
/// Bytes of the stack of a thread, said wherever one is started: what the environment says may be too little.
pub const STACK_BYTES: usize = 4 << 20;
