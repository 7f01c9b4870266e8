//! Early values as a cheaper output that the final one follows.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use super::encoding::{Codes, Encoding, Feature, Kind};
use super::kernel::Look;
use super::observations::Observations;
use super::process::{Belief, GaussianProcess};
use crate::SearchSpace;

/// What is believed of the slope before any pair of values: its mean and its deviation. Both values
/// are standardised, so 1 would be perfect agreement.
const SLOPE: (f64, f64) = (0.8, 0.4);
/// How large the residual is believed to be beside the final value.
const RESIDUAL: f64 = 0.4;
/// The deviation of what is peculiar to an architecture and shows in the final value alone.
const NUGGET: f64 = 0.15;
/// The hyper-parameters of the early process are fitted to this many values at most.
const FITTED_EARLY: usize = 64;
/// Into how many steps early values are divided where they are a dimension of the residual.
const STEPS: usize = 64;

/// Values of one look, each with the number of its architecture in grid order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) indices: Vec<u64>,
    pub(crate) observations: Observations,
}

/// final(x) = ρ early(x) + δ(x, early(x)), with independent processes for the early value and for δ,
/// each with a covariance of its own.
///
/// The autoregressive model of Kennedy and O'Hagan, "Predicting the output from a complex computer
/// code when fast approximations are available" (2000), fitted one after the other (Le Gratiet and
/// Garnier, "Recursive co-kriging model for design of computer experiments with multiple levels of
/// fidelity", 2014), with the early value as one more input of δ for what is not linear between the
/// two (Perdikaris et al., "Nonlinear information fusion algorithms for data-efficient
/// multi-fidelity modelling", 2017).
///
/// What is peculiar to an architecture and no process explains shows in both values, so the final
/// one follows the early value as measured, and before it is measured its noise is uncertainty too.
#[derive(Debug, Clone)]
pub(crate) struct TwoLooks {
    early: GaussianProcess,
    /// The early values by grid number.
    looked_at: BTreeMap<u64, f64>,
    /// Over δ / [`RESIDUAL`].
    residual: GaussianProcess,
    scale: EarlyScale,
    /// ρ.
    slope: f64,
}

impl TwoLooks {
    /// Fits both processes; `None` where a covariance cannot be factored.
    pub(crate) fn fit(
        (encoding, space): (&Encoding, &SearchSpace),
        early: Sample,
        mut last: Sample,
        rng: &mut ChaCha8Rng,
    ) -> Option<Self> {
        let measured = early.observations.values.iter().copied();
        let looked_at: BTreeMap<u64, f64> = early.indices.iter().copied().zip(measured).collect();
        let early = GaussianProcess::fit_quickly(encoding, early.observations, FITTED_EARLY)?;
        let expected = early.predict(&encoding.codes(space, &last.indices));
        let value = |(index, belief): (&u64, Belief)| looked_at.get(index).copied().unwrap_or(belief.mean);
        let before: Vec<f64> = last.indices.iter().zip(expected).map(value).collect();
        let scale = EarlyScale::over(looked_at.values());
        for (point, &value) in last.observations.points.iter_mut().zip(&before) {
            point.push(scale.position(value));
        }
        let encoding = encoding.with(scale.feature());
        let mut fit =
            |slope| GaussianProcess::fit(&encoding, last.observations.rest(&before, slope, RESIDUAL), rng);
        let (mean, deviation) = SLOPE;
        let slope = mean + RESIDUAL * fit(mean)?.slope(&before, deviation / RESIDUAL);
        let residual = fit(slope)?;
        Some(Self { early, looked_at, residual, scale, slope })
    }

    /// The same, told to expect its own mean at more points (kriging believer).
    pub(crate) fn believe(
        mut self,
        (encoding, space): (&Encoding, &SearchSpace),
        indices: &[u64],
    ) -> Option<Self> {
        let point = |&index: &u64| encoding.point(space, index);
        let unseen: Vec<u64> =
            indices.iter().copied().filter(|index| !self.looked_at.contains_key(index)).collect();
        let codes = encoding.codes(space, &unseen);
        let expected = self.early.predict(&codes);
        self.early = self.early.believe(&unseen.iter().map(point).collect::<Vec<_>>(), &codes)?;
        self.looked_at.extend(unseen.into_iter().zip(expected.iter().map(|belief| belief.mean)));
        let position = |index: &u64| self.scale.position(self.looked_at[index]);
        let extended = |index: &u64| point(index).into_iter().chain([position(index)]).collect();
        let points: Vec<Vec<usize>> = indices.iter().map(extended).collect();
        let column = indices.iter().map(|index| position(index) as u32);
        self.residual = self.residual.believe(&points, &encoding.codes(space, indices).with(column))?;
        Some(self)
    }

    /// The final value's distribution at each point, given by its grid number and its codes.
    ///
    /// An uncertain early value counts as one deviation above or below its mean, either with
    /// probability one half; mean and variance are those of the mixture.
    pub(crate) fn predict(&self, indices: &[u64], codes: &Codes) -> Vec<Belief> {
        let noise = self.early.noise_variance(Look::Early);
        let value = |(index, belief): (&u64, Belief)| match self.looked_at.get(index) {
            Some(&measured) => Belief { mean: measured, deviation: 0.0 },
            None => Belief { deviation: (belief.deviation.powi(2) + noise).sqrt(), ..belief },
        };
        let before: Vec<Belief> = indices.iter().zip(self.early.predict(codes)).map(value).collect();
        let given = |side: f64| {
            self.given(before.iter().map(|early| early.mean + side * early.deviation).collect(), codes)
        };
        given(-1.0).into_iter().zip(given(1.0)).map(|(below, above)| mixture(below, above)).collect()
    }

