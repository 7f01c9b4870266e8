//! Networks of other families than BERT, and in other formats than safetensors, in and out.

use std::path::Path;

use serde_json::Value;

use crate::workplace::Workplace;

const RUN: [&str; 7] = ["run", "config.yaml", "--output", "out", "--jobs", "1", "--quiet"];

fn accuracy(workplace: &Workplace, folder: &str) -> Value {
    workplace.succeed(&["evaluate", folder, "--data", "dev.tsv", "--json"]).json()["accuracy"].clone()
}

fn measured(workplace: &Workplace, trial: u32) -> Value {
    let text = workplace.read(&format!("out/trials/{trial:04}/metrics.json"));
    serde_json::from_str::<Value>(&text).unwrap()["accuracy"].clone()
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/fixtures/formats").join(name)
}

#[test]
fn students_for_tensorflow_hold_its_weights() {
    let workplace = Workplace::new();
    workplace.edit("config.yaml", "framework: pytorch", "framework: tensorflow");
    workplace.succeed(&RUN);
    let student = workplace.path("out/trials/0001/student");
    assert!(student.join("tf_model.h5").is_file() && !student.join("model.safetensors").exists());
    assert_eq!(accuracy(&workplace, "out/trials/0001/student"), measured(&workplace, 1));
    workplace.succeed(&["export", "out", "--trial", "1", "--to", "torch"]);
    workplace.succeed(&["export", "out", "--trial", "1", "--to", "tensorflow", "--format", "tf"]);
    assert!(workplace.path("torch/model.safetensors").is_file());
    assert!(!workplace.path("torch/tf_model.h5").exists());
    assert_eq!(accuracy(&workplace, "torch"), measured(&workplace, 1));
    assert!(workplace.read("torch/README.md").contains(" AutoModelForSequenceClassification"));
    assert!(workplace.read("tensorflow/README.md").contains(" TFAutoModelForSequenceClassification"));
}

#[test]
fn a_student_is_exported_for_tensorflow() {
    let workplace = Workplace::new();
    workplace.succeed(&RUN);
    let export = ["export", "out", "--trial", "1", "--to", "tensorflow", "--format", "tf"];
    workplace.refuse(&[&export[..], &["--precision", "f16"]].concat(), &["stores f32", "--format hf"]);
    workplace.succeed(&export);
    assert!(workplace.path("tensorflow/tf_model.h5").is_file());
    assert!(!workplace.path("tensorflow/model.safetensors").exists());
    assert_eq!(accuracy(&workplace, "tensorflow"), measured(&workplace, 1));
}

#[test]
fn a_checkpoint_that_asks_to_run_something_is_refused() {
    let workplace = Workplace::new();
    std::fs::remove_file(workplace.path("teacher/model.safetensors")).unwrap();
    workplace.write("teacher/pytorch_model.bin", b"\x80\x02cos\nsystem\nX\x0a\0\0\0touch owned\x85R.");
    let fragments = ["teacher/pytorch_model.bin", "refused: it asks to call `os.system`", "safetensors"];
    workplace.refuse(&["evaluate", "teacher", "--data", "dev.tsv"], &fragments);
    workplace.refuse(&["check", "config.yaml"], &fragments);
    assert!(!workplace.path("owned").exists());
}

#[test]
fn googles_folder_is_an_encoder_to_finetune() {
    let workplace = Workplace::new();
    for file in ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001", "vocab.txt"] {
        workplace.write(&format!("google/{file}"), std::fs::read(fixture("google").join(file)).unwrap());
    }
    let config = std::fs::read_to_string(fixture("google").join("bert_config.json")).unwrap();
    workplace.write("google/bert_config.json", config.replacen('{', "{\"num_labels\": 3,", 1));
    workplace.succeed(&["finetune", "config.yaml", "--from", "google", "--output", "tuned", "--quiet"]);
    let config: Value = serde_json::from_str(&workplace.read("tuned/config.json")).unwrap();
    assert_eq!((&config["model_type"], config["id2label"].as_object().unwrap().len()), (&"bert".into(), 4));
    assert!(workplace.path("tuned/model.safetensors").is_file());
}

#[test]
fn finetune_makes_the_teacher_that_the_config_names() {
    let workplace = Workplace::new();
    workplace.edit("config.yaml", "teacher: {path: teacher}", "teacher: {path: mine}");
    workplace.refuse(&["check", "config.yaml"], &["teacher.path: folder `mine` does not exist"]);
    workplace.succeed(&["finetune", "config.yaml", "--from", "teacher", "--output", "mine", "--quiet"]);
    workplace.succeed(&["check", "config.yaml"]);
}

#[test]
fn finetune_takes_numbers_with_fractions_as_values() {
    let workplace = Workplace::new();
    let rows = |shift: f64| -> String {
        let row = |place: usize| {
            format!("a {} film\t{}\n", ["warm", "dull"][place % 2], place as f64 / 4.0 + shift)
        };
        format!("text\tlabel\n{}", (0..8).map(row).collect::<String>())
    };
    workplace.write("train.tsv", rows(0.5));
    workplace.write("dev.tsv", rows(0.25));
    let said = workplace.succeed(&["finetune", "config.yaml", "--from", "teacher", "--output", "valued"]);
    assert!(said.stderr.contains("labels are taken as values"), "{}", said.stderr);
    let config: Value = serde_json::from_str(&workplace.read("valued/config.json")).unwrap();
    assert_eq!(config["problem_type"], "regression");
    assert!(said.stdout.contains("pearson"), "{}", said.stdout);
}

#[test]
fn a_bert_teaches_students_of_every_family() {
    for family in ["distilbert", "roberta", "electra", "mobilebert"] {
        let workplace = Workplace::new();
        let sizes = match family {
            "mobilebert" => {
                ", intra_bottleneck_size: 8, num_feedforward_networks: 1, embedding_size: 8, use_bottleneck: true"
            }
            _ => "",
        };
        let student = format!("{{family: {family}, num_hidden_layers: 1{sizes}");
        workplace.edit("config.yaml", "{family: bert, num_hidden_layers: 1", &student);
        workplace.succeed(&RUN);
        let config: Value =
            serde_json::from_str(&workplace.read("out/trials/0001/student/config.json")).unwrap();
        assert_eq!(config["model_type"], family);
        assert_eq!(accuracy(&workplace, "out/trials/0001/student"), measured(&workplace, 1), "{family}");
        workplace.succeed(&["export", "out", "--trial", "1", "--to", "keras", "--format", "tf"]);
        assert_eq!(accuracy(&workplace, "keras"), measured(&workplace, 1), "{family}");
    }
}
