//! Embedding lookup, with a backward that adds rows.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{DType, Int, Shape, Tensor},
};

use crate::{
    autodiff::{AutodiffTensor, constant, record},
    buffer::{contiguous, elements, from_elements, is_fused, width},
    composed,
    row_gradient::{MOST_ROWS, pack},
};

/// Rows of `weight` (vocabulary, width) at `ids` (batch, length): (batch, length, width).
///
/// The weight's gradient is dense. An id outside the vocabulary panics.
pub fn embedding(weight: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    if !is_fused(&weight) || !matches!(ids.dtype(), DType::I32 | DType::I64) {
        return composed::embedding(weight, ids);
    }
    Tensor::from_dispatch(Dispatch::embedding_fused(weight.into_dispatch(), ids.into_dispatch(), Form::Dense))
}

/// As [`embedding`], but the weight's gradient lists only the rows that were looked up: see
/// [`RowGradient::unpack`](crate::RowGradient::unpack).
///
/// The weight must be looked up once in a graph and used by no other operator there. Where the fused
/// operators do not apply, and for a table of more than 2²⁴ rows, the gradient is dense.
pub fn embedding_by_rows(weight: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    let fits = weight.dims()[0] <= MOST_ROWS;
    if !fits || !is_fused(&weight) || !matches!(ids.dtype(), DType::I32 | DType::I64) {
        return embedding(weight, ids);
    }
    Tensor::from_dispatch(Dispatch::embedding_fused(weight.into_dispatch(), ids.into_dispatch(), Form::Rows))
}

/// How the weight's gradient is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// (vocabulary, width).
    Dense,
    /// As a packed [`RowGradient`](crate::RowGradient).
    Rows,
}

/// Embedding lookup as one operator. (Burn's own trait has an `embedding`, so that this one needs another name.)
#[backend_extension(Flex, Autodiff)]
trait EmbeddingOps: Backend {
    fn embedding_fused(weight: FloatTensor<Self>, ids: IntTensor<Self>, form: Form) -> FloatTensor<Self>;
}

impl EmbeddingOps for Flex {
    fn embedding_fused(weight: FlexTensor, ids: FlexTensor, _: Form) -> FlexTensor {
        gather(weight, &indices(&ids), ids.shape())
    }
}

impl<C: CheckpointStrategy> EmbeddingOps for Autodiff<Flex, C> {
    fn embedding_fused(weight: AutodiffTensor, ids: FlexTensor, form: Form) -> AutodiffTensor {
        let tracked = weight.is_tracked();
        let (weight, node) = weight.into_parts();
        if !tracked {
            return constant(Flex::embedding_fused(weight, ids, form));
        }
        let indices = indices(&ids);
        let shape = weight.shape();
        let output = gather(weight, &indices, ids.shape());
        record::<C, _, 1>(Embedding, [node], Saved { indices, shape, form }, output)
    }
}

#[derive(Debug, Clone)]
struct Saved {
    indices: Vec<usize>,
    /// (vocabulary, width).
    shape: Shape,
    form: Form,
}

#[derive(Debug)]
struct Embedding;

impl Backward<Flex, 1> for Embedding {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [weight] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node);
        if let Some(weight) = weight {
            gradients.register::<Flex>(weight.id, table_gradient(gradient, ops.state));
        }
    }
}

fn indices(ids: &FlexTensor) -> Vec<usize> {
    let ids = contiguous(ids.clone());
    match (ids.as_slice::<i32>(), ids.as_slice::<i64>()) {
        (Some(ids), _) => ids.iter().map(|id| *id as usize).collect(),
        (None, Some(ids)) => ids.iter().map(|id| *id as usize).collect(),
        (None, None) => unreachable!("ids were checked to be contiguous i32 or i64"),
    }
}

fn gather(weight: FlexTensor, indices: &[usize], ids: Shape) -> FlexTensor {
    let weight = contiguous(weight);
    let (width, table) = (width(&weight), elements(&weight));
    let mut rows = Vec::with_capacity(indices.len() * width);
    for index in indices {
        rows.extend_from_slice(&table[index * width..][..width]);
    }
    from_elements(rows, Shape::from([ids[0], ids[1], width]))
}

fn table_gradient(gradient: FlexTensor, saved: Saved) -> FlexTensor {
    match saved.form {
        Form::Dense => scatter_add(gradient, saved),
        Form::Rows => pack(&saved.indices, elements(&contiguous(gradient)), saved.shape[1]),
    }
}

fn scatter_add(gradient: FlexTensor, saved: Saved) -> FlexTensor {
    let gradient = contiguous(gradient);
    let width = saved.shape[1];
    let mut table = vec![0.0; saved.shape.num_elements()];
    for (index, row) in saved.indices.iter().zip(elements(&gradient).chunks_exact(width)) {
        for (total, x) in table[index * width..][..width].iter_mut().zip(row) {
            *total += x;
        }
    }
    from_elements(table, saved.shape)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, Tensor};

    use super::*;
    use crate::RowGradient;
    use crate::parity::{assert_gradients_match_differences, assert_parity, floats, plain, values};

    fn ids() -> Tensor<2, Int> {
        Tensor::from_ints([[0, 3, 3], [4, 0, 3]], &Device::flex())
    }

    fn fused(mut inputs: Vec<Tensor<1>>) -> Tensor<1> {
        embedding(inputs.remove(0).reshape([5, 4]), ids()).flatten(0, 2)
    }

    #[test]
    fn forward_and_backward_agree_with_the_reference() {
        assert_parity(&[values(1, 20)], fused, |mut inputs| {
            composed::embedding(inputs.remove(0).reshape([5, 4]), ids()).flatten(0, 2)
        });
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        assert_gradients_match_differences(&[values(2, 20)], fused);
    }

    #[test]
    fn ids_of_either_width_and_on_either_device_find_their_rows() {
        let table = plain(&[0.0, 1.0, 2.0], [3, 1]);
        let ids = Tensor::<2, Int>::from_ints([[2, 0]], &Device::flex());
        for ids in [ids.clone().cast(DType::I64), ids.clone().cast(DType::I32), ids.autodiff()] {
            assert_eq!(floats(embedding(table.clone(), ids)), [2.0, 0.0]);
        }
    }

    #[test]
    fn a_gradient_by_rows_is_the_dense_one() {
        let table = || plain(&values(1, 20), [5, 4]).autodiff().require_grad();
        let weights = || plain(&values(2, 24), [2, 3, 4]);
        let (dense, by_rows) = (table(), table());
        let expected = (embedding(dense.clone(), ids()) * weights()).sum().backward();
        let found = (embedding_by_rows(by_rows.clone(), ids()) * weights()).sum().backward();
        let found = RowGradient::unpack(&by_rows.grad(&found).unwrap(), 4).unwrap();
        assert_eq!(found.rows, [0, 3, 4]);
        assert_eq!(floats(found.dense(5)), floats(dense.grad(&expected).unwrap()));
    }
}
