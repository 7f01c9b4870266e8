//! The affine map on rows.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops},
        },
        backend_extension,
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{Shape, Tensor},
};

use crate::{
    autodiff::{AutodiffTensor, constant, record},
    bf16::{self, Arithmetic, Matrix, bf16_is_fast},
    buffer::{contiguous, elements, from_elements, is_fused, width},
    column_sum::column_sum,
    composed,
    gemm_f32::product_of,
};

/// `input · weight + bias` over the last dimension; `weight` is (in, out), `bias` (out).
///
/// Leading dimensions are flattened to rows, so that the output, the input's gradient and the
/// weight's gradient are one matrix product each, in `arithmetic`. (The composed default is always in f32.)
pub fn linear<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    arithmetic: Arithmetic,
) -> Tensor<D> {
    if !is_fused(&input) || !is_fused(&weight) {
        return composed::linear(input, weight, bias);
    }
    let arithmetic = if bf16_is_fast() { arithmetic } else { Arithmetic::F32 };
    let (input, weight) = (input.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::affine(input, weight, bias.into_dispatch(), arithmetic),
        None => Dispatch::project(input, weight, arithmetic),
    })
}

/// The affine map as one operator.
#[backend_extension(Flex, Autodiff)]
trait LinearOps: Backend {
    fn affine(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        arithmetic: Arithmetic,
    ) -> FloatTensor<Self>;

    fn project(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        arithmetic: Arithmetic,
    ) -> FloatTensor<Self>;
}

impl LinearOps for Flex {
    fn affine(input: FlexTensor, weight: FlexTensor, bias: FlexTensor, arithmetic: Arithmetic) -> FlexTensor {
        product(input, &weight, Some(&contiguous(bias)), arithmetic)
    }

    fn project(input: FlexTensor, weight: FlexTensor, arithmetic: Arithmetic) -> FlexTensor {
        product(input, &weight, None, arithmetic)
    }
}

/// `input · weight`, plus `bias`, with the input's leading dimensions.
fn product(
    input: FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    arithmetic: Arithmetic,
) -> FlexTensor {
    let mut shape = input.shape();
    let last = shape.num_dims() - 1;
    shape[last] = width(weight);
    let product = matmul(rows(input), weight.clone(), bias, arithmetic); // (rows, out)
    product.with_layout(Layout::contiguous(shape))
}

/// The product of two matrices, plus `bias` on every row.
fn matmul(
    left: FlexTensor,
    right: FlexTensor,
    bias: Option<&FlexTensor>,
    arithmetic: Arithmetic,
) -> FlexTensor {
    let (left, right) = (with_positive_strides(left), with_positive_strides(right));
    let (left, right) = (matrix(&left), matrix(&right));
    let (shape, bias) = (Shape::from([left.rows, right.columns]), bias.map(elements));
    let product = match arithmetic {
        Arithmetic::F32 => product_of(left, right, bias),
        Arithmetic::Bf16 => bf16::product(left, right, bias),
    };
    from_elements(product, shape)
}

fn with_positive_strides(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().has_positive_strides() { tensor } else { tensor.to_contiguous() }
}

/// The elements of a matrix with positive strides, and how to find them.
fn matrix(tensor: &FlexTensor) -> Matrix<'_> {
    let layout = tensor.layout();
    let [rows, columns] = [layout.shape()[0], layout.shape()[1]];
    let strides = [0, 1].map(|dim| layout.strides()[dim].unsigned_abs());
    Matrix { elements: &tensor.storage::<f32>()[layout.start_offset()..], rows, columns, strides }
}

impl<C: CheckpointStrategy> LinearOps for Autodiff<Flex, C> {
    fn affine(
        input: AutodiffTensor,
        weight: AutodiffTensor,
        bias: AutodiffTensor,
        arithmetic: Arithmetic,
    ) -> AutodiffTensor {
        let tracked = (input.is_tracked(), weight.is_tracked(), bias.is_tracked());
        let ((input, input_node), (weight, weight_node)) = (input.into_parts(), weight.into_parts());
        let (bias, bias_node) = bias.into_parts();
        let output = Flex::affine(input.clone(), weight.clone(), bias, arithmetic);
        if tracked == (false, false, false) {
            return constant(output);
        }
        let state = Saved::new((input, tracked.0), (weight, tracked.1), arithmetic);
        record::<C, _, 3>(Affine, [input_node, weight_node, bias_node], state, output)
    }

    fn project(input: AutodiffTensor, weight: AutodiffTensor, arithmetic: Arithmetic) -> AutodiffTensor {
        let tracked = (input.is_tracked(), weight.is_tracked());
        let ((input, input_node), (weight, weight_node)) = (input.into_parts(), weight.into_parts());
        let output = Flex::project(input.clone(), weight.clone(), arithmetic);
        if tracked == (false, false) {
            return constant(output);
        }
        let state = Saved::new((input, tracked.0), (weight, tracked.1), arithmetic);
        record::<C, _, 2>(Project, [input_node, weight_node], state, output)
    }
}

/// Each factor, kept where the other one's gradient is wanted.
#[derive(Debug, Clone)]
struct Saved {
    input: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    arithmetic: Arithmetic,
}

impl Saved {
    /// Each factor with whether it is tracked.
    fn new(input: (FlexTensor, bool), weight: (FlexTensor, bool), arithmetic: Arithmetic) -> Self {
        Self { input: weight.1.then_some(input.0), weight: input.1.then_some(weight.0), arithmetic }
    }

