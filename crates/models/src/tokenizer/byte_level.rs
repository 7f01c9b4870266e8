//! RoBERTa's byte-level BPE tokenizer (Radford et al. 2019, Liu et al. 2019) from `vocab.json` and `merges.txt`.

use std::path::Path;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{Model, Tokenizer};

use super::settings::special_tokens;
use super::{Settings, contained};
use crate::{Error, files};

/// The tokenizer of a folder with these two files.
pub(super) fn from_folder(folder: &Path, settings: &Settings) -> Result<Tokenizer, Error> {
    let [vocabulary, merges] = [files::BYTE_VOCABULARY, files::MERGES].map(|name| folder.join(name));
    let pairs = contained(|| {
        BPE::from_file(&vocabulary.to_string_lossy(), &merges.to_string_lossy())
            .unk_token(settings.unk_token.clone())
            .build()
    });
    let pairs = pairs.map_err(|source| Error::TokenizerFile { path: vocabulary.clone(), source })?;
    let special = |token: &str| {
        let missing = || Error::SpecialToken { path: vocabulary.clone(), token: token.to_owned() };
        Ok::<_, Error>((token.to_owned(), pairs.token_to_id(token).ok_or_else(missing)?))
    };
    let (sep, cls) = (special(&settings.sep_token)?, special(&settings.cls_token)?);
    let space = settings.add_prefix_space;
    let mut tokenizer = Tokenizer::new(pairs);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(space)));
    tokenizer.with_post_processor(Some(RobertaProcessing::new(sep, cls).add_prefix_space(space)));
    tokenizer.add_special_tokens(&special_tokens(settings));
    Ok(tokenizer)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use crate::{Error, Tokenizer};

    #[test]
    fn texts_have_the_ids_that_transformers_gives_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/byte_level");
        let expected = std::fs::read(folder.join("expected.json")).unwrap();
        let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
        let tokenizer = Tokenizer::from_folder(&folder).unwrap();
        assert_eq!(tokenizer.padding_id(), 1);
        assert!(expected.len() > 7);
        for case in expected {
            let length = case["max_length"].as_u64().unwrap() as usize;
            let found =
                tokenizer.encode(case["text"].as_str().unwrap(), case["pair"].as_str(), length).unwrap();
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(found.ids, ids, "{case}");
            assert_eq!(found.token_types.len(), ids.len());
        }
    }

    #[test]
    fn a_vocabulary_without_its_merges_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vocab.json"), "{}").unwrap();
        assert!(matches!(Tokenizer::from_folder(folder.path()), Err(Error::TokenizerFile { .. })));
    }
}
