//! One step of AdamW or Adam over one tensor, equal to PyTorch's formulas, and the sum of squares for global-norm clipping.

use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::{ElementConversion, Tensor},
};

use crate::{
    buffer::{contiguous, elements, elements_mut, is_fused, unique},
    composed,
    simd::{CHUNK, Kernel, run_all},
};

/// What weight decay acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightDecay {
    /// On the parameter, apart from the gradient (AdamW: Loshchilov and Hutter, 2019).
    Decoupled,
    /// Added to the gradient (Adam with L2 regularisation).
    L2,
}

/// The numbers of one optimiser step, the same for every parameter of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment (PyTorch's default: 0.9).
    pub beta1: f64,
    /// Decay of the second moment (PyTorch's default: 0.999).
    pub beta2: f64,
    /// Added to the denominator outside the square root (PyTorch's default: 1e-8).
    pub epsilon: f64,
    /// Weight decay (PyTorch's default: 1e-2 for AdamW, 0 for Adam).
    pub weight_decay: f64,
    /// Number of this step, from 1.
    pub step: u32,
    /// Factor on the gradient, from global-norm clipping; 1 leaves it as it is.
    pub gradient_scale: f32,
    /// What weight decay acts on.
    pub decoupled: WeightDecay,
}

impl AdamWStep {
    /// `1 − beta^step` for both moments.
    pub(crate) fn bias_corrections(&self) -> (f64, f64) {
        let power = f64::from(self.step);
        (1.0 - self.beta1.powf(power), 1.0 - self.beta2.powf(power))
    }
}

/// Takes one step; returns the new parameter and the new `(first, second)` moments.
///
/// All tensors have the parameter's shape and carry no autodiff graph. Buffers that nobody else
/// holds are updated in place.
pub fn adamw_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: (Tensor<D>, Tensor<D>),
    step: &AdamWStep,
) -> (Tensor<D>, (Tensor<D>, Tensor<D>)) {
    let shapes = [&gradient, &moments.0, &moments.1].map(Tensor::dims);
    assert_eq!(
        shapes,
        [parameter.dims(); 3],
        "adamw_step: gradient and moments have other shapes than the parameter"
    );
    let tensors = [parameter, gradient, moments.0, moments.1];
    if !tensors.iter().all(is_plain_fused) {
        let [parameter, gradient, first, second] = tensors;
        return composed::adamw_step(parameter, gradient, (first, second), step);
    }
    let [parameter, gradient, first, second] = tensors.map(flex);
    let [parameter, first, second] = update([parameter, first, second], gradient, step);
    let [parameter, first, second] = [parameter, first, second].map(Tensor::from_primitive::<Flex>);
    (parameter, (first, second))
}

/// Sum of the squares of all elements, in f64 and always in the same order.
pub fn sum_of_squares<const D: usize>(tensor: &Tensor<D>) -> f64 {
    if !is_plain_fused(tensor) {
        return tensor.clone().square().sum().into_scalar::<f32>().elem();
    }
    let tensor = contiguous(flex(tensor.clone()));
    let elements = elements(&tensor);
    let chunks = elements.chunks(CHUNK).map(|values| SumOfSquares { values });
    run_all(chunks, elements.len()).into_iter().sum()
}

pub(crate) fn is_plain_fused<const D: usize>(tensor: &Tensor<D>) -> bool {
    is_fused(tensor) && !tensor.is_autodiff()
}

pub(crate) fn flex<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match tensor.try_into_primitive::<Flex>() {
        Ok(primitive) => primitive,
        Err(_) => unreachable!("the tensor was checked to be a plain one on Flex"),
    }
}

