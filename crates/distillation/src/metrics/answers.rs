//! Answers to questions: exact match and F1 as SQuAD's evaluation script computes them (Rajpurkar et al. 2016, 2018).
//!
//! Answers are compared in lower case, without ASCII punctuation, without the articles `a`, `an` and `the` and with one
//! space between words. Of several right answers the one that fits best counts.

use std::collections::BTreeMap;

use crate::Evaluation;

/// Share of the questions whose answer is a right one; `None` for other tasks.
pub(super) fn exact_match(evaluation: &Evaluation) -> Option<f64> {
    mean(evaluation, |given, right| f64::from(u8::from(given == right)))
}

/// Mean F1 of the words of the answers; `None` for other tasks.
pub(super) fn word_f1(evaluation: &Evaluation) -> Option<f64> {
    mean(evaluation, f1)
}

fn mean(evaluation: &Evaluation, score: impl Fn(&[String], &[String]) -> f64) -> Option<f64> {
    let questions = evaluation.questions.as_deref()?;
    let given = questions.answers(&evaluation.logits, questions.may_lack_answers());
    let scores = given.iter().zip(&questions.questions).map(|(given, question)| {
        let given = words(&given.text);
        match question.answers.as_slice() {
            [] => score(&given, &[]),
            right => right.iter().map(|right| score(&given, &words(right))).fold(0.0, f64::max),
        }
    });
    let count = questions.questions.len();
    (count > 0).then(|| scores.sum::<f64>() / count as f64)
}

/// 2 · common / (given + right words); for an answer without words whether both have none.
fn f1(given: &[String], right: &[String]) -> f64 {
    if given.is_empty() || right.is_empty() {
        return f64::from(u8::from(given == right));
    }
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    right.iter().for_each(|word| *left.entry(word).or_default() += 1);
    let mut common = 0;
    for word in given {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    2.0 * f64::from(common) / (given.len() + right.len()) as f64
}

/// The words of an answer that are compared.
fn words(text: &str) -> Vec<String> {
    let plain: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let mut kept = String::with_capacity(plain.len());
    let mut run = String::new(); // Letters and digits in a row: what `\b` of regular expressions stands around.
    for character in plain.chars().map(Some).chain([None]) {
        match character {
            Some(character) if character.is_alphanumeric() => run.push(character),
            end => {
                kept.push_str(if ["a", "an", "the"].contains(&run.as_str()) { " " } else { &run });
                run.clear();
                kept.extend(end);
            }
        }
    }
    kept.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_articles_do_not_count() {
        assert_eq!(words("The  U.S.A. and a Banana!"), ["usa", "and", "banana"]);
        assert_eq!(words("the–sea"), ["–sea"]);
        assert_eq!(words("an"), [""; 0]);
    }

    #[test]
    fn words_count_as_often_as_both_have_them() {
        let score = |given: &str, right: &str| f1(&words(given), &words(right));
        assert!((score("to be or not to be", "to be") - 0.5).abs() < 1e-12);
        assert_eq!(score("the", ""), 1.0);
        assert_eq!(score("something", ""), 0.0);
        assert_eq!(score("one", "two"), 0.0);
    }
}
