//! The section `distillation`: one student taught with one criterion, without a search.
//!
//! The stage is as long as `train.iteration` (or `steps`) says, or as `train.epoch` passes over the training
//! set; 500 steps where neither is given.

use autodistillation_distillation::{CriterionConfig, MatchingOptions, OriginLoss, Stage, StageKind};

use super::cursor::Cursor;
use super::evaluation::{default_evaluation, evaluation};
use super::examples::given_or_none;
use super::logits;
use super::problem::Problem;
use super::search::DEFAULT_SEED;
use super::sections::{Method, Setting};
use super::self_distillation;
use super::stage_lists::StageLists;
use super::stages::{Section, StageContext, Stages, flash};
use super::table::{Table, one_of};
use super::training::{default_training, training_keys};

/// Reads the section `distillation`.
pub(super) fn distillation<'n>(cursor: &Cursor<'n>, setting: Setting<'n>) -> Option<Method> {
    let mut table = cursor.table()?;
    let measuring = one_of(setting.evaluation.clone(), table.take("evaluation"));
    let evaluation = measuring.map_or(Some(default_evaluation()), |cursor| evaluation(&cursor));
    let seed = table.take("seed").map_or(Some(DEFAULT_SEED), |seed| seed.whole(0));
    let train = table.need("train", "the optimizer, the criterion and the number of steps");
    table.finish();
    let mut train = train?.table()?;
    let training = training_keys(&mut train);
    let context = StageContext {
        framework: setting.framework,
        layers: setting.layers,
        learning_rate: training.as_ref().unwrap_or(&default_training()).optimizer.learning_rate(),
        // The criterion types' own defaults: plain errors and a matcher for heads.
        options: MatchingOptions::default(),
    };
    let steps = train.take_either("iteration", "steps");
    let epoch = train.take_either("epoch", "epochs");
    let epochs = given_or_none(one_length(steps.as_ref(), epoch).map(|epochs| epochs.whole(1)));
    let criterion = train.take("criterion");
    let stages = criterion_stages(criterion.as_ref(), steps, &context);
    train.finish();
    Some(Method {
        search: None,
        stages: stages?,
        training: training?,
        evaluation: evaluation?,
        seed: seed?,
        epochs: epochs?,
    })
}

/// The epochs, unless steps are given too, which is a problem.
fn one_length<'n>(steps: Option<&Cursor<'n>>, epochs: Option<Cursor<'n>>) -> Option<Cursor<'n>> {
    if let (Some(steps), Some(epochs)) = (steps, &epochs) {
        epochs.problem(Problem::GivenTwice { key: "epoch".to_owned(), other: steps.path.clone() });
    }
    epochs
}

#[derive(Clone, Copy)]
enum CriterionName {
    IntermediateLayers,
    Logits,
    SelfDistillation,
}

const CRITERIA: [(&str, CriterionName); 3] = [
    ("IntermediateLayersKnowledgeDistillationLoss", CriterionName::IntermediateLayers),
    ("KnowledgeDistillationLoss", CriterionName::Logits),
    ("SelfKnowledgeDistillationLoss", CriterionName::SelfDistillation),
];

/// The criterion's stage; `KnowledgeDistillationLoss` with its defaults where none is given.
fn criterion_stages<'n>(
    criterion: Option<&Cursor<'n>>,
    steps: Option<Cursor<'n>>,
    context: &StageContext,
) -> Option<Stages> {
    let (name, keys) = match criterion {
        Some(cursor) => cursor.variant("a criterion", &CRITERIA)?,
        None => (CriterionName::Logits, None),
    };
    match (name, keys) {
        (CriterionName::Logits, keys) => {
            let lists = match keys {
                Some(keys) => lists_of(keys.table()?, steps, StageLists::take_for_logits),
                None => StageLists { steps, ..StageLists::default() },
            };
            logits::stages(&lists, StageKind::Regular, &context.defaults())
                .map(|stages| Stages::new(None, stages))
        }
        (CriterionName::IntermediateLayers, Some(keys)) => intermediate_layers(&keys, steps, context),
        (CriterionName::SelfDistillation, Some(keys)) => {
            self_distillation::stage(&keys, steps, context).map(|stage| Stages::new(None, vec![stage]))
        }
        (CriterionName::IntermediateLayers | CriterionName::SelfDistillation, None) => {
            let expected = "the criterion with its `layer_mappings_for_knowledge_transfer`".to_owned();
            let found = "its name alone".to_owned();
            criterion?.problem(Problem::WrongType { expected, found });
            None
        }
    }
}

fn lists_of<'n>(
    mut table: Table<'n>,
    steps: Option<Cursor<'n>>,
    take: impl Fn(&mut Table<'n>) -> StageLists<'n>,
) -> StageLists<'n> {
    let mut lists = take(&mut table);
    lists.steps = one_of(steps, lists.steps);
    table.finish();
    lists
}

fn intermediate_layers<'n>(
    keys: &Cursor<'n>,
    steps: Option<Cursor<'n>>,
    context: &StageContext,
) -> Option<Stages> {
    let mut table = keys.table()?;
    let mut lists = StageLists::take(&mut table);
    lists.steps = one_of(steps, lists.steps);
    // Without mappings this reports the missing key, whatever the framework.
    let section = match &lists.mappings {
        Some(_) => flash(&lists, &mut table, context),
        None => {
            table.need("layer_mappings_for_knowledge_transfer", "a list of layer mappings, or `auto`");
            None
        }
    };
    table.finish();
    match section? {
        Section::Stages(stages) => {
            let stages = stages.into_iter().map(regular_where_labels_count).collect();
            Some(Stages::new(Some(Section::Stages(stages)), Vec::new()))
        }
        automatic => Some(Stages::new(Some(automatic), Vec::new())),
    }
}

/// A stage that learns from the labels too is regular distillation, as in the design document's example.
fn regular_where_labels_count(stage: Stage) -> Stage {
    match stage.criterion {
        CriterionConfig::IntermediateLayers { origin_loss: OriginLoss::Added, .. } => {
            Stage { kind: StageKind::Regular, ..stage }
        }
        _ => stage,
    }
}
