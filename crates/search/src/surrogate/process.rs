//! The Gaussian process itself: fitted to trials, extended by assumptions, asked about the rest.

use std::ops::Range;

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::solvers::Solve;
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Accum, Col, Mat, Par};
use rand_chacha::ChaCha8Rng;

use super::encoding::{Codes, Encoding};
use super::fit;
use super::kernel::{KernelTables, Look, Part};
use super::likelihood;
use super::observations::Observations;

/// How many points are predicted together, so that the work is a product of matrices.
const BATCH: usize = 512;

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
    groups: Vec<Range<usize>>,
    observations: Observations,
    /// What is predicted: final values, or early ones where no others were observed.
    target: Look,
    /// For each observation and group, what the group contributes to the covariance with every
    /// combination of its choices.
    rows: Vec<Vec<Vec<Part>>>,
    /// For each group, how often every combination of its choices has each word, as the tables weigh them.
    word_counts: Vec<Vec<Vec<f64>>>,
    /// K⁻¹ y.
    weights: Col<f64>,
    /// L⁻¹ where K = L Lᵀ.
    inverse_factor: Mat<f64>,
}

impl GaussianProcess {
    /// Fits hyper-parameters and conditions on the observations; `None` where the covariance
    /// cannot be factored.
    pub(crate) fn fit(encoding: &Encoding, observations: Observations, rng: &mut ChaCha8Rng) -> Option<Self> {
        let parameters = fit::fit(encoding, &observations, rng)?;
        Self::condition(KernelTables::new(encoding, &parameters), encoding.groups.clone(), observations)
    }

    /// As [`Self::fit`], from the prior's centre alone and on at most `most` of the observations.
    pub(crate) fn fit_quickly(encoding: &Encoding, observations: Observations, most: usize) -> Option<Self> {
        let parameters = fit::fit_from_centre(encoding, &observations.thinned(most))?;
        Self::condition(KernelTables::new(encoding, &parameters), encoding.groups.clone(), observations)
    }

    /// The slope of the values along a regressor (one number an observation), by generalised least
    /// squares under a normal prior of mean 0 and this deviation.
    pub(crate) fn slope(&self, regressor: &[f64], deviation: f64) -> f64 {
        let regressor = &self.inverse_factor * Col::from_fn(regressor.len(), |at| regressor[at]);
        let values = &self.inverse_factor * self.observations.column();
        (regressor.transpose() * &values) / (regressor.transpose() * &regressor + deviation.powi(-2))
    }

    /// The variance of what a measurement adds.
    pub(crate) fn noise_variance(&self, look: Look) -> f64 {
        self.tables.noise_variance(look)
    }

    pub(super) fn condition(
        tables: KernelTables,
        groups: Vec<Range<usize>>,
        observations: Observations,
    ) -> Option<Self> {
        let factor = likelihood::factor(&tables, &observations)?;
        let weights = factor.solve(&observations.column());
        let mut inverse_factor = Mat::zeros(observations.len(), observations.len());
        invert_lower_triangular(inverse_factor.as_mut(), factor.L(), Par::Seq);
        let row =
            |point: &Vec<usize>| groups.iter().map(|group| tables.parts(group.clone(), point)).collect();
        let rows = observations.points.iter().map(row).collect();
        let word_counts = groups.iter().map(|group| tables.word_counts(group.clone())).collect();
        let target = if observations.looks.contains(&Look::Final) { Look::Final } else { Look::Early };
        Some(Self { tables, groups, observations, target, rows, word_counts, weights, inverse_factor })
    }

    /// The same process, told to expect its own mean at more points (kriging believer): the means
    /// stay, the uncertainty around the points goes.
    pub(crate) fn believe(&self, points: &[Vec<usize>], codes: &Codes) -> Option<Self> {
        if points.is_empty() {
            return Some(self.clone());
        }
        let mut observations = self.observations.clone();
        for (point, belief) in points.iter().zip(self.predict(codes)) {
            observations.push(point.clone(), self.target, belief.mean);
        }
        Self::condition(self.tables.clone(), self.groups.clone(), observations)
    }

    /// The noiseless value's distribution at each point.
    pub(crate) fn predict(&self, codes: &Codes) -> Vec<Belief> {
        let starts = (0..codes.points).step_by(BATCH);
        starts.flat_map(|start| self.predict_batch(codes, start..codes.points.min(start + BATCH))).collect()
    }

    fn predict_batch(&self, codes: &Codes, batch: Range<usize>) -> Vec<Belief> {
        let cross = self.cross_covariance(codes, batch.clone());
        let means = &cross * &self.weights;
        // (points, observations)
        let mut explained = Mat::zeros(cross.nrows(), cross.ncols());
        triangular::matmul(
            explained.as_mut(),
            BlockStructure::Rectangular,
            Accum::Replace,
            cross.as_ref(),
            BlockStructure::Rectangular,
            self.inverse_factor.transpose(),
            BlockStructure::TriangularUpper,
            1.0,
            Par::Seq,
        );
        let mut variances: Vec<f64> =
            batch.map(|at| self.tables.diagonal() + self.variance_by_words(codes, at)).collect();
        for column in explained.col_iter() {
            for (variance, share) in variances.iter_mut().zip(column.iter()) {
                *variance -= share * share;
            }
        }
        let belief =
            |(mean, variance): (&f64, f64)| Belief { mean: *mean, deviation: variance.max(1e-12).sqrt() };
        means.iter().zip(variances).map(belief).collect()
    }

