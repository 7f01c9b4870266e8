//! MobileBERT (Sun et al. 2020) with a sequence-classification head, under its checkpoint's names.

mod bottleneck;
mod embeddings;
mod feed_forward;
mod head;
mod layer;
mod norm;
mod paths;

use autodistillation_distillation::{Batch, Features, LayerOutput, LayerPath, Mode, Network, Taps};
use autodistillation_kernels::Arithmetic;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::TransformerConfig;
use crate::bert::{Pass, first_token};
use crate::config::MobileBertSettings;
use crate::layers::{Linear, dropout, site};

pub use bottleneck::{Bottleneck, BottleneckLayer};
pub use embeddings::Embeddings;
pub use feed_forward::{FeedForward, FeedForwardOutput, Intermediate, Output, OutputBottleneck};
pub use head::Pooler;
pub use layer::{Attention, Layer, SelfOutput};
pub use norm::{NoNorm, Norm};

/// `MobileBertForSequenceClassification`: embeddings, encoder layers, pooler and classifier.
#[derive(Module, Debug)]
pub struct MobileBert {
    /// Everything below the head.
    pub mobilebert: MobileBertBody,
    /// From the pooled vector to one logit per label.
    pub classifier: Linear,
    #[module(skip)]
    config: TransformerConfig,
}

/// `MobileBertModel`: embeddings, encoder layers and pooler.
#[derive(Module, Debug)]
pub struct MobileBertBody {
    /// Tokens to vectors.
    pub embeddings: Embeddings,
    /// The layers.
    pub encoder: Encoder,
    /// The first token's last hidden state to one vector per example.
    pub pooler: Pooler,
}

/// The layers in order.
#[derive(Module, Debug)]
pub struct Encoder {
    /// `mobilebert.encoder.layer.{i}`
    pub layer: Vec<Layer>,
}

impl MobileBert {
    /// The network without values; `settings` are those of `config`.
    pub(crate) fn blank(config: TransformerConfig, settings: &MobileBertSettings, device: &Device) -> Self {
        let layer = |_| Layer::blank(&config, settings, device);
        let mobilebert = MobileBertBody {
            embeddings: Embeddings::blank(&config, settings, device),
            encoder: Encoder { layer: (0..config.num_hidden_layers).map(layer).collect() },
            pooler: Pooler::blank(&config, settings, device),
        };
        let classifier = Linear::blank(config.hidden_size, config.num_labels(), device);
        Self { mobilebert, classifier, config }
    }

    /// The network's configuration.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// As [`crate::Transformer::compute_in`].
    #[must_use]
    pub(crate) fn compute_in(mut self, arithmetic: Arithmetic) -> Self {
        let linears = self.mobilebert.encoder.layer.iter_mut().flat_map(Layer::linears_mut);
        linears.for_each(|linear| linear.arithmetic = arithmetic);
        self
    }

    /// As [`crate::Transformer::arithmetic`].
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        let first = self.mobilebert.encoder.layer.first();
        first.map_or(Arithmetic::F32, |layer| layer.intermediate.dense.arithmetic)
    }

    /// Computes until every tapped feature is captured; `None` when that is before the end.
    fn run(&self, batch: &Batch, pass: &mut Pass<'_>) -> Option<()> {
        let hidden = self.mobilebert.embeddings.forward(batch, pass)?;
        let hidden = self.through_layers(hidden, &batch.mask, pass)?;
        let pooled = self.mobilebert.pooler.forward(&hidden, pass)?;
        let mode = site(pass.mode, self.config.num_hidden_layers + 1);
        let logits = self.classifier.forward(dropout(pooled, self.config.head_dropout(), mode));
        pass.vectors(paths::classifier(), &logits)
    }

    /// (batch, length, hidden) → the last layer's states, (batch, length or 1, hidden): where nothing inside the last
    /// layer is tapped, only the first token's state is computed there.
    fn through_layers(
        &self,
        mut hidden: Tensor<3>,
        mask: &Tensor<2>,
        pass: &mut Pass<'_>,
    ) -> Option<Tensor<3>> {
        let layers = &self.mobilebert.encoder.layer;
        for (index, layer) in layers.iter().enumerate() {
            let name = paths::layer(index);
            let first_alone = index + 1 == layers.len() && !pass.wants_inside(&name);
            let rows = if first_alone { first_token(&hidden) } else { hidden.clone() };
            let mode = site(pass.mode, index + 1);
            hidden = layer.forward(&layer::LayerInput { name: &name, hidden, rows, mask, mode }, pass)?;
        }
        Some(hidden)
    }
}

impl Network for MobileBert {
    /// Features are those of the Hugging Face modules; attention probabilities are taken before dropout.
    ///
    /// Panics when the batch is longer than `max_position_embeddings` or holds ids outside the embeddings.
    fn forward(&self, batch: &Batch, taps: &Taps, mode: Mode) -> Features {
        let resolved = Taps::new(taps.paths().map(|path| self.resolve(path)));
        let mut pass = Pass::new(&resolved, mode);
        if !resolved.is_empty() {
            // An early end is no failure: all that was wanted is there.
            let _ = self.run(batch, &mut pass);
        }
        pass.into_features(taps, |path| self.resolve(path))
    }

    fn layers(&self) -> Vec<LayerOutput> {
        paths::layers(&self.config)
    }

    fn logits(&self) -> LayerPath {
        paths::classifier()
    }

    fn parameter_name(field_path: &str) -> String {
        paths::parameter_name(field_path)
    }

    fn resolve(&self, path: &LayerPath) -> LayerPath {
        paths::resolve(path, &self.config)
    }
}
