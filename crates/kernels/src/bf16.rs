//! Matrix products with factors rounded to bfloat16 and sums in f32, packed and blocked, by AVX512-BF16's `vdpbf16ps`.

mod pack;
#[cfg(target_arch = "x86_64")]
mod tile;

use rayon::prelude::*;

use crate::simd::run;
use pack::{PackColumns, PackRows};

/// Numbers that the factors of a matrix product are rounded to; sums, and everything else, stay f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arithmetic {
    /// 24 bits: as they are.
    #[default]
    F32,
    /// 8 bits, where the processor multiplies them faster (see [`bf16_is_fast`]); f32 elsewhere.
    Bf16,
}

/// Whether this processor multiplies bfloat16 numbers at twice the rate of f32.
pub fn bf16_is_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// A matrix of f32 in any order.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) elements: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Distance between neighbours in a column, and in a row.
    pub(crate) strides: [usize; 2],
}

impl Matrix<'_> {
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> f32 {
        self.elements[row * self.strides[0] + column * self.strides[1]]
    }
}

/// Rows and columns of the tile that is summed in registers: 24 of the 32 vectors.
const TILE: [usize; 2] = [12, 32];
/// Summands of one pass over the tiles: a strip of the right factor (16 KiB) stays in the first-level cache.
const DEPTH: usize = 256;
/// Rows of the left factor that are packed at a time, and stay in the second-level cache.
const BLOCK_ROWS: usize = 8 * TILE[0];

/// Elements of the right factor that are packed at a time (1 MiB).
const PACKED: usize = 512 * 1024;

/// `left · right` plus `bias` in every row, row-major; the caller has checked [`bf16_is_fast`].
///
/// The order of the sums depends on the shape alone, so the result does not depend on the number of threads.
pub(crate) fn product(left: Matrix<'_>, right: Matrix<'_>, bias: Option<&[f32]>) -> Vec<f32> {
    assert_eq!(left.columns, right.rows, "bf16 product: the factors do not fit");
    let (rows, columns) = (left.rows, right.columns);
    let mut output = Vec::with_capacity(rows * columns);
    if rows == 0 || columns == 0 || left.columns == 0 {
        append_start(&mut output, rows, columns, bias);
        return output;
    }
    let block = block_rows(&left, columns);
    let parallel = block < rows && rayon::current_num_threads() > 1;
    let range = DEPTH * (PACKED / (DEPTH * columns)).max(1);
    for start in (0..left.columns).step_by(range) {
        let summands = (start, range.min(left.columns - start));
        let strips = packed_strips(&right, summands);
        let part = |index| Part { left: &left, first_row: index * block, summands, strips: &strips };
        if parallel {
            let missing = rows - output.len() / columns;
            append_start(&mut output, missing, columns, bias);
            let blocks = output.par_chunks_mut(block * columns).enumerate();
            blocks.for_each(|(index, output)| part(index).add_to(output, columns));
            continue;
        }
        for (index, first) in (0..rows).step_by(block).enumerate() {
            let count = block.min(rows - first);
            if output.len() == first * columns {
                append_start(&mut output, count, columns, bias);
            }
            part(index).add_to(&mut output[first * columns..][..count * columns], columns);
        }
    }
    output
}

/// Appends rows that products are added to.
fn append_start(output: &mut Vec<f32>, rows: usize, columns: usize, bias: Option<&[f32]>) {
    match bias {
        Some(bias) => (0..rows).for_each(|_| output.extend_from_slice(bias)),
        None => output.resize(output.len() + rows * columns, 0.0),
    }
}

/// Small products run on one thread; otherwise every thread gets several blocks.
fn block_rows(left: &Matrix<'_>, columns: usize) -> usize {
    const WORTH_THREADS: usize = 128 * 128 * 128;
    let threads = rayon::current_num_threads();
    if threads == 1 || left.rows * left.columns * columns < WORTH_THREADS {
        return BLOCK_ROWS;
    }
    left.rows.div_ceil(4 * threads).next_multiple_of(TILE[0]).min(BLOCK_ROWS)
}

/// A range of summands, by [`DEPTH`]: the first and how many of each.
fn depths((start, count): (usize, usize)) -> impl Iterator<Item = (usize, usize)> {
    (start..start + count).step_by(DEPTH).map(move |first| (first, DEPTH.min(start + count - first)))
}

/// Rows of the right factor, which are the summands, packed for one depth after the other: each in strips of columns,
/// in pairs of rows, (strip, pair, column).
fn packed_strips(right: &Matrix<'_>, summands: (usize, usize)) -> Vec<Vec<u32>> {
    let parallel = rayon::current_num_threads() > 1;
    let pack = |depth: (usize, usize)| {
        let strip = depth.1.div_ceil(2) * TILE[1];
        let mut strips = vec![0; right.columns.div_ceil(TILE[1]) * strip];
        let pack = |(index, strip): (usize, &mut [u32])| {
            run(PackColumns { matrix: *right, rows: depth, first: index * TILE[1], output: strip });
        };
        if parallel && strips.len() > 64 * 1024 {
            strips.par_chunks_mut(strip).enumerate().for_each(pack);
        } else {
            strips.chunks_mut(strip).enumerate().for_each(pack);
        }
        strips
    };
    depths(summands).map(pack).collect()
}

/// One block of rows and one range of summands.
struct Part<'a> {
    left: &'a Matrix<'a>,
    first_row: usize,
    summands: (usize, usize),
    strips: &'a [Vec<u32>],
}

