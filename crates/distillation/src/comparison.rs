//! Two features of unequal kind or width, made comparable as rows.

use burn::tensor::Tensor;

use crate::loss::{Comparison, Rows, Scale};
use crate::matcher::FeatureMatcher;
use crate::relation;
use crate::{Batch, Error, Feature, HeadMatching, LayerMapping, LossKind, MatchingOptions, Shape};

/// What has to happen before a student feature can be compared with a teacher feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// The shapes are equal.
    Direct,
    /// A linear map of the last axis, (student width, teacher width).
    Width(usize, usize),
    /// A linear map over the heads of attention maps, (student heads, teacher heads).
    Heads(usize, usize),
    /// The mean over the heads of each side.
    HeadMeans,
    /// Relations between tokens in this many heads: widths need not agree.
    Relations(usize),
}

impl Alignment {
    /// How features of these shapes are brought together.
    ///
    /// # Errors
    ///
    /// [`Error::Incomparable`] when they are of different kinds, [`Error::Unrelated`] and [`Error::RelationHeads`] when
    /// relations are asked of features that have none.
    pub fn between(
        student: Shape,
        teacher: Shape,
        mapping: &LayerMapping,
        options: &MatchingOptions,
    ) -> Result<Self, Error> {
        if mapping.loss == LossKind::Relation {
            return match (student, teacher) {
                (Shape::Sequence { width: a }, Shape::Sequence { width: b }) => {
                    relation::heads_of((a, b), mapping, options).map(Self::Relations)
                }
                _ => Err(Error::Unrelated {
                    student: (mapping.student.clone(), student),
                    teacher: (mapping.teacher.clone(), teacher),
                }),
            };
        }
        let align = |a: usize, b: usize| if a == b { Self::Direct } else { Self::Width(a, b) };
        match (student, teacher) {
            (Shape::Vectors { width: a }, Shape::Vectors { width: b })
            | (Shape::Sequence { width: a }, Shape::Sequence { width: b }) => Ok(align(a, b)),
            (Shape::MaskedTokens { width: a }, Shape::MaskedTokens { width: b }) if a == b => {
                Ok(Self::Direct)
            }
            (Shape::Spans, Shape::Spans) => Ok(Self::Direct),
            (Shape::Attention { heads: a }, Shape::Attention { heads: b }) if a == b => Ok(Self::Direct),
            (Shape::Attention { heads: a }, Shape::Attention { heads: b }) => Ok(match options.heads {
                HeadMatching::Mean => Self::HeadMeans,
                HeadMatching::Matcher => Self::Heads(a, b),
            }),
            _ => Err(Error::Incomparable {
                student: mapping.student.clone(),
                student_shape: student,
                teacher: mapping.teacher.clone(),
                teacher_shape: teacher,
            }),
        }
    }

    /// Widths in and out of the matcher it needs, if any.
    pub fn matcher_widths(self) -> Option<(usize, usize)> {
        match self {
            Self::Width(student, teacher) | Self::Heads(student, teacher) => Some((student, teacher)),
            Self::Direct | Self::HeadMeans | Self::Relations(_) => None,
        }
    }
}

/// Student and teacher rows, (rows, width) each, and how a loss reads them.
#[derive(Debug)]
pub struct Aligned {
    /// The student's rows, in the teacher's width.
    pub student: Tensor<2>,
    /// The teacher's rows.
    pub teacher: Tensor<2>,
    /// How they are read.
    pub comparison: Comparison,
}

/// Brings `student` and `teacher` together where the share `progress` of the stage is done; `None` if the features are of
/// different kinds. Relations are brought together by [`relation`].
pub fn align(
    (student, teacher): (&Feature, &Feature),
    matcher: Option<&FeatureMatcher>,
    (batch, options): (&Batch, &MatchingOptions),
    progress: f64,
) -> Option<Aligned> {
    let scores = Scale::Scores { temperature: options.temperature.at(progress) };
    let through = |rows: Tensor<2>| match matcher {
        Some(matcher) => matcher.forward(rows),
        None => rows,
    };
    match (student, teacher) {
        (Feature::Vectors(s), Feature::Vectors(t)) | (Feature::MaskedTokens(s), Feature::MaskedTokens(t)) => {
            let rows = whole_rows(t.dims());
            Some(aligned(through(s.clone()), t.clone(), rows, (scores, scores), options))
        }
        (Feature::Sequence(s), Feature::Sequence(t)) => {
            let rows = token_rows(batch, t.dims()[2]);
            Some(aligned(through(flat(s.clone())), flat(t.clone()), rows, (scores, scores), options))
        }
        (Feature::Spans(s), Feature::Spans(t)) => {
            let (rows, keys) = span_rows(batch);
            let mut aligned = aligned(flat(s.clone()), flat(t.clone()), rows, (scores, scores), options);
            aligned.comparison.keys = keys;
            Some(aligned)
        }
        (Feature::Attention(s), Feature::Attention(t)) => Some(align_maps(s, t, matcher, (batch, options))),
        _ => None,
    }
}

