//! The experiment that out-of-the-box mode runs: a BERT student taught by a BERT teacher.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLockReadGuard};
use std::time::Instant;

use autodistillation_distillation::event::{Event, StageReport};
use autodistillation_distillation::{
    Batch, Course, Matchers, Order, Scheduler, Seeds, Teacher, TrainingSettings,
};
use autodistillation_models::inherit::{InheritancePlan, inherit};
use autodistillation_models::{
    Bert, BertConfig, Precision, TeacherStates, cost, project, save, student_config,
};
use autodistillation_search::{Architecture, FeasibleSpace, Infeasible, KnownGoals, Metrics};
use burn::tensor::Device;
use serde_json::{Map, Value};

use crate::config::LayerStack;
use crate::event::RunEvent;
use crate::experiment::checkpoint::Checkpoint;
use crate::experiment::{Experiment, TrialContext, TrialError};
use crate::materials::{Materials, Sets};
use crate::measurement;
use crate::plan::{Initialize, Plan};
use crate::report::{CurvePoint, StageRecord};

/// Bytes of teacher outputs kept in memory for all trials.
const KEPT_OUTPUTS: usize = 4 << 30;
/// Dropout of students unless the config says otherwise: the teacher's soft targets regularise enough (see
/// `docs/experiments.md`).
const DROPOUT: f64 = 0.0;
/// Examples in a batch of the sample that starts are computed from.
const SAMPLE_BATCH: usize = 32;
/// Batches of that sample.
const SAMPLE_BATCHES: usize = 100;
/// Numbers of the teacher's states that are kept for it at most.
const SAMPLE_FLOATS: usize = 1 << 28;
/// Points of a learning curve that a stage keeps.
const CURVE_POINTS: u32 = 200;

/// Builds BERT students of a plan, teaches them and measures them.
#[derive(Debug)]
pub struct BuiltInExperiment {
    plan: Plan,
    teacher: Teacher<Bert>,
    teacher_config: BertConfig,
    materials: Materials,
    device: Device,
    observed: Mutex<BTreeMap<Vec<usize>, Arc<TeacherStates>>>,
}

/// How a student starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Seeded random weights.
    Random,
    /// The teacher's layers as they are, embeddings too or projected.
    Copied,
    /// The teacher projected to the student's sizes, block by block in closed form.
    Projected,
}

/// A student with what earlier stages left for later ones.
#[derive(Debug)]
pub struct Pupil {
    /// The network.
    pub network: Bert,
    /// Trained feature matchers by mapping.
    pub matchers: Matchers,
    /// Stages that are done.
    pub finished: Vec<StageRecord>,
}

impl BuiltInExperiment {
    /// The experiment of `plan` on these materials.
    pub fn new(plan: Plan, materials: Materials, device: Device) -> Self {
        let teacher_config = materials.teacher.config().clone();
        let teacher = Teacher::new(materials.teacher.clone(), KEPT_OUTPUTS);
        Self { plan, teacher, teacher_config, materials, device, observed: Mutex::default() }
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
    ) -> Result<BertConfig, autodistillation_models::Error> {
        student_config(&self.teacher_config, &self.overrides(architecture))
    }

    /// The values of the student's config that differ from the teacher's: dropout, fixed values, searched ones.
    fn overrides(&self, architecture: &Architecture) -> Map<String, Value> {
        let mut values = Map::new();
        let dropout = self.plan.student.dropout.unwrap_or(DROPOUT);
        values.insert("hidden_dropout_prob".into(), dropout.into());
        values.insert("attention_probs_dropout_prob".into(), dropout.into());
        values.extend(self.plan.student.fixed.clone());
        for (name, choice) in architecture.iter() {
            values.insert(name.to_owned(), serde_json::to_value(choice).unwrap_or(Value::Null));
        }
        values
    }

    /// The stages of the student of `config`.
    pub fn scheduler(&self, config: &BertConfig) -> Scheduler {
        self.plan.scheduler_for(&layers(config), &layers(&self.teacher_config))
    }

    /// A fresh student of `config`.
    ///
    /// # Errors
    ///
    /// A projection without a solution.
    pub fn fresh(&self, config: BertConfig, seed: u64) -> Result<Bert, autodistillation_models::Error> {
        let network = Bert::random(config, seed, &self.device);
        let plan = InheritancePlan::evenly_spaced(network.config(), &self.teacher_config);
        match self.start(network.config()) {
            Start::Random => Ok(network),
            Start::Copied => Ok(inherit(network, &self.materials.teacher, &plan).0),
            Start::Projected => project(network, &self.states(plan.layers), seed),
        }
    }

