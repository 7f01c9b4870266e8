//! A text's own tokens with their places, and the special ones put around tokens that are there already.

use tokenizers::Encoding;

use super::{SHOWN, Tokenizer, contained};
use crate::{Encoded, Error};

/// The tokens of a text alone: nothing around them, nothing cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The byte of the text at which each token begins, not counting a space that is part of it; ascending.
    pub starts: Vec<usize>,
    /// The byte behind the last of each token; ascending.
    pub ends: Vec<usize>,
}

/// The special tokens that a tokenizer puts around one text, or around two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Special { id: u32, segment: u8 },
    First { segment: u8 },
    Second { segment: u8 },
}

/// Ids that no vocabulary reaches, which stand for the texts while a frame is made.
const FIRST: u32 = u32::MAX;
const SECOND: u32 = u32::MAX - 1;

impl Tokenizer {
    /// The tokens of a text, however long, without special ones around them.
    ///
    /// # Errors
    ///
    /// A text that the tokenizer refuses.
    pub fn pieces(&self, text: &str) -> Result<Pieces, Error> {
        let refused = |source| Error::Tokenize { text: text.chars().take(SHOWN).collect(), source };
        let encoding = contained(|| self.inner.encode(text, false)).map_err(refused)?;
        let (starts, ends) = encoding.get_offsets().iter().copied().unzip();
        Ok(Pieces { ids: encoding.get_ids().to_vec(), starts, ends })
    }

    /// What stands around one text: BERT's `[CLS] … [SEP]`, RoBERTa's `<s> … </s>`.
    ///
    /// # Errors
    ///
    /// A tokenizer that contradicts itself.
    pub fn frame_of_one(&self) -> Result<Frame, Error> {
        self.frame(stand_in(FIRST, 0), None)
    }

    /// What stands around two texts: BERT's `[CLS] … [SEP] … [SEP]`, RoBERTa's `<s> … </s></s> … </s>`.
    ///
    /// # Errors
    ///
    /// A tokenizer that contradicts itself.
    pub fn frame_of_two(&self) -> Result<Frame, Error> {
        self.frame(stand_in(FIRST, 0), Some(stand_in(SECOND, 1)))
    }

    /// The token of an id; `None` outside the vocabulary.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id that stands for a hidden word.
    ///
    /// # Errors
    ///
    /// [`Error::SpecialToken`] where the vocabulary has none.
    pub fn mask_id(&self) -> Result<u32, Error> {
        self.mask_id.ok_or_else(|| Error::SpecialToken {
            path: self.folder.clone(),
            token: self.settings.mask_token.clone(),
        })
    }

    /// The ids of all special tokens, ascending: the unknown word, the mask, padding, what stands around texts, and
    /// whatever else the tokenizer calls special.
    pub fn special_ids(&self) -> Vec<u32> {
        let named = [
            &self.settings.unk_token,
            &self.settings.cls_token,
            &self.settings.sep_token,
            &self.settings.pad_token,
            &self.settings.mask_token,
        ];
        let added = self.inner.get_added_tokens_decoder();
        let added = added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id);
        let mut ids: Vec<u32> =
            named.into_iter().filter_map(|name| self.inner.token_to_id(name)).chain(added).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn frame(&self, first: Encoding, second: Option<Encoding>) -> Result<Frame, Error> {
        let refused = |source| Error::TokenizerFile { path: self.folder.clone(), source };
        let framed = contained(|| self.inner.post_process(first, second, true)).map_err(refused)?;
        let slot = |(&id, &segment): (&u32, &u32)| match (id, segment as u8) {
            (FIRST, segment) => Slot::First { segment },
            (SECOND, segment) => Slot::Second { segment },
            (id, segment) => Slot::Special { id, segment },
        };
        Ok(Frame { slots: framed.get_ids().iter().zip(framed.get_type_ids()).map(slot).collect() })
    }
}

impl Frame {
    /// Number of special tokens.
    pub fn special(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Special { .. })).count()
    }

    /// The place at which the second text begins behind a first one of this many tokens.
    pub fn second_begins(&self, first: usize) -> usize {
        let before = self.slots.iter().take_while(|slot| !matches!(slot, Slot::Second { .. }));
        before.map(|slot| if matches!(slot, Slot::First { .. }) { first } else { 1 }).sum()
    }

    /// The tokens of one text or two with the special ones around them; the frame of one leaves the second text out.
    pub fn around(&self, first: &[u32], second: &[u32]) -> Encoded {
        let mut framed = Encoded::default();
        for slot in &self.slots {
            let (ids, segment) = match slot {
                Slot::Special { id, segment } => (std::slice::from_ref(id), *segment),
                Slot::First { segment } => (first, *segment),
                Slot::Second { segment } => (second, *segment),
            };
            framed.ids.extend(ids);
            framed.token_types.extend(std::iter::repeat_n(segment, ids.len()));
        }
        framed
    }
}

