//! The section `auto_distillation`: a search with flash and regular distillation.

use autodistillation_distillation::{HeadMatching, MatchingOptions, Normalize, Stage};

use super::cursor::Cursor;
use super::evaluation::{default_evaluation, evaluation};
use super::search::search as search_plan;
use super::sections::{Method, Setting};
use super::stage_lists::StageLists;
use super::stages::{Section, StageContext, Stages, flash, regular};
use super::table::{Table, one_of};
use super::training::{default_training, training};

/// Takes the keys of `auto_distillation` from the table that holds them.
pub(super) fn auto_distillation<'n>(table: &mut Table<'n>, setting: Setting<'n>) -> Option<Method> {
    let train = one_of(setting.train, table.take("train"));
    let measuring = one_of(setting.evaluation, table.take("evaluation"));
    let training = train.map_or(Some(default_training()), |cursor| training(&cursor));
    let evaluation = measuring.map_or(Some(default_evaluation()), |cursor| evaluation(&cursor));
    let search = table.need("search", "the search space and what to optimise");
    let search = search.and_then(|cursor| search_plan(&cursor, &setting.vocabulary));
    let context = StageContext {
        framework: setting.framework,
        layers: setting.layers,
        learning_rate: training.as_ref().unwrap_or(&default_training()).optimizer.learning_rate(),
        options: MatchingOptions {
            normalize: Normalize::TeacherVariance,
            heads: HeadMatching::Mean,
            ..MatchingOptions::default()
        },
    };
    let stages = both_distillations(table, &context);
    let search = search?;
    Some(Method {
        seed: search.seed,
        search: Some(search),
        stages: stages?,
        training: training?,
        evaluation: evaluation?,
        epochs: None,
    })
}

/// Flash and regular distillation; without either, the default regular stage.
fn both_distillations(table: &mut Table<'_>, context: &StageContext) -> Option<Stages> {
    let beside = table.take("regular_distillation");
    let Some(section) = table.take("flash_distillation") else {
        return regular_stages(beside.as_ref(), context).map(|stages| Stages::new(None, stages));
    };
    let mut inner = section.table()?;
    let regular_section = one_of(inner.take("regular_distillation"), beside);
    let flash = flash_stages(&mut inner, regular_section.is_some(), context);
    inner.finish();
    let regular = match (&flash, &regular_section) {
        (Some(Some(_)) | None, None) => Some(Vec::new()),
        _ => regular_stages(regular_section.as_ref(), context),
    };
    let (flash, regular) = (flash?, regular?);
    Some(Stages::new(flash, regular))
}

/// The flash section from `knowledge_transfer`, or from the same keys directly; `Some(None)` where it is empty.
fn flash_stages(table: &mut Table<'_>, has_regular: bool, context: &StageContext) -> Option<Option<Section>> {
    if let Some(nested) = table.take("knowledge_transfer") {
        let mut inner = nested.table()?;
        let lists = StageLists::take(&mut inner);
        let section = flash(&lists, &mut inner, context);
        inner.finish();
        return section.map(Some);
    }
    let others = table.entries().iter().filter(|(key, _)| *key != "regular_distillation").count();
    let lists = StageLists::take(table);
    if others == 0 && (has_regular || table.entries().is_empty()) {
        return Some(None);
    }
    flash(&lists, table, context).map(Some)
}

fn regular_stages(cursor: Option<&Cursor<'_>>, context: &StageContext) -> Option<Vec<Stage>> {
    let Some(cursor) = cursor else {
        return regular(&StageLists::default(), context);
    };
    let mut table = cursor.table()?;
    let stages = regular(&StageLists::take(&mut table), context);
    table.finish();
    stages
}
