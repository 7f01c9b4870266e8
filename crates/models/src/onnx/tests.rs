//! What an exported file says.

use super::messages::{Dimension, Graph, Node};
use super::*;
use crate::{test_networks, test_reference};

fn graph(values: &[(&str, serde_json::Value)]) -> Graph {
    model(&test_networks::with(values, 3)).graph
}

fn reference(name: &str) -> Transformer {
    Transformer::load(&test_reference::fixture(name), &burn::tensor::Device::flex()).unwrap().network
}

fn count(graph: &Graph, operator: &str) -> usize {
    graph.nodes.iter().filter(|node| node.operator == operator).count()
}

#[test]
fn what_is_written_is_read_back() {
    let written = model(&test_networks::tiny(1));
    assert_eq!(Model::from_bytes(&written.to_bytes()).unwrap(), written);
}

#[test]
fn inputs_and_the_output_are_called_as_transformers_calls_them() {
    let graph = graph(&[]);
    let names: Vec<&str> = graph.inputs.iter().map(|port| &*port.name).collect();
    assert_eq!(names, ["input_ids", "attention_mask", "token_type_ids"]);
    let named = |name: &str| Dimension::Named(name.to_owned());
    assert!(graph.inputs.iter().all(|port| port.dims == [named("batch"), named("length")]));
    assert_eq!(graph.outputs[0].name, "logits");
    assert_eq!(graph.outputs[0].dims, [named("batch"), Dimension::Fixed(3)]);
}

#[test]
fn outputs_of_every_head_are_called_as_transformers_calls_them() {
    let named = |name: &str| Dimension::Named(name.to_owned());
    for (fixture, expected) in [
        ("bert", vec![("logits", vec![named("batch"), Dimension::Fixed(3)])]),
        ("roberta_tokens", vec![("logits", vec![named("batch"), named("length"), Dimension::Fixed(3)])]),
        (
            "electra_answers",
            vec![
                ("start_logits", vec![named("batch"), named("length")]),
                ("end_logits", vec![named("batch"), named("length")]),
            ],
        ),
        ("distilbert_masked", vec![("logits", vec![named("batch"), named("length"), Dimension::Fixed(32)])]),
        (
            "mobilebert_pretraining",
            vec![
                ("prediction_logits", vec![named("batch"), named("length"), Dimension::Fixed(32)]),
                ("seq_relationship_logits", vec![named("batch"), Dimension::Fixed(2)]),
            ],
        ),
    ] {
        let graph = model(&reference(fixture)).graph;
        let found: Vec<_> = graph.outputs.iter().map(|port| (&*port.name, port.dims.clone())).collect();
        assert_eq!(found, expected, "{fixture}");
    }
}

#[test]
fn every_parameter_is_held_once_under_its_checkpoints_name() {
    for name in test_reference::HEADS.into_iter().chain(crate::Family::ALL.map(crate::Family::model_type)) {
        let network = reference(name);
        let graph = model(&network).graph;
        let held: Vec<&str> = graph.initializers.iter().map(|tensor| &*tensor.name).collect();
        for slot in crate::weights::slots(&network) {
            assert_eq!(held.iter().filter(|name| **name == slot.name).count(), 1, "{}", slot.name);
        }
        let parameters: usize = graph.initializers.iter().map(|tensor| tensor.numbers.len()).sum();
        let all = cost::parameters(network.config());
        assert!((parameters as u64).abs_diff(all) < all / 20, "{name}: {parameters} of {all}");
    }
}

