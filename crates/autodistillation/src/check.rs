//! `check`: everything about a config that can be known without training, and every problem at once.

mod objective;
mod stages;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use autodistillation_distillation::metrics::Metric;
use autodistillation_distillation::{Network, Stage};
use autodistillation_models::{Transformer, cost};
use autodistillation_search::{Architecture, FeasibleSpace};
use burn::tensor::Device;
use serde::Serialize;

use crate::Error;
use crate::event::RunListener;
use crate::experiment::{BuiltInExperiment, Experiment, Start};
use crate::materials::Materials;
use crate::plan::{Initialize, Plan, TeacherPlan};
use crate::task::Task;
use crate::teacher_cache::{CacheSettings, Demand};

pub use objective::objective;
pub(crate) use stages::locate;

/// What `check` found out.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Points of the search space; absent without a search.
    pub points: Option<u128>,
    /// Points whose student can be built.
    pub feasible: Option<usize>,
    /// Points whose student cannot be built, by reason.
    pub infeasible: BTreeMap<String, u64>,
    /// Examples by part of the data set.
    pub examples: BTreeMap<String, usize>,
    /// The architecture that the stages below are resolved for.
    pub architecture: String,
    /// The stages with their mappings resolved.
    pub stages: Vec<StageCheck>,
    /// Why its layers learn from those that they learn from; absent where the config says it, or depth alone.
    pub layer_choice: Option<String>,
    /// What that student inherits from the teacher.
    pub inherited: Vec<String>,
    /// Parameters of the smallest and the largest student.
    pub parameters: (u64, u64),
    /// Floating-point operations of one trial's training, in units of 10¹².
    pub teraflops_per_trial: f64,
    /// What the teacher is asked, and where its outputs are kept.
    pub teacher_outputs: Demand,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// One stage as it will run.
#[derive(Clone, Debug, Serialize)]
pub struct StageCheck {
    /// What is trained.
    pub block: String,
    /// Optimiser steps.
    pub steps: u32,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// The terms, with the shapes on both sides.
    pub terms: Vec<String>,
}

/// Checks a plan against its teacher and its data, without training and without touching the cache.
///
/// # Errors
///
/// Every problem of teacher, data, space and mappings that can be found.
pub fn check(plan: Plan, cache: Option<&CacheSettings>) -> Result<CheckReport, Error> {
    let is_untrained = matches!(plan.teacher, TeacherPlan::FineTuned { .. });
    let quiet = (|_: &crate::RunEvent| {}, AtomicBool::new(false));
    let (experiment, _folder) = untrained(plan, (&quiet.0, &quiet.1))?;
    let mut result = report(experiment, cache)?;
    if is_untrained {
        let note = "the teacher is trained when the run begins; a random one of its shape was checked";
        result.notes.push(note.to_owned());
    }
    Ok(result)
}

