//! For tests: an operator against its composed reference and against finite differences.

use burn::tensor::{Device, Tensor};

use crate::dropout::{DropoutKey, uniform};

/// `length` values in [−2, 2), the same for the same seed.
pub(crate) fn values(seed: u64, length: usize) -> Vec<f32> {
    let key = DropoutKey { seed };
    (0..length as u64).map(|index| 4.0 * uniform(key, index) - 2.0).collect()
}

/// A plain tensor.
pub(crate) fn plain<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::<1>::from_floats(values, &Device::flex()).reshape(shape)
}

/// The elements in row-major order.
pub(crate) fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.without_autodiff().into_data().try_into_vec::<f32>().unwrap()
}

/// Output of `operator`, and the gradients of a weighted sum of it with respect to each input.
pub(crate) fn evaluate(
    inputs: &[Vec<f32>],
    operator: impl Fn(Vec<Tensor<1>>) -> Tensor<1>,
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let leaves: Vec<_> =
        inputs.iter().map(|input| plain(input, [input.len()]).autodiff().require_grad()).collect();
    let output = operator(leaves.clone());
    let weights = plain(&output_weights(output.dims()[0]), output.dims());
    let gradients = (output.clone() * weights).sum().backward();
    let of_leaves = leaves.iter().map(|leaf| floats(leaf.grad(&gradients).unwrap())).collect();
    (floats(output), of_leaves)
}

/// The fused operator has the composed one's output and gradients, and the same output without autodiff.
pub(crate) fn assert_parity(
    inputs: &[Vec<f32>],
    fused: impl Fn(Vec<Tensor<1>>) -> Tensor<1>,
    composed: impl Fn(Vec<Tensor<1>>) -> Tensor<1>,
) {
    let (output, gradients) = evaluate(inputs, &fused);
    let (expected, expected_gradients) = evaluate(inputs, composed);
    assert_close(&output, &expected, 2.0e-6);
    for (gradient, expected) in gradients.iter().zip(&expected_gradients) {
        assert_close(gradient, expected, 1.0e-5);
    }
    let constants = inputs.iter().map(|input| plain(input, [input.len()])).collect();
    assert_eq!(floats(fused(constants)), output, "the plain output differs from the tracked one");
}

/// The gradients agree with central differences.
pub(crate) fn assert_gradients_match_differences(
    inputs: &[Vec<f32>],
    operator: impl Fn(Vec<Tensor<1>>) -> Tensor<1>,
) {
    const STEP: f32 = 1.0 / 128.0;
    let weighted_sum = |inputs: &[Vec<f32>]| -> f64 {
        let output = floats(operator(inputs.iter().map(|input| plain(input, [input.len()])).collect()));
        output.iter().zip(output_weights(output.len())).map(|(x, w)| f64::from(*x) * f64::from(w)).sum()
    };
    let (_, gradients) = evaluate(inputs, &operator);
    for (input, gradient) in gradients.iter().enumerate() {
        for (element, gradient) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut inputs = inputs.to_vec();
                inputs[input][element] += by;
                weighted_sum(&inputs)
            };
            let difference = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
            let error = (difference - f64::from(*gradient)).abs();
            assert!(
                error < 2.0e-3 * (1.0 + difference.abs()),
                "input {input}, element {element}: gradient {gradient}, difference {difference}"
            );
        }
    }
}

/// Relative to the largest expected value.
pub(crate) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1.0_f32, |largest, x| largest.max(x.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= tolerance * largest, "element {index}: {found} instead of {expected}");
    }
}

/// The result of `work` in a pool of so many threads.
pub(crate) fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn output_weights(length: usize) -> Vec<f32> {
    (0..length).map(|index| (0.7 * index as f32).cos()).collect()
}