    fn input_gradient(&self, output: &FlexTensor) -> Option<FlexTensor> {
        let weight = self.weight.as_ref()?.transpose(0, 1); // (out, in)
        Some(Flex::project(output.clone(), weight, self.arithmetic))
    }

    fn weight_gradient(&self, output: &FlexTensor) -> Option<FlexTensor> {
        let input = rows(self.input.clone()?).transpose(0, 1); // (in, rows)
        Some(matmul(input, rows(output.clone()), None, self.arithmetic))
    }
}

#[derive(Debug)]
struct Affine;

impl Backward<Flex, 3> for Affine {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input, weight, bias] = ops.parents;
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        if let (Some(node), Some(gradient)) = (input, ops.state.input_gradient(&gradient)) {
            gradients.register::<Flex>(node.id, gradient);
        }
        if let (Some(node), Some(gradient)) = (weight, ops.state.weight_gradient(&gradient)) {
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some(node) = bias {
            gradients.register::<Flex>(node.id, column_sum(&gradient));
        }
    }
}

#[derive(Debug)]
struct Project;

impl Backward<Flex, 2> for Project {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input, weight] = ops.parents;
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        if let (Some(node), Some(gradient)) = (input, ops.state.input_gradient(&gradient)) {
            gradients.register::<Flex>(node.id, gradient);
        }
        if let (Some(node), Some(gradient)) = (weight, ops.state.weight_gradient(&gradient)) {
            gradients.register::<Flex>(node.id, gradient);
        }
    }
}

/// The tensor as (rows, last dimension).
fn rows(tensor: FlexTensor) -> FlexTensor {
    let tensor = contiguous(tensor);
    let width = width(&tensor);
    let shape = Shape::from([tensor.layout().num_elements() / width.max(1), width]);
    match tensor.layout().reshape(shape) {
        Some(layout) => tensor.with_layout(layout),
        None => unreachable!("a contiguous tensor takes any shape of its size"),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::parity::{
        assert_close, assert_gradients_match_differences, assert_parity, evaluate, floats, plain, values,
    };

    /// Input, weight and, where there is one, bias: (batch, length, in) · (in, out).
    fn fused([batch, length, input, output]: [usize; 4]) -> impl Fn(Vec<Tensor<1>>) -> Tensor<1> {
        move |inputs| {
            let rows = inputs[0].clone().reshape([batch, length, input]);
            linear(rows, inputs[1].clone().reshape([input, output]), inputs.get(2).cloned(), Arithmetic::F32)
                .flatten(0, 2)
        }
    }

    fn inputs([batch, length, input, output]: [usize; 4]) -> Vec<Vec<f32>> {
        vec![values(1, batch * length * input), values(2, input * output), values(3, output)]
    }

    #[test]
    fn forward_and_backward_agree_with_the_reference_with_and_without_bias() {
        for shape in [[1, 1, 1, 1], [2, 3, 5, 7], [4, 32, 64, 48]] {
            let [batch, length, input, output] = shape;
            let composed = |inputs: Vec<Tensor<1>>| {
                let rows = inputs[0].clone().reshape([batch, length, input]);
                let weight = inputs[1].clone().reshape([input, output]);
                composed::linear(rows, weight, inputs.get(2).cloned()).flatten(0, 2)
            };
            assert_parity(&inputs(shape), fused(shape), composed);
            assert_parity(&inputs(shape)[..2], fused(shape), composed);
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        assert_gradients_match_differences(&inputs([2, 2, 3, 4]), fused([2, 2, 3, 4]));
    }

    #[test]
    fn a_transposed_input_and_a_transposed_weight_are_read_in_their_order() {
        let input = plain(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2]).transpose(); // [[1, 3, 5], [2, 4, 6]]
        let weight = plain(&[1.0, 0.0, 0.0, 0.0, 1.0, 10.0], [2, 3]).transpose(); // [[1, 0], [0, 1], [0, 10]]
        assert_eq!(floats(linear(input, weight, None, Arithmetic::F32)), [1.0, 53.0, 2.0, 64.0]);
    }

    #[test]
    fn a_frozen_weight_leaves_the_inputs_gradient_as_it_is() {
        let shape = [2, 3, 4, 5];
        let [input, weight, bias] = <[Vec<f32>; 3]>::try_from(inputs(shape)).unwrap();
        let (_, all) = evaluate(&[input.clone(), weight.clone(), bias.clone()], fused(shape));
        let (_, frozen) = evaluate(&[input], |leaf| {
            let constants = [plain(&weight, [20]), plain(&bias, [5])];
            fused(shape)(leaf.into_iter().chain(constants).collect())
        });
        assert_eq!(frozen[0], all[0]);
    }

    #[test]
    fn bf16_agrees_with_f32_within_its_rounding_forward_and_backward() {
        let shape = [3, 7, 70, 45];
        let in_bf16 = |inputs: Vec<Tensor<1>>| {
            let rows = inputs[0].clone().reshape([3, 7, 70]);
            let weight = inputs[1].clone().reshape([70, 45]);
            linear(rows, weight, inputs.get(2).cloned(), Arithmetic::Bf16).flatten(0, 2)
        };
        let (output, gradients) = evaluate(&inputs(shape), in_bf16);
        let (expected, expected_gradients) = evaluate(&inputs(shape), fused(shape));
        assert_close(&output, &expected, 1.0e-2);
        for (gradient, expected) in gradients.iter().zip(&expected_gradients) {
            assert_close(gradient, expected, 1.0e-2);
        }
        let constants = inputs(shape).iter().map(|input| plain(input, [input.len()])).collect();
        assert_eq!(floats(in_bf16(constants)), output, "the plain output differs from the tracked one");
    }
}
