//! What a network costs, in closed form: parameters, operations and bytes.

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::config::{Bottlenecks, MobileBertSettings};
use crate::folder::format_metadata;
use crate::weights::slots;
use crate::{Family, Head, Transformer, TransformerConfig};

/// Number of parameters.
pub fn parameters(config: &TransformerConfig) -> u64 {
    let network = Transformer::blank(config.clone(), &burn::tensor::Device::flex());
    slots(&network).iter().map(|slot| slot.dims.iter().product::<usize>() as u64).sum()
}

/// Floating-point operations of one example of `length` tokens, forward, in matrix products; a multiply-add
/// counts as 2. Every token of every layer counts, and a language model scores every token, as in the exported network.
pub fn flops(config: &TransformerConfig, length: usize) -> u64 {
    let [hidden, inside, wide, labels, embedding] = [
        config.hidden_size,
        config.true_hidden_size(),
        config.intermediate_size,
        config.num_labels(),
        config.embedding_size,
    ]
    .map(|n| n as u64);
    let length = length as u64;
    let attention = 4 * inside * inside + 2 * length * inside;
    let feed_forward = 2 * inside * wide;
    let (around, stacked, widening) = match &config.mobilebert {
        None if embedding == hidden => (0, 1, 0),
        None => (0, 1, embedding * hidden),
        Some(settings) => {
            let joined = if settings.trigram_input { 3 * embedding } else { embedding };
            (
                bottleneck_products(settings, (hidden, inside)),
                settings.num_feedforward_networks as u64,
                joined * hidden,
            )
        }
    };
    let layer = attention + around + stacked * feed_forward;
    let layers = config.num_hidden_layers as u64 * length * layer;
    let head = match config.head {
        Head::Classifier => hidden * hidden + hidden * labels,
        Head::TokenClassifier | Head::QuestionAnswering => length * hidden * labels,
        Head::MaskedLanguageModel | Head::Pretraining => {
            let (decoded, vocabulary) = match config.family {
                Family::Electra => (embedding, config.vocab_size as u64),
                _ => (hidden, config.vocab_size as u64),
            };
            let pooled = if config.head == Head::Pretraining { hidden * hidden + 2 * hidden } else { 0 };
            length * decoded * (hidden + vocabulary) + pooled
        }
    };
    2 * (layers + length * widening + head)
}

/// Multiply-adds of one token in a layer's bottlenecks, and what wider values cost more than narrow ones.
fn bottleneck_products(settings: &MobileBertSettings, (hidden, inside): (u64, u64)) -> u64 {
    match settings.bottlenecks {
        None => 0,
        Some(Bottlenecks::All) => 2 * hidden * inside,
        Some(Bottlenecks::KeyAndQuery) => 3 * hidden * inside + (hidden - inside.min(hidden)) * inside,
        Some(Bottlenecks::Residual) => 2 * hidden * inside,
    }
}

/// Size in MB (10⁶ bytes) of the `model.safetensors` with f32 numbers, header included.
pub fn size_mb(config: &TransformerConfig) -> f64 {
    let (header, numbers) = file_bytes(config);
    (header + numbers) as f64 / 1e6
}

/// Bytes of the header with its length, and of the numbers.
fn file_bytes(config: &TransformerConfig) -> (usize, usize) {
    let network = Transformer::blank(config.clone(), &burn::tensor::Device::flex());
    let mut slots = slots(&network);
    slots.sort_by(|a, b| a.name.cmp(&b.name));
    let mut end = 0;
    let tensors = slots.into_iter().map(|slot| {
        let begin = end;
        end += slot.dims.iter().product::<usize>() * size_of::<f32>();
        (slot.name, TensorInfo { dtype: Dtype::F32, shape: slot.dims, data_offsets: (begin, end) })
    });
    let metadata = Metadata::new(Some(format_metadata()), tensors.collect());
    // A network's own slots always make a valid and serialisable header.
    let header = metadata.ok().and_then(|metadata| serde_json::to_vec(&metadata).ok()).unwrap_or_default();
    (header.len().next_multiple_of(8) + 8, end)
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use serde_json::json;

    use super::*;
    use crate::test_networks;

    #[test]
    fn parameters_are_those_of_the_built_network() {
        for values in [
            vec![],
            vec![("num_hidden_layers", json!(3)), ("hidden_size", json!(36)), ("num_labels", json!(1))],
        ] {
            let network = test_networks::with(&values, 0);
            assert_eq!(parameters(network.config()), network.num_params() as u64);
        }
    }

    #[test]
    fn bert_base_has_110_million_parameters_and_22_gflop_at_128_tokens() {
        let config = test_networks::config(&[
            ("hidden_size", json!(768)),
            ("num_hidden_layers", json!(12)),
            ("num_attention_heads", json!(12)),
            ("intermediate_size", json!(3072)),
            ("vocab_size", json!(30522)),
            ("max_position_embeddings", json!(512)),
            ("num_labels", json!(2)),
        ]);
        assert_eq!(parameters(&config), 109_483_778);
        assert!((flops(&config, 128) as f64 / 22.36e9 - 1.0).abs() < 0.01, "{}", flops(&config, 128));
    }

    #[test]
    fn the_size_is_that_of_the_saved_file() {
        let folder = tempfile::tempdir().unwrap();
        let network = test_networks::tiny(0);
        crate::save(folder.path(), &network, crate::Precision::F32).unwrap();
        let bytes = std::fs::metadata(folder.path().join("model.safetensors")).unwrap().len();
        assert_eq!(size_mb(network.config()), bytes as f64 / 1e6);
    }
}
