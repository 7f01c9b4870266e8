//! What can be wrong with a search space, an architecture, a constraint or a study.

use crate::Choice;

/// Everything this crate refuses, with what was found and what would be accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A space without dimensions.
    #[error("the search space has no dimensions: list at least one, such as `hidden_size: [64, 128]`")]
    NoDimensions,
    /// A dimension without choices.
    #[error("dimension `{dimension}` of the search space has no choices: list at least one value")]
    NoChoices {
        /// The dimension's name.
        dimension: String,
    },
    /// A dimension name used twice.
    #[error("dimension `{dimension}` is in the search space twice: merge the two lists of choices")]
    DuplicateDimension {
        /// The dimension's name.
        dimension: String,
    },
    /// A choice listed twice within one dimension.
    #[error("dimension `{dimension}` lists the choice {choice} twice: remove one")]
    DuplicateChoice {
        /// The dimension's name.
        dimension: String,
        /// The repeated value.
        choice: Choice,
    },
    /// A real choice that is NaN or infinite.
    #[error("dimension `{dimension}` has the choice {choice}: choices must be finite")]
    ChoiceNotFinite {
        /// The dimension's name.
        dimension: String,
        /// The value found.
        choice: Choice,
    },
    /// More points than a 64-bit index can number.
    #[error("the search space has more than 2^64 points: remove dimensions or choices")]
    SpaceTooLarge,
    /// An architecture names a dimension that the space lacks.
    #[error("`{dimension}` is not a dimension of the search space (it has {valid})")]
    UnknownDimension {
        /// The name found.
        dimension: String,
        /// The space's dimensions.
        valid: String,
    },
    /// An architecture lacks a dimension of the space.
    #[error("the architecture has no value for `{dimension}`: give one of {valid}")]
    MissingDimension {
        /// The dimension without a value.
        dimension: String,
        /// Its choices.
        valid: String,
    },
    /// A value that is not among a dimension's choices.
    #[error("`{choice}` is not a choice of dimension `{dimension}` (it has {valid})")]
    UnknownChoice {
        /// The dimension's name.
        dimension: String,
        /// The value found.
        choice: String,
        /// Its choices.
        valid: String,
    },
    /// A part of a written architecture that is not `name=value`.
    #[error(
        "`{part}` is not `dimension=choice`: write an architecture as `hidden_size=128,num_attention_heads=2`"
    )]
    MalformedArchitecture {
        /// The part that could not be read.
        part: String,
    },
    /// A search algorithm that does not exist.
    #[error("`{name}` is not a search algorithm: use one of {valid}")]
    UnknownAlgorithm {
        /// The name found.
        name: String,
        /// The accepted names.
        valid: &'static str,
    },
    /// A constraint key that names no bound.
    #[error(
        "`{key}` is not a constraint: write `max_METRIC` or `min_METRIC`, such as `max_latency_ms` or `min_accuracy`"
    )]
    UnknownConstraint {
        /// The key found.
        key: String,
    },
    /// A constraint value that is not a number.
    #[error(
        "the bound of `{key}` is `{value}`: write a finite number, with k, M, G or T for thousands and up (`15M`)"
    )]
    InvalidBound {
        /// The constraint's key.
        key: String,
        /// The value found.
        value: String,
    },
    /// Two constraints that no value keeps together.
    #[error(
        "no `{metric}` is at least {at_least} and at most {at_most}: loosen or remove one of the two constraints"
    )]
    ContradictingConstraints {
        /// The metric that both bound.
        metric: String,
        /// The larger bound.
        at_least: f64,
        /// The smaller bound.
        at_most: f64,
    },
    /// A study that optimises nothing.
    #[error("the study has no goals: name at least one metric to maximise or minimise, such as `accuracy`")]
    NoGoals,
    /// The study and the feasible space were made from different search spaces.
    #[error(
        "the study's search space differs from the one its feasible architectures were listed from: build both from the same configuration"
    )]
    SpaceMismatch,
    /// The surrogate could not be fitted even with jitter.
    #[error(
        "the Gaussian process for `{metric}` could not be fitted to {trials} trials: check that the metric's values are of ordinary size"
    )]
    SurrogateNotFitted {
        /// The metric being modelled.
        metric: String,
        /// How many values it was fitted to.
        trials: usize,
    },
}
