//! Services of the processor and the operating system: prefetching, cache lines, huge pages, CPU clocks and wide vectors.
//!
//! These modules know nothing of networks, and none of them changes a result of a run.

#![allow(
    unsafe_code,
    reason = "prefetch, target features, page advice and CPU clocks have no safe form"
)]

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub mod clock;
#[cfg(target_arch = "x86_64")]
mod kernel;
pub(crate) mod lines;
mod pages;
mod prefetch;

#[cfg(target_arch = "x86_64")]
pub(crate) use kernel::Kernel;
pub use pages::{in_huge_pages, move_to_huge_pages, with_huge_pages};
pub use prefetch::Prefetcher;

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// Size of the stack of every thread that kadsim starts, in bytes. Set explicitly, because `RUST_MIN_STACK` may set a
/// smaller one.
pub const STACK_BYTES: usize = 4 << 20;
