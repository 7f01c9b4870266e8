//! From records to tokenised examples, in parallel and in file order.

use autodistillation_distillation::{Example, ExampleSet};
use rayon::prelude::*;

use super::word_tags::WordTags;
use super::{Error, LabelEncoding, Record, Table};

/// Token ids with the special tokens, and the segment of each (0 or 1).
pub type Tokens = (Vec<u32>, Vec<u8>);

/// The tokens of a text, or of a text and its pair.
pub type EncodeFunction<'a, E> = dyn Fn(&str, Option<&str>) -> Result<Tokens, E> + Sync + 'a;

/// Tokens, and the place of the word that each is a piece of; `None` for special tokens.
pub type WordTokens = (Tokens, Vec<Option<u32>>);

/// The tokens of the words of a text.
pub type EncodeWordsFunction<'a, E> = dyn Fn(&[&str]) -> Result<WordTokens, E> + Sync + 'a;

/// How a text, or a pair of texts, becomes tokens.
pub struct Encode<'a, E> {
    /// The tokenizer, which truncates to `max_length`.
    pub encode: &'a EncodeFunction<'a, E>,
    /// The same word by word, for classes of words.
    pub encode_words: &'a EncodeWordsFunction<'a, E>,
    /// Longest example in tokens, special tokens included.
    pub max_length: usize,
    /// The id that fills the end of shorter examples.
    pub padding_id: u32,
}

/// Tokenises every record; the examples stand in the order of the records.
///
/// # Errors
/// Of all records the first one that the tokenizer refuses, whose tokens are more than
/// [`Encode::max_length`], or whose label does not fit the encoding.
pub fn tokenise<E>(table: &Table, encode: &Encode<'_, E>, labels: &LabelEncoding) -> Result<ExampleSet, Error>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let example = |record: &Record| example(table, record, encode, labels);
    // Collected before looking for errors, so that the error is the first in file order.
    let examples: Vec<Result<Example, Error>> = table.records.par_iter().map(example).collect();
    let examples = examples.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(ExampleSet::new(examples, encode.padding_id))
}

fn example<E>(
    table: &Table,
    record: &Record,
    encode: &Encode<'_, E>,
    labels: &LabelEncoding,
) -> Result<Example, Error>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let refused =
        |source| Error::Tokenizer { path: table.path.clone(), line: record.line, source: Box::new(source) };
    let ((ids, token_types), target) = match labels {
        LabelEncoding::Words(classes) => {
            let tagged = WordTags::of((table, record), classes)?;
            let (tokens, words) = (encode.encode_words)(&tagged.words).map_err(refused)?;
            (tokens, tagged.target(&words))
        }
        _ => {
            let target = labels.target(table, record)?;
            ((encode.encode)(&record.text, record.pair.as_deref()).map_err(refused)?, target)
        }
    };
    if ids.len() != token_types.len() || ids.len() > encode.max_length {
        return Err(Error::Encoding {
            path: table.path.clone(),
            line: record.line,
            ids: ids.len(),
            token_types: token_types.len(),
            max_length: encode.max_length,
        });
    }
    Ok(Example { ids, token_types, target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Label, LabelNames};
    use autodistillation_distillation::Target;

    fn table(rows: &[(&str, Option<&str>, f64)]) -> Table {
        let record = |(line, (text, pair, label)): (u64, &(&str, Option<&str>, f64))| Record {
            text: (*text).to_owned(),
            pair: pair.map(str::to_owned),
            label: Some(Label::Number(*label)),
            line,
        };
        Table { path: "a.tsv".into(), records: (2..).zip(rows).map(record).collect() }
    }

    /// One token per character; `?` is refused.
    fn characters(text: &str, pair: Option<&str>) -> Result<(Vec<u32>, Vec<u8>), std::fmt::Error> {
        let pair = pair.unwrap_or("");
        let ids: Vec<u32> = text.chars().chain(pair.chars()).map(u32::from).collect();
        let token_types = [vec![0; text.len()], vec![1; pair.len()]].concat();
        if ids.contains(&u32::from('?')) { Err(std::fmt::Error) } else { Ok((ids, token_types)) }
    }

    /// One token per letter of a word.
    fn letters(words: &[&str]) -> Result<WordTokens, std::fmt::Error> {
        let letters =
            (0..).zip(words).flat_map(|(place, word)| word.chars().map(move |it| (it as u32, Some(place))));
        let (ids, words): (Vec<u32>, Vec<Option<u32>>) = letters.unzip();
        let token_types = vec![0; ids.len()];
        Ok(((ids, token_types), words))
    }

    const ENCODE: Encode<'static, std::fmt::Error> =
        Encode { encode: &characters, encode_words: &letters, max_length: 4, padding_id: 9 };

    #[test]
    fn examples_keep_the_order_of_the_records() {
        let rows: Vec<(&str, Option<&str>, f64)> = (0..500).map(|i| ("ab", None, f64::from(i))).collect();
        let set = tokenise(&table(&rows), &ENCODE, &LabelEncoding::Values).unwrap();
        assert_eq!((set.len(), set.padding_id), (500, 9));
        assert!((0..).zip(&set.examples).all(|(i, example)| example.target == Target::Value(i as f32)));
    }

    #[test]
    fn the_first_token_of_a_word_has_its_class() {
        let names = LabelNames::new(["O", "B-X"].map(str::to_owned).to_vec()).unwrap();
        let tags = |tags: &[&str]| {
            Some(Label::Several(tags.iter().map(|tag| Label::Text((*tag).to_owned())).collect()))
        };
        let mut table = table(&[("ab c", None, 1.0)]);
        table.records[0].label = tags(&["B-X", "O"]);
        let set = tokenise(&table, &ENCODE, &LabelEncoding::Words(names.clone())).unwrap();
        assert_eq!(set.examples[0].target, Target::Tokens(vec![Some(1), None, Some(0)]));
        table.records[0].label = tags(&["O"]);
        let error = tokenise(&table, &ENCODE, &LabelEncoding::Words(names)).unwrap_err().to_string();
        assert!(error.starts_with("a.tsv:2: 1 tags for 2 words"), "{error}");
    }

    #[test]
    fn pairs_give_two_segments() {
        let set = tokenise(&table(&[("a", Some("bc"), 1.0)]), &ENCODE, &LabelEncoding::Ignored).unwrap();
        let expected = Example { ids: vec![97, 98, 99], token_types: vec![0, 1, 1], target: Target::Absent };
        assert_eq!(set.examples, [expected]);
    }

    #[test]
    fn the_first_record_that_fails_is_the_one_reported() {
        let rows = [("a", None, 1.0), ("b?", None, 1.0), ("abcde", None, 1.0)];
        let error = tokenise(&table(&rows), &ENCODE, &LabelEncoding::Values).unwrap_err().to_string();
        assert_eq!(error, "a.tsv:3: the text cannot be tokenised");
        let error = tokenise(&table(&rows[2..]), &ENCODE, &LabelEncoding::Values).unwrap_err().to_string();
        assert!(
            error.starts_with("a.tsv:2: the tokenizer gave 5 ids and 5 token types for at most 4"),
            "{error}"
        );
    }
}
