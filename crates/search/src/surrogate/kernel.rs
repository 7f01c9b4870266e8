//! The covariance of the surrogate, tabulated over the choices.

use super::encoding::{Encoding, Feature, Kind};
use super::parameters::Layout;

/// The variance of the unknown mean; outputs are standardised, so 1 is already generous.
const CONSTANT_VARIANCE: f64 = 1.0;
/// Keeps matrices regular even where the noise is estimated as nothing.
const LEAST_NOISE: f64 = 1e-6;

/// Which of two correlated outputs a value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The value after the whole training.
    Final,
    /// The cheaper value on the way there.
    Early,
}

/// k(x, x′) = c + Σ_d z_d + p Σ_{d<e} z_d z_e + s Π_d m_d + b Σ_{d,e} [x_d = x′_e], as tables over choices.
///
/// z_d = a_d κ_d is the main effect of one dimension, the second sum the interaction of pairs
/// (Duvenaud et al., "Additive Gaussian Processes", 2011), the product the joint effect of all.
/// κ_d and m_d are Matérn 5/2 correlations with length scale ℓ_d for a numeric dimension; for a
/// categorical one, κ_d is overlap (1 where equal, else 0) and m_d is 1 where equal, else
/// exp(−1/ℓ_d²). The last sum is over the dimensions of one alphabet: a word adds the same wherever it stands, beside what
/// it adds in one place, so that few trials tell of every place (a hierarchical prior on main effects). Two looks at different outputs have ρ times that covariance (the intrinsic model of
/// coregionalisation: Bonilla et al., "Multi-task Gaussian Process Prediction", 2007).
#[derive(Debug, Clone)]
pub(crate) struct KernelTables {
    layout: Layout,
    features: Vec<FeatureTables>,
    /// b of each alphabet.
    words: Vec<f64>,
    pair_strength: f64,
    joint_variance: f64,
    correlation: f64,
    noise_variances: [f64; 2],
    /// k(x, x) without the words, the same for every x.
    diagonal: f64,
}

/// All (choices, choices), row-major.
#[derive(Debug, Clone)]
struct FeatureTables {
    choices: usize,
    alphabet: Option<usize>,
    cells: Vec<Cell>,
}

/// What one dimension contributes for a pair of choices.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// z.
    main: f64,
    /// ∂z / ∂ log ℓ.
    main_slope: f64,
    /// m.
    joint: f64,
    /// ∂ log m / ∂ log ℓ.
    joint_log_slope: f64,
}

/// What several dimensions contribute together for a pair of choices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Σ z.
    main: f64,
    /// Σ z².
    square: f64,
    /// Π m.
    joint: f64,
    /// Σ b [x_d = x′_e].
    words: f64,
}

