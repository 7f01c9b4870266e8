//! Arguments of the commands that use a network.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::count;

/// `evaluate`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  autodistillation evaluate runs/first/students/0003 --data dev.tsv --text sentence --label label")]
pub struct EvaluateArguments {
    /// The network's Hugging Face folder, or an ONNX file with config.json and tokenizer beside it
    pub network: PathBuf,
    /// Labelled examples: tsv, csv, jsonl or parquet
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Column of the text
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    pub text: String,
    /// Column of the second text, for a task on pairs
    #[arg(long, value_name = "COLUMN")]
    pub text_pair: Option<String>,
    /// Column of the label
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    pub label: String,
    /// What separates the labels in a cell that holds several
    #[arg(long, value_name = "TEXT")]
    pub label_separator: Option<String>,
    /// Longest example in tokens
    #[arg(long, value_name = "TOKENS", default_value = "128", value_parser = count::<NonZeroUsize>)]
    pub max_length: NonZeroUsize,
    /// Latency: examples in a call
    #[arg(long, value_name = "N", default_value = "1", value_parser = count::<NonZeroUsize>)]
    pub batch_size: NonZeroUsize,
    /// Latency: tokens of each example
    #[arg(long, value_name = "TOKENS", default_value = "32", value_parser = count::<NonZeroUsize>)]
    pub length: NonZeroUsize,
    /// Latency: threads of the call
    #[arg(long, value_name = "N", default_value = "1", value_parser = count::<NonZeroUsize>)]
    pub threads: NonZeroUsize,
    /// Latency: timed calls after the warm-up
    #[arg(long, value_name = "N", default_value = "50", value_parser = count::<NonZeroUsize>)]
    pub repeats: NonZeroUsize,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `predict`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  autodistillation predict runs/first/students/0003 texts.txt
  echo 'a warm, funny film' | autodistillation predict runs/first/students/0003")]
pub struct PredictArguments {
    /// The network's Hugging Face folder, or an ONNX file with config.json and tokenizer beside it
    pub network: PathBuf,
    /// One text a line; a tab separates the two texts of a pair [default: standard input]
    pub file: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `layers`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  autodistillation layers teachers/minilm-l6-sst2")]
pub struct LayersArguments {
    /// The network's Hugging Face folder
    pub network: PathBuf,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}
