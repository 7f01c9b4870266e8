//! Students against their teacher, in ratios and in words.

use autodistillation_search::{Direction, Goal, Trial};

use crate::report::RunSummary;
use crate::report::digits::significant;
use crate::report::quantity::{Quantity, canonical, in_sentence};

/// How a student's value compares: `93.3 % of the teacher's`, `4.1× faster`, `1.2× larger`.
///
/// `None` where a ratio of the two says nothing, as for losses or negative values.
pub(super) fn compared(metric: &str, student: f64, teacher: f64) -> Option<String> {
    if !(student > 0.0 && teacher > 0.0 && student.is_finite() && teacher.is_finite()) {
        return None;
    }
    let (less, more) = match canonical(metric) {
        "latency" => ("faster", "slower"),
        "parameters" | "size_mb" => ("smaller", "larger"),
        "flops" => ("cheaper", "dearer"),
        "loss" | "perplexity" => return None,
        _ => return Some(format!("{:.1} % of the teacher’s", student / teacher * 100.0)),
    };
    let ratio = teacher / student;
    let (ratio, word) = if ratio >= 1.0 { (ratio, less) } else { (1.0 / ratio, more) };
    let text = significant(ratio, 2);
    Some(if text == "1" { "as the teacher".to_owned() } else { format!("{text}× {word}") })
}

/// One sentence: the goals first, then what the network costs, each against the teacher.
pub(super) fn sentence(run: &RunSummary, trial: &Trial) -> String {
    let is_goal = |metric: &str| run.study.goals.iter().any(|goal| canonical(&goal.metric) == metric);
    let costs = ["latency", "parameters"].into_iter().filter(|metric| !is_goal(metric));
    let metrics = run.study.goals.iter().map(|goal| goal.metric.as_str()).chain(costs);
    let clauses: Vec<String> = metrics.filter_map(|metric| clause(run, trial, metric)).collect();
    let text = clauses.join("; ");
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn clause(run: &RunSummary, trial: &Trial, metric: &str) -> Option<String> {
    let value = run.metric(trial, metric)?;
    let shown = Quantity::of(metric).show(value);
    let named = match canonical(metric) {
        "parameters" => format!("{shown} parameters"),
        _ => format!("{} {shown}", in_sentence(metric)),
    };
    let reference = run.teacher_metric(metric).and_then(|teacher| compared(metric, value, teacher));
    Some(reference.map_or_else(|| named.clone(), |reference| format!("{named}, {reference}")))
}

/// The trial of the front that is nearest to having the best of every goal at once.
///
/// Each goal is scaled to its range on the front; the distance is Euclidean.
pub(super) fn balanced<'a>(run: &RunSummary, front: &[&'a Trial]) -> Option<&'a Trial> {
    let distance = |trial: &Trial| -> f64 {
        run.study.goals.iter().map(|goal| shortfall(goal, trial, front).powi(2)).sum()
    };
    front.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// How far a trial is from the front's best value of a goal: 0 at the best, 1 at the worst.
fn shortfall(goal: &Goal, trial: &Trial, front: &[&Trial]) -> f64 {
    let signed = |trial: &Trial| {
        trial
            .metrics()
            .and_then(|metrics| metrics.finite(&goal.metric))
            .map_or(f64::NAN, |value| goal.signed(value))
    };
    let best = front.iter().map(|trial| signed(trial)).fold(f64::NEG_INFINITY, f64::max);
    let worst = front.iter().map(|trial| signed(trial)).fold(f64::INFINITY, f64::min);
    if best > worst { (best - signed(trial)) / (best - worst) } else { 0.0 }
}

/// The trial of the front that is best in one goal; the first of equals.
pub(super) fn best_in<'a>(goal: &Goal, front: &[&'a Trial]) -> Option<&'a Trial> {
    let value = |trial: &Trial| trial.metrics().and_then(|metrics| metrics.finite(&goal.metric));
    let better = |best: &'a Trial, trial: &'a Trial| match (value(best), value(trial)) {
        (Some(held), Some(new)) if goal.signed(new) > goal.signed(held) => trial,
        _ => best,
    };
    front.iter().copied().reduce(better)
}

/// A goal with an arrow: `higher is better`.
pub(super) fn direction_words(direction: Direction) -> &'static str {
    match direction {
        Direction::Maximize => "higher is better",
        Direction::Minimize => "lower is better",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    #[test]
    fn ratios_read_in_the_direction_that_they_go() {
        assert_eq!(compared("latency", 4.0, 16.0).as_deref(), Some("4× faster"));
        assert_eq!(compared("parameters", 30.0, 20.0).as_deref(), Some("1.5× larger"));
        assert_eq!(compared("eval_accuracy", 0.8, 0.9).as_deref(), Some("88.9 % of the teacher’s"));
        assert_eq!(compared("loss", 0.5, 0.4), None);
        assert_eq!(compared("perplexity", 50.0, 40.0), None);
        assert_eq!(compared("matthews", -0.1, 0.5), None);
    }

    #[test]
    fn a_sentence_covers_goals_and_costs() {
        let run = example_run::sst2();
        assert_eq!(
            sentence(&run, run.trial(5).unwrap()),
            "Accuracy 83.60 %, 93.3 % of the teacher’s; latency 3.92 ms, 4.1× faster; 7.34 M parameters, 3.1× smaller."
        );
    }

    #[test]
    fn the_balanced_trial_lies_between_the_extremes() {
        let run = example_run::sst2();
        let front = run.study.pareto_front();
        let balanced = balanced(&run, &front).unwrap().number;
        let extremes = run.study.goals.iter().map(|goal| best_in(goal, &front).unwrap().number);
        assert!(!extremes.collect::<Vec<_>>().contains(&balanced));
    }
}
