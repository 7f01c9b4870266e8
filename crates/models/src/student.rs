//! The config of a student: its teacher's, with the searched and fixed dimensions replaced.

use serde_json::{Map, Value};

use crate::config::MobileBertSettings;
use crate::error::Problems;
use crate::{Error, Family, TransformerConfig};

/// The config of a student of `teacher` in `family` with some dimensions replaced; vocabulary, head and labels stay the
/// teacher's ([`Head::in_family`](crate::Head::in_family)). Dimensions may have the family's own name or BERT's (`hidden_size` for DistilBERT's `dim`).
///
/// # Errors
///
/// A name outside [`Family::student_dimensions`], or every problem of the resulting sizes: not whole numbers above 0,
/// heads that do not divide the width.
pub fn student_config(
    teacher: &TransformerConfig,
    family: Family,
    overrides: &Map<String, Value>,
) -> Result<TransformerConfig, Error> {
    let valid = family.student_dimensions();
    let mut json = in_family(teacher, family).to_json();
    for (name, value) in overrides {
        if !valid.contains(&name.as_str()) {
            return Err(Error::UnknownDimension { name: name.clone(), family, valid });
        }
        json[family.own_key(name)] = value.clone();
    }
    if let Some(object) = json.as_object_mut() {
        object.remove("_name_or_path"); // Where the teacher came from says nothing about the student.
    }
    TransformerConfig::from_json(&json).map_err(|problems: Problems<_>| Error::Architecture { problems })
}

/// The teacher's sizes as a network of `family`: as many tokens long, with segments where the family has them.
fn in_family(teacher: &TransformerConfig, family: Family) -> TransformerConfig {
    if family == teacher.family {
        return teacher.clone();
    }
    let mut config = TransformerConfig {
        family,
        head: teacher.head.in_family(family),
        embedding_size: teacher.hidden_size,
        type_vocab_size: match family {
            Family::DistilBert => 0,
            _ => teacher.type_vocab_size.max(1),
        },
        mobilebert: (family == Family::MobileBert).then(MobileBertSettings::default),
        extra: Map::new(), // What the teacher's family says besides has no meaning in another.
        ..teacher.clone()
    };
    if family == Family::MobileBert {
        config.embedding_size = MOBILEBERT_EMBEDDING_SIZE.min(teacher.hidden_size);
    }
    config.max_position_embeddings = teacher.max_length() + config.first_position();
    config
}

/// Width of the published MobileBERT's word embeddings.
const MOBILEBERT_EMBEDDING_SIZE: usize = 128;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_networks;

    fn student(family: Family, overrides: Value) -> Result<TransformerConfig, Error> {
        student_config(&test_networks::config(&[]), family, overrides.as_object().unwrap())
    }

    #[test]
    fn dimensions_replace_the_teachers_and_the_rest_stays() {
        let config = student(Family::Bert, json!({"hidden_size": 12, "num_attention_heads": 4})).unwrap();
        assert_eq!((config.hidden_size, config.num_attention_heads, config.intermediate_size), (12, 4, 40));
        assert_eq!(config.labels, test_networks::config(&[]).labels);
    }

    #[test]
    fn another_familys_student_is_as_long_and_knows_the_teachers_words() {
        let distilled = student(Family::DistilBert, json!({"hidden_size": 12, "hidden_dim": 20})).unwrap();
        assert_eq!(
            (distilled.hidden_size, distilled.intermediate_size, distilled.type_vocab_size),
            (12, 20, 0)
        );
        assert_eq!(distilled.to_json()["dim"], 12);
        let roberta = student(Family::Roberta, json!({})).unwrap();
        assert_eq!((roberta.max_length(), roberta.max_position_embeddings), (32, 33));
        let mobile =
            student(Family::MobileBert, json!({"intra_bottleneck_size": 12, "num_attention_heads": 2}));
        assert_eq!(mobile.unwrap().true_hidden_size(), 12);
    }

    #[test]
    fn an_unknown_dimension_lists_the_valid_ones() {
        let error = student(Family::Bert, json!({"hidden_sizes": 12})).unwrap_err().to_string();
        assert!(error.contains("`hidden_sizes`") && error.contains("intermediate_size"), "{error}");
        assert!(student(Family::Bert, json!({"intra_bottleneck_size": 12})).is_err());
    }

    #[test]
    fn infeasible_sizes_are_explained() {
        let error = student(Family::Bert, json!({"hidden_size": 20})).unwrap_err().to_string();
        assert!(error.contains("num_attention_heads 3 does not divide hidden_size 20"), "{error}");
        let zero = student(Family::Bert, json!({"num_hidden_layers": 0}));
        assert!(zero.unwrap_err().to_string().contains("above 0"));
        assert!(student(Family::Bert, json!({"hidden_size": "wide"})).is_err());
        let error =
            student(Family::MobileBert, json!({"intra_bottleneck_size": 16})).unwrap_err().to_string();
        assert!(error.contains("does not divide intra_bottleneck_size 16"), "{error}");
    }
}
