//! Between the paths of Keras' weights and PyTorch's names.
//!
//! Source: `convert_tf_weight_name_to_pt_weight_name` of `transformers`, and the files that its classes save.

use super::super::conventions::is_inside;
use super::super::{Role, Slot, has_empty_rows};
use crate::config::Normalization;
use crate::{Family, Head, TransformerConfig};

/// How the TensorFlow class of a network names its parameters.
pub(crate) struct KerasClass {
    /// The class as Keras spells it, the first part of every path.
    class: String,
    /// The names of the body's norms' scale and shift.
    norm: (&'static str, &'static str),
    /// Modules of a head that a layer of its own holds, and that layer.
    layers: &'static [(&'static str, &'static str)],
    /// What else the layer that scores words holds.
    scores: Scores,
}

/// Where a language model's class has the decoder of its scores, which is the table of the words.
enum Scores {
    /// There are no scores.
    None,
    /// In the layer of this name, as the embeddings' own, so that Keras looks for all embeddings in both layers.
    Shared(&'static str),
    /// A copy by itself.
    Copied,
}

const LAYER_NORM: (&str, &str) = ("gamma", "beta");
/// MobileBERT's own norm is none of Keras'.
const NO_NORM: (&str, &str) = ("weight", "bias");

const BERT_LAYERS: &[(&str, &str)] =
    &[("cls.predictions", "mlm___cls"), ("cls.seq_relationship", "nsp___cls")];
const MOBILEBERT_LAYERS: &[(&str, &str)] =
    &[("cls.predictions", "predictions___cls"), ("cls.seq_relationship", "seq_relationship___cls")];
/// The decoder of MobileBERT's scores: as wide as the embeddings, and the rows beyond them.
const MOBILEBERT_DECODER: &str = "predictions___cls/predictions/decoder/weight:0";
const MOBILEBERT_FURTHER_ROWS: &str = "predictions___cls/predictions/dense/weight:0";

/// The name of a parameter, and whether it is stored as (in, out).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) transposed: bool,
}

/// The parameter at a path such as `tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0`.
pub(super) fn parameter(path: &str) -> Option<Named> {
    let path = path.strip_suffix(":0").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (last, modules) = parts.split_last()?;
    // The first part is the class, and what stands before three underscores says what a head is for.
    let modules = modules.iter().skip(1).map(|part| part.rsplit("___").next().unwrap_or(part));
    let mut names: Vec<String> = modules.map(|part| part.replace("_._", ".")).collect();
    names.push(match *last {
        "kernel" | "gamma" | "embeddings" => "weight".to_owned(),
        "beta" => "bias".to_owned(),
        other => other.to_owned(),
    });
    Some(Named { name: names.join("."), transposed: *last == "kernel" })
}

impl KerasClass {
    /// The class of a network with this config.
    pub(crate) fn of(config: &TransformerConfig) -> Self {
        let family = match config.family {
            Family::Bert => "bert",
            Family::DistilBert => "distil_bert",
            Family::Roberta => "roberta",
            Family::Electra => "electra",
            Family::MobileBert => "mobile_bert",
        };
        let task = match config.head {
            Head::Classifier => "sequence_classification",
            Head::TokenClassifier => "token_classification",
            Head::QuestionAnswering => "question_answering",
            Head::MaskedLanguageModel => "masked_lm",
            Head::Pretraining => "pre_training",
        };
        let is_mobilebert = config.family == Family::MobileBert;
        let scores = match config.family {
            _ if !config.head.is_language_model() => Scores::None,
            Family::Bert => Scores::Shared("mlm___cls"),
            Family::DistilBert => Scores::Shared("vocab_projector"),
            Family::Roberta => Scores::Shared("lm_head"),
            Family::Electra => Scores::Shared("generator_lm_head"),
            Family::MobileBert => Scores::Copied,
        };
        let no_norm =
            config.mobilebert.is_some_and(|settings| settings.normalization == Normalization::NoNorm);
        Self {
            class: format!("tf_{family}_for_{task}"),
            norm: if no_norm { NO_NORM } else { LAYER_NORM },
            layers: if is_mobilebert { MOBILEBERT_LAYERS } else { BERT_LAYERS },
            scores,
        }
    }

    /// The path of a parameter below its layer's group.
    pub(super) fn path(&self, slot: &Slot) -> String {
        let (module, last) = slot.name.rsplit_once('.').unwrap_or(("", &slot.name));
        let (scale, shift) = if is_inside(module, "cls") { LAYER_NORM } else { self.norm };
        let last = match slot.role {
            Role::Matrix => "kernel",
            Role::Table if is_own_table(module) => "weight",
            Role::Table => "embeddings",
            Role::Scale => scale,
            Role::Bias if is_norm(module) => shift,
            Role::Bias => last,
        };
        self.below(&format!("{}/{last}:0", modules(&self.spelled(module)).join("/")))
    }

    /// Layer and path of the second copy that the class looks for of a parameter. Of tables that it also shares, words are
    /// found wherever they are, but `transformers` calls others missing that are in one layer alone.
    pub(super) fn copy(&self, slot: &Slot) -> Option<(String, String)> {
        let is_words = slot.name.ends_with("word_embeddings.weight");
        match self.scores {
            Scores::Copied if is_words => Some(in_own_layer(self.below(MOBILEBERT_DECODER))),
            Scores::Shared(layer) if is_embedding(slot) && !is_words => {
                Some((layer.to_owned(), self.path(slot)))
            }
            _ => None,
        }
    }

    /// Layer and path of a weight without numbers that the class looks for, which is no parameter: the rows of a decoder
    /// beyond embeddings that are as wide as the network.
    pub(super) fn without_numbers(&self, config: &TransformerConfig) -> Option<(String, String)> {
        has_empty_rows(config).then(|| in_own_layer(self.below(MOBILEBERT_FURTHER_ROWS)))
    }

    fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.class)
    }

    /// A module with the layer that Keras puts it into.
    fn spelled(&self, module: &str) -> String {
        let layer = self.layers.iter().find(|(prefix, _)| is_inside(module, prefix));
        match (layer, module.split_once('.')) {
            (Some((_, layer)), Some((_, rest))) => format!("{layer}.{rest}"),
            _ => module.to_owned(),
        }
    }
}

/// A path with the layer at the top that it names.
pub(super) fn in_own_layer(path: String) -> (String, String) {
    (path.split('/').nth(1).unwrap_or_default().to_owned(), path)
}

fn is_embedding(slot: &Slot) -> bool {
    slot.role == Role::Table && slot.name.contains(".embeddings.")
}

/// Whether a table is a weight of the class' own instead of a layer of Keras.
fn is_own_table(module: &str) -> bool {
    module.ends_with("word_embeddings") || is_inside(module, "cls")
}

fn is_norm(module: &str) -> bool {
    let last = module.rsplit('.').next().unwrap_or(module);
    last == "LayerNorm" || last.ends_with("layer_norm")
}

/// Modules as Keras joins them: the layers of an encoder are `layer_._0` and so on, other lists `ffn.0`.
fn modules(module: &str) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for part in module.split('.') {
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        match joined.last_mut() {
            Some(list) if is_number && list == "layer" => *list += &format!("_._{part}"),
            Some(list) if is_number => *list += &format!(".{part}"),
            _ => joined.push(part.to_owned()),
        }
    }
    joined
}
