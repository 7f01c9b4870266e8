//! BERT (Devlin et al. 2019) with a sequence-classification head, under its checkpoint's names.

mod attention;
mod embeddings;
mod encoder;
mod head;
mod parts;
mod pass;
pub(crate) mod paths;

use std::path::Path;

use autodistillation_distillation::{Batch, Features, LayerOutput, LayerPath, Mode, Network, Taps};
use autodistillation_kernels::Arithmetic;
use burn::module::Module;
use burn::tensor::Device;

use crate::layers::{Linear, dropout, site};
use crate::{BertConfig, Error, Loaded, weights};

pub use attention::{Attention, SelfAttention};
pub use embeddings::Embeddings;
pub use encoder::{Encoder, EncoderLayer, Intermediate, ResidualOutput};
pub use head::Pooler;
use pass::Pass;

/// `BertForSequenceClassification`: embeddings, encoder layers, pooler and classifier.
#[derive(Module, Debug)]
pub struct Bert {
    /// Everything below the head.
    pub bert: BertBody,
    /// From the pooled vector to one logit per label.
    pub classifier: Linear,
    #[module(skip)]
    config: BertConfig,
}

/// `BertModel`: embeddings, encoder layers and pooler.
#[derive(Module, Debug)]
pub struct BertBody {
    /// Tokens to vectors.
    pub embeddings: Embeddings,
    /// The layers.
    pub encoder: Encoder,
    /// The first token's last hidden state to one vector per example.
    pub pooler: Pooler,
}

impl Bert {
    /// A network with random weights: normal with `initializer_range`, norms 1 and 0, biases 0.
    ///
    /// Each parameter's values depend on `seed` and its name alone.
    pub fn random(config: BertConfig, seed: u64, device: &Device) -> Self {
        let deviation = config.initializer_range;
        weights::fill(Self::blank(config, device), |slot| Some(slot.random(seed, deviation)))
    }

    /// Reads a Hugging Face folder. A missing head is random, with seed 0, and listed in the warnings.
    ///
    /// # Errors
    ///
    /// See [`Bert::load_as`], and those of [`BertConfig::from_folder`].
    pub fn load(folder: &Path, device: &Device) -> Result<Loaded<Self>, Error> {
        Self::load_as(folder, BertConfig::from_folder(folder)?, 0, device)
    }

    /// Reads the weights of a folder into the network of `config`, whose labels may differ from the folder's
    /// when it has no classifier. A missing head is random from `seed` and listed in the warnings.
    ///
    /// # Errors
    ///
    /// No weights, an unreadable or corrupt file, or one error that lists every tensor that is missing,
    /// unexpected or misshapen.
    pub fn load_as(
        folder: &Path,
        config: BertConfig,
        seed: u64,
        device: &Device,
    ) -> Result<Loaded<Self>, Error> {
        let deviation = config.initializer_range;
        crate::folder::load(folder, Self::blank(config, device), |slot| slot.random(seed, deviation))
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
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The network without values: every parameter has its shape, and is filled before use.
    pub(crate) fn blank(config: BertConfig, device: &Device) -> Self {
        let bert = BertBody {
            embeddings: Embeddings::blank(&config, device),
            encoder: Encoder::blank(&config, device),
            pooler: Pooler::blank(config.hidden_size, device),
        };
        let classifier = Linear::blank(config.hidden_size, config.num_labels(), device);
        Self { bert, classifier, config }
    }

    /// Computes until every tapped feature is captured; `None` when that is before the end.
    fn run(&self, batch: &Batch, pass: &mut Pass<'_>) -> Option<()> {
        let hidden = self.bert.embeddings.forward(batch, pass)?;
        let hidden = self.bert.encoder.forward(hidden, &batch.mask, pass)?;
        let pooled = self.bert.pooler.forward(hidden, pass)?;
        let mode = site(pass.mode, self.config.num_hidden_layers + 1);
        let pooled = dropout(pooled, self.config.head_dropout(), mode);
        let logits = self.classifier.forward(pooled);
        pass.vectors(paths::classifier(), &logits)
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
        paths::classifier()
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
