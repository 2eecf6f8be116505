//! Lengths of sessions and absences, as the file gives them.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::Arc;

use kadsim_engine::distribution::{Distribution, Exponential, Fixed, Lognormal, Weibull};

use crate::file::diagnostic::Span;
use crate::file::keys::key::NEVER;
use crate::file::milliseconds::milliseconds;
use crate::file::quoted::quoted_path;

/// A length of sessions or absences to draw. Times are in microseconds, above 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Length {
    /// Without an end.
    Never,
    /// Exponential.
    Exponential {
        /// Mean.
        mean_us: u64,
    },
    /// Weibull.
    Weibull {
        /// Shape, above 0.
        shape: f64,
        /// Scale.
        scale_us: u64,
    },
    /// Lognormal.
    Lognormal {
        /// Median.
        median_us: u64,
        /// Standard deviation of the logarithm, at least 0.
        sigma: f64,
    },
    /// As quantiles in a file say.
    Quantiles {
        /// Absolute path.
        path: PathBuf,
        /// Place of the path in the text.
        span: Span,
    },
    /// Always the same.
    Fixed(u64),
}

impl Length {
    /// Returns the distribution. `quantiles` returns that of a file.
    pub fn distribution(
        &self,
        quantiles: impl FnOnce(&PathBuf) -> Option<Arc<dyn Distribution>>,
    ) -> Option<Arc<dyn Distribution>> {
        Some(match *self {
            Self::Never => return None,
            Self::Quantiles { ref path, .. } => return quantiles(path),
            Self::Exponential { mean_us } => Arc::new(Exponential {
                mean_us: mean_us as f64,
            }),
            Self::Weibull { shape, scale_us } => Arc::new(Weibull {
                shape,
                scale_us: scale_us as f64,
            }),
            Self::Lognormal { median_us, sigma } => Arc::new(Lognormal {
                median_us: median_us as f64,
                sigma,
            }),
            Self::Fixed(us) => Arc::new(Fixed { us: us as f64 }),
        })
    }
}

/// As the file spells it.
impl Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => write!(formatter, "\"{NEVER}\""),
            Self::Exponential { mean_us } => {
                let mean = milliseconds(*mean_us);
                write!(formatter, "{{ exponential = {{ mean_ms = {mean} }} }}")
            }
            Self::Weibull { shape, scale_us } => write!(
                formatter,
                "{{ weibull = {{ shape = {shape:?}, scale_ms = {} }} }}",
                milliseconds(*scale_us)
            ),
            Self::Lognormal { median_us, sigma } => write!(
                formatter,
                "{{ lognormal = {{ median_ms = {}, sigma = {sigma:?} }} }}",
                milliseconds(*median_us)
            ),
            Self::Quantiles { path, .. } => {
                write!(formatter, "{{ quantiles = {} }}", quoted_path(path))
            }
            Self::Fixed(us) => write!(formatter, "{{ fixed_ms = {} }}", milliseconds(*us)),
        }
    }
}
