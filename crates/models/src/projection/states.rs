//! What the teacher does on a sample of texts: its states, their statistics, and what its logits depend on.

use std::collections::BTreeMap;

use autodistillation_distillation::{Batch, Feature, LayerPath, Mode, Network, Parameters, Taps};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use nalgebra::DMatrix;

use super::fit::add_gram;
use super::sensitivity::logit_gradients;
use crate::weights::{Weight, Weights};
use crate::{Bert, BertConfig};

/// Batches that the logits' gradients are taken on.
const GRADIENT_BATCHES: usize = 20;

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
}

/// Mean and covariance of a state over real tokens.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// (width)
    pub mean: Vec<f64>,
    /// (width, width)
    pub covariance: DMatrix<f64>,
}

/// The path of the embeddings' output.
pub(super) fn embeddings() -> LayerPath {
    LayerPath::new("bert.embeddings")
}

impl TeacherStates {
    /// Runs the teacher on `batches`; student layer i will learn from teacher layer `layers[i]`.
    pub fn observe(teacher: &Bert, batches: Vec<Batch>, layers: Vec<usize>) -> Self {
        let teacher = teacher.clone().frozen().valid();
        let paths = tapped(&layers);
        let mut seen = Self {
            config: teacher.config().clone(),
            weights: Weights::of(&teacher),
            layers,
            batches,
            states: Vec::new(),
            logits: Vec::new(),
            statistics: BTreeMap::new(),
            gradients: BTreeMap::new(),
            neurons: BTreeMap::new(),
        };
        seen.run(&teacher, &paths);
        seen.measure(&paths);
        for batch in seen.batches.iter().take(GRADIENT_BATCHES) {
            for (path, gram) in logit_gradients(&teacher, batch) {
                if paths.contains(&path) {
                    let sum = seen
                        .gradients
                        .entry(path)
                        .or_insert_with(|| DMatrix::zeros(gram.nrows(), gram.ncols()));
                    *sum += gram;
                }
            }
        }
        seen.measure_neurons(&teacher);
        seen
    }

    fn run(&mut self, teacher: &Bert, paths: &[LayerPath]) {
        let taps = Taps::new(paths.iter().cloned().chain([teacher.logits()]));
        for batch in &self.batches {
            let features = teacher.forward(batch, &taps, Mode::Evaluation);
            let mut states = BTreeMap::new();
            for path in paths {
                if let Some(Feature::Sequence(hidden)) = features.get(path) {
                    let [size, length, width] = hidden.dims();
                    states.insert(path.clone(), hidden.clone().reshape([size * length, width]));
                }
            }
            self.states.push(states);
            self.logits.extend(features.vectors(&teacher.logits()).cloned());
        }
    }

    fn measure(&mut self, paths: &[LayerPath]) {
        for path in paths {
            let width = self.config.hidden_size;
            let mut gram = DMatrix::zeros(width + 1, width + 1);
            for place in 0..self.batches.len() {
                let Some(state) = self.states[place].get(path) else { continue };
                let rows = with_ones(state.clone());
                let weighted = rows.clone() * self.weights(place, 1.0);
                add_gram(&mut gram, &rows, &weighted);
            }
            self.statistics.insert(path.clone(), statistics(&gram));
        }
    }

    /// How much each neuron of a layer's feed-forward part moves the layer's output: the standard deviation of its
    /// activation times the length of its outgoing weights.
    fn measure_neurons(&mut self, teacher: &Bert) {
        let wide = |layer: &usize| LayerPath::new(format!("bert.encoder.layer.{layer}.intermediate"));
        let taps = Taps::new(self.layers.iter().map(wide));
        let mut sums: BTreeMap<usize, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        let mut tokens = 0.0;
        for (place, batch) in self.batches.iter().enumerate().take(GRADIENT_BATCHES) {
            let features = teacher.forward(batch, &taps, Mode::Evaluation);
            tokens += batch.lengths.iter().map(|&length| f64::from(length)).sum::<f64>();
            for layer in &self.layers {
                let Some(Feature::Sequence(hidden)) = features.get(&wide(layer)) else { continue };
                let [size, length, width] = hidden.dims();
                let rows = hidden.clone().reshape([size * length, width]);
                let mask = self.weights(place, 1.0);
                let empty = || (vec![0.0; width], vec![0.0; width]);
                let sum = sums.entry(*layer).or_insert_with(empty);
                add(&mut sum.0, (rows.clone() * mask.clone()).sum_dim(0));
                add(&mut sum.1, (rows.powi_scalar(2) * mask).sum_dim(0));
            }
        }
        for (layer, (sum, squares)) in sums {
            let outgoing =
                column_norms(self.weight(&format!("bert.encoder.layer.{layer}.output.dense.weight")));
            let deviation = |i: usize| (squares[i] / tokens - (sum[i] / tokens).powi(2)).max(0.0).sqrt();
            self.neurons.insert(layer, (0..sum.len()).map(|i| deviation(i) * outgoing[i]).collect());
        }
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

    pub(super) fn all_statistics(&self) -> impl Iterator<Item = &Statistics> {
        self.statistics.values()
    }

    pub(super) fn gradients(&self) -> impl Iterator<Item = &DMatrix<f64>> {
        self.gradients.values()
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
        let batch = &self.batches[place];
        let (size, length) = (batch.size(), batch.length());
        let mut values = vec![0.0f32; size * length];
        for (row, &real) in batch.lengths.iter().enumerate() {
            values[row * length..row * length + real as usize].fill(1.0);
            values[row * length] = first;
        }
        Tensor::from_data(TensorData::new(values, [size * length, 1]), &batch.mask.device())
    }
}

fn tapped(layers: &[usize]) -> Vec<LayerPath> {
    let of_layer = |layer: &usize| {
        ["attention.output", "output"]
            .map(|module| LayerPath::new(format!("bert.encoder.layer.{layer}.{module}")))
    };
    [embeddings()].into_iter().chain(layers.iter().flat_map(of_layer)).collect()
}

/// Rows with a 1 behind them.
pub(super) fn with_ones(rows: Tensor<2>) -> Tensor<2> {
    let ones = Tensor::<2>::ones([rows.dims()[0], 1], &rows.device());
    Tensor::cat(vec![rows, ones], 1)
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
