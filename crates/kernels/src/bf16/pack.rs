//! Rounding to bfloat16, in pairs of neighbouring summands.

use super::{Matrix, TILE};
use crate::simd::Kernel;

/// The bits of `x` rounded to bfloat16, to the nearest with ties to even; the result is in the upper half.
#[inline(always)]
pub(super) fn rounded(x: f32) -> u32 {
    const QUIET: u32 = 0x0040_0000;
    let bits = x.to_bits();
    let up = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    if bits & 0x7fff_ffff > 0x7f80_0000 { bits | QUIET } else { up }
}

/// Two summands as one number, the first in the lower half.
#[inline(always)]
fn pair(first: f32, second: f32) -> u32 {
    (rounded(first) >> 16) | (rounded(second) & 0xffff_0000)
}

/// Pairs of rows of a strip of columns: (pair, column).
pub(super) struct PackColumns<'a> {
    pub(super) matrix: Matrix<'a>,
    /// The first row and how many.
    pub(super) rows: (usize, usize),
    /// The first column.
    pub(super) first: usize,
    /// Columns outside the matrix are left as they are.
    pub(super) output: &'a mut [u32],
}

/// As [`PackColumns`], for a strip of any width.
pub(super) struct PackStrip<'a>(PackColumns<'a>, usize);

impl<'a> PackColumns<'a> {
    pub(super) fn of_width(self, width: usize) -> PackStrip<'a> {
        PackStrip(self, width)
    }

    #[inline(always)]
    fn pack(self, width: usize) {
        let columns = width.min(self.matrix.columns - self.first);
        let [down, across] = self.matrix.strides;
        let (start, count) = self.rows;
        for (index, output) in self.output.chunks_exact_mut(width).enumerate() {
            let row = start + 2 * index;
            let output = &mut output[..columns];
            let paired = 2 * index + 1 < count;
            if across == 1 {
                let row_at = |row: usize| &self.matrix.elements[row * down + self.first..][..columns];
                pack_rows(row_at(row), paired.then(|| row_at(row + 1)), output);
                continue;
            }
            for (column, output) in output.iter_mut().enumerate() {
                let column = self.first + column;
                let second = if paired { self.matrix.at(row + 1, column) } else { 0.0 };
                *output = pair(self.matrix.at(row, column), second);
            }
        }
    }
}

/// Pairs of two rows that are whole in memory; an absent second row counts as zeros.
#[inline(always)]
fn pack_rows(first: &[f32], second: Option<&[f32]>, output: &mut [u32]) {
    match second {
        Some(second) => {
            for ((output, first), second) in output.iter_mut().zip(first).zip(second) {
                *output = pair(*first, *second);
            }
        }
        None => {
            for (output, first) in output.iter_mut().zip(first) {
                *output = pair(*first, 0.0);
            }
        }
    }
}

impl Kernel for PackColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.pack(TILE[1]);
    }
}

impl Kernel for PackStrip<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.0.pack(self.1);
    }
}

/// Pairs of columns of a block of rows: (row, pair).
pub(super) struct PackRows<'a> {
    pub(super) matrix: Matrix<'a>,
    /// The first column and how many.
    pub(super) columns: (usize, usize),
    /// The first row.
    pub(super) first: usize,
    pub(super) output: &'a mut [u32],
}

impl Kernel for PackRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (start, count) = self.columns;
        for (index, output) in self.output.chunks_exact_mut(count.div_ceil(2)).enumerate() {
            let row = self.first + index;
            if self.matrix.strides[1] == 1 {
                let row = &self.matrix.elements[row * self.matrix.strides[0] + start..][..count];
                let (pairs, rest) = row.as_chunks::<2>();
                for (output, [first, second]) in output.iter_mut().zip(pairs) {
                    *output = pair(*first, *second);
                }
                if let ([last], Some(output)) = (rest, output.last_mut()) {
                    *output = pair(*last, 0.0);
                }
            } else {
                for (index, output) in output.iter_mut().enumerate() {
                    let column = start + 2 * index;
                    let second = if 2 * index + 1 < count { self.matrix.at(row, column + 1) } else { 0.0 };
                    *output = pair(self.matrix.at(row, column), second);
                }
            }
        }
    }
}
