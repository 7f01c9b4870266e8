//! JSONL: one JSON object a line.

use std::path::Path;

use serde_json::{Map, Value};

use super::columns::nearest;
use super::format::without_byte_order_mark;
use super::{Error, GivenAnswer, Label, Record, TextColumns};

/// Rows of a file with one object a line. Blank lines are skipped; objects may have other keys, in any order.
pub(super) fn read(path: &Path, bytes: &[u8], columns: &TextColumns) -> Result<Vec<Record>, Error> {
    let lines = (1..).zip(without_byte_order_mark(bytes).split(|&byte| byte == b'\n'));
    lines
        .filter(|(_, bytes)| !bytes.trim_ascii().is_empty())
        .map(|(line, bytes)| Object::parse(path, line, bytes)?.record(columns))
        .collect()
}

/// One line, parsed.
struct Object<'a> {
    path: &'a Path,
    line: u64,
    fields: Map<String, Value>,
}

impl<'a> Object<'a> {
    fn parse(path: &'a Path, line: u64, bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::NotUtf8 { path: path.to_owned(), line })?;
        let fields = serde_json::from_str(text).map_err(|source| Error::Json {
            path: path.to_owned(),
            line,
            source,
        })?;
        Ok(Self { path, line, fields })
    }

    fn record(&self, columns: &TextColumns) -> Result<Record, Error> {
        Ok(Record {
            text: self.text(&columns.text)?,
            pair: columns.text_pair.as_ref().map(|column| self.text(column)).transpose()?,
            label: columns.label.as_ref().map(|column| self.label(column, columns)).transpose()?,
            line: self.line,
        })
    }

    fn text(&self, column: &str) -> Result<String, Error> {
        match self.value(column)? {
            Value::String(text) => Ok(text.clone()),
            other => Err(self.wrong_type(column, "a string", other)),
        }
    }

    fn label(&self, column: &str, columns: &TextColumns) -> Result<Label, Error> {
        match self.value(column)? {
            Value::String(text) => columns.label_of(text).ok_or_else(|| self.empty(column)),
            Value::Array(labels) => Ok(Label::Several(
                labels.iter().map(|label| self.single(column, label)).collect::<Result<_, _>>()?,
            )),
            Value::Object(answers) => self.answers(column, answers),
            other => self.single(column, other),
        }
    }

    /// Answers as the `datasets` library writes SQuAD's: `{"text": [...], "answer_start": [...]}`.
    fn answers(&self, column: &str, answers: &Map<String, Value>) -> Result<Label, Error> {
        let list = |key: &str| answers.get(key).and_then(Value::as_array);
        let given = |(text, start): (&Value, Option<&Value>)| {
            let start = start.and_then(Value::as_u64).map(|start| start as usize);
            Some(GivenAnswer { text: text.as_str()?.to_owned(), start })
        };
        let starts = list("answer_start").into_iter().flatten().map(Some).chain(std::iter::repeat(None));
        let read = list("text").and_then(|texts| texts.iter().zip(starts).map(given).collect());
        let expected =
            "a string, a number, a list of them or answers (`text` and `answer_start` with a list each)";
        let found = Value::Object(Map::new());
        read.map(Label::Answers).ok_or_else(|| self.wrong_type(column, expected, &found))
    }

    fn single(&self, column: &str, value: &Value) -> Result<Label, Error> {
        match value {
            Value::String(text) if text.trim().is_empty() => Err(self.empty(column)),
            Value::String(text) => Ok(Label::Text(text.trim().to_owned())),
            Value::Bool(value) => Ok(Label::Number(f64::from(u8::from(*value)))),
            other => match other.as_f64() {
                Some(value) => Ok(Label::Number(value)),
                None => Err(self.wrong_type(column, "a string, a number or a list of them", other)),
            },
        }
    }

    fn value(&self, column: &str) -> Result<&Value, Error> {
        match self.fields.get(column) {
            Some(Value::Null) => Err(self.empty(column)),
            Some(value) => Ok(value),
            None if self.line > 1 => Err(self.empty(column)),
            None => {
                let known: Vec<String> = self.fields.keys().cloned().collect();
                Err(Error::MissingColumn {
                    path: self.path.to_owned(),
                    column: column.to_owned(),
                    nearest: nearest(column, &known),
                    known,
                })
            }
        }
    }

