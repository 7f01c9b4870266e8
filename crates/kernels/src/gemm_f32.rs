//! Matrix products in f32 over strided slices, by the `gemm` crate, on one thread.

use gemm::Parallelism;

/// A factor: its elements from the first one on, and the distance between neighbours in a column, and in a row.
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a> {
    pub(crate) elements: &'a [f32],
    pub(crate) strides: [usize; 2],
}

impl Factor<'_> {
    /// The same matrix with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self { strides: [self.strides[1], self.strides[0]], ..self }
    }
}

/// Writes `left · right`, of sizes (rows, depth) and (depth, columns), over `output`, whose rows are `stride` apart.
pub(crate) fn multiply(sizes: [usize; 3], left: Factor<'_>, right: Factor<'_>, output: (&mut [f32], usize)) {
    product(sizes, (left, right), output, Earlier::Replaced);
}

/// Adds `left · right`, of sizes (rows, depth) and (depth, columns), to `output`, whose rows are `stride` apart.
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

fn product(
    [rows, depth, columns]: [usize; 3],
    (left, right): (Factor<'_>, Factor<'_>),
    (output, stride): (&mut [f32], usize),
    earlier: Earlier,
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert_reach(left, [rows, depth]);
    assert_reach(right, [depth, columns]);
    assert_reach(Factor { elements: output, strides: [stride, 1] }, [rows, columns]);
    let [left_row, left_column] = left.strides.map(usize::cast_signed);
    let [right_row, right_column] = right.strides.map(usize::cast_signed);
    // SAFETY: the assertions above are that every element of the three matrices is in its slice.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            output.as_mut_ptr(),
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
            Parallelism::None,
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
}
