//! Links between regions: the round trip of a pair of nodes is lognormal by the regions of both, and the same at every
//! use. Nothing of it is stored.
//!
//! A cell of the matrix gives the median M and the 90th percentile of the round trips between two regions, so sigma is
//! ln(p90 / M) / 1.2816. The one-way delay of a pair is half of its round trip M exp(sigma Z), rounded down to whole
//! microseconds, and at least a floor.

use std::sync::Arc;

use super::{Attempt, Fate, Link, UniformLink};
use crate::distribution::normal;
use crate::key::Key;
use crate::makeup::{Makeup, Region};
use crate::population::Owner;
use crate::random::{Purpose, Stream};

/// Standard normal quantile of 0.9.
const Z_90: f64 = 1.2816;

/// Round trips between two regions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Median, µs, above 0.
    pub median_us: f64,
    /// Standard deviation of the logarithm, at least 0.
    pub sigma: f64,
}

impl Cell {
    /// Returns the cell of a median and a 90th percentile, which is at least the median.
    pub fn of_percentiles(median_us: f64, p90_us: f64) -> Self {
        Self {
            median_us,
            sigma: libm::log(p90_us / median_us) / Z_90,
        }
    }
}

/// The round trips between all regions.
#[derive(Clone, Debug, PartialEq)]
pub struct Regions {
    /// Cells by region and region, row by row; symmetric.
    pub cells: Vec<Cell>,
    /// Number of regions, at least 1.
    pub count: usize,
    /// Shortest one-way delay, µs, at least 1.
    pub floor_us: u64,
}

impl Regions {
    /// Returns the one-way delay of a pair of nodes, µs.
    #[inline]
    pub fn one_way_us(&self, network_seed: u64, one: (Region, Key), other: (Region, Key)) -> u64 {
        let cell = self.cells[one.0.index() * self.count + other.0.index()];
        let (lower, higher) = (one.1.0.min(other.1.0), one.1.0.max(other.1.0));
        let mut stream = Stream::new(network_seed, Purpose::PairDelay, lower, higher);
        let round_trip_us = cell.median_us * libm::exp(cell.sigma * normal(&mut stream));
        ((round_trip_us / 2.0) as u64).max(self.floor_us)
    }
}

/// Links between regions, with independent errors.
pub struct RegionLink {
    /// The round trips.
    pub regions: Arc<Regions>,
    /// The regions of nodes.
    pub makeup: Makeup,
    /// Errors, timeout and jitter. Its delay is not used.
    pub link: UniformLink,
}

impl RegionLink {
    /// Returns the one-way delay of a contact, µs. A remote that does not exist is as far as the origin from itself.
    #[inline]
    fn one_way_us(&self, attempt: Attempt) -> u64 {
        let located = |node: Owner| (self.makeup.region(node.key), node.key);
        let to = attempt.to.unwrap_or(attempt.from);
        self.regions
            .one_way_us(attempt.network_seed, located(attempt.from), located(to))
    }
}

impl Link for RegionLink {
    #[inline]
    fn draw(&self, attempt: Attempt, answers: &dyn Fn(u64) -> bool) -> Fate {
        self.link
            .fate(attempt, answers, |_| self.one_way_us(attempt))
    }

    fn shortest_us(&self, absences: bool) -> u64 {
        let floor = UniformLink {
            delay: super::Delay::Constant(self.regions.floor_us),
            ..self.link.clone()
        };
        floor.shortest_us(absences)
    }

