//! BERT-family networks from a Hugging Face config; their weights and tokenizers in and out.
//!
//! A network folder is Hugging Face's own: `config.json`, `model.safetensors` (or shards with an index) and the
//! tokenizer's files. [`Bert::load`] reads one, [`save`] writes one that unpatched `transformers` loads, and
//! [`student_config`] with [`inherit()`] make a smaller network that starts from a larger one. The crate knows
//! neither search nor training, and never prints: what a user should know comes back as a value.

pub mod bert;
pub mod config;
pub mod cost;
pub mod error;
pub mod inherit;
pub mod layers;
pub mod projection;
pub mod tokenizer;
pub mod weights;

mod files;
mod folder;
mod student;
#[cfg(test)]
mod test_networks;
#[cfg(test)]
mod test_reference;

pub use autodistillation_kernels::{Arithmetic, bf16_is_fast};
pub use bert::Bert;
pub use config::{Activation, BertConfig, ConfigProblem, ProblemType};
pub use error::Error;
pub use folder::{LoadWarning, Loaded, Precision, save};
pub use inherit::{InheritancePlan, Inherited, inherit};
pub use projection::{Refits, TeacherStates, Trained, project};
pub use student::{STUDENT_DIMENSIONS, student_config};
pub use tokenizer::{Encoded, EncodedWords, Tokenizer};
pub use weights::{Weight, Weights};
