//! The most probable hyper-parameters, by L-BFGS from several starts.

use std::cell::RefCell;

use argmin::core::{CostFunction, Error, Executor, Gradient};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::encoding::Encoding;
use super::likelihood::{self, Density};
use super::observations::Observations;

/// Hyper-parameters are fitted to this many observations at most, spread over all.
const FITTED: usize = 200;
/// Steps from each start.
const SCOUTING: u64 = 8;
/// Further steps from the best point that the starts led to.
const ITERATIONS: u64 = 25;
/// The prior's centre and this many draws around it are starting points.
const RANDOM_STARTS: usize = 2;

const MEMORY: usize = 7;

/// The log hyper-parameters of the highest posterior density found; `None` where no start could
/// even be evaluated.
pub(crate) fn fit(
    encoding: &Encoding,
    observations: &Observations,
    rng: &mut ChaCha8Rng,
) -> Option<Vec<f64>> {
    let observations = &observations.thinned(FITTED);
    let problem = Problem { encoding, observations, best: RefCell::default(), latest: RefCell::default() };
    starts(encoding, rng).into_iter().for_each(|start| climb(&problem, start, SCOUTING));
    let best = problem.best.borrow().as_ref().map(|(parameters, _)| parameters.clone());
    climb(&problem, best?, ITERATIONS);
    problem.best.into_inner().map(|(parameters, _)| parameters)
}

/// As [`fit`], from the prior's centre alone.
pub(crate) fn fit_from_centre(encoding: &Encoding, observations: &Observations) -> Option<Vec<f64>> {
    let problem = Problem { encoding, observations, best: RefCell::default(), latest: RefCell::default() };
    climb(&problem, centre(encoding), SCOUTING + ITERATIONS);
    problem.best.into_inner().map(|(parameters, _)| parameters)
}

fn centre(encoding: &Encoding) -> Vec<f64> {
    encoding.layout().priors().iter().map(|prior| prior.mean).collect()
}

/// Goes on from `start`; the problem keeps the best point visited.
fn climb(problem: &Problem<'_>, start: Vec<f64>, iterations: u64) {
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY);
    let solver = match solver.with_tolerance_cost(1e-4).and_then(|solver| solver.with_tolerance_grad(1e-3)) {
        Ok(solver) => solver,
        Err(_) => unreachable!("the tolerances are positive"),
    };
    // A line search may give up near an optimum; the best point visited counts all the same.
    let _ = Executor::new(problem, solver)
        .configure(|state| state.param(start).max_iters(iterations))
        .timer(false)
        .run();
}

fn starts(encoding: &Encoding, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let priors = encoding.layout().priors();
    let mut draw = || {
        let departures =
            priors.iter().map(|prior| prior.mean + prior.deviation * rng.random_range(-1.0..1.0));
        departures.collect()
    };
    let mut starts: Vec<Vec<f64>> = (0..RANDOM_STARTS).map(|_| draw()).collect();
    starts.insert(0, centre(encoding));
    starts
}

/// The density as argmin sees it: cost and gradient are asked for one after the other at the same
/// point, so the latest evaluation is kept.
struct Problem<'a> {
    encoding: &'a Encoding,
    observations: &'a Observations,
    best: RefCell<Option<(Vec<f64>, f64)>>,
    latest: RefCell<Option<(Vec<f64>, Density)>>,
}

impl Problem<'_> {
    fn density(&self, parameters: &[f64]) -> Result<Density, Error> {
        if let Some((known, density)) = self.latest.borrow().as_ref()
            && known == parameters
        {
            return Ok(density.clone());
        }
        let density = likelihood::evaluate(self.encoding, self.observations, parameters)
            .ok_or_else(|| Error::msg("the covariance cannot be factored"))?;
        let mut best = self.best.borrow_mut();
        if best.as_ref().is_none_or(|(_, cost)| density.cost < *cost) {
            *best = Some((parameters.to_vec(), density.cost));
        }
        *self.latest.borrow_mut() = Some((parameters.to_vec(), density.clone()));
        Ok(density)
    }
}

impl CostFunction for &Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, parameters: &Self::Param) -> Result<f64, Error> {
        self.density(parameters).map(|density| density.cost)
    }
}

impl Gradient for &Problem<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, parameters: &Self::Param) -> Result<Vec<f64>, Error> {
        self.density(parameters).map(|density| density.gradient)
    }
}
