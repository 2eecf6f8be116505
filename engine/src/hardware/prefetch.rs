//! Prefetching of memory that will soon be read.

use super::LINE;

/// Prefetcher; counts cache lines instead in an instrumented run. The lines counted are those that the engine asks to
/// prefetch.
#[derive(Clone, Debug, Default)]
pub struct Prefetcher {
    lines: Option<Vec<usize>>,
}

impl Prefetcher {
    /// Returns a prefetcher that counts cache lines.
    pub fn counting() -> Self {
        Self {
            lines: Some(Vec::new()),
        }
    }

    /// Returns whether the prefetcher counts cache lines.
    #[inline]
    pub fn is_counting(&self) -> bool {
        self.lines.is_some()
    }

    /// Returns the number of distinct cache lines prefetched since the last call; 0 if the prefetcher does not count.
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

    /// Prefetches `slice[index]`; counts its lines if it exists.
    #[inline(always)]
    pub fn item<T>(&mut self, slice: &[T], index: usize) {
        let item = slice.as_ptr().wrapping_add(index);
        match &mut self.lines {
            // A prefetch beyond the slice does no harm, and a check of the bounds costs more.
            None => {
                for at in (0..size_of::<T>()).step_by(LINE) {
                    prefetch(item.wrapping_byte_add(at));
                }
            }
            Some(lines) if index < slice.len() => {
                let last = (item.addr() + size_of::<T>().max(1) - 1) / LINE;
                lines.extend(item.addr() / LINE..=last);
            }
            Some(_) => {}
        }
    }

    /// Prefetches the part of `slice[range]` that exists.
    #[inline(always)]
    pub fn range<T>(&mut self, slice: &[T], range: std::ops::Range<usize>) {
        let end = range.end.min(slice.len());
        let part = slice.get(range.start..end).unwrap_or_default();
        let (start, bytes) = (part.as_ptr(), size_of_val(part));
        if bytes == 0 {
            return;
        }
        let (first, last) = (start.addr() / LINE, (start.addr() + bytes - 1) / LINE);
        match &mut self.lines {
            None => {
                for line in 0..=last - first {
                    prefetch(start.wrapping_byte_add(line * LINE));
                }
            }
            Some(lines) => lines.extend(first..=last),
        }
    }
}

/// Prefetches the cache line at an address.
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
