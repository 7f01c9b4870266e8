//! The input of every report: what a run did, as plain values.

use autodistillation_search::{Architecture, Metrics, Study, Trial};
use serde::{Deserialize, Serialize};

use super::Environment;
use super::quantity::canonical;
use crate::started_from::StartedFrom;

/// All that the documents of a run are made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run's name, from `model.name`.
    pub name: String,
    /// Space, goals, constraints and trials.
    pub study: Study,
    /// The advisor's name, such as `BO`.
    pub algorithm: String,
    /// How many trials the run is to have.
    pub max_trials: u32,
    /// The network that the students learned from.
    pub teacher: Teacher,
    /// What the study does not hold about its trials; those without a record are shown without.
    #[serde(default)]
    pub records: Vec<TrialRecord>,
    /// How every student was taught.
    pub recipe: Recipe,
    /// What they were taught and measured on.
    pub dataset: Dataset,
    /// Where and with what.
    pub environment: Environment,
    /// Where the run's time went, in the order to be shown.
    #[serde(default)]
    pub time: Vec<TimeShare>,
}

/// The teacher, as a reference.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Teacher {
    /// Its name, usually its folder's.
    pub name: String,
    /// Its identifier on the Hugging Face hub, where it is known.
    #[serde(default)]
    pub hub_id: Option<String>,
    /// Its licence as an SPDX identifier in lower case, where it is known.
    #[serde(default)]
    pub license: Option<String>,
    /// The sizes of its Hugging Face config that are worth showing.
    #[serde(default)]
    pub architecture: Architecture,
    /// What was measured on it.
    #[serde(default)]
    pub measured: Measured,
}

/// What was measured on one network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// On the validation set, costs included: `accuracy`, `loss`, `latency` (ms), `parameters`, …
    #[serde(default)]
    pub metrics: Metrics,
    /// On the test set, never used to choose; empty without one.
    #[serde(default)]
    pub test: Metrics,
    /// The distribution of single calls.
    #[serde(default)]
    pub latency: Option<LatencyPercentiles>,
}

/// Milliseconds per example.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyPercentiles {
    /// Half of the calls were at most this long.
    pub p50: f64,
    /// Nine in ten.
    pub p90: f64,
    /// 99 in a hundred.
    pub p99: f64,
}

/// What became of one trial beyond its metrics in the study.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TrialRecord {
    /// The trial's number in the study.
    pub number: u32,
    /// What its student started from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_from: Option<StartedFrom>,
    /// Further measurements; a metric that the study has too is taken from the study.
    #[serde(default)]
    pub measured: Measured,
    /// The stages run so far, in order.
    #[serde(default)]
    pub stages: Vec<StageRecord>,
    /// The loss by step.
    #[serde(default)]
    pub curve: Vec<CurvePoint>,
    /// The student's folder within the run, with `/`; `None` where its weights were not kept.
    #[serde(default)]
    pub student: Option<String>,
}

/// How one stage of one trial went.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StageRecord {
    /// What was trained: a block's path, or `regular`.
    pub name: String,
    /// Optimiser steps taken.
    pub steps: u32,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Those of them in which the student waited for the teacher; near 0 where the teacher's outputs were kept.
    #[serde(default)]
    pub teacher_seconds: Option<f64>,
    /// The loss at its end.
    #[serde(default)]
    pub loss: Option<f64>,
    /// 1 − MSE / variance of the teacher's features: 1 is a perfect match, 0 the teacher's mean.
    #[serde(default)]
    pub explained_variance: Option<f64>,
    /// Variance of the student's features across tokens; near 0 they have collapsed.
    #[serde(default)]
    pub feature_variance: Option<f64>,
    /// What went wrong without failing the trial, such as a collapse to the mean.
    #[serde(default)]
    pub warning: Option<String>,
}

/// One point of a learning curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The stage's place in the trial, from 0.
    pub stage: u32,
    /// The step within the stage, from 1.
    pub step: u32,
    /// The training loss; `null` in JSON where it is not finite.
    #[serde(with = "finite_or_null")]
    pub loss: f64,
}

/// How every student of the run was taught.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recipe {
    /// The network family, such as `bert`.
    pub family: String,
    /// Values of the student's config that were not searched.
    #[serde(default)]
    pub fixed: Architecture,
    /// What the student starts from, in words.
    pub initialization: String,
    /// The optimiser and its constants, in words.
    pub optimizer: String,
    /// Examples in a batch.
    pub batch_size: u32,
    /// The stages as configured, in order.
    pub stages: Vec<RecipeStage>,
}

