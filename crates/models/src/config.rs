//! The sizes and settings of a network, read from and written as a Hugging Face `config.json`.

mod head;
mod labels;
mod mobilebert;
mod problem;
mod reader;
mod write;

use std::path::Path;

use serde_json::{Map, Value};

pub use head::Head;
pub use mobilebert::{Bottlenecks, MobileBertSettings, Normalization};
pub use problem::ConfigProblem;

use crate::Family;
use crate::error::{Error, Problems};
use crate::files;
use reader::Reader;

/// Far more layers than any encoder has; guards against allocating for a corrupt count.
const MOST_LAYERS: usize = 1000;

/// A validated configuration of an encoder with a head; the fields have BERT's names and meanings in
/// Hugging Face, whatever the family calls them.
///
/// It comes from [`TransformerConfig::from_json`], which checks every field against the others.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TransformerConfig {
    /// The network family.
    pub family: Family,
    /// What the network ends in.
    pub head: Head,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they divide the width of the attention.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// Width of the word embeddings; the hidden width in most families.
    pub embedding_size: usize,
    /// Rows of the position embeddings.
    pub max_position_embeddings: usize,
    /// Kinds of segments; 0 where the family knows none.
    pub type_vocab_size: usize,
    /// The feed-forward part's activation.
    pub hidden_act: Activation,
    /// Dropout of embeddings and of each sublayer's output.
    pub hidden_dropout_prob: f64,
    /// Dropout of attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Dropout before the classifier, when it is not the hidden dropout.
    pub classifier_dropout: Option<f64>,
    /// Added to variances in layer normalisation.
    pub layer_norm_eps: f64,
    /// Standard deviation of random weights.
    pub initializer_range: f64,
    /// The token that fills the end of shorter texts.
    pub pad_token_id: usize,
    /// What MobileBERT has besides; `None` in the other families.
    pub mobilebert: Option<MobileBertSettings>,
    /// Names of the classes by id, none for language models; one label means regression unless `problem_type` says
    /// otherwise.
    pub labels: Vec<String>,
    /// What the head predicts, when the file says so.
    pub problem_type: Option<ProblemType>,
    /// All other keys, kept for saving.
    pub extra: Map<String, Value>,
}

/// Activation of the feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// GELU with the exact normal distribution function.
    Gelu,
    /// GELU with the tanh approximation.
    GeluTanh,
    /// max(x, 0).
    Relu,
}

/// What the head predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemType {
    /// Real values.
    Regression,
    /// One class of several.
    SingleLabelClassification,
    /// Any number of classes at once.
    MultiLabelClassification,
}

impl TransformerConfig {
    /// Reads and validates a parsed `config.json`.
    ///
    /// # Errors
    ///
    /// Every problem at once: missing sizes by name, wrong types, sizes that do not fit together, and
    /// settings or architectures that are not supported.
    pub fn from_json(value: &Value) -> Result<Self, Problems<ConfigProblem>> {
        let Value::Object(object) = value else {
            return Err(Problems(vec![ConfigProblem::NotAnObject]));
        };
        let mut reader = Reader::new(object);
        let family = reader.family();
        reader.refuse_other_networks(family);
        let head = reader.head(family);
        let config = Self::read(&mut reader, (family, head));
        let problems = reader.finish();
        // Sizes that could not be read hold a placeholder, so they are compared only when all were readable.
        let problems = if problems.is_empty() { config.contradictions() } else { problems };
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    /// Reads the `config.json` of a network folder, or the `bert_config.json` of one of Google's.
    ///
    /// # Errors
    ///
    /// An unreadable file, broken JSON, or the problems of [`TransformerConfig::from_json`].
    pub fn from_folder(folder: &Path) -> Result<Self, Error> {
        let path = files::config(folder);
        let value = files::read_json(&path)?;
        Self::from_json(&value).map_err(|problems| Error::Config { path, problems })
    }

    /// The same network as a classifier of texts: one output per label.
    ///
    /// # Errors
    ///
    /// No label, or the same label twice.
    pub fn with_labels(self, labels: Vec<String>, problem_type: ProblemType) -> Result<Self, Error> {
        Self { head: Head::Classifier, labels, problem_type: Some(problem_type), ..self }.checked()
    }

    /// The same network as a classifier of tokens: one output per label.
    ///
    /// # Errors
    ///
    /// No label, or the same label twice.
    pub fn with_token_labels(self, labels: Vec<String>) -> Result<Self, Error> {
        Self { head: Head::TokenClassifier, labels, problem_type: None, ..self }.checked()
    }

    /// The same network as one that answers questions: two outputs for each token.
    #[must_use]
    pub fn with_question_answering_head(self) -> Self {
        Self { head: Head::QuestionAnswering, labels: labels::unnamed(2), problem_type: None, ..self }
    }

    /// The same network as a language model, which also says what follows what where its family does
    /// ([`Head::in_family`]).
    ///
    /// # Errors
    ///
    /// States that are narrower than the embeddings that would decode them.
    pub fn with_pretraining_head(self) -> Result<Self, Error> {
        let head = Head::Pretraining.in_family(self.family);
        Self { head, labels: Vec::new(), problem_type: None, ..self }.checked()
    }

    fn checked(self) -> Result<Self, Error> {
        match self.contradictions() {
            problems if problems.is_empty() => Ok(self),
            problems => Err(Error::Architecture { problems: Problems(problems) }),
        }
    }

    /// Outputs of the head.
    pub fn num_labels(&self) -> usize {
        self.labels.len()
    }

    /// Width of the layers' insides: the bottleneck's where there is one.
    pub fn true_hidden_size(&self) -> usize {
        self.mobilebert
            .as_ref()
            .map_or(self.hidden_size, |settings| settings.true_hidden_size(self.hidden_size))
    }

    /// Width of one attention head.
    pub fn head_size(&self) -> usize {
        self.true_hidden_size() / self.num_attention_heads
    }

    /// Dropout before the classifier; answers to questions have none (`qa_dropout` of DistilBERT is not read).
    pub fn head_dropout(&self) -> f64 {
        match (self.family, self.head) {
            (Family::DistilBert, Head::TokenClassifier) => self.hidden_dropout_prob,
            (_, Head::QuestionAnswering) => 0.0,
            _ => self.classifier_dropout.unwrap_or(self.hidden_dropout_prob),
        }
    }

    /// The row of the position embeddings that the first token takes: RoBERTa counts from behind the padding id.
    pub fn first_position(&self) -> usize {
        match self.family {
            Family::Roberta => self.pad_token_id + 1,
            _ => 0,
        }
    }

    /// The longest input, in tokens.
    pub fn max_length(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.first_position())
    }

