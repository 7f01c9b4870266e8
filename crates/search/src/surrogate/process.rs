//! The Gaussian process itself: fitted to trials, extended by assumptions, asked about the rest.

use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha8Rng;

use super::encoding::Encoding;
use super::fit;
use super::kernel::KernelTables;
use super::likelihood;

/// How many points are predicted together, so that the work is a product of matrices.
const BATCH: usize = 512;

/// Encoded points and their values, standardised.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observations {
    pub(crate) points: Vec<Vec<usize>>,
    pub(crate) values: Vec<f64>,
}

/// A normal distribution of the noiseless value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Belief {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
}

/// A Gaussian process conditioned on observations.
#[derive(Debug, Clone)]
pub(crate) struct GaussianProcess {
    tables: KernelTables,
    observations: Observations,
    /// K⁻¹ y.
    weights: DVector<f64>,
    /// L⁻¹ where K = L Lᵀ.
    inverse_factor: DMatrix<f64>,
}

impl GaussianProcess {
    /// Fits hyper-parameters and conditions on the observations; `None` where the covariance
    /// cannot be factored.
    pub(crate) fn fit(encoding: &Encoding, observations: Observations, rng: &mut ChaCha8Rng) -> Option<Self> {
        let parameters = fit::fit(encoding, &observations, rng)?;
        Self::condition(KernelTables::new(encoding, &parameters), observations)
    }

    fn condition(tables: KernelTables, observations: Observations) -> Option<Self> {
        let factor = likelihood::factor(&tables, &observations.points)?;
        let weights = factor.solve(&DVector::from_column_slice(&observations.values));
        let count = observations.points.len();
        let inverse_factor = factor.l().solve_lower_triangular(&DMatrix::identity(count, count))?;
        Some(Self { tables, observations, weights, inverse_factor })
    }

    /// The same process, told to expect its own mean at more points (kriging believer): the means
    /// stay, the uncertainty around the points goes.
    pub(crate) fn believe(&self, points: &[Vec<usize>]) -> Option<Self> {
        if points.is_empty() {
            return Some(self.clone());
        }
        let mut observations = self.observations.clone();
        observations.values.extend(self.predict(points).into_iter().map(|belief| belief.mean));
        observations.points.extend_from_slice(points);
        Self::condition(self.tables.clone(), observations)
    }

    /// The noiseless value's distribution at each point.
    pub(crate) fn predict(&self, points: &[Vec<usize>]) -> Vec<Belief> {
        points.chunks(BATCH).flat_map(|batch| self.predict_batch(batch)).collect()
    }

    fn predict_batch(&self, points: &[Vec<usize>]) -> Vec<Belief> {
        let known = &self.observations.points;
        // (observations, points)
        let cross = DMatrix::from_fn(known.len(), points.len(), |row, column| {
            self.tables.covariance(&known[row], &points[column])
        });
        let means = cross.tr_mul(&self.weights);
        let explained = &self.inverse_factor * cross;
        let belief = |(mean, column): (&f64, usize)| {
            let variance = self.tables.diagonal() - explained.column(column).norm_squared();
            Belief { mean: *mean, deviation: variance.max(1e-12).sqrt() }
        };
        means.iter().zip(0..points.len()).map(belief).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dimension, SearchSpace};
    use rand_chacha::rand_core::SeedableRng;

    fn fitted(observed: impl Fn(usize) -> bool) -> (GaussianProcess, Vec<Vec<usize>>, Vec<f64>) {
        let widths: Vec<i64> = (0..8).map(|power| 16 << power).collect();
        let space = SearchSpace::new(vec![
            Dimension::new("width", widths),
            Dimension::new("activation", ["gelu", "relu"]),
        ])
        .unwrap();
        let encoding = Encoding::new(&space);
        let points: Vec<Vec<usize>> = (0..16).map(|index| encoding.point(&space, index)).collect();
        let values: Vec<f64> =
            points.iter().map(|point| (point[0] as f64 / 2.5).sin() + 0.7 * point[1] as f64 - 0.5).collect();
        let (seen, seen_values) =
            (0..16).filter(|&at| observed(at)).map(|at| (points[at].clone(), values[at])).unzip();
        let observations = Observations { points: seen, values: seen_values };
        let process =
            GaussianProcess::fit(&encoding, observations, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        (process, points, values)
    }

    #[test]
    fn predictions_interpolate_a_smooth_function_within_their_own_uncertainty() {
        let (process, points, values) = fitted(|at| at % 3 != 1);
        for (belief, (at, value)) in process.predict(&points).iter().zip(values.iter().enumerate()) {
            assert!((belief.mean - value).abs() < 0.3, "point {at}: {belief:?} against {value}");
            assert!(
                (belief.mean - value).abs() < 4.0 * belief.deviation + 1e-3,
                "point {at}: {belief:?}, {value}"
            );
        }
    }

    #[test]
    fn assumed_points_keep_the_mean_and_lose_the_uncertainty() {
        let (process, points, _) = fitted(|at| at < 6);
        let believing = process.believe(&points[14..15]).unwrap();
        let (before, after) = (process.predict(&points)[14], believing.predict(&points)[14]);
        assert!((before.mean - after.mean).abs() < 1e-2 * before.deviation);
        assert!(after.deviation < 0.5 * before.deviation, "{before:?} {after:?}");
    }
}
