//! Randomness without state: every draw is a function of (seed, network, purpose, entity, counter).
//!
//! A [`Stream`] is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) started at a state that is a hash of
//! the first four. Streams are made where they are needed and thrown away (about a nanosecond for two draws). They are
//! never shared or stored, so results cannot depend on threads or on the order of work.

use std::convert::Infallible;

use rand::rand_core::TryRng;

use crate::key::mix;

/// The purpose of a stream of draws. Streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Seed of one of an experiment's networks.
    Network = 1,
    /// Seed of the keys of generated nodes.
    NodeKeys,
    /// Sample of a `random` bucket's candidates; entity: key of the owner, part: bucket.
    Bucket,
    /// Outcome and delay of a contact; entity: operation, part: sequence.
    Contact,
    /// Key of an operation.
    OperationKey,
    /// Origin of an operation.
    Origin,
    /// Nodes of a sample of origins.
    Sample,
    /// Due times of a phase.
    Due,
    /// Segments that an origin takes.
    Segment,
    /// Draw of the nodes that are offline.
    Presence,
    /// Length of a session; entity: node's key, part: number of the session.
    Session,
    /// Length of an absence; entity: node's key, part: number of the session before it.
    Absence,
    /// State of a node at the start; entity: node's key, part: 0 whether it is online, 1 the rest of that session or absence.
    Start,
    /// Class of a node; entity: node's key.
    Class,
    /// Region of a node; entity: node's key.
    Region,
    /// Round trip between two nodes; entity: lower key, part: higher key.
    PairDelay,
    /// Jitter of a message; entity: operation, part: sequence.
    Jitter,
    /// Whether a node is a client; entity: node's key.
    Reach,
    /// Phase of a node's timers; entity: node's key, part: timer.
    TimerPhase,
    /// Whether an event takes a node off the network; entity: node's key, part: number of the event.
    Event,
    /// Client that takes the place of an entry; entity: owner's key, part: bucket.
    Replaced,
    /// Nodes whose tables are counted.
    Freshness,
    /// Key that a refresh or a join looks up; entity: node's key, part: number of the maintenance operation.
    RefreshKey,
    /// Whom a newcomer knows; entity: node's key, part: session, and how often it has begun to join in the upper half.
    Known,
    /// A random entry or replacement; entity: node's key, part: count.
    Choice,
    /// Place of a node among those that join before the first phase; entity: node's key.
    JoinOrder,
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A counter-based generator behind rand's traits: SplitMix64 from a hashed start.
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// Returns SplitMix64 with exactly this state, as in the published vectors.
    #[inline]
    pub fn from_state(state: u64) -> Self {
        Self { state }
    }

    /// Returns the stream for a purpose in a network, for `entity` and a `part` of it (0 where an entity has no parts).
    #[inline]
    pub fn new(network_seed: u64, purpose: Purpose, entity: u64, part: u64) -> Self {
        let mut state = mix(network_seed.wrapping_add((purpose as u64).wrapping_mul(GOLDEN_GAMMA)));
        state = mix(state ^ mix(entity.wrapping_add(GOLDEN_GAMMA)));
        state = mix(state.wrapping_add(mix(part.wrapping_add(2u64.wrapping_mul(GOLDEN_GAMMA)))));
        Self { state }
    }

    /// Draws 64 uniform bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// Draws a uniform number of `0..n`, by the high half of a 128-bit product (Lemire, ACM TOMACS 2019, without the
    /// rejection step: the bias is below n / 2⁶⁴). `n` must not be 0; 0 gives 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        // Checked in debug builds alone: every contact and every entry of a random bucket draws.
        debug_assert!(n > 0);
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// Draws a uniform number of the open interval (0, 1), a multiple of 2⁻⁵³ plus 2⁻⁵⁴.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.bits() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.bits())
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dst.chunks_mut(8) {
            chunk.copy_from_slice(&self.bits().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Returns the seed of one of the independent networks of an experiment.
pub fn network_seed(seed: u64, network: u32) -> u64 {
    Stream::new(seed, Purpose::Network, u64::from(network), 0).bits()
}

/// A probability as a threshold on 64 uniform bits, so that the comparison is exact on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Probability(u128);

impl Probability {
    /// Returns the probability of a rate in [0, 1]. Rates outside are clamped.
    pub fn new(rate: f64) -> Self {
        // rate * 2^64 is exact: a power of two only changes the exponent.
        Self((rate.clamp(0.0, 1.0) * 18_446_744_073_709_551_616.0) as u128)
    }

    /// Returns whether an event of this probability happens on these uniform bits.
    #[inline]
    pub fn holds(self, bits: u64) -> bool {
        u128::from(bits) < self.0
    }

    /// Returns whether the probability is above 0.
    pub fn is_possible(self) -> bool {
        self.0 > 0
    }
}

/// A pseudo-random permutation of `0..n` in constant memory: a four-round Feistel network over the next
/// even power of two, applied again until the result lies in range (Black and Rogaway, CT-RSA 2002).
#[derive(Clone, Debug)]
pub struct Permutation {
    n: u64,
    half_bits: u32,
    round_keys: [u64; 4],
}

impl Permutation {
    /// Returns the permutation of `0..n` that the stream's next four draws define.
    pub fn new(n: u64, mut stream: Stream) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        Self {
            n,
            half_bits: bits.div_ceil(2).max(1),
            round_keys: std::array::from_fn(|_| stream.bits()),
        }
    }

    /// Returns the image of `i`.
    ///
    /// # Panics
    ///
    /// If `i` is not below n.
    pub fn apply(&self, i: u64) -> u64 {
        assert!(i < self.n, "a permutation of 0..n moves numbers below n");
        let mask = (1 << self.half_bits) - 1;
        let mut x = i;
        loop {
            let (mut left, mut right) = (x >> self.half_bits, x & mask);
            for key in self.round_keys {
                (left, right) = (right, left ^ (mix(right ^ key) & mask));
            }
            x = (left << self.half_bits) | right;
            if x < self.n {
                return x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn the_stream_is_splitmix64() {
        // Vectors of the reference implementation (Vigna, prng.di.unimi.it/splitmix64.c), seed 1234567.
        let mut stream = Stream::from_state(1_234_567);
        for expected in [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ] {
            assert_eq!(stream.next_u64(), expected);
        }
    }

    #[test]
    fn streams_that_differ_in_one_coordinate_differ() {
        let base = Stream::new(1, Purpose::Bucket, 2, 3).bits();
        assert_ne!(base, Stream::new(2, Purpose::Bucket, 2, 3).bits());
        assert_ne!(base, Stream::new(1, Purpose::Contact, 2, 3).bits());
        assert_ne!(base, Stream::new(1, Purpose::Bucket, 3, 3).bits());
        assert_ne!(base, Stream::new(1, Purpose::Bucket, 2, 2).bits());
        assert_ne!(base, Stream::new(1, Purpose::Bucket, 3, 2).bits());
    }

    #[test]
    fn a_permutation_visits_each_value_once() {
        for n in [1, 2, 3, 5, 16, 17, 1000, 4097] {
            let permutation = Permutation::new(n, Stream::new(7, Purpose::Sample, n, 0));
            let mut seen: Vec<u64> = (0..n).map(|i| permutation.apply(i)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_permutation_of_all_64_bits_keeps_values_apart() {
        for n in [(1 << 62) + 1, 1 << 63, u64::MAX] {
            let permutation = Permutation::new(n, Stream::new(7, Purpose::Sample, n, 0));
            let places = (0..1000).chain(n - 1000..n);
            let mut seen: Vec<u64> = places.map(|i| permutation.apply(i)).collect();
            assert!(seen.iter().all(|&value| value < n));
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 2000, "{n}");
        }
    }

    #[test]
    fn probabilities_zero_and_one_are_never_and_always() {
        assert!(!Probability::new(0.0).holds(0));
        assert!(Probability::new(1.0).holds(u64::MAX));
        assert!(Probability::new(0.5).holds(u64::MAX / 2));
        assert!(!Probability::new(0.5).holds(u64::MAX / 2 + 1));
    }

    #[test]
    fn below_is_uniform() {
        let mut stream = Stream::new(11, Purpose::Origin, 0, 0);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[stream.below(10) as usize] += 1;
        }
        let chi_square: f64 = counts
            .iter()
            .map(|&c| (f64::from(c) - 10_000.0).powi(2) / 10_000.0)
            .sum();
        assert!(
            chi_square < 27.9,
            "chi-square {chi_square} of 9 degrees exceeds its 99.9 % point"
        );
    }
}
