//! What the teacher says about the examples of one set: asked once, kept, and read back batch by batch.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use half::f16;
use rayon::prelude::*;

use super::claims::Claim;
use super::groups::{Answer, ask, groups};
use super::padded::Padded;
use super::{Notebook, Teacher};
use crate::{Batch, ExampleSet, Features, LayerOutput, LayerPath, Network, Shape, Taps};

/// How long an asker waits for another one's answers before it looks around.
const PATIENCE: Duration = Duration::from_millis(100);

/// The teacher's answers on one example set, for one asker.
#[derive(Debug)]
pub struct Answers<'a, T: Network> {
    teacher: &'a Teacher<T>,
    notebook: &'a Notebook,
    set: &'a ExampleSet,
    spent: Cell<Duration>,
}

/// Examples that are answered, of those that had to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Answered so far.
    pub done: usize,
    /// All that no store held.
    pub total: usize,
}

/// A layer's position in the teacher with the name that it was asked for by.
pub(super) type Tapped = (LayerPath, usize);

impl<'a, T: Network> Answers<'a, T> {
    pub(super) fn new(teacher: &'a Teacher<T>, notebook: &'a Notebook, set: &'a ExampleSet) -> Self {
        Self { teacher, notebook, set, spent: Cell::default() }
    }

    /// Seconds that this asker has spent on computing, or on waiting for another one that computes.
    pub fn seconds(&self) -> f64 {
        self.spent.get().as_secs_f64()
    }

