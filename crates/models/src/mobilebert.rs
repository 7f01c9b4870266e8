//! MobileBERT (Sun et al. 2020) with a head, under its checkpoint's names.

mod bottleneck;
mod embeddings;
mod feed_forward;
mod head;
mod layer;
mod norm;
mod parts;
pub(crate) mod paths;

use autodistillation_distillation::{Batch, Features, LayerOutput, LayerPath, Mode, Network, Taps};
use autodistillation_kernels::Arithmetic;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::bert::paths::{classifier, logits, next_sentence, qa_outputs, words};
use crate::bert::{Pass, first_token};
use crate::config::MobileBertSettings;
use crate::head::{LastStates, NetworkHead, span_scores};
use crate::layers::{dropout, site};
use crate::{Head, TransformerConfig};

pub use bottleneck::{Bottleneck, BottleneckLayer};
pub use embeddings::Embeddings;
pub use feed_forward::{FeedForward, FeedForwardOutput, Intermediate, Output, OutputBottleneck};
pub use head::Pooler;
pub use layer::{Attention, Layer, SelfOutput};
pub use norm::{NoNorm, Norm};

/// `MobileBertForSequenceClassification` and its like: embeddings, encoder layers, pooler and head.
#[derive(Module, Debug)]
pub struct MobileBert {
    /// Everything below the head.
    pub mobilebert: MobileBertBody,
    /// What it ends in.
    pub head: NetworkHead,
    #[module(skip)]
    config: TransformerConfig,
}

/// `MobileBertModel`: embeddings, encoder layers and, where the head wants one, a pooler.
#[derive(Module, Debug)]
pub struct MobileBertBody {
    /// Tokens to vectors.
    pub embeddings: Embeddings,
    /// The layers.
    pub encoder: Encoder,
    /// The first token's last hidden state to one vector per example.
    pub pooler: Option<Pooler>,
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
            pooler: config.head.is_pooled().then(|| Pooler::blank(&config, settings, device)),
        };
        let head = NetworkHead::blank(&config, device);
        Self { mobilebert, head, config }
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
        let hidden = self.mobilebert.embeddings.forward(batch, self.head.table_use(pass), pass)?;
        let wanted = self.head.last_states(pass);
        let hidden = self.through_layers((hidden, &batch.mask), wanted, pass)?;
        let mode = site(pass.mode, self.config.num_hidden_layers + 1);
        match &self.head {
            NetworkHead::Classifier(linear) => {
                let pooled = self.mobilebert.pooler.as_ref()?.forward(&hidden, pass)?;
                let pooled = dropout(pooled, self.config.head_dropout(), mode);
                pass.vectors(classifier(), &linear.forward(pooled))
            }
            NetworkHead::TokenClassifier(linear) => {
                let hidden = dropout(hidden, self.config.head_dropout(), mode);
                pass.sequence(classifier(), &linear.forward(hidden))
            }
            NetworkHead::QuestionAnswering(outputs) => {
                pass.spans(qa_outputs(), &span_scores(outputs.forward(hidden)))
            }
            NetworkHead::Language(language) => {
                if self.head.is_scoring(pass) {
                    let places = batch.targets.masked_places();
                    let table = &self.mobilebert.embeddings.word_embeddings;
                    pass.masked_tokens(words(), &language.scores(hidden.clone(), places, table))?;
                }
                let (pooler, follows) =
                    (self.mobilebert.pooler.as_ref()?, language.seq_relationship.as_ref()?);
                let pooled = pooler.forward(&hidden, pass)?;
                pass.vectors(next_sentence(), &follows.forward(pooled))
            }
        }
    }

    /// (batch, length, hidden) → the last layer's states, (batch, length or 1, hidden): where nothing but the first token's
    /// state is wanted of the last layer, only that is computed there.
    fn through_layers(
        &self,
        (mut hidden, mask): (Tensor<3>, &Tensor<2>),
        wanted: LastStates,
        pass: &mut Pass<'_>,
    ) -> Option<Tensor<3>> {
        let layers = &self.mobilebert.encoder.layer;
        for (index, layer) in layers.iter().enumerate() {
            let name = paths::layer(index);
            let last = index + 1 == layers.len();
            let first_alone = last && wanted == LastStates::First && !pass.wants_inside(&name);
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
        logits(&self.config)
    }

    fn next_sentence(&self) -> Option<LayerPath> {
        (self.config.head == Head::Pretraining).then(next_sentence)
    }

    fn parameter_name(field_path: &str) -> String {
        paths::parameter_name(field_path)
    }

    fn resolve(&self, path: &LayerPath) -> LayerPath {
        paths::resolve(path, &self.config)
    }
}
