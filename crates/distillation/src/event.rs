//! What training tells its caller while it runs; the library itself never prints.

use std::ops::ControlFlow;

use crate::criterion::Explained;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stage begins.
    StageStarted {
        /// Its position, from 0.
        stage: usize,
        /// Its optimiser steps.
        steps: u32,
    },
    /// The teacher has answered examples about which nobody had asked it before.
    TeacherAnswered {
        /// The stage's position, from 0.
        stage: usize,
        /// Examples answered so far.
        done: usize,
        /// Examples to answer before the first step.
        total: usize,
    },
    /// An optimiser step is done.
    Step {
        /// The stage's position, from 0.
        stage: usize,
        /// Steps done in this stage.
        step: u32,
        /// The loss before the step.
        loss: f32,
    },
    /// How well the student explains the teacher's features so far.
    Explained {
        /// The stage's position, from 0.
        stage: usize,
        /// Steps done in this stage.
        step: u32,
        /// One per squared-error mapping.
        mappings: Vec<Explained>,
    },
    /// The stage trained only some of the parameters it could have.
    Narrowed {
        /// The stage's position, from 0.
        stage: usize,
        /// Parameters that no gradient reaches.
        untouched: usize,
    },
    /// A stage is over.
    StageFinished(StageReport),
}

/// What became of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageReport {
    /// Its position, from 0.
    pub stage: usize,
    /// Optimiser steps taken.
    pub steps: u32,
    /// Loss of the first step.
    pub first_loss: f32,
    /// Mean loss of the last tenth of the steps.
    pub last_loss: f32,
    /// How well the student explains the teacher's features at the end.
    pub explained: Vec<Explained>,
    /// How the stage ended.
    pub end: StageEnd,
    /// Share of the tokens that were padding, 0 to 1.
    pub padding: f64,
    /// Wall-clock seconds in which the stage waited for the teacher: computing, or another student's turn at it.
    pub teacher_seconds: f64,
}

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageEnd {
    /// All steps were taken.
    Complete,
    /// The block's features fell to their mean: the stage was stopped and the block put back as it began.
    Collapsed,
    /// Validation did not improve any more; the best weights were kept.
    Early,
}

/// Hears events; answers whether to go on.
pub trait Listener {
    /// Called for every event; `Break` stops the training before its next step.
    fn hear(&self, event: &Event) -> ControlFlow<()>;
}

impl<F: Fn(&Event) -> ControlFlow<()>> Listener for F {
    fn hear(&self, event: &Event) -> ControlFlow<()> {
        self(event)
    }
}
