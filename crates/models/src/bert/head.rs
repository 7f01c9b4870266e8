//! The pooler: one vector per example from the first token's last hidden state.

use autodistillation_distillation::Mode;
use autodistillation_kernels as kernels;
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

use super::{Pass, encoder, paths};
use crate::layers::{Linear, dropout};
use crate::{Family, TransformerConfig};

/// An activation of a linear map of the first token: BERT's pooler, and the first layer of the other families' heads.
#[derive(Module, Debug)]
pub struct Pooler {
    /// (hidden → hidden)
    pub dense: Linear,
    #[module(skip)]
    activation: HeadActivation,
    /// Of the first token, before the map.
    dropout: f64,
}

/// What the head's first layer ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadActivation {
    Tanh,
    Relu,
    Gelu,
}

impl HeadActivation {
    pub(crate) fn of(family: Family) -> Self {
        match family {
            Family::DistilBert => Self::Relu,
            Family::Electra => Self::Gelu,
            Family::Bert | Family::Roberta | Family::MobileBert => Self::Tanh,
        }
    }

    /// Element by element.
    pub(crate) fn apply(self, input: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Tanh => input.tanh(),
            Self::Relu => activation::relu(input),
            Self::Gelu => kernels::gelu(input),
        }
    }
}

impl Pooler {
    pub(super) fn blank(config: &TransformerConfig, device: &Device) -> Self {
        let dropout = match config.family {
            Family::Roberta | Family::Electra => config.head_dropout(),
            Family::Bert | Family::DistilBert | Family::MobileBert => 0.0,
        };
        Self {
            dense: Linear::blank(config.hidden_size, config.hidden_size, device),
            activation: HeadActivation::of(config.family),
            dropout,
        }
    }

    /// (batch, length, hidden) → (batch, hidden); `mode` is that of the first token's dropout.
    pub(super) fn forward(&self, hidden: Tensor<3>, mode: Mode, pass: &mut Pass<'_>) -> Option<Tensor<2>> {
        let pooled = self.pool(dropout(encoder::first_token_rows(&hidden), self.dropout, mode));
        pass.vectors(paths::pooler(), &pooled)?;
        Some(pooled)
    }

    /// First tokens to pooled vectors, both (batch, hidden).
    pub(super) fn pool(&self, first_tokens: Tensor<2>) -> Tensor<2> {
        self.activation.apply(self.dense.forward(first_tokens))
    }
}
