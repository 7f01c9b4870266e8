//! `SelfKnowledgeDistillationLoss`: groups of layer mappings within the student, each group with one loss and weight.

use autodistillation_distillation::{Block, CriterionConfig, LayerMapping, LossKind, Ramp, Stage, StageKind};

use super::cursor::Cursor;
use super::layer_pairs::{LayerPair, StagePairs, is_mapping, stage_pairs};
use super::stage_lists::{BlockName, Count, StageLists, layer_loss, layer_weight};
use super::stages::StageContext;
use super::table::one_of;

/// The criterion's stage. A mapping is `[shallower, deeper]`; a list of mappings without groups has one for each.
pub(super) fn stage<'n>(
    keys: &Cursor<'n>,
    steps: Option<Cursor<'n>>,
    context: &StageContext,
) -> Option<Stage> {
    let mut table = keys.table()?;
    let mut lists = StageLists::take(&mut table);
    lists.steps = one_of(steps, lists.steps);
    let groups = match &lists.mappings {
        Some(mappings) => groups(mappings),
        None => {
            let what = "groups of [shallower layer, deeper layer]";
            table.need("layer_mappings_for_knowledge_transfer", what);
            None
        }
    };
    table.finish();
    let values = lists.per_stage(Count::Stages(1), &context.defaults());
    let (groups, values) = (groups?, values?.pop()?);
    let count = Count::Groups(groups.len());
    let losses = count.spread(lists.loss_types.as_ref(), LossKind::CrossEntropy, layer_loss);
    let share = Ramp::from(1.0 / groups.len() as f64);
    let weights = count.spread(lists.loss_weights.as_ref(), share, layer_weight);
    let terms = groups.into_iter().zip(losses?).zip(weights?);
    let mappings =
        terms.map(|((pairs, loss), weight)| group(pairs, loss, weight)).collect::<Option<Vec<_>>>()?;
    Some(Stage {
        kind: StageKind::Regular,
        block: match values.block {
            BlockName::Named(block) => block,
            BlockName::Automatic => Block::everything(),
        },
        criterion: CriterionConfig::SelfDistillation {
            mappings: mappings.concat(),
            options: values.options,
            origin_loss: values.origin_loss,
        },
        steps: values.steps,
        learning_rate: values.learning_rate,
    })
}

fn groups(cursor: &Cursor<'_>) -> Option<Vec<StagePairs>> {
    let is_flat = |items: &[super::node::Node]| items.iter().any(is_mapping);
    let flat = !is_mapping(cursor.node) && cursor.node.items().is_some_and(is_flat);
    let groups = stage_pairs(cursor, "groups of layer mappings")?;
    if flat { Some(groups.into_iter().flatten().map(|pair| vec![pair]).collect()) } else { Some(groups) }
}

fn group(pairs: StagePairs, loss: LossKind, weight: Ramp) -> Option<Vec<LayerMapping>> {
    let mapping = |LayerPair { student, teacher }: LayerPair| LayerMapping { student, teacher, loss, weight };
    pairs.into_iter().map(|pair| pair.map(mapping)).collect()
}
