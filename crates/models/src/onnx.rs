//! Networks as ONNX files, for ONNX Runtime and other programs that run them.
//!
//! The graph takes int64 tensors of (batch, length), both free: `input_ids`, `attention_mask` (1 for a token, 0 for
//! padding after the text) and, where the network tells segments apart, `token_type_ids`. It puts out the same as the network
//! itself, under the names of `transformers`: `logits`, (batch, labels) or, for classes of tokens, (batch, length, labels);
//! for answers to questions `start_logits` and `end_logits`, (batch, length); for masked words `logits`, (batch, length,
//! vocabulary), or for those who also say which sentence follows `prediction_logits` of that shape and
//! `seq_relationship_logits`, (batch, 2). The file holds its weights, in f32, each once, and the names of its labels.

mod bert;
mod graph;
mod heads;
mod messages;
mod mobilebert;
mod operators;
mod problem;
mod wire;

#[cfg(any(test, feature = "onnx"))]
mod fields;
#[cfg(any(test, feature = "onnx"))]
mod parse;
#[cfg(any(test, feature = "onnx"))]
mod screening;
#[cfg(feature = "onnx")]
mod session;

use std::path::{Path, PathBuf};

use serde_json::json;

pub use heads::output_names;
pub use problem::OnnxProblem;
#[cfg(feature = "onnx")]
pub use session::{OnnxInputs, OnnxNetwork};

use crate::{Error, Transformer, TransformerConfig, cost, files, weights};
use messages::{Graph, Model};

/// The file's name in a network folder.
pub const ONNX_FILE: &str = "model.onnx";

const INPUT_IDS: &str = "input_ids";
const ATTENTION_MASK: &str = "attention_mask";
const TOKEN_TYPE_IDS: &str = "token_type_ids";

/// The operators' version: the first with layer normalisation (2022), which ONNX Runtime reads from 1.12 on.
const OPSET: i64 = 17;
/// The file format's version that came with it.
const IR_VERSION: i64 = 8;

/// Protocol buffers end at 2 GiB.
const LARGEST: u64 = i32::MAX as u64;
/// Room for all that is no weight.
const GRAPH_BYTES: u64 = 1 << 22;

/// Writes `config.json` and `model.onnx` of a network. The folder is made where it is missing; each file appears whole
/// or not at all.
///
/// # Errors
///
/// A network above 2 GB, a folder or file that cannot be written.
pub fn save_onnx(folder: &Path, network: &Transformer) -> Result<(), Error> {
    let path = folder.join(ONNX_FILE);
    let bytes = to_onnx(&path, network)?;
    crate::folder::save_config(folder, network.config(), crate::Precision::F32)?;
    files::write(&path, &bytes)
}

/// The ONNX file that `path` names: itself, or the one in a folder that has no other weights.
pub fn onnx_file(path: &Path) -> Option<PathBuf> {
    if path.extension().is_some_and(|extension| extension == "onnx") && !path.is_dir() {
        return Some(path.to_owned());
    }
    let file = path.join(ONNX_FILE);
    (file.is_file() && weights::weights_file(path).is_none()).then_some(file)
}

fn to_onnx(path: &Path, network: &Transformer) -> Result<Vec<u8>, Error> {
    let bytes = cost::parameters(network.config()) * size_of::<f32>() as u64;
    if bytes + GRAPH_BYTES > LARGEST {
        return Err(Error::OnnxTooLarge { path: path.to_owned(), megabytes: bytes / 1_000_000 });
    }
    Ok(model(network).to_bytes())
}

fn graph(network: &Transformer) -> Graph {
    let mut graph = match network {
        Transformer::Bert(bert) | Transformer::DistilBert(bert) => bert::graph(bert),
        Transformer::Roberta(bert) | Transformer::Electra(bert) => bert::graph(bert),
        Transformer::MobileBert(mobilebert) => mobilebert::graph(mobilebert),
    };
    network.config().family.model_type().clone_into(&mut graph.name);
    graph
}

fn model(network: &Transformer) -> Model {
    let (graph, config) = (graph(network), network.config());
    Model {
        ir_version: IR_VERSION,
        opset: OPSET,
        producer_name: "autodistillation".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc: description(config),
        graph,
        metadata: metadata(config),
    }
}

fn description(config: &TransformerConfig) -> String {
    let (count, answers) = match config.head.is_language_model() {
        true => (config.vocab_size, "words"),
        false => (config.num_labels(), "labels"),
    };
    format!(
        "{} with {} layers of width {} for {count} {answers}. Inputs are int64 (batch, length), padding stands at the end and \
         has the mask 0; at most {} tokens.",
        config.family,
        config.num_hidden_layers,
        config.hidden_size,
        config.max_length()
    )
}

/// What a program needs to know to use the logits without `config.json`. Language models have no labels.
fn metadata(config: &TransformerConfig) -> Vec<(String, String)> {
    let mut entries = vec![
        ("model_type", config.family.model_type().to_owned()),
        ("architecture", config.family.class_of(config.head)),
        ("max_length", config.max_length().to_string()),
        ("pad_token_id", config.pad_token_id.to_string()),
    ];
    if !config.head.is_language_model() {
        let named = |(id, name): (usize, &String)| (id.to_string(), json!(name));
        let labels: serde_json::Map<_, _> = config.labels.iter().enumerate().map(named).collect();
        entries.push(("problem_type", config.task().name().to_owned()));
        entries.push(("id2label", json!(labels).to_string()));
    }
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
