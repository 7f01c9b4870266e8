//! An experiment whose metrics are a formula: searches in tests are instant and exact.

use autodistillation_search::{Architecture, Infeasible, Metrics};

use crate::experiment::{Experiment, TrialContext, TrialError};

/// Metrics in closed form; trains nothing.
///
/// With sizes w (the product of all whole-number choices): accuracy = 1 − 1/(1 + ln w), latency = w / 1000.
#[derive(Clone, Debug, Default)]
pub struct MockExperiment {
    /// Architectures whose `accuracy` comes out as NaN, by their text.
    pub diverging: Vec<String>,
    /// Architectures whose training panics, by their text.
    pub panicking: Vec<String>,
    /// Whole-number dimension that must divide another, as (divisor, dividend).
    pub divides: Option<(String, String)>,
}

impl Experiment for MockExperiment {
    type Student = Architecture;

    fn check(&self, architecture: &Architecture) -> Result<(), Infeasible> {
        let Some((divisor, dividend)) = &self.divides else { return Ok(()) };
        match (architecture.integer(divisor), architecture.integer(dividend)) {
            (Some(a), Some(b)) if a != 0 && b % a != 0 => {
                Err(Infeasible::new(format!("{divisor} does not divide {dividend}")))
            }
            _ => Ok(()),
        }
    }

    fn build(&self, trial: &TrialContext<'_>) -> Result<Architecture, TrialError> {
        Ok(trial.architecture.clone())
    }

    #[expect(clippy::panic, reason = "the search must survive user code that panics, and this shows it")]
    fn train(&self, student: Architecture, _trial: &TrialContext<'_>) -> Result<Architecture, TrialError> {
        if self.panicking.contains(&student.to_string()) {
            panic!("user code panicked on {student}");
        }
        Ok(student)
    }

    fn evaluate(&self, student: Architecture, _trial: &TrialContext<'_>) -> Result<Metrics, TrialError> {
        let size: f64 =
            student.iter().filter_map(|(name, _)| student.integer(name)).map(|value| value as f64).product();
        let accuracy = match self.diverging.contains(&student.to_string()) {
            true => f64::NAN,
            false => 1.0 - 1.0 / (1.0 + size.max(1.0).ln()),
        };
        Ok([("accuracy", accuracy), ("latency", size / 1000.0)].into_iter().collect())
    }
}
