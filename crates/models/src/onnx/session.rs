//! An ONNX file under tract, a runtime in plain Rust (<https://github.com/sonos/tract>).

mod masked;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodistillation_distillation::Batch;
use burn::tensor::TensorData;
use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude::{
    Datum, Framework, InferenceFact, InferenceModelExt, IntoRunnable, Symbol, SymbolValues, TDim, TValue,
    TVec, Tensor, ToDim, TractResult, TypedModel, TypedRunnableModel,
};

use tract_onnx::tract_hir::internal::DimLike;

use super::graph::{BATCH, LENGTH};
use super::messages::Model;
use super::screening::{Screen, Screened, screen};
use super::{ATTENTION_MASK, INPUT_IDS, OnnxProblem, output_names};
use crate::{Error, Head, TransformerConfig, files};

/// The largest tensor in a call.
const MOST_MEGABYTES: u64 = 4096;

/// A network that was read from an ONNX file and is run as that file says.
#[derive(Clone, Debug)]
pub struct OnnxNetwork {
    path: PathBuf,
    inputs: Vec<Screen>,
    outputs: &'static [&'static str],
    model: TypedModel,
    plan: Arc<TypedRunnableModel>,
    /// Elements of each tensor in a call, by batch and length.
    sizes: Vec<(String, TDim)>,
    axes: [Symbol; 2],
}

/// A batch in the form that one network takes.
#[derive(Clone, Debug)]
pub struct OnnxInputs {
    tensors: Vec<Tensor>,
    shape: [usize; 2],
}

impl OnnxNetwork {
    /// Reads an ONNX file with a network of `config`.
    ///
    /// # Errors
    ///
    /// [`Error::Onnx`] with what is wrong with the file: not whole, operators that are not run, a broken graph, another head
    /// or other labels or words than the config's.
    pub fn load(path: &Path, config: &TransformerConfig) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        Self::from_bytes(path, &bytes, config)
            .map_err(|problem| Error::Onnx { path: path.to_owned(), problem })
    }

    fn from_bytes(path: &Path, bytes: &[u8], config: &TransformerConfig) -> Result<Self, OnnxProblem> {
        let model = Model::from_bytes(bytes)?;
        let screened = screen(&model)?;
        // The runtime sees what was understood here, and nothing else of the file.
        let clean = model.to_bytes();
        drop(model);
        let (model, axes) = contained(|| typed(&clean))?;
        check_fits(&model, (screened.outputs, config))?;
        let plan = contained(|| planned(model.clone()))?;
        let sizes = model.nodes().iter().flat_map(|node| {
            node.outputs.iter().map(|output| (node.name.clone(), output.fact.shape.volume()))
        });
        let sizes = sizes.collect();
        let Screened { inputs, outputs } = screened;
        Ok(Self { path: path.to_owned(), inputs, outputs, model, plan, sizes, axes })
    }

    /// The same network, prepared for calls of this batch and length alone, as one would for a service.
    ///
    /// # Errors
    ///
    /// [`Error::Onnx`] when the runtime cannot run that shape.
    pub fn fixed_to(&self, shape: [usize; 2]) -> Result<Self, Error> {
        let prepared = || {
            let symbols = self.axes.iter().cloned().zip(shape.map(|size| size.to_dim())).collect();
            planned(self.model.set_symbols(&symbols)?)
        };
        let plan = contained(prepared).map_err(|problem| self.problem(problem))?;
        Ok(Self { plan, ..self.clone() })
    }

    /// A batch as this network takes it.
    ///
    /// # Errors
    ///
    /// [`Error::Onnx`] for ids that its tables do not have, or a batch that takes too much memory.
    pub fn inputs(&self, batch: &Batch) -> Result<OnnxInputs, Error> {
        let shape = batch.ids.dims();
        self.require_memory(shape).map_err(|problem| self.problem(problem))?;
        let tensor = |input: &Screen| {
            let data = match &*input.name {
                INPUT_IDS => batch.ids.to_data(),
                ATTENTION_MASK => batch.mask.to_data(),
                _ => batch.token_types.to_data(),
            };
            integers(input, data).and_then(|values| contained(|| Tensor::from_shape(&shape, &values)))
        };
        let tensors = self.inputs.iter().map(tensor).collect::<Result<_, _>>();
        Ok(OnnxInputs { tensors: tensors.map_err(|problem| self.problem(problem))?, shape })
    }

    /// Logits of every example; where tokens have classes, those of its tokens one after another, padding included; where
    /// answers are spans, the scores of being the first token and then those of being the last, padding included. Language
    /// models are asked for [`OnnxNetwork::masked_answers`].
    ///
    /// # Errors
    ///
    /// [`Error::Onnx`] when the runtime fails.
    pub fn run(&self, inputs: &OnnxInputs) -> Result<Vec<Vec<f32>>, Error> {
        let run = || {
            let mut answers = vec![Vec::new(); inputs.shape[0]];
            for output in &self.call(inputs)? {
                let values = numbers(output)?;
                let width = (values.len() / inputs.shape[0].max(1)).max(1);
                let of_examples = answers.iter_mut().zip(values.chunks(width));
                of_examples.for_each(|(answer, values): (&mut Vec<f32>, _)| answer.extend_from_slice(values));
            }
            Ok(answers)
        };
        contained(run).map_err(|problem| self.problem(problem))
    }

    /// As [`OnnxNetwork::run`], with the answers left unread: their number is large where words are scored.
    ///
    /// # Errors
    ///
    /// [`Error::Onnx`] when the runtime fails.
    pub fn compute(&self, inputs: &OnnxInputs) -> Result<(), Error> {
        contained(|| self.call(inputs).map(drop)).map_err(|problem| self.problem(problem))
    }

    fn call(&self, inputs: &OnnxInputs) -> TractResult<TVec<TValue>> {
        self.plan.run(inputs.tensors.iter().map(|tensor| TValue::from(tensor.clone())).collect())
    }

    /// Does `work` with `threads` threads for each call of a network.
    pub fn with_threads<R>(threads: usize, work: impl FnOnce() -> R) -> R {
        let executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
        multithread_tract_scope(executor, work)
    }

    fn require_memory(&self, shape: [usize; 2]) -> Result<(), OnnxProblem> {
        let [batch, length] = &self.axes;
        let values = SymbolValues::default().with(batch, shape[0] as i64).with(length, shape[1] as i64);
        for (place, size) in &self.sizes {
            let elements = size.eval_to_i64(&values).ok().and_then(|elements| u64::try_from(elements).ok());
            let megabytes = elements.unwrap_or(u64::MAX).saturating_mul(4) / 1_000_000;
            if megabytes > MOST_MEGABYTES {
                return Err(OnnxProblem::TooMuchMemory { place: place.clone(), megabytes });
            }
        }
        Ok(())
    }

    fn problem(&self, problem: OnnxProblem) -> Error {
        Error::Onnx { path: self.path.clone(), problem }
    }
}

