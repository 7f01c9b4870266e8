//! Everything that can go wrong between a Hugging Face folder and a network.

use std::fmt;
use std::path::PathBuf;

use crate::Family;
use crate::config::ConfigProblem;
use crate::onnx::OnnxProblem;
use crate::weights::{CheckpointProblem, WeightProblem};

/// Why a network folder could not be read, built or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not JSON.
    #[error("`{}` is not valid JSON: restore it from where the network came from", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where the syntax breaks.
        source: serde_json::Error,
    },
    /// A `config.json` describes no network that can be built.
    #[error("`{}` does not describe a network that can be loaded:{problems}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Every problem in it.
        problems: Problems<ConfigProblem>,
    },
    /// A student cannot start as a projection of its teacher.
    #[error(
        "the student cannot start from its teacher's weights: {reason}; set `student.initialize: random`"
    )]
    Projection {
        /// Why.
        reason: &'static str,
    },
    /// The dimensions asked for make no network.
    #[error("this student cannot be built:{problems}")]
    Architecture {
        /// Every problem of the dimensions.
        problems: Problems<ConfigProblem>,
    },
    /// A searched or fixed dimension that the family does not have.
    #[error("`{name}` is not a dimension of students of the family `{family}`: choose from {}", valid.join(", "))]
    UnknownDimension {
        /// What was asked for.
        name: String,
        /// The student's family.
        family: Family,
        /// The names there are.
        valid: Vec<&'static str>,
    },
    /// The folder holds no weights in a format that is read.
    #[error(
        "no weights in `{}`: expected `model.safetensors`, `pytorch_model.bin` (or the index of either in parts, such as \
         `model.safetensors.index.json`), `tf_model.h5` or a TensorFlow checkpoint such as `bert_model.ckpt.index`",
        folder.display()
    )]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// A weight file is cut off, corrupt or claims an impossible header.
    #[error("`{}` is not a whole safetensors file: copy or download it again", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// A weight file of another format contradicts itself or asks for more than its numbers.
    #[error("the weights `{}` cannot be used: {problem}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: CheckpointProblem,
    },
    /// Weights could not be laid out as HDF5.
    #[error("the weights for `{}` cannot be laid out as HDF5", path.display())]
    SerializeHdf5 {
        /// The file that was to be written.
        path: PathBuf,
        /// What the format refused.
        source: Box<hdf5_pure::Error>,
    },
    /// The index of a sharded checkpoint is malformed.
    #[error("`{}` is not an index of weight files: {problem}", path.display())]
    ShardIndex {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ShardProblem,
    },
    /// The weights do not fit the config.
    #[error(
        "the weights in `{}` do not fit its config.json; use the config.json that was saved with them:{problems}",
        folder.display()
    )]
    Weights {
        /// The folder.
        folder: PathBuf,
        /// Every tensor that does not fit.
        problems: Problems<WeightProblem>,
    },
    /// Weights are NaN or infinite.
    #[error(
        "the weights in `{}` hold NaN or infinity in {}: the training that made them diverged, use an earlier state",
        folder.display(), shorten(names)
    )]
    NotFinite {
        /// The folder.
        folder: PathBuf,
        /// The tensors.
        names: Vec<String>,
    },
    /// Weights could not be laid out as safetensors.
    #[error("the weights for `{}` cannot be laid out as safetensors", path.display())]
    Serialize {
        /// The file that was to be written.
        path: PathBuf,
        /// What the format refused.
        source: safetensors::SafeTensorError,
    },
    /// The folder holds no tokenizer.
    #[error("no tokenizer in `{}`: expected `tokenizer.json` or `vocab.txt`", folder.display())]
    NoTokenizer {
        /// The folder.
        folder: PathBuf,
    },
    /// A tokenizer file cannot be used.
    #[error("the tokenizer `{}` cannot be used: restore it from where the network came from", path.display())]
    TokenizerFile {
        /// The file.
        path: PathBuf,
        /// What the tokenizer library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A text could not be tokenised.
    #[error("cannot tokenise the text `{text}`")]
    Tokenize {
        /// The start of the text.
        text: String,
        /// What the tokenizer library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A special token that the network needs is not in the vocabulary.
    #[error("the tokenizer `{}` has no token `{token}`: add it or name it in `tokenizer_config.json`", path.display())]
    SpecialToken {
        /// The tokenizer's folder or file.
        path: PathBuf,
        /// The missing token.
        token: String,
    },
    /// The tokenizer makes ids that the embeddings do not have.
    #[error(
        "the tokenizer has {vocabulary} tokens and the embeddings only {embeddings}: \
         use the tokenizer that the network was trained with"
    )]
    Vocabulary {
        /// Tokens of the tokenizer, counted to its highest id.
        vocabulary: usize,
        /// Rows of the word embeddings.
        embeddings: usize,
    },
    /// An ONNX file cannot be run.
    #[error("cannot run `{}`", path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: OnnxProblem,
    },
    /// A network does not fit into one ONNX file.
    #[error(
        "`{}` would have {megabytes} MB of weights, and an ONNX file holds 2147 MB at most: \
         export it with `--format hf`",
        path.display()
    )]
    OnnxTooLarge {
        /// The file that was to be written.
        path: PathBuf,
        /// Its weights.
        megabytes: u64,
    },
    /// A language model that scores words with another table than that of its embeddings.
    #[error(
        "the weights in `{}` have a decoder of their own, `{name}`, which differs from the word embeddings: only language \
         models whose decoder is the table of the words are supported",
        folder.display()
    )]
    UntiedDecoder {
        /// The network's folder.
        folder: PathBuf,
        /// The decoder's name.
        name: String,
    },
    /// No token would be left of any text.
    #[error("max_length is {max_length}, but the special tokens alone take {special}: raise it above that")]
    MaxLength {
        /// What was asked for.
        max_length: usize,
        /// Tokens that the tokenizer adds.
        special: usize,
    },
}

fn shorten(names: &[String]) -> String {
    let shown = names.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > 3 { format!("{shown} and {} more tensors", names.len() - 3) } else { shown }
}

/// What is wrong with the index of a sharded checkpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ShardProblem {
    /// There is no map from tensors to files.
    #[error("it has no `weight_map` from tensor names to file names")]
    NoWeightMap,
    /// A shard's name leads elsewhere.
    #[error("`{file}` is not the name of a file beside it")]
    OutsideFolder {
        /// The name in the index.
        file: String,
    },
    /// A shard lacks a tensor that the index puts there.
    #[error("`{tensor}` is not in `{file}`")]
    NotInShard {
        /// The tensor.
        tensor: String,
        /// The shard.
        file: String,
    },
}

/// Several problems found at once; shown one to a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Problems<P>(pub Vec<P>);

impl<P: fmt::Display> fmt::Display for Problems<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}
