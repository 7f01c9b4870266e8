//! Arguments of the commands that work on a finished run.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `pareto`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  autodistillation pareto runs/first --max-latency-ms 4 --max-params 5M --min accuracy=0.85")]
pub struct ParetoArguments {
    /// Folder of the run
    pub run: PathBuf,
    /// Longest latency (p50) in milliseconds
    #[arg(long, value_name = "X")]
    pub max_latency_ms: Option<String>,
    /// Most parameters; k, M and G are understood
    #[arg(long, value_name = "N")]
    pub max_params: Option<String>,
    /// Least value of a metric; may be given several times
    #[arg(long, value_name = "METRIC=V", value_parser = metric_value)]
    pub min: Vec<(String, String)>,
    /// Latencies of another device, from `profile` there, in place of the measured ones
    #[arg(long, value_name = "FILE")]
    pub latency_profile: Option<PathBuf>,
    /// Print the result as one JSON object, in the form of pareto.json
    #[arg(long)]
    pub json: bool,
}

/// `export`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  autodistillation export runs/first --trial 3 --to my-student --precision f16
  autodistillation export runs/first --trial 3 --to my-student --format onnx
  autodistillation export teachers/minilm-l6-sst2 --to my-teacher --format onnx")]
pub struct ExportArguments {
    /// Folder of the run, or of one network
    pub from: PathBuf,
    /// Number of the trial, where it is a run
    #[arg(long, value_name = "N")]
    pub trial: Option<u32>,
    /// Folder for the network, new or empty
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Layout of the folder
    #[arg(long, value_enum, default_value_t = ExportFormat::Hf)]
    pub format: ExportFormat,
    /// How numbers are stored
    #[arg(long, value_enum, default_value_t = ExportPrecision::F32)]
    pub precision: ExportPrecision,
}

/// Layout of an exported student.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExportFormat {
    /// Hugging Face's `model.safetensors`
    Hf,
    /// Hugging Face's `tf_model.h5`, for TensorFlow
    Tf,
    /// `model.onnx`, for ONNX Runtime
    Onnx,
}

/// How the numbers of an exported student are stored.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExportPrecision {
    /// Four bytes a number
    F32,
    /// Two bytes a number
    F16,
}

/// `report`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  autodistillation report runs/first")]
pub struct ReportArguments {
    /// Folder of the run
    pub run: PathBuf,
}

fn metric_value(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(metric, value)| !metric.is_empty() && !value.is_empty());
    let (metric, value) = parts.ok_or("expected METRIC=VALUE, such as accuracy=0.85")?;
    Ok((metric.trim().to_owned(), value.trim().to_owned()))
}