/// Rows of hidden states or vectors before any matcher, with the mask of real rows; `None` for attention maps.
pub fn unmatched_rows(
    (student, teacher): (Option<&Feature>, Option<&Feature>),
    batch: &Batch,
) -> Option<(Tensor<2>, Tensor<2>, Option<Tensor<2>>)> {
    match (student?, teacher?) {
        (Feature::Vectors(s), Feature::Vectors(t)) => Some((s.clone(), t.clone(), None)),
        (Feature::Sequence(s), Feature::Sequence(t)) => {
            Some((flat(s.clone()), flat(t.clone()), token_rows(batch, t.dims()[2]).mask))
        }
        _ => None,
    }
}

fn align_maps(
    student: &Tensor<4>,
    teacher: &Tensor<4>,
    matcher: Option<&FeatureMatcher>,
    (batch, options): (&Batch, &MatchingOptions),
) -> Aligned {
    let probabilities = (Scale::Probabilities, Scale::Probabilities);
    match matcher {
        Some(matcher) => {
            let [examples, _, length, _] = teacher.dims();
            let heads = student.dims()[1];
            let rows = student.clone().permute([0, 2, 3, 1]).reshape([examples * length * length, heads]);
            let mapped = matcher.forward(rows).reshape([examples, length, length, teacher.dims()[1]]);
            let maps = map_rows(mapped.permute([0, 3, 1, 2]));
            let scales = (Scale::Scores { temperature: 1.0 }, Scale::Probabilities);
            let rows = query_rows(batch, teacher.dims()[1]);
            let mut aligned = aligned(maps, map_rows(teacher.clone()), rows, scales, options);
            aligned.comparison.keys = key_rows(batch, teacher.dims());
            aligned
        }
        None if student.dims()[1] == teacher.dims()[1] => {
            let rows = query_rows(batch, teacher.dims()[1]);
            aligned(map_rows(student.clone()), map_rows(teacher.clone()), rows, probabilities, options)
        }
        None => {
            let means = (map_rows(student.clone().mean_dim(1)), map_rows(teacher.clone().mean_dim(1)));
            aligned(means.0, means.1, query_rows(batch, 1), probabilities, options)
        }
    }
}

fn aligned(
    student: Tensor<2>,
    teacher: Tensor<2>,
    rows: Rows,
    (of_student, of_teacher): (Scale, Scale),
    options: &MatchingOptions,
) -> Aligned {
    let reduction = options.reduction;
    let comparison = Comparison { rows, student: of_student, teacher: of_teacher, reduction, keys: None };
    Aligned { student, teacher, comparison }
}

/// (batch, length, width) → (batch · length, width)
pub(crate) fn flat(tensor: Tensor<3>) -> Tensor<2> {
    let [batch, length, width] = tensor.dims();
    tensor.reshape([batch * length, width])
}

/// (batch, heads, query, key) → (batch · heads · query, key)
pub(crate) fn map_rows(maps: Tensor<4>) -> Tensor<2> {
    let [batch, heads, query, key] = maps.dims();
    maps.reshape([batch * heads * query, key])
}

pub(crate) fn whole_rows([batch, width]: [usize; 2]) -> Rows {
    Rows { mask: None, real_rows: batch as f64, real_elements: (batch * width) as f64 }
}

pub(crate) fn token_rows(batch: &Batch, width: usize) -> Rows {
    let tokens: f64 = batch.lengths.iter().map(|&length| f64::from(length)).sum();
    let mask = is_padded(batch).then(|| batch.mask.clone().reshape([batch.size() * batch.length(), 1]));
    Rows { mask, real_rows: tokens, real_elements: tokens * width as f64 }
}

pub(crate) fn query_rows(batch: &Batch, heads: usize) -> Rows {
    let (size, length) = (batch.size(), batch.length());
    let tokens: f64 = batch.lengths.iter().map(|&length| f64::from(length)).sum();
    let pairs: f64 = batch.lengths.iter().map(|&length| f64::from(length).powi(2)).sum();
    let mask = is_padded(batch).then(|| {
        let queries = batch.mask.clone().reshape([size, 1, length, 1]).repeat_dim(1, heads);
        queries.reshape([size * heads * length, 1])
    });
    Rows { mask, real_rows: tokens * heads as f64, real_elements: pairs * heads as f64 }
}

/// The rows of scores of first and last tokens, two for each example, and 1 for their real tokens and 0 for padding,
/// (2 · batch, length); `None` without padding.
pub(crate) fn span_rows(batch: &Batch) -> (Rows, Option<Tensor<2>>) {
    let (size, length) = (batch.size(), batch.length());
    let tokens: f64 = batch.lengths.iter().map(|&length| f64::from(length)).sum();
    let keys = is_padded(batch).then(|| {
        let twice = batch.mask.clone().reshape([size, 1, length]).repeat_dim(1, 2);
        twice.reshape([2 * size, length])
    });
    (Rows { mask: None, real_rows: 2.0 * size as f64, real_elements: 2.0 * tokens }, keys)
}

/// 1 for a real key and 0 for padding, for every row of attention maps of these dimensions; `None` without padding.
pub(crate) fn key_rows(batch: &Batch, [examples, heads, queries, keys]: [usize; 4]) -> Option<Tensor<2>> {
    let mask = || batch.mask.clone().reshape([examples, 1, 1, keys]);
    is_padded(batch).then(|| map_rows(mask().repeat_dim(1, heads).repeat_dim(2, queries)))
}

fn is_padded(batch: &Batch) -> bool {
    batch.lengths.iter().any(|&length| (length as usize) < batch.length())
}
