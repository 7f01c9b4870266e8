//! Searches in which every trial is looked at early and few are trained to the end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use autodistillation_search::{
    Advisor, Architecture, BayesianAdvisor, Dimension, FeasibleSpace, Goal, KnownGoals, Metrics, Outcome,
    Proposal, SearchSpace, Study, Trial,
};

/// Accuracy grows with the width alone, latency (known) with width × waste.
fn wasteful(seed: u64) -> Study {
    let space = SearchSpace::new(vec![
        Dimension::new("width", [16, 24, 32, 48, 64]),
        Dimension::new("waste", [1, 2, 3, 4]),
    ])
    .unwrap();
    Study::new(space, vec![Goal::maximize("accuracy"), Goal::minimize("latency")], seed)
}

fn accuracy(architecture: &Architecture) -> f64 {
    1.0 - 8.0 / architecture.integer("width").unwrap() as f64
}

fn latency(architecture: &Architecture) -> f64 {
    (architecture.integer("width").unwrap() * architecture.integer("waste").unwrap()) as f64
}

fn early(architecture: &Architecture) -> Metrics {
    [("accuracy", accuracy(architecture) - 0.2)].into_iter().collect()
}

fn last(architecture: &Architecture) -> Metrics {
    [("accuracy", accuracy(architecture)), ("latency", latency(architecture))].into_iter().collect()
}

/// Looks at `looks` architectures and trains those to the end that the advisor asks for.
fn search(mut study: Study, looks: usize) -> Study {
    let feasible = FeasibleSpace::unrestricted(study.space.clone());
    let known = KnownGoals::none().with("latency", &feasible, latency);
    let advisor = BayesianAdvisor::default();
    loop {
        let number = study.next_number();
        let remaining = (looks - study.trials.len()) as u32;
        let request = Proposal { study: &study, feasible: &feasible, known: &known };
        if let Some(promoted) = advisor.promote(&request, remaining, &mut study.rng(number)).unwrap() {
            let trial = &mut study.trials[promoted as usize];
            assert!(matches!(trial.outcome, Some(Outcome::Pruned(_))), "{promoted} is trained already");
            trial.outcome = Some(Outcome::Completed(last(&trial.architecture)));
            continue;
        }
        if remaining == 0 {
            return study;
        }
        let Some(architecture) = advisor.propose(&request, &mut study.rng(number)).unwrap() else {
            return study;
        };
        let metrics = early(&architecture);
        let outcome = Some(Outcome::Pruned(metrics.clone()));
        study.trials.push(Trial { outcome, intermediate: metrics, ..Trial::pending(number, architecture) });
    }
}

/// The widths on the front that waste nothing.
fn widths(study: &Study) -> Vec<i64> {
    let front = study.pareto_front();
    let frugal = front.iter().filter(|trial| trial.architecture.integer("waste") == Some(1));
    let widths: BTreeSet<i64> = frugal.filter_map(|trial| trial.architecture.integer("width")).collect();
    widths.into_iter().collect()
}

#[test]
fn only_trials_that_can_enlarge_the_front_are_trained_to_the_end() {
    let study = search(wasteful(7), 20);
    assert_eq!(widths(&study), [16, 24, 32, 48, 64], "every width without waste is on the front");
    let trained = study.completed().count();
    assert!(trained <= 14, "{trained} of 20 were trained to the end, though only five can be on the front");
}

#[test]
fn two_searches_with_one_seed_are_the_same_and_repeat_no_architecture() {
    let study = search(wasteful(3), 12);
    assert_eq!(study, search(wasteful(3), 12));
    let distinct: BTreeSet<&Architecture> = study.trials.iter().map(|trial| &trial.architecture).collect();
    assert_eq!(distinct.len(), 12);
}
