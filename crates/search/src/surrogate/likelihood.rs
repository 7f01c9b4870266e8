//! The posterior density of the hyper-parameters, with its gradient.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::encoding::Encoding;
use super::kernel::{KernelTables, Layout};
use super::process::Observations;

/// Logarithms beyond this are treated as this, so that no step of an optimiser overflows.
const LARGEST_LOGARITHM: f64 = 12.0;

/// −log p(y | θ) − log p(θ), up to a constant, with its derivatives by the log hyper-parameters.
#[derive(Debug, Clone)]
pub(crate) struct Density {
    pub(crate) cost: f64,
    pub(crate) gradient: Vec<f64>,
}

/// The covariance of the observations, factored; with jitter where rounding needs it.
pub(crate) fn factor(tables: &KernelTables, points: &[Vec<usize>]) -> Option<Cholesky<f64, Dyn>> {
    let count = points.len();
    let covariance = DMatrix::from_fn(count, count, |row, column| {
        if row < column { 0.0 } else { tables.covariance(&points[row], &points[column]) }
    });
    [0.0, 1e-8, 1e-6, 1e-4].into_iter().find_map(|jitter| {
        let mut lower = covariance.clone();
        for at in 0..count {
            lower[(at, at)] += tables.noise_variance + jitter * tables.diagonal();
        }
        Cholesky::new(lower)
    })
}

/// Evaluates the density; `None` where the covariance cannot be factored.
pub(crate) fn evaluate(
    encoding: &Encoding,
    observations: &Observations,
    parameters: &[f64],
) -> Option<Density> {
    let clamped: Vec<f64> =
        parameters.iter().map(|value| value.clamp(-LARGEST_LOGARITHM, LARGEST_LOGARITHM)).collect();
    let tables = KernelTables::new(encoding, &clamped);
    let factor = factor(&tables, &observations.points)?;
    let values = DVector::from_column_slice(&observations.values);
    let weights = factor.solve(&values);
    let mut density = Density {
        cost: 0.5 * values.dot(&weights) + 0.5 * factor.ln_determinant(),
        gradient: likelihood_gradient(&tables, &observations.points, &factor, &weights),
    };
    add_priors(&mut density, Layout { features: encoding.features.len() }, parameters);
    density.cost.is_finite().then_some(density)
}

/// ½ tr((K⁻¹ − ααᵀ) ∂K/∂θ) for every hyper-parameter.
fn likelihood_gradient(
    tables: &KernelTables,
    points: &[Vec<usize>],
    factor: &Cholesky<f64, Dyn>,
    weights: &DVector<f64>,
) -> Vec<f64> {
    let inverse = factor.inverse();
    let mut gradient = vec![0.0; points.first().map_or(0, |point| Layout { features: point.len() }.len())];
    let mut trace = 0.0;
    for column in 0..points.len() {
        for row in column..points.len() {
            let sensitivity = 0.5 * (inverse[(row, column)] - weights[row] * weights[column]);
            // The lower triangle stands for both.
            let share = if row == column { 1.0 } else { 2.0 };
            tables.add_gradient(&points[row], &points[column], share * sensitivity, &mut gradient);
            if row == column {
                trace += sensitivity;
            }
        }
    }
    if let Some(noise) = gradient.last_mut() {
        *noise = trace * tables.noise_slope();
    }
    gradient
}

fn add_priors(density: &mut Density, layout: Layout, parameters: &[f64]) {
    for (at, prior) in layout.priors().into_iter().enumerate() {
        let departure = (parameters[at] - prior.mean) / prior.deviation;
        density.cost += 0.5 * departure * departure;
        density.gradient[at] += departure / prior.deviation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dimension, SearchSpace};
    use proptest::prelude::*;

    fn example() -> (Encoding, Observations) {
        let space = SearchSpace::new(vec![
            Dimension::new("width", [64, 128, 256]),
            Dimension::new("activation", ["gelu", "relu", "silu"]),
        ])
        .unwrap();
        let encoding = Encoding::new(&space);
        let points = (0..9).map(|index| encoding.point(&space, index)).collect();
        let values = vec![0.3, -1.2, 0.8, 1.4, -0.5, 0.1, 0.9, -1.7, 0.2];
        (encoding, Observations { points, values })
    }

    proptest! {
        #[test]
        fn the_gradient_agrees_with_finite_differences(parameters in prop::collection::vec(-2.0..1.5f64, 6)) {
            let (encoding, observations) = example();
            let cost = |parameters: &[f64]| evaluate(&encoding, &observations, parameters).unwrap().cost;
            let gradient = evaluate(&encoding, &observations, &parameters).unwrap().gradient;
            for at in 0..parameters.len() {
                let moved = |step: f64| {
                    let mut moved = parameters.clone();
                    moved[at] += step;
                    cost(&moved)
                };
                let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                prop_assert!(
                    (numeric - gradient[at]).abs() < 1e-5 * (1.0 + numeric.abs()),
                    "parameter {at}: {numeric} against {}", gradient[at]
                );
            }
        }
    }
}
