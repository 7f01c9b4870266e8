//! Uniform draws without replacement.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Advisor, Proposal};
use crate::{Architecture, Error};

/// How often a point of a large space is drawn before the listed ones are used instead.
const ATTEMPTS: usize = 10_000;

/// Draws uniformly from the feasible architectures that have no trial.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomAdvisor;

impl Advisor for RandomAdvisor {
    fn name(&self) -> &str {
        "Random"
    }

    fn propose(&self, request: &Proposal<'_>, rng: &mut ChaCha8Rng) -> Result<Option<Architecture>, Error> {
        request.check()?;
        Ok(draw(request, rng).and_then(|index| request.feasible.space().architecture_at(index)))
    }
}

/// A feasible untried point, uniformly; `None` when there is none.
pub(super) fn draw(request: &Proposal<'_>, rng: &mut ChaCha8Rng) -> Option<u64> {
    if !request.feasible.is_complete() {
        let tried = request.tried();
        let size = request.feasible.space().size() as u64;
        let drawn = (0..ATTEMPTS).map(|_| rng.random_range(0..size)).find(|&index| {
            !tried.contains(&index) && request.feasible.is_feasible(index) && request.is_allowed(index)
        });
        if drawn.is_some() {
            return drawn;
        }
    }
    let untried = request.untried();
    (!untried.is_empty()).then(|| untried[rng.random_range(0..untried.len())])
}
