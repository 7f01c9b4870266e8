//! Whole multi-head attention as one operator, for sequences whose scores fit in cache.

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
    buffer::{contiguous, is_fused},
    composed,
};

/// `softmax(q · kᵀ / √size) · v` in each head (Vaswani et al., 2017), where padding keys get probability 0.
///
/// `query` is (batch, rows, hidden), `key` and `value` are (batch, length, hidden), and each of the `heads` owns a
/// slice of `hidden / heads` numbers of the last dimension; `mask` is (batch, length), 1 for a real token and 0 for
/// padding, and gets no gradient. The result is (batch, rows, hidden). A query whose keys are all padding attends to
/// all alike.
pub fn attention([query, key, value]: [Tensor<3>; 3], mask: Tensor<2>, heads: usize) -> Tensor<3> {
    let [batch, length, hidden] = key.dims();
    assert_eq!(value.dims(), [batch, length, hidden], "attention: keys and values have different shapes");
    assert_eq!(mask.dims(), [batch, length], "attention: the mask is not (batch, length) of the keys");
    assert!(heads > 0 && hidden % heads == 0, "attention: {heads} heads do not divide a width of {hidden}");
    let [of_queries, _, width] = query.dims();
    assert_eq!([of_queries, width], [batch, hidden], "attention: queries and keys do not fit together");
    let mask = mask.without_autodiff();
    if ![&query, &key, &value].into_iter().all(is_fused) || !is_fused(&mask) {
        return composed::attention([query, key, value], mask, heads);
    }
    let [query, key, value] = [query, key, value].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::attention_fused(query, key, value, mask.into_dispatch(), heads))
}

/// Attention as one operator.
#[backend_extension(Flex, Autodiff)]
trait AttentionOps: Backend {
    fn attention_fused(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self>;
}

impl AttentionOps for Flex {
    fn attention_fused(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        mask: FlexTensor,
        heads: usize,
    ) -> FlexTensor {
        let [query, key, value] = [query, key, value].map(contiguous);
        loops::forward([&query, &key, &value], &contiguous(mask), heads)
    }
}

impl<C: CheckpointStrategy> AttentionOps for Autodiff<Flex, C> {
    fn attention_fused(
        query: AutodiffTensor,
        key: AutodiffTensor,
        value: AutodiffTensor,
        mask: AutodiffTensor,
        heads: usize,
    ) -> AutodiffTensor {
        let tracked = [&query, &key, &value].iter().any(|tensor| tensor.is_tracked());
        let ((query, query_node), (key, key_node)) = (query.into_parts(), key.into_parts());
        let (value, value_node) = value.into_parts();
        let [query, key, value] = [query, key, value].map(contiguous);
        let mask = contiguous(mask.into_primitive());
        if !tracked {
            return constant(loops::forward([&query, &key, &value], &mask, heads));
        }
        let (context, probabilities) =
            loops::forward_with_probabilities([&query, &key, &value], &mask, heads);
        let state = Saved { inputs: [query, key, value], probabilities, heads };
        record::<C, _, 3>(Attention, [query_node, key_node, value_node], state, context)
    }
}

/// What the backward needs of the forward.
#[derive(Debug, Clone)]
struct Saved {
    inputs: [FlexTensor; 3],
    /// (batch, heads, rows, length)
    probabilities: FlexTensor,
    heads: usize,
}

#[derive(Debug)]
struct Attention;

impl Backward<Flex, 3> for Attention {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let nodes = ops.parents;
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let Saved { inputs: [query, key, value], probabilities, heads } = &ops.state;
        let of_inputs = loops::backward([query, key, value], probabilities, &gradient, *heads);
        for (node, gradient) in nodes.into_iter().zip(of_inputs) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use proptest::prelude::*;

    use super::*;
    use crate::parity::{
        assert_close, assert_gradients_match_differences, assert_parity, evaluate, floats, in_pool, plain,
        values,
    };

    /// Batch, rows, length, heads, size of a head.
    type Case = [usize; 5];

    /// The last keys of each example are padding, one more in each; of three examples the last has padding alone.
    fn mask([batch, _, length, ..]: Case) -> Tensor<2> {
        let real = |example: usize| if example == 2 { 0 } else { length - example.min(length) };
        let mask: Vec<f32> =
            (0..batch * length).map(|at| f32::from(u8::from(at % length < real(at / length)))).collect();
        plain(&mask, [batch, length])
    }

    fn inputs([batch, rows, length, heads, size]: Case) -> Vec<Vec<f32>> {
        let hidden = heads * size;
        [rows, length, length]
            .iter()
            .zip(1..)
            .map(|(rows, seed)| values(seed, batch * rows * hidden))
            .collect()
    }

    fn with(
        case: Case,
        operator: fn([Tensor<3>; 3], Tensor<2>, usize) -> Tensor<3>,
    ) -> impl Fn(Vec<Tensor<1>>) -> Tensor<1> {
        let [batch, rows, length, heads, size] = case;
        move |inputs| {
            let shaped = [(0, rows), (1, length), (2, length)]
                .map(|(at, rows)| inputs[at].clone().reshape([batch, rows, heads * size]));
            operator(shaped, mask(case), heads).flatten(0, 2)
        }
    }

    #[test]
    fn forward_and_backward_agree_with_the_reference() {
        for case in
            [[1, 1, 1, 1, 1], [2, 3, 3, 2, 4], [3, 1, 7, 3, 5], [2, 32, 32, 2, 16], [1, 130, 130, 1, 8]]
        {
            assert_parity(&inputs(case), with(case, attention), with(case, composed::attention));
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for case in [[1, 3, 3, 2, 2], [2, 2, 3, 1, 2]] {
            assert_gradients_match_differences(&inputs(case), with(case, attention));
        }
    }

    #[test]
    fn zero_and_huge_scores_stay_finite() {
        let case = [3, 3, 4, 2, 4];
        for scale in [0.0, 1.0e15] {
            let inputs: Vec<Vec<f32>> = inputs(case)
                .into_iter()
                .map(|input| input.into_iter().map(|x| x * scale).collect())
                .collect();
            let (output, gradients) = evaluate(&inputs, with(case, attention));
            assert!(output.iter().chain(gradients.iter().flatten()).all(|x| x.is_finite()), "scale {scale}");
        }
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let case = [8, 32, 32, 2, 64];
        let run = || evaluate(&inputs(case), with(case, attention));
        assert_eq!(in_pool(1, run), in_pool(2, run));
    }

    #[test]
    fn keys_alone_can_be_tracked() {
        let case = [2, 3, 3, 2, 4];
        let all = inputs(case);
        let (_, of_all) = evaluate(&all, with(case, attention));
        let (_, of_key) = evaluate(&all[1..2], |leaf| {
            let constant = |at: usize| plain(&all[at], [all[at].len()]);
            with(case, attention)(vec![constant(0), leaf[0].clone(), constant(2)])
        });
        assert_eq!(of_key[0], of_all[1]);
    }

    proptest! {
        #[test]
        fn any_shape_agrees_with_the_reference(
            case in (1_usize..4, 1_usize..9, 1_usize..20, 1_usize..4, 1_usize..9),
        ) {
            let case = [case.0, case.1, case.2, case.3, case.4];
            let constants = || inputs(case).iter().map(|input| plain(input, [input.len()])).collect::<Vec<_>>();
            let found = floats(with(case, attention)(constants()));
            assert_close(&found, &floats(with(case, composed::attention)(constants())), 1.0e-5);
        }
    }
}
