//! BERT-family networks from a Hugging Face config; their weights and tokenizers in and out.
//!
//! A network folder is Hugging Face's own: `config.json`, the weights and the tokenizer's files. Weights are read from
//! `model.safetensors`, `pytorch_model.bin` (either in shards with an index), `tf_model.h5` and Google's TensorFlow
//! checkpoints, without running anything in them. [`Transformer::load`] reads one, [`save`] writes one that unpatched
//! `transformers` loads, and
//! [`student_config`] with [`inherit()`] make a smaller network that starts from a larger one. The crate knows
//! neither search nor training, and never prints: what a user should know comes back as a value.

pub mod bert;
pub mod config;
pub mod cost;
pub mod error;
pub mod family;
pub mod inherit;
pub mod layers;
pub mod mobilebert;
pub mod onnx;
pub mod projection;
pub mod tokenizer;
pub mod transformer;
pub mod weights;

mod files;
mod folder;
mod head;
mod student;
#[cfg(test)]
mod test_networks;
#[cfg(test)]
mod test_reference;

pub use autodistillation_kernels::{Arithmetic, bf16_is_fast};
pub use bert::Bert;
pub use config::{Activation, ConfigProblem, Head, ProblemType, TransformerConfig};
pub use error::Error;
pub use family::Family;
pub use folder::{LoadWarning, Loaded, Precision, save, save_tensorflow};
pub use head::{FurtherRows, LanguageHead, NetworkHead, Predictions, Transform};
pub use inherit::{InheritancePlan, Inherited, can_continue, continue_from, inherit};
pub use mobilebert::MobileBert;
#[cfg(feature = "onnx")]
pub use onnx::OnnxNetwork;
pub use onnx::{ONNX_FILE, save_onnx};
pub use projection::{TeacherStates, can_project, project, solve_behind};
pub use student::student_config;
pub use tokenizer::{Encoded, EncodedWords, Frame, Pieces, Tokenizer};
pub use transformer::Transformer;
pub use weights::{CheckpointProblem, Weight, Weights, weights_file};
