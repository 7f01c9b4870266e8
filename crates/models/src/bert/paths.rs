//! The names of BERT's layers and parameters, as its checkpoints spell them.

use autodistillation_distillation::{LayerOutput, LayerPath, Shape};

use crate::head::QA_OUTPUTS;
use crate::{Head, TransformerConfig};

pub(crate) fn embeddings() -> LayerPath {
    LayerPath::new("bert.embeddings")
}

/// The map of the embeddings to the hidden width, where they have a width of their own.
pub(crate) fn embeddings_project() -> LayerPath {
    LayerPath::new("bert.embeddings_project")
}

pub(super) fn pooler() -> LayerPath {
    LayerPath::new("bert.pooler")
}

pub(crate) fn classifier() -> LayerPath {
    LayerPath::new("classifier")
}

/// The scores of first and last tokens.
pub(crate) fn qa_outputs() -> LayerPath {
    LayerPath::new(QA_OUTPUTS)
}

/// The scores of masked tokens.
pub(crate) fn words() -> LayerPath {
    LayerPath::new("cls")
}

/// Whether the second text follows the first.
pub(crate) fn next_sentence() -> LayerPath {
    LayerPath::with_output("cls", 1)
}

/// Where the answers of a network of this config come out.
pub(crate) fn logits(config: &TransformerConfig) -> LayerPath {
    match config.head {
        Head::Classifier | Head::TokenClassifier => classifier(),
        Head::QuestionAnswering => qa_outputs(),
        Head::MaskedLanguageModel | Head::Pretraining => words(),
    }
}

/// What the head puts out, in order of computation; `pooler` is the pooler's path.
pub(crate) fn of_head(config: &TransformerConfig, pooler: LayerPath) -> Vec<LayerOutput> {
    let pooled = LayerOutput { path: pooler, shape: Shape::Vectors { width: config.hidden_size } };
    let classes = config.num_labels();
    let scores = LayerOutput { path: words(), shape: Shape::MaskedTokens { width: config.vocab_size } };
    match config.head {
        Head::Classifier => {
            vec![pooled, LayerOutput { path: classifier(), shape: Shape::Vectors { width: classes } }]
        }
        Head::TokenClassifier => {
            vec![LayerOutput { path: classifier(), shape: Shape::Sequence { width: classes } }]
        }
        Head::QuestionAnswering => vec![LayerOutput { path: qa_outputs(), shape: Shape::Spans }],
        Head::MaskedLanguageModel => vec![scores],
        Head::Pretraining => {
            vec![scores, pooled, LayerOutput { path: next_sentence(), shape: Shape::Vectors { width: 2 } }]
        }
    }
}

/// What an alias of the language model's head stands for: its parts by their own names.
pub(crate) fn resolve_head(path: &LayerPath) -> Option<LayerPath> {
    match (path.module.as_str(), path.output) {
        ("cls.predictions", 0) => Some(words()),
        ("cls.seq_relationship", 0) => Some(next_sentence()),
        _ => None,
    }
}

/// The module name of layer `index`.
pub(super) fn layer(index: usize) -> String {
    format!("bert.encoder.layer.{index}")
}

/// Output 0 of `module` in layer `index`.
pub(crate) fn in_layer(index: usize, module: &str) -> LayerPath {
    LayerPath::new(format!("bert.encoder.layer.{index}.{module}"))
}

/// Attention probabilities of layer `index`.
pub(super) fn probabilities(index: usize) -> LayerPath {
    LayerPath::with_output(format!("bert.encoder.layer.{index}.attention.self"), 1)
}

/// Every output in order of computation.
pub(super) fn layers(config: &TransformerConfig) -> Vec<LayerOutput> {
    let hidden = Shape::Sequence { width: config.hidden_size };
    let embedded = Shape::Sequence { width: config.embedding_size };
    let mut outputs = vec![LayerOutput { path: embeddings(), shape: embedded }];
    if config.embedding_size != config.hidden_size {
        outputs.push(LayerOutput { path: embeddings_project(), shape: hidden });
    }
    outputs.extend((0..config.num_hidden_layers).flat_map(|index| in_order(index, config)));
    outputs.extend(of_head(config, pooler()));
    outputs
}

