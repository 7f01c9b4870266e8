//! Classes of words, from CoNLL files to students that tag words.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::path::Path;

use autodistillation::data::TextColumns;
use autodistillation::inference::{self, EvaluateOptions};
use autodistillation::models::{Head, TransformerConfig};
use autodistillation::plan::LatencyPlan;
use autodistillation::run::RunResult;
use support::run_config;

const NAMES: [&str; 4] = ["ada", "grace", "alan", "barbara"];
const SURNAMES: [&str; 4] = ["lovelace", "hopper", "turing", "liskov"];
const CITIES: [&str; 4] = ["london", "york", "paris", "boston"];
const FILLERS: [&str; 6] = ["the", "old", "house", "near", "saw", "in"];

const CONFIG: &str = "
model: {name: names}
teacher: {finetune: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, steps: 400, learning_rate: 2.0e-3}}
student: {family: distilbert, num_hidden_layers: 1}
data: {train: train.conll, validation: validation.conll, text: '0', label: '1', max_length: 24}
auto_distillation:
  search:
    search_space: {hidden_size: [16, 24], num_attention_heads: [2], intermediate_size: [32]}
    search_algorithm: BO
    metrics: [f1, parameters]
    max_trials: 2
    seed: 42
  flash_distillation:
    regular_distillation: {layer_mappings_for_knowledge_transfer: [[[classifier, '0', classifier, '0']]], loss_types: [[KL]], add_origin_loss: [true], temperature: [2.0], train_steps: [300]}
train: {optimizer: {AdamW: {learning_rate: 3.0e-3}}, batch_size: 16}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 5}}
";

/// Sentences in which people and cities are tagged; `york` is a city alone and a person's surname after a first name.
fn sentences(from: usize, count: usize) -> String {
    let mut text = String::new();
    for number in from..from + count {
        let pick = |of: &[&'static str], salt: usize| of[(number * 7 + salt * 5 + number / 13) % of.len()];
        let mut words = vec![(pick(&FILLERS, 0), "O")];
        if number % 3 > 0 {
            let surname = if number % 5 == 0 { "york" } else { pick(&SURNAMES, 3) };
            words.extend([(pick(&NAMES, 1), "B-PER"), (surname, "I-PER"), (pick(&FILLERS, 2), "O")]);
        }
        if number % 2 == 0 {
            words.extend([("in", "O"), (pick(&CITIES, 4), "B-LOC")]);
        }
        words.iter().for_each(|(word, tag)| writeln!(text, "{word} {tag}").unwrap());
        text.push('\n');
    }
    text
}

fn finish(folder: &Path, config: &str) -> Result<RunResult, autodistillation::Error> {
    std::fs::write(folder.join("train.conll"), sentences(0, 600)).unwrap();
    std::fs::write(folder.join("validation.conll"), sentences(600, 120)).unwrap();
    run_config(folder, config)
}

#[test]
fn students_tag_words() {
    let folder = tempfile::tempdir().unwrap();
    let result = finish(folder.path(), CONFIG).unwrap();
    let best = result.summary.study.completed().filter_map(|trial| trial.metrics()?.get("f1"));
    let best = best.fold(0.0, f64::max);
    assert!(best > 0.95, "F1 of entities {best}");
    assert_eq!(result.summary.dataset.task, "token-classification");
    let student = folder.path().join("run/trials/0000/student");
    let config = TransformerConfig::from_folder(&student).unwrap();
    assert_eq!(config.head, Head::TokenClassifier);
    assert_eq!(config.to_json()["architectures"][0], "DistilBertForTokenClassification");

    let lines = ["near ada lovelace old in paris", "the house"].map(str::to_owned);
    let answers = inference::predict(&student, &lines).unwrap();
    let tags: Vec<&str> = answers.iter().map(|answer| answer.label.as_str()).collect();
    assert_eq!(tags, ["O B-PER I-PER O O B-LOC", "O O"]);
    assert!(inference::predict(&student, &[]).unwrap().is_empty());

    let evaluated = inference::evaluate(&EvaluateOptions {
        network: student,
        data: folder.path().join("validation.conll"),
        columns: TextColumns::plain("0", Some("1")),
        max_length: 24,
        latency: LatencyPlan { batch_size: 1, length: 8, threads: 1, repeats: 5 },
    });
    let evaluated = evaluated.unwrap();
    let measured = result.summary.study.trials[0].metrics().unwrap();
    for metric in ["accuracy", "f1", "loss"] {
        assert_eq!(evaluated[metric].as_f64(), measured.get(metric), "{metric}");
    }
}

#[test]
fn metrics_of_single_classes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        CONFIG.replace("[f1, parameters]", "[matthews, parameters]").replace("steps: 400", "steps: 1");
    let error = finish(folder.path(), &config).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("`matthews` does not exist for this task (token classification)"), "{error}");
}

#[test]
fn students_that_tag_words_are_left_for_tensorflow_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = CONFIG
        .replace("{name: names}", "{name: names, framework: tensorflow}")
        .replace("steps: 400", "steps: 2")
        .replace("train_steps: [300]", "train_steps: [2]");
    finish(folder.path(), &config).unwrap();
    let student = folder.path().join("run/trials/0000/student");
    assert!(student.join("tf_model.h5").is_file());
    assert!(!inference::predict(&student, &["near ada".to_owned()]).unwrap()[0].label.is_empty());
}
