//! Documents as the tokens of their sentences.

use autodistillation_models::{Pieces, Tokenizer};
use rayon::prelude::*;

use super::sentences::sentence_ends;
use crate::data::{Error, Record, Table};

/// The tokens of one sentence, without special ones.
pub(super) type Sentence = Vec<u32>;

/// The sentences of one document, in order; none is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub sentences: Vec<Sentence>,
}

/// The documents of a table, one a row: each line of its text is a paragraph, and a second text is its last one.
/// Paragraphs are tokenised in parallel, each once and whole; rows without a token are left out.
///
/// # Errors
/// The first paragraph that the tokenizer refuses.
pub(super) fn tokenise(table: &Table, tokenizer: &Tokenizer) -> Result<Vec<Document>, Error> {
    let paragraphs: Vec<(usize, &str)> = table.records.iter().enumerate().flat_map(paragraphs).collect();
    // Collected before looking for errors, so that the error is the first in file order.
    let tokenised: Vec<_> = paragraphs.par_iter().map(|(_, text)| sentences(text, tokenizer)).collect();
    let mut documents = vec![Document::default(); table.records.len()];
    for ((row, _), sentences) in paragraphs.iter().zip(tokenised) {
        let refused = |source| Error::Tokenizer {
            path: table.path.clone(),
            line: table.records[*row].line,
            source: Box::new(source),
        };
        documents[*row].sentences.extend(sentences.map_err(refused)?);
    }
    documents.retain(|document| !document.sentences.is_empty());
    Ok(documents)
}

/// The paragraphs of a row, each with the row's place.
fn paragraphs((row, record): (usize, &Record)) -> impl Iterator<Item = (usize, &str)> {
    record.text.lines().chain(record.pair.as_deref()).map(move |text| (row, text))
}

fn sentences(text: &str, tokenizer: &Tokenizer) -> Result<Vec<Sentence>, autodistillation_models::Error> {
    let Pieces { ids, starts, .. } = tokenizer.pieces(text)?;
    let mut sentences = Vec::new();
    let mut begin = 0;
    for end in sentence_ends(text) {
        let tokens = starts[begin..].partition_point(|start| *start < end);
        if tokens > 0 {
            sentences.push(ids[begin..begin + tokens].to_vec());
        }
        begin += tokens;
    }
    Ok(sentences)
}
