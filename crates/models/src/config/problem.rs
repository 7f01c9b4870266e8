//! The ways in which a `config.json` can fail to describe a supported network.

/// One problem of a `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// The file holds something else than keys and values.
    #[error("expected an object of keys and values")]
    NotAnObject,
    /// A size that has no safe default is missing.
    #[error("`{key}` is missing: add it, sizes are never guessed")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value of the wrong type or range.
    #[error("`{key}` must be {expected}, found {found}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What it can be.
        expected: &'static str,
        /// What it is, as JSON.
        found: String,
    },
    /// A value that is right for Hugging Face and not supported here.
    #[error("`{key}` is {found}; supported: {supported}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// What it is, as JSON.
        found: String,
        /// What can be loaded.
        supported: String,
    },
    /// More layers than any network has, as in a corrupt file.
    #[error("num_hidden_layers is {layers}; at most {most} are built")]
    TooManyLayers {
        /// The layers.
        layers: usize,
        /// The most that are built.
        most: usize,
    },
    /// Heads of unequal width.
    #[error("num_attention_heads {heads} does not divide hidden_size {hidden}")]
    HeadsDoNotDivide {
        /// The width.
        hidden: usize,
        /// The heads.
        heads: usize,
    },
    /// Heads of unequal width inside a bottleneck.
    #[error("num_attention_heads {heads} does not divide intra_bottleneck_size {bottleneck}")]
    HeadsDoNotDivideBottleneck {
        /// The width inside the layers.
        bottleneck: usize,
        /// The heads.
        heads: usize,
    },
    /// Attention maps of the bottleneck's width that are fed the full width.
    #[error(
        "intra_bottleneck_size {bottleneck} differs from hidden_size {hidden}, and neither \
         `key_query_shared_bottleneck` nor `use_bottleneck_attention` narrows what the attention sees: set one of them"
    )]
    BottleneckWithoutAttention {
        /// The width inside the layers.
        bottleneck: usize,
        /// The width between them.
        hidden: usize,
    },
    /// No token has a position.
    #[error("max_position_embeddings {rows} leaves no position: the first token takes row {first}")]
    NoPosition {
        /// Rows of the position embeddings.
        rows: usize,
        /// The first token's row.
        first: usize,
    },
    /// The padding token is not in the vocabulary.
    #[error("pad_token_id {id} is not below vocab_size {vocabulary}")]
    PaddingOutsideVocabulary {
        /// The padding token.
        id: usize,
        /// Rows of the word embeddings.
        vocabulary: usize,
    },
    /// A language model whose states are narrower than its embeddings.
    #[error("embedding_size {embedding} is more than hidden_size {hidden}, from which words are decoded")]
    NarrowDecoder {
        /// Width of the states.
        hidden: usize,
        /// Width of the embeddings.
        embedding: usize,
    },
    /// A head for answers to questions with other outputs than their two ends.
    #[error("an answer to a question has two ends, so that its head needs 2 labels, and there are {labels}")]
    EndsOfAnswers {
        /// `num_labels`
        labels: usize,
    },
    /// The head has no output.
    #[error("the head has no label: give `id2label` or `num_labels`")]
    NoLabels,
    /// Two classes with one name.
    #[error("the label `{label}` stands for two ids")]
    RepeatedLabel {
        /// The name.
        label: String,
    },
    /// `num_labels` and `id2label` disagree.
    #[error("num_labels is {count}, but id2label names {named} labels")]
    LabelCount {
        /// `num_labels`
        count: usize,
        /// Entries of `id2label`.
        named: usize,
    },
}
