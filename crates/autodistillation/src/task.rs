//! The task of a network, by its head; and the task that a data set asks for.

use autodistillation_models::{Head, ProblemType, TransformerConfig};

use crate::Error;
use crate::data::LabelNames;

/// What a network answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// A real value for each text.
    Values,
    /// One class of several for each text.
    Classes,
    /// Any number of labels for each text.
    Labels,
    /// A class for each word.
    WordClasses,
    /// The part of a text that answers a question.
    Answers,
    /// The words under the masks of a text.
    MaskedWords,
    /// The words under the masks, and whether the second text follows the first.
    Pretraining,
}

impl Task {
    /// That of a network of this config: as its head and `problem_type` say; one label alone means values.
    pub fn of(config: &TransformerConfig) -> Self {
        match (config.head, config.task()) {
            (Head::TokenClassifier, _) => Self::WordClasses,
            (Head::QuestionAnswering, _) => Self::Answers,
            (Head::MaskedLanguageModel, _) => Self::MaskedWords,
            (Head::Pretraining, _) => Self::Pretraining,
            (_, ProblemType::Regression) => Self::Values,
            (_, ProblemType::SingleLabelClassification) => Self::Classes,
            (_, ProblemType::MultiLabelClassification) => Self::Labels,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Values => "regression",
            Self::Classes => "classification",
            Self::Labels => "multi-label classification",
            Self::WordClasses => "token classification",
            Self::Answers => "question answering",
            Self::MaskedWords => "masked language modelling",
            Self::Pretraining => "masked language modelling with next sentences",
        }
    }

    /// The metrics of quality that it has.
    pub fn qualities(self) -> &'static [&'static str] {
        match self {
            Self::Values => &["pearson", "spearman", "loss"],
            Self::Classes => &["accuracy", "f1", "matthews", "loss"],
            Self::Labels => &["accuracy", "f1", "micro_f1", "loss"],
            Self::WordClasses => &["accuracy", "f1", "loss"],
            Self::Answers => &["exact_match", "f1", "loss"],
            Self::MaskedWords => &["accuracy", "perplexity", "loss"],
            Self::Pretraining => &["accuracy", "perplexity", "next_sentence", "loss"],
        }
    }

    /// The Hugging Face pipeline that runs it.
    pub fn pipeline(self) -> &'static str {
        match self {
            Self::Values | Self::Classes | Self::Labels => "text-classification",
            Self::WordClasses => "token-classification",
            Self::Answers => "question-answering",
            Self::MaskedWords | Self::Pretraining => "fill-mask",
        }
    }

    /// The class of `transformers` that loads a network for it, whatever its family.
    pub fn auto_class(self) -> &'static str {
        match self {
            Self::Values | Self::Classes | Self::Labels => "AutoModelForSequenceClassification",
            Self::WordClasses => "AutoModelForTokenClassification",
            Self::Answers => "AutoModelForQuestionAnswering",
            Self::MaskedWords => "AutoModelForMaskedLM",
            Self::Pretraining => "AutoModelForPreTraining",
        }
    }
}

/// What a data set asks for by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum DataTask {
    /// Something about each text.
    Texts(LabelNames, ProblemType),
    /// The class of each word.
    Words(LabelNames),
    /// The part of a text that answers a question.
    Answers,
    /// Nothing is labelled: plain text to be masked.
    PlainText,
}

impl DataTask {
    /// The config with the head that does it.
    ///
    /// # Errors
    ///
    /// Classes or sizes that such a head cannot have.
    pub fn give(self, config: TransformerConfig) -> Result<TransformerConfig, Error> {
        Ok(match self {
            Self::Texts(classes, problem) => config.with_labels(classes.names().to_vec(), problem)?,
            Self::Words(classes) => config.with_token_labels(classes.names().to_vec())?,
            Self::Answers => config.with_question_answering_head(),
            Self::PlainText if config.head.is_language_model() => config,
            Self::PlainText => config.with_pretraining_head()?,
        })
    }
}
