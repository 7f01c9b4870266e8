//! Tests of BERT against PyTorch's numbers, and of what a forward pass keeps and skips.

use autodistillation_distillation::{Block, Feature, Parameters};
use autodistillation_kernels::{DropoutKey, cross_entropy};
use burn::tensor::Tensor;
use serde_json::json;

use super::*;
use crate::test_networks::{bert, shared, two_sentences};
use crate::test_reference::{self, Reference, difference, gradients, relative_difference};

fn reference_network() -> Bert {
    loaded(&test_reference::folder())
}

fn loaded(folder: &std::path::Path) -> Bert {
    let network = crate::Transformer::load(folder, &Device::flex()).unwrap().network;
    network.as_bert().unwrap().clone()
}

fn values(feature: &Feature) -> Vec<f32> {
    match feature.clone().without_autodiff() {
        Feature::Vectors(tensor) | Feature::MaskedTokens(tensor) => tensor.into_data(),
        Feature::Sequence(tensor) | Feature::Spans(tensor) => tensor.into_data(),
        Feature::Attention(tensor) => tensor.into_data(),
    }
    .try_into_vec()
    .unwrap()
}

fn all_layers(network: &Bert) -> Taps {
    Taps::new(network.layers().into_iter().map(|layer| layer.path))
}

#[test]
fn every_feature_agrees_with_transformers() {
    let (network, reference) = (reference_network(), Reference::read());
    let features = network.forward(&reference.batch(), &all_layers(&network), Mode::Evaluation);
    assert_eq!(features.iter().count(), reference.names("feature.").count());
    for (path, feature) in features.iter() {
        let apart = difference(&values(feature), reference.values(&format!("feature.{path}")));
        assert!(apart < 1e-5, "{path} differs by {apart}");
    }
}

#[test]
fn loss_and_every_gradient_agree_with_pytorch() {
    let reference = Reference::read();
    let network = reference_network().train_only(&Block::everything());
    let taps = Taps::new([network.logits()]);
    let features = network.forward(&reference.batch(), &taps, Mode::Evaluation);
    let loss = cross_entropy(features.vectors(&network.logits()).unwrap().clone(), reference.labels());
    let found = gradients(&network, &loss.backward());
    let loss = loss.into_scalar::<f32>();
    assert!((loss - reference.values("loss")[0]).abs() < 1e-5, "loss {loss}");
    assert_eq!(found.len(), reference.names("gradient.").count());
    for (name, gradient) in &found {
        let apart = relative_difference(gradient, reference.values(&format!("gradient.{name}")));
        assert!(apart < 1e-3, "gradient of {name} differs by {apart}");
    }
}

#[test]
fn one_encoder_layer_agrees_with_pytorch_forward_and_backward() {
    let reference = Reference::read();
    let network = reference_network().train_only(&Block::new(["bert.encoder.layer.1"]));
    let hidden: Tensor<3> =
        reference.tensor::<3>("feature.bert.encoder.layer.0.output").autodiff().require_grad();
    let mask = reference.batch().mask;
    let taps = Taps::new([network.logits()]);
    let mut pass = Pass::new(&taps, Mode::Evaluation);
    let input = encoder::LayerInput {
        layer: 1,
        hidden: hidden.clone(),
        queries: hidden.clone(),
        mask: &mask,
        mode: Mode::Evaluation,
    };
    let output = network.bert.encoder.layer[1].forward(&input, &mut pass).unwrap();
    let expected = reference.values("layer.output");
    let found: Vec<f32> = output.clone().into_data().try_into_vec().unwrap();
    assert!(difference(&found, expected) < 1e-5);

    let loss = (output * reference.tensor::<3>("layer.weight").autodiff()).sum();
    let all = loss.backward();
    let of_input: Vec<f32> = hidden.grad(&all).unwrap().into_data().try_into_vec().unwrap();
    assert!(relative_difference(&of_input, reference.values("layer.gradient.input")) < 1e-3);
    let found = gradients(&network, &all);
    assert_eq!(found.len() + 1, reference.names("layer.gradient.").count());
    for (name, gradient) in &found {
        let inside = name.strip_prefix("bert.encoder.layer.1.").unwrap();
        let apart = relative_difference(gradient, reference.values(&format!("layer.gradient.{inside}")));
        assert!(apart < 1e-3, "gradient of {name} differs by {apart}");
    }
}

