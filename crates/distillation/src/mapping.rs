//! Which layer of the student learns from which layer of the teacher, and how.

use serde::{Deserialize, Serialize};

use crate::LayerPath;

/// One pair of layers with the loss between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerMapping {
    /// Where the student's feature comes out.
    pub student: LayerPath,
    /// Where the teacher's feature comes out.
    pub teacher: LayerPath,
    /// How the two are compared.
    pub loss: LossKind,
    /// The term's weight in the sum.
    pub weight: f64,
}

/// How two features are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LossKind {
    /// Mean squared error: mean of (s − t)² over all elements that are not padding.
    MeanSquared,
    /// Mean absolute error: mean of |s − t| over all elements that are not padding.
    MeanAbsolute,
    /// Kullback–Leibler divergence Σ t (log t − log s) over the last axis, mean over rows that are not padding.
    KullbackLeibler,
    /// Soft cross entropy −Σ t log s over the last axis, mean over rows that are not padding.
    CrossEntropy,
    /// Kullback–Leibler divergence between what the logits say of each label by itself, yes or no with probability
    /// sigmoid(logit / T); mean over labels and over rows that are not padding, as in BCE with logits.
    BinaryKullbackLeibler,
    /// Cross entropy between what the logits say of each label by itself; the mean as for the divergence.
    BinaryCrossEntropy,
}

/// Choices that all mappings of a criterion share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchingOptions {
    /// Whether squared errors on features are made scale-free.
    pub normalize: Normalize,
    /// How attention maps with different head counts are compared.
    pub heads: HeadMatching,
    /// What a divergence is averaged over.
    pub reduction: Reduction,
    /// Softens logits before a divergence; the term is multiplied by its square (Hinton et al. 2015).
    pub temperature: f64,
}

/// The criterion type's own defaults: the origin's plain MSE and head matcher.
impl Default for MatchingOptions {
    fn default() -> Self {
        Self {
            normalize: Normalize::None,
            heads: HeadMatching::Matcher,
            reduction: Reduction::RowMean,
            temperature: 1.0,
        }
    }
}

/// Whether a squared error is relative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Normalize {
    /// Plain mean squared error.
    None,
    /// Divided by the variance of the teacher's feature across the batch's tokens (mean over dimensions),
    /// so that 1 means "no better than the teacher's mean".
    TeacherVariance,
}

/// How attention maps of unequal head counts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeadMatching {
    /// The mean over the heads of each side.
    Mean,
    /// A trained linear map from the student's heads to the teacher's.
    Matcher,
}

/// What a divergence is averaged over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reduction {
    /// Sum over the last axis, mean over the rows that are not padding.
    RowMean,
    /// Mean over all elements, of which padding counts as 0: the origin's `KLDivLoss(reduction="mean")`, without what
    /// networks happen to compute on padding.
    ElementMean,
}
