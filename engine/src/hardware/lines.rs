//! Arrays that begin at a cache line.
//!
//! A wide vector of such an array never spans two cache lines. A load of what has just been stored then comes from the
//! store buffer.

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

/// An array of items that fills whole cache lines.
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
    /// Replaces the items by `len` copies of `item`.
    ///
    /// # Panics
    ///
    /// If `len` items do not fill whole lines.
    pub(crate) fn refill(&mut self, len: usize, item: T) {
        self.resize(len);
        self.fill(item);
    }

    /// Appends copies of `item` until the array has `len` items.
    ///
    /// # Panics
    ///
    /// If `len` is below the length, or `len` items do not fill whole lines.
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

    /// Returns the number of items that the memory is enough for.
    pub(crate) fn capacity(&self) -> usize {
        self.lines.capacity() * LINE / size_of::<T>()
    }
}

impl<T: Plain> Deref for Lines<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        let len = self.lines.len() * LINE / size_of::<T>();
        // SAFETY: the lines hold that many items, aligned, and `Plain` makes every bit pattern a value.
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
