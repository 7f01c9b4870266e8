//! What packing made of a corpus, in numbers.

use autodistillation_distillation::{ExampleSet, Target};

/// The size of a packed corpus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Examples.
    pub examples: usize,
    /// Tokens of all examples, special ones included.
    pub tokens: usize,
    /// Mean share of the longest length that an example fills, 0 to 1.
    pub fill: f64,
    /// The share of pairs whose second text follows the first, 0 to 1; absent without pairs.
    pub true_pairs: Option<f64>,
}

impl Statistics {
    /// Of a set whose examples have at most `max_length` tokens.
    pub fn of(set: &ExampleSet, max_length: usize) -> Self {
        let tokens: usize = set.examples.iter().map(|example| example.ids.len()).sum();
        let follows = set.examples.iter().filter_map(|example| match &example.target {
            Target::Masked(text) => text.follows,
            _ => None,
        });
        let follows: Vec<bool> = follows.collect();
        let true_pairs = follows.iter().filter(|follows| **follows).count();
        Self {
            examples: set.len(),
            tokens,
            fill: share(tokens, set.len() * max_length).unwrap_or_default(),
            true_pairs: share(true_pairs, follows.len()),
        }
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
