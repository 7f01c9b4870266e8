//! One architecture and what became of it.

use serde::{Deserialize, Serialize};

use crate::{Architecture, Metrics};

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was trained and measured in full.
    Completed(Metrics),
    /// It was stopped early because it could no longer join the front; these are its values so far.
    Pruned(Metrics),
    /// It could not be trained or measured, for this reason.
    Failed(String),
}

/// One architecture and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number within the study, from 0.
    pub number: u32,
    /// The architecture tried.
    pub architecture: Architecture,
    /// How it ended; `None` while it is pending.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Values measured on the way, such as the score after flash distillation.
    #[serde(default)]
    pub intermediate: Metrics,
}

impl Trial {
    /// A trial that has not ended.
    pub fn pending(number: u32, architecture: Architecture) -> Self {
        Self { number, architecture, outcome: None, intermediate: Metrics::new() }
    }

    /// A trial that was measured in full.
    pub fn completed(number: u32, architecture: Architecture, metrics: Metrics) -> Self {
        Self { outcome: Some(Outcome::Completed(metrics)), ..Self::pending(number, architecture) }
    }

    /// A trial that could not be trained or measured.
    pub fn failed(number: u32, architecture: Architecture, reason: impl Into<String>) -> Self {
        Self { outcome: Some(Outcome::Failed(reason.into())), ..Self::pending(number, architecture) }
    }

    /// Whether the trial has not ended.
    pub fn is_pending(&self) -> bool {
        self.outcome.is_none()
    }

    /// The final metrics, where the trial completed.
    pub fn metrics(&self) -> Option<&Metrics> {
        match &self.outcome {
            Some(Outcome::Completed(metrics)) => Some(metrics),
            _ => None,
        }
    }
}
