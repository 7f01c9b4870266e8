//! Any number of labels at once, from a file with a separator to students that transformers reads as such.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::path::Path;

use autodistillation::data::TextColumns;
use autodistillation::inference::{self, EvaluateOptions};
use autodistillation::plan::LatencyPlan;
use autodistillation::run::RunResult;
use serde_json::Value;
use support::run_config;

const TOPICS: [(&str, [&str; 3]); 3] = [
    ("food", ["soup", "bread", "cheese"]),
    ("music", ["violin", "song", "choir"]),
    ("travel", ["train", "harbour", "passport"]),
];
const FILLERS: [&str; 6] = ["the", "a", "near", "with", "old", "and"];

const CONFIG: &str = "
model: {name: topics}
teacher: {finetune: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, steps: 600, learning_rate: 2.0e-3}}
student: {family: bert, num_hidden_layers: 1}
data: {train: train.tsv, validation: validation.tsv, text: text, label: topics, label_separator: '|', max_length: 24}
auto_distillation:
  search:
    search_space: {hidden_size: [16, 24], num_attention_heads: [2], intermediate_size: [32]}
    search_algorithm: BO
    metrics: [micro_f1, parameters]
    max_trials: 2
    seed: 42
  flash_distillation:
    regular_distillation: {layer_mappings_for_knowledge_transfer: [[[classifier, '0', classifier, '0']]], loss_types: [[KL]], add_origin_loss: [true], temperature: [2.0], train_steps: [200]}
train: {optimizer: {AdamW: {learning_rate: 2.0e-3}}, batch_size: 16}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 5}}
";

/// Sentences whose topics follow from their words; some have none.
fn sentences(from: usize, count: usize) -> String {
    let mut text = "text\ttopics\n".to_owned();
    for number in from..from + count {
        let chosen = |topic: usize| number >> topic & 1 == 1;
        let word = |topic: usize| TOPICS[topic].1[(number / 8 + topic) % 3];
        let filler = |place: usize| FILLERS[(number * 7 + place * 5 + number / 11) % FILLERS.len()];
        let mut words = vec![filler(0), filler(1)];
        for topic in (0..3).filter(|&topic| chosen(topic)) {
            words.extend([word(topic), filler(topic + 2)]);
        }
        let topics: Vec<&str> = (0..3).filter(|&topic| chosen(topic)).map(|topic| TOPICS[topic].0).collect();
        writeln!(text, "{}\t{}", words.join(" "), topics.join("|")).unwrap();
    }
    text
}

fn finish(folder: &Path, config: &str) -> Result<RunResult, autodistillation::Error> {
    std::fs::write(folder.join("train.tsv"), sentences(0, 600)).unwrap();
    std::fs::write(folder.join("validation.tsv"), sentences(600, 120)).unwrap();
    run_config(folder, config)
}

fn config_of(network: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(network.join("config.json")).unwrap()).unwrap()
}

#[test]
fn students_say_which_labels_apply() {
    let folder = tempfile::tempdir().unwrap();
    let result = finish(folder.path(), CONFIG).unwrap();
    let best = result.summary.study.completed().filter_map(|trial| trial.metrics()?.get("micro_f1"));
    let best = best.fold(0.0, f64::max);
    assert!(best > 0.95, "micro F1 {best}; a network that says yes to everything reaches 0.67");
    let student = folder.path().join("run/trials/0000/student");
    assert_eq!(config_of(&student)["problem_type"], "multi_label_classification");
    assert_eq!(config_of(&student)["id2label"]["2"], "travel");

    let lines = ["the old bread and the choir", "a passport", "near old"].map(str::to_owned);
    let answers = inference::predict(&student, &lines).unwrap();
    let labels: Vec<&str> = answers.iter().map(|answer| answer.label.as_str()).collect();
    assert_eq!(labels, ["food, music", "travel", ""]);

    let columns =
        TextColumns { label_separator: Some("|".to_owned()), ..TextColumns::plain("text", Some("topics")) };
    let evaluated = inference::evaluate(&EvaluateOptions {
        network: student,
        data: folder.path().join("validation.tsv"),
        columns,
        max_length: 24,
        latency: LatencyPlan { batch_size: 1, length: 8, threads: 1, repeats: 5 },
    });
    let evaluated = evaluated.unwrap();
    let measured = result.summary.study.trials[0].metrics().unwrap();
    for metric in ["accuracy", "f1", "micro_f1", "loss"] {
        assert_eq!(evaluated[metric].as_f64(), measured.get(metric), "{metric}");
    }
}

#[test]
fn metrics_of_single_classes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        CONFIG.replace("[micro_f1, parameters]", "[matthews, parameters]").replace("steps: 600", "steps: 1");
    let error = finish(folder.path(), &config).map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("`matthews` does not exist for this task (multi-label classification)"),
        "{error}"
    );
}
