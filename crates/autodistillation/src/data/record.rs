//! One text, its label where it has one, the table it stands in, and the columns it comes from.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Error, Format};

/// Which columns are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextColumns {
    /// The column of the text.
    pub text: String,
    /// The column of the second text, for a task on pairs.
    pub text_pair: Option<String>,
    /// The column of the label; `None` reads unlabelled text.
    pub label: Option<String>,
    /// What separates the labels in a cell of text that holds several; an empty cell holds none of them then.
    pub label_separator: Option<String>,
}

impl TextColumns {
    /// A column of text and one of single labels.
    pub fn plain(text: &str, label: Option<&str>) -> Self {
        let label = label.map(str::to_owned);
        Self { text: text.to_owned(), text_pair: None, label, label_separator: None }
    }

    /// The label in a cell of text; `None` where there has to be one and is not.
    pub(super) fn label_of(&self, cell: &str) -> Option<Label> {
        let cell = cell.trim();
        let label = |text: &str| Label::Text(text.trim().to_owned());
        match &self.label_separator {
            Some(separator) => {
                let parts = cell.split(separator.as_str()).filter(|part| !part.trim().is_empty());
                Some(Label::Several(parts.map(label).collect()))
            }
            None => (!cell.is_empty()).then(|| label(cell)),
        }
    }
}

/// A label as the file writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Label {
    /// A number of a typed format (JSONL, Parquet); switches count as 1 and 0.
    Number(f64),
    /// Text; everything in TSV and CSV is text, `0` and `1` too.
    Text(String),
    /// Any number of labels: a list of a typed format, or text with a separator.
    Several(Vec<Label>),
    /// The right answers to a question, each alone; none where its text does not hold one.
    Answers(Vec<GivenAnswer>),
}

/// A right answer to a question about a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenAnswer {
    /// Words of the text.
    pub text: String,
    /// The character of the text that it begins with, from 0, where that was said.
    pub start: Option<usize>,
}

impl Label {
    /// The label as right answers: a list of them, or one in words.
    pub(super) fn answers(&self) -> Vec<GivenAnswer> {
        let in_words = |label: &Label| GivenAnswer { text: label.to_string(), start: None };
        match self {
            Label::Answers(answers) => answers.clone(),
            Label::Several(answers) => answers.iter().map(in_words).collect(),
            Label::Number(_) | Label::Text(_) => vec![in_words(self)],
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Number(value) => write!(formatter, "{value}"),
            Label::Text(text) => formatter.write_str(text),
            Label::Several(labels) => {
                let labels: Vec<String> = labels.iter().map(Label::to_string).collect();
                formatter.write_str(&labels.join(", "))
            }
            Label::Answers(answers) => {
                let answers: Vec<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
                formatter.write_str(&answers.join(", "))
            }
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The text; the paragraphs of a document stand on a line each.
    pub text: String,
    /// The second text, for a task on pairs.
    pub pair: Option<String>,
    /// The label, where one was asked for.
    pub label: Option<Label>,
    /// Where the row starts: its line in the file, or its row in a Parquet file, from 1.
    pub line: u64,
}

/// The rows of one file, at least one, in file order.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Where the rows come from, for messages.
    pub path: PathBuf,
    /// The rows.
    pub records: Vec<Record>,
}

impl Table {
    /// Reads a TSV, CSV, JSONL, Parquet, CoNLL, SQuAD or text file, the format known by its extension.
    ///
    /// # Errors
    /// A missing, unreadable or empty file, an unknown extension, a column that is not there, and the
    /// first row that is not as wide as the header, not UTF-8, not JSON, of a wrong type or without a label.
    pub fn read(path: &Path, columns: &TextColumns) -> Result<Self, Error> {
        let format = Format::of(path)?;
        let file = File::open(path).map_err(|source| unreadable(path, source))?;
        let metadata = file.metadata().map_err(|source| unreadable(path, source))?;
        if metadata.is_file() && metadata.len() == 0 && format != Format::Text {
            return Err(Error::Empty { path: path.to_owned() });
        }
        let records = format.records(path, file, columns)?;
        if records.is_empty() {
            return Err(Error::NoRows { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), records })
    }
}

pub(super) fn unreadable(path: &Path, source: std::io::Error) -> Error {
    match source.kind() {
        std::io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
        _ => Error::Unreadable { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let columns = TextColumns::plain("text", Some("label"));
        let error = Table::read(&path, &columns).unwrap_err().to_string();
        error.replace(&path.display().to_string(), name)
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let columns = TextColumns::plain("text", None);
        let error = Table::read(Path::new("nowhere/train.tsv"), &columns).unwrap_err().to_string();
        assert!(error.starts_with("nowhere/train.tsv: no such file"), "{error}");
    }

    #[test]
    fn every_format_tells_an_empty_file_from_one_without_rows() {
        for name in ["a.tsv", "a.csv", "a.jsonl", "a.parquet"] {
            assert!(message(name, b"").contains("the file is empty"), "{name}");
        }
        assert!(message("a.tsv", b"text\tlabel\n").contains("no rows below the header"));
        assert!(message("a.csv", b"text,label\n").contains("no rows below the header"));
        assert!(message("a.jsonl", b"\n\n").contains("no rows"));
        let path = tempfile::tempdir().unwrap().path().join("a.txt");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"").unwrap();
        let error = Table::read(&path, &TextColumns::plain("text", None)).unwrap_err();
        assert!(matches!(error, Error::NoText { .. }), "{error}");
    }

    #[test]
    fn extensions_other_than_the_four_are_refused() {
        assert!(
            message("a.doc", b"x")
                .contains("has the extension `.doc`, which tells no format; expected one of .tsv, ")
        );
        assert!(message("train", b"x").contains("has no extension, which tells no format"));
    }

    #[test]
    fn something_else_called_parquet_is_refused() {
        let error = message("a.parquet", b"text,label\nfine,1\n");
        assert!(error.starts_with("a.parquet: not readable as Parquet"), "{error}");
    }

    /// Rows and columns of the measuring sets, as their README states them.
    const MEASURING_SETS: [(&str, [&str; 2], usize); 8] = [
        ("sst2/train.tsv", ["sentence", "label"], 67_349),
        ("sst2/dev.tsv", ["sentence", "label"], 872),
        ("sst2/test.tsv", ["sentence", "label"], 1_821),
        ("ag_news/train.csv", ["text", "label"], 20_000),
        ("ag_news/test.csv", ["text", "label"], 7_600),
        ("sick/train.jsonl", ["premise", "relatedness"], 4_500),
        ("sick/validation.jsonl", ["premise", "label"], 500),
        ("sick/test.jsonl", ["hypothesis", "label"], 4_927),
    ];

    #[test]
    fn the_measuring_sets_are_read_in_full() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
        if !folder.is_dir() {
            println!("skipped: no measuring sets beside the repository");
            return;
        }
        for (file, [text, label], rows) in MEASURING_SETS {
            let columns = TextColumns::plain(text, Some(label));
            let table = Table::read(&folder.join(file), &columns).unwrap();
            assert_eq!(table.records.len(), rows, "{file}");
            assert!(
                table.records.iter().all(|record| record.line > 0 && !record.text.contains('\t')),
                "{file}"
            );
        }
    }
}
