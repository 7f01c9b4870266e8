//! The names of MobileBERT's layers and parameters, as its checkpoints spell them.

use autodistillation_distillation::{LayerOutput, LayerPath, Shape};

use crate::TransformerConfig;
use crate::bert::paths::{of_head, resolve_head};
use crate::bert::{aliased_layer, checkpoint_name};
use crate::config::Bottlenecks;

const LAYERS: &str = "mobilebert.encoder.layer.";

pub(crate) fn embeddings() -> LayerPath {
    LayerPath::new("mobilebert.embeddings")
}

pub(super) fn pooler() -> LayerPath {
    LayerPath::new("mobilebert.pooler")
}

/// The module name of layer `index`.
pub(crate) fn layer(index: usize) -> String {
    format!("{LAYERS}{index}")
}

fn in_layer(index: usize, module: &str) -> LayerPath {
    LayerPath::new(format!("{LAYERS}{index}.{module}"))
}

fn probabilities(index: usize) -> LayerPath {
    LayerPath::with_output(format!("{LAYERS}{index}.attention.self"), 1)
}

/// Every output in order of computation.
pub(super) fn layers(config: &TransformerConfig) -> Vec<LayerOutput> {
    let hidden = Shape::Sequence { width: config.hidden_size };
    let mut outputs = vec![LayerOutput { path: embeddings(), shape: hidden }];
    outputs.extend((0..config.num_hidden_layers).flat_map(|index| in_order(index, config)));
    outputs.extend(of_head(config, pooler()));
    outputs
}

fn in_order(index: usize, config: &TransformerConfig) -> Vec<LayerOutput> {
    let narrow = Shape::Sequence { width: config.true_hidden_size() };
    let wide = Shape::Sequence { width: config.intermediate_size };
    let at = |module: &str, shape| LayerOutput { path: in_layer(index, module), shape };
    let mut outputs = Vec::new();
    match bottlenecks(config) {
        Some(Bottlenecks::KeyAndQuery) => {
            outputs.extend([at("bottleneck.input", narrow), at("bottleneck.attention", narrow)]);
        }
        Some(_) => outputs.push(at("bottleneck.input", narrow)),
        None => {}
    }
    outputs.extend([at("attention.self.query", narrow), at("attention.self.key", narrow)]);
    let heads = Shape::Attention { heads: config.num_attention_heads };
    outputs.push(LayerOutput { path: probabilities(index), shape: heads });
    outputs.extend(
        ["attention.self.value", "attention.self", "attention.output"].map(|module| at(module, narrow)),
    );
    for part in 1..config.mobilebert.map_or(1, |settings| settings.num_feedforward_networks) {
        outputs.push(at(&format!("ffn.{}.intermediate", part - 1), wide));
        outputs.push(at(&format!("ffn.{}.output", part - 1), narrow));
    }
    let hidden = Shape::Sequence { width: config.hidden_size };
    outputs.extend([at("intermediate", wide), at("output", hidden)]);
    outputs
}

fn bottlenecks(config: &TransformerConfig) -> Option<Bottlenecks> {
    config.mobilebert?.bottlenecks
}

/// What an alias stands for: `mobilebert`, `mobilebert.encoder` and `mobilebert.output` are the last hidden state, a
/// whole layer is its output, `attention` is `attention.output`, `ffn.{i}` is `ffn.{i}.output`, and output 1 of a layer
/// or its attention is the attention probabilities.
pub(super) fn resolve(path: &LayerPath, config: &TransformerConfig) -> LayerPath {
    if let Some(path) = resolve_head(path) {
        return path;
    }
    let whole = ["mobilebert", "mobilebert.encoder", "mobilebert.output"];
    if path.output == 0 && whole.contains(&path.module.as_str()) {
        return in_layer(config.num_hidden_layers - 1, "output");
    }
    match (aliased_layer(&path.module, LAYERS), path.output) {
        (Some((index, "")), 0) => in_layer(index, "output"),
        (Some((index, ".attention")), 0) => in_layer(index, "attention.output"),
        (Some((index, "" | ".attention")), 1) => probabilities(index),
        (Some((index, inside)), 0) => match inside.strip_prefix(".ffn.") {
            Some(part) if part.parse::<usize>().is_ok() => in_layer(index, &format!("ffn.{part}.output")),
            _ => path.clone(),
        },
        _ => path.clone(),
    }
}

/// The checkpoint's name for a field path; which norm it is stands in no name.
pub(super) fn parameter_name(field_path: &str) -> String {
    let kept = field_path.split('.').filter(|field| !["LayerNorm", "NoNorm"].contains(field));
    checkpoint_name(&kept.collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_paths_become_checkpoint_names() {
        assert_eq!(
            parameter_name("mobilebert.encoder.layer.0.ffn.1.output.layer_norm.NoNorm.weight"),
            "mobilebert.encoder.layer.0.ffn.1.output.LayerNorm.weight"
        );
        assert_eq!(
            parameter_name("mobilebert.encoder.layer.0.attention.self_attention.key.bias"),
            "mobilebert.encoder.layer.0.attention.self.key.bias"
        );
    }
}
