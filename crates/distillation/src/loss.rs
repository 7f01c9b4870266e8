//! Losses between two matrices of features: pure functions of tensors.
//!
//! Features arrive as rows, (rows, width): one row per token, per example, or per query of an attention
//! map. [`Rows`] carries which rows are real, so that padding never counts.

use burn::tensor::Tensor;

use crate::divergence::{binary_divergence, divergence};
use crate::{LossKind, Reduction};

/// Vectors that are shorter have no direction (the ε of `torch.nn.functional.cosine_similarity`).
const SHORTEST: f32 = 1e-8;

/// Far below any score: a padded key gets no probability.
const EXCLUDED: f32 = -1e9;

/// Which rows of a feature count, and how many elements they hold.
#[derive(Clone, Debug)]
pub struct Rows {
    /// 1 for a real row and 0 for padding, (rows, 1); absent when every row is real.
    pub mask: Option<Tensor<2>>,
    /// Number of real rows.
    pub real_rows: f64,
    /// Number of real elements: real rows times the real width of each.
    pub real_elements: f64,
}

/// What the values of a feature are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Probabilities over the last axis: attention maps.
    Probabilities,
    /// Anything else: a softmax over the last axis makes them probabilities.
    Scores {
        /// Divides the scores before the softmax; the divergence is multiplied by its square.
        temperature: f64,
    },
}

/// The loss of `kind` between student rows and teacher rows, both (rows, width); a tensor of one element.
pub fn between(kind: LossKind, student: Tensor<2>, teacher: Tensor<2>, terms: &Comparison) -> Tensor<1> {
    let rows = &terms.rows;
    match kind {
        LossKind::MeanSquared => mean((terms.real(student) - teacher).powi_scalar(2), rows),
        LossKind::MeanAbsolute => mean((terms.real(student) - teacher).abs(), rows),
        LossKind::Euclidean => {
            let squares = masked((terms.real(student) - teacher).powi_scalar(2), rows).sum_dim(1).sum();
            squares.clamp_min(SHORTEST * SHORTEST).sqrt() // The root has no gradient at 0.
        }
        LossKind::Cosine => {
            let cosines = (unit(terms.real(student)) * unit(teacher)).sum_dim(1); // (rows, 1)
            masked(-cosines + 1.0, rows).sum() / rows.real_rows
        }
        LossKind::Patient => mean((unit(terms.real(student)) - unit(teacher)).powi_scalar(2), rows),
        LossKind::KullbackLeibler
        | LossKind::ReverseKullbackLeibler
        | LossKind::JensenShannon
        | LossKind::CrossEntropy
        | LossKind::Relation => divergence(kind, student, teacher, terms),
        LossKind::BinaryKullbackLeibler | LossKind::BinaryCrossEntropy => {
            mean(binary_divergence(kind, student, teacher, terms), rows)
        }
    }
}

/// What a squared error of `kind` is divided by to make it scale-free: the [`variance`] of what it compares on the
/// teacher's side; `None` for losses that are no squared errors.
pub fn error_scale(kind: LossKind, teacher: Tensor<2>, rows: &Rows) -> Option<Tensor<1>> {
    match kind {
        LossKind::MeanSquared => Some(variance(teacher, rows)),
        LossKind::Patient => Some(variance(unit(teacher), rows)),
        _ => None,
    }
}

/// Rows of length 1; rows shorter than 1e-8 are divided by that.
fn unit(rows: Tensor<2>) -> Tensor<2> {
    let squares = rows.clone().powi_scalar(2).sum_dim(1); // (rows, 1)
    rows / squares.clamp_min(SHORTEST * SHORTEST).sqrt()
}

/// How two features are read by a loss.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Which rows count.
    pub rows: Rows,
    /// What the student's values are.
    pub student: Scale,
    /// What the teacher's values are.
    pub teacher: Scale,
    /// What a divergence is averaged over.
    pub reduction: Reduction,
    /// Which elements of a row are real, (rows, width): 1 for a real key and 0 for padding. Absent when both sides are 0
    /// at every other element.
    pub keys: Option<Tensor<2>>,
}

impl Comparison {
    /// The student's values with 0 where the teacher has 0 by definition.
    fn real(&self, student: Tensor<2>) -> Tensor<2> {
        match &self.keys {
            Some(keys) => student * keys.clone(),
            None => student,
        }
    }

    /// Scores with those of padding far below any other.
    pub(crate) fn possible(&self, scores: Tensor<2>) -> Tensor<2> {
        match &self.keys {
            Some(keys) => possible(scores, keys),
            None => scores,
        }
    }
}

/// Scores (rows, width) with those where `keys` has 0 and not 1 far below any other.
pub(crate) fn possible(scores: Tensor<2>, keys: &Tensor<2>) -> Tensor<2> {
    scores + (keys.clone() - 1.0) * -EXCLUDED
}

/// The mean over the elements of real rows.
fn mean(elements: Tensor<2>, rows: &Rows) -> Tensor<1> {
    masked(elements, rows).sum_dim(1).sum() / rows.real_elements
}

pub(crate) fn masked(elements: Tensor<2>, rows: &Rows) -> Tensor<2> {
    match &rows.mask {
        Some(mask) => elements * mask.clone(),
        None => elements,
    }
}

/// The variance of a feature across its real rows, mean over the width: what a squared error is measured
/// against. 1 − MSE / variance is the explained variance.
pub fn variance(values: Tensor<2>, rows: &Rows) -> Tensor<1> {
    let center = masked(values.clone(), rows).sum_dim(0) / rows.real_rows; // (1, width)
    // Row by row first: one long sum would be cut among threads in an order that changes from run to run.
    masked((values - center).powi_scalar(2), rows).sum_dim(1).sum() / rows.real_elements
}

#[cfg(test)]
mod tests;
