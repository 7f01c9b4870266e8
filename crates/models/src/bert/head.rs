//! The pooler: one vector per example from the first token's last hidden state.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Pass, encoder, paths};
use crate::layers::Linear;

/// tanh of a linear map of the first token.
#[derive(Module, Debug)]
pub struct Pooler {
    /// (hidden → hidden)
    pub dense: Linear,
}

impl Pooler {
    pub(super) fn blank(hidden: usize, device: &Device) -> Self {
        Self { dense: Linear::blank(hidden, hidden, device) }
    }

    /// (batch, length, hidden) → (batch, hidden)
    pub(super) fn forward(&self, hidden: Tensor<3>, pass: &mut Pass<'_>) -> Option<Tensor<2>> {
        let [batch, _, width] = hidden.dims();
        let first = encoder::first_token(&hidden).reshape([batch, width]);
        let pooled = self.dense.forward(first).tanh();
        pass.vectors(paths::pooler(), &pooled)?;
        Some(pooled)
    }
}
