//! Tests of reading and writing network folders, and of every way in which a folder can be wrong.

use std::path::PathBuf;

use burn::tensor::Device;
use safetensors::SafeTensors;
use serde_json::Value;

use super::*;
use crate::test_networks::{config, tiny, tiny_json};
use crate::weights::Weight;

/// A saved network whose files a test then changes.
struct Saved {
    folder: tempfile::TempDir,
    weights: Weights,
}

impl Saved {
    fn new() -> Self {
        let (folder, network) = (tempfile::tempdir().unwrap(), tiny(1));
        save(folder.path(), &network, Precision::F32).unwrap();
        Self { folder, weights: Weights::of(&network) }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes the weights again after `change`.
    fn rewrite(mut self, change: impl FnOnce(&mut BTreeMap<String, Weight>)) -> Self {
        change(&mut self.weights.0);
        let path = self.path(files::WEIGHTS);
        std::fs::write(&path, to_safetensors(&path, &self.weights, Precision::F32).unwrap()).unwrap();
        self
    }

    fn load(&self) -> Result<Loaded<Transformer>, Error> {
        Transformer::load(self.folder.path(), &Device::flex())
    }

    /// What the user reads, with its causes.
    fn failure(&self) -> String {
        let error = self.load().unwrap_err();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            text += &format!(": {source}");
            cause = source.source();
        }
        text
    }
}

fn weight(dims: &[usize]) -> Weight {
    Weight { dims: dims.to_vec(), values: vec![0.5; dims.iter().product()] }
}

#[test]
fn a_saved_network_loads_with_identical_weights() {
    let saved = Saved::new();
    let loaded = saved.load().unwrap();
    assert!(loaded.warnings.is_empty());
    assert_eq!(Weights::of(&loaded.network), saved.weights);
    assert_eq!(loaded.network.config().labels, config(&[]).labels);
}

#[test]
fn a_saved_folder_is_the_one_that_transformers_saves() {
    let (theirs, ours) = (crate::test_reference::folder(), tempfile::tempdir().unwrap());
    let network = Transformer::load(&theirs, &Device::flex()).unwrap().network;
    save(ours.path(), &network, Precision::F32).unwrap();
    let read = |folder: &Path, file: &str| std::fs::read(folder.join(file)).unwrap();
    let (theirs_bytes, ours_bytes) = (read(&theirs, files::WEIGHTS), read(ours.path(), files::WEIGHTS));
    let tensors = |bytes| -> BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> {
        let parsed = SafeTensors::deserialize(bytes).unwrap();
        let owned = |view: TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        parsed.iter().map(|(name, view)| (name.to_owned(), owned(view))).collect()
    };
    assert!(tensors(&theirs_bytes) == tensors(&ours_bytes), "names, shapes or numbers differ");
    let config = |folder: &Path| files::read_json(&folder.join(files::CONFIG)).unwrap();
    let (theirs, ours) = (config(&theirs), config(ours.path()));
    for (key, value) in theirs.as_object().unwrap() {
        assert_eq!(&ours[key], value, "{key}");
    }
}

#[test]
fn half_precision_rounds_and_says_so_in_the_config() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &tiny(1), Precision::F16).unwrap();
    let config: Value = files::read_json(&folder.path().join("config.json")).unwrap();
    assert_eq!(config["dtype"], "float16");
    let loaded = Weights::of(&Transformer::load(folder.path(), &Device::flex()).unwrap().network);
    for (name, exact) in Weights::of(&tiny(1)).0 {
        let rounded = exact.values.iter().map(|&value| f16::from_f32(value).to_f32());
        assert!(loaded.get(&name).unwrap().values.iter().copied().eq(rounded), "{name}");
    }
}

