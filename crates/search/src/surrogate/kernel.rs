//! The covariance of the surrogate, tabulated over the choices.

use super::encoding::{Encoding, Feature, Kind};

/// The hyper-parameters as logarithms, in the order: one length scale and one main-effect variance
/// a feature, then the variance of the joint effect, then the variance of the noise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) features: usize,
}

/// Gaussian priors on the logarithms: where each lies and how far it may stray.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prior {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
}

/// The variance of the unknown mean; outputs are standardised, so 1 is already generous.
const CONSTANT_VARIANCE: f64 = 1.0;
/// Keeps matrices regular even where the noise is estimated as nothing.
const LEAST_NOISE: f64 = 1e-6;

impl Layout {
    pub(crate) fn len(self) -> usize {
        2 * self.features + 2
    }

    pub(crate) fn length_scale(self, feature: usize) -> usize {
        feature
    }

    pub(crate) fn main_effect(self, feature: usize) -> usize {
        self.features + feature
    }

    pub(crate) fn joint_effect(self) -> usize {
        2 * self.features
    }

    pub(crate) fn noise(self) -> usize {
        2 * self.features + 1
    }

    /// Log-normal priors: length scales grow with the square root of the number of features, so
    /// that prior correlations do not vanish in many dimensions; main effects share a variance of
    /// one half; the noise is small but not excluded.
    pub(crate) fn priors(self) -> Vec<Prior> {
        let count = self.features.max(1) as f64;
        let mut priors = vec![Prior { mean: 0.5 * count.ln(), deviation: 1.0 }; self.features];
        priors.extend(vec![Prior { mean: (0.5 / count).ln(), deviation: 1.5 }; self.features]);
        priors.push(Prior { mean: 0.5f64.ln(), deviation: 1.0 });
        priors.push(Prior { mean: 1e-3f64.ln(), deviation: 1.5 });
        priors
    }
}

/// k(x, x′) = c + Σ_d a_d κ_d(x_d, x′_d) + s · M(Σ_d (x_d − x′_d)² / ℓ_d²) as tables over choices.
///
/// M is the Matérn 5/2 correlation as a function of the squared distance. κ_d is the same for a
/// numeric dimension and overlap (1 where equal, else 0) for a categorical one, whose squared
/// distance in the joint term is 0 or 1 over ℓ_d²: a Hamming distance with a weight a dimension.
#[derive(Debug, Clone)]
pub(crate) struct KernelTables {
    features: Vec<FeatureTables>,
    pub(crate) joint_variance: f64,
    pub(crate) noise_variance: f64,
    diagonal: f64,
}

/// All (choices, choices), row-major.
#[derive(Debug, Clone)]
pub(crate) struct FeatureTables {
    choices: usize,
    scaled_distances: Vec<f64>,
    main_effects: Vec<f64>,
    /// The main effects' derivative by the logarithm of the length scale.
    main_effect_slopes: Vec<f64>,
}

impl KernelTables {
    pub(crate) fn new(encoding: &Encoding, parameters: &[f64]) -> Self {
        let layout = Layout { features: encoding.features.len() };
        let tabulate = |(at, feature): (usize, &Feature)| {
            let length_scale = parameters[layout.length_scale(at)].exp();
            FeatureTables::new(feature, length_scale, parameters[layout.main_effect(at)].exp())
        };
        let features: Vec<FeatureTables> = encoding.features.iter().enumerate().map(tabulate).collect();
        let joint_variance = parameters[layout.joint_effect()].exp();
        let main: f64 = features.iter().map(|feature| feature.main_effects[0]).sum();
        Self {
            diagonal: CONSTANT_VARIANCE + main + joint_variance,
            noise_variance: LEAST_NOISE + parameters[layout.noise()].exp(),
            features,
            joint_variance,
        }
    }

    /// k(x, x), the same for every x.
    pub(crate) fn diagonal(&self) -> f64 {
        self.diagonal
    }

    /// k(x, x′) without noise.
    pub(crate) fn covariance(&self, a: &[usize], b: &[usize]) -> f64 {
        let (mut distance, mut main) = (0.0, CONSTANT_VARIANCE);
        for (feature, (&a, &b)) in self.features.iter().zip(a.iter().zip(b)) {
            let cell = a * feature.choices + b;
            distance += feature.scaled_distances[cell];
            main += feature.main_effects[cell];
        }
        main + self.joint_variance * matern(distance)
    }

    /// Adds `weight` · ∂k(x, x′)/∂(log hyper-parameter) to every entry of `gradient` but the noise's.
    pub(crate) fn add_gradient(&self, a: &[usize], b: &[usize], weight: f64, gradient: &mut [f64]) {
        let layout = Layout { features: self.features.len() };
        let cells =
            self.features.iter().zip(a.iter().zip(b)).map(|(feature, (&a, &b))| a * feature.choices + b);
        let distance: f64 = self
            .features
            .iter()
            .zip(cells.clone())
            .map(|(feature, cell)| feature.scaled_distances[cell])
            .sum();
        let slope = weight * self.joint_variance * matern_slope(distance);
        for (at, (feature, cell)) in self.features.iter().zip(cells).enumerate() {
            // The scaled distance goes as ℓ⁻², so its derivative by log ℓ is −2 times itself.
            gradient[layout.length_scale(at)] +=
                -2.0 * feature.scaled_distances[cell] * slope + weight * feature.main_effect_slopes[cell];
            gradient[layout.main_effect(at)] += weight * feature.main_effects[cell];
        }
        gradient[layout.joint_effect()] += weight * self.joint_variance * matern(distance);
    }

    /// The noise variance's derivative by its logarithm.
    pub(crate) fn noise_slope(&self) -> f64 {
        self.noise_variance - LEAST_NOISE
    }
}

impl FeatureTables {
    fn new(feature: &Feature, length_scale: f64, variance: f64) -> Self {
        let scaled = |distance: &f64| distance / length_scale.powi(2);
        let scaled_distances: Vec<f64> = feature.squared_distances.iter().map(scaled).collect();
        let (main_effects, main_effect_slopes) = match feature.kind {
            Kind::Numeric => scaled_distances
                .iter()
                .map(|&distance| {
                    (variance * matern(distance), variance * matern_slope(distance) * -2.0 * distance)
                })
                .unzip(),
            Kind::Categorical => {
                feature.squared_distances.iter().map(|distance| (variance * (1.0 - distance), 0.0)).unzip()
            }
        };
        Self { choices: feature.choices, scaled_distances, main_effects, main_effect_slopes }
    }
}

/// Matérn 5/2 of a squared distance: (1 + √5 r + 5 r²/3) exp(−√5 r).
fn matern(squared_distance: f64) -> f64 {
    let scaled = (5.0 * squared_distance).sqrt();
    (1.0 + scaled + scaled * scaled / 3.0) * (-scaled).exp()
}

/// Its derivative by the squared distance: −5/6 (1 + √5 r) exp(−√5 r).
fn matern_slope(squared_distance: f64) -> f64 {
    let scaled = (5.0 * squared_distance).sqrt();
    -5.0 / 6.0 * (1.0 + scaled) * (-scaled).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_the_matern_is_its_derivative() {
        for distance in [1e-3, 0.1, 1.0, 9.0] {
            let step = 1e-6 * distance;
            let numeric = (matern(distance + step) - matern(distance - step)) / (2.0 * step);
            assert!((numeric - matern_slope(distance)).abs() < 1e-6 * matern_slope(distance).abs());
        }
        assert_eq!(matern(0.0), 1.0);
    }
}