impl KernelTables {
    pub(crate) fn new(encoding: &Encoding, parameters: &[f64]) -> Self {
        let layout = encoding.layout();
        let tabulate = |(at, feature): (usize, &Feature)| {
            let length_scale = parameters[layout.length_scale(at)].exp();
            FeatureTables::new(feature, length_scale, parameters[layout.main_effect(at)].exp())
        };
        let noise = |look| LEAST_NOISE + parameters[layout.noise(look)].exp();
        let mut tables = Self {
            features: encoding.features.iter().enumerate().map(tabulate).collect(),
            words: (0..layout.alphabets.len()).map(|at| parameters[layout.words(at)].exp()).collect(),
            pair_strength: parameters[layout.pair_strength()].exp(),
            joint_variance: parameters[layout.joint_variance()].exp(),
            correlation: logistic(parameters[layout.correlation()]),
            noise_variances: [noise(Look::Final), noise(Look::Early)],
            diagonal: 0.0,
            layout,
        };
        let origin = vec![0; tables.features.len()];
        tables.diagonal = tables.combine(tables.part_of_each(&origin, &origin));
        tables
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// k(x, x) without the words, the same for every x.
    pub(crate) fn diagonal(&self) -> f64 {
        self.diagonal
    }

    /// The variance of what a measurement adds.
    pub(crate) fn noise_variance(&self, look: Look) -> f64 {
        self.noise_variances[look as usize]
    }

    /// The noise variance's derivative by its logarithm.
    pub(crate) fn noise_slope(&self, look: Look) -> f64 {
        self.noise_variances[look as usize] - LEAST_NOISE
    }

    /// By how much the covariance of two looks shrinks where they differ.
    pub(crate) fn agreement(&self, a: Look, b: Look) -> f64 {
        if a == b { 1.0 } else { self.correlation }
    }

    /// The derivative of the correlation by its parameter.
    pub(crate) fn correlation_slope(&self) -> f64 {
        self.correlation * (1.0 - self.correlation)
    }

    /// k(x, x′) of two looks at one output, without noise.
    pub(crate) fn covariance(&self, a: &[usize], b: &[usize]) -> f64 {
        let words = (0..self.words.len()).map(|alphabet| self.shared(alphabet, a, b)).sum();
        self.combine(Part { words, ..self.part_of_each(a, b) })
    }

    /// What the dimensions contribute one by one.
    fn part_of_each(&self, a: &[usize], b: &[usize]) -> Part {
        let pairs = self.features.iter().zip(a.iter().zip(b));
        pairs.fold(Part::EMPTY, |part, (feature, (&a, &b))| part.and(feature.cell(a, b)))
    }

    /// b Σ [x_d = x′_e] of an alphabet.
    fn shared(&self, alphabet: usize, a: &[usize], b: &[usize]) -> f64 {
        let of = |point| self.in_alphabet(alphabet, point);
        let matches = of(a).map(|word| of(b).filter(|&other| other == word).count()).sum::<usize>();
        self.words[alphabet] * matches as f64
    }

    /// The words of an alphabet that a point has.
    fn in_alphabet<'a>(&'a self, alphabet: usize, point: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        let choices = self.features.iter().zip(point);
        choices.filter(move |(feature, _)| feature.alphabet == Some(alphabet)).map(|(_, &word)| word)
    }

    /// How often every combination of the choices of a range of features has each word, all alphabets one after the
    /// other, the last feature changing fastest; each count times the root of its alphabet's b, so that the sum of the squares of a
    /// point's counts is its variance by words.
    pub(super) fn word_counts(&self, range: std::ops::Range<usize>) -> Vec<Vec<f64>> {
        let alphabets = &self.layout.alphabets;
        let none = vec![0.0; alphabets.iter().map(|alphabet| alphabet.words).sum()];
        self.features[range].iter().fold(vec![none], |counts, feature| {
            let extend = |counts: Vec<f64>| {
                (0..feature.choices).map(move |word| {
                    let mut counts = counts.clone();
                    if let Some(own) = feature.alphabet {
                        let before: usize = alphabets[..own].iter().map(|alphabet| alphabet.words).sum();
                        counts[before + word] += self.words[own].sqrt();
                    }
                    counts
                })
            };
            counts.into_iter().flat_map(extend).collect()
        })
    }

    /// The covariance of what all dimensions contribute.
    pub(super) fn combine(&self, part: Part) -> f64 {
        let pairs = 0.5 * (part.main * part.main - part.square);
        let each = part.main + self.pair_strength * pairs + self.joint_variance * part.joint;
        CONSTANT_VARIANCE + part.words + each
    }

    /// What the features of a range contribute between fixed choices and every combination of
    /// choices, the last feature changing fastest.
    pub(super) fn parts(&self, range: std::ops::Range<usize>, choices: &[usize]) -> Vec<Part> {
        self.features[range.clone()].iter().zip(&choices[range]).fold(
            vec![Part::EMPTY],
            |parts, (feature, &a)| {
                let words = |b: usize| {
                    feature.alphabet.map_or(0.0, |alphabet| {
                        let times = self.in_alphabet(alphabet, choices).filter(|&word| word == b).count();
                        self.words[alphabet] * times as f64
                    })
                };
                let cells = (0..feature.choices).map(|b| (feature.cell(a, b), words(b)));
                let cells: Vec<(Cell, f64)> = cells.collect();
                let extend = |part: Part| {
                    let extended = |&(cell, words): &(Cell, f64)| {
                        let and = part.and(cell);
                        Part { words: and.words + words, ..and }
                    };
                    cells.iter().map(extended).collect::<Vec<_>>()
                };
                parts.into_iter().flat_map(extend).collect()
            },
        )
    }

