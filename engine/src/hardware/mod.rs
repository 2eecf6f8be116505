//! What the processor and the operating system offer beyond the language: prefetching, wide vectors, huge
//! pages. The one module of the engine with `unsafe`, behind a safe face; none of it changes a result.

#![allow(
    unsafe_code,
    reason = "prefetch, target features, page advice and CPU clocks have no safe form"
)]

pub mod clock;
pub(crate) mod lines;
pub(crate) mod wide;

use crate::node::Row;

/// Bytes of a cache line.
pub const LINE: usize = 64;
/// Bytes of the stack of a thread, said wherever one is started: what the environment says may be too little.
pub const STACK_BYTES: usize = 4 << 20;

/// What is done about memory that will soon be read: it is fetched ahead, or, in an instrumented run, its
/// cache lines are counted. So the lines counted are those that the engine says it reads.
#[derive(Clone, Debug, Default)]
pub struct Touch {
    lines: Option<Vec<usize>>,
    /// Room for rows whose keys will be read.
    pub(crate) rows: Vec<Row>,
}

impl Touch {
    /// One that counts.
    pub fn counting() -> Self {
        Self {
            lines: Some(Vec::new()),
            rows: Vec::new(),
        }
    }

    /// Whether it counts.
    #[inline]
    pub fn is_counting(&self) -> bool {
        self.lines.is_some()
    }

    /// Distinct cache lines touched since the last call; 0 if it does not count.
    pub fn take_lines(&mut self) -> u64 {
        let Some(lines) = &mut self.lines else {
            return 0;
        };
        lines.sort_unstable();
        lines.dedup();
        let distinct = lines.len() as u64;
        lines.clear();
        distinct
    }

    /// `slice[place]` will be read, if there is such a place.
    #[inline(always)]
    pub fn item<T>(&mut self, slice: &[T], place: usize) {
        let Some(item) = slice.get(place) else {
            return;
        };
        let first = std::ptr::from_ref(item).addr() / LINE;
        match &mut self.lines {
            None => (0..size_of::<T>())
                .step_by(LINE)
                .for_each(|at| prefetch(std::ptr::from_ref(item).wrapping_byte_add(at))),
            Some(lines) => {
                let last = (std::ptr::from_ref(item).addr() + size_of::<T>().max(1) - 1) / LINE;
                lines.extend(first..=last);
            }
        }
    }

    /// `slice[range]` will be read, as far as the slice goes.
    #[inline(always)]
    pub fn range<T>(&mut self, slice: &[T], range: std::ops::Range<usize>) {
        let step = (LINE / size_of::<T>().max(1)).max(1);
        for place in range.clone().step_by(step) {
            self.item(slice, place);
        }
        if range.end > range.start {
            self.item(slice, range.end - 1);
        }
    }
}

/// Brings the cache line at an address near.
#[inline(always)]
fn prefetch<T>(item: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: prefetching reads nothing that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(item.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = item;
}

/// An empty vector with room for `capacity` items, in huge pages where the system has them: a first touch of
/// 2 MiB then costs one page fault instead of 512.
pub fn with_huge_pages<T>(capacity: usize) -> Vec<T> {
    let items: Vec<T> = Vec::with_capacity(capacity);
    #[cfg(target_os = "linux")]
    advise(
        items.as_ptr(),
        items.capacity() * size_of::<T>(),
        libc::MADV_HUGEPAGE,
    );
    items
}

/// Moves items that will be read at random into huge pages, where the system has them: far fewer addresses
/// are then looked up in memory.
pub fn move_to_huge_pages<T>(items: &[T]) {
    #[cfg(target_os = "linux")]
    {
        advise(items.as_ptr(), size_of_val(items), libc::MADV_HUGEPAGE);
        advise(items.as_ptr(), size_of_val(items), libc::MADV_COLLAPSE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = items;
}

/// Advises the system on the huge pages that lie wholly within `bytes` of an allocation.
#[cfg(target_os = "linux")]
fn advise<T>(whole: *const T, bytes: usize, advice: libc::c_int) {
    const HUGE: usize = 2 << 20;
    let start = whole.addr().next_multiple_of(HUGE);
    let end = (whole.addr() + bytes) / HUGE * HUGE;
    if start < end {
        // SAFETY: the range lies within the allocation; the advice changes how its pages are backed, not what
        // they hold. A refusal is harmless.
        unsafe {
            libc::madvise(
                whole.with_addr(start).cast_mut().cast(),
                end - start,
                advice,
            )
        };
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
