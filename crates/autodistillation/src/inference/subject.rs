//! What `evaluate` and `predict` run: the network of a folder, or an ONNX file with the config and tokenizer beside it.

use std::path::Path;

use autodistillation_distillation::evaluation::{MaskedAnswers, masked_answers};
use autodistillation_distillation::{Batch, Evaluation, ExampleSet, evaluate};
use autodistillation_models::onnx::onnx_file;
use autodistillation_models::{Tokenizer, Transformer, TransformerConfig};
use burn::tensor::Device;

#[cfg(feature = "onnx")]
use super::onnx::OnnxSubject;
use crate::Error;
use crate::measurement;
use crate::plan::LatencyPlan;
use crate::report::LatencyPercentiles;

/// Examples in a call where the order is free.
const BATCH_SIZE: usize = 64;

/// Something that answers texts.
pub(super) struct Subject {
    network: Runnable,
    pub(super) config: TransformerConfig,
    pub(super) tokenizer: Tokenizer,
}

enum Runnable {
    Network(Box<Transformer>),
    #[cfg(feature = "onnx")]
    Onnx(Box<OnnxSubject>),
}

impl Subject {
    /// The ONNX file that `path` names, or else the network of the folder.
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let (network, config, folder) = match onnx_file(path) {
            Some(file) => {
                let folder = file.parent().unwrap_or(Path::new("")).to_owned();
                let config = TransformerConfig::from_folder(&folder)?;
                (Runnable::of_onnx(&file, &config)?, config, folder)
            }
            None => {
                let network = Transformer::load(path, &Device::flex())?.network;
                let config = network.config().clone();
                (Runnable::Network(Box::new(network)), config, path.to_owned())
            }
        };
        let tokenizer = Tokenizer::from_folder(&folder)?;
        tokenizer.check_fits(&config)?;
        Ok(Self { network, config, tokenizer })
    }

    pub(super) fn answers(&self, set: &ExampleSet) -> Result<Evaluation, Error> {
        match &self.network {
            Runnable::Network(network) => Ok(evaluate(&**network, set, BATCH_SIZE)?),
            #[cfg(feature = "onnx")]
            Runnable::Onnx(subject) => subject.answers(set, BATCH_SIZE),
        }
    }

    /// What a language model says of masked texts.
    pub(super) fn masked_answers(&self, batch: &Batch) -> Result<MaskedAnswers, Error> {
        match &self.network {
            Runnable::Network(network) => Ok(masked_answers(&**network, batch)?),
            #[cfg(feature = "onnx")]
            Runnable::Onnx(subject) => subject.masked_answers(batch),
        }
    }

    /// Milliseconds per call; call it while nothing else runs.
    pub(super) fn latency(&self, plan: &LatencyPlan) -> Result<LatencyPercentiles, Error> {
        match &self.network {
            Runnable::Network(network) => measurement::latency(network, plan),
            #[cfg(feature = "onnx")]
            Runnable::Onnx(subject) => subject.latency(&self.config, plan),
        }
    }

    /// What is known without running it.
    pub(super) fn costs(&self, length: usize) -> Vec<(&'static str, f64)> {
        let costs = measurement::costs(&self.config, length);
        match &self.network {
            Runnable::Network(_) => costs,
            #[cfg(feature = "onnx")]
            Runnable::Onnx(subject) => subject.costs(costs),
        }
    }
}

impl Runnable {
    #[cfg(feature = "onnx")]
    fn of_onnx(file: &Path, config: &TransformerConfig) -> Result<Self, Error> {
        Ok(Self::Onnx(Box::new(OnnxSubject::load(file, config)?)))
    }

    #[cfg(not(feature = "onnx"))]
    fn of_onnx(file: &Path, _config: &TransformerConfig) -> Result<Self, Error> {
        Err(Error::OnnxNotBuilt { path: file.to_owned() })
    }
}
