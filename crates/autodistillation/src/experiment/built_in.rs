//! The experiment that out-of-the-box mode runs: a student of any family taught by a teacher of any family.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use autodistillation_distillation::event::Event;
use autodistillation_distillation::{
    Course, Ensemble, LayerSimilarity, Matchers, OptimizerConfig, Scheduler, Seeds, StageKind, Teacher,
    TrainingSettings,
};
use autodistillation_models::{Arithmetic, TeacherStates, Transformer, TransformerConfig, student_config};
use autodistillation_search::{Architecture, FeasibleSpace, Infeasible, KnownGoals, Metrics};
use burn::tensor::Device;
use serde_json::{Map, Value};

use crate::config::LayerStack;
use crate::event::RunEvent;
use crate::experiment::checkpoint::Checkpoint;
use crate::experiment::journal::Journal;
use crate::experiment::logit_losses;
use crate::experiment::stage_record::stage_record;
use crate::experiment::start::last_trained;
use crate::experiment::{Experiment, Patience, Shared, TrialContext, TrialError};
use crate::latency_profile::LatencyProfile;
use crate::materials::{Materials, Sets};
use crate::plan::Plan;
use crate::report::StageRecord;
use crate::started_from::StartedFrom;
use crate::task::Task;
use crate::teacher_cache::{self, CacheSettings, Notes};

/// Dropout of students unless the config says otherwise: the teacher's soft targets regularise enough (see
/// `docs/experiments.md`).
const DROPOUT: f64 = 0.0;
/// Wider students train their regular stages at this width's share of the rate: a step of Adam changes what a layer
/// computes in proportion to its width (Yang et al. 2021, "Tensor Programs V"; measured in `docs/experiments.md`).
const FULL_RATE_WIDTH: usize = 128;

/// Builds the students of a plan, teaches them and measures them.
#[derive(Debug)]
pub struct BuiltInExperiment {
    pub(super) plan: Plan,
    pub(super) teacher: Teacher<Ensemble<Transformer>>,
    pub(super) teacher_config: TransformerConfig,
    pub(super) materials: Materials,
    pub(super) device: Device,
    pub(super) teaching: Teaching,
    /// Latencies that are known before training.
    pub(super) latencies: Option<Arc<LatencyProfile>>,
    pub(super) observed: Mutex<BTreeMap<Vec<usize>, Arc<TeacherStates>>>,
    pub(super) teacher_quality: OnceLock<Metrics>,
    /// How similar the teacher's layers are, once it was asked for.
    pub(super) similarity: OnceLock<LayerSimilarity>,
    notes: Arc<Notes>,
}

/// Who teaches a student.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Teaching {
    /// The plan's teacher, in the plan's stages.
    #[default]
    Distilled,
    /// The labels alone, from a random start and for as many steps as all stages have: what the teacher is worth.
    LabelsAlone,
}

/// A student with what earlier stages left for later ones.
#[derive(Debug)]
pub struct Pupil {
    /// The network.
    pub network: Transformer,
    /// What it was before its first step.
    pub started_from: StartedFrom,
    /// Trained feature matchers by mapping.
    pub matchers: Matchers,
    /// Stages that are done.
    pub finished: Vec<StageRecord>,
}

impl BuiltInExperiment {
    /// The experiment of `plan` on these materials; the teacher's outputs are kept in `cache`, or in memory without
    /// one.
    pub fn new(plan: Plan, mut materials: Materials, device: Device, cache: Option<&CacheSettings>) -> Self {
        let teacher_config = materials.teacher.config().clone();
        let arithmetic = plan.training.arithmetic().unwrap_or(Arithmetic::F32);
        let (teacher, notes) =
            teacher_cache::teacher(&materials.teachers(arithmetic), &materials.sets, cache);
        let (teaching, observed) = (Teaching::default(), Mutex::default());
        materials
            .notes
            .extend(logit_losses::note(&plan.scheduler, Task::of(&teacher_config)).map(str::to_owned));
        let latencies = None;
        let (teacher_quality, similarity) = (OnceLock::new(), OnceLock::new());
        let experiment = Self {
            plan,
            teacher,
            teacher_config,
            materials,
            device,
            teaching,
            latencies,
            observed,
            teacher_quality,
            similarity,
            notes,
        };
        experiment.with_note_on_rates()
    }

