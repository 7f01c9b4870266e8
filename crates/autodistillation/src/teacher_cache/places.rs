//! Where each example's output lies in the file of a layer.

use autodistillation_distillation::Shape;
use half::f16;

/// The lengths of a set's examples, summed up, so that every place is known before anything is written.
#[derive(Debug)]
pub(super) struct Places {
    /// Tokens of all examples before each one, and of all.
    tokens: Vec<u64>,
    /// Pairs of tokens of all examples before each one, and of all.
    pairs: Vec<u64>,
}

impl Places {
    pub(super) fn of(lengths: impl Iterator<Item = usize>) -> Self {
        let (mut tokens, mut pairs) = (vec![0], vec![0]);
        let (mut all_tokens, mut all_pairs) = (0, 0);
        for length in lengths.map(|length| length as u64) {
            all_tokens += length;
            all_pairs += length * length;
            tokens.push(all_tokens);
            pairs.push(all_pairs);
        }
        Self { tokens, pairs }
    }

    /// Number of examples.
    pub(super) fn rows(&self) -> usize {
        self.tokens.len() - 1
    }

    /// Bytes of the outputs at a layer of this shape that lie before the output of `row`; for the number of
    /// examples, the bytes of all. `None` for a row outside the set.
    pub(super) fn offset(&self, shape: Shape, row: usize) -> Option<u64> {
        let numbers = match shape {
            Shape::Vectors { width } => (row <= self.rows()).then(|| row as u64 * width as u64)?,
            Shape::Sequence { width } => self.tokens.get(row)? * width as u64,
            Shape::Attention { heads } => self.pairs.get(row)? * heads as u64,
        };
        Some(numbers * size_of::<f16>() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_lie_one_after_the_other() {
        let lengths = [3, 1, 4];
        let places = Places::of(lengths.into_iter());
        for shape in
            [Shape::Vectors { width: 2 }, Shape::Sequence { width: 5 }, Shape::Attention { heads: 3 }]
        {
            let mut expected = 0;
            for (row, length) in lengths.into_iter().enumerate() {
                assert_eq!(places.offset(shape, row), Some(expected));
                expected += 2 * shape.elements(length) as u64;
            }
            assert_eq!(places.offset(shape, 3), Some(expected));
            assert_eq!(places.offset(shape, 4), None);
        }
    }
}
