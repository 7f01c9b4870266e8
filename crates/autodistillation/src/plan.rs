//! The plan: the validated whole of a config, immutable.

use std::path::{Path, PathBuf};

use autodistillation_distillation::{
    FlashDistillation, LayerSimilarity, OptimizerConfig, RegularDistillation, Schedule, Scheduler, Stage,
};
use autodistillation_models::{Arithmetic, Family, Precision, Transformer, save, save_tensorflow};
use autodistillation_search::{Algorithm, Constraint, Goal, SearchSpace};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::{AutomaticFlash, LayerStack, Places};
use crate::{ComputeDevice, Error, TrainingPrecision};

/// Everything a run needs, checked. Made from a config by [`Plan::load`](crate::config).
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The student's name, from `model.name`.
    pub name: String,
    /// The checkpoint format read and written.
    pub framework: Framework,
    /// Where the teacher comes from.
    pub teacher: TeacherPlan,
    /// The student's family and fixed values.
    pub student: StudentPlan,
    /// The data sets and their columns.
    pub data: DataPlan,
    /// The search; absent for a config whose top level is `distillation:`.
    pub search: Option<SearchPlan>,
    /// The stages of one student that the config spells out, in order; see [`Plan::scheduler_for`].
    pub scheduler: Scheduler,
    /// Flash stages that depend on the networks (`layer_mappings_for_knowledge_transfer: auto` and the like); they
    /// come before the scheduler's.
    pub automatic_flash: Option<AutomaticFlash>,
    /// Passes over the training set instead of the stage's steps, from `distillation.train.epoch`; see
    /// [`Plan::with_epochs_counted`].
    pub epochs: Option<u32>,
    /// The seed of everything random; the study's own where there is a search.
    pub seed: u64,
    /// How every stage is trained.
    pub training: TrainingPlan,
    /// How students are measured.
    pub evaluation: EvaluationPlan,
    /// Where in the config the values stand that only networks and data can prove wrong.
    #[serde(skip)]
    pub places: Places,
}

impl Plan {
    /// The stages of a student with these layers: the automatic flash stages, then the others. Without a measured
    /// similarity the teacher's layers are chosen by depth alone.
    pub fn scheduler_for(&self, student: &LayerStack, teacher: &LayerStack) -> Scheduler {
        self.scheduler_along(student, teacher, None)
    }

    /// The same, where the similarity of the teacher's layers may choose among them.
    pub fn scheduler_along(
        &self,
        student: &LayerStack,
        teacher: &LayerStack,
        similarity: Option<&LayerSimilarity>,
    ) -> Scheduler {
        let stages = self.automatic_flash.as_ref().map(|flash| flash.stages(student, teacher, similarity));
        let flash = FlashDistillation { stages: stages.unwrap_or_default() };
        Scheduler::combine(flash, RegularDistillation { stages: self.scheduler.stages().to_vec() })
    }

    /// The plan with [`epochs`](Self::epochs) turned into steps, for a training set of this many examples.
    pub fn with_epochs_counted(mut self, examples: usize) -> Self {
        let Some(epochs) = self.epochs.take() else { return self };
        let batch = self.training.batch_size.max(1);
        let steps = (examples.div_ceil(batch) as u64 * u64::from(epochs)).clamp(1, u64::from(u32::MAX));
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let stages = self.scheduler.stages().iter().map(|stage| Stage { steps, ..stage.clone() }).collect();
        self.scheduler = Scheduler::combine(FlashDistillation { stages }, RegularDistillation::default());
        for block in self.automatic_flash.iter_mut().flat_map(|flash| &mut flash.blocks) {
            block.steps = steps;
        }
        self
    }
}

/// The checkpoint format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Framework {
    /// safetensors.
    PyTorch,
    /// `tf_model.h5`.
    TensorFlow,
}

impl Framework {
    /// Writes a student as a Hugging Face folder for this framework, in f32, without its tokenizer.
    ///
    /// # Errors
    ///
    /// A folder that cannot be written.
    pub fn save(self, folder: &Path, student: &Transformer) -> Result<(), autodistillation_models::Error> {
        match self {
            Self::PyTorch => save(folder, student, Precision::F32),
            Self::TensorFlow => save_tensorflow(folder, student),
        }
    }
}

/// Where the teacher comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum TeacherPlan {
    /// A Hugging Face folder with a fine-tuned network.
    Folder(PathBuf),
    /// Several of them: students learn from the mean of their logits, and from the layers of the first.
    Folders(Vec<PathBuf>),
    /// Trained first, on the task's own data, from a random start: values of its Hugging Face config and the
    /// steps and rate of its training.
    FineTuned {
        /// Values of the network's Hugging Face config (`hidden_size`, …).
        architecture: Map<String, Value>,
        /// Optimiser steps.
        steps: u32,
        /// Peak learning rate.
        learning_rate: f64,
    },
}

/// The student's family, fixed values and start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudentPlan {
    /// The network family.
    pub family: Family,
    /// Values of its Hugging Face config that are not searched, in the config's order.
    pub fixed: Map<String, Value>,
    /// What the student starts from.
    pub initialize: Initialize,
    /// Dropout while the student trains, for hidden states and attention; absent = the family's config.
    pub dropout: Option<f64>,
}

