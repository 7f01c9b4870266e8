//! Texts for masked language modelling alone: the sentences of a document, joined as far as they fit.

use super::documents::Document;

/// Shorter rests are left out: nothing can be learnt from them.
const SHORTEST: usize = 4;

/// Texts of at most `room` tokens. Each joins the sentences of one document that follow each other as far as they fit;
/// a sentence that is longer than the room is cut at its tokens. Every token is in one text, except rests of fewer than
/// four.
pub(super) fn join(documents: &[Document], room: usize) -> Vec<Vec<u32>> {
    documents.iter().flat_map(|document| texts(document, room)).collect()
}

fn texts(document: &Document, room: usize) -> Vec<Vec<u32>> {
    let mut texts = vec![Vec::new()];
    for part in document.sentences.iter().flat_map(|sentence| sentence.chunks(room)) {
        match texts.last_mut() {
            Some(text) if text.len() + part.len() <= room => text.extend(part),
            _ => texts.push(part.to_vec()),
        }
    }
    texts.retain(|text| text.len() >= SHORTEST.min(room));
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Documents with sentences of these lengths; every token is another one.
    fn documents(lengths: &[&[u32]]) -> Vec<Document> {
        let mut next = 0..;
        let mut sentence = |length: &u32| next.by_ref().take(*length as usize).collect();
        lengths
            .iter()
            .map(|lengths| Document { sentences: lengths.iter().map(&mut sentence).collect() })
            .collect()
    }

    fn lengths(lengths: &[&[u32]], room: usize) -> Vec<usize> {
        join(&documents(lengths), room).iter().map(Vec::len).collect()
    }

    #[test]
    fn sentences_are_joined_within_a_document_as_far_as_they_fit() {
        assert_eq!(lengths(&[&[4, 5, 3], &[6]], 10), [9, 6], "the rest of three is left out");
        assert_eq!(lengths(&[&[4, 5, 4], &[6]], 10), [9, 4, 6]);
        assert_eq!(lengths(&[&[10, 10]], 20), [20]);
        assert_eq!(lengths(&[], 20), [0; 0]);
    }

    #[test]
    fn a_long_sentence_is_cut_and_its_rest_goes_on() {
        assert_eq!(lengths(&[&[5, 25, 4]], 10), [5, 10, 10, 9]);
    }

    #[test]
    fn a_small_room_keeps_short_texts() {
        assert_eq!(lengths(&[&[3, 1]], 2), [2, 2]);
        assert_eq!(lengths(&[&[3, 1]], 1), [1; 4]);
    }

    proptest! {
        #[test]
        fn only_short_rests_are_lost(lengths in prop::collection::vec(1u32..40, 1..30), room in 1usize..30) {
            let documents = documents(&[&lengths]);
            let texts = join(&documents, room);
            prop_assert!(texts.iter().all(|text| text.len() <= room));
            let kept: Vec<u32> = texts.concat();
            prop_assert!(kept.is_sorted_by(|a, b| a < b), "in order, and each once");
            let all: usize = documents[0].sentences.iter().map(Vec::len).sum();
            let runs = lengths.len() * 2;
            prop_assert!(all - kept.len() <= runs * (SHORTEST - 1));
            let dropped = texts.len() < texts_unfiltered(&documents[0], room);
            prop_assert!(kept.len() == all || dropped);
        }
    }

    fn texts_unfiltered(document: &Document, room: usize) -> usize {
        let mut free = 0;
        let mut count = 0;
        for part in document.sentences.iter().flat_map(|sentence| sentence.chunks(room)) {
            if part.len() > free {
                count += 1;
                free = room;
            }
            free -= part.len();
        }
        count
    }
}
