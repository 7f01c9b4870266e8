//! Every architecture in order.

use rand_chacha::ChaCha8Rng;

use super::{Advisor, Proposal};
use crate::{Architecture, Error};

/// Proposes the first feasible architecture, in grid order, that has no trial.
#[derive(Debug, Clone, Copy, Default)]
pub struct GridAdvisor;

impl Advisor for GridAdvisor {
    fn name(&self) -> &str {
        "Grid"
    }

    fn propose(&self, request: &Proposal<'_>, _: &mut ChaCha8Rng) -> Result<Option<Architecture>, Error> {
        request.check()?;
        let (space, tried) = (request.feasible.space(), request.tried());
        let is_next = |index: &u64| !tried.contains(index) && request.is_allowed(*index);
        let next = if request.feasible.is_complete() {
            request.feasible.candidates().iter().copied().find(is_next)
        } else {
            (0..space.size() as u64).filter(is_next).find(|&index| request.feasible.is_feasible(index))
        };
        Ok(next.and_then(|index| space.architecture_at(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dimension, FeasibleSpace, Goal, Infeasible, KnownGoals, SearchSpace, Study, Trial};

    #[test]
    fn architectures_come_in_grid_order_without_the_infeasible_ones() {
        let space =
            SearchSpace::new(vec![Dimension::new("a", [1, 2]), Dimension::new("b", [1, 2, 3])]).unwrap();
        let feasible = FeasibleSpace::new(space.clone(), |architecture| match architecture.integer("b") {
            Some(2) => Err(Infeasible::new("b is 2")),
            _ => Ok(()),
        });
        let mut study = Study::new(space, vec![Goal::maximize("accuracy")], 1);
        let known = KnownGoals::none();
        let mut proposed = Vec::new();
        loop {
            let request = Proposal { study: &study, feasible: &feasible, known: &known };
            let Some(architecture) = GridAdvisor.propose(&request, &mut study.rng(0)).unwrap() else { break };
            proposed.push(architecture.to_string());
            study.trials.push(Trial::pending(study.next_number(), architecture));
        }
        assert_eq!(proposed, ["a=1, b=1", "a=1, b=3", "a=2, b=1", "a=2, b=3"]);
    }
}
