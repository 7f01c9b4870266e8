//! Results as tables for people.

use std::collections::BTreeSet;
use std::fmt;

use autodistillation::report::{ParetoFile, RunSummary, TextTable, shown_metric};
use autodistillation::search::{Metrics, Outcome};
use serde::Serialize;

/// How many trials ended in which way.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub completed: usize,
    pub pruned: usize,
    pub failed: usize,
    /// Why trials failed, each reason once.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub reasons: BTreeSet<String>,
}

impl Tally {
    pub fn of(summary: &RunSummary) -> Self {
        let mut tally = Self::default();
        for outcome in summary.study.trials.iter().filter_map(|trial| trial.outcome.as_ref()) {
            match outcome {
                Outcome::Completed(_) => tally.completed += 1,
                Outcome::Pruned(_) => tally.pruned += 1,
                Outcome::Failed(reason) => {
                    tally.failed += 1;
                    tally.reasons.insert(reason.clone());
                }
            }
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.completed + self.pruned + self.failed;
        write!(formatter, "{total} trials: {} completed", self.completed)?;
        for (count, what) in [(self.pruned, "pruned"), (self.failed, "failed")] {
            if count > 0 {
                write!(formatter, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// The chosen students: architecture, goals, folder.
pub fn pareto_table(file: &ParetoFile) -> String {
    let Some(first) = file.trials.first() else {
        return "No trial completed within the constraints.\n".to_owned();
    };
    let dimensions: Vec<&str> = first.architecture.iter().map(|(name, _)| name).collect();
    let goals: Vec<&str> = file.goals.iter().map(|goal| goal.metric.as_str()).collect();
    let columns = ["trial"].iter().chain(&dimensions).chain(&goals).chain(&["student"]).copied();
    let mut table = TextTable::new(columns);
    for trial in &file.trials {
        let choice = |name: &&str| trial.architecture.get(name).map(ToString::to_string).unwrap_or_default();
        let metric =
            |name: &&str| trial.metrics.get(name).map(|value| shown_metric(name, value)).unwrap_or_default();
        let mut row = vec![trial.number.to_string()];
        row.extend(dimensions.iter().map(choice));
        row.extend(goals.iter().map(metric));
        row.push(trial.student.clone());
        table.row(row);
    }
    format!("Best students:\n{}", table.render())
}

/// One metric a line.
pub fn metrics_table(metrics: &Metrics) -> String {
    let mut table = TextTable::new(["metric", "value"]);
    for (name, value) in metrics.iter() {
        let shown = match name.strip_prefix("test_") {
            Some(of_test) => shown_metric(of_test, value),
            None if name.starts_with("latency") => shown_metric("latency", value),
            None => shown_metric(name, value),
        };
        table.row([name.to_owned(), shown]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_names_only_what_happened() {
        let tally = Tally { completed: 3, failed: 1, ..Tally::default() };
        assert_eq!(tally.to_string(), "4 trials: 3 completed, 1 failed");
        assert_eq!(Tally::default().to_string(), "0 trials: 0 completed");
    }

    #[test]
    fn metrics_are_shown_in_their_units_also_those_of_the_test_set() {
        let metrics: Metrics =
            [("accuracy", 0.5), ("test_accuracy", 0.25), ("latency_p90", 2.0)].into_iter().collect();
        let table = metrics_table(&metrics);
        for line in ["accuracy       50.00 %", "test_accuracy  25.00 %", "latency_p90    2.00 ms"] {
            assert!(table.contains(line), "{table}");
        }
    }
}
