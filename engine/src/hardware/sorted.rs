//! Sorted arrays of eight-byte items, searched and merged without branches by AVX-512.
//!
//! A search compares with the last distance of each block of eight, then with one block; a merge places each
//! block of the result by one expanding load from either side. Half the time of the portable form, which
//! [`crate::shortlist`] has and which must give the same.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::key::Distance;

/// Most distances of an array that [`Wide`] works on: one vector of block ends.
pub const ROOM_MAX: usize = 8 * LANES;

const LANES: usize = 8;

/// Proof that the processor has AVX-512.
#[derive(Clone, Copy, Debug)]
pub struct Wide(());

/// The ends of the blocks of a sorted array of distances.
#[derive(Clone, Copy, Debug)]
pub struct Ends([u64; LANES]);

impl Ends {
    /// Of an array whose length is a multiple of eight, at most [`ROOM_MAX`].
    #[inline(always)]
    pub fn of(distances: &[Distance]) -> Self {
        let mut ends = [u64::MAX; LANES];
        for (end, block) in ends.iter_mut().zip(distances.as_chunks::<LANES>().0) {
            *end = block[LANES - 1].0;
        }
        Self(ends)
    }
}

impl Wide {
    /// If this processor has it.
    #[inline]
    pub fn new() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("popcnt")
        {
            return Some(Self(()));
        }
        None
    }
}

#[cfg(target_arch = "x86_64")]
impl Wide {
    /// Replaces `places` by the number of each of `wanted`: of the distances of the sorted array that are
    /// smaller, and whether it is among them.
    #[inline]
    pub fn search(self, sorted: &[Distance], wanted: &[Distance], places: &mut Vec<(u8, bool)>) {
        assert!(sorted.len() <= ROOM_MAX && sorted.len().is_multiple_of(LANES));
        // SAFETY: `self` proves the features; the length has just been checked.
        unsafe { search(sorted, &Ends::of(sorted), wanted, places) };
    }

    /// Replaces `places` by the number of each of the first `len` of `distances`, which are in no order: of
    /// all that are smaller.
    #[inline]
    pub fn rank(self, distances: &[Distance], len: usize, places: &mut Vec<(u8, bool)>) {
        assert!(distances.len() <= ROOM_MAX && distances.len().is_multiple_of(LANES));
        // SAFETY: `self` proves the features; the length has just been checked.
        unsafe { rank(distances, len, places) };
    }

    /// Merges into `old`, of which the first `len` count, the sorted `new` at the places of the result that
    /// `mask` has a bit for. What does not fit goes to `evicted`, farthest block
    /// first.
    #[inline]
    pub fn merge<T: Copy>(
        self,
        (old, len): (&mut [T], usize),
        new: &[T],
        mask: u128,
        evicted: Option<&mut Vec<T>>,
    ) {
        assert!(size_of::<T>() == 8 && old.len().is_multiple_of(LANES));
        assert!(len <= old.len() && mask.count_ones() as usize == new.len());
        assert!(mask.checked_shr((len + new.len()) as u32).unwrap_or(0) == 0);
        // SAFETY: `self` proves the features; items are eight bytes; expanding loads read only the items that
        // the mask asks for: `new.len()` of `new`, `len` of `old`.
        unsafe { merge(old, len, new, mask, evicted) };
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,popcnt")]
unsafe fn search(
    sorted: &[Distance],
    ends: &Ends,
    wanted: &[Distance],
    places: &mut Vec<(u8, bool)>,
) {
    // SAFETY: an array of eight.
    let ends = unsafe { _mm512_loadu_epi64(ends.0.as_ptr().cast()) };
    let last = (sorted.len() / LANES).saturating_sub(1);
    places.resize(wanted.len(), (0, false));
    // Loops, not closures: iterators are compiled without the features of this function.
    for (found, distance) in places.iter_mut().zip(wanted) {
        let distance = _mm512_set1_epi64(distance.0.cast_signed());
        let blocks_below = _mm512_cmplt_epu64_mask(ends, distance).count_ones() as usize;
        let block = blocks_below.min(last);
        // SAFETY: `block` is one of the whole blocks of the array.
        let items = unsafe { _mm512_loadu_epi64(sorted.as_ptr().add(LANES * block).cast()) };
        let below = _mm512_cmplt_epu64_mask(items, distance).count_ones() as usize;
        let is_in = _mm512_cmpeq_epu64_mask(items, distance) != 0;
        *found = ((LANES * block + below) as u8, is_in);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,popcnt")]
unsafe fn rank(distances: &[Distance], len: usize, places: &mut Vec<(u8, bool)>) {
    let blocks = distances.as_chunks::<LANES>().0;
    places.resize(len, (0, true));
    for (found, distance) in places.iter_mut().zip(distances) {
        let distance = _mm512_set1_epi64(distance.0.cast_signed());
        let mut below = 0;
        for block in blocks {
            // SAFETY: a whole block.
            let items = unsafe { _mm512_loadu_epi64(block.as_ptr().cast()) };
            below += _mm512_cmplt_epu64_mask(items, distance).count_ones();
        }
        *found = (below as u8, true);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,popcnt")]
unsafe fn merge<T: Copy>(
    old: &mut [T],
    len: usize,
    new: &[T],
    mask: u128,
    mut evicted: Option<&mut Vec<T>>,
) {
    let room = old.len();
    let total = len + new.len();
    let first = mask.trailing_zeros() as usize / LANES;
    // From the back: no block is written before what lies there has been read.
    for block in (first..total.div_ceil(LANES)).rev() {
        let place = LANES * block;
        let new_before = (mask & ((1 << place) - 1)).count_ones() as usize;
        let old_before = place - new_before;
        let is_new = (mask >> place) as u8;
        let count = LANES.min(total - place);
        let is_any = (0xffu16 >> (LANES - count)) as u8;
        // SAFETY: only items below `len` and `new.len()` are asked for: bits of `is_any` number items of the
        // result, of which those before `place` are `new_before` and `old_before`.
        let items = unsafe {
            let from_old = _mm512_maskz_expandloadu_epi64(
                is_any & !is_new,
                old.as_ptr().wrapping_add(old_before).cast(),
            );
            _mm512_mask_expandloadu_epi64(
                from_old,
                is_new,
                new.as_ptr().wrapping_add(new_before).cast(),
            )
        };
        if place < room {
            // SAFETY: a whole block of `old`, in the places that the mask names.
            unsafe { _mm512_mask_storeu_epi64(old.as_mut_ptr().add(place).cast(), is_any, items) };
        } else if let Some(evicted) = &mut evicted {
            evicted.reserve(LANES);
            // SAFETY: `count` items into the room just reserved, which they then fill.
            unsafe {
                let end = evicted.as_mut_ptr().add(evicted.len());
                _mm512_mask_storeu_epi64(end.cast(), is_any, items);
                evicted.set_len(evicted.len() + count);
            }
        }
    }
}