    /// The final value's distribution at each point if its early value were this.
    fn given(&self, early: Vec<f64>, codes: &Codes) -> Vec<Belief> {
        let codes = codes.with(early.iter().map(|&value| self.scale.position(value) as u32));
        let follow = |(early, residual): (f64, Belief)| Belief {
            mean: self.slope * early + RESIDUAL * residual.mean,
            deviation: (RESIDUAL * residual.deviation).hypot(NUGGET),
        };
        early.into_iter().zip(self.residual.predict(&codes)).map(follow).collect()
    }
}

/// Either of two distributions with probability one half.
fn mixture(a: Belief, b: Belief) -> Belief {
    let mean = 0.5 * (a.mean + b.mean);
    let variance = |belief: Belief| belief.deviation.powi(2) + (belief.mean - mean).powi(2);
    Belief { mean, deviation: (0.5 * (variance(a) + variance(b))).sqrt() }
}

/// Early values as a numeric dimension with [`STEPS`] choices, its unit a standard deviation.
#[derive(Debug, Clone, Copy)]
struct EarlyScale {
    lowest: f64,
    step: f64,
}

impl EarlyScale {
    /// From half a deviation below the lowest value to half of one above the highest.
    fn over<'a>(values: impl Iterator<Item = &'a f64> + Clone) -> Self {
        let lowest = values.clone().copied().fold(f64::INFINITY, f64::min) - 0.5;
        let highest = values.copied().fold(f64::NEG_INFINITY, f64::max) + 0.5;
        Self { lowest, step: (highest - lowest) / (STEPS - 1) as f64 }
    }

    /// The nearest choice.
    fn position(self, value: f64) -> usize {
        (((value - self.lowest) / self.step).round().max(0.0) as usize).min(STEPS - 1)
    }

    fn feature(self) -> Feature {
        let distance = |cell: usize| (cell / STEPS).abs_diff(cell % STEPS) as f64 * self.step;
        Feature {
            kind: Kind::Numeric,
            // It is no dimension of the space: points and codes get it appended here.
            position: usize::MAX,
            choices: STEPS,
            squared_distances: (0..STEPS * STEPS).map(|cell| distance(cell).powi(2)).collect(),
            alphabet: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dimension;
    use rand_chacha::rand_core::SeedableRng;

    fn space() -> SearchSpace {
        let widths: Vec<i64> = (0..8).map(|power| 16 << power).collect();
        let heads: Vec<i64> = (0..6).map(|power| 1 << power).collect();
        SearchSpace::new(vec![
            Dimension::new("width", widths),
            Dimension::new("heads", heads),
            Dimension::new("activation", ["gelu", "relu"]),
        ])
        .unwrap()
    }

    /// An early value that jumps from point to point, and a final one that bends it and adds a little.
    fn values(index: u64) -> (f64, f64) {
        let jump = (index as f64 * 2.4).sin();
        let early = 0.03 * index as f64 - 1.4 + 0.6 * jump;
        (early, (0.8 * early).tanh() + if index.is_multiple_of(2) { 0.2 } else { 0.0 })
    }

    fn sample(encoding: &Encoding, indices: Vec<u64>, look: Look) -> Sample {
        let mut observations = Observations::default();
        for &index in &indices {
            let (early, last) = values(index);
            let value = if look == Look::Early { early } else { last };
            observations.push(encoding.point(&space(), index), look, value);
        }
        Sample { indices, observations }
    }

    fn fitted(encoding: &Encoding) -> TwoLooks {
        let early = sample(encoding, (0..96).filter(|index| index % 4 != 1).collect(), Look::Early);
        let last = sample(encoding, (0..96).step_by(5).filter(|index| index % 4 != 1).collect(), Look::Final);
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        TwoLooks::fit((encoding, &space()), early, last, rng).unwrap()
    }

    #[test]
    fn an_early_look_tells_most_of_the_final_value() {
        let encoding = Encoding::new(&space());
        let indices: Vec<u64> = (0..96).filter(|index| index % 5 != 0).collect();
        let beliefs = fitted(&encoding).predict(&indices, &encoding.codes(&space(), &indices));
        let seen = |seen: bool| {
            let asked = indices.iter().zip(&beliefs).filter(move |(index, _)| (*index % 4 != 1) == seen);
            let errors: Vec<(f64, f64)> = asked
                .map(|(&index, belief)| ((belief.mean - values(index).1).powi(2), belief.deviation))
                .collect();
            let count = errors.len() as f64;
            let error = (errors.iter().map(|(square, _)| square).sum::<f64>() / count).sqrt();
            (error, errors.iter().map(|(_, deviation)| deviation).sum::<f64>() / count)
        };
        let ((looked_at, sure), (unseen, unsure)) = (seen(true), seen(false));
        assert!(looked_at < 0.15 && looked_at < 0.6 * unseen, "{looked_at} against {unseen}");
        assert!(sure < 0.6 * unsure, "{sure} against {unsure}");
    }

    #[test]
    fn assumed_points_keep_the_mean_and_lose_the_uncertainty() {
        let encoding = Encoding::new(&space());
        let looks = fitted(&encoding);
        let at = [1, 5, 2];
        let codes = encoding.codes(&space(), &at);
        let before = looks.predict(&at, &codes);
        let after = looks.believe((&encoding, &space()), &at).unwrap().predict(&at, &codes);
        for (before, after) in before.iter().zip(&after) {
            assert!((before.mean - after.mean).abs() < 0.5 * before.deviation, "{before:?} {after:?}");
            assert!(after.deviation < before.deviation, "{before:?} {after:?}");
        }
    }
}
