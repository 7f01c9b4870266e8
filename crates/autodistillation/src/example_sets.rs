//! From the tables of any task to tokenised example sets.

use autodistillation_distillation::ExampleSet;
use autodistillation_models::{Encoded, EncodedWords, Tokenizer};

use crate::Error;
use crate::data::corpus::{self, Packing};
use crate::data::questions::{self, Answers};
use crate::data::{self, Encode, LabelEncoding, Table, Tokens, token_ids};
use crate::plan::TextForm;

/// What a table is to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Students learn from it.
    Training,
    /// It chooses between them; also what `evaluate` reads, so that it gives a run's numbers.
    Validation,
    /// It is reported and never chooses.
    Test,
}

/// How tables become examples.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'a> {
    /// The tokenizer of teacher and students.
    pub tokenizer: &'a Tokenizer,
    /// What labels mean.
    pub labels: &'a LabelEncoding,
    /// What the texts are.
    pub form: TextForm,
    /// Longest example in tokens, special ones included.
    pub max_length: usize,
}

impl Encoder<'_> {
    /// The examples of a table. Texts for pretraining are packed and masked, each part with a seed of its own that is the
    /// same in every study, so that students of different studies are compared on the same masks.
    ///
    /// # Errors
    ///
    /// The first text that cannot be tokenised, or label that the classes lack, with its file and line; for pretraining
    /// those of [`corpus::examples`], for questions those of [`questions::examples`].
    pub fn examples(&self, table: &Table, part: Part) -> Result<ExampleSet, Error> {
        let Self { tokenizer, max_length, .. } = *self;
        match (self.labels, self.form) {
            (LabelEncoding::MaskedText { next_sentence }, form) => {
                let seed = match part {
                    Part::Training => 0,
                    Part::Validation => corpus::VALIDATION_SEED,
                    Part::Test => 2,
                };
                let packing = Packing { next_sentence: *next_sentence, max_length, seed };
                match form {
                    TextForm::Words => corpus::examples(table, tokenizer, &packing),
                    TextForm::TokenIds => corpus::of_token_ids(table, tokenizer, &packing),
                }
            }
            (LabelEncoding::Answers, TextForm::TokenIds) => {
                questions::of_token_ids(table, tokenizer, max_length)
            }
            (LabelEncoding::Answers, TextForm::Words) => {
                let answers = if part == Part::Training { Answers::Dropped } else { Answers::Kept };
                questions::examples(table, tokenizer, (max_length, answers))
            }
            _ => Ok(self.labelled(table)?),
        }
    }

    /// One example for each row.
    fn labelled(&self, table: &Table) -> Result<ExampleSet, data::Error> {
        let Self { tokenizer, max_length, .. } = *self;
        let encode = |text: &str, pair: Option<&str>| -> Result<Tokens, Error> {
            if self.form == TextForm::TokenIds {
                return Ok(token_ids((text, pair), tokenizer.vocabulary_size())?);
            }
            let Encoded { ids, token_types } = tokenizer.encode(text, pair, max_length)?;
            Ok((ids, token_types))
        };
        let encode_words = |words: &[&str]| {
            let EncodedWords { encoded, words } = tokenizer.encode_words(words, max_length)?;
            Ok(((encoded.ids, encoded.token_types), words))
        };
        let padding_id = tokenizer.padding_id();
        let encode = Encode { encode: &encode, encode_words: &encode_words, max_length, padding_id };
        data::tokenise(table, &encode, self.labels)
    }
}