    /// Says so where wide students are trained at a lower rate than the config's.
    fn with_note_on_rates(mut self) -> Self {
        let searched = self.plan.search.iter().flat_map(|search| search.space.dimensions());
        let widths = searched.filter(|dimension| dimension.name == "hidden_size");
        let choices = widths.flat_map(|dimension| &dimension.choices).filter_map(|choice| choice.number());
        let unsearched = self.student_config(&Architecture::default()).map_or(0, |config| config.hidden_size);
        let widest = choices.max_by(f64::total_cmp).map_or(unsearched, |widest| widest as usize);
        if self.rate_share(widest) < 1.0 {
            self.materials.notes.push(format!(
                "students wider than {FULL_RATE_WIDTH} train their regular stages at {FULL_RATE_WIDTH} / hidden_size of the learning rate; `train.width_scaling: false` takes it as it is"
            ));
        }
        self
    }

    /// The same with students that are taught so.
    #[must_use]
    pub fn with_teaching(mut self, teaching: Teaching) -> Self {
        self.teaching = teaching;
        self
    }

    /// Where networks compute.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What it works with.
    pub fn materials(&self) -> &Materials {
        &self.materials
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The config of the student of `architecture`.
    ///
    /// # Errors
    ///
    /// A dimension that the family lacks, or sizes that cannot be.
    pub fn student_config(
        &self,
        architecture: &Architecture,
    ) -> Result<TransformerConfig, autodistillation_models::Error> {
        student_config(&self.teacher_config, self.plan.student.family, &self.overrides(architecture))
    }

    /// The values of the student's config that differ from the teacher's: dropout, fixed values, searched ones.
    pub(super) fn overrides(&self, architecture: &Architecture) -> Map<String, Value> {
        let mut values = Map::new();
        let dropout = self.plan.student.dropout.unwrap_or(DROPOUT);
        values.insert("hidden_dropout_prob".into(), dropout.into());
        values.insert("attention_probs_dropout_prob".into(), dropout.into());
        values.extend(self.plan.student.fixed.clone());
        values.extend(chosen(architecture));
        values
    }

    /// The stages of the student of `config`.
    pub fn scheduler(&self, config: &TransformerConfig) -> Scheduler {
        let stacks = (layers(config), layers(&self.teacher_config));
        let scheduler = self.plan.scheduler_along(&stacks.0, &stacks.1, self.similarity());
        let scheduler = logit_losses::of_task(&scheduler, Task::of(config));
        let scheduler = match self.teaching {
            Teaching::Distilled => scheduler,
            Teaching::LabelsAlone => scheduler.on_labels_alone(self.plan.training.optimizer.learning_rate()),
        };
        scheduler.with_regular_rates_times(self.rate_share(config.hidden_size))
    }

    /// The share of the config's rate at which the regular stages of a student of this width are trained.
    fn rate_share(&self, width: usize) -> f64 {
        let training = &self.plan.training;
        match training.optimizer {
            OptimizerConfig::AdamW(_) | OptimizerConfig::Adam(_) if training.width_scaling => {
                (FULL_RATE_WIDTH as f64 / width as f64).min(1.0)
            }
            _ => 1.0,
        }
    }

    /// Runs the stages that `pupil` has not finished yet.
    ///
    /// # Errors
    ///
    /// Why the training failed, or that it was stopped.
    pub fn teach(&self, mut pupil: Pupil, trial: &TrialContext<'_>) -> Result<Pupil, TrialError> {
        let scheduler = self.scheduler(pupil.network.config());
        let settings = settings(&self.plan);
        let stack = layers(pupil.network.config());
        for (position, stage) in scheduler.stages().iter().enumerate().skip(pupil.finished.len()) {
            if position > 0 && position == first_regular(&scheduler) && trial.patience == Patience::LooksEarly
            {
                return Err(self
                    .early_look(&pupil, trial)
                    .map_or_else(TrialError::failed, TrialError::Waiting));
            }
            let journal = Journal::new((trial, &self.notes), position, stage.steps);
            let hear = |event: &Event| journal.hear(event);
            let course = self.course(&settings, trial.seed, &hear);
            let started = Instant::now();
            let network = pupil.network.clone();
            let taught = course.run_stage(network, (position, stage), &mut pupil.matchers);
            let (network, report) = taught.map_err(stopped_or_failed)?;
            let trained = last_trained(stage, scheduler.stages().get(position + 1), &stack);
            pupil.network = match trained.filter(|_| pupil.started_from == StartedFrom::Teacher) {
                Some(block) => self
                    .solved_behind(network, block, (trial.seed, trial.shared.threads))
                    .map_err(TrialError::failed)?,
                None => network,
            };
            pupil.finished.push(stage_record(&stage.block, &report, started.elapsed().as_secs_f64()));
            if let Some(folder) = trial.folder {
                Checkpoint::save(folder, &pupil)
                    .and_then(|()| journal.write(folder))
                    .map_err(TrialError::failed)?;
            }
        }
        Ok(pupil)
    }

    fn course<'a>(
        &'a self,
        settings: &'a TrainingSettings,
        trial_seed: u64,
        listener: &'a dyn autodistillation_distillation::Listener,
    ) -> Course<'a, Ensemble<Transformer>> {
        let Sets { training, validation, .. } = &self.materials.sets;
        let seeds = Seeds { order: self.plan.seed, trial: trial_seed };
        Course { teacher: &self.teacher, training, validation, settings, seeds, listener }
    }
}