    /// A student of `config` with the teacher's embeddings, and its layers where the shapes are equal.
    fn inherited(&self, config: BertConfig, seed: u64) -> Bert {
        let network = Bert::random(config, seed, &self.device);
        let plan = InheritancePlan::evenly_spaced(network.config(), &self.teacher_config);
        inherit(network, &self.materials.teacher, &plan).0
    }

    /// How the student of `config` starts.
    pub fn start(&self, config: &BertConfig) -> Start {
        let teacher = &self.teacher_config;
        let shape =
            |config: &BertConfig| (config.hidden_size, config.num_attention_heads, config.intermediate_size);
        match self.plan.student.initialize {
            Initialize::Random => Start::Random,
            Initialize::Teacher
                if shape(config) == shape(teacher) || config.hidden_size > teacher.hidden_size =>
            {
                Start::Copied
            }
            Initialize::Teacher => Start::Projected,
        }
    }

    /// The teacher's states at these layers on a sample of the training set, observed once for all trials.
    fn states(&self, layers: Vec<usize>) -> Arc<TeacherStates> {
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        let states = observed.entry(layers.clone()).or_insert_with(|| {
            let batches = self.sample(layers.len());
            Arc::new(TeacherStates::observe(&self.materials.teacher, batches, layers))
        });
        Arc::clone(states)
    }

    /// Random training batches whose states fit into memory.
    fn sample(&self, layers: usize) -> Vec<Batch> {
        let set = &self.materials.sets.training;
        let order = Order { seed: self.plan.seed, stage: u64::MAX, batch_size: SAMPLE_BATCH };
        let per_token = self.teacher_config.hidden_size * (2 * layers + 1);
        let mut floats = 0;
        let batches =
            order.epoch(set, 0).into_iter().take(SAMPLE_BATCHES).map(|rows| set.batch(&rows, &self.device));
        batches
            .take_while(|batch| {
                floats += batch.size() * batch.length() * per_token;
                floats <= SAMPLE_FLOATS
            })
            .collect()
    }

    /// Runs the stages that `pupil` has not finished yet.
    ///
    /// # Errors
    ///
    /// Why the training failed, or that it was stopped.
    pub fn teach(&self, mut pupil: Pupil, trial: &TrialContext<'_>) -> Result<Pupil, TrialError> {
        let scheduler = self.scheduler(pupil.network.config());
        let settings = settings(&self.plan);
        for (position, stage) in scheduler.stages().iter().enumerate().skip(pupil.finished.len()) {
            let journal = Journal::new(trial, position, stage.steps);
            let hear = |event: &Event| journal.hear(event);
            let course = self.course(&settings, trial.seed, &hear);
            let started = Instant::now();
            let network = pupil.network.clone();
            let taught = course.run_stage(network, (position, stage), &mut pupil.matchers);
            let (network, report) = taught.map_err(stopped_or_failed)?;
            pupil.network = network;
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
    ) -> Course<'a, Bert> {
        let Sets { training, validation, .. } = &self.materials.sets;
        let seeds = Seeds { order: self.plan.seed, trial: trial_seed };
        Course { teacher: &self.teacher, training, validation, settings, seeds, listener }
    }

    /// Every metric of a network; latency is measured while no student trains.
    ///
    /// # Errors
    ///
    /// A set that cannot be evaluated, or threads that cannot be started.
    pub fn measure(&self, network: &Bert, trial: Option<&TrialContext<'_>>) -> Result<Metrics, crate::Error> {
        let plan = &self.plan.evaluation;
        let mut metrics = measurement::quality(network, &self.materials.sets, plan)?;
        let quiet = trial.map(|trial| trial.shared.quiet.write());
        metrics.extend(measurement::latency(network, &plan.latency)?);
        drop(quiet);
        metrics.extend(measurement::costs(network.config(), plan.latency.length));
        Ok(metrics)
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
        let length = self.plan.evaluation.latency.length;
        let (teacher, base) = (self.teacher_config.clone(), self.overrides(&Architecture::default()));
        let known = move |of: fn(&BertConfig, usize) -> f64| {
            let (teacher, base) = (teacher.clone(), base.clone());
            move |architecture: &Architecture| {
                let mut values = base.clone();
                values.extend(architecture.iter().map(|(name, choice)| {
                    (name.to_owned(), serde_json::to_value(choice).unwrap_or(Value::Null))
                }));
                student_config(&teacher, &values).map_or(f64::NAN, |config| of(&config, length))
            }
        };
        KnownGoals::none()
            .with("parameters", feasible, known(|config, _| cost::parameters(config) as f64))
            .with("flops", feasible, known(|config, length| cost::flops(config, length) as f64))
            .with("size_mb", feasible, known(|config, _| cost::size_mb(config)))
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
        let network = self.fresh(config.clone(), trial.seed).unwrap_or_else(|error| {
            let note =
                format!("trial {}: {error}; it starts from the teacher's embeddings alone", trial.number);
            let _ = trial.tell(RunEvent::Note(note));
            self.inherited(config, trial.seed)
        });
        Ok(Pupil { network, matchers: Matchers::new(), finished: Vec::new() })
    }

