//! An ONNX file under the same measures as a network of a folder.

use std::path::Path;

use autodistillation_distillation::evaluation::{MaskedAnswers, evaluate_masked_with};
use autodistillation_distillation::{
    Batch, Evaluation, ExampleSet, LatencySettings, evaluate_with, latency_examples, time_calls,
};
use autodistillation_models::{Head, OnnxNetwork, TransformerConfig};
use burn::tensor::Device;

use crate::Error;
use crate::plan::LatencyPlan;
use crate::report::LatencyPercentiles;

/// Masked texts in a call: the graph scores every word at every token.
const MASKED_TEXTS: usize = 8;

/// An ONNX file that runs.
pub(super) struct OnnxSubject {
    network: OnnxNetwork,
    head: Head,
    /// Logits of a text, or of each token.
    outputs: usize,
    /// Of the file, in 10⁶ bytes.
    size_mb: f64,
}

impl OnnxSubject {
    pub(super) fn load(file: &Path, config: &TransformerConfig) -> Result<Self, Error> {
        let network = OnnxNetwork::load(file, config)?;
        let size = std::fs::metadata(file).map(|found| found.len());
        let size = size.map_err(|source| Error::File { action: "read", path: file.to_owned(), source })?;
        Ok(Self { network, head: config.head, outputs: config.num_labels(), size_mb: size as f64 / 1e6 })
    }

    pub(super) fn answers(&self, set: &ExampleSet, batch_size: usize) -> Result<Evaluation, Error> {
        let device = Device::flex();
        OnnxNetwork::with_threads(threads(), || {
            if self.head.is_language_model() {
                let batches = (batch_size.min(MASKED_TEXTS), &device);
                return evaluate_masked_with(set, batches, |batch| Ok(self.network.masked_answers(batch)?));
            }
            evaluate_with(set, batch_size, |rows| {
                let batch = set.batch(rows, &device);
                let mut answers = self.network.run(&self.network.inputs(&batch)?)?;
                for (logits, &real) in answers.iter_mut().zip(&batch.lengths) {
                    self.leave_out_padding(logits, real as usize);
                }
                Ok(answers)
            })
        })
    }

    pub(super) fn masked_answers(&self, batch: &Batch) -> Result<MaskedAnswers, Error> {
        Ok(OnnxNetwork::with_threads(threads(), || self.network.masked_answers(batch))?)
    }

    /// Leaves those logits of an example that belong to its `real` tokens, where logits belong to tokens.
    fn leave_out_padding(&self, logits: &mut Vec<f32>, real: usize) {
        match self.head {
            Head::TokenClassifier => logits.truncate(self.outputs * real),
            Head::QuestionAnswering => {
                let length = logits.len() / self.outputs.max(1);
                let scores = logits.chunks(length.max(1)).flat_map(|scores| &scores[..real.min(length)]);
                *logits = scores.copied().collect();
            }
            _ => {}
        }
    }

    /// As [`crate::measurement::latency`]: from ready token ids to logits, the runtime prepared for that shape.
    pub(super) fn latency(
        &self,
        config: &TransformerConfig,
        plan: &LatencyPlan,
    ) -> Result<LatencyPercentiles, Error> {
        let settings = LatencySettings {
            batch_size: plan.batch_size,
            length: plan.length.min(config.max_position_embeddings),
            threads: plan.threads,
            repeats: plan.repeats,
        };
        let set = latency_examples(&settings, config.vocab_size);
        let network = self.network.fixed_to([settings.batch_size, settings.length])?;
        let inputs = network.inputs(&set.batch(&set.rows(), &Device::flex()))?;
        let latency = OnnxNetwork::with_threads(settings.threads, || {
            time_calls(settings.repeats, || network.compute(&inputs))
        })?;
        Ok(LatencyPercentiles { p50: latency.p50, p90: latency.p90, p99: latency.p99 })
    }

    /// The file's own size in place of that of `model.safetensors`.
    pub(super) fn costs(&self, mut costs: Vec<(&'static str, f64)>) -> Vec<(&'static str, f64)> {
        for (name, value) in &mut costs {
            if *name == "size_mb" {
                *value = self.size_mb;
            }
        }
        costs
    }
}

/// All of the machine's.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
