//! Settings of a network, with the names and units of the experiment file.

use std::ops::RangeInclusive;

use kadsim_engine::link::{Delay, Fault, UniformLink};
use kadsim_engine::random::{Probability, network_seed};
use kadsim_systems::network::{NodeSet, Spec};
use kadsim_systems::rules::Rules;

/// Settings of a network whose links are all alike. [`Default`]: 0 nodes, k = 20, alpha 3, no delays, no errors.
///
/// Delays are uniform over a range of milliseconds, both ends included, with at most three decimals, up
/// to 9e12. Links of another kind, layouts, policies: see [`Spec`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Number of nodes; their ids are 0 to n - 1.
    pub nodes: u32,
    /// Seed of every draw.
    pub seed: u64,
    /// Index among independent networks of this seed. The draws are those of the network of the same index in an
    /// experiment.
    pub network: u32,
    /// k: entries of a bucket and of an answer, 1 to 255.
    pub bucket_size: u8,
    /// Contacts that a lookup keeps in flight, at least 1.
    pub alpha: u32,
    /// Nodes in a result, at least 1.
    pub beta: u32,
    /// Answers in a row without progress that end a lookup, at least 1.
    pub steps_to_stop: u32,
    /// Delay of one way, ms. A contact that succeeds costs it twice.
    pub delay_ms: RangeInclusive<f64>,
    /// Share of contacts that fail fast, 0 to 1.
    pub fast_error_rate: f64,
    /// Delay of a fast error, ms.
    pub fast_error_delay_ms: RangeInclusive<f64>,
    /// Share of the contacts that do not fail fast that fail slow, 0 to 1.
    pub slow_error_rate: f64,
    /// Delay of a slow error, ms.
    pub slow_error_delay_ms: RangeInclusive<f64>,
    /// Delay of a contact to a node that does not exist or is offline, ms. `None`: that of a slow error.
    pub timeout_ms: Option<RangeInclusive<f64>>,
    /// gamma, ms: the n-th use of a node costs n times this.
    pub overhead_ms: f64,
}

impl Default for Settings {
    fn default() -> Self {
        let Rules {
            alpha,
            beta,
            steps_to_stop,
            ..
        } = Rules::default();
        Self {
            nodes: 0,
            seed: 0,
            network: 0,
            bucket_size: Spec::default().bucket_size,
            alpha,
            beta,
            steps_to_stop,
            delay_ms: 0.0..=0.0,
            fast_error_rate: 0.0,
            fast_error_delay_ms: 0.0..=0.0,
            slow_error_rate: 0.0,
            slow_error_delay_ms: 0.0..=0.0,
            timeout_ms: None,
            overhead_ms: 0.0,
        }
    }
}

/// A setting that is out of range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// Not a time.
    #[error("{name} is {value}: it takes 0 to 9e12 ms with at most three decimals")]
    Milliseconds {
        /// Which setting.
        name: &'static str,
        /// What it is.
        value: f64,
    },
    /// A range whose first value is above its last.
    #[error("{name} runs from {low} down to {high}: the lower end comes first")]
    Reversed {
        /// Which setting.
        name: &'static str,
        /// Its first value, ms.
        low: f64,
        /// Its last value, ms.
        high: f64,
    },
    /// Not a rate.
    #[error("{name} is {value}: it takes a share of all contacts, 0 to 1")]
    Rate {
        /// Which setting.
        name: &'static str,
        /// What it is.
        value: f64,
    },
}

impl TryFrom<Settings> for Spec {
    type Error = SettingsError;

    fn try_from(settings: Settings) -> Result<Self, SettingsError> {
        let slow_delay = range("slow_error_delay_ms", &settings.slow_error_delay_ms)?;
        let timeout = settings
            .timeout_ms
            .as_ref()
            .map(|timeout_ms| range("timeout_ms", timeout_ms))
            .transpose()?;
        let fast_delay = range("fast_error_delay_ms", &settings.fast_error_delay_ms)?;
        let link = UniformLink {
            delay: range("delay_ms", &settings.delay_ms)?,
            timeout: timeout.unwrap_or_else(|| slow_delay.clone()),
            fast_error: fault("fast_error_rate", settings.fast_error_rate, fast_delay)?,
            slow_error: fault("slow_error_rate", settings.slow_error_rate, slow_delay)?,
            ..UniformLink::default()
        };
        let Settings {
            alpha,
            beta,
            steps_to_stop,
            ..
        } = settings;
        Ok(Spec {
            nodes: NodeSet::Generated(settings.nodes),
            seed: network_seed(settings.seed, settings.network),
            bucket_size: settings.bucket_size,
            rules: Rules {
                alpha,
                beta,
                steps_to_stop,
                ..Rules::default()
            },
            link: Box::new(link),
            overhead_us: microseconds("overhead_ms", settings.overhead_ms)?,
            ..Spec::default()
        })
    }
}

fn fault(name: &'static str, rate: f64, delay: Delay) -> Result<Option<Fault>, SettingsError> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(SettingsError::Rate { name, value: rate });
    }
    Ok((rate > 0.0).then(|| Fault {
        probability: Probability::new(rate),
        delay,
    }))
}

fn range(name: &'static str, range_ms: &RangeInclusive<f64>) -> Result<Delay, SettingsError> {
    let (low, high) = (
        microseconds(name, *range_ms.start())?,
        microseconds(name, *range_ms.end())?,
    );
    if low > high {
        return Err(SettingsError::Reversed {
            name,
            low: *range_ms.start(),
            high: *range_ms.end(),
        });
    }
    Ok(if low == high {
        Delay::Constant(low)
    } else {
        Delay::Uniform { low, high }
    })
}

/// Converts milliseconds to whole microseconds. Fails if `value` is not the double nearest to such a number.
fn microseconds(name: &'static str, value: f64) -> Result<u64, SettingsError> {
    const MOST_MS: f64 = 9e12;
    let us = (value * 1000.0).round();
    // Also true for NaN, which is in no range.
    if !(0.0..=MOST_MS).contains(&value) || us / 1000.0 != value {
        return Err(SettingsError::Milliseconds { name, value });
    }
    Ok(us as u64)
}
