//! No advisor ever repeats an architecture or proposes an infeasible one, and each tries all that there are.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use autodistillation_search::{
    Advisor, Architecture, BayesianAdvisor, Choice, Dimension, FeasibleSpace, Goal, GridAdvisor, Infeasible,
    KnownGoals, Metrics, Outcome, Proposal, RandomAdvisor, SearchSpace, Study, Trial,
};
use proptest::prelude::*;

/// A space, which of its points are feasible, and how the trials go.
#[derive(Debug, Clone)]
struct Scenario {
    choices: Vec<(bool, usize)>,
    infeasible: Vec<bool>,
    /// What becomes of a trial, and how many may run beside it.
    fates: Vec<u8>,
    workers: usize,
    latency_known: bool,
    seed: u64,
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let choices = prop::collection::vec((any::<bool>(), 1usize..5), 1..4);
    (
        choices,
        prop::collection::vec(any::<bool>(), 64),
        prop::collection::vec(0u8..8, 64),
        1usize..4,
        any::<bool>(),
        any::<u64>(),
    )
        .prop_map(|(choices, infeasible, fates, workers, latency_known, seed)| Scenario {
            choices,
            infeasible,
            fates,
            workers,
            latency_known,
            seed,
        })
}

impl Scenario {
    fn space(&self) -> SearchSpace {
        let dimension = |(at, (numeric, count)): (usize, &(bool, usize))| {
            let choice = |value: usize| match numeric {
                true => Choice::from(16 << value),
                false => Choice::from(format!("word{value}").as_str()),
            };
            Dimension::new(format!("d{at}"), (0..*count).map(choice))
        };
        SearchSpace::new(self.choices.iter().enumerate().map(dimension).collect()).unwrap()
    }

    fn feasible(&self) -> FeasibleSpace {
        let (space, infeasible) = (self.space(), self.infeasible.clone());
        FeasibleSpace::new(self.space(), move |architecture| {
            match infeasible[space.index_of(architecture).unwrap() as usize % 64] {
                true => Err(Infeasible::new("by lot")),
                false => Ok(()),
            }
        })
    }

    fn metrics(&self, architecture: &Architecture) -> Metrics {
        let index = self.space().index_of(architecture).unwrap() as f64;
        [("accuracy", (index * 1.7).sin()), ("latency", (index * 0.9).cos())].into_iter().collect()
    }

    fn outcome(&self, trial: &Trial) -> Outcome {
        let metrics = self.metrics(&trial.architecture);
        match self.fates[trial.number as usize % 64] {
            0 => Outcome::Failed("out of memory".to_owned()),
            1 => Outcome::Pruned(metrics),
            2 => Outcome::Completed([("accuracy", f64::NAN)].into_iter().collect()),
            3 => Outcome::Completed(Metrics::new()),
            _ => Outcome::Completed(metrics),
        }
    }
}

/// Searches to the end with several workers, the oldest trial ending first; the architectures in order.
fn search(advisor: &dyn Advisor, scenario: &Scenario) -> Vec<Architecture> {
    let feasible = scenario.feasible();
    let goals = vec![Goal::maximize("accuracy"), Goal::minimize("latency")];
    let mut study = Study::new(feasible.space().clone(), goals, scenario.seed);
    let (of_known, space) = (scenario.clone(), feasible.clone());
    let known = match scenario.latency_known {
        true => KnownGoals::none().with("latency", &space, move |architecture| {
            of_known.metrics(architecture).get("latency").unwrap()
        }),
        false => KnownGoals::none(),
    };
    loop {
        let request = Proposal { study: &study, feasible: &feasible, known: &known };
        let number = study.next_number();
        if let Some(promoted) = advisor.promote(&request, 1, &mut study.rng(number)).unwrap() {
            assert!(study.pruned().any(|trial| trial.number == promoted), "only a pruned trial is promoted");
        }
        let proposed = advisor.propose(&request, &mut study.rng(number)).unwrap();
        study.trials.extend(proposed.clone().map(|architecture| Trial::pending(number, architecture)));
        let pending: Vec<usize> =
            (0..study.trials.len()).filter(|&at| study.trials[at].is_pending()).collect();
        if proposed.is_none() && pending.is_empty() {
            return study.trials.into_iter().map(|trial| trial.architecture).collect();
        }
        if pending.len() >= scenario.workers || proposed.is_none() {
            study.trials[pending[0]].outcome = Some(scenario.outcome(&study.trials[pending[0]]));
        }
    }
}

fn check(advisor: &dyn Advisor, scenario: &Scenario) -> Result<(), TestCaseError> {
    let tried = search(advisor, scenario);
    let feasible = scenario.feasible();
    prop_assert!(
        tried.iter().all(|architecture| feasible.check(architecture).is_ok()),
        "infeasible: {tried:?}"
    );
    let distinct: BTreeSet<&Architecture> = tried.iter().collect();
    prop_assert_eq!(distinct.len(), tried.len(), "repeated: {:?}", &tried);
    prop_assert_eq!(tried.len(), feasible.len(), "the end came with architectures left");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_bayesian_advisor_tries_every_feasible_architecture_once(scenario in scenario()) {
        check(&BayesianAdvisor { initial_trials: Some(2) }, &scenario)?;
    }

    #[test]
    fn the_random_advisor_tries_every_feasible_architecture_once(scenario in scenario()) {
        check(&RandomAdvisor, &scenario)?;
    }

    #[test]
    fn the_grid_tries_every_feasible_architecture_once(scenario in scenario()) {
        check(&GridAdvisor, &scenario)?;
    }
}
