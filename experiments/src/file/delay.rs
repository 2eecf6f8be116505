//! Delays of contacts, as the file gives them. They are those of the engine, but quantiles are the name of a file here,
//! and a list keeps its text.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::diagnostic::Span;
use super::milliseconds::milliseconds;
use super::quoted::quoted_path;

/// A delay to draw, in microseconds, at most [`TIME_MAX_US`](super::defaults::TIME_MAX_US).
#[derive(Clone, Debug, PartialEq)]
pub enum Delay {
    /// Always the same.
    Constant(u64),
    /// Any whole microsecond from `low` to `high`, both included.
    Uniform {
        /// The shortest.
        low: u64,
        /// The longest, at least `low`.
        high: u64,
    },
    /// Any of the list, which is not empty.
    Choice(Choice),
    /// Lognormal, rounded up to whole microseconds.
    Lognormal {
        /// Median, above 0.
        median_us: u64,
        /// Standard deviation of the logarithm, 0 to 10.
        sigma: f64,
    },
    /// Of the quantiles in a file, rounded up to whole microseconds.
    Quantiles {
        /// Absolute path.
        path: PathBuf,
        /// Place of the path in the text.
        span: Span,
    },
}

/// A list of delays to draw from, shared between clones.
#[derive(Clone)]
pub struct Choice(Arc<Listed>);

/// The list, with what is needed often.
struct Listed {
    delays_us: Arc<[u64]>,
    has_zero: bool,
    /// As the file spells it. Made at the first use.
    text: OnceLock<String>,
}

impl Choice {
    /// Returns the list, without a copy.
    pub fn shared(&self) -> Arc<[u64]> {
        Arc::clone(&self.0.delays_us)
    }

    /// Returns the list as the file spells it, with `spell` for each delay.
    pub(super) fn text(&self, spell: impl Fn(u64) -> String) -> &str {
        self.0.text.get_or_init(|| {
            let delays: Vec<_> = self.iter().copied().map(spell).collect();
            format!("{{ choice = [{}] }}", delays.join(", "))
        })
    }
}

impl From<Vec<u64>> for Choice {
    fn from(delays_us: Vec<u64>) -> Self {
        Self(Arc::new(Listed {
            has_zero: delays_us.contains(&0),
            delays_us: delays_us.into(),
            text: OnceLock::new(),
        }))
    }
}

/// The delays, in microseconds.
impl Deref for Choice {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.0.delays_us
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.delays_us.fmt(formatter)
    }
}

impl PartialEq for Choice {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Delay {
    /// Returns whether a delay of 0 can be drawn.
    pub fn can_be_zero(&self) -> bool {
        match self {
            Self::Constant(delay) => *delay == 0,
            Self::Uniform { low, .. } => *low == 0,
            Self::Choice(delays) => delays.0.has_zero,
            // Both are rounded up to at least a microsecond.
            Self::Lognormal { .. } | Self::Quantiles { .. } => false,
        }
    }
}

/// A way in which contacts fail: how often, and after which delay.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorRate {
    /// Share of the contacts that fail, 0 to 1.
    pub rate: f64,
    /// Drawn once for a contact that fails.
    pub delay: Delay,
}

/// As the file spells it, in milliseconds.
impl Display for Delay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(delay) => write!(formatter, "{}", milliseconds(*delay)),
            Self::Uniform { low, high } => {
                write!(
                    formatter,
                    "{{ uniform = [{}, {}] }}",
                    milliseconds(*low),
                    milliseconds(*high)
                )
            }
            Self::Choice(delays) => formatter.write_str(delays.text(milliseconds)),
            Self::Lognormal { median_us, sigma } => write!(
                formatter,
                "{{ lognormal = {{ median_ms = {}, sigma = {sigma:?} }} }}",
                milliseconds(*median_us)
            ),
            Self::Quantiles { path, .. } => {
                write!(formatter, "{{ quantiles = {} }}", quoted_path(path))
            }
        }
    }
}