/// Updates the parameter and its moments in one pass.
fn update(state: [FlexTensor; 3], gradient: FlexTensor, step: &AdamWStep) -> [FlexTensor; 3] {
    let [mut parameter, mut first, mut second] = state.map(unique);
    let gradient = contiguous(gradient);
    let length = elements(&gradient).len();
    let factors = Factors::new(step);
    let parameters = elements_mut(&mut parameter).chunks_mut(CHUNK);
    let moments = elements_mut(&mut first).chunks_mut(CHUNK).zip(elements_mut(&mut second).chunks_mut(CHUNK));
    let chunks = parameters.zip(elements(&gradient).chunks(CHUNK)).zip(moments);
    run_all(
        chunks.map(|((parameters, gradients), (first, second))| Step {
            parameters,
            gradients,
            first,
            second,
            factors,
        }),
        length,
    );
    [parameter, first, second]
}

/// The step's numbers, as the loop over elements uses them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factors {
    gradient_scale: f32,
    /// Times the parameter, added to the gradient.
    l2: f32,
    /// Times the parameter.
    pub(crate) keep: f32,
    beta1: f32,
    /// `1 − beta1`, subtracted in f64 as PyTorch does.
    rest1: f32,
    pub(crate) beta2: f32,
    rest2: f32,
    /// Learning rate over the first bias correction.
    rate: f32,
    /// Reciprocal root of the second bias correction.
    spread: f32,
    epsilon: f32,
}

impl Factors {
    pub(crate) fn new(step: &AdamWStep) -> Self {
        let (correction1, correction2) = step.bias_corrections();
        let (l2, keep) = match step.decoupled {
            WeightDecay::Decoupled => (0.0, 1.0 - step.learning_rate * step.weight_decay),
            WeightDecay::L2 => (step.weight_decay, 1.0),
        };
        Self {
            gradient_scale: step.gradient_scale,
            l2: l2 as f32,
            keep: keep as f32,
            beta1: step.beta1 as f32,
            rest1: (1.0 - step.beta1) as f32,
            beta2: step.beta2 as f32,
            rest2: (1.0 - step.beta2) as f32,
            rate: (step.learning_rate / correction1) as f32,
            spread: (1.0 / correction2.sqrt()) as f32,
            epsilon: step.epsilon as f32,
        }
    }

    /// Moves one element with its `(parameter, first moment, second moment)`.
    #[inline(always)]
    pub(crate) fn apply(&self, (parameter, first, second): (&mut f32, &mut f32, &mut f32), gradient: f32) {
        let gradient = gradient * self.gradient_scale + self.l2 * *parameter;
        *first = self.beta1 * *first + self.rest1 * gradient;
        *second = self.beta2 * *second + self.rest2 * gradient * gradient;
        let denominator = second.sqrt() * self.spread + self.epsilon;
        *parameter = *parameter * self.keep - self.rate * (*first / denominator);
    }
}

struct Step<'a> {
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    factors: Factors,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let factors = self.factors;
        let moments = self.first.iter_mut().zip(self.second);
        for ((parameter, gradient), (first, second)) in
            self.parameters.iter_mut().zip(self.gradients).zip(moments)
        {
            factors.apply((parameter, first, second), *gradient);
        }
    }
}

/// Sums the squares of at most one chunk of elements.
struct SumOfSquares<'a> {
    values: &'a [f32],
}