    fn empty(&self, column: &str) -> Error {
        Error::EmptyCell { path: self.path.to_owned(), line: self.line, column: column.to_owned() }
    }

    fn wrong_type(&self, column: &str, expected: &'static str, found: &Value) -> Error {
        let found = match found {
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            other => format!("`{other}`"),
        };
        Error::WrongType {
            path: self.path.to_owned(),
            line: self.line,
            column: column.to_owned(),
            expected,
            found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Result<Vec<Record>, Error> {
        let columns = TextColumns {
            text_pair: Some("hypothesis".to_owned()),
            ..TextColumns::plain("premise", Some("label"))
        };
        read(Path::new("a.jsonl"), text, &columns)
    }

    fn message(second_line: &[u8]) -> String {
        let text =
            [br#"{"premise": "a", "hypothesis": "b", "label": 1}"#.as_slice(), b"\n", second_line].concat();
        rows(&text).unwrap_err().to_string()
    }

    #[test]
    fn labels_keep_the_type_that_the_file_gives_them() {
        let text = br#"{"premise": "a", "hypothesis": "b", "label": "neutral", "id": 7}

            {"label": 4.7, "hypothesis": "d", "premise": "c"}
            {"label": true, "hypothesis": "f", "premise": "e"}"#;
        let labels: Vec<_> =
            rows(text).unwrap().into_iter().map(|record| (record.line, record.label)).collect();
        let number = |value| Some(Label::Number(value));
        assert_eq!(
            labels,
            [(1, Some(Label::Text("neutral".to_owned()))), (3, number(4.7)), (4, number(1.0))]
        );
    }

    #[test]
    fn a_list_is_several_labels() {
        let text = br#"{"premise": "a", "hypothesis": "b", "label": ["joy", 2]}
            {"premise": "a", "hypothesis": "b", "label": []}"#;
        let labels: Vec<_> = rows(text).unwrap().into_iter().filter_map(|record| record.label).collect();
        let both = vec![Label::Text("joy".to_owned()), Label::Number(2.0)];
        assert_eq!(labels, [Label::Several(both), Label::Several(Vec::new())]);
    }

    #[test]
    fn a_broken_line_is_reported_with_its_number() {
        assert!(message(b"{\"premise\": ").starts_with("a.jsonl:2: not a JSON object"));
        assert!(message(b"[1, 2]").starts_with("a.jsonl:2: not a JSON object"));
        assert!(message(b"{\"premise\": \"\xe9\"}").starts_with("a.jsonl:2: not valid UTF-8"));
    }

    #[test]
    fn a_missing_or_null_value_is_reported_with_its_line() {
        let expected = "a.jsonl:2: column `label` is empty; give it a value or remove the row";
        assert_eq!(message(br#"{"premise": "a", "hypothesis": "b"}"#), expected);
        assert_eq!(message(br#"{"premise": "a", "hypothesis": "b", "label": null}"#), expected);
        assert_eq!(message(br#"{"premise": "a", "hypothesis": "b", "label": " "}"#), expected);
    }

    #[test]
    fn a_value_of_a_wrong_type_is_reported_with_what_it_is() {
        let error = message(br#"{"premise": 7, "hypothesis": "b", "label": 1}"#);
        assert_eq!(error, "a.jsonl:2: column `premise` holds `7`; expected a string");
        let error = message(br#"{"premise": "a", "hypothesis": "b", "label": [[1]]}"#);
        assert_eq!(
            error,
            "a.jsonl:2: column `label` holds a list; expected a string, a number or a list of them"
        );
    }

    #[test]
    fn a_column_that_the_first_line_lacks_is_missing() {
        let error = rows(br#"{"premise": "a", "hypotesis": "b", "label": 1}"#).unwrap_err().to_string();
        assert!(error.contains("no column `hypothesis`; the columns are `premise`, `hypotesis`, `label`; did you mean `hypotesis`?"), "{error}");
    }
}
