//! Reading data files: columns by name, labels as classes or values, tokenised examples, plain text for pretraining,
//! questions with their answers.

mod columns;
mod conll;
mod content_hash;
pub mod corpus;
mod delimited;
pub mod demo;
mod error;
mod format;
mod json_lines;
mod labels;
mod parquet_rows;
mod plain_text;
pub mod questions;
mod record;
mod token_ids;
mod tokenise;
mod word_tags;

pub use content_hash::content_hash;
pub use error::Error;
pub use format::Format;
pub use labels::{LabelEncoding, LabelNames, SeenClasses};
pub use record::{GivenAnswer, Label, Record, Table, TextColumns};
pub use token_ids::{NotTokenIds, token_ids};
pub use tokenise::{Encode, EncodeFunction, EncodeWordsFunction, Tokens, WordTokens, tokenise};
