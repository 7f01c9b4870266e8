//! Losses, gradients, optimisers, schedules and whole stages against numbers that PyTorch computed.
//!
//! `scripts/fixtures/distillation.py` wrote `tests/fixtures` and says with which versions.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod features;
mod knowledge_distillation;
mod networks;
mod optimizers;
mod reference;
mod schedules;
mod self_distillation;
mod stages;
mod tasks;
