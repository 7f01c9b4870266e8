//! What the teacher does on a sample of texts: its states, their statistics, and what its logits depend on.

use std::collections::{BTreeMap, BTreeSet};

use autodistillation_distillation::{Batch, Feature, Features, LayerPath, Mode, Network, Parameters, Taps};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use nalgebra::DMatrix;

use super::basis::principal;
use super::fit::{add_gram, rows, with_ones};
use super::sensitivity::logit_gradients;
use crate::bert::paths::{embeddings, in_layer};
use crate::weights::{Weight, Weights};
use crate::{Bert, BertConfig};

/// Batches that the logits' gradients and the neurons' activations are taken on.
const PROBED_BATCHES: usize = 20;

/// The teacher's states on a sample, at its embeddings and at the layers that students learn from.
#[derive(Debug)]
pub struct TeacherStates {
    config: BertConfig,
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
fn widened(layer: usize) -> LayerPath {
    in_layer(layer, "intermediate")
}

/// The path of what enters a layer.
pub(super) fn input(layer: usize) -> LayerPath {
    layer.checked_sub(1).map_or_else(embeddings, output)
}

impl TeacherStates {
    /// Runs the teacher on `batches`; student layer i will learn from teacher layer `layers[i]`.
    pub fn observe(teacher: &Bert, batches: Vec<Batch>, layers: Vec<usize>) -> Self {
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
        let mut sums = Sums::default();
        for batch in batches {
            seen.run(&teacher, batch, &mut sums);
        }
        seen.conclude(sums);
        seen.principal = principal(&seen.statistics, &seen.gradients);
        seen
    }

    /// One batch; the first ones are also asked what the logits depend on.
    fn run(&mut self, teacher: &Bert, batch: Batch, sums: &mut Sums) {
        let paths = self.tapped();
        let probed = self.batches.len() < PROBED_BATCHES;
        let also = |layer: usize| [attended(layer), output(layer), widened(layer)];
        let probes = (0..self.config.num_hidden_layers).filter(|_| probed).flat_map(also);
        let taps = Taps::new(paths.iter().cloned().chain([teacher.logits()]).chain(probes));
        let features = teacher.forward(&batch, &taps, Mode::Evaluation);
        let weights = token_weights(&batch, 1.0);
        let mut states = BTreeMap::new();
        for path in &paths {
            let Some(rows) = rows_at(&features, path) else { continue };
            let ones = with_ones(rows.clone());
            let size = ones.dims()[1];
            let sum = sums.states.entry(path.clone()).or_insert_with(|| DMatrix::zeros(size, size));
            add_gram(sum, &ones, &(ones.clone() * weights.clone()));
            states.insert(path.clone(), rows);
        }
        if probed {
            self.probe(teacher, (&batch, &features), sums);
        }
        self.logits.extend(features.vectors(&teacher.logits()).cloned());
        self.states.push(states);
        self.batches.push(batch);
    }

    fn probe(&mut self, teacher: &Bert, (batch, features): (&Batch, &Features), sums: &mut Sums) {
        let paths = self.tapped();
        for (path, gram) in logit_gradients(teacher, (batch, features)) {
            if paths.contains(&path) {
                let empty = || DMatrix::zeros(gram.nrows(), gram.ncols());
                *self.gradients.entry(path).or_insert_with(empty) += gram;
            }
        }
        let weights = token_weights(batch, 1.0);
        sums.probed_tokens += batch.lengths.iter().map(|&length| f64::from(length)).sum::<f64>();
        for layer in self.layers.iter().copied().collect::<BTreeSet<_>>() {
            let Some(rows) = rows_at(features, &widened(layer)) else { continue };
            let width = rows.dims()[1];
            let empty = || (vec![0.0; width], vec![0.0; width]);
            let sum = sums.neurons.entry(layer).or_insert_with(empty);
            add(&mut sum.0, (rows.clone() * weights.clone()).sum_dim(0));
            add(&mut sum.1, (rows.powi_scalar(2) * weights.clone()).sum_dim(0));
        }
    }

    /// Statistics from sums. A neuron moves its layer's output by the standard deviation of its activation times the
    /// length of its outgoing weights.
    fn conclude(&mut self, sums: Sums) {
        self.statistics = sums.states.iter().map(|(path, gram)| (path.clone(), statistics(gram))).collect();
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
    pub fn config(&self) -> &BertConfig {
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

    fn weight(&self, name: &str) -> &Weight {
        static EMPTY: Weight = Weight { dims: Vec::new(), values: Vec::new() };
        self.weights.get(name).unwrap_or(&EMPTY)
    }

    /// The teacher's module that student layer `block` imitates at its own `module`.
    pub(super) fn counterpart(&self, block: usize, module: &str) -> LayerPath {
        let own = format!("bert.encoder.layer.{block}.");
        let inner = module.strip_prefix(&own).unwrap_or(module);
        LayerPath::new(format!("bert.encoder.layer.{}.{inner}", self.layers[block]))
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

/// What is summed while the teacher runs.
#[derive(Default)]
struct Sums {
    /// Gram matrix of [state, 1] over real tokens.
    states: BTreeMap<LayerPath, DMatrix<f64>>,
    /// Sum and sum of squares of each activation of a layer's feed-forward part.
    neurons: BTreeMap<usize, (Vec<f64>, Vec<f64>)>,
    probed_tokens: f64,
}

/// The feature at `path` as rows, (tokens, width).
fn rows_at(features: &Features, path: &LayerPath) -> Option<Tensor<2>> {
    match features.get(path) {
        Some(Feature::Sequence(hidden)) => Some(rows(hidden)),
        _ => None,
    }
}

/// The weight of each token of a batch, (tokens, 1): 0 for padding, `first` for the first of each text, else 1.
fn token_weights(batch: &Batch, first: f32) -> Tensor<2> {
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

fn add(sum: &mut [f64], row: Tensor<2>) {
    let values: Vec<f32> = row.into_data().try_into_vec().unwrap_or_default();
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
}

fn column_norms(weight: &Weight) -> Vec<f64> {
    let columns = weight.dims.last().copied().unwrap_or(1);
    let mut sums = vec![0.0; columns];
    for row in weight.values.chunks_exact(columns) {
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value).powi(2));
    }
    sums.into_iter().map(f64::sqrt).collect()
}
