//! What the processor and the operating system offer beyond the language: prefetching, wide vectors, huge
//! pages. The one module with `unsafe`, behind a safe face; none of it changes a result.

#![allow(
    unsafe_code,
    reason = "prefetch, target features and page advice have no safe form"
)]

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// Brings the cache line of `slice[place]` near, if there is such a place.
#[inline(always)]
pub fn prefetch<T>(slice: &[T], place: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = slice.get(place) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: prefetching reads nothing that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, place);
}

/// Brings every cache line of `slice[range]` near, as far as the slice goes.
#[inline(always)]
pub fn prefetch_range<T>(slice: &[T], range: std::ops::Range<usize>) {
    let step = (LINE / size_of::<T>().max(1)).max(1);
    let mut place = range.start;
    while place < range.end {
        prefetch(slice, place);
        place += step;
    }
    if range.end > range.start {
        prefetch(slice, range.end - 1);
    }
}

/// Work over arrays that gains from wide vectors. `run` must be `#[inline(always)]`, and so must what it
/// calls: it is compiled once for each kind of processor.
pub trait Kernel {
    /// What it gives back.
    type Output;

    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Runs a kernel with the widest vectors that this processor has.
#[inline]
pub fn vectorised<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the processor has just been asked; AVX-512 BW comes with F and AVX2.
            return unsafe { with_avx512(kernel) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been asked.
            return unsafe { with_avx2(kernel) };
        }
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw")]
fn with_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}
