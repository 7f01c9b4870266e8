//! Matrix products in f32 over strided slices, by the `gemm` crate.

use gemm::Parallelism;

use crate::bf16::Matrix;

/// A factor: its elements from the first one on, and the distance between neighbours in a column, and in a row.
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a> {
    pub(crate) elements: &'a [f32],
    pub(crate) strides: [usize; 2],
}

impl<'a> From<Matrix<'a>> for Factor<'a> {
    fn from(matrix: Matrix<'a>) -> Self {
        Self { elements: matrix.elements, strides: matrix.strides }
    }
}

impl Factor<'_> {
    /// The same matrix with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self { strides: [self.strides[1], self.strides[0]], ..self }
    }
}

/// Writes `left · right`, on one thread, of sizes (rows, depth) and (depth, columns), over `output`, whose rows are `stride` apart.
pub(crate) fn multiply(sizes: [usize; 3], left: Factor<'_>, right: Factor<'_>, output: (&mut [f32], usize)) {
    product(sizes, (left, right), output, Earlier::Replaced);
}

/// Adds `left · right`, on one thread, of sizes (rows, depth) and (depth, columns), to `output`, whose rows are `stride` apart.
pub(crate) fn add_product(
    sizes: [usize; 3],
    left: Factor<'_>,
    right: Factor<'_>,
    output: (&mut [f32], usize),
) {
    product(sizes, (left, right), output, Earlier::Kept);
}

/// What becomes of the numbers that an output holds already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Earlier {
    Replaced,
    Kept,
}

/// Multiplications below which threads cost more than they save.
const PARALLEL_THRESHOLD: usize = 192 * 192 * 192;

/// `left · right`, plus `bias` on every row, in a buffer of its own, row after row; on this pool's threads where they pay.
pub(crate) fn product_of(left: Matrix<'_>, right: Matrix<'_>, bias: Option<&[f32]>) -> Vec<f32> {
    let sizes = [left.rows, left.columns, right.columns];
    let [rows, depth, columns] = sizes;
    assert_eq!(depth, right.rows, "matrix product: inner sizes differ");
    let factors = (left.into(), right.into());
    let parallelism = match rows.saturating_mul(depth).saturating_mul(columns) {
        work if work >= PARALLEL_THRESHOLD && rayon::current_num_threads() > 1 => Parallelism::Rayon(0),
        _ => Parallelism::None,
    };
    let mut output = Vec::with_capacity(rows * columns);
    match bias {
        Some(bias) => (0..rows).for_each(|_| output.extend_from_slice(&bias[..columns])),
        None if depth == 0 => output.resize(rows * columns, 0.0),
        None => {}
    }
    if rows * columns * depth == 0 {
        return output;
    }
    let earlier = if bias.is_some() { Earlier::Kept } else { Earlier::Replaced };
    // SAFETY: the buffer has room for `rows` rows of `columns`, which the product writes without reading them unless they
    // were written above.
    unsafe {
        product_into(sizes, factors, (output.as_mut_ptr(), columns), (earlier, parallelism));
        output.set_len(rows * columns);
    }
    output
}

fn product(
    sizes: [usize; 3],
    factors: (Factor<'_>, Factor<'_>),
    (output, stride): (&mut [f32], usize),
    earlier: Earlier,
) {
    let [rows, _, columns] = sizes;
    if rows == 0 || columns == 0 {
        return;
    }
    assert_reach(Factor { elements: output, strides: [stride, 1] }, [rows, columns]);
    // SAFETY: the assertion above is that every element of the output is in its slice.
    unsafe { product_into(sizes, factors, (output.as_mut_ptr(), stride), (earlier, Parallelism::None)) }
}

/// Writes or adds the product of two factors.
///
/// # Safety
///
/// `output` is valid for writes of `rows` rows of `columns` elements that are `stride` apart, and initialised where earlier numbers are kept.
unsafe fn product_into(
    [rows, depth, columns]: [usize; 3],
    (left, right): (Factor<'_>, Factor<'_>),
    (output, stride): (*mut f32, usize),
    (earlier, parallelism): (Earlier, Parallelism),
) {
    assert_reach(left, [rows, depth]);
    assert_reach(right, [depth, columns]);
    let [left_row, left_column] = left.strides.map(usize::cast_signed);
    let [right_row, right_column] = right.strides.map(usize::cast_signed);
    // SAFETY: the assertions above are that every element of the factors is in its slice; the caller vouches for the output.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            output,
            1,
            stride.cast_signed(),
            earlier == Earlier::Kept,
            left.elements.as_ptr(),
            left_column,
            left_row,
            right.elements.as_ptr(),
            right_column,
            right_row,
            if earlier == Earlier::Kept { 1.0_f32 } else { 0.0 },
            1.0_f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn assert_reach(factor: Factor<'_>, sizes: [usize; 2]) {
    if sizes.contains(&0) {
        return;
    }
    let last = factor.strides[0] * (sizes[0] - 1) + factor.strides[1] * (sizes[1] - 1);
    assert!(last < factor.elements.len(), "matrix product: a factor of {sizes:?} does not fit its slice");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_factors_are_read_and_strided_rows_written() {
        let left = Factor { elements: &[1.0, 2.0, 0.0, 3.0, 4.0, 0.0], strides: [3, 1] }; // [[1, 2], [3, 4]]
        let right = Factor { elements: &[1.0, 10.0, 100.0, 1000.0], strides: [2, 1] }.transposed(); // [[1, 100], [10, 1000]]
        let mut output = [7.0; 5];
        multiply([2, 2, 2], left, right, (&mut output, 3));
        assert_eq!(output, [21.0, 2100.0, 7.0, 43.0, 4300.0]);
    }

    #[test]
    fn a_product_of_its_own_starts_from_the_bias_and_may_be_empty() {
        let left = Matrix { elements: &[1.0, 2.0, 3.0, 4.0], rows: 2, columns: 2, strides: [2, 1] };
        let right = Matrix { elements: &[1.0, 10.0], rows: 2, columns: 1, strides: [1, 1] };
        assert_eq!(product_of(left, right, None), [21.0, 43.0]);
        assert_eq!(product_of(left, right, Some(&[0.5])), [21.5, 43.5]);
        let nothing = |rows, columns| Matrix { elements: &[], rows, columns, strides: [columns, 1] };
        assert_eq!(product_of(nothing(2, 0), nothing(0, 3), None), [0.0; 6]);
        assert_eq!(product_of(nothing(1, 0), nothing(0, 2), Some(&[1.0, 2.0])), [1.0, 2.0]);
        assert_eq!(product_of(nothing(0, 2), right, None), [0.0; 0]);
    }
}
