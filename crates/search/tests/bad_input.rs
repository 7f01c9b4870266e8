//! Input that cannot mean anything is refused with its reason; odd input that can has a defined result.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use autodistillation_search::{
    Advisor, Architecture, BayesianAdvisor, Choice, Constraint, Dimension, Error, FeasibleSpace, Goal,
    KnownGoals, Metrics, Proposal, SearchSpace, Study, Trial,
};

fn study(space: SearchSpace) -> Study {
    Study::new(space, vec![Goal::maximize("accuracy"), Goal::minimize("latency")], 3)
}

fn space(dimensions: Vec<Dimension>) -> SearchSpace {
    SearchSpace::new(dimensions).unwrap()
}

fn propose(study: &Study) -> Result<Option<Architecture>, Error> {
    let feasible = FeasibleSpace::unrestricted(study.space.clone());
    let request = Proposal { study, feasible: &feasible, known: &KnownGoals::none() };
    BayesianAdvisor::default().propose(&request, &mut study.rng(study.next_number()))
}

fn complete(study: &mut Study, metrics: impl Fn(u32) -> Metrics) {
    for number in 0..12 {
        let architecture = study.space.architecture_at(u64::from(number) * 2).unwrap();
        study.trials.push(Trial::completed(number, architecture, metrics(number)));
    }
}

#[test]
fn metrics_that_are_not_finite_never_win_and_never_stop_the_search() {
    let mut study = study(space(vec![Dimension::new("width", 1..40)]));
    complete(&mut study, |number| {
        let accuracy = [0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY][number as usize % 4];
        [("accuracy", accuracy + f64::from(number) / 100.0), ("latency", 1.0)].into_iter().collect()
    });
    let front: Vec<u32> = study.pareto_front().iter().map(|trial| trial.number).collect();
    assert_eq!(front, [8], "the best of the finite ones");
    assert!(propose(&study).unwrap().is_some());
}

#[test]
fn a_metric_missing_from_every_result_leaves_the_search_exploring() {
    let mut study = study(space(vec![Dimension::new("width", 1..40)]));
    complete(&mut study, |_| [("accuracy", 0.5)].into_iter().collect());
    assert!(study.pareto_front().is_empty());
    assert!(propose(&study).unwrap().is_some());
}

#[test]
fn constraints_that_exclude_each_other_are_refused() {
    let mut study = study(space(vec![Dimension::new("width", 1..40)]));
    study.constraints = vec![
        Constraint::parse("min_accuracy", "0.9").unwrap(),
        Constraint::parse("max_params", "1M").unwrap(),
        Constraint::parse("max_accuracy", "0.8").unwrap(),
    ];
    let message = propose(&study).unwrap_err().to_string();
    assert!(message.contains("accuracy") && message.contains("0.9") && message.contains("0.8"), "{message}");
    study.constraints[2] = Constraint::parse("max_accuracy", "0.9").unwrap();
    assert!(propose(&study).unwrap().is_some(), "a single allowed value is no contradiction");
}

#[test]
fn a_space_of_one_point_is_searched_and_then_exhausted() {
    let mut study = study(space(vec![Dimension::new("width", [64]), Dimension::new("heads", [2])]));
    let only = propose(&study).unwrap().unwrap();
    assert_eq!(only.to_string(), "width=64, heads=2");
    study.trials.push(Trial::pending(0, only));
    assert_eq!(propose(&study).unwrap(), None);
}

#[test]
fn a_space_of_a_million_points_is_searched_whole() {
    let mut study = study(space((0..6).map(|d| Dimension::new(format!("d{d}"), 1..=10)).collect()));
    let total =
        |architecture: &Architecture| architecture.iter().filter_map(|(_, c)| c.number()).sum::<f64>();
    for number in 0..10 {
        let architecture = study.space.architecture_at(u64::from(number) * 98_765).unwrap();
        let metrics = [("accuracy", total(&architecture)), ("latency", 1.0)].into_iter().collect();
        study.trials.push(Trial::completed(number, architecture, metrics));
    }
    let proposed = propose(&study).unwrap().unwrap();
    assert!(total(&proposed) > 45.0, "{proposed} is not among the best of sums from 6 to 60");
}

#[test]
fn a_dimension_of_mixed_types_is_one_of_equal_or_different_choices() {
    let mixed = [Choice::from(1), Choice::from(0.5), Choice::from("auto"), Choice::from(true)];
    let mut study = study(space(vec![Dimension::new("kind", mixed), Dimension::new("width", 1..10)]));
    complete(&mut study, |number| [("accuracy", f64::from(number)), ("latency", 1.0)].into_iter().collect());
    assert!(propose(&study).unwrap().is_some());
}

#[test]
fn a_choice_listed_twice_is_refused_whatever_its_spelling() {
    for choices in [vec![Choice::from(2), Choice::from(2)], vec![Choice::from(2), Choice::from(2.0)]] {
        let message = SearchSpace::new(vec![Dimension::new("width", choices)]).unwrap_err().to_string();
        assert!(message.contains("dimension `width` lists the choice 2"), "{message}");
    }
}
