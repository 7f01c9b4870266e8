//! Watches the teacher on a sample: its states, batch by batch, and the sums that statistics are made of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use autodistillation_distillation::{Batch, Feature, Features, LayerPath, Mode, Network, Taps};
use burn::tensor::Tensor;
use nalgebra::DMatrix;

use super::fit::{add_gram, rows, with_ones};
use super::sensitivity::logit_gradients;
use super::states::{attended, output, token_weights, widened};
use crate::Bert;

/// Batches that the logits' gradients and the neurons' activations are taken on.
const PROBED_BATCHES: usize = 20;
/// Portions that the sample is watched in; each has a sum of its own, so that rounding does not depend on the threads.
const PORTIONS: usize = 8;

/// What to watch.
pub(super) struct Watcher<'a> {
    /// The states that are kept.
    pub(super) tapped: &'a BTreeSet<LayerPath>,
    /// The teacher layers whose neurons are weighed.
    pub(super) layers: &'a [usize],
}

/// The teacher on one batch.
pub(super) struct Observed {
    /// The batch's place in the sample.
    place: usize,
    /// Each state as rows, (tokens, width).
    pub(super) states: BTreeMap<LayerPath, Tensor<2>>,
    /// (batch, classes)
    pub(super) logits: Option<Tensor<2>>,
}

/// What is summed while the teacher runs.
#[derive(Default)]
pub(super) struct Sums {
    /// Gram matrix of [state, 1] over real tokens.
    pub(super) states: BTreeMap<LayerPath, DMatrix<f64>>,
    /// Gram matrix of the logits' gradients.
    pub(super) gradients: BTreeMap<LayerPath, DMatrix<f64>>,
    /// Sum and sum of squares of each activation of a layer's feed-forward part.
    pub(super) neurons: BTreeMap<usize, (Vec<f64>, Vec<f64>)>,
    /// Real tokens of the batches that neurons are summed over.
    pub(super) probed_tokens: f64,
}

/// The portions that were watched, added up in their order as soon as those before are there.
#[derive(Default)]
struct Seen {
    sums: Sums,
    observed: Vec<Observed>,
    added: usize,
    early: BTreeMap<usize, Sums>,
}