    /// Computes what no store holds of `taps` for `rows`, as far as the stores have room; `tell` hears of it after
    /// each round and may break off.
    pub fn prepare(
        &self,
        rows: impl IntoIterator<Item = u32>,
        taps: &Taps,
        tell: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let rows: BTreeSet<(usize, u32)> =
            rows.into_iter().filter_map(|row| Some((self.set.extent(row)?.tokens, row))).collect();
        for layers in self.passes(taps) {
            let mut queue = self.absent(rows.iter().map(|(_, row)| *row), &layers);
            let total = queue.len();
            while !queue.is_empty() {
                let room = self.round(&mut queue, &layers);
                tell(Progress { done: total - queue.len(), total })?;
                if !room {
                    break;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The tapped features of `batch`, which is of this set: read where they are kept, else computed.
    pub fn features(&self, batch: &Batch, taps: &Taps) -> Features {
        let mut features = Features::new();
        let device = batch.mask.device();
        for layers in self.passes(taps) {
            let mut padded: Vec<Padded<'_>> =
                layers.iter().map(|(_, layer)| Padded::new(self.layer(*layer).shape, batch)).collect();
            let absent = self.fill(&mut padded, batch, &layers);
            if !absent.is_empty() {
                self.compute_into(&mut padded, batch, (&absent, &layers));
            }
            for ((path, _), padded) in layers.into_iter().zip(padded) {
                features.insert(path, padded.into_feature(&device));
            }
        }
        features
    }

    /// The tapped layers by forward pass: vectors, then everything else.
    ///
    /// A network may cut its last layer short where only the vectors above it are wanted, and that changes their
    /// rounding. So they come from a pass of their own, whatever else is tapped.
    pub(super) fn passes(&self, taps: &Taps) -> Vec<Vec<Tapped>> {
        let known = taps.paths().filter_map(|path| Some((path.clone(), self.teacher.position(path)?)));
        let is_vectors = |tapped: &Tapped| matches!(self.layer(tapped.1).shape, Shape::Vectors { .. });
        let (vectors, others): (Vec<Tapped>, Vec<Tapped>) = known.partition(is_vectors);
        [vectors, others].into_iter().filter(|pass| !pass.is_empty()).collect()
    }

    fn layer(&self, position: usize) -> &'a LayerOutput {
        &self.teacher.layers()[position]
    }

    /// The rows of which an output is missing, in order.
    fn absent(&self, rows: impl Iterator<Item = u32>, layers: &[Tapped]) -> Vec<u32> {
        let mut values = Vec::new();
        rows.filter(|&row| !layers.iter().all(|(_, layer)| self.is_held(*layer, row, &mut values))).collect()
    }

    fn is_held(&self, layer: usize, row: u32, values: &mut Vec<f16>) -> bool {
        let layer = self.layer(layer);
        let Some(extent) = self.set.extent(row) else { return false };
        values.resize(layer.shape.elements(extent), f16::ZERO);
        self.notebook.read(layer, row, values)
    }

    /// Answers the next questions of `queue` that nobody else answers, one group for each thread; whether the
    /// stores had room for the answers. Waits only while others answer all of the queue.
    fn round(&self, queue: &mut Vec<u32>, layers: &[Tapped]) -> bool {
        let started = Instant::now();
        let (claims, taken) = self.claim(queue, layers);
        if claims.is_empty() {
            self.notebook.claims.wait(PATIENCE);
        }
        // Another asker may have answered some of them since this one looked.
        let own = self.absent(taken.into_iter(), layers);
        let answers = self.compute(&own, layers);
        let room = answers.iter().all(|answer| self.keep(answer, layers));
        drop(claims);
        self.spend(started);
        room
    }

    /// Takes rows out of `queue` that nobody else answers: a group for each thread, or fewer if there are no more.
    pub(super) fn claim(&self, queue: &mut Vec<u32>, layers: &[Tapped]) -> (Vec<Claim<'a>>, Vec<u32>) {
        let positions: Vec<usize> = layers.iter().map(|(_, layer)| *layer).collect();
        let threads = rayon::current_num_threads().max(1);
        let (mut claims, mut taken, mut left_over, mut seen) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for group in groups(queue, self.set) {
            if claims.len() == threads {
                break;
            }
            let (claim, left) = self.notebook.claims.take(&positions, group);
            seen += group.len();
            if left.len() < group.len() {
                claims.push(claim);
            }
            let (others, own): (Vec<u32>, Vec<u32>) = group.iter().partition(|row| left.contains(row));
            taken.extend(own);
            left_over.extend(others);
        }
        queue.splice(..seen, left_over);
        (claims, taken)
    }

    /// Answers to the questions about `rows`, sorted by length, at all of `layers`.
    fn compute(&self, rows: &[u32], layers: &[Tapped]) -> Vec<Answer> {
        let layers: Vec<&LayerOutput> = layers.iter().map(|(_, layer)| self.layer(*layer)).collect();
        let set = self.set;
        let groups = groups(rows, set).map(|group| (self.teacher.network(), group));
        let groups: Vec<(T, &[u32])> = groups.collect();
        groups
            .into_par_iter()
            .flat_map_iter(|(network, group)| ask(&network, set, (group, &layers)))
            .collect()
    }

    fn keep(&self, answer: &Answer, layers: &[Tapped]) -> bool {
        let layer = layers[answer.tap].1;
        self.is_held(layer, answer.row, &mut Vec::new())
            || self.notebook.write(self.layer(layer), answer.row, &answer.values)
    }

    /// Reads what is kept; the rows of which something is missing.
    fn fill(&self, padded: &mut [Padded<'_>], batch: &Batch, layers: &[Tapped]) -> BTreeSet<u32> {
        let mut absent = BTreeSet::new();
        let mut values = Vec::new();
        for (padded, (_, layer)) in padded.iter_mut().zip(layers) {
            for (example, &row) in batch.rows.iter().enumerate() {
                values.resize(padded.elements(example), f16::ZERO);
                if self.notebook.read(self.layer(*layer), row, &mut values) {
                    padded.place(example, &values);
                } else {
                    absent.insert(row);
                }
            }
        }
        absent
    }

    fn compute_into(
        &self,
        padded: &mut [Padded<'_>],
        batch: &Batch,
        (absent, layers): (&BTreeSet<u32>, &[Tapped]),
    ) {
        let started = Instant::now();
        let mut rows: Vec<u32> = absent.iter().copied().collect();
        rows.sort_by_key(|&row| (self.set.length(row), row));
        let mut places: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (example, &row) in batch.rows.iter().enumerate() {
            places.entry(row).or_default().push(example);
        }
        for answer in self.compute(&rows, layers) {
            for &example in &places[&answer.row] {
                padded[answer.tap].place(example, &answer.values);
            }
            let _ = self.keep(&answer, layers); // Without room for it, it is computed again next time.
        }
        self.spend(started);
    }

    fn spend(&self, started: Instant) {
        self.spent.set(self.spent.get() + started.elapsed());
    }
}
