//! The config of a student: its teacher's, with the searched and fixed dimensions replaced.

use serde_json::{Map, Value};

use crate::error::Problems;
use crate::{BertConfig, Error};

/// The values of a Hugging Face config that a BERT student may set.
pub const STUDENT_DIMENSIONS: &[&str] = &[
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "layer_norm_eps",
    "initializer_range",
];

/// The config of a student of `teacher` with some dimensions replaced; vocabulary and labels stay the teacher's.
///
/// # Errors
///
/// A name outside [`STUDENT_DIMENSIONS`], or every problem of the resulting sizes: not whole numbers above 0,
/// heads that do not divide the width.
pub fn student_config(teacher: &BertConfig, overrides: &Map<String, Value>) -> Result<BertConfig, Error> {
    let mut json = teacher.to_json();
    for (name, value) in overrides {
        if !STUDENT_DIMENSIONS.contains(&name.as_str()) {
            return Err(Error::UnknownDimension { name: name.clone(), valid: STUDENT_DIMENSIONS });
        }
        json[name.as_str()] = value.clone();
    }
    if let Some(object) = json.as_object_mut() {
        object.remove("_name_or_path"); // Where the teacher came from says nothing about the student.
    }
    BertConfig::from_json(&json).map_err(|problems: Problems<_>| Error::Architecture { problems })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_networks;

    fn student(overrides: Value) -> Result<BertConfig, Error> {
        student_config(&test_networks::config(&[]), overrides.as_object().unwrap())
    }

    #[test]
    fn dimensions_replace_the_teachers_and_the_rest_stays() {
        let config = student(json!({"hidden_size": 12, "num_attention_heads": 4})).unwrap();
        assert_eq!((config.hidden_size, config.num_attention_heads, config.intermediate_size), (12, 4, 40));
        assert_eq!(config.labels, test_networks::config(&[]).labels);
    }

    #[test]
    fn an_unknown_dimension_lists_the_valid_ones() {
        let error = student(json!({"hidden_sizes": 12})).unwrap_err().to_string();
        assert!(error.contains("`hidden_sizes`") && error.contains("intermediate_size"), "{error}");
    }

    #[test]
    fn infeasible_sizes_are_explained() {
        let error = student(json!({"hidden_size": 20})).unwrap_err().to_string();
        assert!(error.contains("num_attention_heads 3 does not divide hidden_size 20"), "{error}");
        assert!(student(json!({"num_hidden_layers": 0})).unwrap_err().to_string().contains("above 0"));
        assert!(student(json!({"hidden_size": "wide"})).is_err());
    }
}