    /// What the head predicts: as stated, else regression for one label and classification for more.
    pub fn task(&self) -> ProblemType {
        self.problem_type.unwrap_or(match self.labels.len() {
            1 => ProblemType::Regression,
            _ => ProblemType::SingleLabelClassification,
        })
    }

    fn read(reader: &mut Reader<'_>, (family, head): (Family, Head)) -> Self {
        let keys = family.keys();
        let hidden_size = reader.size(keys.hidden_size);
        let (dropout, activation) = match family {
            Family::MobileBert => (0.0, Activation::Relu),
            _ => (0.1, Activation::Gelu),
        };
        Self {
            family,
            head,
            hidden_size,
            num_hidden_layers: reader.size(keys.layers),
            num_attention_heads: reader.size(keys.heads),
            intermediate_size: reader.size(keys.intermediate_size),
            vocab_size: reader.size("vocab_size"),
            embedding_size: reader.embedding_size(family, hidden_size),
            max_position_embeddings: reader.size("max_position_embeddings"),
            type_vocab_size: if family == Family::DistilBert { 0 } else { reader.size("type_vocab_size") },
            hidden_act: reader.choice(keys.activation, Activation::NAMED).unwrap_or(activation),
            hidden_dropout_prob: reader.probability(keys.dropout).unwrap_or(dropout),
            attention_probs_dropout_prob: reader.probability(keys.attention_dropout).unwrap_or(0.1),
            classifier_dropout: reader.probability(keys.classifier_dropout).or(match family {
                Family::DistilBert => Some(0.2),
                _ => None,
            }),
            layer_norm_eps: reader.positive("layer_norm_eps").unwrap_or(1e-12),
            initializer_range: reader.positive("initializer_range").unwrap_or(0.02),
            pad_token_id: reader.whole("pad_token_id").unwrap_or(if family == Family::Roberta {
                1
            } else {
                0
            }),
            mobilebert: (family == Family::MobileBert).then(|| MobileBertSettings::read(reader)),
            labels: reader.labels_of(head),
            problem_type: reader
                .choice("problem_type", ProblemType::NAMED)
                .filter(|_| head == Head::Classifier),
            extra: reader.others(),
        }
    }

    /// Values that are fine alone and not together.
    fn contradictions(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if self.num_hidden_layers > MOST_LAYERS {
            problems.push(ConfigProblem::TooManyLayers { layers: self.num_hidden_layers, most: MOST_LAYERS });
        }
        let (width, heads) = (self.true_hidden_size(), self.num_attention_heads);
        if !width.is_multiple_of(heads) {
            problems.push(match width == self.hidden_size {
                true => ConfigProblem::HeadsDoNotDivide { hidden: width, heads },
                false => ConfigProblem::HeadsDoNotDivideBottleneck { bottleneck: width, heads },
            });
        }
        if self.pad_token_id >= self.vocab_size {
            problems.push(ConfigProblem::PaddingOutsideVocabulary {
                id: self.pad_token_id,
                vocabulary: self.vocab_size,
            });
        }
        if self.max_length() == 0 {
            problems.push(ConfigProblem::NoPosition {
                rows: self.max_position_embeddings,
                first: self.first_position(),
            });
        }
        problems.extend(self.mobilebert.iter().flat_map(|settings| settings.contradictions(self)));
        if self.head.is_language_model() {
            problems.extend(self.narrow_decoder());
        } else {
            problems.extend(labels::contradictions(&self.labels));
        }
        if self.head == Head::QuestionAnswering && self.num_labels() != 2 {
            problems.push(ConfigProblem::EndsOfAnswers { labels: self.num_labels() });
        }
        problems
    }

    /// A MobileBERT's states that are narrower than the embeddings they are decoded with.
    fn narrow_decoder(&self) -> Option<ConfigProblem> {
        let (hidden, embedding) = (self.hidden_size, self.embedding_size);
        (self.family == Family::MobileBert && hidden < embedding)
            .then_some(ConfigProblem::NarrowDecoder { hidden, embedding })
    }
}

impl Activation {
    const NAMED: &'static [(&'static str, Self)] = &[
        ("gelu", Self::Gelu),
        ("gelu_new", Self::GeluTanh),
        ("gelu_pytorch_tanh", Self::GeluTanh),
        ("relu", Self::Relu),
    ];

    /// Hugging Face's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_new",
            Self::Relu => "relu",
        }
    }
}

impl ProblemType {
    const NAMED: &'static [(&'static str, Self)] = &[
        ("regression", Self::Regression),
        ("single_label_classification", Self::SingleLabelClassification),
        ("multi_label_classification", Self::MultiLabelClassification),
    ];

    /// Hugging Face's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::SingleLabelClassification => "single_label_classification",
            Self::MultiLabelClassification => "multi_label_classification",
        }
    }
}

#[cfg(test)]
mod tests;
