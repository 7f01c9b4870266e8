//! Layer normalisation with its scale and shift.

use autodistillation_kernels as kernels;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::blank;

/// Normalises the last dimension.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Scale, (width).
    pub weight: Param<Tensor<1>>,
    /// Shift, (width).
    pub bias: Param<Tensor<1>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    pub(crate) fn blank(width: usize, epsilon: f64, device: &Device) -> Self {
        Self { weight: blank([width], device), bias: blank([width], device), epsilon }
    }

    /// (…, width) → (…, width)
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        kernels::layer_norm(input, self.weight.val(), self.bias.val(), self.epsilon)
    }

    /// The norm of `input + residual`, both (…, width).
    pub fn forward_add<const D: usize>(&self, input: Tensor<D>, residual: Tensor<D>) -> Tensor<D> {
        kernels::add_layer_norm(input, residual, self.weight.val(), self.bias.val(), self.epsilon)
    }
}
