//! Plain text for pretraining: from documents to texts, or pairs of texts, that are masked.

mod documents;
mod joined;
mod pairs;
mod sentences;
mod statistics;

use autodistillation_distillation::{Example, ExampleSet, MaskedText, Masking, Target};
use autodistillation_models::{Encoded, Frame, Tokenizer};

use super::token_ids::read_row;
use super::{Record, Table};
use crate::Error;
use documents::Document;
use pairs::Pair;

pub use sentences::sentence_ends;
pub use statistics::Statistics;

/// The seed of the validation part's pairs and masks: `evaluate` takes it too, so that it gives a run's numbers.
pub const VALIDATION_SEED: u64 = 1;

/// Whether a network is asked if a second text follows the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextSentence {
    /// Pairs of texts, for masked words and the next sentence (`BertForPreTraining`).
    Asked,
    /// Single texts, for masked words alone.
    NotAsked,
}

/// How documents become examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Pairs, or single texts.
    pub next_sentence: NextSentence,
    /// Longest example in tokens, special ones included.
    pub max_length: usize,
    /// The seed of pairs and masks.
    pub seed: u64,
}

/// The texts of a table, each row a document and each line of it a paragraph, as masked examples of at most
/// [`Packing::max_length`] tokens. They are a function of table, tokenizer and packing, on any number of threads.
///
/// Single texts join the sentences of a document as far as they fit. Pairs are those of Devlin et al. 2019: what follows,
/// or for half of them a run of another document. A table of one document has only pairs that follow.
///
/// # Errors
///
/// A tokenizer without a mask, a length without room, a text that the tokenizer refuses, and documents that are too
/// short for a single example.
pub fn examples(table: &Table, tokenizer: &Tokenizer, packing: &Packing) -> Result<ExampleSet, Error> {
    let masking = masking(tokenizer, packing.seed)?;
    let frame = match packing.next_sentence {
        NextSentence::Asked => tokenizer.frame_of_two()?,
        NextSentence::NotAsked => tokenizer.frame_of_one()?,
    };
    let room = room(&frame, packing)?;
    let documents = documents::tokenise(table, tokenizer)?;
    let examples: Vec<Example> = match packing.next_sentence {
        NextSentence::Asked => pairs(&documents, (room, packing.seed), &frame),
        NextSentence::NotAsked => texts(&documents, room, &frame),
    };
    masked(examples, (table, tokenizer), masking)
}

/// The examples with something to hide: a text of unknown words alone asks nothing.
fn masked(
    mut examples: Vec<Example>,
    (table, tokenizer): (&Table, &Tokenizer),
    masking: Masking,
) -> Result<ExampleSet, Error> {
    examples.retain(|example| masking.count(example) > 0);
    if examples.is_empty() {
        return Err(super::Error::TooLittleText { path: table.path.clone() }.into());
    }
    Ok(ExampleSet::new(examples, tokenizer.padding_id()).masked(masking))
}

/// Rows of token ids, special ones included, as masked examples: a second column is the second text, and a label of 0 or 1
/// says whether it follows the first (0) or not, as `next_sentence_label` does in `transformers`. Rows with nothing to
/// hide are left out.
///
/// # Errors
///
/// A tokenizer without a mask, ids outside its vocabulary, rows that are too long, and other labels.
pub fn of_token_ids(table: &Table, tokenizer: &Tokenizer, packing: &Packing) -> Result<ExampleSet, Error> {
    let masking = masking(tokenizer, packing.seed)?;
    let example = |record: &Record| -> Result<Example, Error> {
        let (ids, token_types) = read_row((table, record), tokenizer.vocabulary_size(), packing.max_length)?;
        let follows = follows(table, record)?;
        let target = Target::Masked(MaskedText { tokens: Vec::new(), follows });
        Ok(Example { ids, token_types, target })
    };
    let examples = table.records.iter().map(example).collect::<Result<Vec<_>, _>>()?;
    masked(examples, (table, tokenizer), masking)
}

/// Whether the second text of a row follows the first, where a label says so.
fn follows(table: &Table, record: &Record) -> Result<Option<bool>, Error> {
    match record.label.as_ref().map(ToString::to_string).as_deref() {
        None => Ok(None),
        Some("0") => Ok(Some(true)),
        Some("1") => Ok(Some(false)),
        Some(other) => Err(super::Error::NextSentenceLabel {
            path: table.path.clone(),
            line: record.line,
            value: other.to_owned(),
        }
        .into()),
    }
}

fn masking(tokenizer: &Tokenizer, seed: u64) -> Result<Masking, Error> {
    let (mask, special) = (tokenizer.mask_id()?, tokenizer.special_ids());
    let vocabulary = tokenizer.vocabulary_size() as u32;
    Ok(Masking::new(seed, mask, vocabulary, special).ok_or(super::Error::OnlySpecialTokens { vocabulary })?)
}

/// Tokens that the frame leaves to the texts, at least one for each.
fn room(frame: &Frame, packing: &Packing) -> Result<usize, Error> {
    let (max_length, special) = (packing.max_length, frame.special());
    let least = match packing.next_sentence {
        NextSentence::Asked => 2,
        NextSentence::NotAsked => 1,
    };
    let room = max_length.checked_sub(special).filter(|room| *room >= least);
    Ok(room.ok_or(super::Error::NoRoom { max_length, least: special + least })?)
}

fn texts(documents: &[Document], room: usize, frame: &Frame) -> Vec<Example> {
    let example = |text: Vec<u32>| example(frame.around(&text, &[]), None);
    joined::join(documents, room).into_iter().map(example).collect()
}

fn pairs(documents: &[Document], (room, seed): (usize, u64), frame: &Frame) -> Vec<Example> {
    let example =
        |Pair { first, second, follows }: Pair| example(frame.around(&first, &second), Some(follows));
    pairs::pair(documents, room, seed).into_iter().map(example).collect()
}

fn example(Encoded { ids, token_types }: Encoded, follows: Option<bool>) -> Example {
    Example { ids, token_types, target: Target::Masked(MaskedText { tokens: Vec::new(), follows }) }
}

#[cfg(test)]
mod tests;
