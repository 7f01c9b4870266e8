//! The sum of word, position and segment embeddings, normalised.

use autodistillation_distillation::Batch;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Pass, paths};
use crate::TransformerConfig;
use crate::layers::{Embedding, LayerNorm, TableUse, dropout, site};

/// Tokens to vectors.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// One vector per token of the vocabulary.
    pub word_embeddings: Embedding,
    /// One vector per position.
    pub position_embeddings: Embedding,
    /// One vector per segment; absent in DistilBERT.
    pub token_type_embeddings: Option<Embedding>,
    /// Normalises the sum.
    pub layer_norm: LayerNorm,
    dropout: f64,
    first_position: usize,
}

impl Embeddings {
    pub(super) fn blank(config: &TransformerConfig, device: &Device) -> Self {
        let table = |rows| Embedding::blank(rows, config.embedding_size, device);
        Self {
            word_embeddings: table(config.vocab_size),
            position_embeddings: table(config.max_position_embeddings),
            token_type_embeddings: (config.type_vocab_size > 0).then(|| table(config.type_vocab_size)),
            layer_norm: LayerNorm::blank(config.embedding_size, config.layer_norm_eps, device),
            dropout: config.hidden_dropout_prob,
            first_position: config.first_position(),
        }
    }

    /// (batch, length) → (batch, length, width of the embeddings). The feature is the module's output, after dropout.
    pub(super) fn forward(&self, batch: &Batch, uses: TableUse, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let words = self.word_embeddings.look_up(batch.ids.clone(), uses);
        let places = self.position_embeddings.run(self.first_position, batch.length()); // (1, length, width)
        let summed = match &self.token_type_embeddings {
            Some(segments) => words + segments.of_segments(batch.token_types.clone()) + places,
            None => words + places,
        };
        let hidden = self.layer_norm.forward(summed);
        let hidden = dropout(hidden, self.dropout, site(pass.mode, 0));
        pass.sequence(paths::embeddings(), &hidden)?;
        Some(hidden)
    }
}
