//! Warm starts: which earlier student a trial goes on from.

use std::path::{Path, PathBuf};

use autodistillation_models::{Transformer, TransformerConfig, can_continue, continue_from};
use autodistillation_search::{Goal, Metrics, Study, Trial};

use crate::Error;
use crate::event::RunEvent;
use crate::experiment::start::Start;
use crate::experiment::{BuiltInExperiment, Teaching, TrialContext, TrialError};
use crate::plan::Initialize;
use crate::started_from::StartedFrom;

/// What the trials of one search may know of each other.
pub trait TrialLog: Sync {
    /// The study so far.
    fn study(&self) -> Study;

    /// What a trial's student started from, where it has begun.
    fn started_from(&self, number: u32) -> Option<StartedFrom>;

    /// Remembers it, before the student is trained.
    ///
    /// # Errors
    ///
    /// A study that cannot be written.
    fn record_start(&self, number: u32, start: &StartedFrom) -> Result<(), Error>;
}

impl BuiltInExperiment {
    /// A trial's student before its first step, and what it started from; the study knows it from here on.
    pub(super) fn begin(
        &self,
        config: &TransformerConfig,
        trial: &TrialContext<'_>,
    ) -> Result<(Transformer, StartedFrom), TrialError> {
        let (network, start) = match self.warm(config, trial)? {
            Some(warm) => warm,
            None => self.cold(config, trial),
        };
        if let Some(log) = trial.shared.log {
            log.record_start(trial.number, &start).map_err(TrialError::failed)?;
        }
        if start.is_warm() {
            let note = format!("trial {} starts from {start}", trial.number);
            let _ = trial.tell(RunEvent::Note(note)); // A stop is noticed at the first step.
        }
        Ok((network, start))
    }

    /// Whether the student of `config` goes on from the one that the plan names.
    pub fn continues(&self, config: &TransformerConfig) -> bool {
        let earlier = self.materials.earlier_student.as_ref();
        earlier.is_some_and(|earlier| can_continue(config, earlier.network.config()))
    }

    fn cold(&self, config: &TransformerConfig, trial: &TrialContext<'_>) -> (Transformer, StartedFrom) {
        let start = match self.start(config) {
            Start::Random => StartedFrom::Random,
            _ if self.plan.student.initialize == Initialize::Embeddings => StartedFrom::Embeddings,
            Start::Copied | Start::Projected => StartedFrom::Teacher,
        };
        match self.fresh(config.clone(), (trial.seed, trial.shared.threads)) {
            Ok(network) => (network, start),
            Err(error) => {
                let note =
                    format!("trial {}: {error}; it starts from the teacher's embeddings alone", trial.number);
                let _ = trial.tell(RunEvent::Note(note));
                (self.inherited(config.clone(), trial.seed).0, StartedFrom::Embeddings)
            }
        }
    }

    /// The student that goes on from an earlier one, where the plan asks for that and one fits.
    fn warm(
        &self,
        config: &TransformerConfig,
        trial: &TrialContext<'_>,
    ) -> Result<Option<(Transformer, StartedFrom)>, TrialError> {
        match &self.plan.student.initialize {
            _ if self.teaching == Teaching::LabelsAlone => Ok(None),
            Initialize::Trial => Ok(self.after_trial(config, trial)),
            Initialize::Student(folder) => self.after_folder(config, (folder, trial)),
            Initialize::Teacher | Initialize::Embeddings | Initialize::Random => Ok(None),
        }
    }

    fn after_trial(
        &self,
        config: &TransformerConfig,
        trial: &TrialContext<'_>,
    ) -> Option<(Transformer, StartedFrom)> {
        let (log, trials) = (trial.shared.log?, trial.folder?.parent()?);
        let number = match log.started_from(trial.number) {
            // An interrupted trial begins again as it began.
            Some(StartedFrom::Trial(number)) => number,
            Some(_) => return None,
            None => nearest(config, &log.study(), |trial| self.student_config(&trial.architecture).ok())?,
        };
        let folder = student_of(trials, number);
        let earlier = match Transformer::load(&folder, &self.device) {
            Ok(loaded) => loaded.network,
            Err(error) => {
                let note = format!(
                    "trial {}: trial {number}'s student cannot be read ({error}); it starts from the teacher",
                    trial.number
                );
                let _ = trial.tell(RunEvent::Note(note));
                return None;
            }
        };
        let own = Transformer::random(config.clone(), trial.seed, &self.device);
        Some((continue_from(own, &earlier)?, StartedFrom::Trial(number)))
    }

