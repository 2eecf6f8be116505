use super::*;
use crate::random::Purpose;

fn drawn(count: u64, draw: impl Fn(&mut Stream) -> f64) -> Vec<f64> {
    let mut drawn: Vec<f64> = (0..count)
        .map(|entity| draw(&mut Stream::new(3, Purpose::Session, entity, 0)))
        .collect();
    drawn.sort_unstable_by(f64::total_cmp);
    drawn
}

/// Asserts that the share of drawn lengths up to a quantile is its probability, within 4 standard errors.
#[track_caller]
fn assert_quantiles(drawn: &[f64], quantiles: &[(f64, f64)]) {
    for &(p, seconds) in quantiles {
        let share = drawn.partition_point(|&us| us <= 1e6 * seconds) as f64 / drawn.len() as f64;
        let error = (p * (1.0 - p) / drawn.len() as f64).sqrt();
        assert!(
            (share - p).abs() < 4.0 * error,
            "{share} of {p} up to {seconds} s"
        );
    }
}

#[track_caller]
fn assert_mean(drawn: &[f64], mean_s: f64, tolerance: f64) {
    let mean = drawn.iter().sum::<f64>() / drawn.len() as f64 / 1e6;
    assert!(
        (mean / mean_s - 1.0).abs() < tolerance,
        "{mean} s, not {mean_s}"
    );
}

const PROBABILITIES: [f64; 6] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99];

fn at(seconds: [f64; 6]) -> Vec<(f64, f64)> {
    PROBABILITIES.into_iter().zip(seconds).collect()
}

fn weibull(shape: f64, scale_s: f64) -> Weibull {
    Weibull {
        shape,
        scale_us: 1e6 * scale_s,
    }
}

const HOUR: f64 = 3600.0;

/// A1: quantiles of whole sessions, scale (-ln(1 - u))^(1 / shape).
#[test]
fn whole_weibull_sessions_have_their_quantiles() {
    for (shape, scale, quantiles, mean) in [
        (
            0.5,
            5000.0,
            [55.5, 413.8, 2402.3, 9609.1, 26_509.5, 106_038.0],
            10_000.0,
        ),
        (
            0.608,
            3.66 * HOUR,
            [325.3, 1697.6, 7210.8, 22_547.0, 51_944.0, 162_423.0],
            19_489.5,
        ),
        (
            0.38,
            42.4 * 60.0,
            [6.8, 95.9, 969.7, 6009.3, 22_841.0, 141_547.0],
            9802.9,
        ),
    ] {
        let law = weibull(shape, scale);
        let drawn = drawn(100_000, |stream| law.draw(stream));
        assert_quantiles(&drawn, &at(quantiles));
        assert!((law.mean_us() / 1e6 / mean - 1.0).abs() < 1e-4);
        assert_mean(&drawn, mean, 0.04);
    }
}

/// A2: quantiles of the residual life of the nodes online at the start.
#[test]
fn residual_lives_have_their_quantiles() {
    for (shape, scale, quantiles, mean) in [
        (
            0.5,
            5000.0,
            [1414.1, 4620.3, 14_084.2, 36_251.4, 75_649.6, 220_338.6],
            30_000.0,
        ),
        (
            0.608,
            3.66 * HOUR,
            [2423.6, 7436.0, 20_958.7, 49_691.6, 96_309.4, 248_236.0],
            38_889.6,
        ),
        (
            0.38,
            42.4 * 60.0,
            [1824.3, 6626.5, 22_951.3, 67_404.0, 158_333.0, 561_406.0],
            62_445.6,
        ),
    ] {
        let law = weibull(shape, scale);
        let drawn = drawn(100_000, |stream| law.residual(stream));
        assert_quantiles(&drawn, &at(quantiles));
        assert_mean(&drawn, mean, 0.04);
    }
}

/// Gamma with shape 1 / 2, below 1, where the draw takes another path: a Weibull of shape 2 (Rayleigh), whose residual
/// life has the survival function erfc(t / scale).
#[test]
fn residual_lives_of_shapes_above_one_have_their_quantiles() {
    let law = weibull(2.0, 1.0);
    let drawn = drawn(100_000, |stream| law.residual(stream));
    for t in [0.1, 0.5, 1.0, 2.0] {
        assert_quantiles(&drawn, &[(libm::erf(t), t)]);
    }
}

