//! The command line as it is written.

mod bench;
mod network;
mod run_folder;
mod training;

use std::str::FromStr;

use clap::{Parser, Subcommand};

pub use bench::{BenchArguments, BenchWork};
pub use network::{EvaluateArguments, LayersArguments, PredictArguments};
pub use run_folder::{ExportArguments, ExportFormat, ExportPrecision, ParetoArguments, ReportArguments};
pub use training::{
    CheckArguments, DistillArguments, FineTuneArguments, InitArguments, ProfileArguments, ProgressArguments,
    RunArguments,
};

const EXAMPLE: &str = "Example:
  autodistillation init config.yaml
  autodistillation check config.yaml
  autodistillation run config.yaml --output runs/first

Exit codes: 0 done, 1 finished without one completed trial, 2 could not run, 130 stopped by Ctrl-C";

/// Searches, distils and hands over the best small text models.
#[derive(Debug, Parser)]
#[command(name = "autodistillation", version, about, after_help = EXAMPLE, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Search, distil, measure and hand over the best students; run again to resume
    Run(RunArguments),
    /// Check a config without training: every problem at once, the space, the mappings, the cost
    Check(CheckArguments),
    /// Fine-tune a pretrained encoder into a teacher
    #[command(name = "finetune")]
    FineTune(FineTuneArguments),
    /// Distil one student, without a search
    Distill(DistillArguments),
    /// Measure a network: exact metrics over a data file, and latency
    Evaluate(EvaluateArguments),
    /// Classify lines of text
    Predict(PredictArguments),
    /// List a network's layer paths with their outputs and shapes
    Layers(LayersArguments),
    /// Pick again from a finished run, without training
    Pareto(ParetoArguments),
    /// Write a trial's student, or a network, into a folder of its own: Hugging Face or ONNX
    Export(ExportArguments),
    /// Write a run's reports again
    Report(ReportArguments),
    /// Measure how fast this machine trains or runs a network of a given shape
    Bench(BenchArguments),
    /// Measure the latency of every student of a config's search on this machine, without training
    Profile(ProfileArguments),
    /// Write a commented config to start from
    Init(InitArguments),
}

/// A whole number above 0.
fn count<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "expected a whole number above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_has_an_example() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let call = format!("  autodistillation {}", command.get_name());
            assert!(help.starts_with("Example") && help.contains(&call), "{}", command.get_name());
        }
    }
}
