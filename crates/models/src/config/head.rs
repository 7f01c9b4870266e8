//! What a network ends in.

use std::fmt;

use crate::Family;

/// What a network ends in, which decides what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Head {
    /// One answer for each text: classes, labels that apply or not, or values (`…ForSequenceClassification`).
    Classifier,
    /// The class of each token (`…ForTokenClassification`).
    TokenClassifier,
    /// Where in a text the answer to a question begins and ends (`…ForQuestionAnswering`).
    QuestionAnswering,
    /// The words under the masks of a text (`…ForMaskedLM`).
    MaskedLanguageModel,
    /// The words under the masks, and whether the second text follows the first (`…ForPreTraining` of BERT and
    /// MobileBERT).
    Pretraining,
}

impl Head {
    /// All heads, the usual one first.
    pub const ALL: [Self; 5] = [
        Self::Classifier,
        Self::TokenClassifier,
        Self::QuestionAnswering,
        Self::MaskedLanguageModel,
        Self::Pretraining,
    ];

    /// Whether its answers are words of the vocabulary, so that it has no labels.
    pub fn is_language_model(self) -> bool {
        matches!(self, Self::MaskedLanguageModel | Self::Pretraining)
    }

    /// Whether it reads one vector for each text, which a pooler makes.
    pub(crate) fn is_pooled(self) -> bool {
        matches!(self, Self::Classifier | Self::Pretraining)
    }

    /// What the names of its classes in `transformers` end with.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Classifier => "ForSequenceClassification",
            Self::TokenClassifier => "ForTokenClassification",
            Self::QuestionAnswering => "ForQuestionAnswering",
            Self::MaskedLanguageModel => "ForMaskedLM",
            Self::Pretraining => "ForPreTraining",
        }
    }

    /// The head that takes this one's place in a network of `family`: only BERT and MobileBERT were pretrained on pairs.
    pub fn in_family(self, family: Family) -> Self {
        match (self, family) {
            (Self::Pretraining, Family::Bert | Family::MobileBert) => self,
            (Self::Pretraining, _) => Self::MaskedLanguageModel,
            _ => self,
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classifier => "a classifier of texts",
            Self::TokenClassifier => "a classifier of tokens",
            Self::QuestionAnswering => "an answerer of questions",
            Self::MaskedLanguageModel => "a masked language model",
            Self::Pretraining => "a masked language model that also says which sentence follows",
        })
    }
}
