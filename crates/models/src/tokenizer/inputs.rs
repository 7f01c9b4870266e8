//! Which inputs a tokenizer of `transformers` makes for a network.

use std::path::Path;

use serde_json::{Value, json};

use crate::{Error, TransformerConfig, files};

const NAMES: &str = "model_input_names";
const CLASS: &str = "tokenizer_class";

/// The text of `tokenizer_config.json` for a network of `config`; `None` where that in `folder` makes the right inputs,
/// or where there is none, so that `transformers` takes the tokenizer of the network's own family.
///
/// # Errors
///
/// A file that cannot be read.
pub(super) fn for_network(folder: &Path, config: &TransformerConfig) -> Result<Option<String>, Error> {
    let path = folder.join(files::TOKENIZER_CONFIG);
    if !path.exists() {
        return Ok(None);
    }
    let mut settings = files::read_json(&path)?;
    let wanted = config.type_vocab_size > 1;
    let Some(fields) = settings.as_object_mut().filter(|fields| makes_segments(fields) != wanted) else {
        return Ok(None);
    };
    let names = match wanted {
        true => json!(["input_ids", "token_type_ids", "attention_mask"]),
        false => json!(["input_ids", "attention_mask"]),
    };
    fields.insert(NAMES.to_owned(), names);
    let text = serde_json::to_string_pretty(&settings).map_err(|source| Error::Json { path, source })? + "\n";
    Ok(Some(text))
}

/// Whether `transformers` makes `token_type_ids` with these settings: as they say, else as their class does.
fn makes_segments(settings: &serde_json::Map<String, Value>) -> bool {
    match settings.get(NAMES).and_then(Value::as_array) {
        Some(names) => names.iter().any(|name| name == "token_type_ids"),
        None => {
            let class = settings.get(CLASS).and_then(Value::as_str).unwrap_or_default();
            !["DistilBert", "Roberta"].iter().any(|family| class.starts_with(family))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_networks;

    /// What becomes of `settings` for a network of `family`.
    fn names(settings: &str, segments: u64) -> Option<Value> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(files::TOKENIZER_CONFIG), settings).unwrap();
        let config = test_networks::config(&[("type_vocab_size", segments.into())]);
        let text = for_network(folder.path(), &config).unwrap()?;
        let written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(written["do_lower_case"], true, "other settings stay");
        Some(written[NAMES].clone())
    }

    #[test]
    fn only_networks_that_tell_segments_apart_are_given_them() {
        let bert = r#"{"tokenizer_class": "BertTokenizer", "do_lower_case": true}"#;
        assert_eq!(names(bert, 2), None);
        assert_eq!(names(bert, 1), Some(json!(["input_ids", "attention_mask"])));
        let distilbert = r#"{"tokenizer_class": "DistilBertTokenizer", "do_lower_case": true}"#;
        assert_eq!(names(distilbert, 1), None);
        assert_eq!(names(distilbert, 2), Some(json!(["input_ids", "token_type_ids", "attention_mask"])));
        let said = r#"{"model_input_names": ["input_ids", "attention_mask"], "do_lower_case": true}"#;
        assert_eq!(names(said, 1), None);
        assert!(names(said, 2).is_some());
    }
}
