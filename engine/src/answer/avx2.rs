//! AVX2 kernels of [`Answer`](super::Answer): four distances at a time.

#![allow(unsafe_code, reason = "intrinsics have no safe form")]

use std::arch::x86_64::*;

use super::nearest::select;
use crate::hardware::avx2::{Avx2, lanes4};
use crate::key::Distance;

impl Avx2 {
    /// Returns which of at most 64 different distances are the `n` smallest, a bit each. `n` must be less than their number.
    #[inline]
    pub(super) fn nearest(self, distances: &[Distance], n: usize) -> u64 {
        assert!(n < distances.len() && distances.len() <= 64);
        // SAFETY: `self` proves the features.
        unsafe { nearest(distances, n) }
    }
}

/// See [`Avx2::nearest`].
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn nearest(distances: &[Distance], n: usize) -> u64 {
    let (blocks, rest) = distances.as_chunks::<4>();
    // SAFETY: the mask confines the load to `rest`.
    let rest = unsafe { _mm256_maskload_epi64(rest.as_ptr().cast(), lanes4(rest.len())) };
    let with_bit = |bit: u32| {
        // The highest bit of each lane goes into the mask.
        let left = _mm_cvtsi32_si128(63 - bit.cast_signed());
        let mask = |items: __m256i| {
            let items = _mm256_castsi256_pd(_mm256_sll_epi64(items, left));
            u64::from(_mm256_movemask_pd(items).cast_unsigned())
        };
        let (mut found, mut first) = (0, 0);
        for block in blocks {
            // SAFETY: a block has four distances of eight bytes.
            let items = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
            found |= mask(items) << first;
            first += 4;
        }
        found | mask(rest).unbounded_shl(first)
    };
    select(distances, n, with_bit)
}
