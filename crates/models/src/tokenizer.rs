//! Texts to token ids, as `transformers` makes them from the same folder.

mod byte_level;
mod inputs;
mod pieces;
mod settings;
mod wordpiece;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::utils::truncation::truncate_encodings;
use tokenizers::{Encoding, Model, ModelWrapper, PostProcessor, TruncationParams, TruncationStrategy};

use crate::{Error, TransformerConfig, files};
use settings::Settings;

pub use pieces::{Frame, Pieces};
pub use words::EncodedWords;

/// Characters of a text that an error shows.
const SHOWN: usize = 60;

/// The tokenizer of a network folder.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    settings: Settings,
    padding_id: u32,
    mask_id: Option<u32>,
    /// Where it came from.
    folder: PathBuf,
}

/// One tokenised text or pair of texts, with its special tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Segment of each token: 0 for the first text, 1 for the second.
    pub token_types: Vec<u8>,
}

/// A text, and a second one where the task compares two.
pub type TextPair<'a> = (&'a str, Option<&'a str>);

impl Tokenizer {
    /// Reads `tokenizer.json`, or else builds BERT's WordPiece tokenizer from `vocab.txt` or RoBERTa's byte-level one from
    /// `vocab.json` and `merges.txt`, with the settings of `tokenizer_config.json`.
    ///
    /// # Errors
    ///
    /// Neither file, one that cannot be read, or a padding token that is not in the vocabulary.
    pub fn from_folder(folder: &Path) -> Result<Self, Error> {
        let said = settings::read(folder)?;
        let [whole, vocabulary, bytes] =
            [files::TOKENIZER, files::VOCABULARY, files::BYTE_VOCABULARY].map(|name| folder.join(name));
        let (mut inner, settings) = if whole.exists() {
            let inner = parsed(&whole)?;
            let is_byte_level = matches!(inner.get_model(), ModelWrapper::BPE(_));
            (inner, Settings::new(&said, if is_byte_level { &settings::ROBERTA } else { &settings::BERT }))
        } else if vocabulary.exists() {
            let settings = Settings::new(&said, &settings::BERT);
            (wordpiece::from_vocabulary(&vocabulary, &settings)?, settings)
        } else if bytes.exists() {
            let settings = Settings::new(&said, &settings::ROBERTA);
            (byte_level::from_folder(folder, &settings)?, settings)
        } else {
            return Err(Error::NoTokenizer { folder: folder.to_owned() });
        };
        // Length and padding are each call's business, whatever the file says.
        inner.with_padding(None);
        // Taking truncation away cannot fail: there is no length to check.
        let _ = inner.with_truncation(None);
        override_normalizer(&mut inner, &settings);
        let padding_id = inner.token_to_id(&settings.pad_token).ok_or_else(|| Error::SpecialToken {
            path: folder.to_owned(),
            token: settings.pad_token.clone(),
        })?;
        // Missing special tokens were appended to a bare vocabulary, where no embedding was trained for them.
        let mask = settings.mask_token.as_str();
        let mask_id =
            if whole.exists() { inner.token_to_id(mask) } else { inner.get_model().token_to_id(mask) };
        Ok(Self { inner, settings, padding_id, mask_id, folder: folder.to_owned() })
    }

    /// Tokenises a text, or two, to at most `max_length` tokens: the longer text is cut first.
    ///
    /// # Errors
    ///
    /// A `max_length` that leaves no room beside the special tokens, or a text that the tokenizer refuses.
    pub fn encode(&self, text: &str, pair: Option<&str>, max_length: usize) -> Result<Encoded, Error> {
        let special = self.special_tokens(pair.is_some());
        if max_length <= special {
            return Err(Error::MaxLength { max_length, special });
        }
        let refused = |source| Error::Tokenize { text: text.chars().take(SHOWN).collect(), source };
        contained(|| self.encode_checked((text, pair), max_length - special)).map_err(refused)
    }

