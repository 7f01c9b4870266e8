//! Pairs for next sentence prediction (Devlin et al. 2019): what follows a text, or a run of another document.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::documents::{Document, Sentence};

/// The share of chunks that are shorter than the room, so that short inputs are met too.
const SHORT_SHARE: f64 = 0.1;
/// The share of chunks whose second text comes from elsewhere.
const ELSEWHERE_SHARE: f64 = 0.5;

/// Two texts in the tokens of their sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub first: Vec<u32>,
    pub second: Vec<u32>,
    /// Whether the second follows the first in its document.
    pub follows: bool,
}

/// Pairs of at most `room` tokens (at least 2) from all documents, in their order.
///
/// A chunk is the sentences of a document that follow each other until they fill the room, two at least where there are
/// two; one chunk in ten stops at a random length below. Its first sentences, a random number of them, are the first
/// text. The second one is the rest, or for half of the chunks a run from a random place of another document, and the
/// rest then begins the next chunk. A single last sentence has only the other document; as many more of the others follow
/// then, so that half of all pairs do. Of pairs that are too long the longer text loses tokens first, at a random end.
///
/// With one document alone every second text follows, and a single sentence gives no pair.
pub(super) fn pair(documents: &[Document], room: usize, seed: u64) -> Vec<Pair> {
    let documents: Vec<Document> =
        documents.iter().map(|document| with_short_sentences(document, room)).collect();
    let rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pairing = Pairing { documents: &documents, room, rng, without_rest: 0, pairs: Vec::new() };
    for place in 0..documents.len() {
        pairing.document(place);
    }
    pairing.pairs
}

/// The document with sentences that are longer than the room cut, so that two parts make a pair.
fn with_short_sentences(document: &Document, room: usize) -> Document {
    let length = |sentence: &Sentence| if sentence.len() > room { room / 2 } else { room };
    let parts = document.sentences.iter().flat_map(|sentence| sentence.chunks(length(sentence).max(1)));
    Document { sentences: parts.map(<[u32]>::to_vec).collect() }
}

struct Pairing<'a> {
    documents: &'a [Document],
    room: usize,
    rng: ChaCha8Rng,
    /// Chunks that had nothing to follow; two of them make one more pair follow.
    without_rest: usize,
    pairs: Vec<Pair>,
}

impl Pairing<'_> {
    fn document(&mut self, place: usize) {
        let documents = self.documents;
        let mut rest = documents[place].sentences.as_slice();
        while !rest.is_empty() {
            let length = self.length();
            let chunk = &rest[..sentences_within(rest, length).max(2).min(rest.len())];
            let used = self.chunk(place, chunk, length);
            rest = &rest[used..];
        }
    }

    /// The tokens of the next pair.
    fn length(&mut self) -> usize {
        if self.rng.random_bool(SHORT_SHARE) { self.rng.random_range(2..=self.room) } else { self.room }
    }

    /// Makes a pair of the chunk; returns how many of its sentences are used up.
    fn chunk(&mut self, place: usize, chunk: &[Sentence], length: usize) -> usize {
        let split = if chunk.len() > 1 { self.rng.random_range(1..chunk.len()) } else { 1 };
        let (first, rest) = (chunk[..split].concat(), chunk[split..].concat());
        let wanted = length.saturating_sub(first.len()).max(1);
        match self.is_elsewhere(&rest).then(|| self.elsewhere(place, wanted)).flatten() {
            Some(second) => {
                self.push(Pair { first, second, follows: false }, length);
                split
            }
            None if rest.is_empty() => chunk.len(),
            None => {
                self.push(Pair { first, second: rest, follows: true }, length);
                chunk.len()
            }
        }
    }

    /// Whether the second text comes from another document: half of the time, single sentences counted.
    fn is_elsewhere(&mut self, rest: &[u32]) -> bool {
        if rest.is_empty() {
            self.without_rest += 1;
            return true;
        }
        let is_elsewhere = self.rng.random_bool(ELSEWHERE_SHARE);
        let is_made_up_for = is_elsewhere && self.without_rest >= 2;
        if is_made_up_for {
            self.without_rest -= 2;
        }
        is_elsewhere && !is_made_up_for
    }

    /// About `wanted` tokens from a random sentence on of a random document that is not the one at `place`.
    fn elsewhere(&mut self, place: usize, wanted: usize) -> Option<Vec<u32>> {
        let others = self.documents.len().checked_sub(1).filter(|others| *others > 0)?;
        let other = self.rng.random_range(0..others);
        let sentences = &self.documents[if other < place { other } else { other + 1 }].sentences;
        let run = &sentences[self.rng.random_range(0..sentences.len())..];
        Some(run[..sentences_within(run, wanted)].concat())
    }

    fn push(&mut self, mut pair: Pair, length: usize) {
        let (mut first, mut second) = (pair.first.as_slice(), pair.second.as_slice());
        while first.len() + second.len() > length {
            let longer = if first.len() > second.len() { &mut first } else { &mut second };
            let last = longer.len() - 1;
            *longer = if self.rng.random_bool(0.5) { &longer[1..] } else { &longer[..last] };
        }
        (pair.first, pair.second) = (first.to_vec(), second.to_vec());
        self.pairs.push(pair);
    }
}

