//! What the trials so far tell about one metric.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dimension, Goal, Metrics, SearchSpace};

    fn metrics(accuracy: f64) -> Metrics {
        [("accuracy", accuracy)].into_iter().collect()
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
