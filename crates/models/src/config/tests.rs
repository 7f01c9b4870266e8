//! Tests of reading, validating and writing a config.

use serde_json::json;

use super::*;

fn tiny() -> Value {
    json!({
        "model_type": "bert", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
        "intermediate_size": 40, "vocab_size": 60, "max_position_embeddings": 32, "type_vocab_size": 2,
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut config = tiny();
    config[key] = value;
    config
}

fn problems(value: &Value) -> Vec<String> {
    TransformerConfig::from_json(value).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn settings_that_are_not_sizes_default_to_hugging_faces() {
    let config = TransformerConfig::from_json(&tiny()).unwrap();
    assert_eq!(
        (config.hidden_act, config.layer_norm_eps, config.head_dropout()),
        (Activation::Gelu, 1e-12, 0.1)
    );
    assert_eq!(config.labels, ["LABEL_0", "LABEL_1"]);
    assert_eq!(config.task(), ProblemType::SingleLabelClassification);
}

#[test]
fn every_missing_size_is_named_at_once() {
    let mut config = tiny();
    for key in ["hidden_size", "vocab_size"] {
        config.as_object_mut().unwrap().remove(key);
    }
    let problems = problems(&config);
    assert_eq!(problems.len(), 2);
    assert!(problems[0].contains("`hidden_size` is missing"), "{problems:?}");
    assert!(problems[1].contains("`vocab_size` is missing"), "{problems:?}");
}

#[test]
fn wrong_types_and_ranges_show_what_was_found() {
    assert!(problems(&with("hidden_size", json!("24")))[0].contains("found \"24\""));
    assert!(problems(&with("num_hidden_layers", json!(0)))[0].contains("above 0"));
    assert!(problems(&with("hidden_dropout_prob", json!(1.0)))[0].contains("probability"));
    assert!(problems(&with("vocab_size", json!(-3)))[0].contains("found -3"));
}

#[test]
fn other_families_heads_and_variants_are_refused_by_name() {
    assert!(problems(&with("model_type", json!("gpt2")))[0].contains("supported: bert, distilbert"));
    assert!(
        problems(&with("architectures", json!(["BertForMultipleChoice"])))[0]
            .contains("BertForSequenceClassification")
    );
    assert!(problems(&with("position_embedding_type", json!("relative_key")))[0].contains("absolute"));
    assert!(problems(&with("is_decoder", json!(true)))[0].contains("is_decoder"));
    assert!(problems(&with("hidden_act", json!("silu")))[0].contains("gelu_new"));
}

#[test]
fn heads_must_divide_the_width() {
    assert_eq!(
        problems(&with("num_attention_heads", json!(5))),
        ["num_attention_heads 5 does not divide hidden_size 24"]
    );
}

#[test]
fn labels_come_in_order_of_their_ids() {
    let config =
        TransformerConfig::from_json(&with("id2label", json!({"1": "positive", "0": "negative"}))).unwrap();
    assert_eq!(config.labels, ["negative", "positive"]);
    assert!(problems(&with("id2label", json!({"0": "a", "2": "b"})))[0].contains("id2label"));
    assert!(problems(&with("id2label", json!({"0": "a", "1": "a"})))[0].contains("two ids"));
}

#[test]
fn one_label_means_regression() {
    let config = TransformerConfig::from_json(&with("num_labels", json!(1))).unwrap();
    assert_eq!(config.task(), ProblemType::Regression);
}

#[test]
fn num_labels_must_agree_with_the_names() {
    let mut config = with("id2label", json!({"0": "a", "1": "b"}));
    config["num_labels"] = json!(3);
    assert!(problems(&config)[0].contains("num_labels is 3"));
}

#[test]
fn unknown_keys_survive_saving_and_the_head_is_stated() {
    let config = TransformerConfig::from_json(&with("my_key", json!([1, 2]))).unwrap();
    let saved = config.to_json();
    assert_eq!(saved["my_key"], json!([1, 2]));
    assert_eq!(saved["architectures"], json!(["BertForSequenceClassification"]));
    assert_eq!(saved["label2id"], json!({"LABEL_0": 0, "LABEL_1": 1}));
    assert_eq!(
        TransformerConfig::from_json(&saved).unwrap(),
        TransformerConfig { problem_type: Some(config.task()), ..config }
    );
}

#[test]
fn a_new_head_needs_distinct_labels() {
    let config = TransformerConfig::from_json(&tiny()).unwrap();
    let three = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    assert_eq!(
        config.clone().with_labels(three, ProblemType::SingleLabelClassification).unwrap().num_labels(),
        3
    );
    assert!(config.with_labels(vec![], ProblemType::Regression).is_err());
}
