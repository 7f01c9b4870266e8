//! Between the paths of Keras' weights and PyTorch's names.
//!
//! Source: `convert_tf_weight_name_to_pt_weight_name` of `transformers`, and the files that its classes save.

use super::super::{Role, Slot};
use crate::{Family, Head};

/// How the TensorFlow class of a family names its parameters.
pub(crate) struct KerasClass {
    /// The class as Keras spells it, the first part of every path.
    pub(super) class: String,
    /// The names of a norm's scale and shift.
    pub(super) norm: (&'static str, &'static str),
}

const LAYER_NORM: (&str, &str) = ("gamma", "beta");

/// The name of a parameter, and whether it is stored as (in, out).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) transposed: bool,
}

/// The parameter at a path such as `tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0`.
pub(super) fn parameter(path: &str) -> Option<Named> {
    let path = path.strip_suffix(":0").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (last, modules) = parts.split_last()?;
    // The first part is the class, and what stands before three underscores says what a head is for.
    let modules = modules.iter().skip(1).map(|part| part.rsplit("___").next().unwrap_or(part));
    let mut names: Vec<String> = modules.map(|part| part.replace("_._", ".")).collect();
    names.push(match *last {
        "kernel" | "gamma" | "embeddings" => "weight".to_owned(),
        "beta" => "bias".to_owned(),
        other => other.to_owned(),
    });
    Some(Named { name: names.join("."), transposed: *last == "kernel" })
}

impl KerasClass {
    /// The class of a family with a head; `None` for heads whose TensorFlow layers have other names than PyTorch's.
    pub(crate) fn of(family: Family, head: Head) -> Option<Self> {
        let (family, norm) = match family {
            Family::Bert => ("bert", LAYER_NORM),
            Family::DistilBert => ("distil_bert", LAYER_NORM),
            Family::Roberta => ("roberta", LAYER_NORM),
            Family::Electra => ("electra", LAYER_NORM),
            // Its norms are not Keras' own.
            Family::MobileBert => ("mobile_bert", ("weight", "bias")),
        };
        let task = match head {
            Head::Classifier => "sequence_classification",
            Head::TokenClassifier => "token_classification",
            Head::QuestionAnswering => "question_answering",
            Head::MaskedLanguageModel | Head::Pretraining => return None,
        };
        Some(Self { class: format!("tf_{family}_for_{task}"), norm })
    }

    /// The path of a parameter below its layer's group.
    pub(super) fn path(&self, slot: &Slot) -> String {
        let (module, last) = slot.name.rsplit_once('.').unwrap_or(("", &slot.name));
        let (scale, shift) = self.norm;
        let last = match slot.role {
            Role::Matrix => "kernel",
            Role::Table if module.ends_with("word_embeddings") => "weight",
            Role::Table if slot.dims.len() > 1 => "embeddings",
            Role::Table | Role::Scale => scale,
            Role::Bias if is_norm(module) => shift,
            Role::Bias => last,
        };
        format!("{}/{}/{last}:0", self.class, modules(module).join("/"))
    }
}

/// The layer at the top that a parameter belongs to.
pub(super) fn layer(slot: &Slot) -> &str {
    slot.name.split('.').next().unwrap_or_default()
}

fn is_norm(module: &str) -> bool {
    let last = module.rsplit('.').next().unwrap_or(module);
    last == "LayerNorm" || last.ends_with("layer_norm")
}

/// Modules as Keras joins them: the layers of an encoder are `layer_._0` and so on, other lists `ffn.0`.
fn modules(module: &str) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for part in module.split('.') {
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        match joined.last_mut() {
            Some(list) if is_number && list == "layer" => *list += &format!("_._{part}"),
            Some(list) if is_number => *list += &format!(".{part}"),
            _ => joined.push(part.to_owned()),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_the_paths_that_each_familys_class_saves() {
        for (family, name, (role, dims), path) in [
            (
                Family::DistilBert,
                "distilbert.transformer.layer.3.sa_layer_norm.bias",
                (Role::Bias, 1),
                "tf_distil_bert_for_sequence_classification/distilbert/transformer/layer_._3/sa_layer_norm/beta:0",
            ),
            (
                Family::DistilBert,
                "pre_classifier.weight",
                (Role::Matrix, 2),
                "tf_distil_bert_for_sequence_classification/pre_classifier/kernel:0",
            ),
            (
                Family::Roberta,
                "roberta.embeddings.word_embeddings.weight",
                (Role::Table, 2),
                "tf_roberta_for_sequence_classification/roberta/embeddings/word_embeddings/weight:0",
            ),
            (
                Family::Roberta,
                "classifier.out_proj.bias",
                (Role::Bias, 1),
                "tf_roberta_for_sequence_classification/classifier/out_proj/bias:0",
            ),
            (
                Family::Electra,
                "electra.embeddings.position_embeddings.weight",
                (Role::Table, 2),
                "tf_electra_for_sequence_classification/electra/embeddings/position_embeddings/embeddings:0",
            ),
            (
                Family::MobileBert,
                "mobilebert.encoder.layer.0.ffn.1.output.LayerNorm.weight",
                (Role::Table, 1),
                "tf_mobile_bert_for_sequence_classification/mobilebert/encoder/layer_._0/ffn.1/output/LayerNorm/weight:0",
            ),
            (
                Family::MobileBert,
                "mobilebert.encoder.layer.0.bottleneck.input.LayerNorm.bias",
                (Role::Bias, 1),
                "tf_mobile_bert_for_sequence_classification/mobilebert/encoder/layer_._0/bottleneck/input/LayerNorm/bias:0",
            ),
            (
                Family::Roberta,
                "classifier.weight",
                (Role::Matrix, 2),
                "tf_roberta_for_token_classification/classifier/kernel:0",
            ),
            (
                Family::Electra,
                "qa_outputs.bias",
                (Role::Bias, 1),
                "tf_electra_for_question_answering/qa_outputs/bias:0",
            ),
        ] {
            let head = match path.split('/').next().unwrap() {
                class if class.ends_with("token_classification") => Head::TokenClassifier,
                class if class.ends_with("question_answering") => Head::QuestionAnswering,
                _ => Head::Classifier,
            };
            let slot = Slot { name: name.to_owned(), dims: vec![4; dims], role };
            assert_eq!(KerasClass::of(family, head).unwrap().path(&slot), path);
            assert_eq!(parameter(path).unwrap().name, name);
        }
    }
}
