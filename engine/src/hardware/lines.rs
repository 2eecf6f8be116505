//! Arrays that begin at a cache line, so that a wide vector never lies across two: what has just been stored
//! by one is then had back from the store buffer.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::LINE;

/// Types whose values may lie in [`Lines`].
///
/// # Safety
///
/// `T` must be valid for every bit pattern, its size must divide [`LINE`], and its alignment must be at most [`LINE`].
pub(crate) unsafe trait Plain: Copy {}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// A whole number of cache lines of items.
#[derive(Clone, Debug)]
pub(crate) struct Lines<T> {
    lines: Vec<Line>,
    items: PhantomData<T>,
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            items: PhantomData,
        }
    }
}

impl<T: Plain> Lines<T> {
    /// Replaces the items by `len` copies of `item`. Panics unless `len` items fill whole lines.
    pub(crate) fn refill(&mut self, len: usize, item: T) {
        self.resize(len);
        self.fill(item);
    }

    /// Becomes `len` items long, not fewer than it has, by `item`s behind the others; `len` items must be whole
    /// lines.
    pub(crate) fn extend(&mut self, len: usize, item: T) {
        let before = self.len();
        self.resize(len);
        self[before..].fill(item);
    }

    fn resize(&mut self, len: usize) {
        let bytes = len * size_of::<T>();
        assert!(bytes.is_multiple_of(LINE));
        self.lines.resize(bytes / LINE, Line([0; LINE]));
    }

    /// Items that there is memory for.
    pub(crate) fn capacity(&self) -> usize {
        self.lines.capacity() * LINE / size_of::<T>()
    }
}

impl<T: Plain> Deref for Lines<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        let len = self.lines.len() * LINE / size_of::<T>();
        // SAFETY: that many items lie in the lines, aligned, and whatever bits they are is a value.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), len) }
    }
}

impl<T: Plain> DerefMut for Lines<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        let len = self.lines.len() * LINE / size_of::<T>();
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }
}
