//! Masked language modelling: which tokens of a text are hidden, anew at each pass over the data.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Example, MaskedText, Target};

/// The share of a text's tokens, special ones included, that are hidden (Devlin et al. 2019).
const SHARE: f64 = 0.15;
/// Of the hidden tokens, the share that the mask takes the place of; half of the others become a random token.
const MASK_SHARE: f64 = 0.8;
const RANDOM_SHARE: f64 = 0.1;

/// How a set's texts are masked: round(0.15 · tokens) of each, at least one, drawn from those that are not special. Of
/// these 80 % become the mask, 10 % a random token and 10 % stay (Devlin et al. 2019). Which they are depends on the seed
/// and the row alone.
///
/// Each pass over the data masks other tokens (dynamic masking, Liu et al. 2019), until after [`Masking::VERSIONS`] passes
/// the first masks come again, so that what a teacher says about a masked text can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masking {
    seed: u64,
    mask: u32,
    vocabulary: u32,
    /// Ascending.
    special: Vec<u32>,
}

impl Masking {
    /// Passes over the data before the masks of the first come again: as many as RoBERTa's authors compare with.
    pub const VERSIONS: u32 = 40;

    /// Masks with the id `mask` in a vocabulary of that many ids, of which `special` are never hidden and never drawn;
    /// `None` where nothing else is left.
    pub fn new(
        seed: u64,
        mask: u32,
        vocabulary: u32,
        special: impl IntoIterator<Item = u32>,
    ) -> Option<Self> {
        let mut special: Vec<u32> = special.into_iter().chain([mask]).filter(|id| *id < vocabulary).collect();
        special.sort_unstable();
        special.dedup();
        (special.len() < vocabulary as usize).then_some(Self { seed, mask, vocabulary, special })
    }

    /// Number of tokens of `example` that are hidden; 0 if all are special.
    pub fn count(&self, example: &Example) -> usize {
        let wanted = (example.ids.len() as f64 * SHARE).round().max(1.0) as usize;
        wanted.min(example.ids.iter().filter(|id| self.may_hide(**id)).count())
    }

    /// `example` as the row `row` has it, with what is hidden as its target.
    pub fn apply(&self, example: &Example, row: u32) -> Example {
        let mut rng = self.rng(row);
        let mut places: Vec<usize> =
            (0..example.ids.len()).filter(|&place| self.may_hide(example.ids[place])).collect();
        let count = self.count(example);
        let (hidden, _) = places.partial_shuffle(&mut rng, count);
        hidden.sort_unstable();
        let mut masked = example.clone();
        let mut tokens = vec![None; example.ids.len()];
        for &mut place in hidden {
            tokens[place] = Some(example.ids[place]);
            masked.ids[place] = self.replacement(example.ids[place], &mut rng);
        }
        let follows = match &example.target {
            Target::Masked(text) => text.follows,
            _ => None,
        };
        masked.target = Target::Masked(MaskedText { tokens, follows });
        masked
    }

    fn may_hide(&self, id: u32) -> bool {
        self.special.binary_search(&id).is_err()
    }

    fn replacement(&self, id: u32, rng: &mut ChaCha8Rng) -> u32 {
        let draw: f64 = rng.random();
        if draw < MASK_SHARE {
            self.mask
        } else if draw < MASK_SHARE + RANDOM_SHARE {
            self.random_token(rng)
        } else {
            id
        }
    }

    /// An id that is not special; there is one.
    fn random_token(&self, rng: &mut ChaCha8Rng) -> u32 {
        loop {
            let id = rng.random_range(0..self.vocabulary);
            if self.may_hide(id) {
                return id;
            }
        }
    }

    fn rng(&self, row: u32) -> ChaCha8Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..12].copy_from_slice(&row.to_le_bytes());
        seed[12..16].copy_from_slice(b"mask");
        ChaCha8Rng::from_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: u32 = 4;

    fn masking() -> Masking {
        Masking::new(3, MASK, 1000, [0, 1, 2, 3]).unwrap()
    }

    fn text(length: u32) -> Example {
        let ids: Vec<u32> = [2].into_iter().chain((10..).take(length as usize - 2)).chain([3]).collect();
        let target = Target::Masked(MaskedText { tokens: Vec::new(), follows: Some(true) });
        Example { token_types: vec![0; ids.len()], ids, target }
    }

    fn hidden(example: &Example) -> &MaskedText {
        let Target::Masked(text) = &example.target else { panic!("not masked: {example:?}") };
        text
    }

    #[test]
    fn fifteen_percent_are_hidden_and_the_target_is_what_was_there() {
        for length in [3, 20, 128] {
            let plain = text(length);
            let masked = masking().apply(&plain, 7);
            let expected = ((f64::from(length) * 0.15).round() as usize).max(1);
            assert_eq!((masking().count(&plain), hidden(&masked).count()), (expected, expected));
            assert_eq!(hidden(&masked).follows, Some(true));
            for (place, token) in hidden(&masked).tokens.iter().enumerate() {
                match token {
                    Some(id) => assert_eq!(*id, plain.ids[place]),
                    None => assert_eq!(masked.ids[place], plain.ids[place]),
                }
            }
        }
    }

    #[test]
    fn each_row_hides_other_tokens_and_always_the_same() {
        let (plain, masking) = (text(128), masking());
        assert_eq!(masking.apply(&plain, 7), masking.apply(&plain, 7));
        assert_ne!(masking.apply(&plain, 7), masking.apply(&plain, 8));
    }

    #[test]
    fn four_in_five_become_the_mask_and_one_in_ten_stays() {
        let (plain, masking) = (text(900), masking());
        let mut counts = [0.0; 3];
        for row in 0..40 {
            let masked = masking.apply(&plain, row);
            for (place, _) in hidden(&masked).tokens.iter().enumerate().filter(|(_, token)| token.is_some()) {
                let kind = if masked.ids[place] == MASK {
                    0
                } else {
                    usize::from(masked.ids[place] != plain.ids[place]) + 1
                };
                counts[kind] += 1.0;
                assert!(masked.ids[place] >= MASK, "a special token was drawn");
            }
        }
        let all: f64 = counts.iter().sum();
        let [mask, same, random] = counts.map(|count| count / all);
        assert!(
            (mask - 0.8).abs() < 0.02 && (same - 0.1).abs() < 0.015 && (random - 0.1).abs() < 0.015,
            "{mask} {same} {random}"
        );
    }

    #[test]
    fn special_tokens_are_never_hidden() {
        let special = Example { ids: vec![2, 3, 0], token_types: vec![0; 3], target: Target::Absent };
        assert_eq!(masking().count(&special), 0);
        assert_eq!(masking().apply(&special, 0).ids, special.ids);
        assert_eq!(Masking::new(0, 1, 3, [0, 2]), None);
    }
}
