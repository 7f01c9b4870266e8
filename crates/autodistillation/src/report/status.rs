//! What became of trials, in words, and which metrics are worth a column.

use std::collections::BTreeSet;

use autodistillation_search::{Outcome, Trial};

use super::RunSummary;
use super::pareto_files::ordered;
use super::quantity::canonical;

/// A trial's standing in its study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// On the Pareto front.
    Best,
    /// Completed, and another trial dominates it.
    Completed,
    /// Completed, but outside a constraint.
    Excluded,
    Pruned,
    Failed,
    Pending,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Completed => "completed",
            Self::Excluded => "excluded",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
            Self::Pending => "running",
        }
    }
}

/// A run with its front, found once for all documents.
pub(crate) struct Overview<'a> {
    /// The run.
    pub run: &'a RunSummary,
    /// The Pareto front, in order of evaluation.
    pub front: Vec<&'a Trial>,
    best: BTreeSet<u32>,
}

impl<'a> Overview<'a> {
    pub fn of(run: &'a RunSummary) -> Self {
        let front = run.study.pareto_front();
        let best = front.iter().map(|trial| trial.number).collect();
        Self { run, front, best }
    }

    pub fn status(&self, trial: &Trial) -> Status {
        match &trial.outcome {
            None => Status::Pending,
            Some(Outcome::Failed(_)) => Status::Failed,
            Some(Outcome::Pruned(_)) => Status::Pruned,
            Some(Outcome::Completed(_)) if self.best.contains(&trial.number) => Status::Best,
            Some(Outcome::Completed(_)) if !self.broken_constraints(trial).is_empty() => Status::Excluded,
            Some(Outcome::Completed(_)) => Status::Completed,
        }
    }

    /// The status with its reason: `failed: loss is NaN`, `excluded: latency <= 8 is not met`.
    pub fn describe(&self, trial: &Trial) -> String {
        let word = self.status(trial).word();
        self.reason(trial).map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}"))
    }

    /// Why a trial failed or is excluded.
    pub fn reason(&self, trial: &Trial) -> Option<String> {
        if let Some(Outcome::Failed(reason)) = &trial.outcome {
            return Some(reason.clone());
        }
        let broken = self.broken_constraints(trial);
        (!broken.is_empty()).then(|| format!("{} is not met", broken.join(", ")))
    }

    /// The metrics worth a column: the goals, then the usual ones that some trial has.
    pub fn shown_metrics(&self) -> Vec<&'a str> {
        const USUAL: [&str; 13] = [
            "accuracy",
            "f1",
            "exact_match",
            "micro_f1",
            "matthews",
            "pearson",
            "spearman",
            "next_sentence",
            "perplexity",
            "loss",
            "latency",
            "parameters",
            "size_mb",
        ];
        let run = self.run;
        let goals = run.study.goals.iter().map(|goal| goal.metric.as_str());
        // `eval_accuracy` and `accuracy` are one metric and get one column.
        let is_goal = |metric: &str| run.study.goals.iter().any(|goal| canonical(&goal.metric) == metric);
        let is_measured =
            |metric: &str| run.study.trials.iter().any(|trial| run.metric(trial, metric).is_some());
        let usual = USUAL.into_iter().filter(|metric| !is_goal(metric) && is_measured(metric));
        ordered(goals.chain(usual))
    }

    /// The searched dimensions, in order.
    pub fn dimensions(&self) -> Vec<&'a str> {
        self.run.study.space.dimensions().iter().map(|dimension| dimension.name.as_str()).collect()
    }

    fn broken_constraints(&self, trial: &Trial) -> Vec<String> {
        let Some(metrics) = trial.metrics() else { return Vec::new() };
        let broken = self.run.study.constraints.iter().filter(|constraint| !constraint.is_met_by(metrics));
        broken.map(ToString::to_string).collect()
    }
}

/// How many trials ended in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub completed: usize,
    pub pruned: usize,
    pub failed: usize,
    pub pending: usize,
}

impl Counts {
    pub fn of(trials: &[Trial]) -> Self {
        let mut counts = Self::default();
        for trial in trials {
            match &trial.outcome {
                Some(Outcome::Completed(_)) => counts.completed += 1,
                Some(Outcome::Pruned(_)) => counts.pruned += 1,
                Some(Outcome::Failed(_)) => counts.failed += 1,
                None => counts.pending += 1,
            }
        }
        counts
    }

    /// `12 of 20 trials (7 completed, 3 pruned, 1 failed, 1 running)`, without the zeros.
    pub fn describe(self, planned: u32) -> String {
        let kinds = [
            (self.completed, "completed"),
            (self.pruned, "pruned"),
            (self.failed, "failed"),
            (self.pending, "running"),
        ];
        let total = kinds.iter().map(|(count, _)| count).sum::<usize>();
        let parts: Vec<String> = kinds
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, kind)| format!("{count} {kind}"))
            .collect();
        let of_planned =
            if total as u64 == u64::from(planned) { String::new() } else { format!(" of {planned}") };
        let noun = if total == 1 && of_planned.is_empty() { "trial" } else { "trials" };
        match parts.is_empty() {
            true => format!("no trial of {planned} yet"),
            false => format!("{total}{of_planned} {noun} ({})", parts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;
    use autodistillation_search::Constraint;

    #[test]
    fn counts_leave_out_zeros_and_a_reached_plan() {
        let run = example_run::two_trials();
        assert_eq!(Counts::of(&run.study.trials).describe(2), "2 trials (2 completed)");
        assert_eq!(Counts::of(&run.study.trials).describe(5), "2 of 5 trials (2 completed)");
        assert_eq!(Counts::default().describe(5), "no trial of 5 yet");
    }

    #[test]
    fn a_trial_outside_a_constraint_is_excluded_with_the_constraint() {
        let mut run = example_run::two_trials();
        assert_eq!(Overview::of(&run).describe(&run.study.trials[1]), "best");
        run.study.constraints = vec![Constraint::parse("max_latency_ms", "2").unwrap()];
        assert_eq!(Overview::of(&run).describe(&run.study.trials[1]), "excluded: latency <= 2 is not met");
    }
}
