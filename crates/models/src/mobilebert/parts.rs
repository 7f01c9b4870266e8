//! A network's layers one part at a time and without dropout, for those who follow states through it by hand.

use autodistillation_distillation::{Batch, Mode, Taps};
use burn::tensor::Tensor;

use super::layer::LayerInput;
use crate::MobileBert;
use crate::bert::Pass;
use crate::bert::paths::classifier;

impl MobileBert {
    /// What the embeddings' transformation sees, (batch, length, inputs), and what is added to what it puts out, positions
    /// and segments, (batch, length, hidden).
    pub(crate) fn words(&self, batch: &Batch) -> (Tensor<3>, Tensor<3>) {
        self.mobilebert.embeddings.before_transformation(batch)
    }

    /// What a layer's attention is added to, (batch, length, width).
    pub(crate) fn entering(&self, layer: usize, hidden: Tensor<3>) -> Tensor<3> {
        match &self.mobilebert.encoder.layer[layer].bottleneck {
            Some(bottleneck) => bottleneck.input.forward(hidden),
            None => hidden,
        }
    }

    /// What a layer's heads gather from hidden states, (batch, length, width).
    pub(crate) fn context(&self, layer: usize, (hidden, mask): (Tensor<3>, &Tensor<2>)) -> Tensor<3> {
        let input = input((&hidden, mask));
        let context = self.following(|pass| self.mobilebert.encoder.layer[layer].context(&input, pass));
        context.unwrap_or(hidden)
    }

    /// The activations of a feed-forward part of a layer, (batch, length, intermediate); the last one is that behind the
    /// stack.
    pub(crate) fn widened(&self, (layer, part): (usize, usize), narrow: Tensor<3>) -> Tensor<3> {
        let layer = &self.mobilebert.encoder.layer[layer];
        let intermediate = layer.ffn.get(part).map_or(&layer.intermediate, |part| &part.intermediate);
        intermediate.forward(narrow)
    }

    /// A layer's output, (batch, length, hidden).
    pub(crate) fn through(&self, layer: usize, (hidden, mask): (Tensor<3>, &Tensor<2>)) -> Tensor<3> {
        let input = input((&hidden, mask));
        let output = self.following(|pass| self.mobilebert.encoder.layer[layer].forward(&input, pass));
        output.unwrap_or(hidden)
    }

    /// What is computed in a pass in which nothing of the encoder is tapped, so that it never ends early.
    fn following<T>(&self, compute: impl FnOnce(&mut Pass<'_>) -> Option<T>) -> Option<T> {
        let taps = Taps::new([classifier()]);
        compute(&mut Pass::new(&taps, Mode::Evaluation))
    }
}

fn input<'a>((hidden, mask): (&Tensor<3>, &'a Tensor<2>)) -> LayerInput<'a> {
    LayerInput { name: "", hidden: hidden.clone(), rows: hidden.clone(), mask, mode: Mode::Evaluation }
}
