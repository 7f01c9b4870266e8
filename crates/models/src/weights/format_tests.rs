//! Tests that a network is the same whatever format its weights are in.

use std::path::{Path, PathBuf};

use autodistillation_distillation::{Mode, Network, Taps};
use burn::tensor::Device;

use super::*;
use crate::files;
use crate::test_networks::{batch, tiny};
use crate::test_reference::{Reference, difference};
use crate::{LoadWarning, Loaded, ProblemType, Transformer, save_tensorflow};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats").join(name)
}

fn load(name: &str) -> Loaded<Transformer> {
    Transformer::load(&folder(name), &Device::flex()).unwrap()
}

fn reference() -> Weights {
    Weights::of(&load("reference").network)
}

fn logits(network: &Transformer) -> Vec<f32> {
    let reference = Reference::of("formats/reference");
    let rows = |name: &str| -> Vec<Vec<i32>> {
        reference.values(name).chunks(5).map(|row| row.iter().map(|&id| id as i32).collect()).collect()
    };
    let batch = batch(&rows("ids"), &rows("token_types"), &[5, 3]);
    let features = network.forward(&batch, &Taps::new([network.logits()]), Mode::Evaluation);
    features.vectors(&network.logits()).unwrap().clone().into_data().try_into_vec().unwrap()
}

#[test]
fn every_format_gives_the_same_weights_and_logits() {
    let expected = reference();
    for name in ["reference", "zip", "legacy", "protocol4", "sharded", "keras"] {
        let Loaded { network, warnings } = load(name);
        assert_eq!(Weights::of(&network), expected, "{name}");
        let apart = difference(&logits(&network), Reference::of("formats/reference").values("logits"));
        assert!(apart < 1e-5, "{name}: logits differ by {apart}");
        let ignored = warnings.iter().all(|warning| match warning {
            LoadWarning::Ignored { names } => names == &["bert.embeddings.position_ids"],
            LoadWarning::HeadInitialized { .. } => false,
        });
        assert!(ignored, "{name}: {warnings:?}");
    }
}

#[test]
fn googles_checkpoint_is_an_encoder_with_its_head_and_without_its_optimiser() {
    let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
    let config = crate::TransformerConfig::from_folder(&folder("google")).unwrap();
    let config = config.with_labels(labels, ProblemType::SingleLabelClassification).unwrap();
    let Loaded { network, warnings } =
        Transformer::load_as(&folder("google"), config, 0, &Device::flex()).unwrap();
    assert_eq!(Weights::of(&network), reference());
    let names = ["cls.predictions.bias", "cls.seq_relationship.weight"].map(str::to_owned).to_vec();
    assert_eq!(warnings, [LoadWarning::Ignored { names }]);
    let tokenizer = crate::Tokenizer::from_folder(&folder("google")).unwrap();
    assert_eq!(tokenizer.encode("Word3", None, 8).unwrap().ids, [2, 9, 3]);
}

#[test]
fn a_network_saved_for_tensorflow_loads_with_identical_weights() {
    let saved = tempfile::tempdir().unwrap();
    save_tensorflow(saved.path(), &tiny(3)).unwrap();
    let files: Vec<_> =
        std::fs::read_dir(saved.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    let loaded = Transformer::load(saved.path(), &Device::flex()).unwrap();
    assert!(loaded.warnings.is_empty());
    assert_eq!(Weights::of(&loaded.network), Weights::of(&tiny(3)));
}

#[test]
fn the_preferred_format_is_read_where_there_are_several() {
    let both = tempfile::tempdir().unwrap();
    assert_eq!(weights_file(both.path()), None);
    let add =
        |name: &str, file: &str| std::fs::copy(folder(name).join(file), both.path().join(file)).unwrap();
    for (name, file) in [
        ("google", "bert_model.ckpt.index"),
        ("keras", files::KERAS_WEIGHTS),
        ("sharded", files::PYTORCH_INDEX),
        ("zip", files::PYTORCH_WEIGHTS),
        ("reference", files::WEIGHTS),
    ] {
        add(name, file);
        assert_eq!(weights_file(both.path()), Some(both.path().join(file)));
    }
    add("reference", files::CONFIG);
    std::fs::write(both.path().join(files::PYTORCH_WEIGHTS), "broken").unwrap();
    assert!(Transformer::load(both.path(), &Device::flex()).is_ok());
}

#[test]
fn a_checkpoint_under_another_name_is_found_when_it_is_the_only_one() {
    let place = tempfile::tempdir().unwrap();
    let index = std::fs::read(folder("google").join("bert_model.ckpt.index")).unwrap();
    std::fs::write(place.path().join("model.ckpt-343.index"), &index).unwrap();
    assert_eq!(weights_file(place.path()), Some(place.path().join("model.ckpt-343.index")));
    std::fs::write(place.path().join("model.ckpt-686.index"), &index).unwrap();
    assert_eq!(weights_file(place.path()), None);
}