#[test]
fn brain_floats_are_read() {
    let saved = Saved::new();
    let bytes = std::fs::read(saved.path(files::WEIGHTS)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let rounded: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, view)| {
            let values =
                view.data().as_chunks().0.iter().map(|&four| half::bf16::from_f32(f32::from_le_bytes(four)));
            (name.to_owned(), view.shape().to_vec(), values.flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = rounded
        .iter()
        .map(|(name, dims, bytes)| (name, TensorView::new(Dtype::BF16, dims.clone(), bytes).unwrap()));
    std::fs::write(saved.path(files::WEIGHTS), safetensors::serialize(views, None).unwrap()).unwrap();
    let loaded = Weights::of(&saved.load().unwrap().network);
    for (name, exact) in &saved.weights.0 {
        let rounded = exact.values.iter().map(|&value| half::bf16::from_f32(value).to_f32());
        assert!(loaded.get(name).unwrap().values.iter().copied().eq(rounded), "{name}");
    }
}

#[test]
fn shards_are_read_through_their_index() {
    let saved = Saved::new();
    std::fs::remove_file(saved.path(files::WEIGHTS)).unwrap();
    let mut map = serde_json::Map::new();
    for (shard, part) in ["bert.embeddings", "bert.encoder", "bert.pooler", "classifier"].iter().enumerate() {
        let file = format!("model-{shard}.safetensors");
        let inside = saved.weights.0.iter().filter(|(name, _)| name.starts_with(part));
        let weights = Weights(inside.map(|(name, weight)| (name.clone(), weight.clone())).collect());
        map.extend(weights.0.keys().map(|name| (name.clone(), json!(file))));
        let bytes = to_safetensors(&saved.path(&file), &weights, Precision::F32).unwrap();
        std::fs::write(saved.path(&file), bytes).unwrap();
    }
    let index = |map: &serde_json::Map<String, Value>| json!({"metadata": {}, "weight_map": map}).to_string();
    std::fs::write(saved.path(files::WEIGHTS_INDEX), index(&map)).unwrap();
    assert_eq!(Weights::of(&saved.load().unwrap().network), saved.weights);

    map.insert("bert.extra".to_owned(), json!("model-0.safetensors"));
    std::fs::write(saved.path(files::WEIGHTS_INDEX), index(&map)).unwrap();
    assert!(saved.failure().contains("`bert.extra` is not in `model-0.safetensors`"), "{}", saved.failure());

    map.insert("bert.extra".to_owned(), json!("../model-0.safetensors"));
    std::fs::write(saved.path(files::WEIGHTS_INDEX), index(&map)).unwrap();
    assert!(saved.failure().contains("not the name of a file beside it"));

    std::fs::write(saved.path(files::WEIGHTS_INDEX), "{}").unwrap();
    assert!(saved.failure().contains("weight_map"));
}

#[test]
fn a_missing_head_is_random_and_named() {
    let saved = Saved::new().rewrite(|weights| weights.retain(|name, _| !name.starts_with("classifier")));
    let loaded = saved.load().unwrap();
    let names = vec!["classifier.weight".to_owned(), "classifier.bias".to_owned()];
    assert_eq!(loaded.warnings, [LoadWarning::HeadInitialized { names }]);
    let weights = Weights::of(&loaded.network);
    assert!(weights.get("classifier.weight").unwrap().values.iter().any(|&value| value != 0.0));
}

#[test]
fn a_body_without_prefix_with_old_names_and_a_pretraining_head_is_understood() {
    let saved = Saved::new().rewrite(|weights| {
        let renamed = std::mem::take(weights).into_iter().map(|(name, weight)| {
            let name = name.trim_start_matches("bert.");
            (
                name.replace("LayerNorm.weight", "LayerNorm.gamma")
                    .replace("LayerNorm.bias", "LayerNorm.beta"),
                weight,
            )
        });
        weights.extend(renamed);
        weights.insert("embeddings.position_ids".to_owned(), weight(&[1, 32]));
        weights.insert("cls.predictions.bias".to_owned(), weight(&[60]));
    });
    let loaded = saved.load().unwrap();
    let names = vec!["cls.predictions.bias".to_owned(), "embeddings.position_ids".to_owned()];
    assert_eq!(loaded.warnings, [LoadWarning::Ignored { names }]);
    assert_eq!(Weights::of(&loaded.network), Weights::of(&tiny(1)));
}

#[test]
fn everything_that_does_not_fit_is_listed_at_once() {
    let saved = Saved::new().rewrite(|weights| {
        weights.remove("bert.encoder.layer.0.output.dense.bias");
        weights.insert("bert.encoder.layer.2.output.dense.bias".to_owned(), weight(&[24]));
        weights.insert("bert.embeddings.word_embeddings.weight".to_owned(), weight(&[61, 24]));
        weights.insert("embeddings.LayerNorm.gamma".to_owned(), weight(&[24]));
    });
    let failure = saved.failure();
    for expected in [
        "missing: `bert.encoder.layer.0.output.dense.bias` [24]",
        "unexpected: `bert.encoder.layer.2.output.dense.bias` [24]",
        "misshapen: `bert.embeddings.word_embeddings.weight` is [61, 24] in the file and [60, 24] by config.json",
        "ambiguous: `bert.embeddings.LayerNorm.weight` and `embeddings.LayerNorm.gamma` both stand for",
    ] {
        assert!(failure.contains(expected), "no {expected:?} in {failure}");
    }
}

#[test]
fn other_number_formats_are_refused() {
    let saved = Saved::new();
    let path = saved.path(files::WEIGHTS);
    let bytes = std::fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let views = tensors.tensors().into_iter().map(|(name, view)| {
        let dtype = if name == "classifier.bias" { Dtype::I32 } else { Dtype::F32 };
        let view = TensorView::new(dtype, view.shape().to_vec(), view.data()).unwrap();
        (name, view)
    });
    let changed = safetensors::serialize(views, None).unwrap();
    std::fs::write(&path, changed).unwrap();
    assert!(
        saved.failure().contains("unreadable: `classifier.bias` is stored as I32"),
        "{}",
        saved.failure()
    );
}

#[test]
fn cut_off_empty_and_corrupt_files_are_refused() {
    let saved = Saved::new();
    let path = saved.path(files::WEIGHTS);
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 5, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(saved.failure().contains("not a whole safetensors file"), "{length}: {}", saved.failure());
    }
    let mut corrupt = bytes.clone();
    corrupt[20] = 0xFF;
    std::fs::write(&path, corrupt).unwrap();
    assert!(saved.failure().contains("header"), "{}", saved.failure());
}

#[test]
fn oversized_headers_are_refused_without_reading_them() {
    let saved = Saved::new();
    let path = saved.path(files::WEIGHTS);
    for length in [200_000_000u64, 1 << 40, u64::MAX] {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        assert!(saved.failure().contains("header"), "{}", saved.failure());
    }
}

#[test]
fn a_tensor_that_claims_more_than_the_file_is_refused() {
    let saved = Saved::new();
    let header =
        br#"{"classifier.bias":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,12]}}    "#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(&[0; 12]);
    std::fs::write(saved.path(files::WEIGHTS), bytes).unwrap();
    assert!(saved.failure().contains("not a whole safetensors file"), "{}", saved.failure());
}

#[test]
fn sizes_that_the_weights_do_not_have_are_refused_before_memory_is_taken() {
    let saved = Saved::new();
    let mut json = tiny_json();
    json["vocab_size"] = json!(4_000_000_000_000u64);
    std::fs::write(saved.path(files::CONFIG), json.to_string()).unwrap();
    assert!(
        saved.failure().contains("misshapen: `bert.embeddings.word_embeddings.weight`"),
        "{}",
        saved.failure()
    );
}

#[test]
fn a_folder_without_config_or_weights_says_what_it_lacks() {
    let saved = Saved::new();
    std::fs::remove_file(saved.path(files::WEIGHTS)).unwrap();
    assert!(saved.failure().contains("model.safetensors.index.json"), "{}", saved.failure());
    std::fs::write(saved.path(files::CONFIG), "{\"model_type\": ").unwrap();
    assert!(saved.failure().contains("not valid JSON"));
    std::fs::remove_file(saved.path(files::CONFIG)).unwrap();
    assert!(saved.failure().contains("config.json"));
}

#[test]
fn a_config_of_another_family_is_refused_with_its_file() {
    let saved = Saved::new();
    std::fs::write(saved.path(files::CONFIG), r#"{"model_type": "gpt2", "vocab_size": 60}"#).unwrap();
    let failure = saved.failure();
    assert!(
        failure.contains("config.json")
            && failure.contains("gpt2")
            && failure.contains("`hidden_size` is missing"),
        "{failure}"
    );
}

#[test]
fn a_new_task_can_use_the_encoder_of_an_old_one() {
    let saved = Saved::new().rewrite(|weights| weights.retain(|name, _| name.starts_with("bert.")));
    let labels = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let config = config(&[]).with_labels(labels, crate::ProblemType::SingleLabelClassification).unwrap();
    let loaded = Transformer::load_as(saved.folder.path(), config, 3, &Device::flex()).unwrap();
    assert_eq!(Weights::of(&loaded.network).get("classifier.weight").unwrap().dims, [4, 24]);
}
