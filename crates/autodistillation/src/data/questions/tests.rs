//! Tests of questions as windows of tokens.

use std::path::Path;

use super::*;
use crate::data::GivenAnswer;

const WORDS: [&str; 14] =
    ["who", "lives", "in", "bergen", "mira", "and", "tom", "work", "?", ".", "là", "##s", "the", "harbour"];

/// A WordPiece tokenizer of a few words, whose text begins behind token 4 of `[CLS] who lives ? [SEP]`.
fn tokenizer(folder: &Path) -> Tokenizer {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    std::fs::write(folder.join("vocab.txt"), [special.as_slice(), &WORDS].concat().join("\n")).unwrap();
    std::fs::write(folder.join("tokenizer_config.json"), r#"{"strip_accents": false}"#).unwrap();
    Tokenizer::from_folder(folder).unwrap()
}

fn table(rows: &[(&str, Option<&str>, Option<Label>)]) -> Table {
    let record = |(line, (question, text, label)): (u64, &(&str, Option<&str>, Option<Label>))| Record {
        text: (*question).to_owned(),
        pair: text.map(str::to_owned),
        label: label.clone(),
        line,
    };
    Table { path: "a.json".into(), records: (1..).zip(rows).map(record).collect() }
}

fn answers(given: &[(&str, usize)]) -> Option<Label> {
    let given =
        given.iter().map(|(text, start)| GivenAnswer { text: (*text).to_owned(), start: Some(*start) });
    Some(Label::Answers(given.collect()))
}

fn kept(table: &Table, max_length: usize) -> Result<ExampleSet, Error> {
    let folder = tempfile::tempdir().unwrap();
    examples(table, &tokenizer(folder.path()), (max_length, Answers::Kept))
}

const TEXT: &str = "Là Mira lives in Bergen.";

#[test]
fn the_answer_is_its_tokens_and_tokens_know_their_bytes() {
    let set = kept(&table(&[("Who lives?", Some(TEXT), answers(&[("Bergen", 17)]))]), 32).unwrap();
    assert_eq!(set.examples[0].token_types, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(set.examples[0].target, Target::Span(AnswerSpan { first: 9, last: 9 }));
    let questions = set.questions.unwrap();
    let (first, last) = questions.windows[0].places[9].unwrap();
    assert_eq!(&TEXT[first as usize..last as usize], "Bergen");
    assert_eq!(questions.windows[0].places.iter().flatten().count(), 6);
    assert_eq!(questions.questions[0].answers, ["Bergen"]);
    assert!(!questions.may_lack_answers());
}

#[test]
fn a_long_text_is_shown_in_windows_and_an_answer_belongs_to_those_that_hold_it_whole() {
    let text =
        ["mira and tom work in the harbour . ".repeat(3).trim_end(), " tom lives in bergen ."].concat();
    let start = text.find("bergen").unwrap();
    let label = answers(&[("bergen .", start)]);
    let set =
        kept(&table(&[("who ?", Some(&text), label), ("who ?", Some("tom"), answers(&[]))]), 24).unwrap();
    let questions = set.questions.as_ref().unwrap();
    // 24 tokens less three special ones and two of the question: 19 of the text, 6 of them again in the next.
    let shown: Vec<usize> = questions.windows.iter().map(|it| it.places.iter().flatten().count()).collect();
    assert_eq!(shown, [19, 16, 1]);
    assert_eq!(questions.windows[1].places[4], questions.windows[0].places[4 + 13]);
    let targets: Vec<&Target> = set.examples.iter().map(|example| &example.target).collect();
    let none = Target::Span(AnswerSpan::default());
    assert_eq!(targets, [&none, &Target::Span(AnswerSpan { first: 18, last: 19 }), &none]);
    assert_eq!(questions.windows.iter().map(|window| window.question).collect::<Vec<_>>(), [0, 0, 1]);
    assert!(questions.may_lack_answers());
}

#[test]
fn every_token_of_a_text_is_in_some_window_and_none_is_there_for_nothing() {
    for count in 1..80 {
        let text = vec!["tom"; count].join(" ");
        let set = kept(&table(&[("who ?", Some(&text), None)]), 24).unwrap();
        let windows = &set.questions.as_ref().unwrap().windows;
        let ends: Vec<u32> =
            windows.iter().map(|window| window.places.iter().flatten().last().unwrap().1).collect();
        assert_eq!(*ends.last().unwrap() as usize, text.len(), "{count}");
        assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{count}: {ends:?}");
        assert!(set.examples.iter().all(|example| example.target == Target::Absent));
    }
}

#[test]
fn a_long_question_leaves_half_of_the_room() {
    let question = "who ".repeat(100);
    let set = kept(&table(&[(&question, Some("mira and tom"), answers(&[("tom", 9)]))]), 24).unwrap();
    assert_eq!(set.examples[0].ids.len(), 3 + 10 + 3);
    assert_eq!(set.examples[0].target, Target::Span(AnswerSpan { first: 14, last: 14 }));
}

#[test]
fn questions_for_training_keep_no_words() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(&[("who ?", Some("tom"), Some(Label::Text("tom".to_owned())))]);
    let set = examples(&table, &tokenizer(folder.path()), (24, Answers::Dropped)).unwrap();
    assert_eq!(
        (set.questions, set.examples[0].target.clone()),
        (None, Target::Span(AnswerSpan { first: 4, last: 4 }))
    );
}

#[test]
fn what_cannot_be_asked_is_explained() {
    let said = |rows: &[(&str, Option<&str>, Option<Label>)], max_length| {
        kept(&table(rows), max_length).unwrap_err().to_string()
    };
    assert!(said(&[("who ?", None, None)], 24).contains("name its column in `text_pair`"));
    let error = said(&[("who ?", Some("tom"), answers(&[("mira", 0)]))], 24);
    assert_eq!(
        error,
        "a.json:1: the answer `mira` is not in the text: answers are parts of it, letter by letter"
    );
    assert!(said(&[("who ?", Some("tom"), None)], 18).contains("set at least 19"));
}

#[test]
fn rows_of_token_ids_list_the_ends_of_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let list = |ends: &[f64]| Some(Label::Several(ends.iter().map(|end| Label::Number(*end)).collect()));
    let read = |label| of_token_ids(&table(&[("2 5 3", Some("9 3"), label)]), &tokenizer, 8);
    assert_eq!(
        read(list(&[3.0, 3.0])).unwrap().examples[0].target,
        Target::Span(AnswerSpan { first: 3, last: 3 })
    );
    for wrong in [&[3.0][..], &[3.0, 5.0], &[2.0, 1.0], &[0.5, 1.0]] {
        let error = read(list(wrong)).unwrap_err().to_string();
        assert!(error.contains("no answer among 5 tokens"), "{error}");
    }
}
