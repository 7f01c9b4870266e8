//! Arguments of the commands that start from a config.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use autodistillation::teacher_cache::parse_size;
use autodistillation::{CacheSettings, ComputeDevice, TrainingPrecision};
use clap::Args;

use super::count;

/// Whether progress is shown.
#[derive(Debug, Args)]
pub struct ProgressArguments {
    /// Show no progress
    #[arg(long)]
    pub quiet: bool,
}

/// How large the teacher cache may become.
#[derive(Debug, Args)]
pub struct CacheArguments {
    /// Disk that the teacher's outputs may take, for this and later runs; 0 = none [default: a tenth of
    /// the free disk]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub cache_size: Option<u64>,
}

impl CacheArguments {
    /// The user's cache of that size.
    pub fn settings(&self) -> Option<CacheSettings> {
        CacheSettings::of_user(self.cache_size)
    }
}

/// `run`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  autodistillation run config.yaml --output runs/first --trials 20 --jobs 2

Run again with the same output it resumes, and a finished run ends at once.")]
pub struct RunArguments {
    /// The config: YAML or JSON
    pub config: PathBuf,
    /// Folder of the run [default: runs/<model.name>]
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Trials of the whole search, in place of the config's
    #[arg(long, value_name = "N", value_parser = count::<NonZeroU32>)]
    pub trials: Option<NonZeroU32>,
    /// Latencies of another device to choose for, from `profile` there
    #[arg(long, value_name = "FILE")]
    pub latency_profile: Option<PathBuf>,
    /// Students trained side by side [default: one per core]
    #[arg(long, value_name = "K", value_parser = count::<NonZeroUsize>)]
    pub jobs: Option<NonZeroUsize>,
    /// Threads of each student [default: cores / jobs]
    #[arg(long, value_name = "N", value_parser = count::<NonZeroUsize>)]
    pub threads: Option<NonZeroUsize>,
    /// Where networks compute: flex (the CPU), vulkan, vulkan:1
    #[arg(long, default_value = "flex")]
    pub device: ComputeDevice,
    /// Numbers that matrix products are computed in: auto, f32 or bf16
    #[arg(long, value_name = "NUMBERS", default_value = "auto")]
    pub precision: TrainingPrecision,
    /// Seed of everything random, in place of the config's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub cache: CacheArguments,
    #[command(flatten)]
    pub progress: ProgressArguments,
}

/// `check`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  autodistillation check config.yaml")]
pub struct CheckArguments {
    /// The config: YAML or JSON
    pub config: PathBuf,
    #[command(flatten)]
    pub cache: CacheArguments,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `profile`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  autodistillation profile config.yaml --output phone.json    (on the phone)
  autodistillation run config.yaml --latency-profile phone.json    (anywhere)")]
pub struct ProfileArguments {
    /// The config, whose search space and latency settings are used
    pub config: PathBuf,
    /// File for the latencies
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Where networks compute: flex (the CPU), vulkan, vulkan:1
    #[arg(long, default_value = "flex")]
    pub device: ComputeDevice,
    /// Print the profile as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub progress: ProgressArguments,
}

/// `finetune`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  autodistillation finetune config.yaml --from minilm-l6 --output teachers/mine --epochs 3")]
pub struct FineTuneArguments {
    /// The config, of which data and training settings are used
    pub config: PathBuf,
    /// Hugging Face folder of the pretrained encoder
    #[arg(long, value_name = "ENCODER")]
    pub from: PathBuf,
    /// Folder for the teacher
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// Passes over the training set
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = positive)]
    pub epochs: f64,
    /// Peak learning rate
    #[arg(long, value_name = "RATE", default_value_t = 4e-5, value_parser = positive)]
    pub learning_rate: f64,
    /// Print the metrics as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub progress: ProgressArguments,
}

/// `distill`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  autodistillation distill config.yaml --architecture hidden_size=128,num_attention_heads=2 --output student

The config may hold a search, which is left out, or have `distillation:` at its top level.")]
pub struct DistillArguments {
    /// The config: YAML or JSON
    pub config: PathBuf,
    /// Values of the student's config, in place of searched ones
    #[arg(long, value_name = "NAME=VALUE,…", default_value = "", hide_default_value = true)]
    pub architecture: String,
    /// Folder for the student
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// Train on the labels alone, from a random start, for as many steps: what the teacher is worth
    #[arg(long)]
    pub without_teacher: bool,
    /// Seed of everything random, in place of the config's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Where networks compute: flex (the CPU), vulkan, vulkan:1
    #[arg(long, default_value = "flex")]
    pub device: ComputeDevice,
    /// Numbers that matrix products are computed in: auto, f32 or bf16
    #[arg(long, value_name = "NUMBERS", default_value = "auto")]
    pub precision: TrainingPrecision,
    /// Print the metrics as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub cache: CacheArguments,
    #[command(flatten)]
    pub progress: ProgressArguments,
}

/// `init`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  autodistillation init config.yaml")]
pub struct InitArguments {
    /// Where to write it; an existing file stays as it is [default: standard output]
    pub file: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}
