//! A network's layers one at a time, for those who follow states through it by hand.

use autodistillation_distillation::{Batch, Mode, Taps};
use burn::tensor::Tensor;

use super::Pass;
use super::encoder::LayerInput;
use crate::Bert;

/// The hidden states of one batch, without dropout.
pub(crate) struct Trace {
    /// The embeddings' output, then each layer's, (batch, length, hidden).
    pub hidden: Vec<Tensor<3>>,
    /// Each layer's attention output.
    pub attended: Vec<Tensor<3>>,
}

impl Bert {
    pub(crate) fn trace(&self, batch: &Batch) -> Trace {
        let mut trace = Trace { hidden: Vec::new(), attended: Vec::new() };
        let taps = Taps::new([super::paths::classifier()]);
        let mut pass = Pass::new(&taps, Mode::Evaluation);
        trace.hidden.extend(self.bert.embeddings.forward(batch, &mut pass));
        for layer in 0..self.config.num_hidden_layers {
            let Some(input) = trace.hidden.last().cloned() else { break };
            let attended = self.attend(layer, (input, &batch.mask));
            trace.hidden.push(self.feed_forward(layer, attended.clone()));
            trace.attended.push(attended);
        }
        trace
    }

    /// The attention half of a layer: hidden states to its attention output.
    pub(crate) fn attend(&self, layer: usize, (hidden, mask): (Tensor<3>, &Tensor<2>)) -> Tensor<3> {
        let taps = Taps::new([super::paths::classifier()]);
        let mut pass = Pass::new(&taps, Mode::Evaluation);
        let input = LayerInput {
            layer,
            queries: hidden.clone(),
            hidden: hidden.clone(),
            mask,
            mode: Mode::Evaluation,
        };
        // Nothing in the encoder is tapped, so the pass never ends early.
        self.bert.encoder.layer[layer].attention.forward(&input, &mut pass).unwrap_or(hidden)
    }

    /// The feed-forward half of a layer: its attention output to its output.
    pub(crate) fn feed_forward(&self, layer: usize, attended: Tensor<3>) -> Tensor<3> {
        let layer = &self.bert.encoder.layer[layer];
        layer.output.forward(layer.intermediate.forward(attended.clone()), attended, Mode::Evaluation)
    }

    /// The last hidden states to the logits, (batch, classes).
    pub(crate) fn head(&self, hidden: Tensor<3>) -> Tensor<2> {
        let [batch, _, width] = hidden.dims();
        let first = super::encoder::first_token(&hidden).reshape([batch, width]);
        self.classifier.forward(self.bert.pooler.dense.forward(first).tanh())
    }
}