    /// What the words that dimensions share add to the variance of a point before any observation.
    fn variance_by_words(&self, codes: &Codes, at: usize) -> f64 {
        let counts = || self.word_counts.iter().zip(&codes.columns);
        let words = self.word_counts.first().and_then(|group| group.first()).map_or(0, Vec::len);
        let of =
            |word: usize| counts().map(|(counts, column)| counts[column[at] as usize][word]).sum::<f64>();
        (0..words).map(|word| of(word).powi(2)).sum()
    }

    /// (points, observations)
    fn cross_covariance(&self, codes: &Codes, batch: Range<usize>) -> Mat<f64> {
        let mut cross = Mat::zeros(batch.len(), self.observations.len());
        let columns: Vec<&[u32]> = codes.columns.iter().map(|column| &column[batch.clone()]).collect();
        for ((target, row), &look) in cross.col_iter_mut().zip(&self.rows).zip(&self.observations.looks) {
            let agreement = self.tables.agreement(look, self.target);
            for (at, value) in target.iter_mut().enumerate() {
                let parts = row.iter().zip(&columns).map(|(parts, column)| parts[column[at] as usize]);
                *value = agreement * self.tables.combine(parts.fold(Part::EMPTY, Part::with));
            }
        }
        cross
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dimension, SearchSpace};
    use rand_chacha::rand_core::SeedableRng;

    struct Fitted {
        process: GaussianProcess,
        codes: Codes,
        points: Vec<Vec<usize>>,
        values: Vec<f64>,
    }

    fn fitted(observed: impl Fn(usize) -> bool) -> Fitted {
        let widths: Vec<i64> = (0..8).map(|power| 16 << power).collect();
        let space = SearchSpace::new(vec![
            Dimension::new("width", widths),
            Dimension::new("activation", ["gelu", "relu"]),
        ])
        .unwrap();
        let encoding = Encoding::new(&space);
        let points: Vec<Vec<usize>> = (0..16).map(|index| encoding.point(&space, index)).collect();
        let codes = encoding.codes(&space, &(0..16).collect::<Vec<_>>());
        let values: Vec<f64> =
            points.iter().map(|point| (point[0] as f64 / 2.5).sin() + 0.7 * point[1] as f64 - 0.5).collect();
        let mut observations = Observations::default();
        for at in (0..16).filter(|&at| observed(at)) {
            observations.push(points[at].clone(), Look::Final, values[at]);
        }
        let process =
            GaussianProcess::fit(&encoding, observations, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        Fitted { process, codes, points, values }
    }

    #[test]
    fn predictions_interpolate_a_smooth_function_within_their_own_uncertainty() {
        let Fitted { process, codes, values, .. } = fitted(|at| at % 3 != 1);
        for (belief, (at, value)) in process.predict(&codes).iter().zip(values.iter().enumerate()) {
            assert!((belief.mean - value).abs() < 0.3, "point {at}: {belief:?} against {value}");
            assert!(
                (belief.mean - value).abs() < 4.0 * belief.deviation + 1e-3,
                "point {at}: {belief:?}, {value}"
            );
        }
    }

    #[test]
    fn without_observations_nearby_the_deviation_is_that_of_the_kernel() {
        let operation = |name: &str| Dimension::new(name, ["conv", "pool", "skip"]);
        let space = SearchSpace::new(vec![operation("first"), operation("second")]).unwrap();
        let encoding = Encoding::new(&space);
        let all: Vec<u64> = (0..9).collect();
        let codes = encoding.codes(&space, &all);
        let tables = KernelTables::new(
            &encoding,
            &encoding.layout().priors().iter().map(|prior| prior.mean).collect::<Vec<_>>(),
        );
        let mut observations = Observations::default();
        observations.push(encoding.point(&space, 0), Look::Final, 0.0);
        let noisy = tables.noise_variance(Look::Final);
        let process =
            GaussianProcess::condition(tables.clone(), encoding.groups.clone(), observations).unwrap();
        for (belief, &index) in process.predict(&codes).iter().zip(&all) {
            let (here, origin) = (encoding.point(&space, index), encoding.point(&space, 0));
            let seen =
                tables.covariance(&origin, &here).powi(2) / (tables.covariance(&origin, &origin) + noisy);
            let expected = tables.covariance(&here, &here) - seen;
            assert!(
                (belief.deviation.powi(2) - expected).abs() < 1e-9,
                "point {index}: {belief:?}, {expected}"
            );
        }
    }

    #[test]
    fn assumed_points_keep_the_mean_and_lose_the_uncertainty() {
        let Fitted { process, codes, points, .. } = fitted(|at| at < 6);
        let one = Codes { columns: codes.columns.iter().map(|column| vec![column[14]]).collect(), points: 1 };
        let believing = process.believe(&points[14..15], &one).unwrap();
        let (before, after) = (process.predict(&codes)[14], believing.predict(&codes)[14]);
        assert!((before.mean - after.mean).abs() < 1e-2 * before.deviation);
        assert!(after.deviation < 0.5 * before.deviation, "{before:?} {after:?}");
    }
}
