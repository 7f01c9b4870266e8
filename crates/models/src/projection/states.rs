//! What the teacher does on a sample of texts: its states, their statistics, and what its logits depend on.

use std::collections::{BTreeMap, BTreeSet};

use autodistillation_distillation::{Batch, LayerPath, Parameters};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use nalgebra::DMatrix;

use super::basis::principal;
use super::observe::{Observed, Sums, Watcher};
use crate::bert::paths::{embeddings, in_layer};
use crate::weights::{Weight, Weights};
use crate::{Error, Head, Transformer, TransformerConfig};

/// The teacher's states on a sample, at its embeddings and at the layers that students learn from.
#[derive(Debug)]
pub struct TeacherStates {
    config: TransformerConfig,
    weights: Weights,
    layers: Vec<usize>,
    batches: Vec<Batch>,
    states: Vec<BTreeMap<LayerPath, Tensor<2>>>,
    logits: Vec<Tensor<2>>,
    statistics: BTreeMap<LayerPath, Statistics>,
    gradients: BTreeMap<LayerPath, DMatrix<f64>>,
    neurons: BTreeMap<usize, Vec<f64>>,
    principal: DMatrix<f64>,
}

/// Mean and covariance of a state over real tokens.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// (width)
    pub mean: Vec<f64>,
    /// (width, width)
    pub covariance: DMatrix<f64>,
}

/// The path of a layer's attention output.
pub(super) fn attended(layer: usize) -> LayerPath {
    in_layer(layer, "attention.output")
}

/// The path of a layer's output.
pub(super) fn output(layer: usize) -> LayerPath {
    in_layer(layer, "output")
}

/// The path of the activations in a layer's feed-forward part.
pub(super) fn widened(layer: usize) -> LayerPath {
    in_layer(layer, "intermediate")
}

/// The path of what enters a layer.
pub(super) fn input(layer: usize) -> LayerPath {
    layer.checked_sub(1).map_or_else(embeddings, output)
}

impl TeacherStates {
    /// Runs the teacher on `batches`, with `threads` of them at a time; student layer i will learn from teacher layer
    /// `layers[i]`. What comes out does not depend on `threads`.
    ///
    /// # Errors
    ///
    /// [`Error::Projection`] for a MobileBERT, whose layers no student can be cut out of, and for other heads than a
    /// classifier's.
    pub fn observe(
        teacher: &Transformer,
        batches: Vec<Batch>,
        layers: Vec<usize>,
        threads: usize,
    ) -> Result<Self, Error> {
        let Some(teacher) = teacher.as_bert() else {
            return Err(Error::Projection { reason: "its teacher is a MobileBERT" });
        };
        if teacher.config().head != Head::Classifier {
            return Err(Error::Projection { reason: "its teacher does not classify texts" });
        }
        let teacher = teacher.clone().frozen().valid();
        let mut seen = Self {
            config: teacher.config().clone(),
            weights: Weights::of(&teacher),
            layers,
            batches: Vec::new(),
            states: Vec::new(),
            logits: Vec::new(),
            statistics: BTreeMap::new(),
            gradients: BTreeMap::new(),
            neurons: BTreeMap::new(),
            principal: DMatrix::zeros(0, 0),
        };
        let tapped = seen.tapped();
        let (sums, observed) =
            Watcher { tapped: &tapped, layers: &seen.layers }.watch(&teacher, &batches, threads);
        for Observed { states, logits, .. } in observed {
            seen.states.push(states);
            seen.logits.extend(logits);
        }
        seen.batches = batches;
        seen.conclude(sums);
        seen.principal = principal(&seen.statistics, &seen.gradients);
        Ok(seen)
    }

    /// Statistics from sums. A neuron moves its layer's output by the standard deviation of its activation times the
    /// length of its outgoing weights.
    fn conclude(&mut self, sums: Sums) {
        self.statistics = sums.states.iter().map(|(path, gram)| (path.clone(), statistics(gram))).collect();
        self.gradients = sums.gradients;
        let tokens = sums.probed_tokens;
        for (layer, (sum, squares)) in sums.neurons {
            let outgoing =
                column_norms(self.weight(&format!("bert.encoder.layer.{layer}.output.dense.weight")));
            let deviation = |i: usize| (squares[i] / tokens - (sum[i] / tokens).powi(2)).max(0.0).sqrt();
            self.neurons.insert(layer, (0..sum.len()).map(|i| deviation(i) * outgoing[i]).collect());
        }
    }

