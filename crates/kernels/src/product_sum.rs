//! Sums of products over many rows: what least squares are solved from.

use burn::{backend::flex::FlexTensor, tensor::Tensor};

use crate::{
    adamw::{flex, is_plain_fused},
    buffer::{contiguous, elements},
    gemm_f32::{Factor, add_product},
};

/// Rows whose products are summed in f32 before they are added to the others in f64.
const RECENT_ROWS: usize = 4096;
/// Columns of a symmetric sum that are computed together; those left of them are copied from their mirror images.
const BLOCK: usize = 128;

/// The sum of leftᵀ right, (left width, right width), over matrices with as many rows each.
#[derive(Debug, Clone)]
pub struct ProductSum {
    left: usize,
    right: usize,
    form: Form,
    /// Column after column, of the rows since the last were added to `total`.
    recent: Vec<f32>,
    recent_rows: usize,
    /// Column after column.
    total: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Any,
    /// Equal to its transpose: only its upper triangle is computed.
    Symmetric,
}

impl ProductSum {
    /// Of matrices of these widths, nothing summed yet.
    pub fn new(left: usize, right: usize) -> Self {
        Self::of_form(left, right, Form::Any)
    }

    /// Of pairs whose product is its own transpose, such as a matrix and itself with weights on its rows: about half of
    /// the work.
    pub fn symmetric(width: usize) -> Self {
        Self::of_form(width, width, Form::Symmetric)
    }

    fn of_form(left: usize, right: usize, form: Form) -> Self {
        let (recent, total) = (vec![0.0; left * right], vec![0.0; left * right]);
        Self { left, right, form, recent, recent_rows: 0, total }
    }

    /// Adds leftᵀ right for (rows, left width) and (rows, right width), in f32 for some thousands of rows at most.
    ///
    /// Panics for other widths, or unequal numbers of rows.
    pub fn add(&mut self, left: &Tensor<2>, right: &Tensor<2>) {
        let ([rows, own], [others, width]) = (left.dims(), right.dims());
        assert_eq!((rows, own, width), (others, self.left, self.right), "product sum: sizes do not fit");
        if is_plain_fused(left) && is_plain_fused(right) {
            let (left, right) = (contiguous(flex(left.clone())), contiguous(flex(right.clone())));
            (0..rows).step_by(RECENT_ROWS).for_each(|from| {
                self.add_rows((from, RECENT_ROWS.min(rows - from)), (&left, &right));
            });
        } else {
            let product = right.clone().transpose().matmul(left.clone()).into_data().convert::<f32>();
            // Every device gives its numbers back as f32 after the conversion.
            let values: Vec<f32> = product.try_into_vec().unwrap_or_default();
            self.total.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
        }
    }

    fn add_rows(&mut self, (from, rows): (usize, usize), (left, right): (&FlexTensor, &FlexTensor)) {
        if self.recent_rows + rows > RECENT_ROWS {
            self.settle();
        }
        self.recent_rows += rows;
        let step = match self.form {
            Form::Any => self.right,
            Form::Symmetric => BLOCK,
        };
        let left = Factor { elements: &elements(left)[from * self.left..], strides: [self.left, 1] };
        let right = &elements(right)[from * self.right..];
        for column in (0..self.right).step_by(step.max(1)) {
            let columns = step.min(self.right - column);
            let depth = match self.form {
                Form::Any => self.left,
                Form::Symmetric => column + columns,
            };
            let right = Factor { elements: &right[column..], strides: [self.right, 1] };
            let output = &mut self.recent[column * self.left..];
            add_product([columns, rows, depth], right.transposed(), left, (output, self.left));
        }
    }

    fn settle(&mut self) {
        for (sum, value) in self.total.iter_mut().zip(&mut self.recent) {
            *sum += f64::from(*value);
            *value = 0.0;
        }
        self.recent_rows = 0;
    }

    /// The sum, column after column.
    pub fn columns(mut self) -> Vec<f64> {
        self.settle();
        if self.form == Form::Symmetric {
            for column in 0..self.right {
                for row in column + 1..self.left {
                    self.total[column * self.left + row] = self.total[row * self.left + column];
                }
            }
        }
        self.total
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::parity::{plain, values};

    fn exact(left: &[f32], right: &[f32], [rows, own, width]: [usize; 3]) -> Vec<f64> {
        let mut sum = vec![0.0; own * width];
        for row in 0..rows {
            for (column, b) in right[row * width..][..width].iter().enumerate() {
                for (place, a) in left[row * own..][..own].iter().enumerate() {
                    sum[column * own + place] += f64::from(*a) * f64::from(*b);
                }
            }
        }
        sum
    }

    fn assert_close(found: &[f64], expected: &[f64], rows: usize) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5 * rows as f64, "{found} instead of {expected}");
        }
    }

    #[test]
    fn products_are_summed_over_all_matrices() {
        let (left, right) = (values(1, 90 * 7), values(2, 90 * 5));
        let mut sum = ProductSum::new(7, 5);
        for (from, rows) in [(0, 40), (40, 50)] {
            let part = |of: &[f32], width: usize| of[from * width..(from + rows) * width].to_vec();
            sum.add(&plain(&part(&left, 7), [rows, 7]), &plain(&part(&right, 5), [rows, 5]));
        }
        assert_close(&sum.columns(), &exact(&left, &right, [90, 7, 5]), 90);
    }

    #[test]
    fn a_symmetric_sum_is_whole_for_any_width_and_more_rows_than_are_kept_in_f32() {
        for (rows, width) in [(3, 1), (50, 129), (RECENT_ROWS + 77, 30), (9, 300)] {
            let (matrix, weights) = (values(3, rows * width), values(4, rows));
            let (tensor, weight) = (plain(&matrix, [rows, width]), plain(&weights, [rows, 1]));
            let mut sum = ProductSum::symmetric(width);
            let weighted: Tensor<2> = tensor.clone() * weight;
            sum.add(&tensor, &weighted);
            let weighted: Vec<f32> = weighted.into_data().try_into_vec().unwrap();
            assert_close(&sum.columns(), &exact(&matrix, &weighted, [rows, width, width]), rows);
        }
    }

    #[test]
    fn tracked_tensors_are_summed_too() {
        let (left, right) = (values(5, 12), values(6, 8));
        let mut sum = ProductSum::new(3, 2);
        sum.add(&plain(&left, [4, 3]).autodiff(), &plain(&right, [4, 2]));
        assert_close(&sum.columns(), &exact(&left, &right, [4, 3, 2]), 4);
    }
}
