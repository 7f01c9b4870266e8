//! The section `auto_distillation.search`.

use autodistillation_search::{Algorithm, Choice, Constraint, Dimension, Goal, SearchSpace};

use super::cursor::Cursor;
use super::families::FamilyKeys;
use super::goals::{MetricNames, constraints, goals};
use super::node::Value;
use super::problem::Problem;
use crate::plan::{Pruning, SearchPlan, StopRules};

/// Who builds and measures the students decides what a search may name.
pub(super) struct Vocabulary {
    /// The student's family, whose sizes are the dimensions; `None` = the user's own builder, any name.
    pub(super) family: Option<&'static FamilyKeys>,
    pub(super) metrics: MetricNames,
}

pub(super) const DEFAULT_SEED: u64 = 42;

/// Reads the section `search`.
pub(super) fn search(cursor: &Cursor<'_>, vocabulary: &Vocabulary) -> Option<SearchPlan> {
    let mut table = cursor.table()?;
    let space = table.need("search_space", "dimensions with their choices, such as {hidden_size: [64, 128]}");
    let space = space.and_then(|space| search_space(&space, vocabulary.family));
    let algorithm =
        table.take("search_algorithm").map_or(Some(Algorithm::default()), |name| algorithm(&name));
    let goals: Option<Vec<Goal>> =
        goals(table.take("metrics"), table.take("higher_is_better"), vocabulary.metrics);
    let max_trials = table.take("max_trials").map_or(Some(1), |trials| trials.whole(1));
    let seed = table.take("seed").map_or(Some(DEFAULT_SEED), |seed| seed.whole(0));
    let constraints: Option<Vec<Constraint>> =
        table.take("constraints").map_or(Some(Vec::new()), |map| constraints(&map, vocabulary.metrics));
    let pruning = table.take("pruning").map_or(Some(Pruning::None), |name| {
        name.word("a way of pruning", &[("auto", Pruning::Auto), ("none", Pruning::None)])
    });
    let stop = StopRules {
        max_hours: table.take("max_hours").and_then(|hours| hours.positive()),
        min_expected_gain: table.take("min_expected_gain").and_then(|share| share.positive()),
    };
    table.finish();
    Some(SearchPlan {
        space: space?,
        algorithm: algorithm?,
        goals: goals?,
        max_trials: max_trials?,
        seed: seed?,
        constraints: constraints?,
        pruning: pruning?,
        stop,
    })
}

fn algorithm(cursor: &Cursor<'_>) -> Option<Algorithm> {
    match cursor.text()?.parse() {
        Ok(algorithm) => Some(algorithm),
        Err(error) => {
            cursor.problem(Problem::Search(error));
            None
        }
    }
}

fn search_space(cursor: &Cursor<'_>, family: Option<&FamilyKeys>) -> Option<SearchSpace> {
    let table = cursor.table()?;
    let entries = table.entries();
    if entries.is_empty() {
        cursor.problem(Problem::Empty { what: "dimension with its choices" });
    }
    let read: Vec<_> = entries.iter().map(|(name, choices)| dimension(name, choices, family)).collect();
    let dimensions = read.into_iter().collect::<Option<Vec<_>>>().filter(|list| !list.is_empty())?;
    match SearchSpace::new(dimensions) {
        Ok(space) => Some(space),
        Err(error) => {
            cursor.problem(error.into());
            None
        }
    }
}

fn dimension(name: &str, choices: &Cursor<'_>, family: Option<&FamilyKeys>) -> Option<Dimension> {
    let searchable = family.map(FamilyKeys::searchable);
    let unknown = searchable.as_ref().filter(|names| !names.contains(&name));
    if let Some(names) = unknown {
        choices.unknown_name("a searchable key of the student's family", name, names);
    }
    let items = choices.list("a list of choices")?;
    if items.is_empty() {
        choices.problem(Problem::Empty { what: "choice" });
        return None;
    }
    let mut read: Vec<Choice> = Vec::new();
    for item in &items {
        let choice = choice(item, searchable.is_some());
        if choice.as_ref().is_some_and(|choice| read.contains(choice)) {
            item.problem(Problem::Repeated {
                entry: choice.as_ref().map(ToString::to_string).unwrap_or_default(),
            });
        } else {
            read.extend(choice);
        }
    }
    (unknown.is_none() && read.len() == items.len()).then(|| Dimension::new(name, read))
}

/// Sizes of a family are whole numbers from 1; a user's own builder takes any plain value.
fn choice(cursor: &Cursor<'_>, is_size: bool) -> Option<Choice> {
    if is_size {
        return cursor.whole::<u32>(1).map(|size| Choice::Integer(i64::from(size)));
    }
    match &cursor.node.value {
        Value::Integer(value) => Some(Choice::Integer(*value)),
        Value::Real(_) => cursor.number().map(Choice::Real),
        Value::Boolean(value) => Some(Choice::Boolean(*value)),
        _ => cursor.text().map(|text| Choice::Text(text.to_owned())),
    }
}

/// The names of a search's dimensions.
pub(super) fn searched_names(search: &SearchPlan) -> Vec<String> {
    search.space.dimensions().iter().map(|dimension| dimension.name.clone()).collect()
}
