//! Links: whether a contact succeeds and what it costs (arXiv 2402.09993, section 3).

use bevy_ecs::resource::Resource;

use crate::node::Overhead;
use crate::random::{Probability, Purpose, Stream};
use crate::record::Outcome;

/// A distribution of delays, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Always this long.
    Constant(u64),
    /// Uniform in whole microseconds, both ends included.
    Uniform {
        /// Shortest.
        low: u64,
        /// Longest; not below `low`.
        high: u64,
    },
    /// Each of the list with the same probability; the list must not be empty.
    Choice(Vec<u64>),
}

impl Delay {
    /// One draw, µs.
    #[inline]
    pub fn draw(&self, stream: &mut Stream) -> u64 {
        match self {
            Delay::Constant(delay) => *delay,
            Delay::Uniform { low, high } => low + stream.below(high - low + 1),
            Delay::Choice(delays) => delays[stream.below(delays.len() as u64) as usize],
        }
    }

    /// Shortest possible draw, µs.
    pub fn shortest(&self) -> u64 {
        match self {
            Delay::Constant(delay) => *delay,
            Delay::Uniform { low, .. } => *low,
            Delay::Choice(delays) => delays.iter().copied().min().unwrap_or(0),
        }
    }
}

/// A way for a contact to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How often.
    pub probability: Probability,
    /// What it costs, once.
    pub delay: Delay,
}

/// Which contact of a network: enough to draw its fate from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactId {
    /// Seed of the network.
    pub network_seed: u64,
    /// Number of the operation.
    pub operation: u64,
    /// Number of the contact in the operation, stores after lookups.
    pub sequence: u32,
}

/// Outcome and delay of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Whether it succeeded.
    pub outcome: Outcome,
    /// The draw of the delay, µs: an ok contact costs it twice, a failed one once.
    pub base_delay_us: u64,
}

impl Fate {
    /// Time from sending to completion, without overhead, µs: a successful request pays one delay there and the
    /// same back.
    #[inline]
    pub fn cost_us(self) -> u64 {
        match self.outcome {
            Outcome::Ok => 2 * self.base_delay_us,
            _ => self.base_delay_us,
        }
    }

    /// The same with the overhead of the origin and of the remote, µs.
    #[inline]
    pub fn total_us(self, (origin_us, remote_us): (u64, u64)) -> u64 {
        let cost_us = self.cost_us().saturating_add(origin_us);
        cost_us.saturating_add(remote_us)
    }
}

/// A model of the links between nodes.
pub trait Link: Send + Sync {
    /// Draws the fate of a contact with a node that is online (`reachable`) or is not.
    fn draw(&self, contact: ContactId, reachable: bool) -> Fate;

    /// The least that any contact can cost, µs, overhead not counted; `absences`: nodes may be offline.
    fn shortest_us(&self, absences: bool) -> u64;

    /// The shortest delay of one way, µs: no request reaches a node sooner, and no answer comes back sooner.
    fn shortest_delay_us(&self) -> u64 {
        // A contact that succeeds costs two of them.
        self.shortest_us(false) / 2
    }
}

/// The network's links, and what using a node costs.
#[derive(Resource)]
pub struct Links {
    /// The model.
    pub link: Box<dyn Link>,
    /// Gamma: what each use adds to a node's overhead, µs. 0: none, nothing is counted.
    pub overhead_us: u64,
}

impl Links {
    /// Whether uses of a node cost anything.
    #[inline]
    pub fn is_charged(&self) -> bool {
        self.overhead_us > 0
    }

    /// One use more of a node: what it costs, µs: the n-th use costs n gamma. More than the clock has, where that
    /// is beyond [`LAST_US`](crate::time::LAST_US) or the node has been used more often than its counter counts.
    #[inline]
    pub fn charge(&self, node: &mut Overhead) -> u64 {
        match self.overhead_us {
            0 => 0,
            gamma_us => match node.charge() {
                u32::MAX => u64::MAX,
                uses => gamma_us.saturating_mul(u64::from(uses)),
            },
        }
    }
}

/// Links that are all alike, with independent errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniformLink {
    /// Of a contact that succeeds.
    pub delay: Delay,
    /// Fails fast with this probability.
    pub fast_error: Option<Fault>,
    /// Fails slow with this probability, given that it has not failed fast.
    pub slow_error: Option<Fault>,
    /// What contacting a node that is not there costs, once.
    pub timeout: Delay,
}

