//! Tokenised examples in memory, and the order in which training sees them.

use std::borrow::Cow;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::{Batch, Masking, Questions, Target, Targets};

/// One tokenised example.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Token ids with the special tokens, not padded.
    pub ids: Vec<u32>,
    /// Segment of each token: 0 for the first text, 1 for the second.
    pub token_types: Vec<u8>,
    /// What the task wants.
    pub target: Target,
}

/// What decides how many numbers a network has for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its tokens.
    pub tokens: usize,
    /// Those of them that are masked.
    pub masked: usize,
}

/// A data set after tokenising: what batches are cut from.
///
/// Its rows are its examples in order. Where texts are masked, each pass over the data sees other masks: row
/// `version · len + index` is the example `index` under the masks of that version, of which there are
/// [`Masking::VERSIONS`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExampleSet {
    /// The examples in file order, not masked.
    pub examples: Vec<Example>,
    /// The id that fills the end of shorter examples.
    pub padding_id: u32,
    /// What hides tokens of the examples, for pretraining.
    pub masking: Option<Masking>,
    /// What the examples ask of the texts that they show parts of, for answers to be compared with the right ones.
    pub questions: Option<Arc<Questions>>,
}

impl ExampleSet {
    /// Examples in file order, and the id that fills the end of the shorter ones.
    pub fn new(examples: Vec<Example>, padding_id: u32) -> Self {
        Self { examples, padding_id, masking: None, questions: None }
    }

    /// The same with texts that are masked so.
    #[must_use]
    pub fn masked(self, masking: Masking) -> Self {
        Self { masking: Some(masking), ..self }
    }

    /// The same with what its examples ask.
    #[must_use]
    pub fn asking(self, questions: Questions) -> Self {
        Self { questions: Some(Arc::new(questions)), ..self }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.examples.len()
    }

    /// Times that each example is there, every time under other masks.
    pub fn versions(&self) -> u32 {
        self.masking.as_ref().map_or(1, |_| Masking::VERSIONS)
    }

