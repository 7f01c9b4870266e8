//! `evaluate` and `predict`: a network folder or an ONNX file on a data file, or on lines of text.

mod answers;
#[cfg(feature = "onnx")]
mod onnx;
mod subject;
mod words;

use std::path::{Path, PathBuf};

use autodistillation_distillation::evaluation::{probabilities, probability};
use autodistillation_distillation::metrics::{Metric, applies, argmax};
use autodistillation_distillation::{Example, ExampleSet, Target};
use autodistillation_models::TransformerConfig;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::data::{LabelEncoding, Table, TextColumns};
use crate::example_sets::{Encoder, Part};
use crate::materials::labels;
use crate::plan::{LatencyPlan, TextForm};
use crate::task::Task;
use subject::Subject;

/// What `evaluate` is asked to do.
#[derive(Clone, Debug)]
pub struct EvaluateOptions {
    /// The network's folder, or an ONNX file.
    pub network: PathBuf,
    /// The data file.
    pub data: PathBuf,
    /// The columns.
    pub columns: TextColumns,
    /// Longest example in tokens.
    pub max_length: usize,
    /// How latency is measured.
    pub latency: LatencyPlan,
}

/// Exact metrics over the file and the latency: `{"accuracy": …, "loss": …, "latency": {…}, "examples": n}`.
///
/// # Errors
///
/// An unusable network or file.
pub fn evaluate(options: &EvaluateOptions) -> Result<Map<String, Value>, Error> {
    let subject = Subject::load(&options.network)?;
    let (config, tokenizer) = (&subject.config, &subject.tokenizer);
    let labels = labels(config)?;
    let columns = match &labels {
        LabelEncoding::MaskedText { .. } => TextColumns::plain(&options.columns.text, None),
        _ => options.columns.clone(),
    };
    let table = Table::read(&options.data, &columns)?;
    let max_length = options.max_length.min(config.max_length());
    let encoder = Encoder { tokenizer, labels: &labels, form: TextForm::Words, max_length };
    let set = encoder.examples(&table, Part::Validation)?;
    let evaluation = subject.answers(&set)?.named(&config.labels);
    let mut result = Map::new();
    for metric in Metric::ALL {
        if let Some(value) = metric.of(&evaluation) {
            result.insert(metric.name().to_owned(), json!(value));
        }
    }
    let latency = subject.latency(&options.latency)?;
    let latency = json!({"p50_ms": latency.p50, "p90_ms": latency.p90, "p99_ms": latency.p99});
    result.insert("latency".to_owned(), latency);
    result.insert("examples".to_owned(), json!(set.len()));
    for (name, value) in subject.costs(options.latency.length) {
        result.insert(name.to_owned(), json!(value));
    }
    Ok(result)
}

/// The answer to one line of text.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// The likeliest class; the value for regression; the labels that apply, joined by `, `, where any number does; the
    /// class of each word, or the likeliest word for each mask, with spaces between them; the answer to a question.
    pub label: String,
    /// Probability by class, which sum to 1 unless any number of labels applies; empty for regression and for classes of
    /// words; the likeliest words for the first mask; the answer to a question alone.
    pub probabilities: Map<String, Value>,
    /// The raw outputs, those of a text's tokens one after another; empty for masks, which have one for every word, and for
    /// questions.
    pub logits: Vec<f32>,
}

/// Answers for every line; a tab separates the two texts of a pair, and a question from its text.
///
/// # Errors
///
/// An unusable network, a line that cannot be tokenised, or one without a mask where masks are filled.
pub fn predict(network: &Path, lines: &[String]) -> Result<Vec<Prediction>, Error> {
    let subject = Subject::load(network)?;
    let (config, tokenizer) = (&subject.config, &subject.tokenizer);
    let longest = config.max_length().min(512);
    match Task::of(config) {
        Task::WordClasses => return words::tagged(&subject, lines, longest),
        Task::Answers => return answers::answered(&subject, lines, longest),
        Task::MaskedWords | Task::Pretraining => return words::filled(&subject, lines, longest),
        Task::Values | Task::Classes | Task::Labels => {}
    }
    let mut examples = Vec::with_capacity(lines.len());
    for line in lines {
        let (text, pair) =
            line.split_once('\t').map_or((line.as_str(), None), |(text, pair)| (text, Some(pair)));
        let encoded = tokenizer.encode(text, pair, longest)?;
        examples.push(Example { ids: encoded.ids, token_types: encoded.token_types, target: Target::Absent });
    }
    if examples.is_empty() {
        return Ok(Vec::new());
    }
    let set = ExampleSet::new(examples, tokenizer.padding_id());
    let evaluation = subject.answers(&set)?;
    Ok(evaluation.logits.into_iter().map(|logits| prediction(logits, config)).collect())
}

fn prediction(logits: Vec<f32>, config: &TransformerConfig) -> Prediction {
    let task = Task::of(config);
    if task == Task::Values {
        let value = logits.first().copied().unwrap_or(f32::NAN);
        return Prediction { label: value.to_string(), probabilities: Map::new(), logits };
    }
    let several = task == Task::Labels;
    let shares = match several {
        true => logits.iter().map(|&logit| probability(logit)).collect(),
        false => probabilities(&logits),
    };
    let probabilities =
        config.labels.iter().cloned().zip(shares.into_iter().map(|share| json!(share))).collect();
    let label = match several {
        true => applying(&logits, &config.labels),
        false => config.labels.get(argmax(&logits)).cloned().unwrap_or_default(),
    };
    Prediction { label, probabilities, logits }
}

/// The labels whose probability is at least one half.
fn applying(logits: &[f32], labels: &[String]) -> String {
    let chosen = logits.iter().zip(labels).filter(|(logit, _)| applies(**logit));
    chosen.map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(", ")
}
