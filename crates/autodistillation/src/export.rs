//! `export`: a student of a run, or any network folder, in a folder of its own and in the format that is asked for.

use std::path::Path;

use autodistillation_models::{
    Precision, Tokenizer, Transformer, save, save_onnx, save_tensorflow, weights_file,
};
use burn::tensor::Device;

use crate::Error;
use crate::files::{copy_folder, require_empty};
use crate::repick::current;
use crate::report::{self, CardFormat};

const SAFETENSORS: &str = "model.safetensors";
const KERAS: &str = "tf_model.h5";

/// What an exported folder holds besides its config and tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// `model.safetensors`, for `transformers`.
    HuggingFace(Precision),
    /// `tf_model.h5`, in f32, for the TensorFlow classes of `transformers`.
    TensorFlow,
    /// `model.onnx`, for ONNX Runtime and others.
    Onnx,
}

/// Writes the student of trial `number` of the run in `folder` to `to`, with its model card.
///
/// # Errors
///
/// A trial without weights, or a folder that is not empty or cannot be written.
pub fn export_trial(folder: &Path, number: u32, (to, format): (&Path, ExportFormat)) -> Result<(), Error> {
    require_empty(to)?;
    let summary = current(folder)?;
    let student = folder.join("trials").join(format!("{number:04}")).join("student");
    if !student.is_dir() {
        return Err(Error::NoStudent {
            number,
            finished: summary.study.completed().map(|trial| trial.number).collect(),
        });
    }
    match format {
        ExportFormat::HuggingFace(Precision::F32) if holds(&student, SAFETENSORS) => {
            copy_folder(&student, to)?
        }
        ExportFormat::TensorFlow if holds(&student, KERAS) => copy_folder(&student, to)?,
        other => write(&student, (to, other))?,
    }
    Ok(report::write_model_card(to, &summary, (number, format.card()))?)
}

/// Writes the network in `folder` to `to`.
///
/// # Errors
///
/// The folder of a run, an unusable network, or a folder that is not empty or cannot be written.
pub fn export_network(folder: &Path, (to, format): (&Path, ExportFormat)) -> Result<(), Error> {
    require_empty(to)?;
    if folder.join("study.db").exists() {
        return Err(Error::WhichTrial { path: folder.to_owned() });
    }
    write(folder, (to, format))
}

fn holds(student: &Path, file: &str) -> bool {
    weights_file(student).is_some_and(|weights| weights.ends_with(file))
}

fn write(folder: &Path, (to, format): (&Path, ExportFormat)) -> Result<(), Error> {
    let network = Transformer::load(folder, &Device::flex())?.network;
    let tokenizer = Tokenizer::from_folder(folder)?;
    tokenizer.check_fits(network.config())?;
    match format {
        ExportFormat::HuggingFace(precision) => save(to, &network, precision)?,
        ExportFormat::TensorFlow => save_tensorflow(to, &network)?,
        ExportFormat::Onnx => save_onnx(to, &network)?,
    }
    Ok(tokenizer.copy_files(to, network.config())?)
}

impl ExportFormat {
    fn card(self) -> CardFormat {
        match self {
            Self::HuggingFace(_) => CardFormat::HuggingFace,
            Self::TensorFlow => CardFormat::TensorFlow,
            Self::Onnx => CardFormat::Onnx,
        }
    }
}
