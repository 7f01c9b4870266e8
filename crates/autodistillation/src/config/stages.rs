//! The sections `knowledge_transfer` and `regular_distillation`, from parallel lists to stages.

use autodistillation_distillation::{
    Block, CriterionConfig, FlashDistillation, LayerMapping, LayerPath, LossKind, MatchingOptions,
    OriginLoss, Ramp, RegularDistillation, Scheduler, Stage, StageKind,
};

use super::automatic::{AutomaticFlash, BlockTemplate, Term};
use super::cursor::Cursor;
use super::layer_choice::LayerChoice;
use super::layer_pairs::{LayerPair, StagePairs, stage_pairs};
use super::logits;
use super::node::Value;
use super::problem::Problem;
use super::stage_lists::{BlockName, Count, Defaults, StageLists, StageValues, layer_loss, layer_weight};
use super::table::Table;
use crate::plan::Framework;

const DEFAULT_STEPS: u32 = 500;

/// What the lists of a section are read against.
#[derive(Clone, Copy)]
pub(super) struct StageContext {
    pub(super) framework: Framework,
    /// The student's number of layers, where it is fixed.
    pub(super) layers: Option<usize>,
    /// The rate of stages that do not give their own.
    pub(super) learning_rate: f64,
    /// The options of stages that do not give their own.
    pub(super) options: MatchingOptions,
}

impl StageContext {
    pub(super) fn defaults(&self) -> Defaults {
        Defaults {
            options: self.options,
            block: BlockName::Named(Block::everything()),
            origin_loss: OriginLoss::LeftOut,
            steps: DEFAULT_STEPS,
            learning_rate: self.learning_rate,
        }
    }
}

/// The stages of one student, as far as the config alone tells them.
#[derive(Default)]
pub(super) struct Stages {
    pub(super) scheduler: Scheduler,
    pub(super) automatic: Option<AutomaticFlash>,
}

impl Stages {
    pub(super) fn new(flash: Option<Section>, regular: Vec<Stage>) -> Self {
        let regular = RegularDistillation { stages: regular };
        match flash {
            Some(Section::Automatic(automatic)) => Self {
                scheduler: Scheduler::combine(FlashDistillation::default(), regular),
                automatic: Some(automatic),
            },
            Some(Section::Stages(stages)) => {
                Self { scheduler: Scheduler::combine(FlashDistillation { stages }, regular), automatic: None }
            }
            None => {
                Self { scheduler: Scheduler::combine(FlashDistillation::default(), regular), automatic: None }
            }
        }
    }
}

/// A flash section.
pub(super) enum Section {
    Stages(Vec<Stage>),
    Automatic(AutomaticFlash),
}

/// Reads the lists of a flash section, given the table they were taken from.
pub(super) fn flash(
    lists: &StageLists<'_>,
    table: &mut Table<'_>,
    context: &StageContext,
) -> Option<Section> {
    match &lists.mappings {
        Some(mappings) if layer_choice(mappings).is_some() => {
            automatic(lists, layer_choice(mappings)?, context).map(Section::Automatic)
        }
        Some(mappings) => {
            let stages = mapped(lists, mappings, StageKind::Flash, &context.defaults());
            stages.map(Section::Stages)
        }
        None if logits::is_meant(lists, context.framework) => {
            logits::stages(lists, StageKind::Flash, &context.defaults()).map(Section::Stages)
        }
        None => {
            lists.per_stage(Count::Stages(lists.longest()), &context.defaults());
            let what = "one list of layer mappings per block, or `auto`, `last` or `similarity`";
            table.need("layer_mappings_for_knowledge_transfer", what);
            None
        }
    }
}

/// Reads the lists of a regular section. Without mappings the student's classifier learns from the teacher's
/// (KL) and from the labels.
pub(super) fn regular(lists: &StageLists<'_>, context: &StageContext) -> Option<Vec<Stage>> {
    match &lists.mappings {
        Some(mappings) if layer_choice(mappings) != Some(LayerChoice::EvenlySpaced) => {
            mapped(lists, mappings, StageKind::Regular, &context.defaults())
        }
        None if logits::is_meant(lists, context.framework) => {
            logits::stages(lists, StageKind::Regular, &context.defaults())
        }
        _ => {
            let logits = LayerPath::new("classifier");
            let pair = LayerPair { student: logits.clone(), teacher: logits };
            let defaults = Defaults { origin_loss: OriginLoss::Added, ..context.defaults() };
            let pairs = vec![vec![Some(pair)]; lists.longest()];
            stages_of(lists, pairs, StageKind::Regular, (&defaults, LossKind::KullbackLeibler))
        }
    }
}

/// How teacher layers are chosen, where a word stands in place of mappings.
fn layer_choice(cursor: &Cursor<'_>) -> Option<LayerChoice> {
    let Value::Text(text) = &cursor.node.value else { return None };
    let choices = [LayerChoice::EvenlySpaced, LayerChoice::Last, LayerChoice::Similarity];
    choices.into_iter().find(|choice| text.eq_ignore_ascii_case(choice.name()))
}

