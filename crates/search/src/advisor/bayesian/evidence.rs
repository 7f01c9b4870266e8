//! What the trials so far tell about one metric.

use crate::surrogate::broken_below;
use crate::{Outcome, Proposal, Study, Trial};

/// A metric with the sign that makes more better.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signed {
    pub(super) metric: String,
    /// 1 or −1; its own inverse.
    pub(super) sign: f64,
}

/// The trials that were measured in full, with their signed values of a learned metric.
pub(super) fn final_values<'a>(study: &'a Study, signed: &Signed) -> Vec<(&'a Trial, f64)> {
    let value = |trial: &Trial| trial.metrics()?.finite(&signed.metric);
    study.trials.iter().filter_map(|trial| Some((trial, signed.sign * value(trial)?))).collect()
}

/// The trials that have an early value of a learned metric, whatever became of them, with that value
/// signed: what was measured on the way, or what a pruned trial ended with.
pub(super) fn early_values<'a>(study: &'a Study, signed: &Signed) -> Vec<(&'a Trial, f64)> {
    let ended_with = |trial: &Trial| match &trial.outcome {
        Some(Outcome::Pruned(metrics)) => metrics.finite(&signed.metric),
        _ => None,
    };
    let value = |trial: &Trial| trial.intermediate.finite(&signed.metric).or_else(|| ended_with(trial));
    study.trials.iter().filter_map(|trial| Some((trial, signed.sign * value(trial)?))).collect()
}

/// Whether a trial shows that its architecture does not work: it failed, or it completed without
/// a usable value for some goal.
pub(super) fn is_broken(request: &Proposal<'_>, trial: &Trial) -> bool {
    let usable = |metric: &str| {
        request.known.contains(metric)
            || trial.metrics().is_none_or(|metrics| metrics.finite(metric).is_some())
    };
    match &trial.outcome {
        Some(Outcome::Failed(_)) => true,
        Some(Outcome::Completed(_)) => !request.study.goals.iter().all(|goal| usable(&goal.metric)),
        _ => false,
    }
}

/// Whether some goal is known before any trial.
///
/// Then words have effects in common and what does not work is learned apart. Where all goals are learned that is no better: on
/// NAS-Bench-201 one device gains and another one loses (`docs/experiments.md`).
pub(super) fn knows_a_goal(request: &Proposal<'_>) -> bool {
    request.study.goals.iter().any(|goal| request.known.contains(&goal.metric))
}

/// The limit of a metric, where what does not work is learned apart.
pub(super) fn limit<'a>(request: &Proposal<'_>, signed: &'a Signed) -> Option<Limit<'a>> {
    knows_a_goal(request).then(|| Limit::of(request.study, signed)).flatten()
}

/// What separates trials that were measured but did not work from the others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limit<'a> {
    signed: &'a Signed,
    /// The signed value below which a trial did not work.
    value: f64,
}

impl<'a> Limit<'a> {
    /// The limit of a metric to be made large that has several values far below all others, such as the accuracy of
    /// chance. (A cost far above all others is no sign that something broke.)
    fn of(study: &Study, signed: &'a Signed) -> Option<Self> {
        let values = || final_values(study, signed).into_iter().map(|(_, value)| value);
        let value = broken_below(&values().collect::<Vec<_>>()).filter(|_| signed.sign > 0.0)?;
        Some(Self { signed, value })
    }

    pub(super) fn rules_out(&self, trial: &Trial) -> bool {
        let value = trial.metrics().and_then(|metrics| metrics.finite(&self.signed.metric));
        value.is_some_and(|value| self.signed.sign * value < self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dimension, Goal, Metrics, SearchSpace};

    fn metrics(accuracy: f64) -> Metrics {
        [("accuracy", accuracy)].into_iter().collect()
    }

    #[test]
    fn what_lies_far_below_all_others_did_not_work() {
        let space = SearchSpace::new(vec![Dimension::new("width", 0..9)]).unwrap();
        let mut study = Study::new(space, vec![Goal::maximize("accuracy")], 0);
        let values = [0.70, 0.72, 0.10, 0.69, 0.73, 0.60, 0.11, 0.71, 0.68];
        for (at, value) in values.into_iter().enumerate() {
            let architecture = study.space.architecture_at(at as u64).unwrap();
            study.trials.push(Trial::completed(at as u32, architecture, metrics(value)));
        }
        let ruled_out = |study: &Study, sign: f64| -> Vec<u32> {
            let signed = Signed { metric: "accuracy".into(), sign };
            let limit = Limit::of(study, &signed);
            let broken = |trial: &&Trial| limit.as_ref().is_some_and(|limit| limit.rules_out(trial));
            study.trials.iter().filter(broken).map(|trial| trial.number).collect()
        };
        assert_eq!(ruled_out(&study, 1.0), [2, 6]);
        assert_eq!(ruled_out(&study, -1.0), [0; 0], "what is to be small is not broken by being large");
        study.trials.remove(6);
        assert_eq!(ruled_out(&study, 1.0), [0; 0], "a single one may be bad luck");
    }

    #[test]
    fn pruned_trials_count_with_their_early_values_only() {
        let space = SearchSpace::new(vec![Dimension::new("width", 0..3)]).unwrap();
        let mut study = Study::new(space, vec![Goal::maximize("accuracy")], 0);
        let at = |index| study.space.architecture_at(index).unwrap();
        let mut completed = Trial::completed(0, at(0), metrics(0.9));
        completed.intermediate = metrics(0.6);
        let mut pruned = Trial::pending(1, at(1));
        pruned.outcome = Some(Outcome::Pruned(metrics(0.4)));
        let failed = Trial::failed(2, at(2), "diverged");
        study.trials.extend([completed, pruned, failed]);
        let signed = Signed { metric: "accuracy".into(), sign: 1.0 };
        let numbers = |values: Vec<(&Trial, f64)>| -> Vec<(u32, f64)> {
            values.into_iter().map(|(trial, value)| (trial.number, value)).collect()
        };
        assert_eq!(numbers(final_values(&study, &signed)), [(0, 0.9)]);
        assert_eq!(numbers(early_values(&study, &signed)), [(0, 0.6), (1, 0.4)]);
    }
}
