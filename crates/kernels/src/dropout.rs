//! Dropout whose mask is a pure function of a key and the element's index, so that it needs no storage and no global state.

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
    buffer::{is_fused, update},
    composed,
    simd::{CHUNK, Kernel, run},
};

/// Odd constant nearest to 2⁶⁴ / φ: SplitMix64's increment.
const INCREMENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// Names one dropout mask: equal keys give equal masks, on every machine and with any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DropoutKey {
    /// Start of the random stream.
    pub seed: u64,
}

impl DropoutKey {
    /// A key for a part (a step, a layer, a site in it); different labels give unrelated masks.
    #[must_use]
    pub fn derive(self, label: u64) -> Self {
        let seed = mix(mix(self.seed).wrapping_add(label.wrapping_add(1).wrapping_mul(INCREMENT)));
        Self { seed }
    }

    /// The factor of each of `length` elements: 0 with `probability`, else `1 / (1 − probability)`.
    pub(crate) fn mask(self, probability: f64, length: usize) -> Vec<f32> {
        let mut mask = vec![1.0; length];
        run(Drop { values: &mut mask, first: 0, stream: Stream::new(self, probability) });
        mask
    }
}

/// Zeroes each element with `probability` and scales the rest by `1 / (1 − probability)`, so that the expectation stays.
///
/// The backward pass uses the same mask. `probability` is in [0, 1); 0 returns the input as it is.
pub fn dropout<const D: usize>(input: Tensor<D>, probability: f64, key: DropoutKey) -> Tensor<D> {
    assert!((0.0..1.0).contains(&probability), "dropout: probability {probability} is not in [0, 1)");
    if probability == 0.0 {
        return input;
    }
    if !is_fused(&input) {
        return composed::dropout(input, probability, key);
    }
    Tensor::from_dispatch(Dispatch::dropout(input.into_dispatch(), Stream::new(key, probability)))
}

/// Dropout as one operator.
#[backend_extension(Flex, Autodiff)]
trait DropoutOps: Backend {
    fn dropout(input: FloatTensor<Self>, stream: Stream) -> FloatTensor<Self>;
}

impl DropoutOps for Flex {
    fn dropout(input: FlexTensor, stream: Stream) -> FlexTensor {
        let (output, _) =
            update(input, CHUNK, |index, values| run(Drop { values, first: (index * CHUNK) as u64, stream }));
        output
    }
}

impl<C: CheckpointStrategy> DropoutOps for Autodiff<Flex, C> {
    fn dropout(input: AutodiffTensor, stream: Stream) -> AutodiffTensor {
        let tracked = input.is_tracked();
        let (input, node) = input.into_parts();
        let output = Flex::dropout(input, stream);
        if tracked { record::<C, _, 1>(Dropout, [node], stream, output) } else { constant(output) }
    }
}

#[derive(Debug)]
struct Dropout;

impl Backward<Flex, 1> for Dropout {
    type State = Stream;

    fn backward(self, ops: Ops<Stream, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node);
        if let Some(input) = input {
            gradients.register::<Flex>(input.id, Flex::dropout(gradient, ops.state));
        }
    }
}

/// The factors of one mask, by index.
#[derive(Debug, Clone, Copy)]
struct Stream {
    seed: u64,
    /// An element is dropped when its 32 random bits are below this.
    threshold: u32,
    scale: f32,
}

impl Stream {
    fn new(key: DropoutKey, probability: f64) -> Self {
        let threshold = (probability * 4_294_967_296.0) as u32;
        Self { seed: key.seed, threshold, scale: (1.0 / (1.0 - probability)) as f32 }
    }

    /// Factors of elements `2 · pair` and `2 · pair + 1`: halves of one SplitMix64 output (Steele, Lea and Flood, 2014).
    #[inline(always)]
    fn factors(self, pair: u64) -> [f32; 2] {
        let bits = mix(self.seed.wrapping_add(pair.wrapping_mul(INCREMENT)));
        [self.factor(bits as u32), self.factor((bits >> 32) as u32)]
    }

    #[inline(always)]
    fn factor(self, bits: u32) -> f32 {
        if bits < self.threshold { 0.0 } else { self.scale }
    }
}

/// Multiplies elements by their factors.
struct Drop<'a> {
    values: &'a mut [f32],
    /// Index of the first element in the whole tensor; even.
    first: u64,
    stream: Stream,
}

