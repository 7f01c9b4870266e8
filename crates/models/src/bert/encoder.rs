//! The stack of encoder layers, each attention and feed-forward with residuals and norms after them.

use autodistillation_distillation::Mode;
use autodistillation_kernels as kernels;
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

use super::attention::AttentionInput;
use super::{Attention, Pass, paths};
use crate::config::{Activation, TransformerConfig};
use crate::head::LastStates;
use crate::layers::{LayerNorm, Linear, dropout, site};

/// The layers in order.
#[derive(Module, Debug)]
pub struct Encoder {
    /// `bert.encoder.layer.{i}`
    pub layer: Vec<EncoderLayer>,
}

/// One layer.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Tokens look at each other.
    pub attention: Attention,
    /// Up to the feed-forward width, and the activation.
    pub intermediate: Intermediate,
    /// Down again, residual and norm.
    pub output: ResidualOutput,
}

/// The widening half of the feed-forward part.
#[derive(Module, Debug)]
pub struct Intermediate {
    /// (hidden → intermediate)
    pub dense: Linear,
    #[module(skip)]
    activation: Activation,
}

/// Projection to the hidden width, dropout, residual, norm.
#[derive(Module, Debug)]
pub struct ResidualOutput {
    /// (in → hidden)
    pub dense: Linear,
    /// Of the sum with the residual.
    pub layer_norm: LayerNorm,
    dropout: f64,
}

/// What a layer computes on.
pub(super) struct LayerInput<'a> {
    /// The layer's position.
    pub(super) layer: usize,
    /// Hidden states of all tokens, (batch, length, hidden).
    pub(super) hidden: Tensor<3>,
    /// Those whose next state is wanted, (batch, rows, hidden): all of them, or the first of each example.
    pub(super) queries: Tensor<3>,
    /// (batch, length)
    pub(super) mask: &'a Tensor<2>,
    /// The layer's dropout.
    pub(super) mode: Mode,
}

impl<'a> LayerInput<'a> {
    /// The input of the layer's attention.
    pub(super) fn attention(&self) -> AttentionInput<'a> {
        AttentionInput {
            module: format!("{}.attention.self", paths::layer(self.layer)),
            queries: self.queries.clone(),
            keys: self.hidden.clone(),
            values: self.hidden.clone(),
            mask: self.mask,
            mode: self.mode,
        }
    }
}

impl Encoder {
    pub(super) fn blank(config: &TransformerConfig, device: &Device) -> Self {
        Self { layer: (0..config.num_hidden_layers).map(|_| EncoderLayer::blank(config, device)).collect() }
    }

    /// (batch, length, hidden) → the last layer's states, (batch, length or 1, hidden).
    ///
    /// A pooler reads the first token only. So where nothing else of the last layer is wanted, that layer computes only
    /// the first token's state, which spares most of its work.
    pub(super) fn forward(
        &self,
        (mut hidden, mask): (Tensor<3>, &Tensor<2>),
        wanted: LastStates,
        pass: &mut Pass<'_>,
    ) -> Option<Tensor<3>> {
        for (index, layer) in self.layer.iter().enumerate() {
            let last = index + 1 == self.layer.len();
            let first_alone = last && wanted == LastStates::First && !pass.wants_inside(&paths::layer(index));
            let queries = if first_alone { first_token(&hidden) } else { hidden.clone() };
            let mode = site(pass.mode, index + 1);
            hidden = layer.forward(&LayerInput { layer: index, hidden, queries, mask, mode }, pass)?;
        }
        Some(hidden)
    }
}

/// (batch, length, hidden) → (batch, 1, hidden)
pub(crate) fn first_token(hidden: &Tensor<3>) -> Tensor<3> {
    let [batch, length, _] = hidden.dims();
    if length == 1 {
        return hidden.clone();
    }
    hidden.clone().slice([0..batch, 0..1])
}

/// The first token's states, (batch, length, hidden) → (batch, hidden).
pub(crate) fn first_token_rows(hidden: &Tensor<3>) -> Tensor<2> {
    let [batch, _, width] = hidden.dims();
    first_token(hidden).reshape([batch, width])
}

impl EncoderLayer {
    fn blank(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            attention: Attention::blank(config, device),
            intermediate: Intermediate::blank(config, device),
            output: ResidualOutput::blank(config.intermediate_size, config, device),
        }
    }

    pub(super) fn forward(&self, input: &LayerInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let attended = self.attention.forward(input, pass)?;
        let wide = self.intermediate.forward(attended.clone());
        pass.sequence(paths::in_layer(input.layer, "intermediate"), &wide)?;
        let hidden = self.output.forward(wide, attended, site(input.mode, 2));
        pass.sequence(paths::in_layer(input.layer, "output"), &hidden)?;
        Some(hidden)
    }
}

impl Intermediate {
    fn blank(config: &TransformerConfig, device: &Device) -> Self {
        let dense = Linear::blank(config.hidden_size, config.intermediate_size, device);
        Self { dense, activation: config.hidden_act }
    }

    /// (batch, rows, hidden) → (batch, rows, intermediate)
    pub(super) fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        activate(self.activation, self.dense.forward(hidden))
    }
}

/// The activation of a feed-forward part, element by element.
pub(crate) fn activate<const D: usize>(by: Activation, input: Tensor<D>) -> Tensor<D> {
    match by {
        Activation::Gelu => kernels::gelu(input),
        Activation::GeluTanh => kernels::gelu_tanh(input),
        Activation::Relu => activation::relu(input),
    }
}

impl ResidualOutput {
    pub(super) fn blank(inputs: usize, config: &TransformerConfig, device: &Device) -> Self {
        Self {
            dense: Linear::blank(inputs, config.hidden_size, device),
            layer_norm: LayerNorm::blank(config.hidden_size, config.layer_norm_eps, device),
            dropout: config.hidden_dropout_prob,
        }
    }

    /// (batch, rows, in), with the residual (batch, rows, hidden) → (batch, rows, hidden)
    pub(super) fn forward(&self, input: Tensor<3>, residual: Tensor<3>, mode: Mode) -> Tensor<3> {
        let projected = dropout(self.dense.forward(input), self.dropout, mode);
        self.layer_norm.forward_add(projected, residual)
    }
}
