//! A linear map with bias.

use autodistillation_kernels::{self as kernels, Arithmetic};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::blank;

/// `input · weight + bias` over the last dimension.
#[derive(Module, Debug)]
pub struct Linear {
    /// (in, out): the transpose of the checkpoint's (out, in).
    pub weight: Param<Tensor<2>>,
    /// (out)
    pub bias: Param<Tensor<1>>,
    /// What its matrix products are computed in.
    #[module(skip)]
    pub(crate) arithmetic: Arithmetic,
}

impl Linear {
    pub(crate) fn blank(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            weight: blank([inputs, outputs], device),
            bias: blank([outputs], device),
            arithmetic: Arithmetic::F32,
        }
    }

    /// (…, in) → (…, out)
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        kernels::linear(input, self.weight.val(), Some(self.bias.val()), self.arithmetic)
    }
}
