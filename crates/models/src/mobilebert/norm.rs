//! What stands after each sublayer: layer normalisation, or only its scale and shift.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::config::Normalization;
use crate::layers::{LayerNorm, blank};

/// One of MobileBERT's normalisations.
#[derive(Module, Debug)]
pub enum Norm {
    /// `layer_norm`
    LayerNorm(LayerNorm),
    /// `no_norm`
    NoNorm(NoNorm),
}

/// A scale and a shift of each feature, without statistics (Sun et al. 2020).
#[derive(Module, Debug)]
pub struct NoNorm {
    /// Scale, (width).
    pub weight: Param<Tensor<1>>,
    /// Shift, (width).
    pub bias: Param<Tensor<1>>,
}

/// What `transformers` adds to variances where it passes no epsilon: PyTorch's own.
pub(super) const PYTORCH_EPSILON: f64 = 1e-5;

impl Norm {
    pub(super) fn blank((kind, epsilon): (Normalization, f64), width: usize, device: &Device) -> Self {
        match kind {
            Normalization::LayerNorm => Self::LayerNorm(LayerNorm::blank(width, epsilon, device)),
            Normalization::NoNorm => {
                Self::NoNorm(NoNorm { weight: blank([width], device), bias: blank([width], device) })
            }
        }
    }

    /// (…, width) → (…, width)
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        match self {
            Self::LayerNorm(norm) => norm.forward(input),
            Self::NoNorm(norm) => norm.forward(input),
        }
    }

    /// The norm of `input + residual`, both (…, width).
    pub fn forward_add(&self, input: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        match self {
            Self::LayerNorm(norm) => norm.forward_add(input, residual),
            Self::NoNorm(norm) => norm.forward(input + residual),
        }
    }
}

impl NoNorm {
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        input * self.weight.val().unsqueeze() + self.bias.val().unsqueeze()
    }
}
