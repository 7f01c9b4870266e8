//! Tests of every family against the numbers of `transformers`, and of what they have in common.

use autodistillation_distillation::{Block, Feature, Parameters, Shape};
use autodistillation_kernels::cross_entropy;
use burn::tensor::Tensor;
use serde_json::json;

use super::*;
use crate::test_networks;
use crate::test_reference::{self, Reference, difference, gradients, relative_difference};
use crate::weights::Weights;
use crate::{Precision, save, student_config};

const FIXTURES: [&str; 7] =
    ["bert", "distilbert", "electra", "mobilebert", "mobilebert_plain", "mobilebert_wide", "roberta"];

fn reference_network(name: &str) -> Transformer {
    Transformer::load(&test_reference::fixture(name), &Device::flex()).unwrap().network
}

fn all_layers(network: &Transformer) -> Taps {
    Taps::new(network.layers().into_iter().map(|layer| layer.path))
}

/// The numbers of a feature, those of padding set to 0.
fn real_values(feature: &Feature, mask: &Tensor<2>) -> Vec<f32> {
    let data = match feature.clone().without_autodiff() {
        Feature::Vectors(tensor) | Feature::MaskedTokens(tensor) => tensor.into_data(),
        Feature::Sequence(tensor) => (tensor * mask.clone().unsqueeze_dim(2)).into_data(),
        Feature::Spans(tensor) => (tensor * mask.clone().unsqueeze_dim(1)).into_data(),
        Feature::Attention(tensor) => {
            (tensor * mask.clone().unsqueeze_dim::<3>(1).unsqueeze_dim(3)).into_data()
        }
    };
    data.try_into_vec().unwrap()
}

fn expected(reference: &Reference, (path, shape): (&LayerPath, Shape), mask: &Tensor<2>) -> Vec<f32> {
    let name = format!("feature.{path}");
    let feature = match shape {
        Shape::Vectors { .. } | Shape::MaskedTokens { .. } => Feature::Vectors(reference.tensor(&name)),
        Shape::Sequence { .. } => Feature::Sequence(reference.tensor(&name)),
        Shape::Spans => Feature::Spans(reference.tensor(&name)),
        Shape::Attention { .. } => Feature::Attention(reference.tensor(&name)),
    };
    real_values(&feature, mask)
}

#[test]
fn every_feature_of_every_family_agrees_with_transformers() {
    for name in FIXTURES {
        let (network, reference) = (reference_network(name), Reference::of(name));
        let batch = reference.batch();
        let features = network.forward(&batch, &all_layers(&network), Mode::Evaluation);
        for LayerOutput { path, shape } in network.layers() {
            let found = real_values(features.get(&path).unwrap(), &batch.mask);
            let apart = difference(&found, &expected(&reference, (&path, shape), &batch.mask));
            assert!(apart < 1e-4, "{name}: {path} differs by {apart}");
        }
        assert_eq!(features.iter().count(), reference.names("feature.").count(), "{name}");
    }
}

#[test]
fn loss_and_every_gradient_of_every_family_agree_with_pytorch() {
    for name in FIXTURES {
        let reference = Reference::of(name);
        let network = reference_network(name).train_only(&Block::everything());
        let taps = Taps::new([network.logits()]);
        let features = network.forward(&reference.batch(), &taps, Mode::Evaluation);
        let logits = features.vectors(&network.logits()).unwrap().clone();
        let loss = cross_entropy(logits, reference.labels());
        let found = gradients(&network, &loss.backward());
        let loss = loss.into_scalar::<f32>();
        assert!((loss - reference.values("loss")[0]).abs() < 1e-4, "{name}: loss {loss}");
        assert_eq!(found.len(), reference.names("gradient.").count(), "{name}");
        for (parameter, gradient) in &found {
            let apart = relative_difference(gradient, reference.values(&format!("gradient.{parameter}")));
            assert!(apart < 1e-3, "{name}: gradient of {parameter} differs by {apart}");
        }
    }
}

