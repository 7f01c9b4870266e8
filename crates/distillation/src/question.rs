//! Questions about texts, the windows of those texts that examples show, and the answers that scores of tokens give.

use std::sync::Arc;

use crate::evaluation::log_probabilities;

/// Tokens of an answer at most, the usual limit of SQuAD.
pub const LONGEST_ANSWER: usize = 30;

/// The questions of an [`ExampleSet`](crate::ExampleSet) whose examples each show one of them with a window of its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Questions {
    /// In file order.
    pub questions: Vec<Question>,
    /// What each example shows, in the order of the examples.
    pub windows: Vec<Window>,
}

/// A question about a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The text that holds the answer.
    pub context: Arc<str>,
    /// The answers that are right, each alone; none where the text does not hold the answer, or nobody has said it.
    pub answers: Vec<String>,
}

/// The tokens of a question and of a part of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Index of the question.
    pub question: u32,
    /// The bytes of the text that each token stands for, first and behind the last; `None` for special tokens and those of
    /// the question.
    pub places: Vec<Option<(u32, u32)>>,
}

/// What a network answers to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// A part of the text; empty where the text does not hold the answer.
    pub text: String,
    /// The probability of its first token times that of its last token, among the tokens of its window.
    pub probability: f64,
}

/// A span of tokens that could be the answer.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    score: f32,
    window: usize,
    first: usize,
    last: usize,
}

impl Questions {
    /// Whether some question has no answer in its text, so that "none" may be the answer to any.
    pub fn may_lack_answers(&self) -> bool {
        self.questions.iter().any(|question| question.answers.is_empty())
    }

    /// The best answer to each question, from the scores of each example's tokens: of being the answer's first token, one
    /// after another, and of being its last one. It is the span of at most [`LONGEST_ANSWER`] tokens of a window of the text
    /// whose two scores have the largest sum, and no answer where `none_allowed` and that is less than the sum for the
    /// first token of all in every window, as in the evaluation of SQuAD 2 (Rajpurkar et al. 2018).
    pub fn answers(&self, scores: &[Vec<f32>], none_allowed: bool) -> Vec<Answer> {
        let mut best: Vec<Option<Candidate>> = vec![None; self.questions.len()];
        let mut none: Vec<Option<Candidate>> = vec![None; self.questions.len()];
        for (place, (window, scores)) in self.windows.iter().zip(scores).enumerate() {
            let question = window.question as usize;
            if question >= best.len() {
                continue;
            }
            let (firsts, lasts) = scores.split_at(scores.len() / 2);
            if let (Some(first), Some(last)) = (firsts.first(), lasts.first()) {
                let found = Candidate { score: first + last, window: place, first: 0, last: 0 };
                let is_less = none[question].is_none_or(|known| found.score < known.score);
                none[question] = if is_less { Some(found) } else { none[question] };
            }
            let found = window.best((firsts, lasts));
            let found = found.map(|(score, first, last)| Candidate { score, window: place, first, last });
            if let Some(found) = found
                && best[question].is_none_or(|known| found.score > known.score)
            {
                best[question] = Some(found);
            }
        }
        let chosen = best.into_iter().zip(none).map(|(best, none)| match (best, none) {
            (Some(best), Some(none)) if none_allowed && none.score > best.score => Some(none),
            (Some(best), _) => Some(best),
            (None, none) => none,
        });
        chosen.zip(&self.questions).map(|(chosen, question)| self.answer(question, chosen, scores)).collect()
    }

    fn answer(&self, question: &Question, chosen: Option<Candidate>, scores: &[Vec<f32>]) -> Answer {
        let Some(Candidate { window, first, last, .. }) = chosen else {
            return Answer { text: String::new(), probability: 0.0 };
        };
        let (firsts, lasts) = scores[window].split_at(scores[window].len() / 2);
        let probability = (log_probabilities(firsts)[first] + log_probabilities(lasts)[last]).exp();
        let places = &self.windows[window].places;
        let text = match (places.get(first).copied().flatten(), places.get(last).copied().flatten()) {
            (Some((begin, _)), Some((_, end))) => question.context.get(begin as usize..end as usize),
            _ => None,
        };
        Answer { text: text.unwrap_or_default().to_owned(), probability }
    }
}