impl Experiment for BuiltInExperiment {
    type Student = Pupil;

    fn check(&self, architecture: &Architecture) -> Result<(), Infeasible> {
        match self.student_config(architecture) {
            Ok(_) => Ok(()),
            Err(error) => Err(Infeasible::new(without_numbers(&error.to_string()))),
        }
    }

    fn known_goals(&self, feasible: &FeasibleSpace) -> KnownGoals {
        self.known_before_training(feasible)
    }

    /// The teacher's quality, unless others wait for a quiet moment to measure latencies in.
    fn meanwhile(&self, shared: &Shared<'_>) {
        if self.latencies.is_none() {
            return;
        }
        let _working = shared.working();
        let _ = self.teacher_quality(); // A failure comes again when the run asks for it.
    }

    fn looks_early(&self) -> bool {
        let scheduler = self.scheduler(&self.teacher_config);
        let regular = first_regular(&scheduler);
        regular > 0 && regular < scheduler.stages().len()
    }

    fn build(&self, trial: &TrialContext<'_>) -> Result<Pupil, TrialError> {
        let config = self.student_config(trial.architecture).map_err(TrialError::failed)?;
        let steps = self.scheduler(&config).total_steps();
        let architecture = trial.architecture.clone();
        let _ = trial.tell(RunEvent::TrialStarted { number: trial.number, architecture, steps });
        if let Some(folder) = trial.folder
            && let Some(pupil) =
                Checkpoint::load(folder, &config, &self.device).map_err(TrialError::failed)?
        {
            return Ok(pupil);
        }
        let working = trial.shared.working();
        let (network, started_from) = self.begin(&config, trial)?;
        drop(working);
        Ok(Pupil { network, started_from, matchers: Matchers::new(), finished: Vec::new() })
    }