#[test]
fn the_decoder_is_the_table_of_the_words() {
    for (name, table, operators) in [
        ("electra_masked", "electra.embeddings.word_embeddings.weight", ["Transpose", "MatMul"]),
        ("mobilebert_square", "mobilebert.embeddings.word_embeddings.weight", ["Transpose", "MatMul"]),
        ("mobilebert_masked", "mobilebert.embeddings.word_embeddings.weight", ["Transpose", "Concat"]),
    ] {
        let graph = model(&reference(name)).graph;
        let uses = |value: &str| -> Vec<Node> {
            let reads = |node: &&Node| node.inputs.iter().any(|input| input == value);
            graph.nodes.iter().filter(reads).cloned().collect()
        };
        let of_table = uses(table);
        let found: Vec<&str> = of_table.iter().map(|node| &*node.operator).collect();
        assert_eq!(found, ["Gather", operators[0]], "{name}");
        let turned = uses(&of_table[1].outputs[0]);
        assert_eq!(turned.iter().map(|node| &*node.operator).collect::<Vec<_>>(), [operators[1]], "{name}");
    }
}

#[test]
fn the_file_of_a_language_model_names_its_class_and_no_labels() {
    let model = model(&reference("bert_pretraining"));
    let keys: Vec<&str> = model.metadata.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["model_type", "architecture", "max_length", "pad_token_id"]);
    assert_eq!(model.metadata[1].1, "BertForPreTraining");
    assert!(model.doc.contains("for 32 words"), "{}", model.doc);
}

#[test]
fn the_last_layer_computes_the_first_token_alone() {
    let graph = graph(&[]);
    let slices: Vec<&Node> = graph.nodes.iter().filter(|node| node.operator == "Slice").collect();
    assert_eq!(slices.len(), 2);
    assert!(slices[1].name.starts_with("bert.encoder.layer.1/"), "{}", slices[1].name);
}

#[test]
fn each_activation_has_its_own_operators() {
    for (name, erf, tanh, relu) in [("gelu", 2, 1, 0), ("gelu_new", 0, 3, 0), ("relu", 0, 1, 2)] {
        let graph = graph(&[("hidden_act", name.into())]);
        let found = ["Erf", "Tanh", "Relu"].map(|operator| count(&graph, operator));
        assert_eq!(found, [erf, tanh, relu], "{name}");
    }
}

#[test]
fn the_file_names_its_labels_and_its_maker() {
    let id2label = serde_json::json!({"0": "no", "1": "jein", "2": "yes"});
    let model = model(&test_networks::with(&[("id2label", id2label.clone())], 0));
    let value = |key: &str| model.metadata.iter().find(|(name, _)| name == key).unwrap().1.clone();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&value("id2label")).unwrap(), id2label);
    assert_eq!(value("problem_type"), "single_label_classification");
    assert_eq!(model.producer_name, "autodistillation");
    assert!(model.doc.contains("at most 32 tokens"), "{}", model.doc);
}

#[test]
fn a_folder_gets_the_config_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let network = test_networks::tiny(1);
    save_onnx(folder.path(), &network).unwrap();
    assert_eq!(&TransformerConfig::from_folder(folder.path()).unwrap().labels, &network.config().labels);
    let bytes = std::fs::read(folder.path().join(ONNX_FILE)).unwrap();
    assert_eq!(Model::from_bytes(&bytes).unwrap(), model(&network));
}

#[test]
fn a_network_above_two_gigabytes_is_refused_before_it_is_made() {
    let config = test_networks::config(&[("vocab_size", (1u64 << 26).into())]);
    let network = Transformer::blank(config, &burn::tensor::Device::flex());
    let error = to_onnx(Path::new("large/model.onnx"), &network).unwrap_err().to_string();
    assert!(error.contains("large/model.onnx") && error.contains("--format hf"), "{error}");
}

#[test]
fn no_change_of_bytes_makes_the_reader_panic() {
    let bytes = model(&test_networks::tiny(1)).to_bytes();
    let mut accepted = 0;
    for changed in crate::test_networks::mutations(&bytes, 20_000) {
        accepted +=
            usize::from(Model::from_bytes(&changed).is_ok_and(|model| screening::screen(&model).is_ok()));
    }
    // Most bytes are weights, and many changes of them are as good as before.
    assert!((100..19_000).contains(&accepted), "{accepted}");
}
