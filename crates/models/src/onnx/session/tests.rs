//! ONNX files under the runtime.

use autodistillation_distillation::{Batch, MaskedText, Mode, Network, Taps, Target, Targets, evaluation};
use burn::tensor::Tensor;

use super::*;
use crate::onnx::{model, save_onnx};
use crate::{ONNX_FILE, Transformer, TransformerConfig, test_networks, test_reference};

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

fn fixtures(ends: &[&str]) -> impl Iterator<Item = Transformer> {
    let named = test_reference::HEADS.into_iter().filter(|name| ends.iter().any(|end| name.ends_with(end)));
    named.map(|name| {
        Transformer::load(&test_reference::fixture(name), &burn::tensor::Device::flex()).unwrap().network
    })
}

#[test]
fn what_is_said_of_every_token_is_the_networks_own() {
    for network in fixtures(&["_tokens", "_answers"]) {
        let onnx = exported(&network);
        for length in [1, 2, 7, 12.min(network.config().max_length())] {
            assert_agrees(&network, &onnx, [1, length]); // Whatever padding says is cut off by those who ask.
        }
    }
}

/// A batch in which every token of the even examples is masked, and some of the others, whose padding is not.
fn masked(config: &TransformerConfig, shape: [usize; 2]) -> Batch {
    let batch = batch(config, shape);
    let hidden = |row: usize, i: usize| row.is_multiple_of(2) || i % 3 == 1;
    let target = |(row, &length): (usize, &u32)| {
        let tokens = (0..length as usize).map(|i| hidden(row, i).then_some(i as u32)).collect();
        Target::Masked(MaskedText { tokens, follows: Some(true) })
    };
    let targets: Vec<Target> = batch.lengths.iter().enumerate().map(target).collect();
    let targets = targets.iter().collect::<Vec<_>>();
    let targets = Targets::of(&targets, (&batch.lengths, shape[1]), &burn::tensor::Device::flex());
    Batch { targets, ..batch }
}

#[test]
fn every_language_model_says_under_the_runtime_what_it_says_here() {
    let mut pairs = 0;
    for network in fixtures(&["_masked", "_pretraining", "_square"]) {
        let onnx = exported(&network);
        for shape in [[1, 1], [1, 7], [3, 5], [5, 9.min(network.config().max_length())]] {
            let batch = masked(network.config(), shape);
            let found = onnx.masked_answers(&batch).unwrap();
            let expected = evaluation::masked_answers(&network, &batch).unwrap();
            let apart = |found: Tensor<2>, expected: Tensor<2>| {
                let [found, expected] =
                    [found, expected].map(|scores| scores.into_data().try_into_vec::<f32>().unwrap());
                test_reference::difference(&found, &expected)
            };
            let words = apart(found.words.unwrap(), expected.words.unwrap());
            assert!(words < 1e-4, "{shape:?}: words differ by {words}");
            assert_eq!(found.follows.is_some(), expected.follows.is_some());
            if let (Some(found), Some(expected)) = (found.follows, expected.follows) {
                pairs += 1;
                let follows = apart(found, expected);
                assert!(follows < 1e-4, "{shape:?}: what follows differs by {follows}");
            }
            assert!(
                onnx.masked_answers(&Batch { targets: Targets::Absent, ..batch }).unwrap().words.is_none()
            );
        }
    }
    assert_eq!(pairs, 12, "BERT and MobileBERT say what follows");
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
fn the_config_of_another_head_or_vocabulary_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let network = fixtures(&["bert_pretraining"]).next().unwrap();
    save_onnx(folder.path(), &network).unwrap();
    let refused = |config: &TransformerConfig| {
        let error = OnnxNetwork::load(&folder.path().join(ONNX_FILE), config).unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    };
    let said = refused(&network.config().clone().with_question_answering_head());
    assert!(
        said.contains("prediction_logits, seq_relationship_logits") && said.contains("questions"),
        "{said}"
    );
    let said = refused(&TransformerConfig { vocab_size: 40, ..network.config().clone() });
    assert!(said.contains("scores 32 words") && said.contains("has 40"), "{said}");
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
    let bytes = model(&network).to_bytes();
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