#[test]
fn in_bf16_loss_and_gradients_are_those_of_f32_within_its_rounding() {
    let reference = Reference::read();
    let network = reference_network().train_only(&Block::everything()).compute_in(Arithmetic::Bf16);
    let taps = Taps::new([network.logits()]);
    let features = network.forward(&reference.batch(), &taps, Mode::Evaluation);
    let loss = cross_entropy(features.vectors(&network.logits()).unwrap().clone(), reference.labels());
    let found = gradients(&network, &loss.backward());
    let loss = loss.into_scalar::<f32>();
    assert!((loss - reference.values("loss")[0]).abs() < 1e-2, "loss {loss}");
    for (name, gradient) in &found {
        let apart = difference(gradient, reference.values(&format!("gradient.{name}")));
        assert!(apart < 2e-2, "gradient of {name} differs by {apart}");
    }
}

#[test]
fn shapes_are_those_that_layers_lists() {
    let network = bert(&[("num_attention_heads", json!(2))], 3);
    let features = network.forward(&two_sentences(), &all_layers(&network), Mode::Evaluation);
    for layer in network.layers() {
        let expected = match layer.shape {
            autodistillation_distillation::Shape::Vectors { width } => vec![2, width],
            autodistillation_distillation::Shape::Sequence { width } => vec![2, 5, width],
            autodistillation_distillation::Shape::Attention { heads } => vec![2, heads, 5, 5],
            autodistillation_distillation::Shape::MaskedTokens { width } => vec![10, width],
            autodistillation_distillation::Shape::Spans => vec![2, 2, 5],
        };
        assert_eq!(features.get(&layer.path).unwrap().dims(), expected, "{}", layer.path);
    }
}

#[test]
fn logits_are_the_same_whether_the_last_layer_is_tapped_or_only_its_first_token_computed() {
    let (network, batch) = (bert(&[], 4), two_sentences());
    let alone = network.forward(&batch, &Taps::new([network.logits()]), Mode::Evaluation);
    let among = network.forward(&batch, &all_layers(&network), Mode::Evaluation);
    let logits = network.logits();
    assert!(difference(&values(alone.get(&logits).unwrap()), &values(among.get(&logits).unwrap())) < 1e-6);
}

#[test]
fn padding_does_not_change_the_logits() {
    let network = bert(&[("initializer_range", json!(0.3))], 4);
    let taps = Taps::new([network.logits()]);
    let row = |ids: Vec<i32>, length| {
        let types = vec![vec![0; ids.len()]];
        let batch = crate::test_networks::batch(&[ids], &types, &[length]);
        values(network.forward(&batch, &taps, Mode::Evaluation).get(&network.logits()).unwrap())
    };
    assert!(difference(&row(vec![2, 8, 3, 0, 0], 3), &row(vec![2, 8, 3], 3)) < 1e-6);
    assert!(difference(&row(vec![2, 9, 3], 3), &row(vec![2, 8, 3], 3)) > 1e-3);
}

#[test]
fn a_pass_keeps_what_is_tapped_and_stops_there() {
    let network = bert(&[], 5);
    let path = LayerPath::with_output("bert.encoder.layer.0.attention.self", 1);
    // A classifier that cannot be computed shows that the pass ended before it.
    let head = NetworkHead::Classifier(crate::layers::Linear::blank(1, 1, &Device::flex()));
    let broken = Bert { head, ..network };
    let features = broken.forward(&two_sentences(), &Taps::new([path.clone()]), Mode::Evaluation);
    assert_eq!(features.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), [path]);
    assert_eq!(broken.forward(&two_sentences(), &Taps::default(), Mode::Evaluation).iter().count(), 0);
}

#[test]
fn aliases_can_be_tapped() {
    let network = bert(&[], 5);
    let (alias, layer) = (LayerPath::new("bert.output"), LayerPath::new("bert.encoder.layer.1"));
    let features =
        network.forward(&two_sentences(), &Taps::new([alias.clone(), layer.clone()]), Mode::Evaluation);
    assert_eq!(values(features.get(&alias).unwrap()), values(features.get(&layer).unwrap()));
}

