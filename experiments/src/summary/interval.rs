//! Mean and 95 % confidence interval of a metric over networks.
//!
//! Networks are independent and identically distributed, so the interval is Student's: the mean plus or minus `t · s /
//! √n`, with `s` the sample's standard deviation and `t` the 97.5 % quantile of n - 1 degrees of freedom. Values come
//! in the order of networks, and Welford's recurrence sums them, so the result has the same bits on every machine.

/// 97.5 % quantiles of Student's t for 1, 2, .. degrees of freedom.
const QUANTILES: [f64; 12] = [
    12.706_204_736_2,
    4.302_652_729_7,
    3.182_446_305_3,
    2.776_445_105_2,
    2.570_581_835_6,
    2.446_911_851_1,
    2.364_624_251_6,
    2.306_004_135_2,
    2.262_157_162_8,
    2.228_138_852_0,
    2.200_985_160_1,
    2.178_812_829_7,
];
/// 97.5 % quantile of the normal distribution, and the coefficients of 1/n, 1/n², .. of the expansion of Student's
/// around it (Abramowitz and Stegun 26.7.5).
const EXPANSION: [f64; 5] = [
    1.959_963_984_540,
    2.372_271_230_0,
    2.822_499_0,
    2.555_850,
    1.589_534,
];

/// Accumulates the values of a metric over networks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OverNetworks {
    count: u64,
    mean: f64,
    /// Sum of squared differences from the mean.
    squares: f64,
}

impl OverNetworks {
    /// Adds the value of a network.
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Returns the number of networks that have a value.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the mean, if there is a value.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Returns half the width of the 95 % confidence interval around the mean, if there are at least two values.
    pub(crate) fn half_width(&self) -> Option<f64> {
        let freedom = self.count.checked_sub(2)? + 1;
        let variance = self.squares / freedom as f64;
        Some(quantile(freedom) * (variance / self.count as f64).sqrt())
    }
}

/// Returns the 97.5 % quantile of Student's t, with a relative error below a millionth.
fn quantile(freedom: u64) -> f64 {
    let small = usize::try_from(freedom - 1).ok();
    if let Some(known) = small.and_then(|place| QUANTILES.get(place)) {
        return *known;
    }
    let inverse = 1.0 / freedom as f64;
    let terms = EXPANSION.iter().rev();
    terms.fold(0.0, |sum, coefficient| sum * inverse + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As scipy's `t.ppf(0.975, n)`.
    #[test]
    fn quantiles_are_those_of_the_books() {
        for (freedom, known) in [
            (1, 12.706_204_736_2),
            (12, 2.178_812_829_7),
            (13, 2.160_368_656_5),
            (14, 2.144_786_687_9),
            (20, 2.085_963_447_3),
            (30, 2.042_272_456_3),
            (99, 1.984_216_951_6),
            (999, 1.962_341_461_1),
            (u64::MAX, 1.959_963_984_5),
        ] {
            let off = quantile(freedom) / known - 1.0;
            assert!(off.abs() < 1e-6, "{freedom}: {off}");
        }
    }

    #[test]
    fn a_sample_has_the_interval_that_a_table_gives() {
        // Mean 3, variance 2.5, t of 4 degrees of freedom 2.776.
        let mut values = OverNetworks::default();
        (1..=5).for_each(|value| values.add(f64::from(value)));
        assert_eq!(values.mean(), Some(3.0));
        let half = values.half_width().unwrap();
        assert!((half - 2.776_445_1 * 0.5_f64.sqrt()).abs() < 1e-6, "{half}");
    }

    #[test]
    fn one_value_has_no_interval_and_equal_ones_none_of_a_width() {
        let mut values = OverNetworks::default();
        assert_eq!((values.mean(), values.half_width()), (None, None));
        values.add(0.1);
        assert_eq!((values.mean(), values.half_width()), (Some(0.1), None));
        values.add(0.1);
        assert_eq!(values.half_width(), Some(0.0));
    }
}
