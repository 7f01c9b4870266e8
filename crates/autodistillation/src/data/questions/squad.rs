//! SQuAD files: one JSON object with texts, questions about them and answers.

use std::path::Path;

use serde::Deserialize;

use crate::data::format::without_byte_order_mark;
use crate::data::record::GivenAnswer;
use crate::data::{Error, Label, Record};

/// The file, of version 1.1 or 2.0; what else it holds is not looked at.
#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    question: String,
    /// Absent in files that are there to be answered.
    answers: Option<Vec<Answer>>,
    #[serde(default)]
    is_impossible: bool,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    answer_start: usize,
}

/// The questions of a file in its order, each a record with the text that it asks about as its pair. Its line is its number,
/// from 1.
///
/// There are no columns.
pub(in crate::data) fn read(path: &Path, bytes: &[u8]) -> Result<Vec<Record>, Error> {
    let file: File = serde_json::from_slice(without_byte_order_mark(bytes))
        .map_err(|source| Error::Squad { path: path.to_owned(), source })?;
    let paragraphs = file.data.into_iter().flat_map(|article| article.paragraphs);
    let asked = paragraphs.flat_map(|paragraph| {
        let Paragraph { context, qas } = paragraph;
        qas.into_iter().map(move |asked| (asked, context.clone()))
    });
    let record = |(line, (asked, context)): (u64, (Asked, String))| {
        let given = asked.answers.map(|answers| {
            // What is impossible to answer may hold answers that only look plausible.
            let answers = answers.into_iter().filter(|_| !asked.is_impossible);
            let given = |Answer { text, answer_start }| GivenAnswer { text, start: Some(answer_start) };
            Label::Answers(answers.map(given).collect())
        });
        Record { text: asked.question, pair: Some(context), label: given, line }
    };
    Ok((1..).zip(asked).map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"context": "Mira lives here.",
        "qas": [{"id": "1", "question": "Who?", "is_impossible": false, "answers": [{"text": "Mira", "answer_start": 0}]},
                {"id": "2", "question": "Why?", "is_impossible": true, "answers": [],
                 "plausible_answers": [{"text": "here", "answer_start": 11}]},
                {"id": "3", "question": "When?"}]}]}]}"#;

    fn records(text: &str) -> Result<Vec<Record>, Error> {
        read(Path::new("a.json"), text.as_bytes())
    }

    #[test]
    fn questions_come_with_their_text_and_their_answers() {
        let records = records(FILE).unwrap();
        assert_eq!(records.len(), 3);
        assert_eq!(
            (records[0].text.as_str(), records[0].pair.as_deref()),
            ("Who?", Some("Mira lives here."))
        );
        let given = GivenAnswer { text: "Mira".to_owned(), start: Some(0) };
        let labels: Vec<Option<Label>> = records.iter().map(|record| record.label.clone()).collect();
        assert_eq!(labels, [Some(Label::Answers(vec![given])), Some(Label::Answers(vec![])), None]);
        assert_eq!(records[2].line, 3);
    }

    #[test]
    fn another_kind_of_json_is_refused() {
        for text in ["[1]", "{", r#"{"data": [{"title": "T"}]}"#] {
            let error = records(text).unwrap_err().to_string();
            assert!(error.starts_with("a.json: not a file of SQuAD's layout"), "{error}");
        }
    }
}
