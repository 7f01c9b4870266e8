//! A teacher that the run trains itself, from a random start on the task's own data.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use autodistillation_models::{Tokenizer, Transformer, TransformerConfig};
use burn::tensor::Device;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::data::demo;
use crate::event::{RunEvent, RunListener};
use crate::files::{write, write_json};
use crate::finetune::{Lesson, fine_tune};
use crate::materials::Tables;
use crate::plan::{Plan, TeacherPlan};
use crate::task::DataTask;

/// The folder of the teacher that `plan` wants trained, trained now unless an earlier run has done it; `None` when
/// the plan names a folder.
///
/// # Errors
///
/// Data that cannot be used, sizes that cannot be, or a stop.
pub fn trained_teacher(
    plan: &Plan,
    output: &Path,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<Option<PathBuf>, Error> {
    let TeacherPlan::FineTuned { architecture, steps, learning_rate } = &plan.teacher else {
        return Ok(None);
    };
    let folder = output.join("teacher");
    if folder.join("model.safetensors").is_file() {
        return Ok(Some(folder));
    }
    listener.hear(&RunEvent::Phase("training the teacher".into()));
    let tables = Tables::read(&plan.data)?;
    let task = tables.task()?;
    if task == DataTask::PlainText {
        let note = "the data has no labels: the teacher becomes a language model; for another task name `data.label`";
        listener.hear(&RunEvent::Note(note.to_owned()));
    }
    write_tokenizer(&folder, &vocabulary(&tables))?;
    let tokenizer = Tokenizer::from_folder(&folder)?;
    let config = config(architecture, &tokenizer, (task, plan.data.max_length))?;
    let network = Transformer::random(config, plan.seed, &Device::flex());
    let lesson = Lesson {
        steps: *steps,
        learning_rate: *learning_rate,
        training: &plan.training,
        seed: plan.seed,
        batch_size: plan.evaluation.batch_size,
    };
    let network = fine_tune(network, (&tables, &tokenizer, plan.data.max_length), &lesson, (listener, stop))?;
    autodistillation_models::save(&folder, &network, autodistillation_models::Precision::F32)?;
    Ok(Some(folder))
}

/// The generator's words, or every word of the training texts.
fn vocabulary(tables: &Tables) -> Vec<String> {
    if tables.classes.is_some() {
        return demo::vocabulary();
    }
    let records = &tables.training.records;
    let texts = records.iter().flat_map(|record| [Some(&record.text), record.pair.as_ref()]).flatten();
    let words: BTreeSet<String> =
        texts.flat_map(|text| text.split_whitespace().map(str::to_lowercase)).collect();
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    special.into_iter().chain(words).collect()
}

fn write_tokenizer(folder: &Path, vocabulary: &[String]) -> Result<(), Error> {
    let settings =
        json!({"tokenizer_class": "BertTokenizer", "do_lower_case": true, "model_max_length": 512});
    write_json(&folder.join("tokenizer_config.json"), &settings)?;
    write(&folder.join("vocab.txt"), (vocabulary.join("\n") + "\n").as_bytes())
}

fn config(
    architecture: &Map<String, Value>,
    tokenizer: &Tokenizer,
    (task, length): (DataTask, usize),
) -> Result<TransformerConfig, Error> {
    let mut json = json!({
        "model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_act": "gelu",
        "vocab_size": tokenizer.vocabulary_size(), "max_position_embeddings": length, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1, "pad_token_id": tokenizer.padding_id(),
    });
    for (name, value) in architecture {
        json[name.as_str()] = value.clone();
    }
    let config = TransformerConfig::from_json(&json)
        .map_err(|problems| autodistillation_models::Error::Architecture { problems })?;
    task.give(config)
}
