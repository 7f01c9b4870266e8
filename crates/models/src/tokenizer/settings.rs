//! What `tokenizer_config.json` says about a tokenizer.

use std::path::Path;

use serde_json::Value;
use tokenizers::TruncationDirection;

use crate::{Error, files};

/// The settings that change token ids; absent ones leave the tokenizer's own.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) do_lower_case: Option<bool>,
    pub(super) strip_accents: Option<bool>,
    pub(super) tokenize_chinese_chars: Option<bool>,
    pub(super) truncation_side: TruncationDirection,
    pub(super) unk_token: String,
    pub(super) cls_token: String,
    pub(super) sep_token: String,
    pub(super) pad_token: String,
    pub(super) mask_token: String,
}

impl Settings {
    /// The settings of a folder; BERT's own where there is no file.
    pub(super) fn from_folder(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(files::TOKENIZER_CONFIG);
        let json = if path.exists() { files::read_json(&path)? } else { Value::Null };
        let flag = |key: &str| json.get(key).and_then(Value::as_bool);
        let token = |key: &str, default: &str| token_name(json.get(key)).unwrap_or(default).to_owned();
        let left = json.get("truncation_side").is_some_and(|side| side == "left");
        Ok(Self {
            do_lower_case: flag("do_lower_case"),
            strip_accents: flag("strip_accents"),
            tokenize_chinese_chars: flag("tokenize_chinese_chars"),
            truncation_side: if left { TruncationDirection::Left } else { TruncationDirection::Right },
            unk_token: token("unk_token", "[UNK]"),
            cls_token: token("cls_token", "[CLS]"),
            sep_token: token("sep_token", "[SEP]"),
            pad_token: token("pad_token", "[PAD]"),
            mask_token: token("mask_token", "[MASK]"),
        })
    }
}

/// A token is written as its text, or as an object that holds the text as `content`.
fn token_name(value: Option<&Value>) -> Option<&str> {
    match value? {
        Value::String(name) => Some(name),
        Value::Object(fields) => fields.get("content")?.as_str(),
        _ => None,
    }
}
