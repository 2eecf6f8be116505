//! Proof that the processor has AVX-512, and helpers for the modules that use it.

use std::arch::x86_64::*;
use std::sync::LazyLock;

use super::Kernel;

/// Proof that the processor has AVX-512 F, VL, BW and what comes with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Returns the proof if this processor has these features.
    #[inline]
    pub(crate) fn new() -> Option<Self> {
        static IS_THERE: LazyLock<bool> = LazyLock::new(|| {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
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

#[target_feature(enable = "avx512f,avx512vl,avx512bw,popcnt,bmi1,bmi2")]
fn with_features<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
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
