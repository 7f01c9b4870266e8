//! Ten thousand corruptions of a small file of each format: every one is read or refused, and none panics or hangs.

use std::path::Path;

use burn::tensor::Device;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::stored::Stored;
use super::{keras, pytorch, safetensors_file, tensor_bundle};
use crate::{Tokenizer, Transformer};

const MUTATIONS: u64 = 10_000;
/// What length fields are made to say.
const LENGTHS: [u64; 8] = [0, 1, 0x7F, 0xFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 40, u64::MAX];

fn fixture(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file)).unwrap()
}

/// Shows `read` the corruptions of `whole`; it says whether it could read one. Some must fail, or nothing was tried.
fn corrupt(whole: &[u8], mut read: impl FnMut(&[u8]) -> bool) {
    assert!(read(whole), "the whole file is read");
    let refused = (0..MUTATIONS).filter(|&seed| !read(&mutated(whole, seed))).count();
    assert!(refused > 100, "only {refused} corruptions were refused");
}

/// The bytes with up to four changes: bits flipped, bytes put in or left out, an end cut off, a length replaced.
fn mutated(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bytes = whole.to_vec();
    for _ in 0..=below(&mut rng, 4) {
        let at = below(&mut rng, bytes.len() + 1);
        let rest = bytes.len() - at;
        match below(&mut rng, 10) {
            0 => bytes.truncate(at),
            1 | 2 => drop(bytes.drain(at..at + below(&mut rng, rest.min(16) + 1))),
            3 | 4 => drop(bytes.splice(at..at, vec![rng.next_u32() as u8; 1 + below(&mut rng, 8)])),
            5 | 6 => {
                let length = LENGTHS[below(&mut rng, LENGTHS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][below(&mut rng, 4)].min(rest);
                bytes[at..at + width].copy_from_slice(&length[..width]);
            }
            _ if rest > 0 => bytes[at] ^= 1 << below(&mut rng, 8),
            _ => {}
        }
    }
    bytes
}

fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    (rng.next_u64() % end.max(1) as u64) as usize
}

/// Reads the numbers of all tensors, as loading would.
fn read_all<'a>(bytes: &[u8], tensors: impl IntoIterator<Item = &'a Stored>) -> bool {
    let mut room = 0;
    for stored in tensors {
        room += stored.read(bytes).map_or(0, |values| values.len());
        assert!(room < 1 << 24, "more numbers than the file has");
    }
    true
}

#[test]
fn corrupt_safetensors_are_read_or_refused() {
    corrupt(&fixture("formats/reference/model.safetensors"), |bytes| {
        safetensors_file::read(bytes).is_ok_and(|tensors| read_all(bytes, tensors.values()))
    });
}

#[test]
fn corrupt_archives_of_pytorch_are_read_or_refused() {
    for file in ["formats/zip/pytorch_model.bin", "formats/mixed/zip.bin"] {
        corrupt(&fixture(file), |bytes| {
            pytorch::read(bytes).is_ok_and(|tensors| read_all(bytes, tensors.values()))
        });
    }
}

#[test]
fn corrupt_files_of_early_pytorch_are_read_or_refused() {
    for file in ["formats/legacy/pytorch_model.bin", "formats/mixed/legacy.bin"] {
        corrupt(&fixture(file), |bytes| {
            pytorch::read(bytes).is_ok_and(|tensors| read_all(bytes, tensors.values()))
        });
    }
}

#[test]
fn corrupt_files_of_keras_are_read_or_refused() {
    corrupt(&fixture("formats/keras/tf_model.h5"), |bytes| {
        keras::read(bytes.to_vec()).is_ok_and(|tensors| read_all(bytes, tensors.values()))
    });
}

#[test]
fn corrupt_indexes_of_tensorflow_are_read_or_refused() {
    let data = fixture("formats/google/bert_model.ckpt.data-00000-of-00001");
    let index = fixture("formats/google/bert_model.ckpt.index");
    corrupt(&index, |bytes| {
        tensor_bundle::read(bytes, data.len()).is_ok_and(|tensors| read_all(&data, tensors.values()))
    });
    // Past the checksums.
    corrupt(tensor_bundle::first_block(&index), |bytes| {
        tensor_bundle::read_block(bytes, data.len()).is_ok_and(|tensors| read_all(&data, tensors.values()))
    });
}

#[test]
fn corrupt_configs_are_read_or_refused_before_memory_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let weights = fixture("formats/reference/model.safetensors");
    std::fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    let whole = fixture("formats/reference/config.json");
    let layers = |count: &str| {
        let text = String::from_utf8_lossy(&whole)
            .replace("\"num_hidden_layers\": 2", &format!("\"num_hidden_layers\": {count}"));
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        Transformer::load(folder.path(), &Device::flex()).unwrap_err().to_string()
    };
    assert!(layers("4000000000000").contains("num_hidden_layers is 4000000000000; at most 1000"));
    corrupt(&whole, |bytes| {
        std::fs::write(folder.path().join("config.json"), bytes).unwrap();
        Transformer::load(folder.path(), &Device::flex()).is_ok()
    });
}

#[test]
fn corrupt_tokenizers_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let answers =
        || Tokenizer::from_folder(folder.path()).is_ok_and(|found| found.encode("Word3 w", None, 8).is_ok());
    for (file, whole) in [
        ("vocab.txt", fixture("formats/google/vocab.txt")),
        ("tokenizer_config.json", TOKENIZER_CONFIG.to_vec()),
        ("tokenizer.json", TOKENIZER.to_vec()),
    ] {
        let path = folder.path().join(file);
        corrupt(&whole, |bytes| {
            std::fs::write(&path, bytes).unwrap();
            answers()
        });
        std::fs::write(&path, whole).unwrap();
    }
}

const TOKENIZER_CONFIG: &[u8] =
    br#"{"do_lower_case": true, "pad_token": "[PAD]", "truncation_side": "right", "strip_accents": null}"#;

const TOKENIZER: &[u8] = br###"{"version": "1.0", "truncation": null, "padding": null,
"added_tokens": [{"id": 0, "content": "[PAD]", "single_word": false, "lstrip": false, "rstrip": false,
"normalized": false, "special": true}],
"normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
"lowercase": true}, "pre_tokenizer": {"type": "BertPreTokenizer"},
"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
{"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
{"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1],
"tokens": ["[CLS]"]}}},
"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
"model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
"max_input_chars_per_word": 100, "vocab": {"[PAD]": 0, "[CLS]": 1, "[UNK]": 2, "word": 3, "##3": 4, "w": 5}}}"###;
