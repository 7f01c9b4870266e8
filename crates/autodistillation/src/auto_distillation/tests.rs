//! The loop with an experiment in closed form: exact, instant, reproducible.

use super::*;
use crate::MockExperiment;
use crate::config::SearchConfig;
use crate::experiment::Closures;
use crate::plan::StopRules;
use std::path::Path;

fn config(algorithm: &str, max_trials: u32) -> SearchPlan {
    let text = format!(
        "auto_distillation:\n  search:\n    search_space: {{hidden_size: [64, 96, 128], num_attention_heads: [2, 4, 5]}}\n    \
         search_algorithm: {algorithm}\n    metrics: [accuracy, latency]\n    max_trials: {max_trials}\n    seed: 7\n"
    );
    SearchConfig::parse(&text, Path::new(".")).unwrap().search
}

fn dividing() -> MockExperiment {
    MockExperiment {
        divides: Some(("num_attention_heads".into(), "hidden_size".into())),
        ..MockExperiment::default()
    }
}

#[test]
fn an_exhausted_space_ends_the_search_and_infeasible_points_are_never_tried() {
    for algorithm in ["BO", "Random", "Grid"] {
        let mut agent = AutoDistillation::new(config(algorithm, 50), dividing());
        agent.search_loop().unwrap();
        let study = agent.search_result();
        assert_eq!(study.trials.len(), 6, "{algorithm}");
        assert!(
            study.trials.iter().all(|trial| trial.architecture.integer("num_attention_heads") != Some(5))
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_study() {
    let run = || {
        let mut agent = AutoDistillation::new(config("BO", 6), dividing());
        agent.search_loop().unwrap();
        agent.search_result()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_trial_that_diverges_or_panics_is_recorded_and_the_search_goes_on() {
    let experiment = MockExperiment {
        diverging: vec!["hidden_size=64, num_attention_heads=2".into()],
        panicking: vec!["hidden_size=96, num_attention_heads=4".into()],
        ..dividing()
    };
    let mut agent = AutoDistillation::new(config("Grid", 6), experiment);
    let best = agent.search_loop().unwrap();
    let reasons: Vec<String> = agent
        .search_result()
        .trials
        .iter()
        .filter_map(|trial| match &trial.outcome {
            Some(Outcome::Failed(reason)) => Some(reason.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 2);
    assert_eq!(reasons[0], "metric `accuracy` is NaN");
    assert!(reasons[1].starts_with("panicked: user code panicked on"), "{}", reasons[1]);
    assert_eq!(best.len(), 4);
}

#[test]
fn a_full_disk_stops_the_search_and_its_trial_is_not_a_failed_one() {
    let full = |(): ()| {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Err(Error::File { action: "write", path: "model.safetensors".into(), source }.into())
    };
    let experiment = Closures::new(|_: &Architecture| Ok(()), full, |(): &()| Ok(Metrics::default()));
    let mut agent = AutoDistillation::new(config("Grid", 6), experiment);
    let error = agent.search_loop().unwrap_err();
    assert!(error.to_string().starts_with("trial 0 cannot be saved: free some space"), "{error}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("model.safetensors"));
    assert!(agent.search_result().trials.iter().all(Trial::is_pending));
}

#[test]
fn jobs_side_by_side_try_every_architecture_once() {
    let options = SearchOptions { jobs: 3, ..SearchOptions::default() };
    let mut agent = AutoDistillation::new(config("Random", 6), dividing()).with_options(options);
    agent.search_loop().unwrap();
    let study = agent.search_result();
    let mut tried: Vec<String> = study.trials.iter().map(|trial| trial.architecture.to_string()).collect();
    tried.sort();
    tried.dedup();
    assert_eq!(tried.len(), 6);
    assert_eq!(study.completed().count(), 6);
}

#[test]
fn a_space_without_a_feasible_point_says_why() {
    let text = "auto_distillation:\n  search:\n    search_space: {hidden_size: [64], num_attention_heads: [5]}\n    metrics: [accuracy]\n";
    let plan = SearchConfig::parse(text, Path::new(".")).unwrap().search;
    let error = AutoDistillation::new(plan, dividing()).search_loop().unwrap_err();
    assert!(error.to_string().contains("num_attention_heads does not divide hidden_size"), "{error}");
}

/// The plan of a space of 60 points with these stop rules, what became of it, and what was told.
fn stopped(rules: StopRules) -> (usize, Vec<String>) {
    let widths: Vec<String> = (1..=30).map(|width| (8 * width).to_string()).collect();
    let text = format!(
        "auto_distillation:\n  search:\n    search_space: {{hidden_size: [{}], num_attention_heads: [2, 4]}}\n    \
         metrics: [accuracy, latency]\n    max_trials: 60\n    seed: 7\n",
        widths.join(", ")
    );
    let plan = SearchConfig::parse(&text, Path::new(".")).unwrap().search;
    let mut agent = AutoDistillation::new(SearchPlan { stop: rules, ..plan }, MockExperiment::default());
    let notes = Mutex::new(Vec::new());
    let listener = |event: &RunEvent| {
        if let RunEvent::Note(note) = event {
            notes.lock().unwrap().push(note.clone());
        }
    };
    agent.search_with(&listener, &AtomicBool::new(false)).unwrap();
    (agent.search_result().trials.len(), notes.into_inner().unwrap())
}

#[test]
fn a_search_ends_when_little_more_is_expected() {
    let (trials, notes) = stopped(StopRules { min_expected_gain: Some(0.01), max_hours: None });
    assert!((4..60).contains(&trials), "{trials} trials");
    assert!(notes.iter().filter(|note| note.contains("min_expected_gain")).count() == 1, "{notes:?}");
    let (patient, _) = stopped(StopRules { min_expected_gain: Some(1e-4), max_hours: None });
    assert!(patient > trials, "{patient} trials for a hundredth of the gain, {trials} before");
}

#[test]
fn a_search_ends_when_its_time_is_over() {
    let (trials, notes) = stopped(StopRules { max_hours: Some(1e-12), min_expected_gain: None });
    assert_eq!(trials, 0);
    assert!(notes[0].contains("max_hours"), "{notes:?}");
    assert_eq!(stopped(StopRules { max_hours: Some(1e300), min_expected_gain: None }).0, 60);
}