    /// The states that are kept: the embeddings', both of each layer that students learn from, and the last one, which
    /// the head is fitted to.
    fn tapped(&self) -> BTreeSet<LayerPath> {
        let both = |&layer: &usize| [attended(layer), output(layer)];
        let ends = [embeddings(), output(self.config.num_hidden_layers - 1)];
        ends.into_iter().chain(self.layers.iter().flat_map(both)).collect()
    }

    /// Where states were observed.
    pub(super) fn paths(&self) -> impl Iterator<Item = &LayerPath> {
        self.statistics.keys()
    }

    /// The teacher's width.
    pub fn width(&self) -> usize {
        self.config.hidden_size
    }

    /// The teacher's config.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// The teacher layer of each student layer.
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// The sample.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// The teacher's logits on the sample's batches, (batch, classes) each.
    pub fn logits(&self) -> &[Tensor<2>] {
        &self.logits
    }

    pub(super) fn neurons(&self, layer: usize) -> &[f64] {
        self.neurons.get(&layer).map_or(&[], Vec::as_slice)
    }

    pub(super) fn statistics(&self, path: &LayerPath) -> &Statistics {
        &self.statistics[path]
    }

    /// Σ gᵀ g of the logits' gradients with respect to a state, where they were taken.
    pub(super) fn gradient(&self, path: &LayerPath) -> Option<&DMatrix<f64>> {
        self.gradients.get(path)
    }

    pub(super) fn state(&self, place: usize, path: &LayerPath) -> Tensor<2> {
        self.states[place][path].clone()
    }

    /// The teacher's weight called `name`, as a matrix in f64.
    pub(super) fn matrix(&self, name: &str) -> DMatrix<f64> {
        let weight = self.weight(name);
        let columns = weight.dims.last().copied().unwrap_or(1);
        let rows = weight.values.len() / columns.max(1);
        DMatrix::from_row_iterator(rows, columns, weight.values.iter().map(|&value| f64::from(value)))
    }

    /// The teacher's weight called `name`; one without numbers where it has none.
    pub(super) fn weight(&self, name: &str) -> &Weight {
        static EMPTY: Weight = Weight { dims: Vec::new(), values: Vec::new() };
        self.weights.get(name).unwrap_or(&EMPTY)
    }

    /// The teacher's module that student layer `block` imitates at its own `module`.
    pub(super) fn counterpart(&self, block: usize, module: &str) -> LayerPath {
        let own = format!("bert.encoder.layer.{block}.");
        let inner = module.strip_prefix(&own).unwrap_or(module);
        LayerPath::new(format!("bert.encoder.layer.{}.{inner}", self.layers[block]))
    }

    /// What the teacher's states are called that student layer `block` starts from.
    pub(super) fn input(&self, block: usize) -> LayerPath {
        block.checked_sub(1).map_or_else(embeddings, |below| output(self.layers[below]))
    }

    /// The weight of each token of a batch, (tokens, 1): 0 for padding, `first` for the first of each text, else 1.
    pub(super) fn weights(&self, place: usize, first: f32) -> Tensor<2> {
        token_weights(&self.batches[place], first)
    }

    /// The directions of the hidden space, the most important first, (width, width), orthonormal columns.
    pub(super) fn principal(&self) -> &DMatrix<f64> {
        &self.principal
    }
}

/// The weight of each token of a batch, (tokens, 1): 0 for padding, `first` for the first of each text, else 1.
pub(super) fn token_weights(batch: &Batch, first: f32) -> Tensor<2> {
    let (size, length) = (batch.size(), batch.length());
    let mut values = vec![0.0f32; size * length];
    for (row, &real) in batch.lengths.iter().enumerate() {
        values[row * length..row * length + real as usize].fill(1.0);
        values[row * length] = first;
    }
    Tensor::from_data(TensorData::new(values, [size * length, 1]), &batch.mask.device())
}

fn statistics(gram: &DMatrix<f64>) -> Statistics {
    let width = gram.nrows() - 1;
    let count = gram[(width, width)].max(1.0);
    let mean: Vec<f64> = (0..width).map(|i| gram[(i, width)] / count).collect();
    let covariance = DMatrix::from_fn(width, width, |i, j| gram[(i, j)] / count - mean[i] * mean[j]);
    Statistics { mean, covariance }
}

fn column_norms(weight: &Weight) -> Vec<f64> {
    let columns = weight.dims.last().copied().unwrap_or(1);
    let mut sums = vec![0.0; columns];
    for row in weight.values.chunks_exact(columns) {
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value).powi(2));
    }
    sums.into_iter().map(f64::sqrt).collect()
}
