//! Scaled softmax over attention scores with padding keys masked out.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::Tensor,
};

use crate::{
    autodiff::{AutodiffTensor, constant, record},
    buffer::{contiguous, elements, is_fused, update, width},
    composed::{self, MASKED_SCORE},
    math,
    simd::{Kernel, maximum, rows_per_chunk, run, sum, sum_of_two},
};

/// `softmax(scale · scores)` over the keys, where padding keys get probability 0.
///
/// `scores` is (batch, heads, query, key); `mask` is (batch, key), 1 for a real token and 0 for
/// padding, and gets no gradient. A row whose keys are all padding is uniform.
pub fn masked_softmax(scores: Tensor<4>, mask: Tensor<2>, scale: f32) -> Tensor<4> {
    let [batch, _, _, keys] = scores.dims();
    assert_eq!(mask.dims(), [batch, keys], "masked_softmax: the mask is not (batch, key) of the scores");
    let mask = mask.without_autodiff();
    if !is_fused(&scores) || !is_fused(&mask) {
        return composed::masked_softmax(scores, mask, scale);
    }
    Tensor::from_dispatch(Dispatch::masked_softmax(scores.into_dispatch(), mask.into_dispatch(), scale))
}

/// Masked softmax as one operator.
#[backend_extension(Flex, Autodiff)]
trait MaskedSoftmaxOps: Backend {
    fn masked_softmax(scores: FloatTensor<Self>, mask: FloatTensor<Self>, scale: f32) -> FloatTensor<Self>;
}

impl MaskedSoftmaxOps for Flex {
    fn masked_softmax(scores: FlexTensor, mask: FlexTensor, scale: f32) -> FlexTensor {
        let penalties = penalties(elements(&contiguous(mask)));
        let keys = width(&scores);
        let rows_of_example = scores.layout().shape()[1] * scores.layout().shape()[2];
        let rows = rows_per_chunk(keys);
        let (probabilities, _) = update(scores, rows * keys, |index, scores| {
            run(Softmax {
                scores,
                first_row: index * rows,
                rows_of_example,
                penalties: &penalties,
                keys,
                scale,
            })
        });
        probabilities
    }
}

impl<C: CheckpointStrategy> MaskedSoftmaxOps for Autodiff<Flex, C> {
    fn masked_softmax(scores: AutodiffTensor, mask: AutodiffTensor, scale: f32) -> AutodiffTensor {
        let tracked = scores.is_tracked();
        let (scores, node) = scores.into_parts();
        let probabilities = Flex::masked_softmax(scores, mask.into_primitive(), scale);
        if !tracked {
            return constant(probabilities);
        }
        let state = Saved { probabilities: probabilities.clone(), scale };
        record::<C, _, 1>(MaskedSoftmax, [node], state, probabilities)
    }
}

#[derive(Debug, Clone)]
struct Saved {
    probabilities: FlexTensor,
    scale: f32,
}

#[derive(Debug)]
struct MaskedSoftmax;

impl Backward<Flex, 1> for MaskedSoftmax {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [scores] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node);
        if let Some(scores) = scores {
            gradients.register::<Flex>(scores.id, backward(gradient, &ops.state));
        }
    }
}

fn backward(gradient: FlexTensor, saved: &Saved) -> FlexTensor {
    let probabilities = contiguous(saved.probabilities.clone());
    let (keys, probabilities) = (width(&probabilities), elements(&probabilities));
    let chunk = rows_per_chunk(keys) * keys;
    let (gradient, _) = update(gradient, chunk, |index, gradients| {
        let probabilities = &probabilities[index * chunk..][..gradients.len()];
        run(SoftmaxBackward { gradients, probabilities, keys, scale: saved.scale })
    });
    gradient
}

/// What is added to the scores of each key.
pub(crate) fn penalties(mask: &[f32]) -> Vec<f32> {
    mask.iter().map(|real| (1.0 - real) * MASKED_SCORE).collect()
}

/// Scores to probabilities, in place.
pub(crate) struct Softmax<'a> {
    pub(crate) scores: &'a mut [f32],
    /// Index of the first row in the whole tensor.
    pub(crate) first_row: usize,
    pub(crate) rows_of_example: usize,
    /// Added to the scaled scores, (batch, key).
    pub(crate) penalties: &'a [f32],
    pub(crate) keys: usize,
    pub(crate) scale: f32,
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let rows = (CACHED / self.keys).max(1);
        for (block, scores) in self.scores.chunks_mut(rows * self.keys).enumerate() {
            for (index, row) in scores.chunks_exact_mut(self.keys).enumerate() {
                let example = (self.first_row + block * rows + index) / self.rows_of_example;
                shift_row(row, &self.penalties[example * self.keys..][..self.keys], self.scale);
            }
            // One loop over many rows, because short ones leave vectors half empty.
            for score in scores.iter_mut() {
                *score = math::exp(*score);
            }
            for row in scores.chunks_exact_mut(self.keys) {
                normalize_row(row);
            }
        }
    }
}

