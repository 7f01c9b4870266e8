//! How far two measurements agree on an order.

use std::cmp::Ordering;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// How often the pairs are drawn again for an interval.
const RESAMPLES: usize = 1000;

/// A value with the interval that holds 95 % of what the same number of pairs may give (percentile bootstrap:
/// Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value of the pairs themselves.
    pub value: f64,
    /// 2.5 % of the resamples are below this.
    pub low: f64,
    /// 2.5 % of the resamples are above this.
    pub high: f64,
}

/// How far an early measurement ranks architectures as the final one does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankAgreement {
    /// How many architectures have both.
    pub pairs: usize,
    /// Spearman's ρ.
    pub spearman: Interval,
    /// Kendall's τ-b.
    pub kendall: Interval,
}

impl RankAgreement {
    /// From paired values; the resamples are drawn with a fixed seed. `None` where either correlation is undefined.
    pub fn of(early: &[f64], last: &[f64]) -> Option<Self> {
        let (early, last) = paired(early, last);
        let pairs = early.len();
        let interval = |correlation: fn(&[f64], &[f64]) -> Option<f64>| {
            let value = correlation(&early, &last)?;
            let mut rng = ChaCha8Rng::from_seed(*b"autodistillation rank agreement ");
            let resample = |_| {
                let drawn: Vec<usize> = (0..pairs).map(|_| rng.random_range(0..pairs)).collect();
                let of = |values: &[f64]| drawn.iter().map(|&at| values[at]).collect::<Vec<_>>();
                correlation(&of(&early), &of(&last))
            };
            let mut values: Vec<f64> = (0..RESAMPLES).filter_map(resample).collect();
            values.sort_by(f64::total_cmp);
            let quantile = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
            (!values.is_empty()).then(|| Interval { value, low: quantile(0.025), high: quantile(0.975) })
        };
        Some(Self { pairs, spearman: interval(spearman)?, kendall: interval(kendall)? })
    }
}

/// Spearman's ρ: Pearson's correlation of the ranks, ties sharing their mean rank.
///
/// Pairs with a NaN are left out. `None` with fewer than two pairs or where one side is constant.
///
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = paired(a, b);
    pearson(&ranks(&a), &ranks(&b))
}

/// Kendall's τ-b, which corrects for ties on either side, in O(n²).
///
/// Pairs with a NaN are left out. `None` with fewer than two pairs or where one side is constant.
pub fn kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = paired(a, b);
    let (mut agreement, mut untied_a, mut untied_b) = (0.0, 0.0, 0.0);
    for i in 0..a.len() {
        for j in 0..i {
            let (sign_a, sign_b) = (sign(a[i], a[j]), sign(b[i], b[j]));
            agreement += sign_a * sign_b;
            untied_a += sign_a.abs();
            untied_b += sign_b.abs();
        }
    }
    let scale = f64::sqrt(untied_a * untied_b);
    (scale > 0.0).then(|| agreement / scale)
}

fn paired(a: &[f64], b: &[f64]) -> (Vec<f64>, Vec<f64>) {
    a.iter().zip(b).filter(|(a, b)| !a.is_nan() && !b.is_nan()).map(|(a, b)| (*a, *b)).unzip()
}

fn sign(a: f64, b: f64) -> f64 {
    match a.partial_cmp(&b) {
        Some(Ordering::Greater) => 1.0,
        Some(Ordering::Less) => -1.0,
        _ => 0.0,
    }
}

/// Ranks from 1; equal values share the mean of their ranks.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let tied = order[start..].iter().take_while(|&&at| values[at] == values[order[start]]).count();
        let mean_rank = start as f64 + (tied + 1) as f64 / 2.0;
        for &at in &order[start..start + tied] {
            ranks[at] = mean_rank;
        }
        start += tied;
    }
    ranks
}

fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let count = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / count, b.iter().sum::<f64>() / count);
    let covariance: f64 = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum();
    let spread = |values: &[f64], mean: f64| values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let scale = (spread(a, mean_a) * spread(b, mean_b)).sqrt();
    (scale > 0.0).then(|| covariance / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_share_their_mean_rank() {
        // By hand: 7.25 / 9.5, and (7 − 1) / 9 over the ten pairs.
        let (a, b) = ([1.0, 2.0, 2.0, 4.0, 5.0], [2.0, 1.0, 3.0, 3.0, 5.0]);
        assert!((spearman(&a, &b).unwrap() - 0.763_157_894_736_842).abs() < 1e-12);
        assert!((kendall(&a, &b).unwrap() - 0.666_666_666_666_666_7).abs() < 1e-12);
    }

    #[test]
    fn undefined_where_nothing_varies() {
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(kendall(&[1.0, 2.0], &[3.0, 3.0]), None);
        assert_eq!(spearman(&[], &[]), None);
        assert_eq!(kendall(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    }

    #[test]
    fn more_pairs_make_the_interval_narrower_around_the_value() {
        let noisy = |count: usize| {
            let early: Vec<f64> = (0..count).map(|at| at as f64).collect();
            let last: Vec<f64> =
                (0..count).map(|at| at as f64 + 0.4 * count as f64 * ((at * 7) as f64).sin()).collect();
            RankAgreement::of(&early, &last).unwrap()
        };
        let (few, many) = (noisy(10), noisy(200));
        for interval in [few.spearman, few.kendall, many.spearman, many.kendall] {
            assert!(interval.low < interval.value && interval.value < interval.high, "{interval:?}");
        }
        assert!(many.spearman.high - many.spearman.low < 0.5 * (few.spearman.high - few.spearman.low));
        assert_eq!(few, noisy(10), "the same pairs give the same interval");
        assert_eq!(RankAgreement::of(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    proptest! {
        #[test]
        fn a_monotone_change_of_scale_changes_nothing(
            pairs in prop::collection::vec((-3.0..3.0f64, -3.0..3.0f64), 3..20)
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let scaled: Vec<f64> = a.iter().map(|v| v.exp()).collect();
            for correlation in [spearman, kendall] {
                let (plain, changed) = (correlation(&a, &b), correlation(&scaled, &b));
                prop_assert!((plain.unwrap() - changed.unwrap()).abs() < 1e-12);
                prop_assert!((correlation(&a, &a).unwrap() - 1.0).abs() < 1e-12);
                let mirrored: Vec<f64> = b.iter().map(|v| -v).collect();
                prop_assert!((correlation(&a, &mirrored).unwrap() + plain.unwrap()).abs() < 1e-12);
            }
        }
    }
}
