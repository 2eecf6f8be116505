//! Huge pages for large arrays.

/// Returns an empty vector with room for `capacity` items, in huge pages where the operating system has them. The first
/// access to 2 MiB then costs one page fault instead of 512.
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

/// Returns `count` copies of an item, in huge pages where the operating system has them.
pub fn in_huge_pages<T: Clone>(item: T, count: usize) -> Vec<T> {
    let mut items = with_huge_pages(count);
    items.resize(count, item);
    items
}

/// Moves items that will be read at random into huge pages, where the operating system has them. Far fewer address
/// translations then miss the processor's cache of them.
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
