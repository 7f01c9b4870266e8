//! Trials that are looked at before their expensive part: who is trained to the end, and what is remembered.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::config::SearchConfig;
use crate::store::StudyDefinition;

/// Accuracy grows with the width alone, latency (known) with width × waste; accuracy is 0.2 lower at first.
struct Wasteful {
    finished: AtomicU32,
}

impl Wasteful {
    fn new() -> Self {
        Self { finished: AtomicU32::new(0) }
    }
}

fn accuracy(architecture: &Architecture) -> f64 {
    1.0 - 8.0 / architecture.integer("width").unwrap() as f64
}

fn latency(architecture: &Architecture) -> f64 {
    (architecture.integer("width").unwrap() * architecture.integer("waste").unwrap()) as f64
}

impl Experiment for Wasteful {
    type Student = Architecture;

    fn known_goals(&self, feasible: &FeasibleSpace) -> KnownGoals {
        KnownGoals::none().with("latency", feasible, latency)
    }

    fn looks_early(&self) -> bool {
        true
    }

    fn build(&self, trial: &TrialContext<'_>) -> Result<Architecture, TrialError> {
        Ok(trial.architecture.clone())
    }

    fn train(&self, student: Architecture, trial: &TrialContext<'_>) -> Result<Architecture, TrialError> {
        if trial.patience == Patience::LooksEarly {
            return Err(TrialError::Waiting([("accuracy", accuracy(&student) - 0.2)].into_iter().collect()));
        }
        self.finished.fetch_add(1, Ordering::Relaxed);
        Ok(student)
    }

    fn evaluate(&self, student: Architecture, _trial: &TrialContext<'_>) -> Result<Metrics, TrialError> {
        Ok([("accuracy", accuracy(&student)), ("latency", latency(&student))].into_iter().collect())
    }
}

fn config(algorithm: &str, pruning: &str) -> SearchPlan {
    let text = format!(
        "auto_distillation:\n  search:\n    search_space: {{width: [16, 24, 32, 48, 64], waste: [1, 2, 3, 4]}}\n    \
         search_algorithm: {algorithm}\n    pruning: {pruning}\n    metrics: [accuracy, latency]\n    max_trials: 20\n    seed: 7\n"
    );
    SearchConfig::parse(&text, Path::new(".")).unwrap().search
}

fn agent(plan: SearchPlan, folder: &Path) -> AutoDistillation<Wasteful> {
    let definition = StudyDefinition {
        name: "wasteful".to_owned(),
        space: plan.space.clone(),
        goals: plan.goals.clone(),
        seed: plan.seed,
        constraints: plan.constraints.clone(),
        settings: serde_json::Value::Null,
    };
    let store = StudyStore::open(&folder.join("study.db"), &definition).unwrap();
    let options = SearchOptions { folder: Some(folder.join("trials")), ..SearchOptions::default() };
    AutoDistillation::new(plan, Wasteful::new()).with_options(options).with_store(store).unwrap()
}

#[test]
fn only_trials_that_can_enlarge_the_front_are_trained_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = agent(config("BO", "auto"), folder.path());
    let mut widths: Vec<i64> =
        agent.search_loop().unwrap().iter().map(|best| best.integer("width").unwrap()).collect();
    widths.sort_unstable();
    assert_eq!(widths, [16, 24, 32, 48, 64], "every width without waste is on the front");
    let study = agent.search_result();
    assert_eq!(study.trials.len(), 20);
    let trained = agent.experiment().finished.load(Ordering::Relaxed) as usize;
    assert!(trained <= 14, "{trained} of 20 were trained to the end, though only five can be on the front");
    assert_eq!(study.pruned().count(), 20 - trained);
    assert!(study.trials.iter().all(|trial| trial.intermediate.finite("accuracy").is_some()));
    let stored = StudyStore::open_existing(&folder.path().join("study.db")).unwrap().load().unwrap();
    assert_eq!(stored.trials, study.trials);
}

#[test]
fn without_pruning_and_by_other_algorithms_every_trial_is_trained_to_the_end() {
    for (algorithm, pruning) in [("BO", "none"), ("Random", "auto"), ("Grid", "auto")] {
        let folder = tempfile::tempdir().unwrap();
        let mut agent = agent(config(algorithm, pruning), folder.path());
        agent.search_loop().unwrap();
        assert_eq!(agent.search_result().completed().count(), 20, "{algorithm}, {pruning}");
    }
}

#[test]
fn a_search_stopped_while_trials_wait_goes_on_to_the_same_end() {
    let whole = tempfile::tempdir().unwrap();
    let mut uninterrupted = agent(config("BO", "auto"), whole.path());
    uninterrupted.search_loop().unwrap();
    let pieces = tempfile::tempdir().unwrap();
    for _ in 0..4 {
        let (heard, stop) = (AtomicU32::new(0), AtomicBool::new(false));
        let listener = |event: &RunEvent| {
            let counts = matches!(event, RunEvent::TrialWaiting { .. } | RunEvent::TrialFinished { .. });
            if counts && heard.fetch_add(1, Ordering::Relaxed) == 5 {
                stop.store(true, Ordering::Relaxed);
            }
        };
        agent(config("BO", "auto"), pieces.path()).search_with(&listener, &stop).unwrap();
    }
    let mut last = agent(config("BO", "auto"), pieces.path());
    last.search_loop().unwrap();
    assert_eq!(last.search_result().trials, uninterrupted.search_result().trials);
}