/// How many of the sentences it takes to reach `length` tokens, or all of them.
fn sentences_within(sentences: &[Sentence], length: usize) -> usize {
    let mut tokens = 0;
    let reaches = |sentence: &Sentence| {
        tokens += sentence.len();
        tokens >= length
    };
    sentences.iter().position(reaches).map_or(sentences.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Documents of so many sentences of so many tokens: token 1000 · document + place.
    fn documents(count: u32, sentences: u32, length: u32) -> Vec<Document> {
        let sentence = |document: u32, place: u32| {
            (0..length).map(|token| 1000 * document + place * length + token).collect()
        };
        let document = |document| Document {
            sentences: (0..sentences).map(|place| sentence(document, place)).collect(),
        };
        (0..count).map(document).collect()
    }

    fn document_of(text: &[u32]) -> u32 {
        let document = text[0] / 1000;
        assert!(text.iter().all(|token| token / 1000 == document), "one document: {text:?}");
        assert!(text.windows(2).all(|pair| pair[1] == pair[0] + 1), "in order, nothing left out: {text:?}");
        document
    }

    #[test]
    fn half_of_the_seconds_follow_and_the_others_are_of_another_document() {
        let pairs = pair(&documents(200, 30, 7), 60, 3);
        let true_pairs = pairs.iter().filter(|pair| pair.follows).count() as f64 / pairs.len() as f64;
        assert!((0.47..0.53).contains(&true_pairs), "{true_pairs}");
        for pair in &pairs {
            let same = document_of(&pair.first) == document_of(&pair.second);
            assert_eq!(same, pair.follows);
            assert!(!pair.follows || pair.first.last() < pair.second.first(), "{pair:?}");
        }
        let short = pairs.iter().filter(|pair| pair.first.len() + pair.second.len() < 50).count();
        let short = short as f64 / pairs.len() as f64;
        assert!((0.05..0.35).contains(&short), "{short}");
    }

    #[test]
    fn the_seed_alone_decides() {
        let documents = documents(20, 10, 5);
        assert_eq!(pair(&documents, 30, 1), pair(&documents, 30, 1));
        assert_ne!(pair(&documents, 30, 1), pair(&documents, 30, 2));
    }

    #[test]
    fn one_document_alone_has_only_true_pairs() {
        let pairs = pair(&documents(1, 40, 5), 30, 1);
        assert!(pairs.len() > 5 && pairs.iter().all(|pair| pair.follows), "{pairs:?}");
    }

    #[test]
    fn one_sentence_alone_is_no_pair_unless_it_is_too_long() {
        assert!(pair(&documents(1, 1, 5), 30, 1).is_empty());
        assert!(pair(&[], 30, 1).is_empty());
        let pairs = pair(&documents(1, 1, 40), 30, 1);
        assert!(!pairs.is_empty() && pairs.iter().all(|pair| pair.follows));
        let pairs = pair(&documents(2, 1, 5), 30, 1);
        assert!(pairs.len() == 2 && pairs.iter().all(|pair| !pair.follows), "{pairs:?}");
    }

    #[test]
    fn texts_of_pairs_that_are_too_long_are_cut_evenly() {
        let long = [&documents(1, 2, 40)[..], &documents(2, 2, 40)[1..]].concat();
        for pair in pair(&long, 50, 9).iter().filter(|pair| pair.first.len() + pair.second.len() == 50) {
            assert!(pair.first.len().abs_diff(pair.second.len()) <= 1, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn both_texts_have_tokens_and_fit(
            count in 1u32..5, sentences in 1u32..6, length in 1u32..30, room in 2usize..40, seed in 0u64..99
        ) {
            for pair in pair(&documents(count, sentences, length), room, seed) {
                prop_assert!(!pair.first.is_empty() && !pair.second.is_empty());
                prop_assert!(pair.first.len() + pair.second.len() <= room);
            }
        }
    }
}
