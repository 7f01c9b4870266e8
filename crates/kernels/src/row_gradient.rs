//! The gradient of a table of which only a few rows were looked up.

use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::{Shape, Tensor},
};

use crate::buffer::{contiguous, elements, from_elements, width};

/// The rows of a table's gradient that are not zero; those that are not listed are.
///
/// In an autodiff graph it travels as a tensor (rows, 1 + width) whose first column holds the numbers of the rows, so
/// it cannot be added to another gradient of the same table there.
#[derive(Debug, Clone)]
pub struct RowGradient {
    /// Numbers of the rows, ascending, each once.
    pub rows: Vec<u32>,
    /// Their gradients, (rows, width).
    pub values: Tensor<2>,
}

/// Row numbers below this are exact in f32.
pub(crate) const MOST_ROWS: usize = 1 << 24;

impl RowGradient {
    /// Reads what [`embedding_by_rows`](crate::embedding_by_rows) left as the gradient of a table `width` wide; `None` if it is a dense gradient.
    pub fn unpack(gradient: &Tensor<2>, width: usize) -> Option<Self> {
        let [count, columns] = gradient.dims();
        if columns != width + 1 {
            return None;
        }
        let packed = contiguous(gradient.clone().try_into_primitive::<Flex>().ok()?);
        let mut rows = Vec::with_capacity(count);
        let mut values = Vec::with_capacity(count * width);
        for packed in elements(&packed).chunks_exact(columns) {
            rows.push(packed[0] as u32);
            values.extend_from_slice(&packed[1..]);
        }
        let values = from_elements(values, Shape::from([count, width]));
        Some(Self { rows, values: Tensor::from_primitive::<Flex>(values) })
    }

    /// The same gradient with all `rows` rows of the table, (rows, width).
    pub fn dense(&self, rows: usize) -> Tensor<2> {
        let values = self.values_flex();
        let width = width(&values);
        let mut table = vec![0.0; rows * width];
        for (row, values) in self.rows.iter().zip(elements(&values).chunks_exact(width.max(1))) {
            table[*row as usize * width..][..width].copy_from_slice(values);
        }
        Tensor::from_primitive::<Flex>(from_elements(table, Shape::from([rows, width])))
    }

    /// The sum with another gradient of the same table.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let (mine, others) = (self.values_flex(), other.values_flex());
        let width = width(&mine);
        let rows: Vec<usize> = self.rows.iter().chain(&other.rows).map(|row| *row as usize).collect();
        let values = [elements(&mine), elements(&others)].concat();
        let packed = pack(&rows, &values, width);
        match Self::unpack(&Tensor::from_primitive::<Flex>(packed), width) {
            Some(sum) => sum,
            None => unreachable!("what was packed can be unpacked"),
        }
    }

    pub(crate) fn values_flex(&self) -> FlexTensor {
        match self.values.clone().try_into_primitive::<Flex>() {
            Ok(values) => contiguous(values),
            Err(_) => unreachable!("gradients by rows are made on the Flex backend"),
        }
    }
}

/// Adds up the `values` of equal `rows`, in their order: (distinct rows, 1 + width).
pub(crate) fn pack(rows: &[usize], values: &[f32], width: usize) -> FlexTensor {
    let mut order: Vec<(usize, usize)> =
        rows.iter().copied().enumerate().map(|(at, row)| (row, at)).collect();
    order.sort_unstable();
    let mut packed: Vec<f32> = Vec::with_capacity(order.len() * (width + 1));
    let mut last = None;
    for (row, at) in order {
        let values = &values[at * width..][..width];
        if last == Some(row) {
            let start = packed.len() - width;
            for (total, x) in packed[start..].iter_mut().zip(values) {
                *total += x;
            }
        } else {
            packed.push(row as f32);
            packed.extend_from_slice(values);
            last = Some(row);
        }
    }
    let shape = Shape::from([packed.len() / (width + 1), width + 1]);
    from_elements(packed, shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::{floats, plain, values};

    fn gradient(rows: &[usize], seed: u64) -> RowGradient {
        let packed = pack(rows, &values(seed, rows.len() * 3), 3);
        RowGradient::unpack(&Tensor::from_primitive::<Flex>(packed), 3).unwrap()
    }

    #[test]
    fn equal_rows_are_added_and_rows_ascend() {
        let found = pack(&[4, 1, 4], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2);
        assert_eq!(elements(&found), [1.0, 3.0, 4.0, 4.0, 6.0, 8.0]);
    }

    #[test]
    fn a_sum_is_the_sum_of_the_dense_gradients() {
        let (one, other) = (gradient(&[0, 5, 2], 1), gradient(&[2, 3], 2));
        let expected = floats(one.dense(6) + other.dense(6));
        assert_eq!(floats(one.plus(&other).dense(6)), expected);
    }

    #[test]
    fn a_dense_gradient_is_recognised() {
        assert!(RowGradient::unpack(&plain(&values(1, 12), [4, 3]), 3).is_none());
    }
}
