//! ONNX files under the runtime.

use autodistillation_distillation::{Batch, Mode, Network, Taps};

use super::*;
use crate::onnx::{model, save_onnx};
use crate::{ONNX_FILE, Transformer, TransformerConfig, test_networks};

fn exported(network: &Transformer) -> OnnxNetwork {
    let folder = tempfile::tempdir().unwrap();
    save_onnx(folder.path(), network).unwrap();
    OnnxNetwork::load(&folder.path().join(ONNX_FILE), network.config()).unwrap()
}

/// A batch of `sizes` in which each example is shorter than the one before.
fn batch(config: &TransformerConfig, [size, length]: [usize; 2]) -> Batch {
    let token = |row: usize, i: usize| ((row * 7 + i * 5) % config.vocab_size) as i32;
    let ids = (0..size).map(|row| (0..length).map(|i| token(row, i)).collect());
    let second = i32::from(config.type_vocab_size > 1);
    let types = (0..size).map(|row| (0..length).map(|i| second * i32::from(i > row)).collect());
    let lengths: Vec<usize> = (0..size).map(|row| length.saturating_sub(row * 2).max(1)).collect();
    test_networks::batch(&ids.collect::<Vec<_>>(), &types.collect::<Vec<_>>(), &lengths)
}

fn logits(network: &Transformer, batch: &Batch) -> Vec<f32> {
    let path = network.logits();
    let features = network.forward(batch, &Taps::new([path.clone()]), Mode::Evaluation);
    features.get(&path).unwrap().clone().into_data().try_into_vec().unwrap()
}

fn assert_agrees(network: &Transformer, onnx: &OnnxNetwork, shape: [usize; 2]) {
    let batch = batch(network.config(), shape);
    let found = onnx.run(&onnx.inputs(&batch).unwrap()).unwrap().concat();
    let expected = logits(network, &batch);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() < 1e-4 * (1.0 + expected.abs()),
            "{shape:?}: {found} instead of {expected}"
        );
    }
}

#[test]
fn logits_are_the_networks_own_at_every_batch_and_length() {
    for activation in ["gelu", "gelu_new", "relu"] {
        let network = test_networks::with(&[("hidden_act", activation.into())], 5);
        let onnx = exported(&network);
        for shape in [[1, 1], [1, 7], [3, 5], [4, 32], [9, 13]] {
            assert_agrees(&network, &onnx, shape);
            assert_agrees(&network, &onnx.fixed_to(shape).unwrap(), shape);
        }
    }
}

#[test]
fn classes_of_every_token_are_the_networks_own() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for name in ["bert_tokens", "distilbert_tokens", "roberta_tokens", "electra_tokens", "mobilebert_tokens"]
    {
        let network = Transformer::load(&fixtures.join(name), &burn::tensor::Device::flex()).unwrap().network;
        let onnx = exported(&network);
        for length in [1, 2, 7, 12] {
            assert_agrees(&network, &onnx, [1, length]); // Whatever padding says is cut off by those who ask.
        }
    }
}

#[test]
fn every_family_says_under_the_runtime_what_it_says_here() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for name in
        ["bert", "distilbert", "electra", "mobilebert", "mobilebert_plain", "mobilebert_wide", "roberta"]
    {
        let network = Transformer::load(&fixtures.join(name), &burn::tensor::Device::flex()).unwrap().network;
        let onnx = exported(&network);
        let longest = network.config().max_length();
        for shape in [[1, 1], [3, 5], [4, 9.min(longest)]] {
            assert_agrees(&network, &onnx, shape);
        }
    }
}

#[test]
fn threads_change_nothing_but_time() {
    let network = test_networks::tiny(5);
    let onnx = exported(&network);
    OnnxNetwork::with_threads(2, || assert_agrees(&network, &onnx, [4, 32]));
}

#[test]
fn ids_beyond_a_table_and_texts_beyond_the_positions_are_problems() {
    let onnx = exported(&test_networks::tiny(0));
    let batch = test_networks::batch(&[vec![1, 60]], &[vec![0, 0]], &[2]);
    let error = onnx.inputs(&batch).unwrap_err();
    assert!(format!("{error:?}").contains("fewer rows"), "{error:?}");
    let ids = vec![vec![1; 33]];
    let long = test_networks::batch(&ids, &ids, &[33]);
    assert!(onnx.run(&onnx.inputs(&long).unwrap()).is_err());
}

#[test]
fn the_config_of_another_network_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    save_onnx(folder.path(), &test_networks::tiny(0)).unwrap();
    let other = test_networks::config(&[("num_labels", 2.into())]);
    let error = OnnxNetwork::load(&folder.path().join(ONNX_FILE), &other).unwrap_err();
    assert!(format!("{error:?}").contains("OtherLabels"), "{error:?}");
}

#[test]
fn a_call_that_takes_too_much_memory_is_refused() {
    let onnx = exported(&test_networks::tiny(0));
    assert!(onnx.require_memory([64, 32]).is_ok());
    assert!(matches!(onnx.require_memory([1 << 24, 32]), Err(OnnxProblem::TooMuchMemory { .. })));
}

#[test]
fn ten_thousand_broken_files_are_refused_or_run() {
    let sizes = [
        ("num_hidden_layers", 1),
        ("hidden_size", 4),
        ("num_attention_heads", 2),
        ("intermediate_size", 4),
        ("vocab_size", 6),
        ("max_position_embeddings", 4),
    ];
    let network = test_networks::with(&sizes.map(|(name, size)| (name, size.into())), 0);
    let config = network.config().clone();
    let bytes = model(&network).unwrap().to_bytes();
    let batch = test_networks::batch(&[vec![1, 5, 2], vec![3, 1, 0]], &[vec![0, 1, 1], vec![0; 3]], &[3, 2]);
    let mut ran = 0;
    for changed in test_networks::mutations(&bytes, 10_000) {
        let Ok(network) = OnnxNetwork::from_bytes(Path::new("model.onnx"), &changed, &config) else {
            continue;
        };
        let Ok(inputs) = network.inputs(&batch) else { continue };
        ran += usize::from(network.run(&inputs).is_ok());
    }
    // Changes of weights and descriptions leave a network that runs.
    assert!((100..9_000).contains(&ran), "{ran}");
}
