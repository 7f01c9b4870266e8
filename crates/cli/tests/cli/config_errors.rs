//! Configs with mistakes: every one is named with its place and the remedy.

use crate::workplace::Workplace;

const CHECK: [&str; 2] = ["check", "config.yaml"];
const RUN: [&str; 5] = ["run", "config.yaml", "--output", "out", "--quiet"];
const CLASSIFIER: &str = "[[[classifier, '0', classifier, '0']]]";

/// Both `check` and `run` refuse a config in which `from` is replaced.
fn refuse(from: &str, to: &str, fragments: &[&str]) {
    let workplace = Workplace::new();
    workplace.edit("config.yaml", from, to);
    workplace.refuse(&CHECK, fragments);
    workplace.refuse(&RUN, fragments);
}

#[test]
fn unknown_keys_are_named_at_any_depth() {
    refuse("data: {", "dta: {}\ndata: {", &["config.yaml:4:1: ", "unknown key `dta`", "did you mean"]);
    refuse("    seed: 1", "    sed: 1", &["config.yaml:12:5: auto_distillation.search", "unknown key `sed`"]);
    refuse(
        "{learning_rate:",
        "{learning_rat:",
        &["train.optimizer", "`learning_rat`", "did you mean `learning_rate`?"],
    );
}

#[test]
fn several_mistakes_are_listed_at_once_in_the_order_of_the_text() {
    let workplace = Workplace::new();
    workplace.edit("config.yaml", "train: train.tsv", "train: nowhere.tsv");
    workplace.edit("config.yaml", "max_trials: 3", "max_trials: many");
    workplace.edit("config.yaml", "batch_size: 4", "batch_sizes: 4");
    insta::assert_snapshot!(workplace.refuse(&CHECK, &["config.yaml:"]).stderr);
}

#[test]
fn values_of_another_type_are_shown() {
    refuse("max_trials: 3", "max_trials: many", &["config.yaml:11:17: ", "max_trials", "expected", "many"]);
    refuse("hidden_size: [8, 12]", "hidden_size: [8, wide]", &["search_space.hidden_size[1]", "wide"]);
    refuse("add_origin_loss: [true]", "add_origin_loss: [maybe]", &["add_origin_loss", "maybe"]);
}

#[test]
fn missing_files_are_named() {
    refuse("train: train.tsv", "train: nowhere.tsv", &["data.train", "nowhere.tsv", "does not exist"]);
    refuse("path: teacher", "path: nobody", &["teacher.path", "nobody", "does not exist"]);
    let workplace = Workplace::new();
    workplace.refuse(&["run", "missing.yaml"], &["missing.yaml", "cannot be read", "No such file"]);
    workplace.refuse(&["run", "teacher"], &["teacher", "cannot be read"]);
}

#[test]
fn missing_keys_are_named() {
    refuse("teacher: {path: teacher}\n", "", &["missing key `teacher`"]);
    refuse(
        "    search_space:",
        "    # search_space:",
        &["auto_distillation.search", "missing key `search_space`"],
    );
    refuse(
        ", intermediate_size: 16",
        "",
        &["config.yaml:3:", "missing key `intermediate_size`", "a whole number"],
    );
}

#[test]
fn a_search_space_needs_choices() {
    refuse("{hidden_size: [8, 12], num_attention_heads: [1, 2]}", "{}", &["search_space", "at least one"]);
    refuse("[8, 12]", "[]", &["search_space.hidden_size", "at least one"]);
}

#[test]
fn a_search_space_without_a_buildable_architecture_says_why() {
    let edit = |from, to| {
        let workplace = Workplace::new();
        workplace.edit("config.yaml", from, to);
        workplace
    };
    let workplace = edit(
        "hidden_size: [8, 12], num_attention_heads: [1, 2]",
        "hidden_size: [9], num_attention_heads: [2]",
    );
    let fragments =
        ["no architecture of the search space can be built", "num_attention_heads", "change its choices"];
    workplace.refuse(&CHECK, &fragments);
    workplace.refuse(&RUN, &fragments);
}