    fn train(&self, student: Pupil, trial: &TrialContext<'_>) -> Result<Pupil, TrialError> {
        let arithmetic = self.plan.training.arithmetic().map_err(TrialError::failed)?;
        self.teach(Pupil { network: student.network.compute_in(arithmetic), ..student }, trial)
    }

    /// Measures the saved weights, so that the quality is that of the files that are handed over. The latency of their
    /// shape may be known already.
    fn evaluate(&self, student: Pupil, trial: &TrialContext<'_>) -> Result<Metrics, TrialError> {
        let network = match trial.folder {
            Some(folder) => self.hand_over(&student, folder).map_err(TrialError::failed)?,
            None => student.network,
        };
        let metrics = self.measure(&network, Some(trial)).map_err(TrialError::failed)?;
        if let Some(loss) = metrics.get("loss").filter(|loss| !loss.is_finite()) {
            return Err(TrialError::failed(crate::Error::Diverged { loss }));
        }
        if let Some(folder) = trial.folder {
            write_metrics(folder, &metrics, &student.finished).map_err(TrialError::failed)?;
            Checkpoint::remove(folder);
        }
        Ok(metrics)
    }
}

impl BuiltInExperiment {
    /// Saves the student with its tokenizer and loads it again.
    fn hand_over(
        &self,
        student: &Pupil,
        folder: &Path,
    ) -> Result<Transformer, autodistillation_models::Error> {
        let folder = folder.join("student");
        self.plan.framework.save(&folder, &student.network)?;
        self.materials.tokenizer.copy_files(&folder, student.network.config())?;
        Ok(Transformer::load(&folder, &self.device)?.network)
    }
}

/// The values that an architecture gives a student's config.
pub(super) fn chosen(architecture: &Architecture) -> impl Iterator<Item = (String, Value)> {
    architecture
        .iter()
        .map(|(name, choice)| (name.to_owned(), serde_json::to_value(choice).unwrap_or(Value::Null)))
}

/// The training settings of a plan.
pub fn settings(plan: &Plan) -> TrainingSettings {
    let training = &plan.training;
    TrainingSettings {
        optimizer: training.optimizer,
        schedule: training.schedule,
        batch_size: training.batch_size,
        accumulation: training.accumulation,
        max_gradient_norm: training.max_gradient_norm,
        early_stop: training.early_stop.map(|rule| autodistillation_distillation::EarlyStop {
            every: rule.every,
            patience: rule.patience,
        }),
    }
}

/// The position of the first regular stage; the number of stages where there is none.
fn first_regular(scheduler: &Scheduler) -> usize {
    let is_regular = |stage: &autodistillation_distillation::Stage| stage.kind == StageKind::Regular;
    scheduler.stages().iter().position(is_regular).unwrap_or(scheduler.stages().len())
}

/// The encoder layers of a network.
pub fn layers(config: &TransformerConfig) -> LayerStack {
    LayerStack {
        prefix: config.family.layer_prefix().to_owned(),
        layers: config.num_hidden_layers,
        attention: config.family.attention_module().to_owned(),
        output: config.family.output_module().to_owned(),
    }
}

fn stopped_or_failed(error: autodistillation_distillation::Error) -> TrialError {
    match error {
        autodistillation_distillation::Error::Stopped => TrialError::Stopped,
        other => TrialError::failed(other),
    }
}

/// A reason that many architectures share: `num_attention_heads does not divide hidden_size`.
fn without_numbers(reason: &str) -> String {
    let words = reason.split_whitespace().filter(|word| {
        !word.trim_matches(|c: char| !c.is_alphanumeric()).chars().all(|c| c.is_ascii_digit())
    });
    words.collect::<Vec<_>>().join(" ")
}

pub(super) fn write_metrics(
    folder: &Path,
    metrics: &Metrics,
    stages: &[StageRecord],
) -> Result<(), crate::Error> {
    crate::files::write_json(&folder.join("metrics.json"), metrics)?;
    crate::files::write_json(&folder.join("stages.json"), &stages)
}
