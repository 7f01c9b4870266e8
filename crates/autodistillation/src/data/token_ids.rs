//! Rows that somebody has tokenised already: token ids written out in a column of text.

use super::tokenise::Tokens;
use super::{Error, Record, Table};

/// A cell that holds no token ids of this vocabulary.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotTokenIds {
    /// Something else than a number.
    #[error(
        "`{found}` is not a token id: with `tokenised: true` write whole numbers with spaces between them"
    )]
    NoNumber {
        /// The word found.
        found: String,
    },
    /// A token that the teacher's tokenizer does not have.
    #[error(
        "token id {id} is outside the teacher's vocabulary of {vocabulary}: tokenise with the teacher's tokenizer"
    )]
    Outside {
        /// The id found.
        id: u32,
        /// Tokens of the vocabulary.
        vocabulary: usize,
    },
    /// A row without a token.
    #[error("the row has no tokens: remove it")]
    Empty,
}

/// The tokens of a row whose first and second text are token ids with spaces between them; special tokens are there
/// already. The first text is segment 0, the second segment 1.
///
/// # Errors
///
/// A word that is no number, an id outside a vocabulary of this size, and a row without tokens.
pub fn token_ids((text, pair): (&str, Option<&str>), vocabulary: usize) -> Result<Tokens, NotTokenIds> {
    let first = ids(text, vocabulary)?;
    let second = ids(pair.unwrap_or_default(), vocabulary)?;
    if first.is_empty() {
        return Err(NotTokenIds::Empty);
    }
    let segments = [vec![0; first.len()], vec![1; second.len()]].concat();
    Ok(([first, second].concat(), segments))
}

/// The tokens of a record whose texts are token ids, as [`token_ids`] reads them.
///
/// # Errors
///
/// Those of [`token_ids`] with the record's place, and more than `max_length` tokens.
pub(super) fn read_row(
    (table, record): (&Table, &Record),
    vocabulary: usize,
    max_length: usize,
) -> Result<Tokens, Error> {
    let (path, line) = (|| table.path.clone(), record.line);
    let (ids, token_types) = token_ids((&record.text, record.pair.as_deref()), vocabulary)
        .map_err(|source| Error::Tokenizer { path: path(), line, source: Box::new(source) })?;
    if ids.len() > max_length {
        let (ids, token_types) = (ids.len(), token_types.len());
        return Err(Error::Encoding { path: path(), line, ids, token_types, max_length });
    }
    Ok((ids, token_types))
}

fn ids(text: &str, vocabulary: usize) -> Result<Vec<u32>, NotTokenIds> {
    let id = |word: &str| {
        let id: u32 = word.parse().map_err(|_| NotTokenIds::NoNumber { found: word.to_owned() })?;
        if (id as usize) < vocabulary { Ok(id) } else { Err(NotTokenIds::Outside { id, vocabulary }) }
    };
    text.split_ascii_whitespace().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_are_read_as_they_are_with_their_segments() {
        assert_eq!(
            token_ids(("101 7 102", Some("9 102")), 200),
            Ok((vec![101, 7, 102, 9, 102], vec![0, 0, 0, 1, 1]))
        );
        assert_eq!(token_ids((" 5 ", None), 6), Ok((vec![5], vec![0])));
    }

    #[test]
    fn what_is_no_token_is_named() {
        assert_eq!(token_ids(("5 six", None), 9), Err(NotTokenIds::NoNumber { found: "six".to_owned() }));
        assert_eq!(token_ids(("-1", None), 9), Err(NotTokenIds::NoNumber { found: "-1".to_owned() }));
        assert_eq!(token_ids(("5", Some("9")), 9), Err(NotTokenIds::Outside { id: 9, vocabulary: 9 }));
        assert_eq!(token_ids(("", Some("1")), 9), Err(NotTokenIds::Empty));
    }
}
