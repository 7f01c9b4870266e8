//! A Gaussian process over a grid of architectures: what the trials so far say about the others.

mod encoding;
mod fit;
mod kernel;
mod likelihood;
mod process;
mod warp;

pub(crate) use encoding::Encoding;
pub(crate) use process::{Belief, GaussianProcess, Observations};
pub(crate) use warp::Warp;
