//! `KnowledgeDistillationLoss`, the criterion on logits: TensorFlow's form of a section, and the criterion itself.

use autodistillation_distillation::{Block, CriterionConfig, LossKind, Ramp, Stage, StageKind};

use super::cursor::Cursor;
use super::problem::Problem;
use super::stage_lists::{BlockName, Count, Defaults, StageLists, ramp};
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
        Some(list) => two(list, (labels_loss, teacher_loss)),
        None => Some([LossKind::CrossEntropy; 2]),
    };
    let weights = lists.loss_weights.as_ref().map_or(Some([Ramp::from(0.5); 2]), weights);
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
            logits: values.options.logits,
        },
        steps: values.steps,
        learning_rate: values.learning_rate,
    };
    Some(values?.into_iter().map(stage).collect())
}

const ON_LABELS: [(&str, LossKind); 3] =
    [("CE", LossKind::CrossEntropy), ("KL", LossKind::KullbackLeibler), ("MSE", LossKind::MeanSquared)];
const ON_THE_TEACHER: [(&str, LossKind); 5] = [
    ON_LABELS[0],
    ON_LABELS[1],
    ON_LABELS[2],
    ("RKL", LossKind::ReverseKullbackLeibler),
    ("JSD", LossKind::JensenShannon),
];

fn labels_loss(cursor: &Cursor<'_>) -> Option<LossKind> {
    cursor.word("a loss on labels", &ON_LABELS)
}

fn teacher_loss(cursor: &Cursor<'_>) -> Option<LossKind> {
    cursor.word("a loss on logits", &ON_THE_TEACHER)
}

fn weights(cursor: &Cursor<'_>) -> Option<[Ramp; 2]> {
    let weight = |cursor: &Cursor<'_>| ramp(cursor, |value| value.not_negative());
    let weights = two(cursor, (weight, weight))?;
    for progress in [0.0, 1.0] {
        let sum: f64 = weights.iter().map(|weight| weight.at(progress)).sum();
        if (sum - 1.0).abs() > 1e-6 {
            cursor.problem(Problem::WeightSum { sum });
            return None;
        }
    }
    Some(weights)
}

/// One entry for student–targets, one for teacher–student.
fn two<T: Copy>(
    cursor: &Cursor<'_>,
    (on_labels, on_teacher): (impl Fn(&Cursor<'_>) -> Option<T>, impl Fn(&Cursor<'_>) -> Option<T>),
) -> Option<[T; 2]> {
    let items = cursor.list("a list of two: [student and labels, teacher and student]")?;
    let [labels, teacher] = items.as_slice() else {
        cursor.problem(Problem::Lengths { expected: 2, found: items.len(), unit: "loss terms" });
        return None;
    };
    let (labels, teacher) = (on_labels(labels), on_teacher(teacher));
    Some([labels?, teacher?])
}
