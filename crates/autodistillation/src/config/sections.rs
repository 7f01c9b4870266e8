//! What `auto_distillation` and `distillation` are read against, and what they give.

use super::cursor::Cursor;
use super::search::Vocabulary;
use super::stages::Stages;
use crate::plan::{EvaluationPlan, Framework, SearchPlan, TrainingPlan};

/// What is trained and how, from either section.
pub(super) struct Method {
    pub(super) search: Option<SearchPlan>,
    pub(super) stages: Stages,
    pub(super) training: TrainingPlan,
    pub(super) evaluation: EvaluationPlan,
    pub(super) seed: u64,
    /// Passes over the training set instead of the stage's steps.
    pub(super) epochs: Option<u32>,
}

/// What the rest of the config says about the students.
pub(super) struct Setting<'n> {
    pub(super) framework: Framework,
    pub(super) layers: Option<usize>,
    pub(super) vocabulary: Vocabulary,
    /// Sections that may stand beside the one that is read or inside it.
    pub(super) train: Option<Cursor<'n>>,
    pub(super) evaluation: Option<Cursor<'n>>,
}
