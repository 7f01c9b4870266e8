//! The pooler: one vector per example from the first token's last hidden state.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::paths;
use crate::TransformerConfig;
use crate::bert::{Pass, first_token_rows};
use crate::config::MobileBertSettings;
use crate::layers::Linear;

/// tanh of a linear map of the first token, or the first token as it is.
#[derive(Module, Debug)]
pub struct Pooler {
    /// (hidden → hidden); absent where the first token goes on as it is.
    pub dense: Option<Linear>,
}

impl Pooler {
    pub(super) fn blank(config: &TransformerConfig, settings: &MobileBertSettings, device: &Device) -> Self {
        let square = || Linear::blank(config.hidden_size, config.hidden_size, device);
        Self { dense: settings.classifier_activation.then(square) }
    }

    /// (batch, length, hidden) → (batch, hidden)
    pub(super) fn forward(&self, hidden: &Tensor<3>, pass: &mut Pass<'_>) -> Option<Tensor<2>> {
        let first = first_token_rows(hidden);
        let pooled = match &self.dense {
            Some(dense) => dense.forward(first).tanh(),
            None => first,
        };
        pass.vectors(paths::pooler(), &pooled)?;
        Some(pooled)
    }
}
