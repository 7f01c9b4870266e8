//! What a run tells its caller while it works; the library itself never prints.

use autodistillation_distillation::Event;
use autodistillation_search::{Architecture, Metrics, Outcome};

/// One thing that happened in a run.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// Something the user should know, once.
    Note(String),
    /// A phase before the search begins, such as reading data.
    Phase(String),
    /// The search begins, or goes on.
    SearchStarted {
        /// Trials of the whole study.
        trials: u32,
        /// Trials that an earlier run has finished.
        finished: u32,
        /// Students trained side by side.
        jobs: usize,
    },
    /// A trial begins, or goes on.
    TrialStarted {
        /// Its number, from 0.
        number: u32,
        /// What it tries.
        architecture: Architecture,
        /// Optimiser steps it takes in all; 0 when unknown.
        steps: u64,
    },
    /// Something happened in a trial's training.
    Training {
        /// The trial's number, from 0.
        number: u32,
        /// What happened.
        event: Event,
    },
    /// A trial was looked at early; it may be trained to the end later.
    TrialWaiting {
        /// Its number, from 0.
        number: u32,
        /// What was measured.
        early: Metrics,
    },
    /// A trial is over.
    TrialFinished {
        /// Its number, from 0.
        number: u32,
        /// What became of it.
        outcome: Outcome,
    },
}

/// Hears what a run does.
pub trait RunListener: Sync {
    /// Called for every event, from any thread.
    fn hear(&self, event: &RunEvent);
}

impl<F: Fn(&RunEvent) + Sync> RunListener for F {
    fn hear(&self, event: &RunEvent) {
        self(event);
    }
}
