//! GELU activations, exact and by tanh, each with its slope computed in the same pass.

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
    buffer::{contiguous, elements, is_fused, update, update_with_copy},
    composed, math,
    simd::{CHUNK, Kernel, run},
};

/// `x · Φ(x)` with the exact normal distribution function (Hendrycks and Gimpel, 2016), BERT's `gelu`; |error| < 1e-7 · |x|.
pub fn gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    if !is_fused(&input) {
        return composed::gelu(input);
    }
    Tensor::from_dispatch(Dispatch::gelu_fused(input.into_dispatch(), Form::Exact))
}

/// `x/2 · (1 + tanh(sqrt(2/π) · (x + 0.044715 x³)))`, Hugging Face's `gelu_new` and `gelu_pytorch_tanh`.
pub fn gelu_tanh<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    if !is_fused(&input) {
        return composed::gelu_tanh(input);
    }
    Tensor::from_dispatch(Dispatch::gelu_fused(input.into_dispatch(), Form::Tanh))
}

/// Which function goes by the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Exact,
    Tanh,
}

/// GELU as one operator. (Burn's own trait has a `gelu`, so that this one needs another name.)
#[backend_extension(Flex, Autodiff)]
trait GeluOps: Backend {
    fn gelu_fused(input: FloatTensor<Self>, form: Form) -> FloatTensor<Self>;
}

impl GeluOps for Flex {
    fn gelu_fused(input: FlexTensor, form: Form) -> FlexTensor {
        let (output, _) = update(input, CHUNK, |_, values| match form {
            Form::Exact => run(Forward { values, function: exact }),
            Form::Tanh => run(Forward { values, function: by_tanh }),
        });
        output
    }
}

impl<C: CheckpointStrategy> GeluOps for Autodiff<Flex, C> {
    fn gelu_fused(input: AutodiffTensor, form: Form) -> AutodiffTensor {
        let tracked = input.is_tracked();
        let (input, node) = input.into_parts();
        if !tracked {
            return constant(Flex::gelu_fused(input, form));
        }
        let (output, slope, _) = update_with_copy(input, CHUNK, |_, values, slopes| match form {
            Form::Exact => run(ForwardWithSlope { values, slopes, function: exact }),
            Form::Tanh => run(ForwardWithSlope { values, slopes, function: by_tanh }),
        });
        record::<C, _, 1>(Gelu, [node], slope, output)
    }
}

#[derive(Debug)]
struct Gelu;

impl Backward<Flex, 1> for Gelu {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node);
        if let Some(input) = input {
            gradients.register::<Flex>(input.id, multiply(gradient, ops.state));
        }
    }
}

fn multiply(gradient: FlexTensor, slope: FlexTensor) -> FlexTensor {
    let slope = contiguous(slope);
    let slopes = elements(&slope);
    let (product, _) = update(gradient, CHUNK, |index, values| {
        run(Multiply { slopes: &slopes[index * CHUNK..][..values.len()], values })
    });
    product
}

/// Value and slope of the exact form.
#[inline(always)]
fn exact(x: f32) -> (f32, f32) {
    let (distribution, density) = math::normal(x);
    (x * distribution, distribution + x * density)
}

/// Value and slope of the form by tanh, with (1 + tanh u) / 2 = sigmoid(2u).
#[inline(always)]
fn by_tanh(x: f32) -> (f32, f32) {
    const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769;
    const CUBIC: f32 = 0.044_715;
    let square = x * x;
    let gate = math::sigmoid(TWICE_SQRT_2_OVER_PI * x * (1.0 + CUBIC * square));
    let gate_slope = TWICE_SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * square) * gate * (1.0 - gate);
    (x * gate, gate + x * gate_slope)
}

struct Forward<'a, F> {
    values: &'a mut [f32],
    function: F,
}

impl<F: Fn(f32) -> (f32, f32)> Kernel for Forward<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for value in self.values {
            *value = (self.function)(*value).0;
        }
    }
}

struct ForwardWithSlope<'a, F> {
    values: &'a mut [f32],
    slopes: &'a mut [f32],
    function: F,
}

impl<F: Fn(f32) -> (f32, f32)> Kernel for ForwardWithSlope<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (value, slope) in self.values.iter_mut().zip(self.slopes) {
            (*value, *slope) = (self.function)(*value);
        }
    }
}

struct Multiply<'a> {
    values: &'a mut [f32],
    slopes: &'a [f32],
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (value, slope) in self.values.iter_mut().zip(self.slopes) {
            *value *= slope;
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::parity::{
        assert_close, assert_gradients_match_differences, assert_parity, evaluate, floats, in_pool, plain,
        values,
    };

    fn exact_form(mut inputs: Vec<Tensor<1>>) -> Tensor<1> {
        gelu(inputs.remove(0) * 3.0)
    }

    fn tanh_form(mut inputs: Vec<Tensor<1>>) -> Tensor<1> {
        gelu_tanh(inputs.remove(0) * 3.0)
    }

    #[test]
    fn both_forms_and_their_gradients_agree_with_the_reference() {
        let input = [values(1, 2 * CHUNK + 3)];
        assert_parity(&input, exact_form, |mut inputs| composed::gelu(inputs.remove(0) * 3.0));
        assert_parity(&input, tanh_form, |mut inputs| composed::gelu_tanh(inputs.remove(0) * 3.0));
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        assert_gradients_match_differences(&[values(2, 23)], exact_form);
        assert_gradients_match_differences(&[values(3, 23)], tanh_form);
    }

    #[test]
    fn known_values_come_out() {
        // x · (1 + erf(x / √2)) / 2, from tables of the normal distribution.
        let output = floats(gelu(plain(&[0.0, 1.0, -1.0, 3.0, -3.0, 40.0, -40.0], [7])));
        let expected = [0.0, 0.841_344_8, -0.158_655_25, 2.995_950_3, -0.004_049_694, 40.0, 0.0];
        for (found, expected) in output.iter().zip(expected) {
            assert!((found - expected).abs() <= 2.0e-7 * (1.0 + expected.abs()), "{found} for {expected}");
        }
    }

    #[test]
    fn a_tensor_that_somebody_else_holds_is_not_overwritten() {
        let input = values(6, 100);
        let held = plain(&input, [100]);
        let first = floats(gelu(held.clone()));
        assert_eq!(floats(held.clone()), input);
        assert_close(&floats(gelu(held.reshape([10, 10]).transpose().transpose())), &first, 0.0);
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let input = values(7, 20 * CHUNK + 11);
        let run = || evaluate(std::slice::from_ref(&input), exact_form);
        assert_eq!(in_pool(1, run), in_pool(2, run));
    }
}
