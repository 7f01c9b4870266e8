//! The grammar of the generated reviews: clauses with a polarity, joined by words that say which one counts.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::lexicon::{ADVERBS, ASPECTS, BLAME, DAYS, DISLIKE, LIKE, NEGATIONS, PEOPLE, PLACES, PRAISE};

/// A generated review.
pub(super) struct Review {
    /// Lower-case words and punctuation, separated by single spaces.
    pub text: String,
    /// Its verdict.
    pub positive: bool,
}

/// A review whose verdict is either with equal probability.
pub(super) fn review(rng: &mut ChaCha8Rng) -> Review {
    let positive = rng.random_bool(0.5);
    let verdict = clause(rng, positive);
    let body = match rng.random_range(0..8u8) {
        0..3 => verdict,
        3 | 4 => format!("{verdict} and {}", clause(rng, positive)),
        // What follows `but` counts, and what does not follow `although`.
        5 => format!("{} , but {verdict}", clause(rng, !positive)),
        6 => format!("although {} , {verdict}", clause(rng, !positive)),
        _ => format!("{verdict} , although {}", clause(rng, !positive)),
    };
    let text = match rng.random_range(0..5u8) {
        0 => format!("{} . {body} .", remark(rng)),
        1 => format!("{body} . {} .", remark(rng)),
        _ => format!("{body} ."),
    };
    Review { text, positive }
}

/// A clause with a polarity; one in five gets there by turning the opposite word around.
fn clause(rng: &mut ChaCha8Rng, positive: bool) -> String {
    let negated = rng.random_bool(0.2);
    let praised = positive != negated;
    let aspect = word(rng, ASPECTS);
    let adverb = if rng.random_bool(0.3) { format!("{} ", word(rng, ADVERBS)) } else { String::new() };
    let adjective = word(rng, if praised { PRAISE } else { BLAME });
    match rng.random_range(0..4u8) {
        0 => {
            let negation = if negated { format!("{} ", word(rng, NEGATIONS)) } else { String::new() };
            format!("the {aspect} was {negation}{adverb}{adjective}")
        }
        1 => {
            let verb = word(rng, if praised { LIKE } else { DISLIKE });
            let negation = if negated { format!("{} ", word(rng, NEGATIONS)) } else { String::new() };
            format!("i do {negation}{adverb}{verb} the {aspect}")
        }
        2 => {
            let has =
                if negated { *[&"has no", &"lacks any"][rng.random_range(0..2usize)] } else { "has such" };
            format!("it {has} {adverb}{adjective} {aspect}")
        }
        _ => {
            let who = if negated { "nobody" } else { "everybody" };
            format!("{who} calls the {aspect} {adverb}{adjective}")
        }
    }
}

/// A sentence without a verdict.
fn remark(rng: &mut ChaCha8Rng) -> String {
    match rng.random_range(0..2u8) {
        0 => format!("my {} saw it on a {}", word(rng, PEOPLE), word(rng, DAYS)),
        _ => format!(
            "i saw it in a {} and my {} saw it on {}",
            word(rng, PLACES),
            word(rng, PEOPLE),
            word(rng, DAYS)
        ),
    }
}

fn word(rng: &mut ChaCha8Rng, words: &[&'static str]) -> &'static str {
    words.choose(rng).copied().unwrap_or_default()
}

/// Reads the verdict back from the text, by rule.
#[cfg(test)]
pub(super) fn verdict(text: &str) -> bool {
    let body = text.split(" .").find(|sentence| !sentence.contains(" saw ")).unwrap().trim();
    let counts =
        match (body.split_once(" , but "), body.split_once(" , although "), body.strip_prefix("although ")) {
            (Some((_, counts)), _, _) | (_, Some((counts, _)), _) => counts,
            (_, _, Some(rest)) => rest.split_once(" , ").unwrap().1,
            _ => body.split(" and ").next().unwrap(),
        };
    let words: Vec<&str> = counts.split(' ').collect();
    let praised = words.iter().any(|word| PRAISE.contains(word) || LIKE.contains(word));
    let blamed = words.iter().any(|word| BLAME.contains(word) || DISLIKE.contains(word));
    assert_ne!(praised, blamed, "{counts}");
    let turned =
        words.iter().any(|word| NEGATIONS.contains(word) || ["no", "lacks", "nobody"].contains(word));
    praised != turned
}
