//! What can be wrong with an ONNX file.

use crate::Head;

/// Why an ONNX file cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxProblem {
    /// The bytes are no ONNX, or not all of it.
    #[error("it is not a whole ONNX file: copy or export it again")]
    NotWhole,
    /// It is ONNX, but not of the kind that is run here.
    #[error("it uses {what}, which is not run here: export the network with `export --format onnx`")]
    Unsupported {
        /// What it uses.
        what: String,
    },
    /// A tensor whose dimensions and numbers contradict each other.
    #[error(
        "its tensor `{name}` has the dimensions {dims:?} and {numbers} numbers: export the network again"
    )]
    Misshapen {
        /// The tensor.
        name: String,
        /// Its dimensions.
        dims: Vec<i64>,
        /// How many numbers it has.
        numbers: usize,
    },
    /// Its nodes and tensors do not make a graph.
    #[error("its graph is broken at `{place}`: {reason}; export the network again")]
    Graph {
        /// The node, tensor, input or output.
        place: String,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The file and the config describe different networks.
    #[error(
        "it gives {found} logits and its config.json {expected} labels: use the config.json that was exported with it"
    )]
    OtherLabels {
        /// Logits of an example.
        found: usize,
        /// Labels of the config.
        expected: usize,
    },
    /// The file and the config have different heads.
    #[error(
        "it puts out {found}, and its config.json is that of {head}: use the config.json that was exported with it"
    )]
    OtherHead {
        /// Names of its outputs.
        found: String,
        /// The config's head.
        head: Head,
    },
    /// The file and the config have different vocabularies.
    #[error(
        "it scores {found} words and its config.json has {expected}: use the config.json that was exported with it"
    )]
    OtherWords {
        /// Scores of a token.
        found: usize,
        /// Words of the config.
        expected: usize,
    },
    /// A call would take more memory than a network of this program's.
    #[error(
        "`{place}` of its graph would take {megabytes} MB in one call: use shorter or fewer examples at once"
    )]
    TooMuchMemory {
        /// The node.
        place: String,
        /// The memory that it would take.
        megabytes: u64,
    },
    /// The runtime refuses the graph or fails on it.
    #[error("the ONNX runtime cannot run it: export the network again")]
    Runtime {
        /// What the runtime said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The runtime broke down on the graph.
    #[error("the ONNX runtime broke down on it: export the network again")]
    Breakdown,
}
