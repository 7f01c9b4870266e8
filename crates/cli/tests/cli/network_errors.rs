//! Network folders with mistakes.

use std::fs;

use crate::workplace::{Workplace, network};

/// Every command that reads a network refuses this one.
fn refuse(workplace: &Workplace, fragments: &[&str]) {
    workplace.refuse(&["layers", "teacher"], fragments);
    refuse_with_tokenizer(workplace, fragments);
}

/// Every command that reads a network and its tokenizer refuses this one.
fn refuse_with_tokenizer(workplace: &Workplace, fragments: &[&str]) {
    workplace.refuse(&["check", "config.yaml"], fragments);
    workplace.refuse(&["run", "config.yaml", "--output", "out", "--quiet"], fragments);
    workplace.refuse(&["evaluate", "teacher", "--data", "dev.tsv"], fragments);
}

fn weights(workplace: &Workplace) -> Vec<u8> {
    fs::read(workplace.path("teacher/model.safetensors")).unwrap()
}

#[test]
fn weights_that_were_cut_short_are_refused() {
    let workplace = Workplace::new();
    let whole = weights(&workplace);
    for length in [0, 4, 100, whole.len() - 1] {
        workplace.write("teacher/model.safetensors", &whole[..length]);
        refuse(
            &workplace,
            &["teacher/model.safetensors", "is not a whole safetensors file", "download it again"],
        );
    }
}

#[test]
fn weights_with_a_corrupt_or_oversized_header_are_refused() {
    let workplace = Workplace::new();
    let mut corrupt = weights(&workplace);
    corrupt[8..40].fill(b'x');
    workplace.write("teacher/model.safetensors", &corrupt);
    refuse(&workplace, &["teacher/model.safetensors", "is not a whole safetensors file"]);
    let mut oversized = weights(&workplace);
    oversized[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    workplace.write("teacher/model.safetensors", &oversized);
    refuse(&workplace, &["teacher/model.safetensors", "is not a whole safetensors file"]);
}

#[test]
fn weights_that_are_not_finite_are_refused_with_their_names() {
    let workplace = Workplace::new();
    let mut broken = weights(&workplace);
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    workplace.write("teacher/model.safetensors", &broken);
    refuse(&workplace, &["`teacher`", "NaN or infinity", "`classifier.weight`", "use an earlier state"]);
    workplace.write("text.txt", "a warm film\n");
    workplace.refuse(&["predict", "teacher", "text.txt"], &["NaN or infinity"]);
}

#[test]
fn a_size_that_the_network_config_lacks_is_named_and_never_guessed() {
    for key in ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"]
    {
        let workplace = Workplace::new();
        let mut config = network();
        config.as_object_mut().unwrap().remove(key);
        workplace.write("teacher/config.json", config.to_string());
        refuse(&workplace, &["teacher/config.json", key]);
    }
}

#[test]
fn networks_of_another_architecture_are_refused() {
    let workplace = Workplace::new();
    let mut config = network();
    config["model_type"] = "gpt2".into();
    workplace.write("teacher/config.json", config.to_string());
    refuse(&workplace, &["teacher/config.json", "model_type", "gpt2", "bert"]);
}

#[test]
fn a_tokenizer_larger_than_the_embeddings_is_refused() {
    let workplace = Workplace::new();
    workplace.edit("teacher/vocab.txt", "play\n", "play\nscene\nactor\n");
    let fragments = ["the tokenizer has 14 tokens and the embeddings only 12", "use the tokenizer that"];
    refuse_with_tokenizer(&workplace, &fragments);
    workplace.write("text.txt", "a warm film\n");
    workplace.refuse(&["predict", "teacher", "text.txt"], &fragments);
}

#[test]
fn a_folder_without_weights_or_tokenizer_is_refused() {
    let workplace = Workplace::new();
    fs::remove_file(workplace.path("teacher/vocab.txt")).unwrap();
    refuse_with_tokenizer(&workplace, &["no tokenizer in", "`tokenizer.json` or `vocab.txt`"]);
    fs::remove_file(workplace.path("teacher/model.safetensors")).unwrap();
    refuse(&workplace, &["no weights in", "model.safetensors"]);
    workplace.refuse(&["layers", "nowhere"], &["nowhere", "No such file"]);
}
