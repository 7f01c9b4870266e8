//! What stands on the last hidden states, the same in every family: classifiers of texts and of tokens, answerers of
//! questions, and language models whose decoder is the table of the word embeddings.

use autodistillation_kernels::{self as kernels, Arithmetic};
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use crate::bert::paths::words;
use crate::bert::{Pass, activate};
use crate::config::Activation;
use crate::layers::{Embedding, LayerNorm, Linear, TableUse, blank};
use crate::{Family, Head, TransformerConfig};

/// A network's head. What a pooler makes of the first token belongs to the body.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has one")]
pub enum NetworkHead {
    /// From the pooled vector to one logit per label.
    Classifier(Linear),
    /// From each token's last state to one logit per class.
    TokenClassifier(Linear),
    /// From each token's last state to its scores of being an answer's first and last token: `qa_outputs`.
    QuestionAnswering(Linear),
    /// From the last states of masked tokens to a score for every word.
    Language(LanguageHead),
}

/// `cls` in BERT and MobileBERT, `vocab_…` in DistilBERT, `lm_head` in RoBERTa, `generator_…` in ELECTRA.
#[derive(Module, Debug)]
pub struct LanguageHead {
    /// The words under masks.
    pub predictions: Predictions,
    /// From the pooled vector to whether the second text follows the first, (hidden → 2).
    pub seq_relationship: Option<Linear>,
}

/// Scores of words; the decoder is the table of the word embeddings.
#[derive(Module, Debug)]
pub struct Predictions {
    /// What comes before the decoder.
    pub transform: Transform,
    /// Where the embeddings are narrower than the states, the decoder's further rows.
    pub dense: Option<FurtherRows>,
    /// (vocabulary)
    pub bias: Param<Tensor<1>>,
}

/// A linear map, an activation and a norm.
#[derive(Module, Debug)]
pub struct Transform {
    /// (hidden → hidden, in ELECTRA the width of the embeddings)
    pub dense: Linear,
    /// Of its activations.
    pub layer_norm: LayerNorm,
    #[module(skip)]
    pub(crate) activation: Activation,
}

/// Rows of a decoder that the embeddings are too narrow for: (hidden − embedding, vocabulary), as in the checkpoint.
#[derive(Module, Debug)]
pub struct FurtherRows {
    /// (hidden − embedding, vocabulary)
    pub weight: Param<Tensor<2>>,
}

impl NetworkHead {
    pub(crate) fn blank(config: &TransformerConfig, device: &Device) -> Self {
        let linear = || Linear::blank(config.hidden_size, config.num_labels(), device);
        match config.head {
            Head::Classifier => Self::Classifier(linear()),
            Head::TokenClassifier => Self::TokenClassifier(linear()),
            Head::QuestionAnswering => Self::QuestionAnswering(linear()),
            Head::MaskedLanguageModel | Head::Pretraining => {
                Self::Language(LanguageHead::blank(config, device))
            }
        }
    }

    /// Whether the pass scores words.
    pub(crate) fn is_scoring(&self, pass: &Pass<'_>) -> bool {
        matches!(self, Self::Language(_)) && pass.wants(&words())
    }

    /// What the pass does with the table of the words.
    pub(crate) fn table_use(&self, pass: &Pass<'_>) -> TableUse {
        if self.is_scoring(pass) { TableUse::DecoderToo } else { TableUse::LookUpAlone }
    }

    /// Which of the last states the head reads in the pass.
    pub(crate) fn last_states(&self, pass: &Pass<'_>) -> LastStates {
        match self {
            Self::TokenClassifier(_) | Self::QuestionAnswering(_) => LastStates::All,
            _ if self.is_scoring(pass) => LastStates::All,
            _ => LastStates::First,
        }
    }

    /// The linear map of a classifier of texts.
    pub(crate) fn classifier(&self) -> Option<&Linear> {
        match self {
            Self::Classifier(linear) => Some(linear),
            Self::TokenClassifier(_) | Self::QuestionAnswering(_) | Self::Language(_) => None,
        }
    }
}

impl LanguageHead {
    fn blank(config: &TransformerConfig, device: &Device) -> Self {
        let (hidden, vocabulary) = (config.hidden_size, config.vocab_size);
        let follows = config.head == Head::Pretraining;
        let further = match config.family {
            Family::MobileBert => hidden.saturating_sub(config.embedding_size),
            _ => 0, // ELECTRA's transform is as narrow as its embeddings.
        };
        let predictions = Predictions {
            transform: Transform::blank(config, device),
            // A matrix without rows is no parameter; `folder` writes the empty one that `transformers` looks for.
            dense: (further > 0).then(|| FurtherRows { weight: blank([further, vocabulary], device) }),
            bias: blank([vocabulary], device),
        };
        Self { predictions, seq_relationship: follows.then(|| Linear::blank(hidden, 2, device)) }
    }

