//! BERT's WordPiece tokenizer (Wu et al. 2016) from a bare `vocab.txt`.

use std::path::Path;

use tokenizers::Tokenizer;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::template::TemplateProcessing;

use super::Settings;
use super::settings::special_tokens;
use crate::{Error, files};

/// Longer words become the unknown token.
const LONGEST_WORD: usize = 100;

/// The tokenizer of a vocabulary with one token per line, whose line number is its id.
pub(super) fn from_vocabulary(path: &Path, settings: &Settings) -> Result<Tokenizer, Error> {
    let unusable = |source| Error::TokenizerFile { path: path.to_owned(), source };
    let vocabulary = WordPiece::read_bytes(&files::read(path)?).map_err(unusable)?;
    let id_of = |token: &str| {
        let missing = || Error::SpecialToken { path: path.to_owned(), token: token.to_owned() };
        vocabulary.get(token).copied().ok_or_else(missing)
    };
    let special = [
        (settings.cls_token.clone(), id_of(&settings.cls_token)?),
        (settings.sep_token.clone(), id_of(&settings.sep_token)?),
    ];
    id_of(&settings.unk_token)?;
    let words = WordPiece::builder()
        .vocab(vocabulary)
        .unk_token(settings.unk_token.clone())
        .max_input_chars_per_word(LONGEST_WORD)
        .build()
        .map_err(unusable)?;
    let mut tokenizer = Tokenizer::new(words);
    tokenizer.with_normalizer(Some(normalizer(settings)));
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(post_processor(special).map_err(unusable)?));
    tokenizer.add_special_tokens(&special_tokens(settings));
    Ok(tokenizer)
}

fn normalizer(settings: &Settings) -> BertNormalizer {
    BertNormalizer::new(
        true,
        settings.tokenize_chinese_chars.unwrap_or(true),
        settings.strip_accents,
        settings.do_lower_case.unwrap_or(true),
    )
}

/// `[CLS] first [SEP]`, and `second [SEP]` in segment 1.
fn post_processor(special: [(String, u32); 2]) -> tokenizers::Result<TemplateProcessing> {
    let [(cls, _), (sep, _)] = &special;
    let template = TemplateProcessing::builder()
        .try_single(format!("{cls}:0 $A:0 {sep}:0"))?
        .try_pair(format!("{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1"))?
        .special_tokens(special.to_vec())
        .build()?;
    Ok(template)
}
