//! Layer normalisation, alone and with a residual.

mod loops;

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
    buffer::is_fused,
    composed,
};
use loops::{Normalized, RowMoments};

/// `(input − mean) / sqrt(variance + epsilon) · weight + bias` over the last dimension (Ba, Kiros and Hinton, 2016).
///
/// The variance is the population's, as in PyTorch; `weight` and `bias` have the last dimension's width.
pub fn layer_norm<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    if !is_fused(&input) {
        return composed::layer_norm(input, weight, bias, epsilon);
    }
    let input = input.into_dispatch();
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::layer_norm(input, weight, bias, epsilon as f32))
}

/// `layer_norm(input + residual)`; both have the same shape.
pub fn add_layer_norm<const D: usize>(
    input: Tensor<D>,
    residual: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    assert_eq!(input.dims(), residual.dims(), "add_layer_norm: input and residual have different shapes");
    if !is_fused(&input) {
        return composed::layer_norm(input + residual, weight, bias, epsilon);
    }
    let (input, residual) = (input.into_dispatch(), residual.into_dispatch());
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::add_layer_norm(input, residual, weight, bias, epsilon as f32))
}

/// Layer normalisation as one operator.
#[backend_extension(Flex, Autodiff)]
trait LayerNormOps: Backend {
    fn layer_norm(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;

    fn add_layer_norm(
        input: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;
}

impl LayerNormOps for Flex {
    fn layer_norm(input: FlexTensor, weight: FlexTensor, bias: FlexTensor, epsilon: f32) -> FlexTensor {
        loops::normalize(input, &weight, &bias, epsilon).0
    }

    fn add_layer_norm(
        input: FlexTensor,
        residual: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        epsilon: f32,
    ) -> FlexTensor {
        loops::add_normalize(input, residual, &weight, &bias, epsilon).output
    }
}

impl<C: CheckpointStrategy> LayerNormOps for Autodiff<Flex, C> {
    fn layer_norm(
        input: AutodiffTensor,
        weight: AutodiffTensor,
        bias: AutodiffTensor,
        epsilon: f32,
    ) -> AutodiffTensor {
        let tracked = input.is_tracked() || weight.is_tracked() || bias.is_tracked();
        let ((input, input_node), (weight, weight_node)) = (input.into_parts(), weight.into_parts());
        let (bias, bias_node) = bias.into_parts();
        if !tracked {
            return constant(Flex::layer_norm(input, weight, bias, epsilon));
        }
        let (output, moments) = loops::normalize(input.clone(), &weight, &bias, epsilon);
        let state = Saved { input, moments, weight };
        record::<C, _, 3>(LayerNorm, [input_node, weight_node, bias_node], state, output)
    }

    fn add_layer_norm(
        input: AutodiffTensor,
        residual: AutodiffTensor,
        weight: AutodiffTensor,
        bias: AutodiffTensor,
        epsilon: f32,
    ) -> AutodiffTensor {
        let tracked = [&input, &residual, &weight, &bias].iter().any(|tensor| tensor.is_tracked());
        let ((input, input_node), (residual, residual_node)) = (input.into_parts(), residual.into_parts());
        let ((weight, weight_node), (bias, bias_node)) = (weight.into_parts(), bias.into_parts());
        let Normalized { sum, output, moments } =
            loops::add_normalize(input, residual, &weight, &bias, epsilon);
        if !tracked {
            return constant(output);
        }
        let nodes = [input_node, residual_node, weight_node, bias_node];
        record::<C, _, 4>(AddLayerNorm, nodes, Saved { input: sum, moments, weight }, output)
    }
}

/// What the backward needs of the forward.
#[derive(Debug, Clone)]
struct Saved {
    /// The tensor that was normalised.
    input: FlexTensor,
    /// Of each of its rows.
    moments: Vec<RowMoments>,
    weight: FlexTensor,
}

#[derive(Debug)]
struct LayerNorm;

impl Backward<Flex, 3> for LayerNorm {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input, weight, bias] = ops.parents;
        let output_gradient = gradients.consume::<Flex>(&ops.node);
        let backward =
            loops::backward(output_gradient, &ops.state.input, &ops.state.moments, &ops.state.weight);
        for (node, gradient) in [(input, backward.input), (weight, backward.weight), (bias, backward.bias)] {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct AddLayerNorm;

impl Backward<Flex, 4> for AddLayerNorm {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input, residual, weight, bias] = ops.parents;
        let output_gradient = gradients.consume::<Flex>(&ops.node);
        let backward =
            loops::backward(output_gradient, &ops.state.input, &ops.state.moments, &ops.state.weight);
        for (node, gradient) in [(weight, backward.weight), (bias, backward.bias)] {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
        // Both terms of the sum have its gradient.
        match (input, residual) {
            (Some(input), Some(residual)) => {
                gradients.register::<Flex>(residual.id, backward.input.clone());
                gradients.register::<Flex>(input.id, backward.input);
            }
            (Some(node), None) | (None, Some(node)) => gradients.register::<Flex>(node.id, backward.input),
            (None, None) => {}
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

    const EPSILON: f64 = 1.0e-12;

    fn inputs(rows: usize, width: usize) -> Vec<Vec<f32>> {
        vec![values(1, rows * width), values(2, width), values(3, width), values(4, rows * width)]
    }

    /// Input, weight and bias, and the residual where there is one.
    fn fused(width: usize) -> impl Fn(Vec<Tensor<1>>) -> Tensor<1> {
        move |inputs| {
            let rows = |index: usize| inputs[index].clone().reshape([1, -1, width as i32]);
            let (weight, bias) = (inputs[1].clone(), inputs[2].clone());
            let output: Tensor<3> = match inputs.len() {
                3 => layer_norm(rows(0), weight, bias, EPSILON),
                _ => add_layer_norm(rows(0), rows(3), weight, bias, EPSILON),
            };
            output.flatten(0, 2)
        }
    }

    fn reference(width: usize) -> impl Fn(Vec<Tensor<1>>) -> Tensor<1> {
        move |inputs| {
            let rows = |index: usize| inputs[index].clone().reshape([-1, width as i32]);
            let sum: Tensor<2> = if inputs.len() == 3 { rows(0) } else { rows(0) + rows(3) };
            composed::layer_norm(sum, inputs[1].clone(), inputs[2].clone(), EPSILON).flatten(0, 1)
        }
    }

    #[test]
    fn forward_and_backward_agree_with_the_reference_with_and_without_residual() {
        for (rows, width) in [(1, 2), (5, 7), (300, 128), (33, 1000)] {
            let inputs = inputs(rows, width);
            assert_parity(&inputs[..3], fused(width), reference(width));
            assert_parity(&inputs, fused(width), reference(width));
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        assert_gradients_match_differences(&inputs(3, 6), fused(6));
    }

    #[test]
    fn parameters_without_gradient_leave_the_inputs_gradient_as_it_is() {
        let [input, weight, bias, residual] = <[Vec<f32>; 4]>::try_from(inputs(5, 16)).unwrap();
        let (_, all) = evaluate(&[input.clone(), weight.clone(), bias.clone(), residual.clone()], fused(16));
        let (_, frozen) = evaluate(&[input], |leaf| {
            let constants = [plain(&weight, [16]), plain(&bias, [16]), plain(&residual, [80])];
            fused(16)(leaf.into_iter().chain(constants).collect())
        });
        assert_eq!(frozen[0], all[0]);
    }

    #[test]
    fn operators_on_autodiff_tensors_that_need_no_gradient_record_nothing() {
        let input = plain(&values(1, 32), [2, 16]).autodiff();
        let (weight, bias) = (plain(&[1.0; 16], [16]), plain(&[0.0; 16], [16]));
        let output = layer_norm(input, weight, bias, EPSILON);
        assert!(output.is_autodiff() && !output.is_tracked());
    }

    #[test]
    fn a_row_is_centred_and_scaled() {
        let output = layer_norm(
            plain(&[1.0, 2.0, 3.0, 4.0], [1, 4]),
            plain(&[1.0; 4], [4]),
            plain(&[0.0; 4], [4]),
            0.0,
        );
        let unit = 1.0 / 1.25_f32.sqrt();
        assert_close(&floats(output), &[-1.5 * unit, -0.5 * unit, 0.5 * unit, 1.5 * unit], 1.0e-6);
    }

    #[test]
    fn tensors_that_somebody_else_holds_are_not_overwritten() {
        let [input, _, _, residual] = <[Vec<f32>; 4]>::try_from(inputs(4, 8)).unwrap();
        let (held, held_residual) = (plain(&input, [4, 8]), plain(&residual, [4, 8]));
        let (weight, bias) = (plain(&[1.0; 8], [8]), plain(&[0.0; 8], [8]));
        add_layer_norm(held.clone(), held_residual.clone(), weight, bias, EPSILON);
        assert_eq!((floats(held), floats(held_residual)), (input, residual));
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let inputs = inputs(1500, 128);
        let run = || evaluate(&inputs, fused(128));
        assert_eq!(in_pool(1, run), in_pool(2, run));
    }
}
