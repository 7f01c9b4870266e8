//! Where each example's output lies in the file of a layer.

use autodistillation_distillation::{Extent, Shape};
use half::f16;

/// The lengths of a set's examples, summed up, so that every place is known before anything is written.
#[derive(Debug)]
pub(super) struct Places {
    /// Tokens of all examples before each one, and of all.
    tokens: Vec<u64>,
    /// Pairs of tokens of all examples before each one, and of all.
    pairs: Vec<u64>,
    /// Masked tokens of all examples before each one, and of all.
    masked: Vec<u64>,
}

impl Places {
    pub(super) fn of(extents: impl Iterator<Item = Extent>) -> Self {
        let mut places = Self { tokens: vec![0], pairs: vec![0], masked: vec![0] };
        let mut all = [0; 3];
        for Extent { tokens, masked } in extents {
            let (tokens, masked) = (tokens as u64, masked as u64);
            all = [all[0] + tokens, all[1] + tokens * tokens, all[2] + masked];
            places.tokens.push(all[0]);
            places.pairs.push(all[1]);
            places.masked.push(all[2]);
        }
        places
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
            Shape::MaskedTokens { width } => self.masked.get(row)? * width as u64,
            Shape::Spans => self.tokens.get(row)? * 2,
        };
        Some(numbers * size_of::<f16>() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_lie_one_after_the_other() {
        let extents = [(3, 1), (1, 0), (4, 2)].map(|(tokens, masked)| Extent { tokens, masked });
        let places = Places::of(extents.into_iter());
        for shape in [
            Shape::Vectors { width: 2 },
            Shape::Sequence { width: 5 },
            Shape::Attention { heads: 3 },
            Shape::MaskedTokens { width: 7 },
            Shape::Spans,
        ] {
            let mut expected = 0;
            for (row, extent) in extents.into_iter().enumerate() {
                assert_eq!(places.offset(shape, row), Some(expected));
                expected += 2 * shape.elements(extent) as u64;
            }
            assert_eq!(places.offset(shape, 3), Some(expected));
            assert_eq!(places.offset(shape, 4), None);
        }
    }
}
