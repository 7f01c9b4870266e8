//! The study store: every trial in one SQLite file, in the schema of Optuna's own storage.
//!
//! `optuna.load_study`, its plots and `optuna-dashboard` open the file while a search runs. What Optuna has
//! no place for stands in user attributes and in tables whose names begin with `autodistillation_`. All
//! writes are transactions, so that a process killed at any moment loses no finished trial.

#[cfg(test)]
mod crash_tests;
mod definition;
mod error;
#[cfg(test)]
mod example;
mod leases;
#[cfg(test)]
mod optuna_tests;
mod reading;
mod run_lock;
mod schema;
mod study_store;
mod writing;

pub use definition::{Difference, StudyDefinition};
pub use error::Error;
pub use run_lock::{LOCK_FILE, RunLock};
pub use study_store::StudyStore;
pub use writing::StageRecord;