    /// Tokenises many texts at once, in parallel; the results are in the order of the texts.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::encode`], for the first text that fails.
    pub fn encode_all(&self, texts: &[TextPair<'_>], max_length: usize) -> Result<Vec<Encoded>, Error> {
        let encoded: Vec<Result<Encoded, Error>> =
            texts.par_iter().map(|(text, pair)| self.encode(text, *pair, max_length)).collect();
        encoded.into_iter().collect()
    }

    /// The id that fills the end of shorter texts.
    pub fn padding_id(&self) -> u32 {
        self.padding_id
    }

    /// How many rows the word embeddings need: the highest id and one.
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1)
    }

    /// Checks that every token has an embedding.
    ///
    /// # Errors
    ///
    /// [`Error::Vocabulary`] when the tokenizer makes ids that the network does not have.
    pub fn check_fits(&self, config: &TransformerConfig) -> Result<(), Error> {
        let (vocabulary, embeddings) = (self.vocabulary_size(), config.vocab_size);
        if vocabulary > embeddings {
            return Err(Error::Vocabulary { vocabulary, embeddings });
        }
        Ok(())
    }

    /// Copies the tokenizer's files into the folder of a network of `config`, byte by byte; only what
    /// `tokenizer_config.json` says of the inputs is the network's: a DistilBERT refuses segments.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written.
    pub fn copy_files(&self, to: &Path, config: &TransformerConfig) -> Result<(), Error> {
        for name in files::TOKENIZER_FILES {
            let from = self.folder.join(name);
            if from.exists() {
                files::write(&to.join(name), &files::read(&from)?)?;
            }
        }
        match inputs::for_network(&self.folder, config)? {
            Some(settings) => files::write(&to.join(files::TOKENIZER_CONFIG), settings.as_bytes()),
            None => Ok(()),
        }
    }

    /// Tokens that are added to one text or to two.
    fn special_tokens(&self, pair: bool) -> usize {
        self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(pair))
    }

    /// The tokens of the texts cut to `room`, and the special tokens around them.
    fn encode_checked(&self, (text, pair): TextPair<'_>, room: usize) -> tokenizers::Result<Encoded> {
        let first = self.inner.encode_fast(text, false)?;
        let second = pair.map(|pair| self.inner.encode_fast(pair, false)).transpose()?.map(as_second);
        let truncation = TruncationParams {
            max_length: room,
            strategy: TruncationStrategy::LongestFirst,
            direction: self.settings.truncation_side,
            stride: 0,
        };
        let (first, second) = truncate_encodings(first, second, &truncation)?;
        let encoding = self.inner.post_process(first, second, true)?;
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            token_types: encoding.get_type_ids().iter().map(|&segment| segment as u8).collect(),
        })
    }
}

fn parsed(path: &Path) -> Result<tokenizers::Tokenizer, Error> {
    let bytes = files::read(path)?;
    let read = contained(|| tokenizers::Tokenizer::from_bytes(bytes));
    read.map_err(|source| Error::TokenizerFile { path: path.to_owned(), source })
}

/// What `call` returns. The library panics at some files that contradict themselves, which ends here.
fn contained<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    let contradictory = |_| Err("its tokenizer contradicts itself".into());
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(contradictory)
}

/// Marks the tokens of a second text, for tokenizers whose post-processor leaves that to the encoder.
fn as_second(mut encoding: Encoding) -> Encoding {
    encoding.set_type_ids(vec![1; encoding.len()]);
    encoding
}

/// Lets `tokenizer_config.json` decide how BERT's normalizer treats case, accents and Chinese characters where
/// it says so, as `transformers` does.
fn override_normalizer(inner: &mut tokenizers::Tokenizer, settings: &Settings) {
    if let Some(NormalizerWrapper::BertNormalizer(found)) = inner.get_normalizer() {
        let mut normalizer = *found;
        normalizer.lowercase = settings.do_lower_case.unwrap_or(found.lowercase);
        normalizer.strip_accents = settings.strip_accents.or(found.strip_accents);
        normalizer.handle_chinese_chars =
            settings.tokenize_chinese_chars.unwrap_or(found.handle_chinese_chars);
        inner.with_normalizer(Some(normalizer));
    }
}

#[cfg(test)]
mod tests;