impl Seen {
    fn add(&mut self, number: usize, (sums, observed): (Sums, Vec<Observed>)) {
        self.observed.extend(observed);
        self.early.insert(number, sums);
        while let Some(sums) = self.early.remove(&self.added) {
            self.sums.add(sums);
            self.added += 1;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher<'_> {
    /// The teacher on every batch, in their order, on `threads` threads. All that one of them computes stays on it.
    pub(super) fn watch(&self, teacher: &Bert, batches: &[Batch], threads: usize) -> (Sums, Vec<Observed>) {
        let portion = |number: usize| {
            let places = (number..batches.len()).step_by(PORTIONS);
            (number, teacher.clone(), places.map(|place| (place, batches[place].clone())).collect::<Vec<_>>())
        };
        let queue: Mutex<VecDeque<_>> = Mutex::new((0..PORTIONS).map(portion).collect());
        let seen = Mutex::new(Seen::default());
        // In a function of its own: the head of a `while let` would hold the lock through the loop's body.
        let next = || locked(&queue).pop_front();
        let work = || {
            while let Some((number, teacher, batches)) = next() {
                let portion = self.portion(&teacher, batches);
                locked(&seen).add(number, portion);
            }
        };
        let alone = || match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
            Ok(pool) => pool.install(work),
            Err(_) => work(), // The system has no thread to give: this one's own pool has to do.
        };
        std::thread::scope(|scope| {
            (1..threads.min(PORTIONS)).for_each(|_| drop(scope.spawn(alone)));
            alone();
        });
        let Seen { sums, mut observed, .. } = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        observed.sort_by_key(|observed| observed.place);
        (sums, observed)
    }

    fn portion(&self, teacher: &Bert, batches: Vec<(usize, Batch)>) -> (Sums, Vec<Observed>) {
        let mut sums = Sums::default();
        let observed =
            batches.iter().map(|(place, batch)| self.observe(teacher, (*place, batch), &mut sums)).collect();
        (sums, observed)
    }

    /// One batch; the first ones are also asked what the logits depend on.
    fn observe(&self, teacher: &Bert, (place, batch): (usize, &Batch), sums: &mut Sums) -> Observed {
        let probed = place < PROBED_BATCHES;
        let also = |layer: usize| [attended(layer), output(layer), widened(layer)];
        let probes = (0..teacher.config().num_hidden_layers).filter(|_| probed).flat_map(also);
        let taps = Taps::new(self.tapped.iter().cloned().chain([teacher.logits()]).chain(probes));
        let features = teacher.forward(batch, &taps, Mode::Evaluation);
        let weights = token_weights(batch, 1.0);
        let mut states = BTreeMap::new();
        for path in self.tapped {
            let Some(rows) = rows_at(&features, path) else { continue };
            let ones = with_ones(rows.clone());
            let size = ones.dims()[1];
            let sum = sums.states.entry(path.clone()).or_insert_with(|| DMatrix::zeros(size, size));
            add_gram(sum, &ones, &(ones.clone() * weights.clone()));
            states.insert(path.clone(), rows);
        }
        if probed {
            self.probe(teacher, (batch, &features), sums);
        }
        Observed { place, states, logits: features.vectors(&teacher.logits()).cloned() }
    }

    fn probe(&self, teacher: &Bert, (batch, features): (&Batch, &Features), sums: &mut Sums) {
        for (path, gram) in logit_gradients(teacher, (batch, features)) {
            if self.tapped.contains(&path) {
                add_matrix(&mut sums.gradients, path, gram);
            }
        }
        let weights = token_weights(batch, 1.0);
        sums.probed_tokens += batch.lengths.iter().map(|&length| f64::from(length)).sum::<f64>();
        for layer in self.layers.iter().copied().collect::<BTreeSet<_>>() {
            let Some(rows) = rows_at(features, &widened(layer)) else { continue };
            let column_sums = |rows: Tensor<2>| {
                let values: Vec<f32> = rows.sum_dim(0).into_data().try_into_vec().unwrap_or_default();
                values.into_iter().map(f64::from).collect()
            };
            let squares = column_sums(rows.clone().powi_scalar(2) * weights.clone());
            add_neurons(&mut sums.neurons, layer, (column_sums(rows * weights.clone()), squares));
        }
    }
}

impl Sums {
    fn add(&mut self, other: Self) {
        other.states.into_iter().for_each(|(path, gram)| add_matrix(&mut self.states, path, gram));
        other.gradients.into_iter().for_each(|(path, gram)| add_matrix(&mut self.gradients, path, gram));
        other.neurons.into_iter().for_each(|(layer, sums)| add_neurons(&mut self.neurons, layer, sums));
        self.probed_tokens += other.probed_tokens;
    }
}

fn add_matrix(sums: &mut BTreeMap<LayerPath, DMatrix<f64>>, path: LayerPath, matrix: DMatrix<f64>) {
    match sums.get_mut(&path) {
        Some(sum) => *sum += matrix,
        None => drop(sums.insert(path, matrix)),
    }
}

fn add_neurons(
    sums: &mut BTreeMap<usize, (Vec<f64>, Vec<f64>)>,
    layer: usize,
    (values, squares): (Vec<f64>, Vec<f64>),
) {
    let empty = || (vec![0.0; values.len()], vec![0.0; values.len()]);
    let sum = sums.entry(layer).or_insert_with(empty);
    sum.0.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    sum.1.iter_mut().zip(squares).for_each(|(sum, square)| *sum += square);
}

/// The feature at `path` as rows, (tokens, width).
fn rows_at(features: &Features, path: &LayerPath) -> Option<Tensor<2>> {
    match features.get(path) {
        Some(Feature::Sequence(hidden)) => Some(rows(hidden)),
        _ => None,
    }
}
