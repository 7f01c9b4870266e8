//! CoNLL: one word a line with its columns, a blank line after each sentence.

use std::path::Path;

use super::format::without_byte_order_mark;
use super::{Error, Label, Record, TextColumns};

/// What begins a document; such a line is no word.
const DOCUMENT: &str = "-DOCSTART-";

/// Sentences of a file whose words stand one a line with their columns, white space between them. A sentence's text
/// is its words with a space between them, and its label the list of their tags.
///
/// Columns have no names: `text` is the first one, `label` the last one, and a number any of them, counted from 0.
pub(super) fn read(path: &Path, bytes: &[u8], columns: &TextColumns) -> Result<Vec<Record>, Error> {
    let mut reader =
        Reader { path, columns, width: None, records: Vec::new(), sentence: Sentence::default() };
    for (line, bytes) in (1..).zip(without_byte_order_mark(bytes).split(|&byte| byte == b'\n')) {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::NotUtf8 { path: path.to_owned(), line })?;
        let fields: Vec<&str> = text.split_whitespace().collect();
        match fields.first() {
            None | Some(&DOCUMENT) => reader.finish(),
            Some(_) => reader.word(line, &fields)?,
        }
    }
    reader.finish();
    Ok(reader.records)
}

#[derive(Default)]
struct Sentence {
    words: Vec<String>,
    tags: Vec<Label>,
    line: u64,
}

struct Reader<'a> {
    path: &'a Path,
    columns: &'a TextColumns,
    /// Columns of the first word, which all others must have.
    width: Option<usize>,
    records: Vec<Record>,
    sentence: Sentence,
}

impl Reader<'_> {
    fn word(&mut self, line: u64, fields: &[&str]) -> Result<(), Error> {
        let width = *self.width.get_or_insert(fields.len());
        if fields.len() != width {
            return Err(Error::FieldCount {
                path: self.path.to_owned(),
                line,
                expected: width,
                found: fields.len(),
                remedy: "every word needs the columns of the first one, and a sentence ends with a blank line",
            });
        }
        if self.sentence.words.is_empty() {
            self.sentence.line = line;
        }
        let word = fields[position(self.path, &self.columns.text, width)?];
        if let Some(column) = &self.columns.label {
            let tag = fields[position(self.path, column, width)?];
            self.sentence.tags.push(Label::Text(tag.to_owned()));
        }
        self.sentence.words.push(word.to_owned());
        Ok(())
    }

    fn finish(&mut self) {
        let Sentence { words, tags, line } = std::mem::take(&mut self.sentence);
        if words.is_empty() {
            return;
        }
        let label = self.columns.label.as_ref().map(|_| Label::Several(tags));
        self.records.push(Record { text: words.join(" "), pair: None, label, line });
    }
}

/// Where a column stands among `width` of them.
fn position(path: &Path, column: &str, width: usize) -> Result<usize, Error> {
    let position = match column {
        "text" => Some(0),
        "label" => width.checked_sub(1),
        number => number.parse().ok(),
    };
    position.filter(|position| *position < width).ok_or_else(|| Error::MissingColumn {
        path: path.to_owned(),
        column: column.to_owned(),
        known: (0..width).map(|number| number.to_string()).chain(["text".into(), "label".into()]).collect(),
        nearest: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\nPeter NNP B-NP B-PER\r\n";

    fn sentences(text: &[u8], columns: &TextColumns) -> Result<Vec<(String, String, u64)>, String> {
        let records = read(Path::new("a.conll"), text, columns).map_err(|error| error.to_string())?;
        let shown = |record: Record| {
            (record.text, record.label.map_or(String::new(), |label| label.to_string()), record.line)
        };
        Ok(records.into_iter().map(shown).collect())
    }

    fn row(text: &str, tags: &str, line: u64) -> (String, String, u64) {
        (text.to_owned(), tags.to_owned(), line)
    }

    #[test]
    fn blank_lines_end_sentences_and_document_marks_are_no_words() {
        let columns = TextColumns::plain("text", Some("label"));
        let expected = [row("EU rejects", "B-ORG, O", 3), row("Peter", "B-PER", 7)];
        assert_eq!(sentences(TEXT, &columns).unwrap(), expected);
    }

    #[test]
    fn other_columns_have_numbers() {
        let columns = TextColumns::plain("0", Some("1"));
        assert_eq!(sentences(TEXT, &columns).unwrap()[0], row("EU rejects", "NNP, VBZ", 3));
        let error = sentences(TEXT, &TextColumns::plain("0", Some("4"))).unwrap_err();
        assert!(error.starts_with("a.conll: no column `4`; the columns are `0`, `1`, `2`, `3`"), "{error}");
    }

    #[test]
    fn a_word_with_other_columns_is_reported_with_its_line() {
        let columns = TextColumns::plain("text", Some("label"));
        let error = sentences(b"EU B-ORG\nrejects\n", &columns).unwrap_err();
        assert!(error.starts_with("a.conll:2: 1 fields where the header has 2; every word"), "{error}");
        let error = sentences(b"\xff B-ORG\n", &columns).unwrap_err();
        assert!(error.starts_with("a.conll:1: not valid UTF-8"), "{error}");
    }

    #[test]
    fn a_file_without_words_has_no_sentence() {
        assert!(sentences(b"-DOCSTART- O\n\n\n", &TextColumns::plain("text", None)).unwrap().is_empty());
    }
}
