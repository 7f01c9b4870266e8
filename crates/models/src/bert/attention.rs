//! Multi-head self-attention (Vaswani et al. 2017) and its output projection.

use autodistillation_distillation::Mode;
use autodistillation_kernels as kernels;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::encoder::LayerInput;
use super::{Pass, ResidualOutput, paths};
use crate::BertConfig;
use crate::layers::{Linear, dropout, site};

/// Self-attention with its residual output.
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries, keys and values; `self` in the checkpoint.
    pub self_attention: SelfAttention,
    /// Projection, residual and norm.
    pub output: ResidualOutput,
}

/// Softmax(Q Kᵀ / √size) V in each head.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// (hidden → hidden)
    pub query: Linear,
    /// (hidden → hidden)
    pub key: Linear,
    /// (hidden → hidden)
    pub value: Linear,
    heads: usize,
    dropout: f64,
}

impl Attention {
    pub(super) fn blank(config: &BertConfig, device: &Device) -> Self {
        Self {
            self_attention: SelfAttention::blank(config, device),
            output: ResidualOutput::blank(config.hidden_size, config, device),
        }
    }

    /// (batch, rows, hidden), one row per query.
    pub(super) fn forward(&self, input: &LayerInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let context = self.self_attention.forward(input, pass)?;
        let hidden = self.output.forward(context, input.queries.clone(), site(input.mode, 1));
        pass.sequence(paths::in_layer(input.layer, "attention.output"), &hidden)?;
        Some(hidden)
    }
}

impl SelfAttention {
    fn blank(config: &BertConfig, device: &Device) -> Self {
        let square = || Linear::blank(config.hidden_size, config.hidden_size, device);
        Self {
            query: square(),
            key: square(),
            value: square(),
            heads: config.num_attention_heads,
            dropout: config.attention_probs_dropout_prob,
        }
    }

    /// The context, (batch, rows, hidden). Output 1 is the probabilities before dropout.
    pub(super) fn forward(&self, input: &LayerInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let query = self.query.forward(input.queries.clone());
        pass.sequence(paths::in_layer(input.layer, "attention.self.query"), &query)?;
        let key = self.key.forward(input.hidden.clone());
        pass.sequence(paths::in_layer(input.layer, "attention.self.key"), &key)?;

        let context = if self.is_one_operator(input, pass) {
            let value = self.value(input, pass)?;
            kernels::attention([query, key, value], input.mask.clone(), self.heads)
        } else {
            self.in_steps(query, key, input, pass)?
        };
        pass.sequence(paths::in_layer(input.layer, "attention.self"), &context)?;
        Some(context)
    }

    /// Whether nobody looks at the probabilities, neither a tap nor dropout.
    fn is_one_operator(&self, input: &LayerInput<'_>, pass: &Pass<'_>) -> bool {
        let dropped = matches!(input.mode, Mode::Training(_)) && self.dropout > 0.0;
        !dropped && !pass.wants(&paths::probabilities(input.layer))
    }

    fn value(&self, input: &LayerInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let value = self.value.forward(input.hidden.clone());
        pass.sequence(paths::in_layer(input.layer, "attention.self.value"), &value)?;
        Some(value)
    }

    /// The context by way of the probabilities, which are tapped before values are computed.
    fn in_steps(
        &self,
        query: Tensor<3>,
        key: Tensor<3>,
        input: &LayerInput<'_>,
        pass: &mut Pass<'_>,
    ) -> Option<Tensor<3>> {
        let [.., hidden] = input.hidden.dims();
        let scale = ((hidden / self.heads) as f32).sqrt().recip();
        let scores = self.by_head(query).matmul(self.by_head(key).swap_dims(2, 3)); // (batch, heads, rows, length)
        let probabilities = kernels::masked_softmax(scores, input.mask.clone(), scale);
        pass.attention(paths::probabilities(input.layer), &probabilities)?;
        let probabilities = dropout(probabilities, self.dropout, site(input.mode, 0));
        let value = self.value(input, pass)?;
        Some(self.joined(probabilities.matmul(self.by_head(value))))
    }

    /// (batch, rows, hidden) → (batch, heads, rows, size)
    fn by_head(&self, states: Tensor<3>) -> Tensor<4> {
        let [batch, rows, hidden] = states.dims();
        states.reshape([batch, rows, self.heads, hidden / self.heads]).swap_dims(1, 2)
    }

    /// (batch, heads, rows, size) → (batch, rows, hidden)
    fn joined(&self, states: Tensor<4>) -> Tensor<3> {
        let [batch, heads, rows, size] = states.dims();
        states.swap_dims(1, 2).reshape([batch, rows, heads * size])
    }
}

#[cfg(test)]
mod tests;
