//! Where the sentences of a paragraph end.

/// Marks that may stand between a sentence's last one and the space after it.
const CLOSING: [char; 7] = ['"', '\'', ')', ']', '”', '’', '»'];
/// Marks that may open a sentence.
const OPENING: [char; 7] = ['"', '\'', '(', '[', '“', '‘', '«'];

/// The bytes after which the sentences of `text` end, ascending; the last one is the end of the text.
///
/// A sentence ends with `.`, `!` or `?`, with closing quotes or brackets after it, where white space and an upper-case
/// letter, a digit or an opening mark follow; a space before the mark, as in tokenised texts, changes nothing. The dot
/// of an initial (`J. Smith`) ends none. Abbreviations before a name (`Mr. Smith`) do.
pub fn sentence_ends(text: &str) -> Vec<usize> {
    let mut ends: Vec<usize> =
        text.match_indices(['.', '!', '?']).filter_map(|(mark, _)| end_after(text, mark)).collect();
    ends.push(text.len());
    ends.dedup();
    ends
}

/// The end of the sentence whose last mark may stand at this byte.
fn end_after(text: &str, mark: usize) -> Option<usize> {
    let (before, rest) = (&text[..mark], &text[mark + 1..]); // The three marks are one byte each.
    let after = rest.trim_start_matches(CLOSING);
    let next = after.trim_start();
    let begins = |first: char| first.is_uppercase() || first.is_numeric() || OPENING.contains(&first);
    let is_end = next.len() < after.len() && next.chars().next().is_some_and(begins);
    (is_end && !ends_with_initial(before)).then(|| text.len() - after.len())
}

/// Whether the last word is a single upper-case letter with the mark right after it.
fn ends_with_initial(before: &str) -> bool {
    let mut backwards = before.chars().rev();
    backwards.next().is_some_and(char::is_uppercase)
        && backwards.next().is_none_or(|character| character.is_whitespace() || character == '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sentences(text: &str) -> Vec<&str> {
        let mut begin = 0;
        let sentence = |end: usize| {
            let sentence = text[begin..end].trim();
            begin = end;
            sentence
        };
        sentence_ends(text).into_iter().map(sentence).collect()
    }

    #[test]
    fn marks_before_a_space_and_a_capital_end_sentences() {
        assert_eq!(sentences("One. Two! 3 go? \"Four\""), ["One.", "Two!", "3 go?", "\"Four\""]);
        assert_eq!(sentences("It is . Éa said ?  So"), ["It is .", "Éa said ?", "So"]);
        assert_eq!(
            sentences("He said “go.” Then (he went.) And"),
            ["He said “go.”", "Then (he went.)", "And"]
        );
    }

    #[test]
    fn other_marks_end_none() {
        for text in
            ["", "one", "0.5 and a.b", "H. americanus", "5 @.@ 4 m", "e.g. this one.", "J. R. R. Tolkien"]
        {
            assert_eq!(sentences(text), [text], "{text}");
        }
        assert_eq!(sentences("by J. Smith. He"), ["by J. Smith.", "He"]);
    }

    proptest! {
        #[test]
        fn ends_ascend_and_cut_no_character(text in "[A-Ca. !?\"é”\n3]{0,40}") {
            let ends = sentence_ends(&text);
            prop_assert!(ends.is_sorted_by(|a, b| a < b));
            prop_assert!(ends.iter().all(|&end| text.is_char_boundary(end)));
            prop_assert_eq!(ends.last().copied(), Some(text.len()));
        }
    }
}
