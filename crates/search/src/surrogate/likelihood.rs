//! The posterior density of the hyper-parameters, with its gradient.

use faer::linalg::solvers::{DenseSolveCore, Llt, Solve};
use faer::{Col, Mat, Side};

use super::encoding::Encoding;
use super::kernel::KernelTables;
use super::observations::Observations;
use super::parameters::Layout;

/// Logarithms beyond this are treated as this, so that no step of an optimiser overflows.
const LARGEST_LOGARITHM: f64 = 12.0;

/// −log p(y | θ) − log p(θ), up to a constant, with its derivatives by the log hyper-parameters.
#[derive(Debug, Clone)]
pub(crate) struct Density {
    pub(crate) cost: f64,
    pub(crate) gradient: Vec<f64>,
}

/// The covariance of the observations, factored; with jitter where rounding needs it.
pub(crate) fn factor(tables: &KernelTables, observations: &Observations) -> Option<Llt<f64>> {
    let Observations { points, looks, .. } = observations;
    let mut covariance = Mat::<f64>::zeros(points.len(), points.len());
    for column in 0..points.len() {
        for row in column..points.len() {
            let agreement = tables.agreement(looks[row], looks[column]);
            covariance[(row, column)] = agreement * tables.covariance(&points[row], &points[column]);
        }
        covariance[(column, column)] += tables.noise_variance(looks[column]);
    }
    [0.0, 1e-8, 1e-6, 1e-4].into_iter().find_map(|jitter| {
        for at in 0..points.len() {
            covariance[(at, at)] += jitter * tables.diagonal();
        }
        covariance.llt(Side::Lower).ok()
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
    let factor = factor(&tables, observations)?;
    let values = observations.column();
    let weights = factor.solve(&values);
    let half_log_determinant: f64 =
        factor.L().diagonal().column_vector().iter().map(|value| value.ln()).sum();
    let mut density = Density {
        cost: 0.5 * (values.transpose() * &weights) + half_log_determinant,
        gradient: likelihood_gradient(&tables, observations, &factor, &weights),
    };
    add_priors(&mut density, tables.layout(), parameters);
    density.cost.is_finite().then_some(density)
}

/// ½ tr((K⁻¹ − ααᵀ) ∂K/∂θ) for every hyper-parameter.
fn likelihood_gradient(
    tables: &KernelTables,
    observations: &Observations,
    factor: &Llt<f64>,
    weights: &Col<f64>,
) -> Vec<f64> {
    let Observations { points, looks, .. } = observations;
    let layout = tables.layout();
    let inverse = factor.inverse();
    let mut gradient = vec![0.0; layout.len()];
    for column in 0..points.len() {
        for row in column..points.len() {
            let sensitivity = 0.5 * (inverse[(row, column)] - weights[row] * weights[column]);
            // The lower triangle stands for both.
            let share = if row == column { 1.0 } else { 2.0 };
            let agreement = tables.agreement(looks[row], looks[column]);
            let (a, b) = (&points[row], &points[column]);
            tables.add_gradient(a, b, share * sensitivity * agreement, &mut gradient);
            if looks[row] != looks[column] {
                gradient[layout.correlation()] +=
                    share * sensitivity * tables.covariance(a, b) * tables.correlation_slope();
            }
        }
        let sensitivity = 0.5 * (inverse[(column, column)] - weights[column] * weights[column]);
        gradient[layout.noise(looks[column])] += sensitivity * tables.noise_slope(looks[column]);
    }
    gradient
}

fn add_priors(density: &mut Density, layout: &Layout, parameters: &[f64]) {
    for (at, prior) in layout.priors().into_iter().enumerate() {
        let departure = (parameters[at] - prior.mean) / prior.deviation;
        density.cost += 0.5 * departure * departure;
        density.gradient[at] += departure / prior.deviation;
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Look;
    use super::*;
    use crate::{Dimension, SearchSpace};
    use proptest::prelude::*;

    /// Nine final values, and early ones at every other point.
    fn example() -> (Encoding, Observations) {
        let space = SearchSpace::new(vec![
            Dimension::new("width", [64, 128, 256]),
            Dimension::new("activation", ["gelu", "relu", "silu"]),
        ])
        .unwrap();
        let encoding = Encoding::new(&space);
        let mut observations = Observations::default();
        for (at, value) in [0.3, -1.2, 0.8, 1.4, -0.5, 0.1, 0.9, -1.7, 0.2].into_iter().enumerate() {
            observations.push(encoding.point(&space, at as u64), Look::Final, value);
            if at % 2 == 0 {
                observations.push(encoding.point(&space, at as u64), Look::Early, 0.7 * value + 0.1);
            }
        }
        (encoding, observations)
    }

    /// Nine values over two dimensions that share their words, and a third that does not.
    fn alike() -> (Encoding, Observations) {
        let operation = |name: &str| Dimension::new(name, ["conv", "pool", "skip"]);
        let space = SearchSpace::new(vec![
            operation("first"),
            operation("second"),
            Dimension::new("width", [64, 128]),
        ])
        .unwrap();
        let encoding = Encoding::new(&space);
        let mut observations = Observations::default();
        for (at, value) in [0.3, -1.2, 0.8, 1.4, -0.5, 0.1, 0.9, -1.7, 0.2].into_iter().enumerate() {
            observations.push(encoding.point(&space, 2 * at as u64), Look::Final, value);
        }
        (encoding, observations)
    }

    fn assert_gradient((encoding, observations): &(Encoding, Observations), parameters: &[f64]) {
        let density = |parameters: &[f64]| evaluate(encoding, observations, parameters).unwrap();
        let gradient = density(parameters).gradient;
        for at in 0..parameters.len() {
            let moved = |step: f64| {
                let mut moved = parameters.to_vec();
                moved[at] += step;
                density(&moved).cost
            };
            let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (numeric - gradient[at]).abs() < 1e-5 * (1.0 + numeric.abs()),
                "parameter {at}: {numeric} against {}",
                gradient[at]
            );
        }
    }

    proptest! {
        #[test]
        fn the_gradient_agrees_with_finite_differences(parameters in prop::collection::vec(-2.0..1.5f64, 9)) {
            assert_gradient(&example(), &parameters);
        }

        #[test]
        fn so_does_that_of_shared_words(parameters in prop::collection::vec(-2.0..1.5f64, 12)) {
            let alike = alike();
            prop_assert_eq!(alike.0.layout().len(), 12);
            assert_gradient(&alike, &parameters);
        }
    }
}
