//! Several teachers: averaged, held against the first, and refused at their place.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use autodistillation::check::check;
use autodistillation::config::ConfigErrors;
use autodistillation::distill::{DistillOptions, distill};
use autodistillation::experiment::Teaching;
use autodistillation::search::Architecture;
use autodistillation::{Plan, RunEvent};

const STUDENT: &str = "
model: {name: tiny, framework: pytorch}
student: {family: bert, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32}
data: {demo: {name: reviews, train: 300, validation: 60, test: 60, seed: 7}, max_length: 32}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 5}}
";

fn plan(folder: &Path, teacher: &str, seed: u32) -> Result<Plan, ConfigErrors> {
    let criterion = "{KnowledgeDistillationLoss: {loss_types: [CE, KL]}}";
    let train = format!(
        "{{optimizer: {{AdamW: {{learning_rate: 1.0e-3}}}}, batch_size: 16, steps: 20, criterion: {criterion}}}"
    );
    let text = format!("teacher: {teacher}\ndistillation: {{seed: {seed}, train: {train}}}\n{STUDENT}");
    Plan::parse(&text, &folder.join("config.yaml"))
}

fn taught(plan: Plan, output: &Path) {
    let options = DistillOptions {
        architecture: Architecture::default(),
        output: output.to_owned(),
        teaching: Teaching::Distilled,
        cache: None,
    };
    distill(plan, &options, (&|_: &RunEvent| {}, &AtomicBool::new(false))).unwrap();
}

/// Teachers `1/teacher` of width 32 and `2/teacher` of width 24, trained on the same data.
fn teachers(folder: &Path) {
    for (seed, width) in [(1, 32), (2, 24)] {
        let teacher = format!(
            "{{finetune: {{hidden_size: {width}, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 48, steps: 40}}}}"
        );
        taught(plan(folder, &teacher, seed).unwrap(), &folder.join(seed.to_string()));
    }
}

#[test]
fn two_teachers_teach_together_and_have_to_agree_on_labels() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    teachers(folder);
    let both = || plan(folder, "{paths: [1/teacher, 2/teacher]}", 3).unwrap();
    check(both(), None).unwrap();
    taught(both(), &folder.join("student"));
    let single = plan(folder, "{path: 1/teacher}", 3).unwrap();
    taught(single, &folder.join("of-one"));
    let weights = |name: &str| std::fs::read(folder.join(name).join("model.safetensors")).unwrap();
    assert_ne!(weights("student"), weights("of-one"), "the second teacher has a say");

    let config = folder.join("2/teacher/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["id2label"] = serde_json::json!({"0": "good", "1": "bad"});
    json["label2id"] = serde_json::json!({"good": 0, "bad": 1});
    std::fs::write(&config, json.to_string()).unwrap();
    let refused = check(both(), None).unwrap_err().to_string();
    let place = format!("{}:1:30: teacher.paths[1]: ", folder.join("config.yaml").display());
    assert!(refused.starts_with(&place), "{refused}");
    assert!(
        refused.contains("its labels are [good, bad], and those of the first teacher are ["),
        "{refused}"
    );

    std::fs::write(&config, text).unwrap();
    let vocabulary = folder.join("2/teacher/vocab.txt");
    let words = std::fs::read_to_string(&vocabulary).unwrap();
    let mut words: Vec<&str> = words.lines().collect();
    words[5..].reverse();
    std::fs::write(&vocabulary, words.join("\n") + "\n").unwrap();
    let refused = check(both(), None).unwrap_err().to_string();
    assert!(refused.contains("its tokenizer cuts `"), "{refused}");
}

#[test]
fn folders_exist_and_differ() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("a")).unwrap();
    let problem = |teacher: &str| plan(root.path(), teacher, 1).unwrap_err().to_string();
    assert!(problem("{paths: []}").contains("teacher.paths: is empty: give at least one folder"));
    assert!(problem("{paths: [a, a]}").contains("teacher.paths[1]: "), "{}", problem("{paths: [a, a]}"));
    assert!(problem("{paths: [a, b]}").contains("does not exist"));
    assert!(problem("{path: a, paths: [a]}").contains("keep one of them"));
    assert!(problem("{paths: a}").contains("expected a list of folders of fine-tuned networks"));
    let one = plan(root.path(), "{paths: [a]}", 1).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(matches!(one.teacher, autodistillation::plan::TeacherPlan::Folder(_)));
}