impl Window {
    /// The largest sum of a first and a last token's scores over spans of the text, with those tokens; the first of equals.
    fn best(&self, (firsts, lasts): (&[f32], &[f32])) -> Option<(f32, usize, usize)> {
        let count = self.places.len().min(firsts.len()).min(lasts.len());
        let mut best: Option<(f32, usize, usize)> = None;
        for first in (0..count).filter(|&token| self.places[token].is_some()) {
            let inside = self.places[first..count].iter().take(LONGEST_ANSWER).take_while(|it| it.is_some());
            for (last, (_, score)) in inside.zip(&lasts[first..]).enumerate() {
                let score = firsts[first] + score;
                if best.is_none_or(|(known, ..)| score > known) {
                    best = Some((score, first, first + last));
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Mira lives in Bergen";

    /// `[CLS] where [SEP]` and the words from `first` on.
    fn window(question: u32, first: usize, count: usize) -> Window {
        let words = [(0, 4), (5, 10), (11, 13), (14, 20)];
        let special = [None; 3];
        let places =
            special.into_iter().chain(words[first..first + count].iter().copied().map(Some)).collect();
        Window { question, places }
    }

    fn questions(answers: &[&str], windows: Vec<Window>) -> Questions {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        Questions { questions: vec![Question { context: TEXT.into(), answers }], windows }
    }

    fn scores(firsts: &[f32], lasts: &[f32]) -> Vec<f32> {
        [firsts, lasts].concat()
    }

    #[test]
    fn the_best_span_of_all_windows_is_the_answer() {
        let questions = questions(&["Bergen"], vec![window(0, 0, 2), window(0, 2, 2)]);
        let low = scores(&[9.0, 0.0, 0.0, 1.0, 0.0], &[9.0, 0.0, 0.0, 1.0, 0.0]);
        let high = scores(&[0.0, 0.0, 0.0, 1.0, 2.0], &[0.0, 0.0, 0.0, 3.0, 2.0]);
        let answers = questions.answers(&[low, high], false);
        assert_eq!(answers[0].text, "in");
    }

    #[test]
    fn a_span_does_not_end_before_it_begins_nor_outside_the_text() {
        let questions = questions(&["Mira"], vec![window(0, 0, 4)]);
        let firsts = [5.0, 9.0, 0.0, 0.0, 0.0, 0.0, 3.0];
        let lasts = [5.0, 9.0, 0.0, 4.0, 0.0, 0.0, 0.5];
        assert_eq!(questions.answers(&[scores(&firsts, &lasts)], false)[0].text, "Mira");
    }

    #[test]
    fn nothing_is_answered_where_every_window_says_so() {
        let all = vec![window(0, 0, 2), window(0, 2, 2)];
        let says_none = scores(&[5.0, 0.0, 0.0, 1.0, 0.0], &[5.0, 0.0, 0.0, 1.0, 0.0]);
        let says_so = scores(&[0.0, 0.0, 0.0, 1.0, 0.0], &[0.0, 0.0, 0.0, 1.0, 0.0]);
        let questions = questions(&[], all);
        let text =
            |scores: [&Vec<f32>; 2], none| questions.answers(&scores.map(Clone::clone), none)[0].text.clone();
        assert_eq!(text([&says_none, &says_none], true), "");
        assert_eq!(text([&says_none, &says_none], false), "Mira");
        assert_eq!(text([&says_none, &says_so], true), "Mira", "one window holds it");
        assert!(questions.may_lack_answers());
    }

    #[test]
    fn probabilities_are_those_of_both_ends() {
        let questions = questions(&["Mira"], vec![window(0, 0, 1)]);
        let answer = &questions.answers(&[vec![0.0; 8]], false)[0];
        assert!((answer.probability - 1.0 / 16.0).abs() < 1e-9, "{answer:?}");
    }

    #[test]
    fn a_question_without_a_window_has_no_answer() {
        let questions = questions(&["Mira"], Vec::new());
        assert_eq!(questions.answers(&[], false)[0], Answer { text: String::new(), probability: 0.0 });
    }
}
