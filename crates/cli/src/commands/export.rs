//! `export`: a trial's student, or a network, in a folder of its own.

use anyhow::{Result, bail};
use autodistillation::export::{self, ExportFormat};
use autodistillation::models::Precision;

use crate::arguments::{self, ExportArguments, ExportPrecision};
use crate::terminal::show;

pub fn export(arguments: &ExportArguments) -> Result<()> {
    let to = (arguments.to.as_path(), format(arguments)?);
    match arguments.trial {
        Some(number) => export::export_trial(&arguments.from, number, to)?,
        None => export::export_network(&arguments.from, to)?,
    }
    show(&format!("{}\n", arguments.to.display()))
}

fn format(arguments: &ExportArguments) -> Result<ExportFormat> {
    Ok(match (arguments.format, arguments.precision) {
        (arguments::ExportFormat::Hf, ExportPrecision::F32) => ExportFormat::HuggingFace(Precision::F32),
        (arguments::ExportFormat::Hf, ExportPrecision::F16) => ExportFormat::HuggingFace(Precision::F16),
        (arguments::ExportFormat::Tf, ExportPrecision::F32) => ExportFormat::TensorFlow,
        (arguments::ExportFormat::Tf, ExportPrecision::F16) => {
            bail!("`--format tf` stores f32: leave out `--precision f16`, or export with `--format hf`")
        }
        (arguments::ExportFormat::Onnx, ExportPrecision::F32) => ExportFormat::Onnx,
        (arguments::ExportFormat::Onnx, ExportPrecision::F16) => {
            bail!("`--format onnx` stores f32: leave out `--precision f16`, or export with `--format hf`")
        }
    })
}
