//! The grammar of the generated documents: sentences that share a topic and a season, of words that agree.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::topics::{SEASONS, TOPICS, Topic};

/// A document of four to eight sentences, one a line: lower-case words and full stops, separated by single spaces.
///
/// All sentences are about one of ten topics and play in one of four seasons, so that what follows can be told from a
/// sentence of another document, nine times in ten by the topic alone. Within a sentence the person decides what is done
/// to what, and their number the forms of the other words, so that most of what is hidden follows from what is left.
pub(super) fn article(rng: &mut ChaCha8Rng) -> String {
    let topic = &TOPICS[rng.random_range(0..TOPICS.len())];
    let season = pick(rng, &SEASONS);
    let sentences = rng.random_range(4..=8u8);
    let lines: Vec<String> = (0..sentences).map(|_| sentence(rng, topic, season)).collect();
    lines.join("\n")
}

/// The words that change with the number of people.
struct Forms {
    this: &'static str,
    is: &'static str,
    has: &'static str,
    noun: &'static str,
    verb: &'static str,
}

const ONE: Forms = Forms { this: "this", is: "is", has: "has", noun: "", verb: "s" };
const MANY: Forms = Forms { this: "these", is: "are", has: "have", noun: "s", verb: "" };

fn sentence(rng: &mut ChaCha8Rng, topic: &Topic, season: &str) -> String {
    let [person, action, object] = topic.people[rng.random_range(0..topic.people.len())];
    let (place, quality) = (pick(rng, &topic.places), pick(rng, &topic.qualities));
    let Forms { this, is, has, noun, verb } = if rng.random_bool(0.5) { ONE } else { MANY };
    match rng.random_range(0..4u8) {
        0 => format!("in {season} {this} {person}{noun} {action}{verb} the {object} in the {place} ."),
        1 => format!("{this} {quality} {person}{noun} {is} in the {place} and {action}{verb} the {object} ."),
        2 => format!("it is {season} , and {this} {person}{noun} {has} the {object} in the {place} ."),
        _ => format!("{this} {person}{noun} {is} {quality} in {season} and {action}{verb} the {object} ."),
    }
}

fn pick(rng: &mut ChaCha8Rng, words: &[&'static str]) -> &'static str {
    words.choose(rng).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::collections::{BTreeMap, BTreeSet};

    fn articles(count: usize, seed: u64) -> Vec<String> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| article(&mut rng)).collect()
    }

    /// The most frequent value of each key, and how often it is right elsewhere.
    fn accuracy<'a>(train: &'a [String], test: &'a [String], key: fn(&[&'a str]) -> Vec<&'a str>) -> f64 {
        let windows = |texts: &'a [String]| {
            let words = texts.iter().map(|text| text.split_whitespace().collect::<Vec<_>>());
            words.flat_map(|words| words.windows(5).map(<[&str]>::to_vec).collect::<Vec<_>>())
        };
        let mut counts: BTreeMap<Vec<&str>, BTreeMap<&str, usize>> = BTreeMap::new();
        for window in windows(train) {
            *counts.entry(key(&window)).or_default().entry(window[2]).or_default() += 1;
        }
        let (mut right, mut all) = (0.0, 0.0);
        for window in windows(test) {
            let best = counts.get(&key(&window)).and_then(|words| words.iter().max_by_key(|(_, n)| **n));
            right += f64::from(u8::from(best.is_some_and(|(word, _)| *word == window[2])));
            all += 1.0;
        }
        right / all
    }

    #[test]
    fn the_most_frequent_word_is_far_below_what_neighbours_give() {
        let (train, test) = (articles(3000, 1), articles(300, 2));
        let frequent = accuracy(&train, &test, |_| Vec::new());
        let neighbours = accuracy(&train, &test, |window| vec![window[0], window[1], window[3], window[4]]);
        println!("most frequent word: {frequent:.3}, two words on each side: {neighbours:.3}");
        assert!(frequent < 0.2 && neighbours > 0.6, "{frequent} {neighbours}");
    }

    /// The topic of a text by its words.
    fn topic_of(text: &str) -> Option<usize> {
        let words: BTreeSet<&str> = text.split_whitespace().collect();
        TOPICS.iter().position(|topic| topic.people.iter().any(|person| words.contains(person[2])))
    }

    #[test]
    fn the_sentences_of_a_document_share_a_topic_that_others_have_not() {
        let texts = articles(1000, 3);
        let mut same = 0;
        for pair in texts.windows(2) {
            let topics: BTreeSet<_> = pair[0].lines().map(topic_of).collect();
            assert!(topics.len() == 1 && !topics.contains(&None), "{}", pair[0]);
            same += usize::from(topic_of(&pair[0]) == topic_of(&pair[1]));
        }
        assert!((60..140).contains(&same), "{same} of 999 neighbours by chance");
    }

    #[test]
    fn the_vocabulary_is_small_and_every_topic_has_its_own_words() {
        let texts = articles(3000, 4);
        let words: BTreeSet<&str> = texts.iter().flat_map(|text| text.split_whitespace()).collect();
        assert!((150..300).contains(&words.len()), "{}", words.len());
        let own = TOPICS.iter().flat_map(|topic| {
            topic.people.iter().flatten().chain(&topic.qualities).chain(&topic.places).copied()
        });
        let own: Vec<&str> = own.collect();
        assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), own.len(), "a word is there twice");
        assert!(texts.iter().all(|text| (4..=8).contains(&text.lines().count())));
    }

    #[test]
    fn words_agree_in_number() {
        let line = |text: &String| text.lines().map(str::to_owned).collect::<Vec<_>>();
        for sentence in articles(300, 5).iter().flat_map(line) {
            let words: BTreeSet<&str> = sentence.split(' ').collect();
            let many = words.contains("these");
            assert_ne!(many, words.contains("this"), "{sentence}");
            assert!(!words.contains(if many { "has" } else { "have" }), "{sentence}");
            assert!(many || !words.contains("are"), "{sentence}");
        }
    }
}
