//! Sums over rows, in an order that depends on the shape alone.

use burn::{backend::flex::FlexTensor, tensor::Shape};

use crate::{
    buffer::{contiguous, elements, from_elements, width},
    simd::{Kernel, rows_per_chunk, run_all},
};

/// Sum over all dimensions but the last: the gradient of a bias.
pub(crate) fn column_sum(tensor: &FlexTensor) -> FlexTensor {
    let tensor = contiguous(tensor.clone());
    let (width, rows) = (width(&tensor), elements(&tensor));
    let chunks = rows.chunks(rows_per_chunk(width) * width);
    let partial = run_all(chunks.map(|rows| SumRows { rows, width }), rows.len());
    from_elements(add_in_order(partial, width), Shape::from([width]))
}

/// Adds partial sums of `width` elements, first to last.
pub(crate) fn add_in_order(partial: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    let mut total = vec![0.0; width];
    for part in partial {
        add(&mut total, &part);
    }
    total
}

struct SumRows<'a> {
    rows: &'a [f32],
    width: usize,
}

impl Kernel for SumRows<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run(self) -> Vec<f32> {
        let mut total = vec![0.0; self.width];
        for row in self.rows.chunks_exact(self.width) {
            add(&mut total, row);
        }
        total
    }
}

#[inline(always)]
fn add(total: &mut [f32], row: &[f32]) {
    for (total, x) in total.iter_mut().zip(row) {
        *total += x;
    }
}
