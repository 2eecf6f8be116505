//! Code that is compiled for the vectors of some processors.

/// Work over arrays that gains from wide vectors. `run` must be `#[inline(always)]`, and so must what it calls: it is
/// compiled once for each kind of processor.
pub(crate) trait Kernel {
    /// The result of the work.
    type Output;

    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Defines a type whose values prove that the processor has features. What it looks for is what it compiles kernels for.
macro_rules! proof {
    ($(#[$attribute:meta])* $name:ident: $($feature:tt),+) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(());

        impl $name {
            /// Returns the proof if this processor has these features.
            #[inline]
            pub(crate) fn new() -> Option<Self> {
                static IS_THERE: std::sync::LazyLock<bool> =
                    std::sync::LazyLock::new(|| $(is_x86_feature_detected!($feature))&&+);
                IS_THERE.then_some(Self(()))
            }

            /// Runs a kernel compiled with these features. Its `run` must be `#[inline(always)]`, and so must what it calls.
            #[inline]
            pub(crate) fn run<K: $crate::hardware::Kernel>(self, kernel: K) -> K::Output {
                // SAFETY: `self` proves the features.
                unsafe { with_features(kernel) }
            }
        }

        $(#[target_feature(enable = $feature)])+
        fn with_features<K: $crate::hardware::Kernel>(kernel: K) -> K::Output {
            kernel.run()
        }
    };
}

pub(crate) use proof;
