//! The configs under `examples/` end with students.

use std::path::{Path, PathBuf};

use crate::workplace::Workplace;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// One trial of the search in `name`, whose student is then used.
fn searched(name: &str, weights: &str) {
    searched_and_asked((name, weights), "the plot was hardly dull .\n");
}

/// The same, whose student answers a line of text.
fn searched_and_asked((name, weights): (&str, &str), line: &str) {
    let workplace = Workplace::new();
    let config = example(name);
    let options = ["--output", "out", "--trials", "1", "--cache-size", "0", "--quiet"];
    workplace.succeed(&[&["run", config.to_str().unwrap()], &options[..]].concat());
    assert!(workplace.path("out/trials/0000/student").join(weights).is_file(), "{name}");
    workplace.write("texts.txt", line);
    let said = workplace.succeed(&["predict", "out/trials/0000/student", "texts.txt", "--json"]);
    assert!(said.json()["predictions"][0]["label"].is_string(), "{name}");
}

fn distilled(name: &str) {
    let workplace = Workplace::new();
    let config = example(name);
    let options = ["--output", "out", "--cache-size", "0", "--quiet"];
    workplace.succeed(&[&["distill", config.to_str().unwrap()], &options[..]].concat());
    assert!(workplace.path("out/model.safetensors").is_file(), "{name}");
}

#[test]
fn the_quickstart_runs() {
    searched("quickstart/config.yaml", "model.safetensors");
}

#[test]
fn the_search_that_is_spelled_out_runs() {
    searched("auto_distillation.yaml", "model.safetensors");
}

#[test]
fn the_mobilebert_search_runs() {
    searched("mobilebert.yaml", "model.safetensors");
}

#[test]
fn the_mobilebert_search_on_plain_text_runs() {
    searched_and_asked(("mobilebert_pretraining.yaml", "model.safetensors"), "the [MASK] is here .\n");
}

#[test]
fn the_search_for_answers_runs() {
    let line = "who bakes the bread ?\tin winter the cook bakes the bread in the busy harbour .\n";
    searched_and_asked(("question_answering.yaml", "model.safetensors"), line);
}

#[test]
fn the_tensorflow_search_runs() {
    searched("tensorflow.yaml", "tf_model.h5");
}

#[test]
fn single_stages_run_without_a_search() {
    distilled("flash_distillation.yaml");
    distilled("regular_distillation.yaml");
}
