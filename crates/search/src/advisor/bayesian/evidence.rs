//! What the trials so far tell about one metric.

use crate::{Outcome, Proposal, Study, Trial};

/// A metric with the sign that makes more better.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signed {
    pub(super) metric: String,
    /// 1 or −1; its own inverse.
    pub(super) sign: f64,
}

/// The trials that have a value of a learned metric, with their signed values.
pub(super) fn values<'a>(study: &'a Study, signed: &Signed) -> Vec<(&'a Trial, f64)> {
    let line = calibration(study, &signed.metric);
    let value = |trial: &Trial| match &trial.outcome {
        Some(Outcome::Completed(metrics)) => metrics.finite(&signed.metric),
        Some(Outcome::Pruned(metrics)) => metrics.finite(&signed.metric).map(|early| line.0 + line.1 * early),
        _ => None,
    };
    study.trials.iter().filter_map(|trial| Some((trial, signed.sign * value(trial)?))).collect()
}

/// The line (intercept, slope) from a metric's intermediate to its final value, by least squares
/// over the trials that have both; the identity where fewer than three do or they disagree.
fn calibration(study: &Study, metric: &str) -> (f64, f64) {
    let pairs: Vec<(f64, f64)> = study
        .completed()
        .filter_map(|trial| Some((trial.intermediate.finite(metric)?, trial.metrics()?.finite(metric)?)))
        .collect();
    let count = pairs.len() as f64;
    let mean_early = pairs.iter().map(|pair| pair.0).sum::<f64>() / count;
    let mean_final = pairs.iter().map(|pair| pair.1).sum::<f64>() / count;
    let spread: f64 = pairs.iter().map(|pair| (pair.0 - mean_early).powi(2)).sum();
    let slope = pairs.iter().map(|pair| (pair.0 - mean_early) * (pair.1 - mean_final)).sum::<f64>() / spread;
    if pairs.len() < 3 || !slope.is_finite() || slope < 0.0 {
        return (0.0, 1.0);
    }
    (mean_final - slope * mean_early, slope)
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
    fn a_pruned_score_is_mapped_to_a_final_one_by_the_trials_that_have_both() {
        let space = SearchSpace::new(vec![Dimension::new("width", 0..9)]).unwrap();
        let mut study = Study::new(space, vec![Goal::maximize("accuracy")], 0);
        for number in 0..4u32 {
            let early = f64::from(number) / 10.0;
            let architecture = study.space.architecture_at(u64::from(number)).unwrap();
            let mut trial = Trial::completed(number, architecture, metrics(0.5 + early / 2.0));
            trial.intermediate = metrics(early);
            study.trials.push(trial);
        }
        let mut pruned = Trial::pending(4, study.space.architecture_at(4).unwrap());
        pruned.outcome = Some(Outcome::Pruned(metrics(0.2)));
        study.trials.push(pruned);
        let values = values(&study, &Signed { metric: "accuracy".into(), sign: 1.0 });
        assert_eq!(values.len(), 5);
        assert!((values[4].1 - 0.6).abs() < 1e-12, "{values:?}");
    }
}
