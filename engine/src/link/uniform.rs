//! Links that are all alike: one distribution of delays and two kinds of errors (arXiv 2402.09993, section 3).

use crate::distribution::{Distribution, Exponential, whole_us};
use crate::random::{Probability, Purpose, Stream};
use crate::record::Outcome;

use super::{Attempt, Delay, Fate, Link};

/// A way in which a contact can fail.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// How often a contact fails in this way.
    pub probability: Probability,
    /// How long the failure takes.
    pub delay: Delay,
}

/// Links that are all alike, with independent errors.
#[derive(Clone, Debug, PartialEq)]
pub struct UniformLink {
    /// One-way delay of a contact that succeeds.
    pub delay: Delay,
    /// Failure that is drawn first.
    pub fast_error: Option<Fault>,
    /// Failure of contacts that do not fail fast.
    pub slow_error: Option<Fault>,
    /// How long a contact with a node that is offline takes.
    pub timeout: Delay,
    /// Whether an answer that comes after the timeout is late: the contact has failed by then. Otherwise the origin waits for it.
    pub gives_up: bool,
    /// Time added to each message; `None` for nothing.
    pub jitter: Option<Exponential>,
    /// Round trips of a contact, at least 1: those before the last one set up the connection.
    pub round_trips: u32,
}

impl Default for UniformLink {
    /// Returns links without delays and without errors.
    fn default() -> Self {
        Self {
            delay: Delay::Constant(0),
            fast_error: None,
            slow_error: None,
            timeout: Delay::Constant(0),
            gives_up: false,
            jitter: None,
            round_trips: 1,
        }
    }
}

impl UniformLink {
    /// Draws the fate of a contact whose one-way delay `one_way_us` draws.
    #[inline]
    pub(super) fn fate(
        &self,
        attempt: Attempt,
        answers: &dyn Fn(u64) -> bool,
        one_way_us: impl FnOnce(&mut Stream) -> u64,
    ) -> Fate {
        let mut stream = Stream::new(
            attempt.network_seed,
            Purpose::Contact,
            attempt.operation,
            u64::from(attempt.sequence),
        );
        for (fault, outcome) in [
            (&self.fast_error, Outcome::FastError),
            (&self.slow_error, Outcome::SlowError),
        ] {
            if let Some(fault) = fault
                && fault.probability.holds(stream.bits())
            {
                return Fate::failed(outcome, fault.delay.draw(&mut stream));
            }
        }
        // A timeout takes the draw that the delay would take.
        let mut timeout = stream.clone();
        let delay_us = one_way_us(&mut stream);
        let (request_us, answer_us) = self.ways_us(attempt, delay_us);
        if !answers(request_us) {
            return Fate::failed(Outcome::NotFound, self.timeout.draw(&mut timeout));
        }
        let fate = Fate {
            outcome: Outcome::Ok,
            base_delay_us: delay_us,
            request_us,
            answer_us,
        };
        if self.gives_up {
            let timeout_us = self.timeout.draw(&mut timeout);
            if fate.cost_us() > timeout_us {
                let failed = Fate::failed(Outcome::Late, timeout_us);
                return Fate {
                    request_us,
                    ..failed
                };
            }
        }
        fate
    }

    /// Returns how long the request and the answer are on their way, µs, jitter and the round trips that set up the
    /// connection included.
    #[inline]
    fn ways_us(&self, attempt: Attempt, delay_us: u64) -> (u64, u64) {
        let messages = 2 * u64::from(self.round_trips) - 1;
        let request_us = delay_us.saturating_mul(messages);
        let Some(jitter) = &self.jitter else {
            return (request_us, delay_us);
        };
        let mut stream = Stream::new(
            attempt.network_seed,
            Purpose::Jitter,
            attempt.operation,
            u64::from(attempt.sequence),
        );
        let mut jitter_us = || whole_us(jitter.draw(&mut stream));
        let before_us: u64 = (0..messages).map(|_| jitter_us()).sum();
        (
            request_us.saturating_add(before_us),
            delay_us.saturating_add(jitter_us()),
        )
    }
}

impl Link for UniformLink {
    #[inline]
    fn draw(&self, attempt: Attempt, answers: &dyn Fn(u64) -> bool) -> Fate {
        self.fate(attempt, answers, |stream| self.delay.draw(stream))
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
        errors.min(absence).min(
            self.delay
                .shortest()
                .saturating_mul(2 * u64::from(self.round_trips)),
        )
    }

    fn shortest_delay_us(&self) -> u64 {
        self.delay.shortest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use crate::node::Row;
    use crate::population::Owner;

    fn node(row: u32) -> Owner {
        Owner {
            row: Row(row),
            key: Key(u64::from(row)),
        }
    }

    fn link() -> UniformLink {
        UniformLink {
            delay: Delay::Uniform { low: 50, high: 75 },
            fast_error: Some(Fault {
                probability: Probability::new(0.25),
                delay: Delay::Choice([7, 9].into()),
            }),
            slow_error: Some(Fault {
                probability: Probability::new(0.5),
                delay: Delay::Constant(500),
            }),
            timeout: Delay::Constant(1000),
            ..UniformLink::default()
        }
    }

    /// Fast with f, slow with (1 - f) s, the rest ok or not found; delays over their whole range.
    #[test]
    fn errors_come_at_their_rates_and_cost_their_delays() {
        for (answers, rest) in [(true, Outcome::Ok), (false, Outcome::NotFound)] {
            let fates: Vec<Fate> = (0..80_000)
                .map(|operation| {
                    link().draw(
                        Attempt {
                            network_seed: 1,
                            operation,
                            sequence: 3,
                            from: node(operation as u32),
                            to: Some(node(7)),
                            time_us: 10 * operation,
                        },
                        &|_| answers,
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
                if answers {
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
