//! Questions about texts, from SQuAD files to students that answer them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use autodistillation::Plan;
use autodistillation::data::TextColumns;
use autodistillation::inference::{self, EvaluateOptions};
use autodistillation::models::{Head, TransformerConfig};
use autodistillation::plan::LatencyPlan;
use autodistillation::run::RunResult;
use serde_json::json;
use support::run_config;

const CONFIG: &str = "
model: {name: answers}
teacher: {finetune: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, initializer_range: 0.1, steps: 400, learning_rate: 3.0e-3}}
student: {family: distilbert, num_hidden_layers: 1}
data: {train: train.json, validation: validation.json, max_length: 24}
auto_distillation:
  search:
    search_space: {hidden_size: [16, 24], num_attention_heads: [2], intermediate_size: [32]}
    search_algorithm: BO
    metrics: [f1, parameters]
    max_trials: 2
    seed: 42
  flash_distillation:
    regular_distillation: {layer_mappings_for_knowledge_transfer: [[[qa_outputs, '0', qa_outputs, '0']]], loss_types: [[KL]], add_origin_loss: [true], temperature: [2.0], train_steps: [400]}
train: {optimizer: {AdamW: {learning_rate: 3.0e-3}}, batch_size: 16}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 5}}
";

const NAMES: [&str; 5] = ["ada", "grace", "alan", "barbara", "edsger"];
const CITIES: [&str; 5] = ["london", "york", "paris", "boston", "rotterdam"];

/// A file of texts with two questions each; one text in ten says nothing of the place, and long ones fill two windows.
fn squad(from: usize, count: usize) -> String {
    let paragraph = |number: usize| {
        let pick = |of: &[&'static str; 5], salt: usize| of[(number * 7 + salt + number / 5) % 5];
        let (name, city) = (pick(&NAMES, 0), pick(&CITIES, number / 25));
        let filler = "nobody knows why . ".repeat(if number.is_multiple_of(4) { 5 } else { 1 });
        let told = !number.is_multiple_of(10);
        let rest = if told { format!("she lives in {city} .") } else { "she is away .".to_owned() };
        let context = format!("{name} is here . {filler}{rest}");
        let answer = |text: &str| json!([{"text": text, "answer_start": context.find(text)}]);
        json!({"context": context, "qas": [
            {"id": format!("{number}a"), "question": "who is here ?", "answers": answer(name)},
            {"id": format!("{number}b"), "question": "where does she live ?", "is_impossible": !told,
             "answers": if told { answer(city) } else { json!([]) }},
        ]})
    };
    let paragraphs: Vec<_> = (from..from + count).map(paragraph).collect();
    json!({"version": "v2.0", "data": [{"title": "people", "paragraphs": paragraphs}]}).to_string()
}

fn finish(folder: &Path, config: &str) -> Result<RunResult, autodistillation::Error> {
    std::fs::write(folder.join("train.json"), squad(0, 400)).unwrap();
    std::fs::write(folder.join("validation.json"), squad(400, 60)).unwrap();
    run_config(folder, config)
}

#[test]
fn students_answer_questions() {
    let folder = tempfile::tempdir().unwrap();
    let result = finish(folder.path(), CONFIG).unwrap();
    let study = &result.summary.study;
    let best = study.completed().filter_map(|trial| trial.metrics()?.get("f1")).fold(0.0, f64::max);
    assert!(best > 0.9, "F1 of answers {best}");
    assert_eq!(result.summary.dataset.task, "question-answering");
    let student = folder.path().join("run/trials/0000/student");
    let config = TransformerConfig::from_folder(&student).unwrap();
    assert_eq!(config.head, Head::QuestionAnswering);
    assert_eq!(config.to_json()["architectures"][0], "DistilBertForQuestionAnswering");

    let text = "grace is here . nobody knows why . she lives in paris .";
    let lines = ["who is here ?", "where does she live ?"].map(|question| format!("{question}\t{text}"));
    let answers = inference::predict(&student, &lines).unwrap();
    let said: Vec<&str> = answers.iter().map(|answer| answer.label.as_str()).collect();
    assert_eq!(said, ["grace", "paris"]);
    assert!(answers[0].probabilities["grace"].as_f64().is_some_and(|share| share > 0.3));
    assert!(inference::predict(&student, &[]).unwrap().is_empty());
    let error = inference::predict(&student, &["who ?".to_owned()]).unwrap_err().to_string();
    assert!(error.starts_with("line 1 has no tab"), "{error}");

    let evaluated = inference::evaluate(&EvaluateOptions {
        network: student,
        data: folder.path().join("validation.json"),
        columns: TextColumns::plain("", None),
        max_length: 24,
        latency: LatencyPlan { batch_size: 1, length: 8, threads: 1, repeats: 5 },
    });
    let evaluated = evaluated.unwrap();
    let measured = study.trials[0].metrics().unwrap();
    for metric in ["exact_match", "f1", "loss"] {
        assert_eq!(evaluated[metric].as_f64(), measured.get(metric), "{metric}");
    }
}

#[test]
fn metrics_of_classes_and_columns_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        CONFIG.replace("[f1, parameters]", "[matthews, parameters]").replace("steps: 400", "steps: 1");
    let error = finish(folder.path(), &config).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("`matthews`") && error.contains("exact_match"), "{error}");
    let config = CONFIG.replace("max_length: 24}", "max_length: 24, text: question}");
    let error = Plan::parse(&config, &folder.path().join("config.yaml")).unwrap_err().to_string();
    assert!(error.contains("SQuAD's layout (.json) have no columns"), "{error}");
}

#[test]
fn tables_with_answers_in_a_column_ask_questions_too() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..40)
        .map(|number| {
            let (name, city) = (NAMES[number % 5], CITIES[(number / 5) % 5]);
            let context = format!("{name} lives in {city} .");
            let answers = json!({"text": [city], "answer_start": [context.find(city)]});
            json!({"question": "where ?", "context": context, "answers": answers}).to_string() + "\n"
        })
        .collect();
    std::fs::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let config = CONFIG
        .replace(
            "train: train.json, validation: validation.json",
            "train: rows.jsonl, validation: rows.jsonl, text: question, text_pair: context, label: answers",
        )
        .replace("steps: 400", "steps: 2")
        .replace("train_steps: [400]", "train_steps: [2]");
    let result = finish(folder.path(), &config).unwrap();
    assert!(result.summary.study.trials[0].metrics().unwrap().get("exact_match").is_some());
}
