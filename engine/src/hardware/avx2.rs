//! Proof that the processor has AVX2, and helpers for the modules that use it.

use std::arch::x86_64::*;

use super::kernel::proof;

proof! {
    /// Proof that the processor has AVX2 and what comes with it.
    Avx2: "avx2", "popcnt", "bmi1", "bmi2"
}

/// Returns the masks of four lanes that confine a load to the first `len` of them, `len` at most 4.
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
pub(crate) fn lanes4(len: usize) -> __m256i {
    let numbers = _mm256_set_epi64x(3, 2, 1, 0);
    _mm256_cmpgt_epi64(_mm256_set1_epi64x(len as i64), numbers)
}