    /// The example of `row`, masked where texts are masked; `None` outside the set.
    pub fn example(&self, row: u32) -> Option<Cow<'_, Example>> {
        let example = self.plain(row)?;
        Some(match &self.masking {
            Some(masking) => Cow::Owned(masking.apply(example, row)),
            None => Cow::Borrowed(example),
        })
    }

    /// How much of an example `row` is; `None` outside the set.
    pub fn extent(&self, row: u32) -> Option<Extent> {
        let example = self.plain(row)?;
        let masked = self.masking.as_ref().map_or_else(|| example.target.masked(), |it| it.count(example));
        Some(Extent { tokens: example.ids.len(), masked })
    }

    /// The tokens of `row`; 0 outside the set.
    pub fn length(&self, row: u32) -> usize {
        self.plain(row).map_or(0, |example| example.ids.len())
    }

    /// The example of `row` before anything is masked.
    fn plain(&self, row: u32) -> Option<&Example> {
        let examples = self.examples.len();
        let version = (row as usize).checked_div(examples)?;
        (version < self.versions() as usize).then(|| &self.examples[row as usize % examples])
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// The rows of all examples, in order.
    pub fn rows(&self) -> Vec<u32> {
        (0..self.len() as u32).collect()
    }

    /// Pads the examples at `rows` to the longest of them. A row outside the set is left out.
    pub fn batch(&self, rows: &[u32], device: &Device) -> Batch {
        let chosen: Vec<(u32, Cow<'_, Example>)> =
            rows.iter().filter_map(|&row| self.example(row).map(|example| (row, example))).collect();
        let length = chosen.iter().map(|(_, example)| example.ids.len()).max().unwrap_or(0);
        let mut columns = Columns::default();
        for (_, example) in &chosen {
            columns.push(example, length, self.padding_id);
        }
        let shape = [chosen.len(), length];
        let targets: Vec<&Target> = chosen.iter().map(|(_, example)| &example.target).collect();
        let lengths: Vec<u32> = chosen.iter().map(|(_, example)| example.ids.len() as u32).collect();
        Batch {
            ids: int_tensor(columns.ids, shape, device),
            token_types: int_tensor(columns.token_types, shape, device),
            mask: Tensor::from_data(TensorData::new(columns.mask, shape), device),
            targets: Targets::of(&targets, (&lengths, length), device),
            rows: chosen.iter().map(|(row, _)| *row).collect(),
            lengths,
            masked: targets.iter().map(|target| target.masked() as u32).collect(),
        }
    }

    /// The token ids that the batch of `rows` holds, padding included: ascending, each once.
    pub fn tokens(&self, rows: &[u32]) -> Vec<u32> {
        let chosen = rows.iter().filter_map(|&row| self.example(row));
        let mut tokens: Vec<u32> = chosen.flat_map(|example| example.ids.clone()).collect();
        tokens.push(self.padding_id);
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    /// Rows sorted by length and cut into batches of `batch_size`: for evaluation, where order is free.
    pub fn by_length(&self, batch_size: usize) -> Vec<Vec<u32>> {
        let mut rows = self.rows();
        rows.sort_by_key(|&row| (self.length(row), row));
        rows.chunks(batch_size.max(1)).map(<[u32]>::to_vec).collect()
    }
}

/// The columns of a batch while it is filled, row by row.
#[derive(Default)]
struct Columns {
    ids: Vec<i32>,
    token_types: Vec<i32>,
    mask: Vec<f32>,
}

impl Columns {
    fn push(&mut self, example: &Example, length: usize, padding_id: u32) {
        let padding = length - example.ids.len();
        self.ids.extend(example.ids.iter().map(|&id| id as i32));
        self.ids.extend(std::iter::repeat_n(padding_id as i32, padding));
        self.token_types.extend(example.token_types.iter().map(|&segment| i32::from(segment)));
        self.token_types.extend(std::iter::repeat_n(0, padding));
        self.mask.extend(std::iter::repeat_n(1.0, example.ids.len()));
        self.mask.extend(std::iter::repeat_n(0.0, padding));
    }
}

fn int_tensor(values: Vec<i32>, shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The order in which a stage sees its examples: a function of the seed, the stage and the step alone, so
/// that all trials see the same batches and can share the teacher's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The study's seed.
    pub seed: u64,
    /// The stage's position in its scheduler.
    pub stage: u64,
    /// Examples in a batch.
    pub batch_size: usize,
}

/// Batches that are sorted by length together, so that a batch holds sentences of like length and the
/// order of batches is still random.
const BATCHES_SORTED_TOGETHER: usize = 50;

impl Order {
    /// The rows of each batch of epoch `epoch`, under that epoch's masks; the last short batch is dropped unless it is the
    /// only one.
    pub fn epoch(&self, set: &ExampleSet, epoch: u64) -> Vec<Vec<u32>> {
        let mut rng = self.rng(epoch);
        let version = (epoch % u64::from(set.versions())) as u32;
        let mut rows: Vec<u32> = set.rows().into_iter().map(|row| version * set.len() as u32 + row).collect();
        rows.shuffle(&mut rng);
        let size = self.batch_size.clamp(1, set.len().max(1));
        let mut batches: Vec<Vec<u32>> = Vec::with_capacity(rows.len() / size);
        for group in rows.chunks_mut(size * BATCHES_SORTED_TOGETHER) {
            let whole = group.len() - group.len() % size;
            group[..whole].sort_by_key(|&row| set.length(row));
            batches.extend(group[..whole].chunks(size).map(<[u32]>::to_vec));
        }
        batches.shuffle(&mut rng);
        batches
    }

    /// An endless walk over the batches, epoch after epoch. Empty for an empty set.
    pub fn batches<'a>(&'a self, set: &'a ExampleSet) -> impl Iterator<Item = Vec<u32>> + 'a {
        let epochs = if set.is_empty() { 0 } else { u64::MAX };
        (0..epochs).flat_map(move |epoch| self.epoch(set, epoch))
    }

    fn rng(&self, epoch: u64) -> ChaCha8Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&self.stage.to_le_bytes());
        seed[16..24].copy_from_slice(&epoch.to_le_bytes());
        ChaCha8Rng::from_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lengths: &[usize]) -> ExampleSet {
        let examples = lengths
            .iter()
            .map(|&length| Example {
                ids: vec![7; length],
                token_types: vec![0; length],
                target: Target::Class(1),
            })
            .collect();
        ExampleSet::new(examples, 0)
    }

    #[test]
    fn each_epoch_has_its_own_masks_until_they_come_again() {
        let set = ExampleSet { padding_id: 0, ..set(&[20, 30, 9]) };
        let set = set.masked(Masking::new(1, 3, 50, [0, 1, 2]).unwrap());
        let order = Order { seed: 5, stage: 2, batch_size: 3 };
        let mut second = order.epoch(&set, 1).concat();
        second.sort_unstable();
        assert_eq!(second, [3, 4, 5]);
        assert_eq!(set.example(3).unwrap().ids.len(), 20);
        assert_ne!(set.example(0), set.example(3));
        assert_eq!(set.extent(4), Some(Extent { tokens: 30, masked: 5 }));
        let (again, first) = (order.epoch(&set, u64::from(Masking::VERSIONS)), order.epoch(&set, 0));
        assert_eq!(again.concat().iter().max(), first.concat().iter().max());
        assert_eq!((set.example(3 * Masking::VERSIONS), set.versions()), (None, 40));
        assert_eq!(set.batch(&[0, 4], &Device::flex()).masked, [3, 5]);
    }

    #[test]
    fn a_batch_is_as_long_as_its_longest_example() {
        let batch = set(&[3, 5, 9]).batch(&[0, 1], &Device::flex());
        assert_eq!(batch.ids.dims(), [2, 5]);
        let mask: Vec<f32> = batch.mask.into_data().try_to_vec().unwrap();
        assert_eq!(mask, [1., 1., 1., 0., 0., 1., 1., 1., 1., 1.]);
    }

    #[test]
    fn an_epoch_holds_every_example_once_and_in_an_order_of_its_seed() {
        let lengths: Vec<usize> = (0..96).map(|i| 2 + i % 7).collect();
        let set = set(&lengths);
        let order = Order { seed: 1, stage: 0, batch_size: 8 };
        let mut rows: Vec<u32> = order.epoch(&set, 0).concat();
        assert_eq!(rows.len(), 96);
        rows.sort_unstable();
        assert_eq!(rows, (0..96).collect::<Vec<u32>>());
        assert_eq!(order.epoch(&set, 0), order.epoch(&set, 0));
        assert_ne!(order.epoch(&set, 0), order.epoch(&set, 1));
        assert_ne!(order.epoch(&set, 0), Order { stage: 1, ..order }.epoch(&set, 0));
    }

    #[test]
    fn batches_group_like_lengths() {
        let lengths: Vec<usize> = (0..320).map(|i| 1 + (i * 37) % 60).collect();
        let set = set(&lengths);
        let order = Order { seed: 5, stage: 2, batch_size: 8 };
        let padded: usize = order
            .epoch(&set, 0)
            .iter()
            .map(|b| 8 * b.iter().map(|&r| lengths[r as usize]).max().unwrap())
            .sum();
        let real: usize = lengths.iter().sum();
        assert!(padded as f64 / (real as f64) < 1.1, "{padded} padded tokens for {real}");
    }

    #[test]
    fn a_set_smaller_than_a_batch_is_one_batch() {
        let order = Order { seed: 5, stage: 2, batch_size: 8 };
        assert_eq!(order.batches(&set(&[1, 2, 3])).take(2).map(|b| b.len()).collect::<Vec<_>>(), [3, 3]);
        assert_eq!(order.batches(&set(&[])).count(), 0);
    }
}
