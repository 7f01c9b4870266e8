//! `KnowledgeDistillationLoss`, the criterion on logits: TensorFlow's form of a section, and the criterion itself.

use autodistillation_distillation::{Block, CriterionConfig, LossKind, Stage, StageKind};

use super::cursor::Cursor;
use super::problem::Problem;
use super::stage_lists::{BlockName, Count, Defaults, StageLists};
use super::stages::refuse_layer_lists;
use crate::plan::Framework;

/// Whether a section without layer mappings means this criterion: it names two losses on logits, or its
/// framework knows no other form.
pub(super) fn is_meant(lists: &StageLists<'_>, framework: Framework) -> bool {
    let two_losses =
        lists.loss_types.as_ref().and_then(|list| list.node.items()).is_some_and(
            |items| matches!(items, [first, second] if !first.is_nested() && !second.is_nested()),
        );
    lists.blocks.is_none()
        && lists.origin_loss.is_none()
        && (two_losses || framework == Framework::TensorFlow)
}

/// The stages of a section in this form, each over the whole student.
pub(super) fn stages(lists: &StageLists<'_>, kind: StageKind, defaults: &Defaults) -> Option<Vec<Stage>> {
    refuse_layer_lists(lists);
    let losses = match &lists.loss_types {
        Some(list) => two(list, logits_loss),
        None => Some([LossKind::CrossEntropy; 2]),
    };
    let weights = lists.loss_weights.as_ref().map_or(Some([0.5; 2]), weights);
    let values = lists.per_stage(Count::Stages(lists.longest()), defaults);
    let (losses, weights) = (losses?, weights?);
    let stage = |values: super::stage_lists::StageValues| Stage {
        kind,
        block: match values.block {
            BlockName::Named(block) => block,
            BlockName::Automatic => Block::everything(),
        },
        criterion: CriterionConfig::KnowledgeDistillation {
            temperature: values.options.temperature,
            losses,
            weights,
        },
        steps: values.steps,
        learning_rate: values.learning_rate,
    };
    Some(values?.into_iter().map(stage).collect())
}

fn logits_loss(cursor: &Cursor<'_>) -> Option<LossKind> {
    cursor.word(
        "a loss on logits",
        &[("CE", LossKind::CrossEntropy), ("KL", LossKind::KullbackLeibler), ("MSE", LossKind::MeanSquared)],
    )
}

fn weights(cursor: &Cursor<'_>) -> Option<[f64; 2]> {
    let weights = two(cursor, |weight| weight.not_negative())?;
    let sum: f64 = weights.iter().sum();
    if (sum - 1.0).abs() > 1e-6 {
        cursor.problem(Problem::WeightSum { sum });
        return None;
    }
    Some(weights)
}

/// One entry for student–targets, one for teacher–student.
fn two<T: Copy>(cursor: &Cursor<'_>, read: impl Fn(&Cursor<'_>) -> Option<T>) -> Option<[T; 2]> {
    let items = cursor.list("a list of two: [student and labels, teacher and student]")?;
    let [labels, teacher] = items.as_slice() else {
        cursor.problem(Problem::Lengths { expected: 2, found: items.len(), unit: "loss terms" });
        return None;
    };
    let (labels, teacher) = (read(labels), read(teacher));
    Some([labels?, teacher?])
}