/// Elements that stay in the first-level cache from one pass over them to the next.
const CACHED: usize = 4096;

/// Scales the scores, adds the penalties, and subtracts the largest sum, so that the exponential cannot overflow.
#[inline(always)]
fn shift_row(row: &mut [f32], penalties: &[f32], scale: f32) {
    for (score, penalty) in row.iter_mut().zip(penalties) {
        *score = *score * scale + penalty;
    }
    let largest = maximum(row);
    for score in row {
        *score -= largest;
    }
}

#[inline(always)]
fn normalize_row(row: &mut [f32]) {
    let normalizer = 1.0 / sum(row, |x| x);
    for probability in row {
        *probability *= normalizer;
    }
}

/// Gradients of probabilities to gradients of scores, in place.
pub(crate) struct SoftmaxBackward<'a> {
    pub(crate) gradients: &'a mut [f32],
    pub(crate) probabilities: &'a [f32],
    pub(crate) keys: usize,
    pub(crate) scale: f32,
}

impl Kernel for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let rows = self.gradients.chunks_exact_mut(self.keys);
        for (gradient, probability) in rows.zip(self.probabilities.chunks_exact(self.keys)) {
            softmax_backward_row(gradient, probability, self.scale);
        }
    }
}

#[inline(always)]
fn softmax_backward_row(gradient: &mut [f32], probability: &[f32], scale: f32) {
    let mean = sum_of_two(gradient, probability, |g, p| g * p);
    for (g, p) in gradient.iter_mut().zip(probability) {
        *g = scale * p * (*g - mean);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use proptest::prelude::*;

    use super::*;
    use crate::parity::{
        assert_gradients_match_differences, assert_parity, evaluate, floats, in_pool, plain, values,
    };

    const SCALE: f32 = 0.3;

    /// Example `i` has `keys − i` real keys.
    fn mask(batch: usize, keys: usize) -> Tensor<2> {
        let real = |example: usize, key: usize| f32::from(u8::from(key + example < keys));
        let values: Vec<f32> = (0..batch * keys).map(|index| real(index / keys, index % keys)).collect();
        plain(&values, [batch, keys])
    }

    fn fused(shape: [usize; 4]) -> impl Fn(Vec<Tensor<1>>) -> Tensor<1> {
        move |mut inputs| {
            masked_softmax(inputs.remove(0).reshape(shape), mask(shape[0], shape[3]), SCALE).flatten(0, 3)
        }
    }

    #[test]
    fn forward_and_backward_agree_with_the_reference() {
        for shape in [[3, 2, 5, 7], [2, 2, 32, 32], [4, 4, 64, 70], [1, 1, 1, 1]] {
            let inputs = [values(1, shape.iter().product())];
            assert_parity(&inputs, fused(shape), |mut inputs| {
                let scores = inputs.remove(0).reshape(shape);
                composed::masked_softmax(scores, mask(shape[0], shape[3]), SCALE).flatten(0, 3)
            });
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        assert_gradients_match_differences(&[values(2, 2 * 2 * 3 * 4)], fused([2, 2, 3, 4]));
    }

    #[test]
    fn padding_has_no_probability_and_no_influence() {
        let mut scores = values(3, 2 * 3 * 4 * 5);
        let before = evaluate(&[scores.clone()], fused([2, 3, 4, 5]));
        for row in 3 * 4..2 * 3 * 4 {
            assert_eq!(before.0[row * 5 + 4], 0.0);
            assert_eq!(before.1[0][row * 5 + 4], 0.0);
            scores[row * 5 + 4] = 1.0e6;
        }
        assert_eq!(evaluate(&[scores], fused([2, 3, 4, 5])), before);
    }

    #[test]
    fn extreme_scores_stay_finite() {
        let scores = plain(&[1.0e30, -1.0e30, 0.0, 1.0e30], [1, 1, 1, 4]);
        let ones = plain(&[1.0; 4], [1, 4]);
        assert_eq!(floats(masked_softmax(scores, ones, 1.0)), [0.5, 0.0, 0.0, 0.5]);
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let shape = [8, 4, 96, 96];
        let input = [values(4, shape.iter().product())];
        let run = || evaluate(&input, fused(shape));
        assert_eq!(in_pool(1, run), in_pool(2, run));
    }

    proptest! {
        #[test]
        fn rows_are_distributions(queries in 1_usize..6, keys in 3_usize..70, seed in any::<u64>()) {
            let shape = [2, 2, queries, keys];
            let scores = plain(&values(seed, shape.iter().product()), shape);
            let rows = floats(masked_softmax(scores, mask(2, keys), 5.0));
            for row in rows.chunks_exact(keys) {
                prop_assert!(row.iter().all(|p| (0.0..=1.0).contains(p)));
                prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1.0e-6);
            }
        }
    }
}