/// The experiment of a plan, without training. A teacher that does not exist yet is stood in for by a random one of its
/// shape, in a folder of its own.
///
/// # Errors
///
/// An unusable teacher or data set, or a stop.
pub(crate) fn untrained(
    mut plan: Plan,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<(BuiltInExperiment, Option<tempfile::TempDir>), Error> {
    if let TeacherPlan::FineTuned { steps, .. } = &mut plan.teacher {
        *steps = 0;
        let folder = tempfile::tempdir().map_err(|source| Error::File {
            action: "make a folder in",
            path: std::env::temp_dir(),
            source,
        })?;
        let prepared = crate::run::prepare(plan, folder.path(), None, (listener, stop))?;
        return Ok((prepared, Some(folder)));
    }
    let device = plan.training.device.open()?;
    let materials = Materials::gather(&plan, None, &device)?;
    Ok((BuiltInExperiment::new(plan, materials, device, None), None))
}

fn report(experiment: BuiltInExperiment, cache: Option<&CacheSettings>) -> Result<CheckReport, Error> {
    let experiment = Arc::new(experiment);
    let search = experiment.plan().search.clone();
    let rule = Arc::clone(&experiment);
    let feasible =
        search.map(|search| FeasibleSpace::new(search.space, move |architecture| rule.check(architecture)));
    let architectures: Vec<Architecture> = match &feasible {
        Some(feasible) => feasible.architectures().collect(),
        None => vec![Architecture::default()],
    };
    let Some(first) = architectures.first() else {
        let rejections = feasible.map(|feasible| feasible.rejections().clone()).unwrap_or_default();
        return Err(Error::NoFeasiblePoint { rejections });
    };
    let config = experiment.student_config(first)?;
    let student = Transformer::random(config.clone(), 0, &Device::flex());
    check_metrics(&experiment)?;
    stages::check(&experiment, &student)?;
    let inherited = inheritance(&experiment, &config);
    let teacher = &experiment.materials().teacher;
    let stages = experiment.scheduler(&config);
    let stage_checks = stages
        .stages()
        .iter()
        .enumerate()
        .map(|(position, stage)| stage_check((position, stage), &student, teacher));
    let sizes = architectures
        .iter()
        .filter_map(|architecture| Some(cost::parameters(&experiment.student_config(architecture).ok()?)));
    let sizes: Vec<u64> = sizes.collect();
    let sets = &experiment.materials().sets;
    let mut examples = BTreeMap::from([
        ("train".to_owned(), sets.training.len()),
        ("validation".to_owned(), sets.validation.len()),
    ]);
    examples.extend(sets.test.as_ref().map(|test| ("test".to_owned(), test.len())));
    Ok(CheckReport {
        points: feasible.as_ref().map(|feasible| feasible.space().size()),
        feasible: feasible.as_ref().map(|feasible| feasible.architectures().count()),
        infeasible: feasible.as_ref().map(|feasible| feasible.rejections().clone()).unwrap_or_default(),
        examples,
        architecture: first.to_string(),
        stages: stage_checks.collect(),
        layer_choice: experiment.layer_choice(&config),
        inherited,
        parameters: (sizes.iter().copied().min().unwrap_or(0), sizes.iter().copied().max().unwrap_or(0)),
        teraflops_per_trial: teraflops(&experiment, &config, stages.total_steps()),
        teacher_outputs: Demand::of(&experiment, (&student, &stages), cache)?,
        notes: experiment.materials().notes.clone(),
    })
}

/// Where the weights of the student of `config` come from, in words.
fn inheritance(
    experiment: &BuiltInExperiment,
    config: &autodistillation_models::TransformerConfig,
) -> Vec<String> {
    match &experiment.plan().student.initialize {
        Initialize::Trial => {
            let mut parts =
                vec!["an earlier trial's student with layers of the same shape; without one:".to_owned()];
            parts.extend(from_teacher(experiment, config));
            parts
        }
        Initialize::Student(folder) if experiment.continues(config) => {
            vec![format!("layers, embeddings and head: those of the student in {}", folder.display())]
        }
        _ => from_teacher(experiment, config),
    }
}

fn from_teacher(
    experiment: &BuiltInExperiment,
    config: &autodistillation_models::TransformerConfig,
) -> Vec<String> {
    let teacher = experiment.materials().teacher.config();
    let layers = experiment.counterparts(config);
    match experiment.start(config) {
        Start::Random => vec!["nothing: random weights".to_owned()],
        Start::Copied => experiment.inherited(config.clone(), 0).1.iter().map(ToString::to_string).collect(),
        Start::Projected => {
            let (from, to) = (teacher.hidden_size, config.hidden_size);
            let mut parts = vec![format!("embeddings: projected from width {from} to {to}")];
            let layer = |(own, theirs): (usize, &usize)| {
                format!("layer {own}: teacher layer {theirs}, sliced to width {to} and fitted in closed form")
            };
            parts.extend(layers.iter().enumerate().map(layer));
            parts.push("pooler and classifier: fitted in closed form".to_owned());
            parts
        }
    }
}

/// Three forwards' worth of work per example and step, at the training set's mean length.
fn teraflops(
    experiment: &BuiltInExperiment,
    config: &autodistillation_models::TransformerConfig,
    steps: u64,
) -> f64 {
    let set = &experiment.materials().sets.training;
    let tokens: usize = set.examples.iter().map(|example| example.ids.len()).sum();
    let length = tokens.div_ceil(set.len().max(1));
    let batch = experiment.plan().training.batch_size as f64;
    3.0 * cost::flops(config, length) as f64 * batch * steps as f64 / 1e12
}

fn stage_check(
    (position, stage): (usize, &Stage),
    student: &Transformer,
    teacher: &Transformer,
) -> StageCheck {
    let modules = stage.block.modules().join(" + ");
    StageCheck {
        block: if modules.is_empty() {
            format!("stage {}: the whole student", position + 1)
        } else {
            modules
        },
        steps: stage.steps,
        learning_rate: stage.learning_rate,
        terms: objective::terms(&stage.criterion, (student, teacher)),
    }
}

/// Refuses a run whose stages cannot work for a first feasible student: mappings, blocks, metrics of another task.
///
/// # Errors
///
/// Every problem, each with its place in the config.
pub fn first_student(experiment: &BuiltInExperiment) -> Result<(), Error> {
    check_metrics(experiment)?;
    let architecture = match &experiment.plan().search {
        Some(search) => {
            let points = 0..search.space.size().min(100_000) as u64;
            let mut architectures = points.filter_map(|point| search.space.architecture_at(point));
            architectures.find(|architecture| experiment.check(architecture).is_ok())
        }
        None => Some(Architecture::default()),
    };
    let Some(architecture) = architecture else { return Ok(()) }; // The search itself says why.
    let student = Transformer::random(experiment.student_config(&architecture)?, 0, &Device::flex());
    stages::check(experiment, &student)
}

/// A correlation of classes, or an accuracy of real values, is asked for too late once students are trained.
fn check_metrics(experiment: &BuiltInExperiment) -> Result<(), Error> {
    let Some(search) = &experiment.plan().search else { return Ok(()) };
    let task = Task::of(experiment.materials().teacher.config());
    let qualities = task.qualities();
    let is_quality = |metric: &str| Metric::ALL.iter().any(|known| known.name() == metric);
    let foreign = |goal: &&autodistillation_search::Goal| {
        is_quality(&goal.metric) && !qualities.contains(&goal.metric.as_str())
    };
    search.goals.iter().find(foreign).map_or(Ok(()), |goal| {
        Err(Error::MetricOfAnotherTask {
            metric: goal.metric.clone(),
            task: task.name(),
            available: format!("{}, latency, parameters, flops, size_mb", qualities.join(", ")),
        })
    })
}

/// The dotted paths, output indices and shapes of every tappable layer of the network in `folder`.
///
/// # Errors
///
/// A folder that is not a readable network.
pub fn layers(folder: &Path) -> Result<Vec<autodistillation_distillation::LayerOutput>, Error> {
    Ok(Transformer::load(folder, &Device::flex())?.network.layers())
}