impl Default for UniformLink {
    /// No delays, no errors.
    fn default() -> Self {
        Self {
            delay: Delay::Constant(0),
            fast_error: None,
            slow_error: None,
            timeout: Delay::Constant(0),
        }
    }
}

impl Link for UniformLink {
    #[inline]
    fn draw(&self, contact: ContactId, reachable: bool) -> Fate {
        let ContactId {
            network_seed,
            operation,
            sequence,
        } = contact;
        let mut stream = Stream::new(
            network_seed,
            Purpose::Contact,
            operation,
            u64::from(sequence),
        );
        for (fault, outcome) in [
            (&self.fast_error, Outcome::FastError),
            (&self.slow_error, Outcome::SlowError),
        ] {
            if let Some(fault) = fault
                && fault.probability.holds(stream.bits())
            {
                return Fate {
                    outcome,
                    base_delay_us: fault.delay.draw(&mut stream),
                };
            }
        }
        let (outcome, delay) = if reachable {
            (Outcome::Ok, &self.delay)
        } else {
            (Outcome::NotFound, &self.timeout)
        };
        Fate {
            outcome,
            base_delay_us: delay.draw(&mut stream),
        }
    }

    fn shortest_us(&self, absences: bool) -> u64 {
        let faults = [&self.fast_error, &self.slow_error];
        let possible = faults
            .into_iter()
            .flatten()
            .filter(|fault| fault.probability.is_possible());
        let errors = possible
            .map(|fault| fault.delay.shortest())
            .min()
            .unwrap_or(u64::MAX);
        let absence = if absences {
            self.timeout.shortest()
        } else {
            u64::MAX
        };
        errors
            .min(absence)
            .min(self.delay.shortest().saturating_mul(2))
    }

    fn shortest_delay_us(&self) -> u64 {
        self.delay.shortest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> UniformLink {
        UniformLink {
            delay: Delay::Uniform { low: 50, high: 75 },
            fast_error: Some(Fault {
                probability: Probability::new(0.25),
                delay: Delay::Choice(vec![7, 9]),
            }),
            slow_error: Some(Fault {
                probability: Probability::new(0.5),
                delay: Delay::Constant(500),
            }),
            timeout: Delay::Constant(1000),
        }
    }

    /// Fast with f, slow with (1 - f) s, the rest ok or not found; delays over their whole range.
    #[test]
    fn errors_come_at_their_rates_and_cost_their_delays() {
        for (reachable, rest) in [(true, Outcome::Ok), (false, Outcome::NotFound)] {
            let fates: Vec<Fate> = (0..80_000)
                .map(|operation| {
                    link().draw(
                        ContactId {
                            network_seed: 1,
                            operation,
                            sequence: 3,
                        },
                        reachable,
                    )
                })
                .collect();
            let count =
                |outcome| fates.iter().filter(|fate| fate.outcome == outcome).count() as f64;
            assert!((count(Outcome::FastError) - 20_000.0).abs() < 4.0 * 122.5);
            assert!((count(Outcome::SlowError) - 30_000.0).abs() < 4.0 * 136.9);
            assert!((count(rest) - 30_000.0).abs() < 4.0 * 136.9);
            let delays = |outcome| {
                let mut delays: Vec<u64> = fates
                    .iter()
                    .filter(|fate| fate.outcome == outcome)
                    .map(|fate| fate.base_delay_us)
                    .collect();
                delays.sort_unstable();
                delays.dedup();
                delays
            };
            assert_eq!(delays(Outcome::FastError), [7, 9]);
            assert_eq!(delays(Outcome::SlowError), [500]);
            assert_eq!(
                delays(rest),
                if reachable {
                    (50..=75).collect()
                } else {
                    vec![1000]
                }
            );
        }
    }

    #[test]
    fn the_shortest_contact_is_what_a_step_may_last() {
        assert_eq!(link().shortest_us(false), 7);
        assert_eq!(
            UniformLink {
                fast_error: None,
                ..link()
            }
            .shortest_us(false),
            100
        );
        assert_eq!(
            UniformLink {
                delay: Delay::Constant(300),
                fast_error: None,
                ..link()
            }
            .shortest_us(false),
            500
        );
        assert_eq!(
            UniformLink {
                timeout: Delay::Constant(3),
                ..link()
            }
            .shortest_us(true),
            3
        );
        assert_eq!(UniformLink::default().shortest_us(false), 0);
        assert_eq!(link().shortest_delay_us(), 50);
    }
}