    /// Adds `weight` · ∂k(x, x′)/∂(log hyper-parameter) to the entries of the kernel's own.
    pub(crate) fn add_gradient(&self, a: &[usize], b: &[usize], weight: f64, gradient: &mut [f64]) {
        let layout = &self.layout;
        let cells =
            || self.features.iter().zip(a.iter().zip(b)).map(|(feature, (&a, &b))| feature.cell(a, b));
        let part = cells().fold(Part::EMPTY, Part::and);
        let joint = weight * self.joint_variance * part.joint;
        for (at, cell) in cells().enumerate() {
            let by_main = weight * (1.0 + self.pair_strength * (part.main - cell.main));
            gradient[layout.length_scale(at)] += cell.main_slope * by_main + joint * cell.joint_log_slope;
            gradient[layout.main_effect(at)] += cell.main * by_main;
        }
        let pairs = 0.5 * (part.main * part.main - part.square);
        gradient[layout.pair_strength()] += weight * self.pair_strength * pairs;
        gradient[layout.joint_variance()] += joint;
        for alphabet in 0..self.words.len() {
            gradient[layout.words(alphabet)] += weight * self.shared(alphabet, a, b);
        }
    }
}

impl Part {
    pub(super) const EMPTY: Self = Self { main: 0.0, square: 0.0, joint: 1.0, words: 0.0 };

    fn and(self, cell: Cell) -> Self {
        Self {
            main: self.main + cell.main,
            square: self.square + cell.main * cell.main,
            joint: self.joint * cell.joint,
            words: self.words,
        }
    }

    /// What two disjoint sets of dimensions contribute together.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            main: self.main + other.main,
            square: self.square + other.square,
            joint: self.joint * other.joint,
            words: self.words + other.words,
        }
    }
}

impl FeatureTables {
    fn new(feature: &Feature, length_scale: f64, variance: f64) -> Self {
        let tabulate = |&squared_distance: &f64| {
            let distance = squared_distance / length_scale.powi(2);
            match feature.kind {
                Kind::Numeric => {
                    let (main, log_slope) = (variance * matern(distance), -2.0 * matern_log_slope(distance));
                    Cell {
                        main,
                        main_slope: main * log_slope,
                        joint: main / variance,
                        joint_log_slope: log_slope,
                    }
                }
                Kind::Categorical => Cell {
                    main: variance * (1.0 - squared_distance),
                    main_slope: 0.0,
                    joint: (-distance).exp(),
                    joint_log_slope: 2.0 * distance,
                },
            }
        };
        let cells = feature.squared_distances.iter().map(tabulate).collect();
        Self { choices: feature.choices, alphabet: feature.alphabet, cells }
    }

    fn cell(&self, a: usize, b: usize) -> Cell {
        self.cells[a * self.choices + b]
    }
}

/// Matérn 5/2 of a squared distance q: (1 + √(5q) + 5q/3) exp(−√(5q)).
fn matern(squared_distance: f64) -> f64 {
    let scaled = (5.0 * squared_distance).sqrt();
    (1.0 + scaled + scaled * scaled / 3.0) * (-scaled).exp()
}

/// The derivative of its logarithm by log q: −(5q/6) (1 + √(5q)) / (1 + √(5q) + 5q/3).
fn matern_log_slope(squared_distance: f64) -> f64 {
    let scaled = (5.0 * squared_distance).sqrt();
    -scaled * scaled / 6.0 * (1.0 + scaled) / (1.0 + scaled + scaled * scaled / 3.0)
}

fn logistic(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_the_matern_is_its_derivative() {
        for distance in [1e-3f64, 0.1, 1.0, 9.0] {
            let moved = |step: f64| matern((distance.ln() + step).exp()).ln();
            let numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((numeric - matern_log_slope(distance)).abs() < 1e-6 * numeric.abs());
        }
        assert_eq!((matern(0.0), matern_log_slope(0.0)), (1.0, 0.0));
    }
}
