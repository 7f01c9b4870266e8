//! The ways in which one tensor of a checkpoint can fail to fit its network.

/// A tensor that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightProblem {
    /// The network needs it and the checkpoint lacks it.
    #[error("missing: `{name}` {dims:?}")]
    Missing {
        /// The checkpoint's name.
        name: String,
        /// Its dimensions.
        dims: Vec<usize>,
    },
    /// The checkpoint has it and the network has no place for it.
    #[error("unexpected: `{name}` {dims:?}")]
    Unexpected {
        /// The name in the checkpoint.
        name: String,
        /// Its dimensions.
        dims: Vec<usize>,
    },
    /// Another shape than the config says.
    #[error("misshapen: `{name}` is {found:?} in the file and {expected:?} by config.json")]
    Misshapen {
        /// The name.
        name: String,
        /// Dimensions by the config.
        expected: Vec<usize>,
        /// Dimensions in the file.
        found: Vec<usize>,
    },
    /// Numbers of a kind that is not read.
    #[error("unreadable: `{name}` is stored as {dtype}; F32, F16, BF16 and F64 can be read")]
    Unreadable {
        /// The name.
        name: String,
        /// The kind of its numbers.
        dtype: String,
    },
    /// Two tensors of the checkpoint for one parameter.
    #[error("ambiguous: `{first}` and `{second}` both stand for `{name}`")]
    Ambiguous {
        /// The parameter.
        name: String,
        /// One tensor.
        first: String,
        /// The other.
        second: String,
    },
}