fn mapped(
    lists: &StageLists<'_>,
    mappings: &Cursor<'_>,
    kind: StageKind,
    defaults: &Defaults,
) -> Option<Vec<Stage>> {
    let expected = match kind {
        StageKind::Flash => "a list of layer mappings, or `auto`, `last` or `similarity`",
        StageKind::Regular => "a list of layer mappings, or `auto`",
    };
    match stage_pairs(mappings, expected) {
        Some(pairs) => stages_of(lists, pairs, kind, (defaults, LossKind::MeanSquared)),
        None => {
            // The other lists are still checked, so that all problems are listed at once.
            lists.per_stage(Count::Stages(lists.longest()), defaults);
            None
        }
    }
}

fn stages_of(
    lists: &StageLists<'_>,
    pairs: Vec<StagePairs>,
    kind: StageKind,
    (defaults, loss): (&Defaults, LossKind),
) -> Option<Vec<Stage>> {
    let count = Count::Stages(pairs.len());
    let lengths: Vec<_> = pairs.iter().map(Vec::len).collect();
    let losses = count.spread_mappings(lists.loss_types.as_ref(), &lengths, |_| loss, layer_loss);
    let weights = count.spread_mappings(
        lists.loss_weights.as_ref(),
        &lengths,
        |n| Ramp::from(1.0 / n as f64),
        layer_weight,
    );
    let values = lists.per_stage(count, defaults);
    let pairs = pairs.into_iter().map(|pairs| pairs.into_iter().collect()).collect::<Option<Vec<_>>>();
    let rows = pairs?.into_iter().zip(losses?).zip(weights?).zip(values?);
    Some(
        rows.map(|(((pairs, losses), weights), values)| stage(kind, values, (pairs, losses, weights)))
            .collect(),
    )
}

fn stage(
    kind: StageKind,
    values: StageValues,
    (pairs, losses, weights): (Vec<LayerPair>, Vec<LossKind>, Vec<Ramp>),
) -> Stage {
    let block = match values.block {
        BlockName::Named(block) => block,
        BlockName::Automatic => shared_layer(&pairs),
    };
    let terms = pairs.into_iter().zip(losses).zip(weights);
    let mappings = terms
        .map(|((LayerPair { student, teacher }, loss), weight)| LayerMapping {
            student,
            teacher,
            loss,
            weight,
        })
        .collect();
    let (options, origin_loss) = (values.options, values.origin_loss);
    Stage {
        kind,
        block,
        criterion: CriterionConfig::IntermediateLayers { mappings, options, origin_loss },
        steps: values.steps,
        learning_rate: values.learning_rate,
    }
}

/// The numbered layer that holds all student paths of a stage; the whole network where there is none.
fn shared_layer(pairs: &[LayerPair]) -> Block {
    let mut layers = pairs.iter().map(|pair| numbered_layer(&pair.student.module));
    match layers.next().flatten() {
        Some(first) if layers.all(|layer| layer == Some(first)) => Block::new([first]),
        _ => Block::everything(),
    }
}

/// `bert.encoder.layer.3` of `bert.encoder.layer.3.attention.self`.
fn numbered_layer(module: &str) -> Option<&str> {
    let mut end = 0;
    for part in module.split('.') {
        end += part.len();
        if part.parse::<usize>().is_ok() {
            return module.get(..end);
        }
        end += 1;
    }
    None
}

fn automatic(lists: &StageLists<'_>, choice: LayerChoice, context: &StageContext) -> Option<AutomaticFlash> {
    let count = Count::Blocks(context.layers);
    let lengths = vec![2; count.stages()];
    let losses = automatic_losses(lists, count, &lengths);
    let weights =
        count.spread_mappings(lists.loss_weights.as_ref(), &lengths, |_| Ramp::from(0.5), layer_weight);
    let defaults = Defaults { block: BlockName::Automatic, ..context.defaults() };
    let values = lists.per_stage(count, &defaults);
    let rows = losses?.into_iter().zip(weights?).zip(values?);
    let blocks = rows.filter_map(|((losses, weights), values)| template(values, &losses, &weights)).collect();
    Some(AutomaticFlash { choice, blocks })
}

fn automatic_losses(lists: &StageLists<'_>, count: Count, lengths: &[usize]) -> Option<Vec<Vec<LossKind>>> {
    if lists.loss_types.is_none() {
        return Some(vec![vec![LossKind::KullbackLeibler, LossKind::MeanSquared]; lengths.len()]);
    }
    count.spread_mappings(lists.loss_types.as_ref(), lengths, |_| LossKind::MeanSquared, layer_loss)
}

fn template(values: StageValues, losses: &[LossKind], weights: &[Ramp]) -> Option<BlockTemplate> {
    let mut terms = losses.iter().zip(weights).map(|(&loss, &weight)| Term { loss, weight });
    Some(BlockTemplate {
        attention: terms.next()?,
        hidden: terms.next()?,
        block: match values.block {
            BlockName::Automatic => None,
            BlockName::Named(block) => Some(block),
        },
        options: values.options,
        origin_loss: values.origin_loss,
        steps: values.steps,
        learning_rate: values.learning_rate,
    })
}

/// Reports lists that mean nothing for a loss on logits.
pub(super) fn refuse_layer_lists(lists: &StageLists<'_>) {
    for list in
        [&lists.normalize, &lists.heads, &lists.reduction, &lists.relation_heads].into_iter().flatten()
    {
        let key = list.path.rsplit('.').next().unwrap_or_default().to_owned();
        list.problem(Problem::Unavailable {
            name: key,
            remedy: "it belongs to layer mappings, and this section compares logits only",
        });
    }
}
