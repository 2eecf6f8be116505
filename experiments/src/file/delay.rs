//! Delays of contacts, as the file gives them: constant, uniform, or drawn from a list.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::milliseconds::milliseconds;

/// A delay to draw, in microseconds, at most [`TIME_MAX_US`](super::defaults::TIME_MAX_US).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
}

/// A list of delays to draw from, shared between clones.
#[derive(Clone)]
pub struct Choice(Arc<Listed>);

/// The list, with its minimum and its text, which are needed often.
struct Listed {
    delays_us: Vec<u64>,
    shortest_us: u64,
    /// As the file spells it. Made at the first use.
    text: OnceLock<String>,
}

impl Choice {
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
            shortest_us: delays_us.iter().copied().min().unwrap_or(0),
            delays_us,
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

impl Eq for Choice {}

impl std::hash::Hash for Choice {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.delays_us.hash(state);
    }
}

impl Delay {
    /// Returns the shortest delay that can be drawn, in microseconds.
    pub fn shortest_us(&self) -> u64 {
        match self {
            Self::Constant(delay) => *delay,
            Self::Uniform { low, .. } => *low,
            Self::Choice(delays) => delays.0.shortest_us,
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
        }
    }
}
