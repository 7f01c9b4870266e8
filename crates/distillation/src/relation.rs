//! Self-attention relations (Wang et al. 2021): how the tokens of an example relate to each other, in as many heads on
//! both sides, whatever their widths and their own head counts are.

use burn::tensor::Tensor;

use crate::comparison::{Aligned, key_rows, map_rows, query_rows};
use crate::loss::{Comparison, Scale};
use crate::{Batch, Error, Feature, LayerMapping, MatchingOptions};

/// Relation heads at most: what the paper takes for a teacher of width 768.
const MOST_HEADS: usize = 48;
/// Width of a relation head at least: what the paper's narrowest student has (384 / 48). Scores of narrower heads have too
/// low a rank to tell many tokens apart.
const NARROWEST: usize = 8;

/// The relation heads for vectors of these widths, where the config asks for none: the largest number up to 48 that
/// divides both widths and leaves 8 or more to each head; 1 where there is none.
///
/// 48 for 384 and 768, as in the paper; 16 for 128 and 384; 8 for 64 and 384.
pub fn relation_heads((student, teacher): (usize, usize)) -> usize {
    let most = MOST_HEADS.min(student.min(teacher) / NARROWEST).max(1);
    (1..=most).rev().find(|heads| student % heads == 0 && teacher % heads == 0).unwrap_or(1)
}

/// The relation heads of a mapping between sequences of these widths.
///
/// # Errors
///
/// [`Error::RelationHeads`] when the number that is asked for does not divide both widths.
pub(crate) fn heads_of(
    widths: (usize, usize),
    mapping: &LayerMapping,
    options: &MatchingOptions,
) -> Result<usize, Error> {
    let Some(asked) = options.relation_heads else { return Ok(relation_heads(widths)) };
    let divides = |heads: &usize| widths.0.is_multiple_of(*heads) && widths.1.is_multiple_of(*heads);
    if divides(&asked) {
        return Ok(asked);
    }
    Err(Error::RelationHeads {
        asked,
        student: mapping.student.clone(),
        widths,
        possible: (1..=widths.0.min(widths.1)).filter(divides).collect(),
    })
}

/// Relation scores of both sides, one row for each head and token; `None` unless both are sequences.
pub(crate) fn align(
    features: (&Feature, &Feature),
    heads: usize,
    (batch, options): (&Batch, &MatchingOptions),
) -> Option<Aligned> {
    let (Feature::Sequence(student), Feature::Sequence(teacher)) = features else { return None };
    let [examples, length, _] = teacher.dims();
    let scores = Scale::Scores { temperature: 1.0 };
    let comparison = Comparison {
        rows: query_rows(batch, heads),
        student: scores,
        teacher: scores,
        reduction: options.reduction,
        keys: key_rows(batch, [examples, heads, length, length]),
    };
    Some(Aligned { student: relations(student, heads), teacher: relations(teacher, heads), comparison })
}

/// A Aᵀ / √d in each head: (batch, length, width) → (batch · heads · length, length).
fn relations(vectors: &Tensor<3>, heads: usize) -> Tensor<2> {
    let [batch, length, width] = vectors.dims();
    let by_head = vectors.clone().reshape([batch, length, heads, width / heads]).swap_dims(1, 2);
    let scores = by_head.clone().matmul(by_head.swap_dims(2, 3)); // (batch, heads, length, length)
    map_rows(scores / ((width / heads) as f32).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerPath, LossKind};

    #[test]
    fn heads_divide_both_widths_and_are_no_narrower_than_the_papers() {
        let widths = [(384, 768), (128, 384), (64, 384), (96, 384), (7, 384), (768, 768), (1, 1)];
        assert_eq!(widths.map(relation_heads), [48, 16, 8, 12, 1, 48, 1]);
    }

    #[test]
    fn a_number_of_heads_that_does_not_divide_is_refused_with_those_that_do() {
        let path = LayerPath::new("query");
        let mapping = LayerMapping {
            student: path.clone(),
            teacher: path,
            loss: LossKind::Relation,
            weight: 1.0.into(),
        };
        let options = |heads| MatchingOptions { relation_heads: Some(heads), ..MatchingOptions::default() };
        assert_eq!(heads_of((6, 9), &mapping, &options(3)).unwrap(), 3);
        for asked in [0, 2] {
            let error = heads_of((6, 9), &mapping, &options(asked)).unwrap_err().to_string();
            assert!(error.contains("[1, 3]"), "{error}");
        }
    }
}
