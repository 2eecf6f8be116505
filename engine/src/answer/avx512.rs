//! AVX-512 kernels of [`Answer`](super::Answer): sixteen rows or eight distances at a time.

#![allow(unsafe_code, reason = "intrinsics have no safe form")]

use std::arch::x86_64::*;

use super::nearest::select;
use crate::hardware::avx512::{Avx512, lanes16};
use crate::key::{Distance, Key};
use crate::node::Row;

impl Avx512 {
    /// Appends rows `first + i` for each bit `i` of the mask, and the distances of `keys[i]` from `key`.
    #[inline]
    pub(super) fn push_span(
        self,
        keys: &[Key],
        key: Key,
        first: Row,
        mask: u64,
        rows: &mut Vec<Row>,
        distances: &mut Vec<Distance>,
    ) {
        assert!(keys.len() >= (u64::BITS - mask.leading_zeros()) as usize);
        // SAFETY: `self` proves the features; there is a key for each bit of the mask, as just checked.
        unsafe { push_span(keys, key, first, mask, rows, distances) }
    }

    /// Returns which of at most 64 different distances are the `n` smallest, a bit each. `n` must be less than their number.
    #[inline]
    pub(super) fn nearest(self, distances: &[Distance], n: usize) -> u64 {
        assert!(n < distances.len() && distances.len() <= 64);
        // SAFETY: `self` proves the features.
        unsafe { nearest(distances, n) }
    }

    /// Moves the nodes `which` of at most 64 to the front and keeps their order.
    #[inline]
    pub(super) fn compress(self, rows: &mut [Row], distances: &mut [Distance], which: u64) {
        assert!(rows.len() == distances.len() && rows.len() <= 64);
        // SAFETY: `self` proves the features; the lengths have just been checked.
        unsafe { compress(rows, distances, which) }
    }
}

/// See [`Avx512::push_span`].
///
/// # Safety
///
/// `keys[i]` must exist for each bit `i` of the mask.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn push_span(
    keys: &[Key],
    key: Key,
    first: Row,
    mask: u64,
    rows: &mut Vec<Row>,
    distances: &mut Vec<Distance>,
) {
    // Stores write whole vectors, so they reach beyond the last node.
    rows.reserve(64 + 16);
    distances.reserve(64 + 8);
    let (mut len, mut left, mut offset) = (rows.len(), mask, 0);
    let key = _mm512_set1_epi64(key.0.cast_signed());
    let step = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    while left != 0 {
        let lanes = [left as u8, (left >> 8) as u8];
        let low = lanes[0].count_ones() as usize;
        // SAFETY: masked loads read only keys of set bits, which exist. A store begins behind at most 64 new nodes, and room
        // for 64 nodes and a vector was reserved.
        unsafe {
            let items: *const i64 = keys.as_ptr().cast();
            let out: *mut i64 = distances.as_mut_ptr().add(len).cast();
            let near = _mm512_maskz_loadu_epi64(lanes[0], items.wrapping_add(offset));
            let near = _mm512_maskz_compress_epi64(lanes[0], _mm512_xor_epi64(near, key));
            _mm512_storeu_epi64(out, near);
            let far = _mm512_maskz_loadu_epi64(lanes[1], items.wrapping_add(offset + 8));
            let far = _mm512_maskz_compress_epi64(lanes[1], _mm512_xor_epi64(far, key));
            _mm512_storeu_epi64(out.add(low), far);
            let row = _mm512_set1_epi32((first.0 + offset as u32).cast_signed());
            let row = _mm512_maskz_compress_epi32(left as u16, _mm512_add_epi32(row, step));
            _mm512_storeu_epi32(rows.as_mut_ptr().add(len).cast(), row);
        }
        len += (left as u16).count_ones() as usize;
        left >>= 16;
        offset += 16;
    }
    // SAFETY: the loop has written `len` rows and `len` distances.
    unsafe {
        rows.set_len(len);
        distances.set_len(len);
    }
}

/// See [`Avx512::nearest`].
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn nearest(distances: &[Distance], n: usize) -> u64 {
    let with_bit = |bit: u32| {
        let (bits, mut found) = (_mm512_set1_epi64((1u64 << bit).cast_signed()), 0);
        for (number, block) in distances.chunks(8).enumerate() {
            let lanes = lanes16(block.len()) as u8;
            // SAFETY: only lanes of the block are read.
            let items = unsafe { _mm512_maskz_loadu_epi64(lanes, block.as_ptr().cast()) };
            found |= u64::from(_mm512_test_epi64_mask(items, bits)) << (8 * number);
        }
        found
    };
    select(distances, n, with_bit)
}

/// See [`Avx512::compress`].
///
/// # Safety
///
/// `rows` and `distances` must have equal lengths, at most 64.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
unsafe fn compress(rows: &mut [Row], distances: &mut [Distance], which: u64) {
    let (len, mut kept) = (rows.len(), 0);
    let (rows, distances): (*mut i32, *mut i64) =
        (rows.as_mut_ptr().cast(), distances.as_mut_ptr().cast());
    for start in (0..len).step_by(8) {
        let there = lanes16((len - start).min(8)) as u8;
        let lanes = (which >> start) as u8 & there;
        let count = lanes.count_ones() as usize;
        let out = lanes16(count);
        // SAFETY: masks confine loads and stores to the slices. No item is overwritten before it is read, because no more
        // items have been kept than read.
        unsafe {
            let items = _mm512_maskz_loadu_epi64(there, distances.add(start));
            let items = _mm512_maskz_compress_epi64(lanes, items);
            _mm512_mask_storeu_epi64(distances.add(kept), out as u8, items);
            let items = _mm512_maskz_loadu_epi32(u16::from(there), rows.add(start));
            let items = _mm512_maskz_compress_epi32(u16::from(lanes), items);
            _mm512_mask_storeu_epi32(rows.add(kept), out, items);
        }
        kept += count;
    }
}
