//! Proof that the processor has AVX2, and helpers for the modules that use it.

use std::arch::x86_64::*;
use std::sync::LazyLock;

use super::Kernel;

/// Proof that the processor has AVX2 and what comes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Returns the proof if this processor has these features.
    #[inline]
    pub(crate) fn new() -> Option<Self> {
        static IS_THERE: LazyLock<bool> = LazyLock::new(|| {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("popcnt")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
        });
        IS_THERE.then_some(Self(()))
    }

    /// Runs a kernel compiled with these features. Its `run` must be `#[inline(always)]`, and so must what it calls.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves the features.
        unsafe { with_features(kernel) }
    }
}

#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn with_features<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Returns the masks of four lanes that confine a load to the first `len` of them, `len` at most 4.
#[inline]
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
pub(crate) fn lanes4(len: usize) -> __m256i {
    let numbers = _mm256_set_epi64x(3, 2, 1, 0);
    _mm256_cmpgt_epi64(_mm256_set1_epi64x(len as i64), numbers)
}
