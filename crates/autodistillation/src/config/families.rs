//! The network families a student can have, and the keys of their Hugging Face configs.

use autodistillation_models::Family;

/// What the config of a family may say.
pub(super) struct FamilyKeys {
    /// Whose they are.
    pub(super) family: Family,
    /// Whole numbers that have to be fixed or searched, each with its other spelling.
    pub(super) sizes: &'static [(&'static str, Option<&'static str>)],
    /// Other values that may be fixed.
    pub(super) values: &'static [&'static str],
}

impl FamilyKeys {
    /// Every key that can be searched: the sizes in all spellings.
    pub(super) fn searchable(&self) -> Vec<&'static str> {
        self.sizes.iter().flat_map(|&(name, other)| std::iter::once(name).chain(other)).collect()
    }
}

/// All families, the usual one first.
pub(super) const FAMILIES: [(&str, &FamilyKeys); 5] = [
    (BERT.family.model_type(), &BERT),
    (DISTILBERT.family.model_type(), &DISTILBERT),
    (ROBERTA.family.model_type(), &ROBERTA),
    (ELECTRA.family.model_type(), &ELECTRA),
    (MOBILEBERT.family.model_type(), &MOBILEBERT),
];

/// The sizes of a BERT, and of those that spell them alike.
const BERT_SIZES: &[(&str, Option<&str>)] = &[
    ("hidden_size", None),
    ("num_hidden_layers", None),
    ("num_attention_heads", None),
    ("intermediate_size", None),
];

const ROBERTA: FamilyKeys = FamilyKeys { family: Family::Roberta, ..BERT };

const ELECTRA: FamilyKeys = FamilyKeys {
    family: Family::Electra,
    values: &[
        "attention_probs_dropout_prob",
        "classifier_dropout",
        "embedding_size",
        "hidden_act",
        "hidden_dropout_prob",
        "initializer_range",
        "layer_norm_eps",
        "max_position_embeddings",
        "pad_token_id",
        "problem_type",
        "type_vocab_size",
        "vocab_size",
    ],
    ..BERT
};

pub(super) const BERT: FamilyKeys = FamilyKeys {
    family: Family::Bert,
    sizes: BERT_SIZES,
    values: &[
        "attention_probs_dropout_prob",
        "classifier_dropout",
        "hidden_act",
        "hidden_dropout_prob",
        "initializer_range",
        "layer_norm_eps",
        "max_position_embeddings",
        "pad_token_id",
        "problem_type",
        "type_vocab_size",
        "vocab_size",
    ],
};

const DISTILBERT: FamilyKeys = FamilyKeys {
    family: Family::DistilBert,
    sizes: &[
        ("hidden_size", Some("dim")),
        ("num_hidden_layers", Some("n_layers")),
        ("num_attention_heads", Some("n_heads")),
        // TensorFlow's searches write `intermediate_size` for DistilBERT's `hidden_dim`.
        ("intermediate_size", Some("hidden_dim")),
    ],
    values: &[
        "activation",
        "attention_dropout",
        "initializer_range",
        "max_position_embeddings",
        "pad_token_id",
        "problem_type",
        "seq_classif_dropout",
        "sinusoidal_pos_embds",
        "vocab_size",
    ],
};

const MOBILEBERT: FamilyKeys = FamilyKeys {
    family: Family::MobileBert,
    sizes: &[
        ("hidden_size", None),
        ("num_hidden_layers", None),
        ("num_attention_heads", None),
        ("intermediate_size", None),
        ("intra_bottleneck_size", None),
        ("num_feedforward_networks", None),
    ],
    values: &[
        "attention_probs_dropout_prob",
        "classifier_activation",
        "embedding_size",
        "hidden_act",
        "hidden_dropout_prob",
        "initializer_range",
        "key_query_shared_bottleneck",
        "layer_norm_eps",
        "max_position_embeddings",
        "normalization_type",
        "pad_token_id",
        "problem_type",
        "trigram_input",
        "type_vocab_size",
        "use_bottleneck",
        "use_bottleneck_attention",
        "vocab_size",
    ],
};
