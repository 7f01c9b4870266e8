//! Tests that a file written here is arranged as Keras arranges it.

use std::collections::BTreeMap;

use super::write::name_lists;
use super::*;
use crate::Transformer;
use crate::test_reference::fixture;

/// Path and shape of every weight, by path; each is below the layer that its path names, embeddings elsewhere besides.
fn arrangement(bytes: Vec<u8>) -> BTreeMap<String, Vec<u64>> {
    let file = hdf5_pure::File::from_bytes(bytes).unwrap();
    let mut found = BTreeMap::new();
    for layer in names(&file.root(), LAYERS).unwrap() {
        let group = file.root().group(&layer).unwrap();
        for path in names(&group, WEIGHTS).unwrap() {
            let is_copy = path.contains("_embeddings/embeddings:0");
            assert!(is_copy || path.split('/').nth(1) == Some(layer.as_str()), "{path} in {layer}");
            let shape = group.dataset(&path).unwrap().shape().unwrap();
            found.insert(path, shape);
        }
    }
    found
}

#[test]
fn written_files_have_the_paths_and_shapes_of_keras_own() {
    let text = std::fs::read_to_string(fixture("keras_arrangements.json")).unwrap();
    let arrangements: BTreeMap<String, Vec<(String, Vec<u64>)>> = serde_json::from_str(&text).unwrap();
    assert!(arrangements.len() > 20, "every family with every head");
    for (name, weights) in arrangements {
        let network = Transformer::load(&fixture(&name), &burn::tensor::Device::flex()).unwrap().network;
        let written = arrangement(to_hdf5(&network).unwrap());
        assert_eq!(written, weights.into_iter().collect(), "{name}");
    }
}

#[test]
fn a_table_without_rows_is_read_where_its_place_is_missing() {
    let mut file = hdf5_pure::FileBuilder::new();
    file.set_attr(LAYERS, hdf5_pure::AttrValue::AsciiStringArray(vec!["cls".to_owned()]));
    let mut group = file.create_group("cls");
    group.set_attr(WEIGHTS, hdf5_pure::AttrValue::AsciiStringArray(vec!["x/cls/weight:0".to_owned()]));
    let mut inner = group.create_group("x");
    let mut innermost = inner.create_group("cls");
    innermost.create_dataset("weight:0").with_f32_data(&[]).with_shape(&[0, 7]);
    inner.add_group(innermost.finish());
    group.add_group(inner.finish());
    file.add_group(group.finish());
    let tensors = read(file.finish().unwrap()).unwrap();
    assert_eq!(tensors["cls.weight"].shape, [0, 7]);
}

#[test]
fn long_lists_of_names_are_split_and_joined_again() {
    let all: Vec<String> = (0..3000).map(|number| format!("{number:060}")).collect();
    let mut file = hdf5_pure::FileBuilder::new();
    let lists = name_lists(WEIGHTS, all.clone());
    assert_eq!(lists.len(), 3);
    for (name, list) in lists {
        file.set_attr(&name, list);
    }
    let read = hdf5_pure::File::from_bytes(file.finish().unwrap()).unwrap();
    assert_eq!(names(&read.root(), WEIGHTS).unwrap(), all);
    assert!(names(&read.root(), LAYERS).unwrap_err().to_string().contains("layer_names is not a list"));
}

#[test]
fn paths_become_pytorchs_names() {
    for (path, name, transposed) in [
        (
            "tf_bert_model/bert/encoder/layer_._11/output/dense/kernel:0",
            "bert.encoder.layer.11.output.dense.weight",
            true,
        ),
        (
            "tf_bert_for_pre_training_2/bert/embeddings/word_embeddings/weight:0",
            "bert.embeddings.word_embeddings.weight",
            false,
        ),
        (
            "x/bert/embeddings/token_type_embeddings/embeddings:0",
            "bert.embeddings.token_type_embeddings.weight",
            false,
        ),
        ("x/bert/embeddings/LayerNorm/beta:0", "bert.embeddings.LayerNorm.bias", false),
        ("x/nsp___cls/seq_relationship/kernel:0", "cls.seq_relationship.weight", true),
        (
            "x/mobilebert/encoder/layer_._0/ffn.1/output/LayerNorm/weight:0",
            "mobilebert.encoder.layer.0.ffn.1.output.LayerNorm.weight",
            false,
        ),
    ] {
        assert_eq!(names::parameter(path), Some(Named { name: name.to_owned(), transposed }), "{path}");
    }
}

#[test]
fn compressed_numbers_are_refused_by_name() {
    let mut file = hdf5_pure::FileBuilder::new();
    file.set_attr(LAYERS, hdf5_pure::AttrValue::AsciiStringArray(vec!["bert".to_owned()]));
    let mut group = file.create_group("bert");
    group.set_attr(WEIGHTS, hdf5_pure::AttrValue::AsciiStringArray(vec!["kernel:0".to_owned()]));
    group.create_dataset("kernel:0").with_f32_data(&[0.0; 64]).with_shape(&[64]).with_chunks(&[16]);
    file.add_group(group.finish());
    let failure = contained(Bytes(file.finish().unwrap())).unwrap_err().to_string();
    assert!(failure.contains("`kernel:0` is stored in chunks"), "{failure}");
}
