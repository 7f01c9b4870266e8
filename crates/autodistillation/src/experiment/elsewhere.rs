//! The experiment of a search that is asked and told: its students are made outside of this program.

use autodistillation_search::Metrics;

use crate::experiment::{Experiment, TrialContext, TrialError};

/// An [`Experiment`] for [`AutoDistillation::tell`](crate::AutoDistillation::tell): every architecture can exist, and a
/// trial that the loop itself runs fails with the reason.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elsewhere;

const REASON: &str = "this search is asked and told: nothing here builds its students";

impl Experiment for Elsewhere {
    type Student = ();

    fn build(&self, _trial: &TrialContext<'_>) -> Result<(), TrialError> {
        Err(TrialError::failed(REASON))
    }

    fn train(&self, (): (), _trial: &TrialContext<'_>) -> Result<(), TrialError> {
        Err(TrialError::failed(REASON))
    }

    fn evaluate(&self, (): (), _trial: &TrialContext<'_>) -> Result<Metrics, TrialError> {
        Err(TrialError::failed(REASON))
    }
}
