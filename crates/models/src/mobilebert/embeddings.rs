//! Narrow word embeddings, joined with their neighbours' and widened, plus positions and segments.

use autodistillation_distillation::Batch;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::norm::PYTORCH_EPSILON;
use super::{Norm, paths};
use crate::TransformerConfig;
use crate::bert::Pass;
use crate::config::MobileBertSettings;
use crate::layers::{Embedding, Linear, TableUse, dropout, site};

/// Tokens to vectors.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// One vector per token of the vocabulary, (vocabulary, embedding size).
    pub word_embeddings: Embedding,
    /// One vector per position, (positions, hidden).
    pub position_embeddings: Embedding,
    /// One vector per segment, (segments, hidden).
    pub token_type_embeddings: Embedding,
    /// (embedding size, or three of them → hidden)
    pub embedding_transformation: Linear,
    /// Of the sum.
    pub layer_norm: Norm,
    dropout: f64,
    trigram: bool,
    widens: bool,
}

impl Embeddings {
    pub(super) fn blank(config: &TransformerConfig, settings: &MobileBertSettings, device: &Device) -> Self {
        let table = |rows| Embedding::blank(rows, config.hidden_size, device);
        let trigram = settings.trigram_input;
        let inputs = config.embedding_size * if trigram { 3 } else { 1 };
        let norm = (settings.normalization, PYTORCH_EPSILON);
        Self {
            word_embeddings: Embedding::blank(config.vocab_size, config.embedding_size, device),
            position_embeddings: table(config.max_position_embeddings),
            token_type_embeddings: table(config.type_vocab_size),
            embedding_transformation: Linear::blank(inputs, config.hidden_size, device),
            layer_norm: Norm::blank(norm, config.hidden_size, device),
            dropout: config.hidden_dropout_prob,
            trigram,
            widens: trigram || config.embedding_size != config.hidden_size,
        }
    }

    /// Whether each token's neighbours are looked at with it.
    pub(crate) fn has_trigrams(&self) -> bool {
        self.trigram
    }

    /// Whether words go through [`Embeddings::embedding_transformation`].
    pub(crate) fn widens(&self) -> bool {
        self.widens
    }

    /// (batch, length) → (batch, length, hidden). The feature is the module's output, after dropout.
    pub(super) fn forward(&self, batch: &Batch, uses: TableUse, pass: &mut Pass<'_>) -> Option<Tensor<3>> {
        let words = self.joined_words(batch, uses);
        let words = if self.widens { self.embedding_transformation.forward(words) } else { words };
        let segments = self.token_type_embeddings.of_segments(batch.token_types.clone());
        let places = self.position_embeddings.run(0, batch.length()); // (1, length, hidden)
        let hidden = self.layer_norm.forward(words + places + segments);
        let hidden = dropout(hidden, self.dropout, site(pass.mode, 0));
        pass.sequence(paths::embeddings(), &hidden)?;
        Some(hidden)
    }

    /// Each token's word, with its neighbours' where they are looked at, (batch, length, inputs).
    fn joined_words(&self, batch: &Batch, uses: TableUse) -> Tensor<3> {
        let words = self.word_embeddings.look_up(batch.ids.clone(), uses);
        if self.trigram { with_neighbours(constant_padding(words, &batch.mask)) } else { words }
    }

    /// The words before their transformation, (batch, length, inputs), and positions with segments, (batch, length,
    /// hidden).
    pub(super) fn before_transformation(&self, batch: &Batch) -> (Tensor<3>, Tensor<3>) {
        let words = self.joined_words(batch, TableUse::LookUpAlone);
        let segments = self.token_type_embeddings.of_segments(batch.token_types.clone());
        let ([size, length, _], width) = (words.dims(), self.position_embeddings.weight.lazy_shape()[1]);
        let added = segments + self.position_embeddings.run(0, length);
        (words, added.expand([size, length, width]))
    }
}

/// The same vectors, (batch, length, width); those of padding have no gradient, as under PyTorch's `padding_idx`, though
/// the last word's neighbour is one of them.
fn constant_padding(words: Tensor<3>, mask: &Tensor<2>) -> Tensor<3> {
    let mask = mask.clone().unsqueeze_dim::<3>(2);
    let padding = words.clone().detach() * (mask.clone().neg() + 1.0);
    words * mask + padding
}

/// [next, own, previous] of each token, (batch, length, 3 · width); zeros beyond the ends of the batch, where padding
/// counts as a neighbour, as in `transformers`.
fn with_neighbours(words: Tensor<3>) -> Tensor<3> {
    let [batch, length, width] = words.dims();
    let edge = Tensor::<3>::zeros([batch, 1, width], &words.device());
    let longer = Tensor::cat(vec![edge.clone(), words.clone(), edge], 1); // (batch, length + 2, width)
    let (next, previous) = (longer.clone().narrow(1, 2, length), longer.narrow(1, 0, length));
    Tensor::cat(vec![next, words, previous], 2)
}
