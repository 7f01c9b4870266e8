//! The teacher's forward passes: examples of one length in groups of one size, so that an answer depends on its
//! example alone.

use std::iter::repeat_n;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::{ExampleSet, Feature, LayerOutput, Mode, Network, Taps};

/// Tokens that a forward pass holds at most, unless a single example is longer.
const GROUP_TOKENS: usize = 512;
/// Examples in a forward pass at most.
const GROUP_EXAMPLES: usize = 16;

/// Examples in a forward pass over examples of `length` tokens.
///
/// Matrix products round by their shape. The shape is a function of the length here, so an example's outputs have
/// the same bits whichever examples are computed beside it.
pub(super) fn group_size(length: usize) -> usize {
    (GROUP_TOKENS / length.max(1)).clamp(1, GROUP_EXAMPLES)
}

/// One output of one example.
#[derive(Debug)]
pub(super) struct Answer {
    /// The layer's position in the order that was asked for.
    pub(super) tap: usize,
    pub(super) row: u32,
    pub(super) values: Vec<f16>,
}

/// Cuts `rows`, sorted by length, into groups of one length and at most one forward pass each.
pub(super) fn groups<'a>(rows: &'a [u32], set: &'a ExampleSet) -> impl Iterator<Item = &'a [u32]> {
    let length = |row: &u32| set.length(*row);
    let same_length = rows.chunk_by(move |a, b| length(a) == length(b));
    same_length.flat_map(move |rows| rows.chunks(group_size(length(&rows[0]))))
}

/// Runs `network` on the examples of one group; the group is filled up with its first example, whose further
/// answers are thrown away.
pub(super) fn ask<T: Network>(
    network: &T,
    set: &ExampleSet,
    (group, layers): (&[u32], &[&LayerOutput]),
) -> Vec<Answer> {
    let Some(&first) = group.first() else { return Vec::new() };
    let missing = group_size(set.length(first)).saturating_sub(group.len());
    let rows: Vec<u32> = group.iter().copied().chain(repeat_n(first, missing)).collect();
    let device = network.device();
    let taps = Taps::new(layers.iter().map(|layer| layer.path.clone()));
    let batch = set.batch(&rows, &device);
    let features = network.forward(&batch, &taps, Mode::Evaluation);
    let mut answers = Vec::with_capacity(group.len() * layers.len());
    for (tap, layer) in layers.iter().enumerate() {
        let Some(numbers) = features.get(&layer.path).and_then(numbers) else { continue };
        let mut rest = numbers.as_slice();
        for (example, &row) in group.iter().enumerate() {
            let (numbers, further) =
                rest.split_at(layer.shape.elements(batch.extent(example)).min(rest.len()));
            let mut values = vec![f16::ZERO; numbers.len()];
            values.convert_from_f32_slice(numbers);
            answers.push(Answer { tap, row, values });
            rest = further;
        }
    }
    answers
}

/// `None` if the device does not give its numbers back as f32.
fn numbers(feature: &Feature) -> Option<Vec<f32>> {
    feature.clone().into_data().try_to_vec().ok()
}