/// What a student starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Initialize {
    /// The teacher's weights where shapes allow, projected or sliced where they do not.
    Teacher,
    /// The teacher's embeddings, projected where the widths differ, and those of its layers that have the student's
    /// shape; the rest is random. What most training scripts do.
    Embeddings,
    /// Seeded random weights.
    Random,
    /// The completed student of the same study whose layers have the same shape and that is nearest and best, where there
    /// is one; else as [`Initialize::Teacher`].
    Trial,
    /// The student in this folder where its layers have the same shape, else, in a search, as [`Initialize::Teacher`].
    Student(PathBuf),
}

/// What the columns of text hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum TextForm {
    /// Text, which the teacher's tokenizer takes apart.
    #[default]
    Words,
    /// Token ids with spaces between them, special tokens included; those of the second text are its segment.
    TokenIds,
}

impl TextForm {
    /// Whether there is text to tokenise.
    pub fn is_words(&self) -> bool {
        *self == Self::Words
    }
}

/// The data sets and their columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataPlan {
    /// Files, or a generated set.
    pub source: DataSource,
    /// Longest example in tokens.
    pub max_length: usize,
    /// What the columns of text hold.
    #[serde(skip_serializing_if = "TextForm::is_words")]
    pub form: TextForm,
}

/// Files, or a generated set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum DataSource {
    /// Files given in the config.
    Files {
        /// The training file.
        train: PathBuf,
        /// The file that chooses.
        validation: PathBuf,
        /// A file that is reported and never used to choose.
        test: Option<PathBuf>,
        /// The column of the text; absent where all files are plain text.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The column of the second text.
        text_pair: Option<String>,
        /// The column of the label; absent for texts without labels.
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// What separates the labels in a cell of text that holds several.
        #[serde(skip_serializing_if = "Option::is_none")]
        label_separator: Option<String>,
    },
    /// A set made by a seeded generator.
    Demo {
        /// Which generator.
        name: String,
        /// Training examples.
        train: usize,
        /// Validation examples.
        validation: usize,
        /// Test examples.
        test: usize,
        /// The generator's seed.
        seed: u64,
    },
}

/// What is searched, how, and for how long.
#[derive(Clone, Debug, Serialize)]
pub struct SearchPlan {
    /// The dimensions and their choices.
    pub space: SearchSpace,
    /// The advisor.
    pub algorithm: Algorithm,
    /// Metrics and their directions, in the config's order.
    pub goals: Vec<Goal>,
    /// Trials of the whole study.
    pub max_trials: u32,
    /// The study's seed.
    pub seed: u64,
    /// Bounds that a student must keep.
    pub constraints: Vec<Constraint>,
    /// Who gets regular distillation.
    pub pruning: Pruning,
    /// When the search ends before its last trial.
    #[serde(skip_serializing_if = "StopRules::are_none")]
    pub stop: StopRules,
}

/// When a search ends before `max_trials`; trials in flight are finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StopRules {
    /// Hours since the search began or went on; absent = no limit.
    pub max_hours: Option<f64>,
    /// The share by which the best further trial must be expected to enlarge the hypervolume; absent = any.
    pub min_expected_gain: Option<f64>,
}

impl StopRules {
    /// Whether there is no rule.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Who gets regular distillation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Pruning {
    /// Trials that can still matter.
    Auto,
    /// Every trial.
    None,
}

/// How every stage is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainingPlan {
    /// The optimiser and its constants; a stage's own learning rate wins.
    pub optimizer: OptimizerConfig,
    /// The learning rate's course within a stage.
    pub schedule: Schedule,
    /// Examples in a batch.
    pub batch_size: usize,
    /// Micro-batches whose gradients are added before a step.
    pub accumulation: usize,
    /// Largest global norm of the gradients of a step; absent = no clipping.
    pub max_gradient_norm: Option<f64>,
    /// Stop a regular stage when validation has not improved; absent = never.
    pub early_stop: Option<EarlyStopPlan>,
    /// Whether students wider than 128 train their regular stages at 128 / width of the rate.
    pub width_scaling: bool,
    /// What matrix products are computed in.
    #[serde(skip_serializing_if = "TrainingPrecision::is_auto")]
    pub precision: TrainingPrecision,
    /// Where teacher and students compute, and latencies are measured.
    #[serde(skip_serializing_if = "ComputeDevice::is_flex")]
    pub device: ComputeDevice,
}

impl TrainingPlan {
    /// What the kernels are asked for.
    ///
    /// # Errors
    ///
    /// A precision that the device lacks.
    pub fn arithmetic(&self) -> Result<Arithmetic, Error> {
        self.precision.arithmetic(self.device)
    }
}

/// When a stage ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EarlyStopPlan {
    /// Steps between two looks at the validation set.
    pub every: u32,
    /// Looks without a better loss before the stage ends.
    pub patience: u32,
}

/// How students are measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationPlan {
    /// Examples in a batch while accuracy is measured.
    pub batch_size: usize,
    /// How latency is measured.
    pub latency: LatencyPlan,
}

/// How latency is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LatencyPlan {
    /// Examples in a call.
    pub batch_size: usize,
    /// Tokens of each example.
    pub length: usize,
    /// Threads of the call.
    pub threads: usize,
    /// Timed calls after the warm-up.
    pub repeats: usize,
}