impl Kernel for SumOfSquares<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        const LANES: usize = 16;
        let mut lanes = [0.0_f64; LANES];
        let (blocks, rest) = self.values.as_chunks::<LANES>();
        for block in blocks {
            for lane in 0..LANES {
                lanes[lane] += f64::from(block[lane]) * f64::from(block[lane]);
            }
        }
        let rest: f64 = rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        core::hint::black_box(lanes).iter().sum::<f64>() + rest
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::parity::{assert_close, floats, in_pool, plain, values};

    fn step(number: u32, decoupled: WeightDecay) -> AdamWStep {
        AdamWStep {
            learning_rate: 1.0e-2,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1.0e-8,
            weight_decay: 0.1,
            step: number,
            gradient_scale: 0.5,
            decoupled,
        }
    }

    /// Parameter and moments after some steps with changing gradients.
    fn trained(
        length: usize,
        decoupled: WeightDecay,
        update: impl Fn(
            Tensor<1>,
            Tensor<1>,
            (Tensor<1>, Tensor<1>),
            &AdamWStep,
        ) -> (Tensor<1>, (Tensor<1>, Tensor<1>)),
    ) -> [Vec<f32>; 3] {
        let tensor = |seed| plain(&values(seed, length), [length]);
        let mut state = (tensor(1), (tensor(1).zeros_like(), tensor(1).zeros_like()));
        for number in 1..=5 {
            let gradient = tensor(u64::from(number) + 1);
            state = update(state.0, gradient, state.1, &step(number, decoupled));
        }
        [state.0, state.1.0, state.1.1].map(floats)
    }

    /// PyTorch's documented algorithm on one number in f64.
    fn by_the_book(parameter: f64, gradients: &[f64], decoupled: WeightDecay) -> f64 {
        let (mut parameter, mut first, mut second) = (parameter, 0.0, 0.0);
        for (index, gradient) in gradients.iter().enumerate() {
            let step = step(index as u32 + 1, decoupled);
            let mut gradient = gradient * f64::from(step.gradient_scale);
            match decoupled {
                WeightDecay::Decoupled => parameter -= step.learning_rate * step.weight_decay * parameter,
                WeightDecay::L2 => gradient += step.weight_decay * parameter,
            }
            first = step.beta1 * first + (1.0 - step.beta1) * gradient;
            second = step.beta2 * second + (1.0 - step.beta2) * gradient * gradient;
            let first_estimate = first / (1.0 - step.beta1.powi(step.step as i32));
            let second_estimate = second / (1.0 - step.beta2.powi(step.step as i32));
            parameter -= step.learning_rate * first_estimate / (second_estimate.sqrt() + step.epsilon);
        }
        parameter
    }

    #[test]
    fn several_steps_follow_the_documented_algorithm() {
        for decoupled in [WeightDecay::Decoupled, WeightDecay::L2] {
            let [parameters, ..] = trained(64, decoupled, adamw_step);
            let gradients: Vec<_> = (2..=6).map(|seed| values(seed, 64)).collect();
            for (index, start) in values(1, 64).into_iter().enumerate() {
                let gradients: Vec<f64> = gradients.iter().map(|step| f64::from(step[index])).collect();
                let expected = by_the_book(f64::from(start), &gradients, decoupled);
                assert!(
                    (f64::from(parameters[index]) - expected).abs() < 1.0e-6,
                    "{decoupled:?}, element {index}"
                );
            }
        }
    }

    #[test]
    fn the_fused_step_agrees_with_the_composed_one() {
        for decoupled in [WeightDecay::Decoupled, WeightDecay::L2] {
            let fused = trained(2 * CHUNK + 7, decoupled, adamw_step);
            let composed = trained(2 * CHUNK + 7, decoupled, composed::adamw_step);
            for (fused, composed) in fused.iter().zip(&composed) {
                assert_close(fused, composed, 1.0e-6);
            }
        }
    }

    #[test]
    fn tensors_that_somebody_else_holds_are_not_overwritten() {
        let start = values(1, 10);
        let (held, gradient) = (plain(&start, [10]), plain(&values(2, 10), [10]));
        let moments = (held.zeros_like(), held.zeros_like());
        let (moved, _) = adamw_step(held.clone(), gradient, moments, &step(1, WeightDecay::L2));
        assert_eq!(floats(held), start);
        assert_ne!(floats(moved), start);
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let run = || trained(20 * CHUNK, WeightDecay::Decoupled, adamw_step);
        assert_eq!(in_pool(1, run), in_pool(2, run));
        let sum = || sum_of_squares(&plain(&values(1, 20 * CHUNK + 3), [20 * CHUNK + 3]));
        assert_eq!(in_pool(1, sum), in_pool(2, sum));
    }

    #[test]
    fn the_sum_of_squares_is_exact_for_small_integers() {
        let values: Vec<f32> = (0..1000).map(|x| (x % 10) as f32).collect();
        assert_eq!(sum_of_squares(&plain(&values, [10, 100]).transpose()), 28_500.0);
    }
}
