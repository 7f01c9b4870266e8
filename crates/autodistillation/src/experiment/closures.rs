//! Advanced mode: an experiment made of the user's own three functions.

use autodistillation_search::{Architecture, Infeasible, Metrics};

use crate::experiment::{Experiment, TrialContext, TrialError};

/// An [`Experiment`] of three functions: `model_builder`, `train_func` and `eval_func`.
pub struct Closures<B, T, E> {
    /// Architecture → student.
    pub model_builder: B,
    /// Student → trained student.
    pub train_func: T,
    /// Trained student → metrics.
    pub eval_func: E,
    /// Whether an architecture can exist.
    pub feasible: fn(&Architecture) -> Result<(), Infeasible>,
}

impl<B, T, E> Closures<B, T, E> {
    /// The experiment of these functions; every architecture is feasible.
    pub fn new(model_builder: B, train_func: T, eval_func: E) -> Self {
        Self { model_builder, train_func, eval_func, feasible: |_| Ok(()) }
    }
}

/// Any error a user's function may give.
type UserError = Box<dyn std::error::Error + Send + Sync>;

impl<S, B, T, E> Experiment for Closures<B, T, E>
where
    S: Send,
    B: Fn(&Architecture) -> Result<S, UserError> + Send + Sync,
    T: Fn(S) -> Result<S, UserError> + Send + Sync,
    E: Fn(&S) -> Result<Metrics, UserError> + Send + Sync,
{
    type Student = S;

    fn check(&self, architecture: &Architecture) -> Result<(), Infeasible> {
        (self.feasible)(architecture)
    }

    fn build(&self, trial: &TrialContext<'_>) -> Result<S, TrialError> {
        (self.model_builder)(trial.architecture).map_err(TrialError::Failed)
    }

    fn train(&self, student: S, _trial: &TrialContext<'_>) -> Result<S, TrialError> {
        (self.train_func)(student).map_err(TrialError::Failed)
    }

    fn evaluate(&self, student: S, _trial: &TrialContext<'_>) -> Result<Metrics, TrialError> {
        (self.eval_func)(&student).map_err(TrialError::Failed)
    }
}
