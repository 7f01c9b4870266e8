//! `predict` for networks that answer about words: their classes, or what masks hide.

use autodistillation_distillation::evaluation::probabilities;
use autodistillation_distillation::metrics::argmax;
use autodistillation_distillation::{Example, ExampleSet, MaskedText, Target};
use autodistillation_models::{EncodedWords, Tokenizer};
use burn::tensor::Device;
use serde_json::{Map, json};

use super::Prediction;
use super::subject::Subject;
use crate::Error;

/// Words that are offered for a mask.
const OFFERED: usize = 5;

/// The class of each word of every line, as white space separates them; words that are cut off for length have none.
pub(super) fn tagged(subject: &Subject, lines: &[String], longest: usize) -> Result<Vec<Prediction>, Error> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let mut examples = Vec::with_capacity(lines.len());
    let mut places = Vec::with_capacity(lines.len());
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let EncodedWords { encoded, words } = subject.tokenizer.encode_words(&words, longest)?;
        places.push(first_pieces(&words));
        examples.push(Example { ids: encoded.ids, token_types: encoded.token_types, target: Target::Absent });
    }
    let labels = &subject.config.labels;
    let answers = subject.answers(&ExampleSet::new(examples, subject.tokenizer.padding_id()))?;
    let prediction = |(logits, places): (Vec<f32>, Vec<usize>)| {
        let rows: Vec<&[f32]> = logits.chunks(labels.len().max(1)).collect();
        let tags = places.into_iter().filter_map(|place| labels.get(argmax(rows.get(place)?)).cloned());
        let label = tags.collect::<Vec<_>>().join(" ");
        Prediction { label, probabilities: Map::new(), logits }
    };
    Ok(answers.logits.into_iter().zip(places).map(prediction).collect())
}

/// The token at which each word begins.
fn first_pieces(words: &[Option<u32>]) -> Vec<usize> {
    let begins =
        |place: &usize| words[*place].is_some() && (*place == 0 || words[*place - 1] != words[*place]);
    (0..words.len()).filter(begins).collect()
}

/// The likeliest words for the masks of every line; the probabilities are those of the first mask.
///
/// # Errors
///
/// A line without a mask, or with nothing that can be tokenised.
pub(super) fn filled(subject: &Subject, lines: &[String], longest: usize) -> Result<Vec<Prediction>, Error> {
    (1..).zip(lines).map(|(number, line)| fill(subject, (number, line), longest)).collect()
}

fn fill(subject: &Subject, (number, line): (usize, &str), longest: usize) -> Result<Prediction, Error> {
    let (tokenizer, mask) = (&subject.tokenizer, subject.tokenizer.mask_id()?);
    let (text, pair) = line.split_once('\t').map_or((line, None), |(text, pair)| (text, Some(pair)));
    let encoded = tokenizer.encode(text, pair, longest)?;
    let tokens: Vec<Option<u32>> = encoded.ids.iter().map(|&id| (id == mask).then_some(id)).collect();
    let missing = || Error::NothingMasked { line: number, mask: tokenizer.token(mask).unwrap_or_default() };
    let target = Target::Masked(MaskedText { tokens, follows: None });
    let example = Example { ids: encoded.ids, token_types: encoded.token_types, target };
    let set = ExampleSet::new(vec![example], tokenizer.padding_id());
    let answers = subject.masked_answers(&set.batch(&[0], &Device::flex()))?;
    let scores = answers.words.ok_or_else(missing)?;
    let width = scores.dims()[1];
    // A network of this device always gives its numbers back as f32 after the conversion.
    let logits: Vec<f32> = scores.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
    let best = logits.chunks(width.max(1)).filter_map(|row| tokenizer.token(argmax(row) as u32));
    let label = best.collect::<Vec<_>>().join(" ");
    let probabilities = offered(&logits[..width.min(logits.len())], tokenizer);
    Ok(Prediction { label, probabilities, logits: Vec::new() })
}

/// The likeliest words with their probabilities, best first.
fn offered(logits: &[f32], tokenizer: &Tokenizer) -> Map<String, serde_json::Value> {
    let shares = probabilities(logits);
    let mut ids: Vec<usize> = (0..shares.len()).collect();
    ids.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    let named =
        ids.into_iter().take(OFFERED).filter_map(|id| Some((tokenizer.token(id as u32)?, json!(shares[id]))));
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::first_pieces;

    #[test]
    fn a_word_begins_with_its_first_piece() {
        assert_eq!(first_pieces(&[None, Some(0), Some(0), Some(1), None]), [1, 3]);
        assert_eq!(first_pieces(&[]), [0; 0]);
    }
}
