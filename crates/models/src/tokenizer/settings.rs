//! What `tokenizer_config.json` says about a tokenizer.

use std::path::Path;

use serde_json::Value;
use tokenizers::{AddedToken, TruncationDirection};

use crate::{Error, files};

/// The unknown token, the first one, the one after each text, padding, and the mask.
pub(super) type SpecialTokens = [&'static str; 5];

/// BERT's, which WordPiece vocabularies have.
pub(super) const BERT: SpecialTokens = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"];
/// RoBERTa's, which byte-level vocabularies have.
pub(super) const ROBERTA: SpecialTokens = ["<unk>", "<s>", "</s>", "<pad>", "<mask>"];

/// The settings that change token ids; absent ones leave the tokenizer's own.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) do_lower_case: Option<bool>,
    pub(super) strip_accents: Option<bool>,
    pub(super) tokenize_chinese_chars: Option<bool>,
    /// Whether byte-level tokenizers put a space before the first word.
    pub(super) add_prefix_space: bool,
    pub(super) truncation_side: TruncationDirection,
    pub(super) unk_token: String,
    pub(super) cls_token: String,
    pub(super) sep_token: String,
    pub(super) pad_token: String,
    pub(super) mask_token: String,
}

/// The `tokenizer_config.json` of a folder; null where there is none.
pub(super) fn read(folder: &Path) -> Result<Value, Error> {
    let path = folder.join(files::TOKENIZER_CONFIG);
    if path.exists() { files::read_json(&path) } else { Ok(Value::Null) }
}

impl Settings {
    /// What `json` says, which [`read`] returned; special tokens that it does not name are `own`.
    pub(super) fn new(json: &Value, own: &SpecialTokens) -> Self {
        let flag = |key: &str| json.get(key).and_then(Value::as_bool);
        let token = |key: &str, default: &str| token_name(json.get(key)).unwrap_or(default).to_owned();
        let left = json.get("truncation_side").is_some_and(|side| side == "left");
        Self {
            do_lower_case: flag("do_lower_case"),
            strip_accents: flag("strip_accents"),
            tokenize_chinese_chars: flag("tokenize_chinese_chars"),
            add_prefix_space: flag("add_prefix_space").unwrap_or(false),
            truncation_side: if left { TruncationDirection::Left } else { TruncationDirection::Right },
            unk_token: token("unk_token", own[0]),
            cls_token: token("cls_token", own[1]),
            sep_token: token("sep_token", own[2]),
            pad_token: token("pad_token", own[3]),
            mask_token: token("mask_token", own[4]),
        }
    }
}

/// The special tokens, which are never cut into pieces.
pub(super) fn special_tokens(settings: &Settings) -> Vec<AddedToken> {
    let names = [
        &settings.unk_token,
        &settings.cls_token,
        &settings.sep_token,
        &settings.pad_token,
        &settings.mask_token,
    ];
    names.into_iter().map(|name| AddedToken::from(name.clone(), true)).collect()
}

/// A token is written as its text, or as an object that holds the text as `content`.
fn token_name(value: Option<&Value>) -> Option<&str> {
    match value? {
        Value::String(name) => Some(name),
        Value::Object(fields) => fields.get("content")?.as_str(),
        _ => None,
    }
}
