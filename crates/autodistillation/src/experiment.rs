//! What the loop asks of a user: build, train and evaluate one student.

mod built_in;
mod checkpoint;
mod closures;
mod elsewhere;
mod journal;
mod logit_losses;
mod measures;
mod mock;
mod similarity;
mod stage_record;
mod start;
mod warm_start;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use autodistillation_search::{Architecture, FeasibleSpace, Infeasible, KnownGoals, Metrics};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use built_in::{BuiltInExperiment, Pupil, Teaching, layers, settings};
pub use closures::Closures;
pub use elsewhere::Elsewhere;
pub use mock::MockExperiment;
pub use start::Start;
pub use warm_start::TrialLog;

use crate::event::{RunEvent, RunListener};

/// Builds, trains and evaluates the student of one architecture.
///
/// The three steps are the design document's `model_builder`, `train_func` and `eval_func`. Several trials may
/// run at the same time, each on a thread of its own.
pub trait Experiment: Send + Sync {
    /// What is built, trained and evaluated.
    type Student: Send;

    /// Whether a student of this architecture can exist at all; asked before anything is built.
    ///
    /// # Errors
    ///
    /// The reason, in few words that many architectures share, such as "heads do not divide the width".
    fn check(&self, _architecture: &Architecture) -> Result<(), Infeasible> {
        Ok(())
    }

    /// Goals whose value is known before training, such as the number of parameters.
    fn known_goals(&self, _feasible: &FeasibleSpace) -> KnownGoals {
        KnownGoals::none()
    }

    /// Whether students have a cheap part of their training after which a look at them tells something of the end.
    fn looks_early(&self) -> bool {
        false
    }

    /// Work that no trial waits for. The first worker that finds no more trials does it, while others still train.
    fn meanwhile(&self, _shared: &Shared<'_>) {}

    /// Makes the student of the trial's architecture.
    ///
    /// # Errors
    ///
    /// Why this trial failed; the search goes on.
    fn build(&self, trial: &TrialContext<'_>) -> Result<Self::Student, TrialError>;

    /// Trains it.
    ///
    /// # Errors
    ///
    /// Why this trial failed, or that it was stopped.
    fn train(&self, student: Self::Student, trial: &TrialContext<'_>) -> Result<Self::Student, TrialError>;

    /// Measures it: at least the study's goals.
    ///
    /// # Errors
    ///
    /// Why this trial failed.
    fn evaluate(&self, student: Self::Student, trial: &TrialContext<'_>) -> Result<Metrics, TrialError>;
}

/// Why a trial has no metrics.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It failed; the search records the reason and goes on.
    #[error("{0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The user stopped the search; the trial stays unfinished and continues with the next run.
    #[error("stopped")]
    Stopped,
    /// It waits after an early look for the advisor to have it trained to the end; these are its values so far.
    #[error("waiting after an early look")]
    Waiting(Metrics),
}

impl TrialError {
    /// A failure with its cause.
    pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }

    /// The cause of a failure.
    pub fn into_cause(self) -> Box<dyn std::error::Error + Send + Sync> {
        match self {
            Self::Failed(cause) => cause,
            stopped => Box::new(stopped),
        }
    }

    /// Whether the disk refused to keep the trial, which no other trial would get around.
    pub fn is_full_disk(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let Self::Failed(failure) = self else { return false };
        let failure: &(dyn std::error::Error + 'static) = failure.as_ref();
        let causes = std::iter::successors(Some(failure), |error| error.source());
        let mut kinds =
            causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
        kinds.any(|kind| matches!(kind, StorageFull | QuotaExceeded | ReadOnlyFilesystem))
    }

    /// The failure and its causes, outermost first.
    pub fn reason(&self) -> String {
        let mut reason = self.to_string();
        let Self::Failed(failure) = self else { return reason };
        let mut cause = failure.source();
        while let Some(inner) = cause {
            reason.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        reason
    }
}

/// Whether a trial may wait for a decision between its cheap and its expensive part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// After its cheap part it returns [`TrialError::Waiting`]; its next call goes on from there.
    LooksEarly,
    /// It trains to the end.
    Finishes,
}

/// What a trial may use while it runs.
#[derive(Clone, Copy)]
pub struct TrialContext<'a> {
    /// The trial's number, from 0.
    pub number: u32,
    /// What to build.
    pub architecture: &'a Architecture,
    /// Whether it may end with [`TrialError::Waiting`].
    pub patience: Patience,
    /// Seeds the trial's random choices: a function of the study's seed and the trial's number.
    pub seed: u64,
    /// Where the trial's files go; absent when the search keeps nothing.
    pub folder: Option<&'a PathBuf>,
    /// What the trials of one search share.
    pub shared: &'a Shared<'a>,
}

/// What the trials of one search share.
pub struct Shared<'a> {
    /// Who hears about progress.
    pub listener: &'a dyn RunListener,
    /// Set when the user wants to stop.
    pub stop: &'a AtomicBool,
    /// Threads of all of them together.
    pub threads: usize,
    /// What they may know of each other; absent where there is one alone.
    pub log: Option<&'a dyn TrialLog>,
    /// See [`working`](Self::working) and [`quiet`](Self::quiet).
    quiet: RwLock<()>,
    /// Whether a worker has found no more trials.
    pub(crate) had_a_worker_to_spare: AtomicBool,
}

impl<'a> Shared<'a> {
    /// What trials on `threads` threads share.
    pub fn new((listener, stop): (&'a dyn RunListener, &'a AtomicBool), threads: usize) -> Self {
        let had_a_worker_to_spare = AtomicBool::new(false);
        Self { listener, stop, threads, log: None, quiet: RwLock::default(), had_a_worker_to_spare }
    }

    /// The same for trials that may know of each other.
    #[must_use]
    pub fn with_log(self, log: &'a dyn TrialLog) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Held by whoever starts, trains or evaluates a student; waits while a latency is measured.
    pub fn working(&self) -> RwLockReadGuard<'_, ()> {
        self.quiet.read()
    }

    /// Held while a latency is measured; waits until nobody works.
    pub fn quiet(&self) -> RwLockWriteGuard<'_, ()> {
        self.quiet.write()
    }
}

impl TrialContext<'_> {
    /// Tells the listener; answers whether to go on.
    pub fn tell(&self, event: RunEvent) -> ControlFlow<()> {
        self.shared.listener.hear(&event);
        if self.shared.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
