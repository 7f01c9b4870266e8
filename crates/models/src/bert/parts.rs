//! A network's layers one part at a time and without dropout, for those who follow states through it by hand.

use autodistillation_distillation::{Mode, Taps};
use burn::tensor::Tensor;

use super::Pass;
use super::encoder::LayerInput;
use crate::Bert;

impl Bert {
    /// The attention half of a layer: hidden states to its attention output, (batch, length, hidden).
    pub(crate) fn attend(&self, layer: usize, (hidden, mask): (Tensor<3>, &Tensor<2>)) -> Tensor<3> {
        let context = self.context(layer, (hidden.clone(), mask));
        self.attended(layer, (context, hidden))
    }

    /// What a layer's heads gather from hidden states, (batch, length, hidden).
    pub(crate) fn context(&self, layer: usize, (hidden, mask): (Tensor<3>, &Tensor<2>)) -> Tensor<3> {
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
        self.bert.encoder.layer[layer]
            .attention
            .self_attention
            .forward(&input.attention(), &mut pass)
            .unwrap_or(hidden)
    }

    /// The attention output of a layer, from its context and its input.
    pub(crate) fn attended(&self, layer: usize, (context, hidden): (Tensor<3>, Tensor<3>)) -> Tensor<3> {
        self.bert.encoder.layer[layer].attention.output.forward(context, hidden, Mode::Evaluation)
    }

    /// The feed-forward half of a layer: its attention output to its output.
    pub(crate) fn feed_forward(&self, layer: usize, attended: Tensor<3>) -> Tensor<3> {
        let wide = self.widened(layer, attended.clone());
        self.narrowed(layer, (wide, attended))
    }

    /// The activations of a layer's feed-forward part, (batch, length, intermediate).
    pub(crate) fn widened(&self, layer: usize, attended: Tensor<3>) -> Tensor<3> {
        self.bert.encoder.layer[layer].intermediate.forward(attended)
    }

    /// A layer's output, from the activations of its feed-forward part and its attention output.
    pub(crate) fn narrowed(&self, layer: usize, (wide, attended): (Tensor<3>, Tensor<3>)) -> Tensor<3> {
        self.bert.encoder.layer[layer].output.forward(wide, attended, Mode::Evaluation)
    }

    /// The last hidden states to the logits, (batch, classes); `None` unless it classifies texts.
    pub(crate) fn classify(&self, hidden: Tensor<3>) -> Option<Tensor<2>> {
        let pooled = self.bert.pooler.as_ref()?.pool(super::encoder::first_token_rows(&hidden));
        Some(self.head.classifier()?.forward(pooled))
    }
}
