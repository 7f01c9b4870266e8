//! Arguments of `bench`.

use std::num::{NonZeroU32, NonZeroUsize};

use autodistillation::TrainingPrecision;
use clap::{Args, ValueEnum};

/// `bench`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  autodistillation bench step --hidden 128 --heads 2 --ffn 512 --layers 4 --length 32 --jobs 2
  autodistillation bench latency --batch 1 --length 32 --threads 1 --json")]
pub struct BenchArguments {
    /// What to time
    pub work: BenchWork,
    /// Width of the hidden states
    #[arg(long, value_name = "N", default_value = "256")]
    pub hidden: NonZeroUsize,
    /// Attention heads
    #[arg(long, value_name = "N", default_value = "4")]
    pub heads: NonZeroUsize,
    /// Width of the feed-forward part
    #[arg(long, value_name = "N", default_value = "1024")]
    pub ffn: NonZeroUsize,
    /// Encoder layers
    #[arg(long, value_name = "N", default_value = "6")]
    pub layers: NonZeroUsize,
    /// Examples in a step or call
    #[arg(long, value_name = "N", default_value = "32")]
    pub batch: NonZeroUsize,
    /// Tokens of each example
    #[arg(long, value_name = "TOKENS", default_value = "128")]
    pub length: NonZeroUsize,
    /// Rows of the word embeddings
    #[arg(long, value_name = "N", default_value = "30522")]
    pub vocabulary: NonZeroUsize,
    /// Timed steps or calls of each student
    #[arg(long, value_name = "N", default_value = "20")]
    pub steps: NonZeroU32,
    /// Students side by side
    #[arg(long, value_name = "K", default_value = "1")]
    pub jobs: NonZeroUsize,
    /// Threads of each student [default: cores / jobs]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Numbers that matrix products are computed in: auto, f32 or bf16
    #[arg(long, value_name = "NUMBERS", default_value = "auto")]
    pub precision: TrainingPrecision,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `bench` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchWork {
    /// A training step: forward, cross entropy, backward, AdamW
    Step,
    /// A call: from token ids to logits
    Latency,
}