    fn shortest_delay_us(&self) -> u64 {
        self.regions.floor_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::makeup::Shares;
    use crate::node::Row;

    /// World-wide round trips, median and 90th percentile, ms (WonderNetwork, November 2018).
    const MEDIANS: [[f64; 10]; 10] = [
        [33., 65., 117., 201., 247., 251., 162., 231., 123., 218.],
        [65., 33., 159., 156., 206., 261., 203., 186., 153., 265.],
        [117., 159., 36., 275., 256., 167., 77., 316., 214., 147.],
        [201., 156., 275., 61., 92., 159., 313., 201., 309., 363.],
        [247., 206., 256., 92., 68., 123., 289., 174., 351., 342.],
        [251., 261., 167., 159., 123., 43., 201., 221., 343., 267.],
        [162., 203., 77., 313., 289., 201., 119., 344., 268., 195.],
        [231., 186., 316., 201., 174., 221., 344., 36., 337., 428.],
        [123., 153., 214., 309., 351., 343., 268., 337., 157., 303.],
        [218., 265., 147., 363., 342., 267., 195., 428., 303., 178.],
    ];
    const P90S: [[f64; 10]; 10] = [
        [57., 84., 153., 313., 279., 291., 235., 275., 175., 276.],
        [84., 74., 190., 247., 264., 290., 271., 234., 210., 314.],
        [153., 190., 67., 360., 341., 240., 157., 358., 263., 194.],
        [313., 247., 360., 234., 261., 480., 396., 327., 430., 465.],
        [279., 264., 341., 261., 191., 242., 375., 275., 415., 452.],
        [291., 290., 240., 480., 242., 170., 319., 342., 417., 329.],
        [235., 271., 157., 396., 375., 319., 261., 398., 327., 259.],
        [275., 234., 358., 327., 275., 342., 398., 59., 407., 510.],
        [175., 210., 263., 430., 415., 417., 327., 407., 225., 372.],
        [276., 314., 194., 465., 452., 329., 259., 510., 372., 246.],
    ];

    fn world() -> Arc<Regions> {
        let all = MEDIANS.as_flattened().iter().zip(P90S.as_flattened());
        Arc::new(Regions {
            cells: all
                .map(|(median, p90)| Cell::of_percentiles(1e3 * median, 1e3 * p90))
                .collect(),
            count: 10,
            floor_us: 1000,
        })
    }

    /// Round trips of a million pairs of nodes, ms, ascending, and the share of pairs in one region.
    fn round_trips(weights: &[f64]) -> (Vec<f64>, f64) {
        const PAIRS: u64 = 1_000_000;
        let makeup = Makeup {
            network_seed: 17,
            regions: Shares::new(weights),
            ..Makeup::default()
        };
        let regions = world();
        let mut same = 0;
        let located = |id| {
            let key = Key::of_node(id, 4);
            (makeup.region(key), key)
        };
        let pairs = (0..PAIRS).map(|pair| {
            let (one, other) = (located(2 * pair), located(2 * pair + 1));
            same += u32::from(one.0 == other.0);
            let us = regions.one_way_us(17, one, other);
            assert_eq!(us, regions.one_way_us(17, other, one));
            2.0 * us as f64 / 1e3
        });
        let mut all: Vec<f64> = pairs.collect();
        all.sort_unstable_by(f64::total_cmp);
        (all, f64::from(same) / PAIRS as f64)
    }

    /// I1 and I2 of the published values.
    #[test]
    fn round_trips_of_the_world_have_their_quantiles() {
        let ipfs = [0.19, 0.095, 0.20, 0.40, 0.03, 0.02, 0.015, 0.02, 0.02, 0.01];
        let europe: [f64; 10] = std::array::from_fn(|region| f64::from(u8::from(region == 2)));
        for (weights, mean, p10, p50, p90, p99, same) in [
            ([0.1; 10], 221.95, 74.58, 220.75, 359.93, 493.1, 0.100),
            (ipfs, 177.06, 36.00, 165.46, 318.42, 474.8, 0.2476),
            (europe, 40.49, 19.34, 36.00, 67.00, 111.2, 1.0),
        ] {
            let (all, share) = round_trips(&weights);
            let quantile = |p: f64| all[(p * all.len() as f64) as usize];
            let measured = all.iter().sum::<f64>() / all.len() as f64;
            assert!(
                (measured / mean - 1.0).abs() < 0.003,
                "mean {measured}, not {mean}"
            );
            for (p, expected) in [(0.1, p10), (0.5, p50), (0.9, p90), (0.99, p99)] {
                let off: f64 = quantile(p) / expected - 1.0;
                assert!(off.abs() < 0.006, "{p}: {}, not {expected}", quantile(p));
            }
            assert!((share - same).abs() < 0.002, "{share}");
        }
    }

    #[test]
    fn the_delay_of_a_pair_is_the_same_at_every_use_and_both_ways() {
        let link = RegionLink {
            regions: world(),
            makeup: Makeup {
                network_seed: 1,
                regions: Shares::new(&[0.1; 10]),
                ..Makeup::default()
            },
            link: UniformLink::default(),
        };
        let node = |id: u32| Owner {
            row: Row(id),
            key: Key::of_node(u64::from(id), 4),
        };
        let attempt = |operation, from, to| Attempt {
            network_seed: 1,
            operation,
            sequence: 0,
            from: node(from),
            to: Some(node(to)),
            time_us: 0,
        };
        let fate = |operation, from, to| link.draw(attempt(operation, from, to), &|_| true);
        assert_eq!(fate(0, 3, 4), fate(9, 4, 3));
        assert_ne!(fate(0, 3, 4), fate(0, 3, 5));
        assert_eq!(fate(0, 3, 4).request_us, fate(0, 3, 4).base_delay_us);
        assert_eq!(link.shortest_us(false), 2000);
    }
}