    fn train(&self, student: Pupil, trial: &TrialContext<'_>) -> Result<Pupil, TrialError> {
        let arithmetic = self.plan.training.precision.arithmetic().map_err(TrialError::failed)?;
        self.teach(Pupil { network: student.network.compute_in(arithmetic), ..student }, trial)
    }

    /// Measures the saved weights, so that the metrics are those of the files that are handed over.
    fn evaluate(&self, student: Pupil, trial: &TrialContext<'_>) -> Result<Metrics, TrialError> {
        let network = match trial.folder {
            Some(folder) => self.hand_over(&student, folder).map_err(TrialError::failed)?,
            None => student.network,
        };
        let metrics = self.measure(&network, Some(trial)).map_err(TrialError::failed)?;
        if let Some(folder) = trial.folder {
            write_metrics(folder, &metrics, &student.finished).map_err(TrialError::failed)?;
            Checkpoint::remove(folder);
        }
        Ok(metrics)
    }
}

impl BuiltInExperiment {
    /// Saves the student with its tokenizer and loads it again.
    fn hand_over(&self, student: &Pupil, folder: &Path) -> Result<Bert, autodistillation_models::Error> {
        let folder = folder.join("student");
        save(&folder, &student.network, Precision::F32)?;
        self.materials.tokenizer.copy_files(&folder)?;
        Ok(Bert::load(&folder, &self.device)?.network)
    }
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

/// The encoder layers of a BERT network.
pub fn layers(config: &BertConfig) -> LayerStack {
    LayerStack { prefix: "bert.encoder.layer".to_owned(), layers: config.num_hidden_layers }
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

fn stage_record(
    block: &autodistillation_distillation::Block,
    report: &StageReport,
    seconds: f64,
) -> StageRecord {
    let mean = |of: &dyn Fn(&autodistillation_distillation::criterion::Explained) -> f64| {
        let count = report.explained.len();
        (count > 0).then(|| report.explained.iter().map(of).sum::<f64>() / count as f64)
    };
    let modules = block.modules().join(" + ");
    StageRecord {
        name: if modules.is_empty() { "regular".to_owned() } else { modules },
        steps: report.steps,
        seconds,
        loss: Some(f64::from(report.last_loss)),
        explained_variance: mean(&|explained| explained.variance),
        feature_variance: mean(&|explained| explained.spread),
        warning: match report.end {
            autodistillation_distillation::StageEnd::Collapsed => Some(
                "the features fell to their mean: the stage was stopped and the block put back as it began"
                    .to_owned(),
            ),
            _ => None,
        },
    }
}

fn write_metrics(folder: &Path, metrics: &Metrics, stages: &[StageRecord]) -> Result<(), crate::Error> {
    crate::files::write_json(&folder.join("metrics.json"), metrics)?;
    crate::files::write_json(&folder.join("stages.json"), &stages)
}

/// Follows one stage: passes events on, keeps the curve, and holds the right to compute.
struct Journal<'a> {
    trial: &'a TrialContext<'a>,
    every: u32,
    position: usize,
    curve: RefCell<Vec<CurvePoint>>,
    working: RefCell<Option<RwLockReadGuard<'a, ()>>>,
}

impl<'a> Journal<'a> {
    fn new(trial: &'a TrialContext<'a>, position: usize, steps: u32) -> Self {
        let working = RefCell::new(trial.shared.quiet.read().ok());
        Self {
            trial,
            every: steps.div_ceil(CURVE_POINTS).max(1),
            position,
            curve: RefCell::default(),
            working,
        }
    }

    fn hear(&self, event: &Event) -> ControlFlow<()> {
        if let Event::Step { step, loss, .. } = event {
            self.give_way();
            if step % self.every == 0 || *step == 1 {
                let point = CurvePoint { stage: self.position as u32, step: *step, loss: f64::from(*loss) };
                self.curve.borrow_mut().push(point);
            }
        }
        self.trial.tell(RunEvent::Training { number: self.trial.number, event: event.clone() })
    }

    /// Lets a waiting latency measurement run between two steps.
    fn give_way(&self) {
        let mut working = self.working.borrow_mut();
        *working = None;
        *working = self.trial.shared.quiet.read().ok();
    }

    fn write(&self, folder: &Path) -> Result<(), crate::Error> {
        crate::files::append_lines(&folder.join("curve.jsonl"), &self.curve.borrow())
    }
}