    /// Scores of all words, (masked tokens, vocabulary), from the last states, (batch, length, hidden); `places` are those
    /// of the masked tokens among all, example · length + token. Without them every token is scored.
    pub(crate) fn scores(
        &self,
        hidden: Tensor<3>,
        places: Option<&Tensor<1, Int>>,
        words: &Embedding,
    ) -> Tensor<2> {
        let [batch, length, width] = hidden.dims();
        let rows = hidden.reshape([batch * length, width]);
        let rows = match places {
            Some(places) => rows.select(0, places.clone()),
            None => rows,
        };
        self.predictions.decode(self.predictions.transform.forward(rows), words)
    }
}

impl Predictions {
    /// (tokens, width) → (tokens, vocabulary)
    fn decode(&self, states: Tensor<2>, words: &Embedding) -> Tensor<2> {
        let table = words.weight.val(); // (vocabulary, embedding)
        let ([tokens, width], [_, embedding]) = (states.dims(), table.dims());
        let linear = |states, table, bias| kernels::linear(states, table, bias, Arithmetic::F32);
        let bias = Some(self.bias.val());
        match &self.dense {
            None => linear(states, table.transpose(), bias),
            Some(further) => {
                let narrow = states.clone().slice([0..tokens, 0..embedding]);
                let rest = states.slice([0..tokens, embedding..width]);
                linear(narrow, table.transpose(), bias) + linear(rest, further.weight.val(), None)
            }
        }
    }
}

impl Transform {
    fn blank(config: &TransformerConfig, device: &Device) -> Self {
        let (width, activation) = match config.family {
            Family::Electra => (config.embedding_size, Activation::Gelu),
            Family::Roberta => (config.hidden_size, Activation::Gelu),
            _ => (config.hidden_size, config.hidden_act),
        };
        Self {
            dense: Linear::blank(config.hidden_size, width, device),
            layer_norm: LayerNorm::blank(width, config.layer_norm_eps, device),
            activation,
        }
    }

    /// (tokens, hidden) → (tokens, width)
    fn forward(&self, states: Tensor<2>) -> Tensor<2> {
        let states = self.dense.forward(states);
        self.layer_norm.forward(activate(self.activation, states))
    }
}

/// The map to the scores of first and last tokens, in every family.
pub(crate) const QA_OUTPUTS: &str = "qa_outputs";

/// Scores of being the first and the last token, from those of each token: (batch, length, 2) → (batch, 2, length).
pub(crate) fn span_scores(of_tokens: Tensor<3>) -> Tensor<3> {
    of_tokens.swap_dims(1, 2)
}

/// Which states of the last layer are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastStates {
    /// The first token's alone, where nothing else in the layer is tapped: all that a pooler reads.
    First,
    /// Every token's.
    All,
}

/// The checkpoint's name of a head's parameter, from its field path below the network, and whether other families spell
/// it in their own way; `None` for what is no part of a head.
pub(crate) fn parameter_name(field_path: &str) -> Option<(String, Spelled)> {
    let (variant, rest) = field_path.strip_prefix("head.")?.split_once('.')?;
    Some(match variant {
        "Classifier" => (format!("classifier.{rest}"), Spelled::ByFamily),
        "TokenClassifier" => (format!("classifier.{rest}"), Spelled::Alike),
        "QuestionAnswering" => (format!("{QA_OUTPUTS}.{rest}"), Spelled::Alike),
        _ => (format!("cls.{}", rest.replace("layer_norm", "LayerNorm")), Spelled::ByFamily),
    })
}

/// Whether a parameter is called the same in all families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelled {
    Alike,
    ByFamily,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_heads_have_the_names_of_checkpoints() {
        let name = |path: &str| parameter_name(path).map(|(name, _)| name);
        assert_eq!(name("head.Classifier.weight").as_deref(), Some("classifier.weight"));
        assert_eq!(name("head.TokenClassifier.bias").as_deref(), Some("classifier.bias"));
        assert_eq!(name("head.QuestionAnswering.weight").as_deref(), Some("qa_outputs.weight"));
        assert_eq!(
            name("head.Language.predictions.transform.layer_norm.weight").as_deref(),
            Some("cls.predictions.transform.LayerNorm.weight")
        );
        assert_eq!(name("bert.pooler.dense.bias"), None);
    }
}
