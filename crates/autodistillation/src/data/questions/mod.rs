//! Questions about texts: to windows of tokens with the places of the answers.

mod place;
pub(super) mod squad;

use std::collections::HashMap;
use std::sync::Arc;

use autodistillation_distillation::{AnswerSpan, Example, ExampleSet, Question, Questions, Target, Window};
use autodistillation_models::{Frame, Pieces, Tokenizer};
use rayon::prelude::*;

use super::token_ids::read_row;
use super::{Label, Record, Table};
use crate::Error;
use place::place;

/// The share of a window that the next one repeats, so that an answer at its end is whole in one of them: the usual 128
/// of 384 tokens.
const REPEATED: usize = 3;

/// Tokens of the text that a window has at least.
const LEAST_TEXT: usize = 8;

/// Whether right answers are kept in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// For evaluation.
    Kept,
    /// For training, which only needs their tokens.
    Dropped,
}

/// A window of a record's text, tokenised.
struct Shown {
    example: Example,
    places: Vec<Option<(u32, u32)>>,
}

/// The questions of a table, each row one with the text that it asks about, as examples of at most `max_length` tokens.
///
/// A text that is too long is shown in windows, of which each repeats the last third of the one before. A question takes half
/// of an example at most. The answer of a window is the first right one that it holds whole; else its first token, the one
/// in front of the question.
///
/// # Errors
///
/// A row without a text, an answer that is not in it, a length without room, and texts that the tokenizer refuses.
pub fn examples(
    table: &Table,
    tokenizer: &Tokenizer,
    (max_length, answers): (usize, Answers),
) -> Result<ExampleSet, Error> {
    let frame = tokenizer.frame_of_two()?;
    let least = frame.special() + 2 * LEAST_TEXT;
    let room = max_length.checked_sub(frame.special()).filter(|room| *room >= 2 * LEAST_TEXT);
    let room = room.ok_or(super::Error::NoRoomForAnswers { max_length, least })?;
    let windows = |record: &Record| windows((table, record), (tokenizer, &frame), room);
    let shown: Vec<Result<Vec<Shown>, Error>> = table.records.par_iter().map(windows).collect();
    let shown = shown.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut examples = Vec::new();
    let mut places = Vec::new();
    for (question, windows) in (0..).zip(shown) {
        for Shown { example, places: of_window } in windows {
            examples.push(example);
            places.push(Window { question, places: of_window });
        }
    }
    let set = ExampleSet::new(examples, tokenizer.padding_id());
    Ok(match answers {
        Answers::Dropped => set,
        Answers::Kept => set.asking(Questions { questions: questions(table), windows: places }),
    })
}

/// Rows of token ids, special ones included, whose label lists the first and the last token of the answer.
///
/// # Errors
///
/// Ids outside the tokenizer's vocabulary, rows that are too long, and other labels.
pub fn of_token_ids(table: &Table, tokenizer: &Tokenizer, max_length: usize) -> Result<ExampleSet, Error> {
    let example = |record: &Record| -> Result<Example, Error> {
        let (ids, token_types) = read_row((table, record), tokenizer.vocabulary_size(), max_length)?;
        let tokens = ids.len();
        let target = match &record.label {
            None => Target::Absent,
            Some(label) => {
                let span =
                    span(label).filter(|span| span.first <= span.last && (span.last as usize) < tokens);
                let refused = || {
                    let (path, line) = (table.path.clone(), record.line);
                    super::Error::AnswerTokens { path, line, value: label.to_string(), tokens }
                };
                Target::Span(span.ok_or_else(refused)?)
            }
        };
        Ok(Example { ids, token_types, target })
    };
    let examples = table.records.iter().map(example).collect::<Result<Vec<_>, _>>()?;
    Ok(ExampleSet::new(examples, tokenizer.padding_id()))
}

/// The first and the last token that a label lists.
fn span(label: &Label) -> Option<AnswerSpan> {
    let number = |label: &Label| match label {
        Label::Number(value) if value.fract() == 0.0 && *value >= 0.0 => Some(*value as u32),
        Label::Text(text) => text.parse().ok(),
        _ => None,
    };
    match label {
        Label::Several(ends) => match ends.as_slice() {
            [first, last] => Some(AnswerSpan { first: number(first)?, last: number(last)? }),
            _ => None,
        },
        _ => None,
    }
}

/// The questions with their right answers; equal texts are kept once.
fn questions(table: &Table) -> Vec<Question> {
    let mut contexts: HashMap<&str, Arc<str>> = HashMap::new();
    let question = |record| {
        let Record { pair, label, .. }: &Record = record;
        let text = pair.as_deref().unwrap_or_default();
        let context = Arc::clone(contexts.entry(text).or_insert_with(|| text.into()));
        let answers = label.iter().flat_map(Label::answers).map(|answer| answer.text).collect();
        Question { context, answers }
    };
    table.records.iter().map(question).collect()
}

/// The windows of one record, in the order of its text.
fn windows(
    (table, record): (&Table, &Record),
    (tokenizer, frame): (&Tokenizer, &Frame),
    room: usize,
) -> Result<Vec<Shown>, Error> {
    let at = || (table.path.clone(), record.line);
    let refused = |source| {
        let (path, line) = at();
        super::Error::Tokenizer { path, line, source: Box::new(source) }
    };
    let pieces = |text: &str| tokenizer.pieces(text).map_err(refused);
    let Some(text) = record.pair.as_deref() else {
        return Err(super::Error::NoContext { path: table.path.clone() }.into());
    };
    let mut question = pieces(&record.text)?.ids;
    question.truncate(room / 2);
    let tokens = pieces(text)?;
    let mut answers = Vec::new();
    for given in record.label.iter().flat_map(Label::answers) {
        let found = place(text, &given).ok_or_else(|| {
            let (path, line) = at();
            super::Error::AnswerNotInText { path, line, answer: given.text.clone() }
        })?;
        answers.extend(tokens_of(&tokens, found));
    }
    let count = tokens.ids.len();
    let room = room - question.len();
    let step = room - room / REPEATED;
    let last_begin = count.saturating_sub(room).div_ceil(step) * step;
    let show = |begin: usize| {
        let end = count.min(begin + room);
        let encoded = frame.around(&question, &tokens.ids[begin..end]);
        let before = frame.second_begins(question.len());
        let mut places = vec![None; encoded.ids.len()];
        let shown = tokens.starts[begin..end].iter().zip(&tokens.ends[begin..end]);
        let shown = shown.map(|(start, end)| Some((*start as u32, *end as u32)));
        places.iter_mut().skip(before).zip(shown).for_each(|(place, bytes)| *place = bytes);
        let inside = |(first, last): &&(usize, usize)| (begin..end).contains(first) && *last < end;
        let answer = answers.iter().find(inside).map(|(first, last)| AnswerSpan {
            first: (before + first - begin) as u32,
            last: (before + last - begin) as u32,
        });
        let target = match record.label {
            None => Target::Absent,
            Some(_) => Target::Span(answer.unwrap_or_default()),
        };
        Shown { example: Example { ids: encoded.ids, token_types: encoded.token_types, target }, places }
    };
    Ok((0..=last_begin).step_by(step).map(show).collect())
}

/// The first and the last token that have a part of these bytes; `None` where none has.
fn tokens_of(tokens: &Pieces, (begin, end): (usize, usize)) -> Option<(usize, usize)> {
    let first = tokens.ends.iter().position(|token_end| *token_end > begin)?;
    let last = tokens.starts.iter().rposition(|token_begin| *token_begin < end)?;
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests;
