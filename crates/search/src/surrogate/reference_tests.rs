//! The surrogate against numbers from scikit-learn (`scripts/fixtures/gaussian_process.py`).

use serde::Deserialize;

use super::kernel::{KernelTables, Look};
use super::likelihood;
use super::observations::Observations;
use super::parameters::Layout;
use super::{Encoding, GaussianProcess};
use crate::{Dimension, SearchSpace};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    parameters: Vec<f64>,
    /// Three choices, and 1 for an early look.
    rows: Vec<[usize; 4]>,
    values: Vec<f64>,
    log_likelihood: f64,
    gradient: Vec<f64>,
    /// Of the final value at every point, in grid order.
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Case {
    fn observations(&self) -> Observations {
        let mut observations = Observations::default();
        for (row, value) in self.rows.iter().zip(&self.values) {
            let look = if row[3] == 0 { Look::Final } else { Look::Early };
            observations.push(row[..3].to_vec(), look, *value);
        }
        observations
    }
}

fn cases() -> (SearchSpace, Encoding, Vec<Case>) {
    let space = SearchSpace::new(vec![
        Dimension::new("width", [64, 128, 192, 256]),
        Dimension::new("rate", [-1.0, 0.0, 3.0]),
        Dimension::new("activation", ["gelu", "relu", "silu"]),
    ])
    .unwrap();
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../fixtures/gaussian_process.json")).unwrap();
    let encoding = Encoding::new(&space);
    (space, encoding, fixture.cases)
}

#[test]
fn the_posterior_is_that_of_scikit_learn() {
    let (space, encoding, cases) = cases();
    let codes = encoding.codes(&space, &(0..36).collect::<Vec<_>>());
    for case in cases {
        let tables = KernelTables::new(&encoding, &case.parameters);
        let process =
            GaussianProcess::condition(tables, encoding.groups.clone(), case.observations()).unwrap();
        for (at, belief) in process.predict(&codes).into_iter().enumerate() {
            assert!((belief.mean - case.mean[at]).abs() < 1e-9, "{at}: {belief:?} against {}", case.mean[at]);
            assert!(
                (belief.deviation - case.deviation[at]).abs() < 1e-7,
                "{at}: {belief:?}, {}",
                case.deviation[at]
            );
        }
    }
}

#[test]
fn the_likelihood_and_its_gradient_are_those_of_scikit_learn() {
    let (_, encoding, cases) = cases();
    let priors = Layout { features: 3, alphabets: Vec::new() }.priors();
    for case in cases {
        let observations = case.observations();
        let density = likelihood::evaluate(&encoding, &observations, &case.parameters).unwrap();
        let departures: Vec<f64> = priors
            .iter()
            .zip(&case.parameters)
            .map(|(prior, value)| (value - prior.mean) / prior.deviation)
            .collect();
        let prior_cost: f64 = departures.iter().map(|departure| 0.5 * departure * departure).sum();
        let constant = 0.5 * observations.len() as f64 * std::f64::consts::TAU.ln();
        let log_likelihood = prior_cost - density.cost - constant;
        assert!(
            (log_likelihood - case.log_likelihood).abs() < 1e-8,
            "{log_likelihood} against {}",
            case.log_likelihood
        );
        for (at, slope) in density.gradient.iter().enumerate() {
            let of_likelihood = departures[at] / priors[at].deviation - slope;
            let expected = case.gradient[at];
            assert!(
                (of_likelihood - expected).abs() < 1e-5,
                "parameter {at}: {of_likelihood} against {expected}"
            );
        }
    }
}
