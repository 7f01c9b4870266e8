//! Finding the columns of the config among the columns of a file.

use std::path::Path;

use super::{Error, TextColumns};

/// Where the columns that are read stand in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Positions {
    pub text: usize,
    pub pair: Option<usize>,
    pub label: Option<usize>,
}

impl Positions {
    /// Finds every column by name.
    pub fn find(path: &Path, known: &[String], columns: &TextColumns) -> Result<Self, Error> {
        let position = |column: &String| position(path, known, column);
        Ok(Self {
            text: position(&columns.text)?,
            pair: columns.text_pair.as_ref().map(position).transpose()?,
            label: columns.label.as_ref().map(position).transpose()?,
        })
    }
}

fn position(path: &Path, known: &[String], column: &str) -> Result<usize, Error> {
    let mut matches =
        known.iter().enumerate().filter(|(_, name)| *name == column).map(|(position, _)| position);
    match (matches.next(), matches.next()) {
        (Some(position), None) => Ok(position),
        (Some(_), Some(_)) => {
            Err(Error::DuplicateColumn { path: path.to_owned(), column: column.to_owned() })
        }
        (None, _) => Err(Error::MissingColumn {
            path: path.to_owned(),
            column: column.to_owned(),
            known: known.to_vec(),
            nearest: nearest(column, known),
        }),
    }
}

/// The known name that `name` was meant to be, where one is like it.
pub(super) fn nearest(name: &str, known: &[String]) -> Option<String> {
    crate::config::nearest::nearest(name, known.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(known: &[&str], text: &str) -> Result<Positions, Error> {
        let known: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
        let columns = TextColumns::plain(text, Some("label"));
        Positions::find(Path::new("a.tsv"), &known, &columns)
    }

    #[test]
    fn columns_are_found_by_name_wherever_they_stand() {
        assert_eq!(
            find(&["id", "label", "sentence"], "sentence").unwrap(),
            Positions { text: 2, pair: None, label: Some(1) }
        );
    }

    #[test]
    fn a_missing_column_lists_those_there_are_and_the_nearest() {
        let error = find(&["label", "Sentence", "id"], "sentense").unwrap_err().to_string();
        assert_eq!(
            error,
            "a.tsv: no column `sentense`; the columns are `label`, `Sentence`, `id`; did you mean `Sentence`?"
        );
        let error = find(&["label", "id"], "premise").unwrap_err().to_string();
        assert_eq!(error, "a.tsv: no column `premise`; the columns are `label`, `id`");
    }

    #[test]
    fn a_name_that_two_columns_have_is_ambiguous_only_when_it_is_read() {
        assert!(
            find(&["text", "label", "text"], "text")
                .unwrap_err()
                .to_string()
                .contains("column `text` is there twice")
        );
        assert!(find(&["text", "label", "other", "other"], "text").is_ok());
    }
}
