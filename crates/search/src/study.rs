//! A search so far: what is searched, what is wanted, what was tried.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::{Constraint, Goal, Outcome, SearchSpace, Trial, hypervolume, pareto};

/// Space, goals, seed, constraints and trials: plain data that owns no algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// What is searched.
    pub space: SearchSpace,
    /// What is wanted, in the order of the configuration.
    pub goals: Vec<Goal>,
    /// Where all randomness comes from.
    pub seed: u64,
    /// What was tried, in the order in which it was started.
    #[serde(default)]
    pub trials: Vec<Trial>,
    /// What the best architectures have to keep.
    #[serde(default)]
    pub constraints: Vec<Constraint>,
}

impl Study {
    /// A study without trials or constraints.
    pub fn new(space: SearchSpace, goals: Vec<Goal>, seed: u64) -> Self {
        Self { space, goals, seed, trials: Vec::new(), constraints: Vec::new() }
    }

    /// The trials that were measured in full, in order.
    pub fn completed(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| trial.metrics().is_some())
    }

    /// The trials that have not ended, in order.
    pub fn pending(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| trial.is_pending())
    }

    /// The trials that ended after an early look, in order.
    pub fn pruned(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| matches!(trial.outcome, Some(Outcome::Pruned(_))))
    }

    /// The best architectures: completed trials that keep every constraint and that no other such
    /// trial dominates, in order of evaluation.
    ///
    /// Ties all stay; a trial in which a goal is missing, NaN or infinite never enters.
    pub fn pareto_front(&self) -> Vec<&Trial> {
        let (trials, points): (Vec<&Trial>, Vec<Vec<f64>>) =
            self.completed().filter_map(|trial| Some((trial, self.eligible_point(trial)?))).unzip();
        pareto::non_dominated(&points).into_iter().map(|position| trials[position]).collect()
    }

    /// The volume between the front and a reference point, given in the goals' order and units.
    ///
    /// The unit is the product of the goals' units.
    pub fn hypervolume(&self, reference: &[f64]) -> f64 {
        let points: Vec<Vec<f64>> = self.completed().filter_map(|trial| self.eligible_point(trial)).collect();
        let reference: Vec<f64> =
            self.goals.iter().zip(reference).map(|(goal, value)| goal.signed(*value)).collect();
        hypervolume::hypervolume(&points, &reference)
    }

    /// The number of the next trial: one more than the largest so far.
    pub fn next_number(&self) -> u32 {
        self.trials.iter().map(|trial| trial.number + 1).max().unwrap_or(0)
    }

    /// The random generator of one trial's proposal.
    ///
    /// The 32-byte ChaCha8 key is the seed (8 bytes, little endian), the number (8 bytes, little
    /// endian) and the ASCII text `autodistillation`; the cipher does the mixing, so neighbouring
    /// numbers give unrelated streams.
    pub fn rng(&self, trial_number: u32) -> ChaCha8Rng {
        let mut key = *b"--------________autodistillation";
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&u64::from(trial_number).to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }

    /// The goals of a completed trial, signed so that more is better, where all are finite and
    /// every constraint is kept.
    fn eligible_point(&self, trial: &Trial) -> Option<Vec<f64>> {
        let metrics = trial.metrics()?;
        if !self.constraints.iter().all(|constraint| constraint.is_met_by(metrics)) {
            return None;
        }
        self.goals.iter().map(|goal| metrics.finite(&goal.metric).map(|value| goal.signed(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dimension, Metrics};
    use rand::Rng;

    fn study(values: &[(f64, f64)]) -> Study {
        let space = SearchSpace::new(vec![Dimension::new("width", 0..values.len() as i64 + 3)]).unwrap();
        let goals = vec![Goal::maximize("accuracy"), Goal::minimize("latency")];
        let mut study = Study::new(space, goals, 42);
        for (number, &(accuracy, latency)) in values.iter().enumerate() {
            let metrics: Metrics = [("accuracy", accuracy), ("latency", latency)].into_iter().collect();
            let architecture = study.space.architecture_at(number as u64).unwrap();
            study.trials.push(Trial::completed(number as u32, architecture, metrics));
        }
        study
    }

    fn numbers(trials: &[&Trial]) -> Vec<u32> {
        trials.iter().map(|trial| trial.number).collect()
    }

    #[test]
    fn the_front_keeps_ties_in_order_of_evaluation() {
        let study = study(&[(0.9, 8.0), (0.8, 2.0), (0.7, 3.0), (0.9, 8.0), (f64::NAN, 0.1)]);
        assert_eq!(numbers(&study.pareto_front()), [0, 1, 3]);
    }

    #[test]
    fn constraints_filter_the_front_before_dominance() {
        let mut study = study(&[(0.9, 8.0), (0.8, 5.0), (0.7, 2.0)]);
        study.constraints = vec![Constraint::parse("max_latency_ms", "5").unwrap()];
        assert_eq!(numbers(&study.pareto_front()), [1, 2]);
        study.constraints.push(Constraint::parse("max_params", "1M").unwrap());
        assert!(study.pareto_front().is_empty(), "a metric that was not measured keeps no bound");
    }

    #[test]
    fn only_completed_trials_enter_the_front() {
        let mut study = study(&[(0.5, 8.0), (0.9, 1.0)]);
        study.trials[1].outcome =
            Some(Outcome::Pruned([("accuracy", 0.9), ("latency", 1.0)].into_iter().collect()));
        assert_eq!(numbers(&study.pareto_front()), [0]);
        assert_eq!(study.completed().count(), 1);
    }

    #[test]
    fn hypervolume_is_in_the_goals_own_units() {
        let study = study(&[(0.9, 8.0), (0.5, 2.0)]);
        assert!((study.hypervolume(&[0.0, 10.0]) - (0.9 * 2.0 + 0.5 * 6.0)).abs() < 1e-12);
    }

    #[test]
    fn json_gives_back_the_same_study() {
        let mut study = study(&[(0.9, 8.0), (0.5, f64::INFINITY)]);
        study.trials.push(Trial::pending(2, study.space.architecture_at(2).unwrap()));
        study.trials.push(Trial::failed(3, study.space.architecture_at(3).unwrap(), "loss is NaN"));
        study.constraints = vec![Constraint::parse("max_latency_ms", "5").unwrap()];
        let json = serde_json::to_string(&study).unwrap();
        assert_eq!(serde_json::from_str::<Study>(&json).unwrap(), study);
    }

    #[test]
    fn each_number_has_its_own_reproducible_stream() {
        let study = study(&[]);
        assert_eq!(study.next_number(), 0);
        assert_eq!(study.rng(3).next_u64(), study.rng(3).next_u64());
        assert_ne!(study.rng(3).next_u64(), study.rng(4).next_u64());
        let other = Study { seed: 43, ..study.clone() };
        assert_ne!(study.rng(3).next_u64(), other.rng(3).next_u64());
    }
}