/// The length of the session that is under way at the start of the run is drawn in proportion to it: its residual life has
/// the density (1 - F) / mean. For lognormal lengths: P(R <= t) = integral of it.
#[test]
fn lognormal_lengths_have_their_quantiles() {
    let law = Lognormal {
        median_us: 3600e6,
        sigma: 1.5,
    };
    let whole = drawn(100_000, |stream| law.draw(stream));
    // exp(1.2816 sigma) and its inverse.
    let spread = libm::exp(1.281_551_6 * 1.5);
    assert_quantiles(
        &whole,
        &[
            (0.1, 3600.0 / spread),
            (0.5, 3600.0),
            (0.9, 3600.0 * spread),
        ],
    );
    let rest = drawn(100_000, |stream| law.residual(stream));
    // Stale shares of tables of age T at the period's random phase follow from R; B3 gives the mean of 1 - R over 3600 s.
    let mean_below = |seconds: f64| {
        let shares = (0..1000).map(|step| {
            let t = 1e6 * seconds * (f64::from(step) + 0.5) / 1000.0;
            rest.partition_point(|&us| us <= t) as f64 / rest.len() as f64
        });
        shares.sum::<f64>() / 1000.0
    };
    for (seconds, expected) in [
        (300.0, 0.0134),
        (600.0, 0.0262),
        (900.0, 0.0385),
        (3600.0, 0.1283),
        (4.0 * HOUR, 0.3285),
    ] {
        let mean = mean_below(seconds);
        assert!(
            (mean - expected).abs() < 0.0035,
            "{mean} over {seconds} s, not {expected}"
        );
    }
}

#[test]
fn exponential_and_fixed_lengths() {
    let law = Exponential { mean_us: 3600e6 };
    for drawn in [
        drawn(100_000, |stream| law.draw(stream)),
        drawn(100_000, |stream| law.residual(stream)),
    ] {
        // 1 - exp(-t / 3600), B1.
        assert_quantiles(&drawn, &[(0.0165, 60.0), (0.0800, 300.0), (0.6321, 3600.0)]);
    }
    let law = Fixed { us: 10e6 };
    let rest = drawn(100_000, |stream| law.residual(stream));
    assert_quantiles(&rest, &[(0.1, 1.0), (0.5, 5.0), (0.9, 9.0)]);
    assert_eq!(law.mean_us(), 10e6);
}

#[test]
fn quantiles_are_linear_in_between_and_bounded() {
    let law = Quantiles::new(vec![(0.1, 1e6), (0.5, 2e6), (1.0, 10e6)]).unwrap();
    let whole = drawn(100_000, |stream| law.draw(stream));
    assert_quantiles(&whole, &[(0.3, 1.5), (0.5, 2.0), (0.75, 6.0)]);
    assert_eq!((whole[0], law.bounds_us()), (1e6, (1e6, 10e6)));
    // 0.1 * 1 + 0.4 * 1.5 + 0.5 * 6.
    assert!((law.mean_us() - 3.7e6).abs() < 1.0);
    assert_mean(&whole, 3.7, 0.01);
    // Mean residual life is E[S^2] / 2 E[S]: of a uniform part from a to b, E[S^2] = (a^2 + ab + b^2) / 3.
    let second = 0.1 * 1.0 + 0.4 * 7.0 / 3.0 + 0.5 * 124.0 / 3.0;
    assert_mean(
        &drawn(100_000, |stream| law.residual(stream)),
        second / 7.4,
        0.01,
    );
}

#[test]
fn points_that_are_no_quantiles_are_refused() {
    let refused = |points: &[(f64, f64)]| Quantiles::new(points.to_vec()).unwrap_err();
    assert_eq!(refused(&[(0.5, 1.0)]), QuantilesError::Few);
    assert_eq!(refused(&[(0.5, 1.0), (1.5, 2.0)]), QuantilesError::Range(1));
    assert_eq!(
        refused(&[(0.5, f64::NAN), (0.6, 2.0)]),
        QuantilesError::Range(0)
    );
    assert_eq!(refused(&[(0.5, 1.0), (0.5, 2.0)]), QuantilesError::Order(1));
    assert_eq!(refused(&[(0.5, 1.0), (0.6, 0.5)]), QuantilesError::Order(1));
    assert_eq!(refused(&[(0.5, 0.0), (0.6, 0.0)]), QuantilesError::Zero);
}

#[test]
fn lengths_are_rounded_up_to_whole_microseconds() {
    assert_eq!(
        [0.0, 0.2, 1.0, 1.2, f64::INFINITY].map(whole_us),
        [1, 1, 1, 2, u64::MAX]
    );
}