impl Kernel for Drop<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { values, first, stream } = self;
        let pairs = values.len() / 2;
        let (whole, rest) = values.split_at_mut(2 * pairs);
        for (index, pair) in whole.chunks_exact_mut(2).enumerate() {
            let factors = stream.factors(first / 2 + index as u64);
            pair[0] *= factors[0];
            pair[1] *= factors[1];
        }
        if let [last] = rest {
            *last *= stream.factors(first / 2 + pairs as u64)[0];
        }
    }
}

/// SplitMix64's finalizer.
#[inline(always)]
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// A uniform number in [0, 1) for each index, from the mask's generator.
#[cfg(test)]
pub(crate) fn uniform(key: DropoutKey, index: u64) -> f32 {
    let bits = mix(key.seed.wrapping_add(index.wrapping_mul(INCREMENT)));
    (bits >> 40) as f32 / 16_777_216.0
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use proptest::prelude::*;

    use super::*;
    use crate::parity::{assert_parity, evaluate, floats, in_pool, plain, values};

    const KEY: DropoutKey = DropoutKey { seed: 7 };

    fn flat(mut inputs: Vec<Tensor<1>>) -> Tensor<1> {
        dropout(inputs.remove(0), 0.1, KEY)
    }

    #[test]
    fn forward_and_backward_use_the_same_mask_as_the_reference() {
        assert_parity(&[values(1, 3 * CHUNK + 5)], flat, |mut inputs| {
            composed::dropout(inputs.remove(0), 0.1, KEY)
        });
    }

    #[test]
    fn the_share_of_dropped_elements_and_the_mean_are_as_stated() {
        for probability in [0.1, 0.25, 0.5, 0.9] {
            let kept = floats(dropout(plain(&[1.0; 200_000], [200_000]), probability, KEY));
            let dropped = kept.iter().filter(|x| **x == 0.0).count() as f64 / 200_000.0;
            let mean = kept.iter().map(|x| f64::from(*x)).sum::<f64>() / 200_000.0;
            assert!((dropped - probability).abs() < 0.005, "{dropped} instead of {probability}");
            assert!((mean - 1.0).abs() < 0.02, "mean {mean}");
        }
    }

    #[test]
    fn neighbouring_elements_are_dropped_independently() {
        let mask = KEY.mask(0.5, 100_000);
        for distance in [1, 2, 3, 64] {
            let both = mask.iter().zip(&mask[distance..]).filter(|(a, b)| **a == 0.0 && **b == 0.0).count();
            let share = both as f64 / (mask.len() - distance) as f64;
            assert!((share - 0.25).abs() < 0.01, "distance {distance}: {share}");
        }
    }

    #[test]
    fn equal_keys_give_equal_masks_and_derived_keys_other_ones() {
        let mask = |key: DropoutKey| key.mask(0.5, 1000);
        assert_eq!(mask(KEY), mask(KEY));
        let masks = [KEY, KEY.derive(0), KEY.derive(1), KEY.derive(0).derive(0)].map(mask);
        for (index, one) in masks.iter().enumerate() {
            for other in &masks[index + 1..] {
                let agreeing = one.iter().zip(other).filter(|(a, b)| a == b).count();
                assert!((400..600).contains(&agreeing), "{agreeing} of 1000 elements agree");
            }
        }
    }

    #[test]
    fn the_mask_does_not_depend_on_the_number_of_threads() {
        let input = values(3, 20 * CHUNK);
        let run = || evaluate(std::slice::from_ref(&input), flat);
        assert_eq!(in_pool(1, run), in_pool(2, run));
    }

    #[test]
    fn probability_zero_is_the_identity() {
        let input = values(4, 10);
        assert_eq!(floats(dropout(plain(&input, [10]), 0.0, KEY)), input);
    }

    proptest! {
        #[test]
        fn elements_are_zero_or_scaled(length in 1_usize..500, seed in any::<u64>()) {
            let input = values(5, length);
            let output = floats(dropout(plain(&input, [length]), 0.25, DropoutKey { seed }));
            for (x, y) in input.iter().zip(output) {
                prop_assert!(y == 0.0 || (y - x / 0.75).abs() < 1.0e-6);
            }
        }
    }
}