/// One token that stands for a text.
fn stand_in(id: u32, segment: u32) -> Encoding {
    Encoding::new(
        vec![id],
        vec![segment],
        vec![String::new()],
        vec![None],
        vec![(0, 0)],
        vec![0],
        vec![1],
        Vec::new(),
        Default::default(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder;
    use super::*;
    use crate::test_networks;

    fn tokenizer() -> Tokenizer {
        Tokenizer::from_folder(folder("{}").path()).unwrap()
    }

    /// What encoding gives, from the pieces and the frame.
    fn assert_same(tokenizer: &Tokenizer, (text, pair): (&str, &str)) {
        let [first, second] = [text, pair].map(|text| tokenizer.pieces(text).unwrap().ids);
        let one = tokenizer.frame_of_one().unwrap().around(&first, &second);
        assert_eq!(one, tokenizer.encode(text, None, 512).unwrap(), "{text}");
        let two = tokenizer.frame_of_two().unwrap().around(&first, &second);
        assert_eq!(two, tokenizer.encode(text, Some(pair), 512).unwrap(), "{text}, {pair}");
    }

    #[test]
    fn pieces_know_where_they_begin() {
        let text = "Ä Foxes  jumped,";
        let pieces = tokenizer().pieces(text).unwrap();
        assert_eq!(pieces.ids, [5, 7, 8, 9, 10, 13]);
        assert_eq!(pieces.starts, [0, 3, 6, 10, 14, 16]);
        assert_eq!(tokenizer().pieces("").unwrap(), Pieces::default());
        assert_eq!(tokenizer().pieces(&"fox ".repeat(2000)).unwrap().ids.len(), 2000, "nothing is cut");
    }

    #[test]
    fn a_frame_around_pieces_is_what_encoding_gives() {
        assert_same(&tokenizer(), ("a red dog", "fox jump"));
        assert_eq!(tokenizer().frame_of_one().unwrap().special(), 2);
        assert_eq!(tokenizer().frame_of_two().unwrap().special(), 3);
    }

    #[test]
    fn two_byte_level_texts_have_two_separators_between_them_and_one_segment() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/byte_level");
        let tokenizer = Tokenizer::from_folder(&folder).unwrap();
        assert_same(&tokenizer, ("The fox. It jumps", "over  it"));
        let id = |token: &str| tokenizer.inner.token_to_id(token).unwrap();
        let (begin, end) = (id("<s>"), id("</s>"));
        let framed = tokenizer.frame_of_two().unwrap().around(&[70, 71], &[72]);
        assert_eq!(framed.ids, [begin, 70, 71, end, end, 72, end]);
        assert_eq!(framed.token_types, [0; 7]);
        assert_eq!(tokenizer.mask_id().unwrap(), id("<mask>"));
        assert!(tokenizer.special_ids().contains(&id("<unk>")));
        let starts = tokenizer.pieces("The fox. It").unwrap().starts;
        assert_eq!(starts, [0, 1, 4, 4, 5, 6, 7, 9, 9, 10], "a space is part of the word after it");
    }

    #[test]
    fn the_mask_and_the_special_tokens_are_known() {
        assert_eq!((tokenizer().mask_id().unwrap(), tokenizer().special_ids()), (4, vec![0, 1, 2, 3, 4]));
    }

    #[test]
    fn a_vocabulary_without_a_mask_says_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n").unwrap();
        let error = Tokenizer::from_folder(folder.path()).unwrap().mask_id().unwrap_err().to_string();
        assert!(error.contains("has no token `[MASK]`: add it or name it"), "{error}");
    }

    #[test]
    fn a_real_tokenizers_frames_are_its_own() {
        let Some(folder) = test_networks::shared("teachers/minilm-l6-sst2") else { return };
        let tokenizer = Tokenizer::from_folder(&folder).unwrap();
        assert_same(&tokenizer, ("Héllo , wörld .", "and 日本 the rest"));
        assert_eq!((tokenizer.mask_id().unwrap(), tokenizer.special_ids().len()), (103, 5));
    }
}