impl Part<'_> {
    /// Adds this part of the product to the block's rows of `output`, `columns` wide.
    fn add_to(&self, output: &mut [f32], columns: usize) {
        let rows = output.len() / columns;
        let mut packed = vec![0; rows * DEPTH / 2];
        for (depth, strips) in depths(self.summands).zip(self.strips) {
            let pairs = depth.1.div_ceil(2);
            let packed = &mut packed[..rows * pairs];
            let strides = self.pack(depth, packed);
            add_tiles((packed, strides), (strips, pairs), (output, columns));
        }
    }

    /// Packs the block's rows; returns the distance between rows and between pairs.
    fn pack(&self, depth: (usize, usize), output: &mut [u32]) -> [usize; 2] {
        let pairs = depth.1.div_ceil(2);
        let [down, across] = self.left.strides;
        if down != 1 || across == 1 {
            run(PackRows { matrix: *self.left, columns: depth, first: self.first_row, output });
            return [pairs, 1]; // (row, pair)
        }
        let rows = output.len() / pairs;
        let (columns, strides) = (self.left.rows, [across, 1]);
        let flipped = Matrix { rows: self.left.columns, columns, strides, ..*self.left };
        run(PackColumns { matrix: flipped, rows: depth, first: self.first_row, output }.of_width(rows));
        [1, rows] // (pair, row)
    }
}

/// Adds the product of packed rows and strips, tile by tile.
#[cfg(target_arch = "x86_64")]
fn add_tiles(
    (packed, strides): (&[u32], [usize; 2]),
    (strips, pairs): (&[u32], usize),
    (output, columns): (&mut [f32], usize),
) {
    let rows = output.len() / columns;
    for (index, strip) in strips.chunks_exact(pairs * TILE[1]).enumerate() {
        for row in (0..rows).step_by(TILE[0]) {
            let left = &packed[row * strides[0]..];
            let inside = TILE[1].min(columns - index * TILE[1]);
            let place = row * columns + index * TILE[1];
            let tile = tile::Tile { left, strides, strip, pairs, columns: inside };
            tile.add_to(&mut output[place..], columns, TILE[0].min(rows - row));
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn add_tiles(_: (&[u32], [usize; 2]), _: (&[u32], usize), _: (&mut [f32], usize)) {
    unreachable!("products in bf16 are for processors that have them");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parity::{assert_close, in_pool, values};

    /// (rows, depth, columns), and whether each factor is stored transposed.
    type Case = ([usize; 3], [bool; 2]);

    fn matrix(elements: &[f32], [rows, columns]: [usize; 2], transposed: bool) -> Matrix<'_> {
        let strides = if transposed { [1, rows] } else { [columns, 1] };
        Matrix { elements, rows, columns, strides }
    }

    fn rounded(x: f32) -> f32 {
        f32::from_bits(pack::rounded(x) & 0xffff_0000)
    }

    /// The product and what plain loops make of the rounded factors.
    fn both(([rows, depth, columns], transposed): Case) -> (Vec<f32>, Vec<f32>) {
        let (left, right) = (values(1, rows * depth), values(2, depth * columns));
        let left = matrix(&left, [rows, depth], transposed[0]);
        let right = matrix(&right, [depth, columns], transposed[1]);
        let mut expected = vec![0.0; rows * columns];
        for (place, expected) in expected.iter_mut().enumerate() {
            let (row, column) = (place / columns, place % columns);
            let terms = (0..depth)
                .map(|at| f64::from(rounded(left.at(row, at))) * f64::from(rounded(right.at(at, column))));
            *expected = terms.sum::<f64>() as f32;
        }
        (product(left, right, None), expected)
    }

    #[test]
    fn products_of_all_layouts_are_those_of_the_rounded_factors() {
        if !bf16_is_fast() {
            return;
        }
        for shape in [
            [1, 1, 1],
            [12, 256, 32],
            [13, 257, 33],
            [100, 64, 96],
            [200, 600, 70],
            [5, 3, 2],
            [30, 2600, 1100],
        ] {
            for transposed in [[false, false], [false, true], [true, false], [true, true]] {
                let (found, expected) = both((shape, transposed));
                assert_close(&found, &expected, 1.0e-5);
            }
        }
    }

    #[test]
    fn a_bias_is_added_to_every_row() {
        if !bf16_is_fast() {
            return;
        }
        let (left, right, bias) = (values(1, 200 * 40), values(2, 40 * 50), values(3, 50));
        let (left, right) = (matrix(&left, [200, 40], false), matrix(&right, [40, 50], false));
        let expected: Vec<f32> =
            product(left, right, None).iter().zip(bias.iter().cycle()).map(|(x, bias)| x + bias).collect();
        assert_close(&product(left, right, Some(&bias)), &expected, 1.0e-6);
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        if !bf16_is_fast() {
            return;
        }
        let run = || both(([300, 300, 130], [false, true])).0;
        assert_eq!(in_pool(1, run), in_pool(2, run));
        assert_eq!(in_pool(1, run), in_pool(3, run));
    }

    #[test]
    fn numbers_round_to_the_nearest_with_ties_to_even_and_nan_stays_nan() {
        assert_eq!(rounded(1.0), 1.0);
        assert_eq!(rounded(1.0 + 1.0 / 256.0), 1.0); // Halfway between 1 and 1 + 2⁻⁷.
        assert_eq!(rounded(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0);
        assert_eq!(rounded(f32::NEG_INFINITY), f32::NEG_INFINITY);
        assert!(rounded(f32::NAN).is_nan());
        assert!(rounded(f32::from_bits(0x7fff_ffff)).is_nan());
    }

    proptest! {
        #[test]
        fn any_shape_is_right(
            shape in [1_usize..40, 1_usize..70, 1_usize..80],
            transposed in prop::array::uniform2(any::<bool>()),
        ) {
            if bf16_is_fast() {
                let (found, expected) = both((shape, transposed));
                assert_close(&found, &expected, 1.0e-5);
            }
        }
    }
}
