//! Small networks and batches for this crate's tests.

use std::path::{Path, PathBuf};

use autodistillation_distillation::{Batch, Targets};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::{Bert, Transformer, TransformerConfig};

/// A config of 2 layers, width 24, 3 heads and 3 labels.
pub(crate) fn tiny_json() -> Value {
    json!({
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": 24,
        "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40, "vocab_size": 60,
        "max_position_embeddings": 32, "type_vocab_size": 2, "num_labels": 3,
    })
}

/// A random network of [`tiny_json`].
pub(crate) fn tiny(seed: u64) -> Transformer {
    with(&[], seed)
}

/// A random network of [`tiny_json`] with some values replaced.
pub(crate) fn with(values: &[(&str, Value)], seed: u64) -> Transformer {
    Transformer::random(config(values), seed, &Device::flex())
}

/// As [`with`], without its family's names.
pub(crate) fn bert(values: &[(&str, Value)], seed: u64) -> Bert {
    Bert::random(config(values), seed, &Device::flex())
}

/// The config of [`tiny_json`] with some values replaced.
pub(crate) fn config(values: &[(&str, Value)]) -> TransformerConfig {
    let mut json = tiny_json();
    for (key, value) in values {
        json[key] = value.clone();
    }
    TransformerConfig::from_json(&json).unwrap()
}

/// A batch of these token ids with padding after each row's length.
pub(crate) fn batch(ids: &[Vec<i32>], token_types: &[Vec<i32>], lengths: &[usize]) -> Batch {
    let shape = [ids.len(), ids[0].len()];
    let device = Device::flex();
    let mask =
        lengths.iter().flat_map(|&length| (0..shape[1]).map(move |i| if i < length { 1.0f32 } else { 0.0 }));
    Batch {
        ids: Tensor::from_data(TensorData::new(ids.concat(), shape), &device),
        token_types: Tensor::from_data(TensorData::new(token_types.concat(), shape), &device),
        mask: Tensor::from_data(TensorData::new(mask.collect::<Vec<_>>(), shape), &device),
        targets: Targets::Absent,
        rows: (0..ids.len() as u32).collect(),
        lengths: lengths.iter().map(|&length| length as u32).collect(),
        masked: vec![0; ids.len()],
    }
}

/// Two sentences, the second shorter and padded.
pub(crate) fn two_sentences() -> Batch {
    batch(&[vec![2, 7, 9, 11, 3], vec![2, 8, 3, 0, 0]], &[vec![0, 0, 0, 1, 1], vec![0; 5]], &[5, 3])
}

/// A network folder of the data beside the repository, which not every machine has.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if !folder.exists() {
        println!("skipped: {path} is not there");
        return None;
    }
    Some(folder)
}

/// Copies of `bytes` with a few changes each: bytes set, cut off, repeated, moved.
pub(crate) fn mutations(bytes: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    (0..count).map(move |_| {
        let mut changed = bytes.to_vec();
        for _ in 0..random.random_range(1..4) {
            mutate(&mut changed, &mut random);
        }
        changed
    })
}

fn mutate(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        return;
    }
    let place = random.random_range(0..bytes.len());
    let length = random.random_range(0..9).min(bytes.len() - place);
    match random.random_range(0..6) {
        0 => bytes.truncate(place),
        1 => bytes.splice(place..place, bytes[place..place + length].to_vec()).for_each(drop),
        2 => bytes.drain(place..place + length).for_each(drop),
        3 => bytes[place] = [0, 1, 0x7f, 0x80, 0xff][length % 5],
        4 => bytes[place] ^= 1 << (length % 8),
        _ => bytes[place] = random.random(),
    }
}
