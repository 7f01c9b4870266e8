//! BERT (Devlin et al. 2019) with a head, under its checkpoint's names; and the families that
//! compute the same with other embeddings, heads and names.

mod attention;
mod embeddings;
mod encoder;
pub(crate) mod head;
mod parts;
mod pass;
pub(crate) mod paths;

use autodistillation_distillation::{Batch, Features, LayerOutput, LayerPath, Mode, Network, Taps};
use autodistillation_kernels::Arithmetic;
use burn::module::Module;
use burn::tensor::Device;

use crate::head::{NetworkHead, span_scores};
use crate::layers::{Linear, dropout, site};
use crate::{Head, TransformerConfig, weights};

pub(crate) use attention::AttentionInput;
pub use attention::{Attention, SelfAttention};
pub use embeddings::Embeddings;
pub use encoder::{Encoder, EncoderLayer, Intermediate, ResidualOutput};
pub(crate) use encoder::{activate, first_token, first_token_rows};
pub use head::Pooler;
pub(crate) use pass::Pass;
pub(crate) use paths::{aliased_layer, parameter_name as checkpoint_name};

/// `BertForSequenceClassification` and its like: embeddings, encoder layers, pooler and head.
#[derive(Module, Debug)]
pub struct Bert {
    /// Everything below the head.
    pub bert: BertBody,
    /// What it ends in.
    pub head: NetworkHead,
    #[module(skip)]
    config: TransformerConfig,
}

/// `BertModel`: embeddings, encoder layers and, where the head wants one, a pooler.
#[derive(Module, Debug)]
pub struct BertBody {
    /// Tokens to vectors.
    pub embeddings: Embeddings,
    /// From the embeddings' own width to the hidden one; absent where they are equal.
    pub embeddings_project: Option<Linear>,
    /// The layers.
    pub encoder: Encoder,
    /// The first token's last hidden state to one vector per example.
    pub pooler: Option<Pooler>,
}

impl Bert {
    /// A network with random weights: normal with `initializer_range`, norms 1 and 0, biases 0.
    ///
    /// Each parameter's values depend on `seed` and its name in BERT alone.
    pub fn random(config: TransformerConfig, seed: u64, device: &Device) -> Self {
        let deviation = config.initializer_range;
        weights::fill(Self::blank(config, device), |slot| Some(slot.random(seed, deviation)))
    }

    /// The same network with the matrix products of its encoder layers in `arithmetic`, forward and backward. Weights
    /// stay f32; embeddings, attention scores, norms and the head are computed in f32 as before.
    #[must_use]
    pub fn compute_in(mut self, arithmetic: Arithmetic) -> Self {
        for layer in &mut self.bert.encoder.layer {
            let EncoderLayer { attention, intermediate, output } = layer;
            let of_attention = &mut attention.self_attention;
            for linear in [&mut of_attention.query, &mut of_attention.key, &mut of_attention.value] {
                linear.arithmetic = arithmetic;
            }
            for linear in [&mut attention.output.dense, &mut intermediate.dense, &mut output.dense] {
                linear.arithmetic = arithmetic;
            }
        }
        self
    }

    /// What the matrix products of its encoder layers are computed in.
    pub fn arithmetic(&self) -> Arithmetic {
        self.bert.encoder.layer.first().map_or(Arithmetic::F32, |layer| layer.intermediate.dense.arithmetic)
    }

    /// The network's configuration.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// The network without values: every parameter has its shape, and is filled before use.
    pub(crate) fn blank(config: TransformerConfig, device: &Device) -> Self {
        let bert = BertBody {
            embeddings: Embeddings::blank(&config, device),
            embeddings_project: (config.embedding_size != config.hidden_size)
                .then(|| Linear::blank(config.embedding_size, config.hidden_size, device)),
            encoder: Encoder::blank(&config, device),
            pooler: config.head.is_pooled().then(|| Pooler::blank(&config, device)),
        };
        let head = NetworkHead::blank(&config, device);
        Self { bert, head, config }
    }

    /// Computes until every tapped feature is captured; `None` when that is before the end.
    fn run(&self, batch: &Batch, pass: &mut Pass<'_>) -> Option<()> {
        let hidden = self.bert.embeddings.forward(batch, self.head.table_use(pass), pass)?;
        let hidden = match &self.bert.embeddings_project {
            Some(project) => {
                let hidden = project.forward(hidden);
                pass.sequence(paths::embeddings_project(), &hidden)?;
                hidden
            }
            None => hidden,
        };
        let wanted = self.head.last_states(pass);
        let hidden = self.bert.encoder.forward((hidden, &batch.mask), wanted, pass)?;
        let place = |after: usize| site(pass.mode, self.config.num_hidden_layers + after);
        let (before, after) = (place(2), place(1));
        match &self.head {
            NetworkHead::Classifier(classifier) => {
                let pooled = self.bert.pooler.as_ref()?.forward(hidden, before, pass)?;
                let pooled = dropout(pooled, self.config.head_dropout(), after);
                pass.vectors(paths::classifier(), &classifier.forward(pooled))
            }
            NetworkHead::TokenClassifier(classifier) => {
                let hidden = dropout(hidden, self.config.head_dropout(), after);
                pass.sequence(paths::classifier(), &classifier.forward(hidden))
            }
            NetworkHead::QuestionAnswering(outputs) => {
                pass.spans(paths::qa_outputs(), &span_scores(outputs.forward(hidden)))
            }
            NetworkHead::Language(language) => {
                if self.head.is_scoring(pass) {
                    let (places, words) =
                        (batch.targets.masked_places(), &self.bert.embeddings.word_embeddings);
                    pass.masked_tokens(paths::words(), &language.scores(hidden.clone(), places, words))?;
                }
                let (pooler, follows) = (self.bert.pooler.as_ref()?, language.seq_relationship.as_ref()?);
                let pooled = pooler.forward(hidden, before, pass)?;
                pass.vectors(paths::next_sentence(), &follows.forward(pooled))
            }
        }
    }
}

impl Network for Bert {
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
        paths::logits(&self.config)
    }

    fn next_sentence(&self) -> Option<LayerPath> {
        (self.config.head == Head::Pretraining).then(paths::next_sentence)
    }

    fn parameter_name(field_path: &str) -> String {
        paths::parameter_name(field_path)
    }

    fn resolve(&self, path: &LayerPath) -> LayerPath {
        paths::resolve(path, self.config.num_hidden_layers)
    }
}

#[cfg(test)]
mod tests;
