//! `predict` for networks that answer questions.

use autodistillation_distillation::Answer;
use serde_json::{Map, json};

use super::Prediction;
use super::subject::Subject;
use crate::Error;
use crate::data::{LabelEncoding, Record, Table};
use crate::example_sets::{Encoder, Part};
use crate::plan::TextForm;

/// The answer of every line, which is a question, a tab and the text to look in: a part of that text. It may be empty where
/// the network says that the text does not hold the answer.
///
/// # Errors
///
/// A line without a tab, or one that cannot be tokenised.
pub(super) fn answered(
    subject: &Subject,
    lines: &[String],
    longest: usize,
) -> Result<Vec<Prediction>, Error> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let record = |(line, text): (u64, &String)| {
        let (question, context) = text.split_once('\t').ok_or(Error::NoTextToAsk { line })?;
        Ok(Record { text: question.to_owned(), pair: Some(context.to_owned()), label: None, line })
    };
    let records = (1..).zip(lines).map(record).collect::<Result<Vec<_>, Error>>()?;
    let table = Table { path: "the lines".into(), records };
    let (tokenizer, labels) = (&subject.tokenizer, &LabelEncoding::Answers);
    let encoder = Encoder { tokenizer, labels, form: TextForm::Words, max_length: longest };
    let set = encoder.examples(&table, Part::Validation)?;
    let answers = subject.answers(&set)?;
    let given = set.questions.iter().flat_map(|questions| questions.answers(&answers.logits, true));
    let prediction = |Answer { text, probability }| {
        let probabilities = Map::from_iter([(text.clone(), json!(probability))]);
        Prediction { label: text, probabilities, logits: Vec::new() }
    };
    Ok(given.map(prediction).collect())
}
