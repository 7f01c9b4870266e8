//! Search, distil and hand over the best small text models: the loop, the config, the study store, the report.

pub mod auto_distillation;
pub mod bench;
pub mod check;
pub mod config;
pub mod data;
pub mod device;
pub mod distill;
pub mod earlier_student;
pub mod error;
pub mod event;
pub mod example_sets;
pub mod experiment;
pub mod export;
pub mod files;
pub mod finetune;
pub mod further_teachers;
pub mod inference;
pub mod latency_profile;
pub mod loss_gradient;
pub mod materials;
pub mod measurement;
pub mod plan;
pub mod precision;
pub mod repick;
pub mod report;
pub mod run;
pub mod started_from;
pub mod store;
pub mod task;
pub mod teacher_cache;

pub use auto_distillation::{AutoDistillation, SearchOptions};
pub use device::ComputeDevice;
pub use error::Error;
pub use event::{RunEvent, RunListener};
pub use experiment::{
    BuiltInExperiment, Closures, Elsewhere, Experiment, MockExperiment, Patience, TrialContext, TrialError,
};
pub use latency_profile::LatencyProfile;
pub use plan::Plan;
pub use precision::TrainingPrecision;
pub use teacher_cache::CacheSettings;

pub use autodistillation_distillation as distillation;
pub use autodistillation_models as models;
pub use autodistillation_search as search;
