//! `export`: a trial's student in a folder of its own.

use anyhow::Result;
use autodistillation::models::Precision;
use autodistillation::repick;

use crate::arguments::{ExportArguments, ExportFormat, ExportPrecision};
use crate::terminal::show;

pub fn export(arguments: &ExportArguments) -> Result<()> {
    let precision = match (arguments.format, arguments.precision) {
        (ExportFormat::Hf, ExportPrecision::F32) => Precision::F32,
        (ExportFormat::Hf, ExportPrecision::F16) => Precision::F16,
    };
    repick::export(&arguments.run, arguments.trial, (&arguments.to, precision))?;
    show(&format!("{}\n", arguments.to.display()))
}
