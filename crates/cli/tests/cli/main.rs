//! The built command on small folders: what it prints, what it leaves behind, and how it refuses.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod config_errors;
mod data_errors;
mod examples;
mod folder_errors;
mod formats;
mod help;
mod killing;
mod network_errors;
mod onnx;
mod results;
mod stopping;
mod students;
mod usage_errors;
mod workplace;
