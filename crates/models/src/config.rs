//! The sizes and settings of a BERT network, read from and written as a Hugging Face `config.json`.

mod labels;
mod problem;
mod reader;

use std::path::Path;

use serde_json::{Map, Value, json};

pub use problem::ConfigProblem;

use crate::error::{Error, Problems};
use crate::files;
use reader::Reader;

/// Far more layers than any encoder has; guards against allocating for a corrupt count.
const MOST_LAYERS: usize = 1000;

/// A validated BERT configuration; the fields have Hugging Face's names and meanings.
///
/// It comes from [`BertConfig::from_json`], which checks every field against the others.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BertConfig {
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they divide the width.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// The longest input, in tokens.
    pub max_position_embeddings: usize,
    /// Kinds of segments.
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
    /// Names of the classes by id; one label means regression unless `problem_type` says otherwise.
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

/// The `architectures` whose encoder can be loaded.
pub const SUPPORTED_ARCHITECTURES: [&str; 4] =
    ["BertForSequenceClassification", "BertModel", "BertForPreTraining", "BertForMaskedLM"];

impl BertConfig {
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
        reader.refuse_other_networks();
        let config = Self::read(&mut reader);
        let problems = reader.finish();
        // Sizes that could not be read hold a placeholder, so they are compared only when all were readable.
        let problems = if problems.is_empty() { config.contradictions() } else { problems };
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    /// Reads the `config.json` of a network folder, or the `bert_config.json` of one of Google's.
    ///
    /// # Errors
    ///
    /// An unreadable file, broken JSON, or the problems of [`BertConfig::from_json`].
    pub fn from_folder(folder: &Path) -> Result<Self, Error> {
        let path = files::config(folder);
        let value = files::read_json(&path)?;
        Self::from_json(&value).map_err(|problems| Error::Config { path, problems })
    }

    /// The stock Hugging Face config of this network as `BertForSequenceClassification`, keys sorted.
    pub fn to_json(&self) -> Value {
        let mut object = self.extra.clone();
        object.extend([
            ("architectures".to_owned(), json!([SUPPORTED_ARCHITECTURES[0]])),
            ("model_type".to_owned(), json!("bert")),
            ("hidden_size".to_owned(), json!(self.hidden_size)),
            ("num_hidden_layers".to_owned(), json!(self.num_hidden_layers)),
            ("num_attention_heads".to_owned(), json!(self.num_attention_heads)),
            ("intermediate_size".to_owned(), json!(self.intermediate_size)),
            ("vocab_size".to_owned(), json!(self.vocab_size)),
            ("max_position_embeddings".to_owned(), json!(self.max_position_embeddings)),
            ("type_vocab_size".to_owned(), json!(self.type_vocab_size)),
            ("hidden_act".to_owned(), json!(self.hidden_act.name())),
            ("hidden_dropout_prob".to_owned(), json!(self.hidden_dropout_prob)),
            ("attention_probs_dropout_prob".to_owned(), json!(self.attention_probs_dropout_prob)),
            ("classifier_dropout".to_owned(), json!(self.classifier_dropout)),
            ("layer_norm_eps".to_owned(), json!(self.layer_norm_eps)),
            ("initializer_range".to_owned(), json!(self.initializer_range)),
            ("pad_token_id".to_owned(), json!(self.pad_token_id)),
            ("position_embedding_type".to_owned(), json!("absolute")),
            ("is_decoder".to_owned(), json!(false)),
            ("add_cross_attention".to_owned(), json!(false)),
            ("problem_type".to_owned(), json!(self.task().name())),
            ("id2label".to_owned(), labels::id2label(&self.labels)),
            ("label2id".to_owned(), labels::label2id(&self.labels)),
        ]);
        object.sort_keys();
        Value::Object(object)
    }

    /// The same network with another head: one output per label.
    ///
    /// # Errors
    ///
    /// No label, or the same label twice.
    pub fn with_labels(self, labels: Vec<String>, problem_type: ProblemType) -> Result<Self, Error> {
        let config = Self { labels, problem_type: Some(problem_type), ..self };
        match config.contradictions() {
            problems if problems.is_empty() => Ok(config),
            problems => Err(Error::Architecture { problems: Problems(problems) }),
        }
    }

    /// Outputs of the head.
    pub fn num_labels(&self) -> usize {
        self.labels.len()
    }

    /// Width of one attention head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Dropout before the classifier.
    pub fn head_dropout(&self) -> f64 {
        self.classifier_dropout.unwrap_or(self.hidden_dropout_prob)
    }

    /// What the head predicts: as stated, else regression for one label and classification for more.
    pub fn task(&self) -> ProblemType {
        self.problem_type.unwrap_or(match self.labels.len() {
            1 => ProblemType::Regression,
            _ => ProblemType::SingleLabelClassification,
        })
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            hidden_size: reader.size("hidden_size"),
            num_hidden_layers: reader.size("num_hidden_layers"),
            num_attention_heads: reader.size("num_attention_heads"),
            intermediate_size: reader.size("intermediate_size"),
            vocab_size: reader.size("vocab_size"),
            max_position_embeddings: reader.size("max_position_embeddings"),
            type_vocab_size: reader.size("type_vocab_size"),
            hidden_act: reader.choice("hidden_act", Activation::NAMED).unwrap_or(Activation::Gelu),
            hidden_dropout_prob: reader.probability("hidden_dropout_prob").unwrap_or(0.1),
            attention_probs_dropout_prob: reader.probability("attention_probs_dropout_prob").unwrap_or(0.1),
            classifier_dropout: reader.probability("classifier_dropout"),
            layer_norm_eps: reader.positive("layer_norm_eps").unwrap_or(1e-12),
            initializer_range: reader.positive("initializer_range").unwrap_or(0.02),
            pad_token_id: reader.whole("pad_token_id").unwrap_or(0),
            labels: reader.labels(),
            problem_type: reader.choice("problem_type", ProblemType::NAMED),
            extra: reader.others(),
        }
    }

    /// Values that are fine alone and not together.
    fn contradictions(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if self.num_hidden_layers > MOST_LAYERS {
            problems.push(ConfigProblem::TooManyLayers { layers: self.num_hidden_layers, most: MOST_LAYERS });
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            problems.push(ConfigProblem::HeadsDoNotDivide {
                hidden: self.hidden_size,
                heads: self.num_attention_heads,
            });
        }
        if self.pad_token_id >= self.vocab_size {
            problems.push(ConfigProblem::PaddingOutsideVocabulary {
                id: self.pad_token_id,
                vocabulary: self.vocab_size,
            });
        }
        problems.extend(labels::contradictions(&self.labels));
        problems
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
