//! Proof that the processor has AVX-512, and helpers for the modules that use it.

use std::arch::x86_64::*;

use super::kernel::proof;

proof! {
    /// Proof that the processor has AVX-512 F, VL, BW and what comes with them.
    Avx512: "avx512f", "avx512vl", "avx512bw", "popcnt", "bmi1", "bmi2"
}

/// Returns the mask of the first `len` of sixteen lanes; all sixteen for a larger `len`.
#[inline(always)]
pub(crate) fn lanes16(len: usize) -> u16 {
    if len >= 16 { u16::MAX } else { (1 << len) - 1 }
}

/// Returns two masks of eight lanes as one mask of sixteen.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
pub(crate) fn pair(low: u8, high: u8) -> u16 {
    _mm512_kunpackb(u16::from(high), u16::from(low))
}