fn in_order(index: usize, config: &TransformerConfig) -> Vec<LayerOutput> {
    let hidden = Shape::Sequence { width: config.hidden_size };
    let wide = Shape::Sequence { width: config.intermediate_size };
    let attention = Shape::Attention { heads: config.num_attention_heads };
    let at = |module, shape| LayerOutput { path: in_layer(index, module), shape };
    vec![
        at("attention.self.query", hidden),
        at("attention.self.key", hidden),
        LayerOutput { path: probabilities(index), shape: attention },
        at("attention.self.value", hidden),
        at("attention.self", hidden),
        at("attention.output", hidden),
        at("intermediate", wide),
        at("output", hidden),
    ]
}

/// What an alias stands for: `bert`, `bert.encoder` and `bert.output` are the last hidden state, a whole layer
/// is its output, `attention` is `attention.output`, and output 1 of either is the attention probabilities.
pub(super) fn resolve(path: &LayerPath, layers: usize) -> LayerPath {
    if let Some(path) = resolve_head(path) {
        return path;
    }
    if path.output == 0 && ["bert", "bert.encoder", "bert.output"].contains(&path.module.as_str()) {
        return in_layer(layers - 1, "output");
    }
    match (aliased_layer(&path.module, "bert.encoder.layer."), path.output) {
        (Some((index, "")), 0) => in_layer(index, "output"),
        (Some((index, ".attention")), 0) => in_layer(index, "attention.output"),
        (Some((index, "" | ".attention")), 1) => probabilities(index),
        _ => path.clone(),
    }
}

/// Splits `bert.encoder.layer.3.attention` into 3 and `.attention`; `layers` is all before the number.
pub(crate) fn aliased_layer<'a>(module: &'a str, layers: &str) -> Option<(usize, &'a str)> {
    let rest = module.strip_prefix(layers)?;
    let (index, inside) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    Some((index.parse().ok()?, inside))
}

/// The checkpoint's name for a field path: `self` is no name in Rust, and `LayerNorm` no field name.
pub(crate) fn parameter_name(field_path: &str) -> String {
    if let Some((name, _)) = crate::head::parameter_name(field_path) {
        return name;
    }
    let spelled = field_path.split('.').map(|field| match field {
        "self_attention" => "self",
        "layer_norm" => "LayerNorm",
        other => other,
    });
    spelled.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_stand_for_the_modules_that_compute_them() {
        let resolved = |module: &str, output| resolve(&LayerPath::with_output(module, output), 3).to_string();
        assert_eq!(resolved("bert.output", 0), "bert.encoder.layer.2.output");
        assert_eq!(resolved("bert.encoder", 0), "bert.encoder.layer.2.output");
        assert_eq!(resolved("bert.encoder.layer.1", 0), "bert.encoder.layer.1.output");
        assert_eq!(resolved("bert.encoder.layer.1", 1), "bert.encoder.layer.1.attention.self[1]");
        assert_eq!(resolved("bert.encoder.layer.0.attention", 0), "bert.encoder.layer.0.attention.output");
        assert_eq!(
            resolved("bert.encoder.layer.0.attention.self", 1),
            "bert.encoder.layer.0.attention.self[1]"
        );
        assert_eq!(resolved("bert.encoder.layer.x", 0), "bert.encoder.layer.x");
    }

    #[test]
    fn field_paths_become_checkpoint_names() {
        assert_eq!(
            parameter_name("bert.encoder.layer.0.attention.self_attention.query.weight"),
            "bert.encoder.layer.0.attention.self.query.weight"
        );
        assert_eq!(parameter_name("bert.embeddings.layer_norm.bias"), "bert.embeddings.LayerNorm.bias");
    }
}