#[test]
fn layers_that_do_not_exist_are_named_with_those_that_do() {
    let mapping = "[[[bert.encoder.layer.9.output, bert.encoder.layer.1.output]]]";
    refuse(CLASSIFIER, mapping, &["bert.encoder.layer.9.output", "student"]);
    let mapping = "[[[bert.encoder.layer.0.output, bert.encoder.layer.9.output]]]";
    refuse(CLASSIFIER, mapping, &["bert.encoder.layer.9.output", "teacher"]);
}

#[test]
fn everything_that_does_not_fit_the_networks_is_listed_with_its_place() {
    let workplace = Workplace::new();
    let mappings = "
      - - [bert.encoder.layer.9.output, bert.encoder.layer.1.output]
        - [bert.encoder.layer.0.output, bert.encoder.layer.9.output]
        - [bert.encoder.layer.0.attention.self, '5', bert.encoder.layer.0.attention.self, '1']
    block_names: [bert.encoder.layer.3]";
    workplace.edit("config.yaml", CLASSIFIER, mappings);
    workplace.edit("config.yaml", "loss_types: [[KL]]", "loss_types: [[MSE, MSE, KL]]");
    workplace.edit("config.yaml", "batch_size: 1, length: 8", "batch_size: 1, length: 99");
    let said = workplace.refuse(&CHECK, &[]);
    assert_eq!(workplace.refuse(&RUN, &[]).stderr, said.stderr);
    insta::assert_snapshot!(said.stderr);
}

#[test]
fn texts_longer_than_the_networks_positions_are_refused_with_the_place() {
    let fragments = ["config.yaml:4:", "17 tokens", "16 positions", "lower `data.max_length` to at most 16"];
    refuse("max_length: 8", "max_length: 17", &fragments);
    let workplace = Workplace::new();
    workplace.edit("config.yaml", "max_length: 8", "max_length: 17");
    let finetune = ["finetune", "config.yaml", "--from", "teacher", "--output", "out", "--quiet"];
    workplace.refuse(&finetune, &fragments);
}

#[test]
fn a_config_that_is_not_utf8_says_how_to_save_it() {
    let workplace = Workplace::new();
    workplace.write("config.yaml", b"model: {name: caf\xe9}\n");
    workplace
        .refuse(&CHECK, &["config.yaml: the file cannot be read: it is not UTF-8 text: save it as UTF-8"]);
}

#[test]
fn features_that_no_matcher_can_join_are_shown_with_their_shapes() {
    let mapping = "[[[bert.encoder.layer.0.output, '0', bert.encoder.layer.1.attention.self, '1']]]";
    let workplace = Workplace::new();
    workplace.edit("config.yaml", CLASSIFIER, mapping);
    workplace.edit("config.yaml", "loss_types: [[KL]]", "loss_types: [[MSE]]");
    let fragments = [
        "bert.encoder.layer.0.output",
        "(batch, length, 8)",
        "bert.encoder.layer.1.attention.self",
        "of different kinds",
    ];
    workplace.refuse(&CHECK, &fragments);
    workplace.refuse(&RUN, &fragments);
}

#[test]
fn a_run_needs_a_search() {
    let workplace = Workplace::new();
    workplace.write("config.yaml", students_config());
    workplace.refuse(&RUN, &["auto_distillation.search", "`distill`"]);
}

/// A config for one student.
pub fn students_config() -> &'static str {
    "model: {name: tiny, framework: pytorch}
teacher: {path: teacher}
student: {family: bert, num_hidden_layers: 1, hidden_size: 8, num_attention_heads: 2, intermediate_size: 16}
data: {train: train.tsv, validation: dev.tsv, text: text, label: label, max_length: 8}
distillation:
  train:
    optimizer: {AdamW: {learning_rate: 1.0e-3}}
    criterion: {KnowledgeDistillationLoss: {temperature: 1.0, loss_types: [CE, KL], loss_weights: [0.5, 0.5]}}
    epoch: 2
    batch_size: 4
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 3}}
"
}