/// The graph with known types, its batch and length left open.
fn typed(bytes: &[u8]) -> TractResult<(TypedModel, [Symbol; 2])> {
    let mut model = tract_onnx::onnx().model_for_read(&mut &*bytes)?;
    let axes = [BATCH, LENGTH].map(|name| model.symbols.sym(name));
    for input in 0..model.inputs.len() {
        let shape = [axes[0].to_dim(), axes[1].to_dim()];
        model.set_input_fact(input, InferenceFact::dt_shape(i64::datum_type(), shape))?;
    }
    Ok((model.into_typed()?.into_decluttered()?, axes))
}

fn planned(model: TypedModel) -> TractResult<Arc<TypedRunnableModel>> {
    model.into_optimized()?.into_runnable()
}

/// Refuses a graph of another head, with other labels or with other words than the config's.
fn check_fits(
    model: &TypedModel,
    (outputs, config): (&[&str], &TransformerConfig),
) -> Result<(), OnnxProblem> {
    if outputs != output_names(config.head) {
        return Err(OnnxProblem::OtherHead { found: outputs.join(", "), head: config.head });
    }
    let found = width(model, 0);
    match config.head {
        Head::QuestionAnswering => Ok(()), // Its outputs are as wide as texts are long.
        Head::MaskedLanguageModel | Head::Pretraining if found != config.vocab_size => {
            Err(OnnxProblem::OtherWords { found, expected: config.vocab_size })
        }
        Head::Pretraining if width(model, 1) != 2 => {
            Err(OnnxProblem::graph(outputs[1], "its width is not 2"))
        }
        Head::Classifier | Head::TokenClassifier if found != config.num_labels() => {
            Err(OnnxProblem::OtherLabels { found, expected: config.num_labels() })
        }
        _ => Ok(()),
    }
}

/// The last dimension of an output, where the graph fixes it.
fn width(model: &TypedModel, output: usize) -> usize {
    let last = model.output_fact(output).ok().and_then(|fact| fact.shape.last()?.to_usize().ok());
    last.unwrap_or_default()
}

/// What a tensor of f32 holds.
fn numbers(tensor: &TValue) -> TractResult<&[f32]> {
    tensor.try_as_plain_ram()?.as_slice::<f32>()
}

/// An input's numbers, all of which its tables have.
fn integers(input: &Screen, data: TensorData) -> Result<Vec<i64>, OnnxProblem> {
    let values: Vec<i64> = data.convert::<i64>().try_into_vec().unwrap_or_default();
    match input.rows {
        Some(rows) if values.iter().any(|&value| usize::try_from(value).map_or(true, |id| id >= rows)) => {
            Err(OnnxProblem::graph(&input.name, "its table has fewer rows than the tokenizer has tokens"))
        }
        _ => Ok(values),
    }
}

/// The runtime's answer; a panic inside it is a problem of the file.
fn contained<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, OnnxProblem> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(source)) => Err(OnnxProblem::Runtime { source: source.into() }),
        Err(_) => Err(OnnxProblem::Breakdown),
    }
}

#[cfg(test)]
mod tests;
