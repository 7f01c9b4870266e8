//! A small study for the tests of the store.

use std::path::PathBuf;

use autodistillation_search::{Choice, Dimension, Goal, Metrics, Outcome, SearchSpace, Study, Trial};

use super::{StageRecord, StudyDefinition, StudyStore};

/// A folder that is removed with this value, and the path of a study in it.
pub(super) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.db");
    (folder, path)
}

/// 24 architectures with choices of every kind, accuracy against latency.
pub(super) fn definition() -> StudyDefinition {
    let mixed = [Choice::Real(0.1), Choice::Real(2.0), Choice::Boolean(true)];
    let space = SearchSpace::new(vec![
        Dimension::new("hidden_size", [64, 128, 192, 256]),
        Dimension::new("activation", ["gelu", "relu"]),
        Dimension::new("dropout", mixed),
    ]);
    StudyDefinition {
        name: "student".to_owned(),
        space: space.unwrap(),
        goals: vec![Goal::maximize("accuracy"), Goal::minimize("latency")],
        seed: u64::MAX,
        constraints: Vec::new(),
        settings: serde_json::json!({"data": {"max_length": 64}}),
    }
}

pub(super) fn metrics(values: &[(&str, f64)]) -> Metrics {
    values.iter().copied().collect()
}

/// A trial that has not ended, at a point of the space, with its parameters known.
pub(super) fn pending(number: u32, point: u64) -> Trial {
    let architecture = definition().space.architecture_at(point).unwrap();
    Trial {
        intermediate: metrics(&[("parameters", 1e6 + point as f64)]),
        ..Trial::pending(number, architecture)
    }
}

pub(super) fn stage(stage: u32, accuracy: f64) -> StageRecord {
    let name = if stage == 0 { "flash" } else { "regular" }.to_owned();
    StageRecord { stage, name, seconds: 1.5, metrics: metrics(&[("flash_accuracy", accuracy)]) }
}

/// One write to a store.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Begin(Trial),
    Stage(u32, StageRecord),
    Finish(u32, Outcome),
}

/// Five trials: two completed (one of them with an infinite latency and other metrics), one pruned, one
/// failed, one completed without a defined goal; and one that is left running after its first stage.
pub(super) fn steps() -> Vec<Step> {
    let completed =
        metrics(&[("accuracy", 0.1 + 0.2), ("latency", 2.5), ("loss", 1.0 / 3.0), ("flops", f64::NAN)]);
    let infinite = metrics(&[("accuracy", 0.75), ("latency", f64::INFINITY)]);
    let pruned = metrics(&[("accuracy", 0.5), ("latency", 1.0)]);
    vec![
        Step::Begin(pending(0, 3)),
        Step::Stage(0, stage(0, 0.6)),
        Step::Stage(0, stage(1, 0.7)),
        Step::Finish(0, Outcome::Completed(completed)),
        Step::Begin(pending(1, 23)),
        Step::Finish(1, Outcome::Completed(infinite)),
        Step::Begin(pending(2, 7)),
        Step::Begin(pending(3, 8)),
        Step::Finish(3, Outcome::Failed("loss is NaN at step 12".to_owned())),
        Step::Finish(2, Outcome::Pruned(pruned)),
        Step::Begin(pending(4, 9)),
        Step::Finish(4, Outcome::Completed(metrics(&[("latency", 3.0)]))),
        Step::Begin(pending(5, 10)),
        Step::Stage(5, stage(0, 0.65)),
    ]
}

pub(super) fn apply(store: &mut StudyStore, step: &Step) {
    match step {
        Step::Begin(trial) => store.begin_trial(trial),
        Step::Stage(number, record) => store.record_stage(*number, record),
        Step::Finish(number, outcome) => store.finish_trial(*number, outcome),
    }
    .unwrap();
}

/// The study in memory after the same steps.
pub(super) fn expected(steps: &[Step]) -> Study {
    let definition = definition();
    let mut study = Study::new(definition.space, definition.goals, definition.seed);
    for step in steps {
        match step {
            Step::Begin(trial) => study.trials.push(trial.clone()),
            Step::Stage(number, record) => {
                study.trials[*number as usize].intermediate.extend(record.metrics.iter())
            }
            Step::Finish(number, outcome) => study.trials[*number as usize].outcome = Some(outcome.clone()),
        }
    }
    study
}

/// Text that is equal for equal studies, NaN included.
pub(super) fn shown(study: &Study) -> String {
    serde_json::to_string_pretty(study).unwrap()
}
