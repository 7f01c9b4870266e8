//! Where in its text an answer stands.

use crate::data::GivenAnswer;

/// The bytes of `text` that are the answer, first and behind the last: where it is said to begin, else the nearest place that
/// reads so. `None` for an answer that is not in the text, or empty.
pub(super) fn place(text: &str, answer: &GivenAnswer) -> Option<(usize, usize)> {
    let words = answer.text.trim();
    if words.is_empty() {
        return None;
    }
    let said = answer.start.map_or(Some(0), |start| text.char_indices().map(|(byte, _)| byte).nth(start));
    let said = said.unwrap_or(text.len());
    let apart = |(byte, _): &(usize, &str)| byte.abs_diff(said);
    let (begin, found) = text.match_indices(words).min_by_key(apart)?;
    Some((begin, begin + found.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, answer: &str, start: Option<usize>) -> Option<(usize, usize)> {
        place(text, &GivenAnswer { text: answer.to_owned(), start })
    }

    #[test]
    fn places_are_counted_in_characters_and_given_in_bytes() {
        assert_eq!(found("größer: größer", "größer", Some(8)), Some((10, 18)));
    }

    #[test]
    fn an_answer_that_stands_elsewhere_is_found_where_it_is_nearest() {
        assert_eq!(found("a b a b a", "a", Some(3)), Some((4, 5)));
        assert_eq!(found("a b a b a", "a", None), Some((0, 1)));
        assert_eq!(found("a b", " b ", Some(1)), Some((2, 3)), "space around it is not part of it");
        assert_eq!(found("a b", "b", Some(99)), Some((2, 3)));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert_eq!(found("a b", "c", Some(0)), None);
        assert_eq!(found("a b", " ", Some(1)), None);
    }
}
