//! Training on labels alone: a pretrained encoder becomes a teacher, or a student learns without one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use autodistillation_distillation::event::Event;
use autodistillation_distillation::{
    Block, Course, CriterionConfig, LogitScale, LossKind, Matchers, Seeds, Stage, StageKind, Teacher,
    TrainingSettings,
};
use autodistillation_models::{
    Precision, ProblemType, Tokenizer, Transformer, TransformerConfig, Weights, save,
};
use autodistillation_search::Metrics;
use burn::tensor::Device;

use crate::Error;
use crate::config::Subject;
use crate::event::{RunEvent, RunListener};
use crate::materials::{Sets, Tables, labels};
use crate::measurement;
use crate::plan::{Plan, TrainingPlan};
use crate::store::{LOCK_FILE, RunLock};
use crate::task::{DataTask, Task};

/// How long and how fast to train.
#[derive(Clone, Copy, Debug)]
pub struct Lesson<'a> {
    /// Optimiser steps.
    pub steps: u32,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// The rest of the training settings.
    pub training: &'a TrainingPlan,
    /// The seed of order and dropout.
    pub seed: u64,
    /// Examples in a batch of the evaluation.
    pub batch_size: usize,
}

/// Trains `network` on the labels of the training table.
///
/// # Errors
///
/// Texts or labels that cannot be used, a loss that diverges, or a stop.
pub fn fine_tune(
    network: Transformer,
    (tables, tokenizer, max_length): (&Tables, &Tokenizer, usize),
    lesson: &Lesson<'_>,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<Transformer, Error> {
    let sets = tables.tokenise(tokenizer, &labels(network.config())?, max_length)?;
    teach_labels(network, &sets, lesson, (listener, stop))
}

/// Trains `network` on the labels of tokenised sets.
///
/// # Errors
///
/// A loss that diverges, or a stop.
pub fn teach_labels(
    network: Transformer,
    sets: &Sets,
    lesson: &Lesson<'_>,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<Transformer, Error> {
    let settings = settings(lesson.training);
    let teacher = Teacher::new(network.clone(), 0);
    let hear = |event: &Event| {
        listener.hear(&RunEvent::Training { number: 0, event: event.clone() });
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let course = Course {
        teacher: &teacher,
        training: &sets.training,
        validation: &sets.validation,
        settings: &settings,
        seeds: Seeds { order: lesson.seed, trial: lesson.seed },
        listener: &hear,
    };
    let taught = course.run_stage(network, (0, &stage(lesson)), &mut Matchers::new());
    match taught {
        Ok((network, _)) => Ok(network),
        Err(autodistillation_distillation::Error::Stopped) => Err(Error::Stopped),
        Err(error) => Err(error.into()),
    }
}

/// One stage on the labels: the teacher's term has no weight, so no teacher is run.
fn stage(lesson: &Lesson<'_>) -> Stage {
    let criterion = CriterionConfig::KnowledgeDistillation {
        temperature: 1.0.into(),
        losses: [LossKind::CrossEntropy; 2],
        weights: [1.0.into(), 0.0.into()],
        logits: LogitScale::Plain,
    };
    Stage {
        kind: StageKind::Regular,
        block: Block::everything(),
        criterion,
        steps: lesson.steps,
        learning_rate: lesson.learning_rate,
    }
}

fn settings(training: &TrainingPlan) -> TrainingSettings {
    TrainingSettings {
        optimizer: training.optimizer,
        schedule: training.schedule,
        batch_size: training.batch_size,
        accumulation: training.accumulation,
        max_gradient_norm: training.max_gradient_norm,
        early_stop: None,
    }
}

/// What `finetune` is asked to do.
#[derive(Clone, Debug)]
pub struct FineTuneOptions {
    /// The Hugging Face folder of the pretrained encoder.
    pub encoder: PathBuf,
    /// Where the teacher goes.
    pub output: PathBuf,
    /// Passes over the training set.
    pub epochs: f64,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// Fine-tunes a pretrained encoder into a teacher for the task of `plan`, saves it and measures it.
///
/// # Errors
///
/// An unusable encoder or data set, an output folder that is not empty or cannot be written, or a stop.
pub fn finetune(
    plan: &Plan,
    options: &FineTuneOptions,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<Metrics, Error> {
    crate::files::require_only(&options.output, &[LOCK_FILE])?;
    let config = TransformerConfig::from_folder(&options.encoder)?;
    let tables = Tables::read(&plan.data)?;
    let tokenizer = Tokenizer::from_folder(&options.encoder)?;
    let config = task_config(config, &tables)?;
    tokenizer.check_fits(&config)?;
    require_positions(plan, &config)?;
    let own = TransformerConfig::from_folder(&options.encoder)?;
    let loaded = match own.head == config.head {
        true => Transformer::load(&options.encoder, &Device::flex())?,
        // A head for another task is left out; what both tasks share, such as a pooler, is read.
        false => Transformer::load_as(&options.encoder, config.clone(), plan.seed, &Device::flex())?,
    };
    if config.problem_type == Some(ProblemType::Regression) {
        listener.hear(&RunEvent::Note("labels are taken as values to be predicted: a regression".to_owned()));
    }
    for warning in &loaded.warnings {
        listener.hear(&RunEvent::Note(format!("{}: {warning}", options.encoder.display())));
    }
    // Parameters of another shape, such as a head for other classes, keep their random start.
    let start = Transformer::random(config, plan.seed, &Device::flex());
    let network = Weights::of(&loaded.network).give(start);
    let sets = tables.tokenise(&tokenizer, &labels(network.config())?, plan.data.max_length)?;
    let batches = sets.training.len() as f64 / plan.training.batch_size.max(1) as f64;
    let steps = (batches * options.epochs).ceil().max(1.0) as u32;
    let batch_size = plan.evaluation.batch_size;
    let lesson = Lesson {
        steps,
        learning_rate: options.learning_rate,
        training: &plan.training,
        seed: plan.seed,
        batch_size,
    };
    let _lock = RunLock::acquire(&options.output)?;
    let network = teach_labels(network, &sets, &lesson, (listener, stop))?;
    save_network(&network, &tokenizer, &options.output)?;
    measurement::quality(&network, &sets, &plan.evaluation)
}

fn require_positions(plan: &Plan, config: &TransformerConfig) -> Result<(), Error> {
    let (length, longest) = (plan.data.max_length, config.max_length());
    if length <= longest {
        return Ok(());
    }
    let problem = Error::TooLong { what: "data.max_length", length, whose: "encoder", longest };
    Err(crate::check::locate(problem, plan.places.of(&Subject::MaxLength)))
}

/// The encoder's config with the task and the classes of the data.
fn task_config(config: TransformerConfig, tables: &Tables) -> Result<TransformerConfig, Error> {
    match tables.task()? {
        // Whole numbers are values too for an encoder that says so.
        DataTask::Texts(..)
            if config.problem_type == Some(ProblemType::Regression) && Task::of(&config) == Task::Values =>
        {
            Ok(config)
        }
        task => task.give(config),
    }
}

/// Saves a network with its tokenizer.
///
/// # Errors
///
/// A folder that cannot be written.
pub fn save_network(network: &Transformer, tokenizer: &Tokenizer, folder: &Path) -> Result<(), Error> {
    save(folder, network, Precision::F32)?;
    Ok(tokenizer.copy_files(folder, network.config())?)
}
