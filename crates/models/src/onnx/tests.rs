//! What an exported file says.

use super::messages::{Dimension, Graph, Node};
use super::*;
use crate::test_networks;

fn graph(values: &[(&str, serde_json::Value)]) -> Graph {
    model(&test_networks::with(values, 3)).unwrap().graph
}

fn count(graph: &Graph, operator: &str) -> usize {
    graph.nodes.iter().filter(|node| node.operator == operator).count()
}

#[test]
fn what_is_written_is_read_back() {
    let written = model(&test_networks::tiny(1)).unwrap();
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
fn every_parameter_is_held_once_under_its_checkpoints_name() {
    for family in crate::Family::ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(family.model_type());
        let network = Transformer::load(&folder, &burn::tensor::Device::flex()).unwrap().network;
        let graph = model(&network).unwrap().graph;
        let held: Vec<&str> = graph.initializers.iter().map(|tensor| &*tensor.name).collect();
        for slot in crate::weights::slots(&network) {
            assert_eq!(held.iter().filter(|name| **name == slot.name).count(), 1, "{}", slot.name);
        }
        let parameters: usize = graph.initializers.iter().map(|tensor| tensor.numbers.len()).sum();
        let all = cost::parameters(network.config());
        assert!((parameters as u64).abs_diff(all) < all / 20, "{family}: {parameters} of {all}");
    }
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
    let model = model(&test_networks::with(&[("id2label", id2label.clone())], 0)).unwrap();
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
    assert_eq!(Model::from_bytes(&bytes).unwrap(), model(&network).unwrap());
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
    let bytes = model(&test_networks::tiny(1)).unwrap().to_bytes();
    let mut accepted = 0;
    for changed in crate::test_networks::mutations(&bytes, 20_000) {
        accepted +=
            usize::from(Model::from_bytes(&changed).is_ok_and(|model| screening::screen(&model).is_ok()));
    }
    // Most bytes are weights, and many changes of them are as good as before.
    assert!((100..19_000).contains(&accepted), "{accepted}");
}