    /// In a search, a student of another shape starts from the teacher.
    fn after_folder(
        &self,
        config: &TransformerConfig,
        (folder, trial): (&PathBuf, &TrialContext<'_>),
    ) -> Result<Option<(Transformer, StartedFrom)>, TrialError> {
        let Some(earlier) = &self.materials.earlier_student else { return Ok(None) };
        let own = Transformer::random(config.clone(), trial.seed, &self.device);
        if let Some(network) = continue_from(own, &earlier.network) {
            return Ok(Some((network, StartedFrom::Student(folder.clone()))));
        }
        let error = Error::OtherShape {
            folder: folder.clone(),
            earlier: shape(earlier.network.config()),
            own: shape(config),
        };
        if self.plan.search.is_none() {
            return Err(TrialError::failed(error));
        }
        let note = format!("trial {}: {error}; it starts from the teacher", trial.number);
        let _ = trial.tell(RunEvent::Note(note));
        Ok(None)
    }
}

/// The completed trial whose student one of `config` goes on from best: as wide inside as it, then as deep, then the one
/// of the best quality, then the first.
fn nearest(
    config: &TransformerConfig,
    study: &Study,
    config_of: impl Fn(&Trial) -> Option<TransformerConfig>,
) -> Option<u32> {
    let candidates = study.completed().filter_map(|trial| {
        let earlier = config_of(trial).filter(|earlier| can_continue(config, earlier))?;
        let width = earlier.intermediate_size.abs_diff(config.intermediate_size);
        let depth = earlier.num_hidden_layers.abs_diff(config.num_hidden_layers);
        Some(((width, depth), quality(trial.metrics()?, &study.goals), trial.number))
    });
    let best = candidates.min_by(|(distance, quality, number), (other_distance, other_quality, other)| {
        let by_quality = || other_quality.total_cmp(quality);
        distance.cmp(other_distance).then_with(by_quality).then(number.cmp(other))
    });
    best.map(|(_, _, number)| number)
}

/// How good a student is, more being better: by the first goal that is no cost, else by its loss.
fn quality(metrics: &Metrics, goals: &[Goal]) -> f64 {
    let goal = goals.iter().find(|goal| !crate::report::is_cost(&goal.metric));
    let value = goal.and_then(|goal| Some(goal.signed(metrics.finite(&goal.metric)?)));
    value.or_else(|| Some(-metrics.finite("loss")?)).unwrap_or(f64::NEG_INFINITY)
}

/// The folder of a completed trial's student.
fn student_of(trials: &Path, number: u32) -> PathBuf {
    trials.join(format!("{number:04}")).join("student")
}

/// The sizes that a student has to share with the one it goes on from.
fn shape(config: &TransformerConfig) -> String {
    let (width, heads, embeddings) = (config.hidden_size, config.num_attention_heads, config.embedding_size);
    let positions = config.max_position_embeddings;
    format!(
        "hidden_size {width}, num_attention_heads {heads}, embedding_size {embeddings}, max_position_embeddings {positions}"
    )
}

#[cfg(test)]
mod tests {
    use autodistillation_search::{Architecture, Choice, Dimension, SearchSpace};
    use serde_json::json;

    use super::*;

    const NAMES: [&str; 3] = ["hidden_size", "num_hidden_layers", "intermediate_size"];

    fn config(sizes: [i64; 3]) -> TransformerConfig {
        let json = json!({
            "architectures": ["BertForSequenceClassification"], "model_type": "bert", "num_attention_heads": 2,
            "vocab_size": 60, "max_position_embeddings": 32, "type_vocab_size": 2,
            "hidden_size": sizes[0], "num_hidden_layers": sizes[1], "intermediate_size": sizes[2],
        });
        TransformerConfig::from_json(&json).unwrap()
    }

    fn config_of(trial: &Trial) -> Option<TransformerConfig> {
        let size = |name: &str| trial.architecture.get(name).and_then(Choice::number).map(|size| size as i64);
        Some(config([size(NAMES[0])?, size(NAMES[1])?, size(NAMES[2])?]))
    }

    /// Completed trials of these sizes, accuracies and losses; an accuracy below 0 stands for a trial that failed.
    fn study(trials: &[([i64; 3], f64, f64)], goals: Vec<Goal>) -> Study {
        let dimensions = NAMES.map(|name| Dimension::new(name, [1, 2]));
        let mut study = Study::new(SearchSpace::new(dimensions.to_vec()).unwrap(), goals, 1);
        for (number, (sizes, accuracy, loss)) in (0..).zip(trials) {
            let architecture: Architecture = NAMES
                .into_iter()
                .zip(sizes)
                .map(|(name, &size)| (name.to_owned(), Choice::Integer(size)))
                .collect();
            let metrics: Metrics = [("accuracy", *accuracy), ("loss", *loss)].into_iter().collect();
            study.trials.push(match *accuracy < 0.0 {
                true => Trial::failed(number, architecture, "it diverged"),
                false => Trial::completed(number, architecture, metrics),
            });
        }
        study
    }

    fn chosen(sizes: [i64; 3], trials: &[([i64; 3], f64, f64)]) -> Option<u32> {
        let goals = vec![Goal::minimize("latency"), Goal::maximize("accuracy")];
        nearest(&config(sizes), &study(trials, goals), config_of)
    }

    #[test]
    fn the_nearest_shape_comes_before_the_better_quality() {
        let trials = [
            ([16, 2, 32], 0.9, 1.0),
            ([16, 3, 32], 0.7, 1.0),
            ([16, 4, 32], 0.8, 1.0),
            ([16, 4, 40], 0.95, 1.0),
        ];
        assert_eq!(chosen([16, 4, 32], &trials), Some(2), "the same");
        assert_eq!(chosen([16, 5, 32], &trials), Some(2), "a layer less");
        assert_eq!(chosen([16, 2, 44], &trials), Some(3), "as wide inside as possible");
    }

    #[test]
    fn the_better_of_equally_near_ones_then_the_first() {
        let trials = [([16, 2, 32], 0.7, 1.0), ([16, 4, 32], 0.8, 1.0), ([16, 4, 32], 0.8, 2.0)];
        assert_eq!(chosen([16, 3, 32], &trials), Some(1));
    }

    #[test]
    fn failed_trials_and_other_widths_have_no_student_to_go_on_from() {
        assert_eq!(chosen([16, 2, 32], &[([16, 2, 32], -1.0, 1.0), ([24, 2, 32], 0.9, 1.0)]), None);
        assert_eq!(chosen([16, 2, 32], &[]), None);
    }

    #[test]
    fn goals_that_are_all_costs_leave_the_choice_to_the_loss() {
        let study =
            study(&[([16, 2, 32], 0.7, 0.9), ([16, 2, 32], 0.7, 0.4)], vec![Goal::minimize("latency")]);
        assert_eq!(nearest(&config([16, 2, 32]), &study, config_of), Some(1));
    }
}
