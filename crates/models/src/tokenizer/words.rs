//! Words to token ids, with the word that each token is a piece of.

use std::borrow::Cow;

use tokenizers::utils::truncation::truncate_encodings;
use tokenizers::{PreTokenizerWrapper, TruncationParams, TruncationStrategy};

use super::{SHOWN, Tokenizer};
use crate::{Encoded, Error};

/// The tokens of words, and what they are pieces of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedWords {
    /// The tokens.
    pub encoded: Encoded,
    /// The place of each token's word; `None` for special tokens.
    pub words: Vec<Option<u32>>,
}

impl Tokenizer {
    /// Tokenises words one by one, as `transformers` does with `is_split_into_words`, to at most `max_length` tokens: the
    /// last words are cut. A word may have no token at all.
    ///
    /// # Errors
    ///
    /// A `max_length` that leaves no room beside the special tokens, or a word that the tokenizer refuses.
    pub fn encode_words(&self, words: &[&str], max_length: usize) -> Result<EncodedWords, Error> {
        let special = self.special_tokens(false);
        if max_length <= special {
            return Err(Error::MaxLength { max_length, special });
        }
        let shown = || words.join(" ").chars().take(SHOWN).collect();
        let refused = |source| Error::Tokenize { text: shown(), source };
        self.encode_words_checked(words, max_length - special).map_err(refused)
    }

    fn encode_words_checked(&self, words: &[&str], room: usize) -> tokenizers::Result<EncodedWords> {
        let words: Vec<Cow<'_, str>> = words.iter().map(|word| self.spelled(word)).collect();
        let encoding = self.inner.encode(words, false)?;
        let truncation = TruncationParams {
            max_length: room,
            strategy: TruncationStrategy::LongestFirst,
            direction: self.settings.truncation_side,
            stride: 0,
        };
        let (encoding, _) = truncate_encodings(encoding, None, &truncation)?;
        let encoding = self.inner.post_process(encoding, None, true)?;
        let encoded = Encoded {
            ids: encoding.get_ids().to_vec(),
            token_types: encoding.get_type_ids().iter().map(|&segment| segment as u8).collect(),
        };
        Ok(EncodedWords { encoded, words: encoding.get_word_ids().to_vec() })
    }

    /// A word as it stands inside a text: byte-level tokenizers have a space in front of it.
    fn spelled<'w>(&self, word: &'w str) -> Cow<'w, str> {
        match self.inner.get_pre_tokenizer() {
            Some(PreTokenizerWrapper::ByteLevel(_)) => Cow::Owned(format!(" {word}")),
            _ => Cow::Borrowed(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder;
    use super::*;

    #[test]
    fn pieces_know_their_word_and_the_last_words_are_cut() {
        let tokenizer = Tokenizer::from_folder(folder("{}").path()).unwrap();
        let EncodedWords { encoded, words } = tokenizer.encode_words(&["Foxes", "", "jumped,"], 64).unwrap();
        assert_eq!(encoded.ids, [2, 7, 8, 9, 10, 13, 3]);
        assert_eq!(words, [None, Some(0), Some(0), Some(2), Some(2), Some(2), None]);
        let cut = tokenizer.encode_words(&["foxes", "jumped"], 5).unwrap();
        assert_eq!(cut.words, [None, Some(0), Some(0), Some(1), None]);
        assert!(tokenizer.encode_words(&["fox"], 2).is_err());
    }
}