#[test]
fn a_saved_network_of_every_family_is_the_same_when_loaded() {
    for name in FIXTURES {
        let (network, folder) = (reference_network(name), tempfile::tempdir().unwrap());
        save(folder.path(), &network, Precision::F32).unwrap();
        let loaded = Transformer::load(folder.path(), &Device::flex()).unwrap();
        assert_eq!(loaded.warnings, []);
        assert_eq!(Weights::of(&loaded.network), Weights::of(&network));
        let saved = TransformerConfig::from_folder(folder.path()).unwrap();
        assert_eq!(saved.to_json(), loaded.network.config().to_json(), "{name}");
    }
}

#[test]
fn logits_are_the_same_whether_the_last_layer_is_tapped_or_only_its_first_token_computed() {
    for name in FIXTURES {
        let (network, batch) = (reference_network(name), Reference::of(name).batch());
        let logits = network.logits();
        let of = |taps: &Taps| {
            let features = network.forward(&batch, taps, Mode::Evaluation);
            real_values(features.get(&logits).unwrap(), &batch.mask)
        };
        assert!(difference(&of(&Taps::new([logits.clone()])), &of(&all_layers(&network))) < 1e-6, "{name}");
    }
}

#[test]
fn dropout_of_the_configs_acts_in_training_alone() {
    let key = autodistillation_kernels::DropoutKey { seed: 3 };
    for name in FIXTURES {
        let (network, batch) = (reference_network(name), Reference::of(name).batch());
        let taps = Taps::new([network.logits()]);
        let of = |mode| {
            real_values(network.forward(&batch, &taps, mode).get(&network.logits()).unwrap(), &batch.mask)
        };
        assert_ne!(of(Mode::Training(key)), of(Mode::Evaluation), "{name}");
        assert_eq!(of(Mode::Training(key)), of(Mode::Training(key)), "{name}");
    }
}

/// A BERT of two layers, and its student in another family.
fn teacher_and_student(family: Family, sizes: serde_json::Value) -> (Transformer, Transformer) {
    let config = test_networks::config(&[("initializer_range", json!(0.3))]);
    let own = student_config(&config, family, sizes.as_object().unwrap()).unwrap();
    let device = Device::flex();
    (Transformer::random(config, 1, &device), Transformer::random(own, 2, &device))
}

fn hidden_states(network: &Transformer) -> Vec<f32> {
    let path = network.resolve(&LayerPath::new(network.config().family.model_type()));
    let batch = test_networks::batch(&[vec![2, 7, 9, 11, 3]], &[vec![0; 5]], &[5]);
    let features = network.forward(&batch, &Taps::new([path.clone()]), Mode::Evaluation);
    real_values(features.get(&path).unwrap(), &batch.mask)
}

#[test]
fn a_student_of_a_sister_family_that_inherits_a_whole_bert_computes_the_same() {
    let plan = crate::InheritancePlan { layers: vec![0, 1] };
    for family in [Family::DistilBert, Family::Roberta] {
        let sizes = match family {
            Family::DistilBert => json!({}),
            _ => json!({"layer_norm_eps": 1e-12}),
        };
        let (teacher, student) = teacher_and_student(family, sizes);
        let (student, parts) = crate::inherit(student, &teacher, &plan);
        assert!(parts.iter().any(|part| part.module == format!("{}.0", family.layer_prefix())), "{parts:?}");
        // One sentence has no second segment, which DistilBERT does not know.
        assert!(difference(&hidden_states(&student), &hidden_states(&teacher)) < 1e-5, "{family}");
    }
}

#[test]
fn a_mobilebert_takes_the_words_of_a_bert_and_all_of_a_mobilebert() {
    let sizes = json!({"embedding_size": 12, "intra_bottleneck_size": 12, "num_feedforward_networks": 2});
    let (teacher, student) = teacher_and_student(Family::MobileBert, sizes);
    let plan = crate::InheritancePlan { layers: vec![0, 1] };
    let (from_bert, parts) = crate::inherit(student.clone(), &teacher, &plan);
    assert_eq!(parts.len(), 1);
    let words = "mobilebert.embeddings.word_embeddings.weight";
    assert_ne!(Weights::of(&from_bert).get(words), Weights::of(&student).get(words));
    let other = Transformer::random(student.config().clone(), 9, &Device::flex());
    let (same, _) = crate::inherit(other, &student, &plan);
    assert_eq!(Weights::of(&same), Weights::of(&student));
}
