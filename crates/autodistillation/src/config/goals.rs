//! `metrics`, `higher_is_better` and `constraints`: what a search optimises and what it must keep.

use autodistillation_search::{Constraint, Direction, Goal};

use super::cursor::Cursor;
use super::problem::Problem;

/// Which metric names a config may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricNames {
    /// Those that the built-in evaluation measures; `eval_` in front of a name is dropped.
    BuiltIn,
    /// Any: the user's own evaluation measures them, under the names as written.
    Any,
}

/// What the built-in evaluation measures, with the direction that is better.
pub const METRICS: [(&str, Direction); 14] = [
    ("accuracy", Direction::Maximize),
    ("f1", Direction::Maximize),
    ("exact_match", Direction::Maximize),
    ("micro_f1", Direction::Maximize),
    ("matthews", Direction::Maximize),
    ("pearson", Direction::Maximize),
    ("spearman", Direction::Maximize),
    ("next_sentence", Direction::Maximize),
    ("perplexity", Direction::Minimize),
    ("loss", Direction::Minimize),
    ("latency", Direction::Minimize),
    ("parameters", Direction::Minimize),
    ("flops", Direction::Minimize),
    ("size_mb", Direction::Minimize),
];

/// The goals of a search; loss and latency where no metrics are given.
///
/// A metric without `higher_is_better` goes its natural way; an unknown one of the user's own goes up.
pub(super) fn goals(
    metrics: Option<Cursor<'_>>,
    higher_is_better: Option<Cursor<'_>>,
    names: MetricNames,
) -> Option<Vec<Goal>> {
    let metrics = match &metrics {
        Some(list) => named_metrics(list, names)?,
        None => vec![(Goal::minimize("loss"), None), (Goal::minimize("latency"), None)],
    };
    let Some(flags) = higher_is_better else {
        return Some(metrics.into_iter().map(|(goal, own)| with_direction(goal, own)).collect());
    };
    let items = flags.list_or_self();
    if items.len() != metrics.len() {
        let found = items.len();
        flags.problem(Problem::Lengths { expected: metrics.len(), found, unit: "metrics" });
        return None;
    }
    let read = items.iter().map(Cursor::flag).collect::<Vec<_>>();
    let both = metrics.into_iter().zip(read);
    both.map(|((goal, _), up)| Some(with_direction(goal, Some(up?)))).collect()
}

/// A goal in its natural direction, and whether up is better where the metric itself says so.
type NamedMetric = (Goal, Option<bool>);

fn named_metrics(list: &Cursor<'_>, names: MetricNames) -> Option<Vec<NamedMetric>> {
    let items = list.list_or_self();
    if items.is_empty() {
        list.problem(Problem::Empty { what: "metric" });
    }
    let read: Vec<_> = items.iter().map(|item| metric(item, names)).collect();
    for (index, goal) in read.iter().enumerate() {
        let name = |other: &Option<NamedMetric>| other.as_ref().map(|(goal, _)| goal.metric.clone());
        if let Some(entry) =
            name(goal).filter(|_| read[..index].iter().any(|other| name(other) == name(goal)))
        {
            items[index].problem(Problem::Repeated { entry });
        }
    }
    read.into_iter().collect::<Option<Vec<_>>>().filter(|goals| !goals.is_empty())
}

/// A name, or `{name: …, greater_is_better: …}` as the Python package writes it.
fn metric(cursor: &Cursor<'_>, names: MetricNames) -> Option<NamedMetric> {
    if !cursor.node.is_nested() {
        return Some((named_goal(cursor, cursor.text()?, names)?, None));
    }
    let mut table = cursor.table()?;
    let name = table.need("name", "the metric's name");
    let up = table.take("greater_is_better").map(|flag| flag.flag());
    table.finish();
    let name = name?;
    let goal = named_goal(&name, name.text()?, names)?;
    match up {
        Some(up) => Some((goal, Some(up?))),
        None => Some((goal, None)),
    }
}

fn named_goal(cursor: &Cursor<'_>, written: &str, names: MetricNames) -> Option<Goal> {
    let plain = written.strip_prefix("eval_").unwrap_or(written);
    let natural = METRICS.iter().find(|(known, _)| *known == plain).map(|(_, direction)| *direction);
    match (names, natural) {
        (MetricNames::BuiltIn, Some(direction)) => Some(Goal { metric: plain.to_owned(), direction }),
        (MetricNames::BuiltIn, None) => {
            cursor.unknown_name("a metric", plain, &METRICS.map(|(name, _)| name));
            None
        }
        (MetricNames::Any, direction) => {
            Some(Goal { metric: written.to_owned(), direction: direction.unwrap_or(Direction::Maximize) })
        }
    }
}

fn with_direction(goal: Goal, up: Option<bool>) -> Goal {
    match up {
        Some(true) => Goal::maximize(goal.metric),
        Some(false) => Goal::minimize(goal.metric),
        None => goal,
    }
}

/// The constraints of a search, from a map such as `{max_latency_ms: 8, max_params: 15M}`.
pub(super) fn constraints(cursor: &Cursor<'_>, names: MetricNames) -> Option<Vec<Constraint>> {
    let table = cursor.table()?;
    let read: Vec<_> = table.entries().iter().map(|(key, value)| constraint(key, value, names)).collect();
    let read: Vec<Constraint> = read.into_iter().collect::<Option<_>>()?;
    match Constraint::check_all(&read) {
        Ok(()) => Some(read),
        Err(error) => {
            cursor.problem(error.into());
            None
        }
    }
}

fn constraint(key: &str, cursor: &Cursor<'_>, names: MetricNames) -> Option<Constraint> {
    let value = serde_json::Value::to_string(&cursor.node.to_json());
    let mut read = match Constraint::parse(key, value.trim_matches('"')) {
        Ok(constraint) => constraint,
        Err(error) => {
            cursor.problem(error.into());
            return None;
        }
    };
    if names == MetricNames::BuiltIn {
        read.metric = named_goal(cursor, &read.metric, names)?.metric;
    }
    Some(read)
}
