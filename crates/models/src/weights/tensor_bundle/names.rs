//! From the variables of Google's checkpoints to PyTorch's names.
//!
//! Source: `load_tf_weights_in_bert` of `transformers`, `run_classifier.py` of Google's BERT for the head.

/// The name of a parameter, and whether it is stored as (in, out).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) transposed: bool,
}

/// What the optimiser and the loop left beside the parameters.
const TRAINING: [&str; 6] = [
    "adam_m",
    "adam_v",
    "AdamWeightDecayOptimizer",
    "AdamWeightDecayOptimizer_1",
    "global_step",
    "save_counter",
];

/// The parameter that a variable holds; `None` for the state of a training.
pub(super) fn parameter(variable: &str) -> Option<Named> {
    if variable.split('/').any(|part| TRAINING.contains(&part) || part.starts_with("_CHECKPOINTABLE")) {
        return None;
    }
    let (module, last) = variable.rsplit_once('/').unwrap_or(("", variable));
    let mut parts: Vec<String> = module.split('/').filter(|part| !part.is_empty()).map(spelled).collect();
    // Google's classifier has its two variables outside of any module.
    if parts.is_empty() && last.starts_with("output_") {
        parts.push("classifier".to_owned());
    }
    match last {
        "kernel" | "gamma" | "output_weights" => parts.push("weight".to_owned()),
        "beta" | "output_bias" => parts.push("bias".to_owned()),
        "bias" => parts.push("bias".to_owned()),
        table => parts.extend([spelled(table), "weight".to_owned()]),
    }
    Some(Named { name: parts.join("."), transposed: last == "kernel" })
}

/// A module as PyTorch spells it: `layer_3` is `layer.3`.
fn spelled(part: &str) -> String {
    match part.rsplit_once('_') {
        Some(("layer", number)) if number.parse::<u16>().is_ok() => format!("layer.{number}"),
        Some(("ffn_layer", number)) if number.parse::<u16>().is_ok() => format!("ffn.{number}"),
        _ if part == "FakeLayerNorm" => "LayerNorm".to_owned(),
        _ => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(variable: &str) -> (String, bool) {
        let Named { name, transposed } = parameter(variable).unwrap();
        (name, transposed)
    }

    #[test]
    fn variables_have_pytorchs_names() {
        for (variable, name, transposed) in [
            ("bert/embeddings/word_embeddings", "bert.embeddings.word_embeddings.weight", false),
            ("bert/embeddings/LayerNorm/gamma", "bert.embeddings.LayerNorm.weight", false),
            ("bert/embeddings/LayerNorm/beta", "bert.embeddings.LayerNorm.bias", false),
            (
                "bert/encoder/layer_11/attention/self/query/kernel",
                "bert.encoder.layer.11.attention.self.query.weight",
                true,
            ),
            ("bert/pooler/dense/bias", "bert.pooler.dense.bias", false),
            ("cls/predictions/output_bias", "cls.predictions.bias", false),
            ("cls/seq_relationship/output_weights", "cls.seq_relationship.weight", false),
            ("output_weights", "classifier.weight", false),
            ("output_bias", "classifier.bias", false),
        ] {
            assert_eq!(named(variable), (name.to_owned(), transposed), "{variable}");
        }
    }

    #[test]
    fn the_state_of_a_training_is_left_out() {
        for variable in ["global_step", "bert/pooler/dense/kernel/adam_m", "output_bias/adam_v"] {
            assert_eq!(parameter(variable), None, "{variable}");
        }
    }
}
