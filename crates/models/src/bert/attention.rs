//! Multi-head self-attention (Vaswani et al. 2017) and its output projection.

use autodistillation_distillation::{LayerPath, Mode};
use autodistillation_kernels as kernels;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::encoder::LayerInput;
use super::{Pass, ResidualOutput, paths};
use crate::TransformerConfig;
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
    /// (in → width)
    pub query: Linear,
    /// (in → width)
    pub key: Linear,
    /// (in → width)
    pub value: Linear,
    heads: usize,
    dropout: f64,
}

/// What attention computes on.
pub(crate) struct AttentionInput<'a> {
    /// The dotted path of the self-attention.
    pub(crate) module: String,
    /// States that look, (batch, rows, in).
    pub(crate) queries: Tensor<3>,
    /// States that are looked at, (batch, length, in).
    pub(crate) keys: Tensor<3>,
    /// States that are gathered, (batch, length, in).
    pub(crate) values: Tensor<3>,
    /// (batch, length)
    pub(crate) mask: &'a Tensor<2>,
    /// The layer's dropout.
    pub(crate) mode: Mode,
}

impl AttentionInput<'_> {
    /// Output 0 of a module inside the self-attention.
    fn inside(&self, module: &str) -> LayerPath {
        LayerPath::new(format!("{}.{module}", self.module))
    }

    fn probabilities(&self) -> LayerPath {
        LayerPath::with_output(self.module.as_str(), 1)
    }
}

impl Attention {
    pub(super) fn blank(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            self_attention: SelfAttention::blank(config, [config.hidden_size; 2], device),
            output: ResidualOutput::blank(config.hidden_size, config, device),
        }
    }

    /// (batch, rows, hidden), one row per query.
    pub(super) fn forward(&self, input: &LayerInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let context = self.self_attention.forward(&input.attention(), pass)?;
        let hidden = self.output.forward(context, input.queries.clone(), site(input.mode, 1));
        pass.sequence(paths::in_layer(input.layer, "attention.output"), &hidden)?;
        Some(hidden)
    }
}

impl SelfAttention {
    /// Blank maps to the layers' true width: of queries and keys from the first of `widths`, of values from the second.
    pub(crate) fn blank(config: &TransformerConfig, widths: [usize; 2], device: &Device) -> Self {
        let map = |inputs| Linear::blank(inputs, config.true_hidden_size(), device);
        let [looking, gathered] = widths;
        Self {
            query: map(looking),
            key: map(looking),
            value: map(gathered),
            heads: config.num_attention_heads,
            dropout: config.attention_probs_dropout_prob,
        }
    }

    /// The context, (batch, rows, width). Output 1 is the probabilities before dropout.
    pub(crate) fn forward(&self, input: &AttentionInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let query = self.query.forward(input.queries.clone());
        pass.sequence(input.inside("query"), &query)?;
        let key = self.key.forward(input.keys.clone());
        pass.sequence(input.inside("key"), &key)?;

        let context = if self.is_one_operator(input, pass) {
            let value = self.value(input, pass)?;
            kernels::attention([query, key, value], input.mask.clone(), self.heads)
        } else {
            self.in_steps(query, key, input, pass)?
        };
        pass.sequence(LayerPath::new(input.module.as_str()), &context)?;
        Some(context)
    }

    /// Whether nobody looks at the probabilities, neither a tap nor dropout.
    fn is_one_operator(&self, input: &AttentionInput<'_>, pass: &Pass<'_>) -> bool {
        let dropped = matches!(input.mode, Mode::Training(_)) && self.dropout > 0.0;
        !dropped && !pass.wants(&input.probabilities())
    }

    fn value(&self, input: &AttentionInput<'_>, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let value = self.value.forward(input.values.clone());
        pass.sequence(input.inside("value"), &value)?;
        Some(value)
    }

    /// The context by way of the probabilities, which are tapped before values are computed.
    fn in_steps(
        &self,
        query: Tensor<3>,
        key: Tensor<3>,
        input: &AttentionInput<'_>,
        pass: &mut Pass<'_>,
    ) -> Option<Tensor<3>> {
        let [.., width] = query.dims();
        let scale = ((width / self.heads) as f32).sqrt().recip();
        let scores = self.by_head(query).matmul(self.by_head(key).swap_dims(2, 3)); // (batch, heads, rows, length)
        let probabilities = kernels::masked_softmax(scores, input.mask.clone(), scale);
        pass.attention(input.probabilities(), &probabilities)?;
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