/// One stage as configured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RecipeStage {
    /// What is trained: a block's path, or `regular`.
    pub name: String,
    /// What is minimised, in words.
    pub objective: String,
    /// Optimiser steps.
    pub steps: u32,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// What students were before there were other heads.
fn sequence_classification() -> String {
    "AutoModelForSequenceClassification".to_owned()
}

/// The data set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Dataset {
    /// Its name, such as `sst2`.
    pub name: String,
    /// The Hugging Face pipeline tag, such as `text-classification`.
    pub task: String,
    /// The class of `transformers` that loads a student, such as `AutoModelForSequenceClassification`.
    #[serde(default = "sequence_classification")]
    pub auto_class: String,
    /// Training examples.
    pub train: u64,
    /// Validation examples.
    pub validation: u64,
    /// Test examples.
    #[serde(default)]
    pub test: Option<u64>,
    /// Names of the classes, in the order of their ids; empty for regression.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Longest example in tokens.
    pub max_length: u32,
}

/// A part of the run's time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimeShare {
    /// What was done, such as `flash distillation`.
    pub activity: String,
    /// Seconds, summed over the students trained side by side.
    pub seconds: f64,
}

impl RunSummary {
    /// The record of a trial, where there is one.
    pub fn record(&self, number: u32) -> Option<&TrialRecord> {
        self.records.iter().find(|record| record.number == number)
    }

    /// The trial with a number.
    pub fn trial(&self, number: u32) -> Option<&Trial> {
        self.study.trials.iter().find(|trial| trial.number == number)
    }

    /// A finite final metric of a trial: the study's, else the record's.
    ///
    /// A pruned trial's values are those it had when it was stopped.
    pub fn metric(&self, trial: &Trial, metric: &str) -> Option<f64> {
        use autodistillation_search::Outcome::{Completed, Pruned};
        let from_study = match &trial.outcome {
            Some(Completed(metrics) | Pruned(metrics)) => metrics.finite(metric),
            _ => None,
        };
        from_study.or_else(|| self.record(trial.number)?.measured.metrics.finite(metric))
    }

    /// A finite metric of the teacher on the validation set; `eval_accuracy` and `accuracy` are one.
    pub fn teacher_metric(&self, metric: &str) -> Option<f64> {
        let metrics = &self.teacher.measured.metrics;
        metrics.finite(metric).or_else(|| metrics.finite(canonical(metric)))
    }

    /// The trained student that a trial's student went on from; `None` where it started from the teacher or at random.
    pub fn warm_start(&self, number: u32) -> Option<&StartedFrom> {
        self.record(number)?.started_from.as_ref().filter(|start| start.is_warm())
    }

    /// Whether any student went on from another.
    pub fn has_warm_starts(&self) -> bool {
        self.records.iter().any(|record| self.warm_start(record.number).is_some())
    }

    /// Where a Pareto student's folder is within the run: `students/0007` unless its record says otherwise.
    pub fn student_folder(&self, number: u32) -> String {
        let recorded = self.record(number).and_then(|record| record.student.clone());
        recorded.unwrap_or_else(|| format!("students/{number:04}"))
    }
}

/// Keeps learning curves readable when a loss is NaN or infinite, for which JSON has no number.
mod finite_or_null {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_none() }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    #[test]
    fn a_run_written_as_json_is_read_back_the_same() {
        let mut run = example_run::sst2();
        run.records.iter_mut().for_each(|record| record.curve.retain(|point| point.loss.is_finite()));
        let json = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<RunSummary>(&json).unwrap(), run);
    }

    #[test]
    fn a_loss_that_is_not_finite_survives_as_null() {
        let json = serde_json::to_string(&CurvePoint { stage: 0, step: 3, loss: f64::INFINITY }).unwrap();
        assert_eq!(json, r#"{"stage":0,"step":3,"loss":null}"#);
        assert!(serde_json::from_str::<CurvePoint>(&json).unwrap().loss.is_nan());
    }

    #[test]
    fn the_study_wins_over_the_record() {
        let mut run = example_run::sst2();
        let number = run.study.pareto_front()[0].number;
        let record = run.records.iter_mut().find(|record| record.number == number).unwrap();
        record.measured.metrics.insert("accuracy", 0.1);
        record.measured.metrics.insert("energy", 3.0);
        let trial = run.trial(number).unwrap();
        assert_eq!(run.metric(trial, "accuracy"), trial.metrics().unwrap().get("accuracy"));
        assert_eq!(run.metric(trial, "energy"), Some(3.0));
    }
}
