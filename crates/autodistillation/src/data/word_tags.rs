//! The tags of a text's words, and what they mean for its tokens.

use autodistillation_distillation::Target;

use super::labels::{present, singles};
use super::{Error, LabelNames, Record, Table};

/// The words of one record with their classes.
pub(super) struct WordTags<'a> {
    /// The words, as white space separates them.
    pub words: Vec<&'a str>,
    classes: Vec<u32>,
}

impl<'a> WordTags<'a> {
    /// Reads the tags of a record.
    ///
    /// # Errors
    /// No tag, an unknown one, or another number of them than of words.
    pub fn of((table, record): (&Table, &'a Record), names: &LabelNames) -> Result<Self, Error> {
        let words: Vec<&str> = record.text.split_whitespace().collect();
        let tags = singles(present((table, record), "classification of words")?);
        if tags.len() != words.len() {
            return Err(Error::TagCount {
                path: table.path.clone(),
                line: record.line,
                tags: tags.len(),
                words: words.len(),
            });
        }
        let classes = tags.iter().map(|tag| names.known((table, record), tag)).collect::<Result<_, _>>()?;
        Ok(Self { words, classes })
    }

    /// The target of tokens that are pieces of these words: the first piece of a word has its class.
    pub fn target(&self, words: &[Option<u32>]) -> Target {
        let mut before = None;
        let first = |word: &Option<u32>| {
            let begins = *word != before;
            before = *word;
            self.classes.get((*word)? as usize).copied().filter(|_| begins)
        };
        Target::Tokens(words.iter().map(first).collect())
    }
}