#[test]
fn dropout_follows_its_key_and_is_absent_in_evaluation() {
    let (network, batch) = (bert(&[], 6), two_sentences());
    let taps = Taps::new([network.logits()]);
    let logits = |mode| values(network.forward(&batch, &taps, mode).get(&network.logits()).unwrap());
    let training = |seed| logits(Mode::Training(DropoutKey { seed }));
    assert_eq!(training(1), training(1));
    assert_ne!(training(1), training(2));
    assert_ne!(training(1), logits(Mode::Evaluation));
    assert_eq!(logits(Mode::Evaluation), logits(Mode::Evaluation));
}

#[test]
fn attention_is_tapped_before_its_dropout() {
    let network = bert(&[("attention_probs_dropout_prob", json!(0.5))], 6);
    let path = LayerPath::with_output("bert.encoder.layer.1.attention.self", 1);
    let taps = Taps::new([path.clone(), network.logits()]);
    let features = network.forward(&two_sentences(), &taps, Mode::Training(DropoutKey { seed: 1 }));
    for row in values(features.get(&path).unwrap()).chunks(5) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
    }
}

#[test]
fn every_parameter_learns() {
    let network = bert(&[], 7).train_only(&Block::everything());
    let features = network.forward(
        &two_sentences(),
        &Taps::new([network.logits()]),
        Mode::Training(DropoutKey { seed: 1 }),
    );
    let loss = features.vectors(&network.logits()).unwrap().clone().square().sum();
    assert_eq!(gradients(&network, &loss.backward()).len(), network.parameters().len());
}

#[test]
fn random_weights_depend_on_the_seed_alone() {
    use crate::Weights;
    assert_eq!(Weights::of(&bert(&[], 1)), Weights::of(&bert(&[], 1)));
    assert_ne!(Weights::of(&bert(&[], 1)), Weights::of(&bert(&[], 2)));
    let deeper = Weights::of(&bert(&[("num_hidden_layers", json!(3))], 1));
    let name = "bert.encoder.layer.1.output.dense.weight";
    assert_eq!(deeper.get(name), Weights::of(&bert(&[], 1)).get(name));
}

#[test]
fn a_real_teacher_has_the_token_ids_and_logits_of_transformers() {
    let Some(folder) = shared("teachers/minilm-l6-sst2") else { return };
    let loaded = crate::Transformer::load(&folder, &Device::flex()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let tokenizer = crate::Tokenizer::from_folder(&folder).unwrap();
    tokenizer.check_fits(loaded.network.config()).unwrap();
    let examples: [(&str, &[u32], [f32; 2]); 2] = [
        (
            "a gripping , funny and humane film",
            &[101, 1037, 13940, 1010, 6057, 1998, 23369, 2143, 102],
            [-2.96163, 3.217475],
        ),
        ("the plot is a mess", &[101, 1996, 5436, 2003, 1037, 6752, 102], [2.637852, -2.849337]),
    ];
    let encoded = examples.map(|(text, ..)| tokenizer.encode(text, None, 64).unwrap().ids);
    for (encoded, (_, ids, _)) in encoded.iter().zip(&examples) {
        assert_eq!(encoded, ids);
    }
    let padded =
        encoded.each_ref().map(|ids| (0..9).map(|i| ids.get(i).map_or(0, |&id| id as i32)).collect());
    let batch = crate::test_networks::batch(&padded, &[vec![0; 9], vec![0; 9]], &[9, 7]);
    let logits = loaded.network.logits();
    let features = loaded.network.forward(&batch, &Taps::new([logits.clone()]), Mode::Evaluation);
    let found = values(features.get(&logits).unwrap());
    for (found, (.., expected)) in found.chunks(2).zip(examples) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}, not {expected:?}");
    }
}

#[test]
fn an_encoder_without_head_gets_one_and_says_so() {
    let Some(folder) = shared("fixtures/tiny-bert") else { return };
    let loaded = crate::Transformer::load(&folder, &Device::flex()).unwrap();
    let warnings = loaded.warnings.iter().map(ToString::to_string).collect::<String>();
    assert!(warnings.contains("classifier.weight"), "{warnings}");
    assert_eq!(loaded.network.config().num_labels(), 2);
}
