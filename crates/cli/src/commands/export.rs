//! `export`: a trial's student in a folder of its own.

use anyhow::{Result, bail};
use autodistillation::models::Precision;
use autodistillation::repick;

use crate::arguments::{ExportArguments, ExportFormat, ExportPrecision};
use crate::terminal::show;

pub fn export(arguments: &ExportArguments) -> Result<()> {
    let format = match (arguments.format, arguments.precision) {
        (ExportFormat::Hf, ExportPrecision::F32) => repick::ExportFormat::HuggingFace(Precision::F32),
        (ExportFormat::Hf, ExportPrecision::F16) => repick::ExportFormat::HuggingFace(Precision::F16),
        (ExportFormat::Tf, ExportPrecision::F32) => repick::ExportFormat::TensorFlow,
        (ExportFormat::Tf, ExportPrecision::F16) => {
            bail!("`--format tf` stores f32: leave out `--precision f16`, or export with `--format hf`")
        }
    };
    repick::export(&arguments.run, arguments.trial, (&arguments.to, format))?;
    show(&format!("{}\n", arguments.to.display()))
}
