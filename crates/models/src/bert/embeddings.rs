//! The sum of word, position and segment embeddings, normalised.

use autodistillation_distillation::Batch;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Pass, paths};
use crate::BertConfig;
use crate::layers::{Embedding, LayerNorm, dropout, site};

/// Tokens to vectors.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// One vector per token of the vocabulary.
    pub word_embeddings: Embedding,
    /// One vector per position.
    pub position_embeddings: Embedding,
    /// One vector per segment.
    pub token_type_embeddings: Embedding,
    /// Normalises the sum.
    pub layer_norm: LayerNorm,
    dropout: f64,
}

impl Embeddings {
    pub(super) fn blank(config: &BertConfig, device: &Device) -> Self {
        let table = |rows| Embedding::blank(rows, config.hidden_size, device);
        Self {
            word_embeddings: table(config.vocab_size),
            position_embeddings: table(config.max_position_embeddings),
            token_type_embeddings: table(config.type_vocab_size),
            layer_norm: LayerNorm::blank(config.hidden_size, config.layer_norm_eps, device),
            dropout: config.hidden_dropout_prob,
        }
    }

    /// (batch, length) → (batch, length, hidden). The feature is the module's output, after dropout.
    pub(super) fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let words = self.word_embeddings.forward_by_rows(batch.ids.clone());
        let segments = self.token_type_embeddings.forward(batch.token_types.clone());
        let places = self.position_embeddings.first(batch.length()); // (1, length, hidden)
        let hidden = self.layer_norm.forward(words + segments + places);
        let hidden = dropout(hidden, self.dropout, site(pass.mode, 0));
        pass.sequence(paths::embeddings(), &hidden)?;
        Some(hidden)
    }
}
