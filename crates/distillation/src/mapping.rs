//! Which layer of the student learns from which layer of the teacher, and how.

use serde::{Deserialize, Serialize};

use crate::{LayerPath, Ramp};

/// One pair of layers with the loss between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerMapping {
    /// Where the student's feature comes out.
    pub student: LayerPath,
    /// Where the teacher's feature comes out.
    pub teacher: LayerPath,
    /// How the two are compared.
    pub loss: LossKind,
    /// The term's weight in the sum, over the stage.
    pub weight: Ramp,
}

/// How two features are compared: s is the student's row, t the teacher's.
///
/// A row is a token's hidden state, an example's vector or a query's attention over keys. Padding never counts. Where a
/// divergence reads scores, they become probabilities by a softmax at the temperature T, and the term is multiplied by
/// T², so that its gradients keep their size (Hinton et al. 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LossKind {
    /// Mean squared error: mean of (s − t)² over all elements that are not padding.
    MeanSquared,
    /// Mean absolute error: mean of |s − t| over all elements that are not padding.
    MeanAbsolute,
    /// Euclidean distance √Σ (s − t)² of whole features, as `torch.dist`: it grows with the batch. What the origin's
    /// self-distillation calls `L2`.
    Euclidean,
    /// Kullback–Leibler divergence Σ t (log t − log s) over the last axis, mean over rows that are not padding.
    KullbackLeibler,
    /// The same the other way round, Σ s (log s − log t): the student is not asked to cover what it has no room for, but
    /// to stay where the teacher is (Gu et al. 2024, "MiniLLM").
    ReverseKullbackLeibler,
    /// Jensen–Shannon divergence ½ KL(t ‖ m) + ½ KL(s ‖ m) with m = (s + t) / 2 (Lin 1991), between 0 and log 2 at T = 1;
    /// over the last axis, mean over rows that are not padding.
    JensenShannon,
    /// Soft cross entropy −Σ t log s over the last axis, mean over rows that are not padding.
    CrossEntropy,
    /// Kullback–Leibler divergence between what the logits say of each label by itself, yes or no with probability
    /// sigmoid(logit / T); mean over labels and over rows that are not padding, as in BCE with logits.
    BinaryKullbackLeibler,
    /// Cross entropy between what the logits say of each label by itself; the mean as for the divergence.
    BinaryCrossEntropy,
    /// 1 − s·t / (‖s‖ ‖t‖), mean over rows that are not padding; lengths below 1e-8 count as 1e-8 (DistilBERT's third
    /// term, Sanh et al. 2019).
    Cosine,
    /// Patient distillation (Sun et al. 2019): the mean squared error between s / ‖s‖ and t / ‖t‖ over all elements that
    /// are not padding, as its authors compute it: 2 / width times [`Cosine`](Self::Cosine).
    Patient,
    /// Self-attention relations (Wang et al. 2021, "MiniLMv2"): both sides' vectors A are cut into the same number of
    /// relation heads, softmax(A Aᵀ / √d) says in each how tokens relate, d being a head's width; KL from the teacher's
    /// relations, mean over heads and tokens that are not padding, T = 1. For queries, keys, values or hidden states of
    /// any two widths; no matcher.
    Relation,
}

impl LossKind {
    /// Its name, in a config where it can be asked for there.
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanSquared => "MSE",
            Self::MeanAbsolute => "L1",
            Self::Euclidean => "L2",
            Self::KullbackLeibler => "KL",
            Self::ReverseKullbackLeibler => "RKL",
            Self::JensenShannon => "JSD",
            Self::CrossEntropy => "CE",
            Self::BinaryKullbackLeibler => "binary KL",
            Self::BinaryCrossEntropy => "binary CE",
            Self::Cosine => "COS",
            Self::Patient => "PKD",
            Self::Relation => "RELATION",
        }
    }

    /// Whether it compares two distributions over the classes, so that scores become probabilities first.
    pub fn is_divergence(self) -> bool {
        matches!(
            self,
            Self::KullbackLeibler | Self::ReverseKullbackLeibler | Self::JensenShannon | Self::CrossEntropy
        )
    }
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
    /// Softens logits before a divergence, over the stage; the term is multiplied by its square (Hinton et al. 2015).
    pub temperature: Ramp,
    /// What a divergence does to logits before the temperature.
    #[serde(default, skip_serializing_if = "LogitScale::is_plain")]
    pub logits: LogitScale,
    /// Relation heads of [`LossKind::Relation`]; absent = see [`relation_heads`](crate::relation::relation_heads).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation_heads: Option<usize>,
}

/// The criterion type's own defaults: the origin's plain MSE and head matcher.
impl Default for MatchingOptions {
    fn default() -> Self {
        Self {
            normalize: Normalize::None,
            heads: HeadMatching::Matcher,
            reduction: Reduction::RowMean,
            temperature: Ramp::from(1.0),
            logits: LogitScale::Plain,
            relation_heads: None,
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

/// What a divergence does to logits before the temperature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogitScale {
    /// Takes them as they are.
    #[default]
    Plain,
    /// Takes their z-scores over the classes (Sun et al. 2024, "Logit Standardization in Knowledge Distillation"): the
    /// student need not copy how large the teacher's logits are, only how they stand to each other. The deviation is
    /// that of the paper (divided by the number of classes). Needs three classes: two z-scores are always ±1.
    Standardized,
}

impl LogitScale {
    /// Whether nothing is done.
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}
