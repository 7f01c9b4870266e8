//! A Gaussian process over a grid of architectures: what the trials so far say about the others.

mod encoding;
mod fit;
mod kernel;
mod likelihood;
mod observations;
mod parameters;
mod process;
#[cfg(test)]
mod reference_tests;
mod two_looks;
mod warp;

pub(crate) use encoding::{Codes, Encoding};
pub(crate) use kernel::Look;
pub(crate) use observations::Observations;
pub(crate) use process::{Belief, GaussianProcess};
pub(crate) use two_looks::{Sample, TwoLooks};
pub(crate) use warp::{Warp, broken_below};
