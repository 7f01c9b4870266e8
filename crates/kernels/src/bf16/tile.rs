//! The innermost loop: a tile of the output, summed in registers.

use core::arch::x86_64::{
    __m512, __m512bh, __m512i, __mmask16, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_si512,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_epi32, _mm512_setzero_ps,
};

use super::TILE;

/// Elements of a vector.
const LANES: usize = 16;

/// What a tile is the product of.
pub(super) struct Tile<'a> {
    /// Pairs of the left factor, from the tile's first row on.
    pub(super) left: &'a [u32],
    /// Distance between rows and between pairs in `left`.
    pub(super) strides: [usize; 2],
    /// Pairs of the right factor: (pair, column).
    pub(super) strip: &'a [u32],
    pub(super) pairs: usize,
    /// Columns of the tile that are in the output.
    pub(super) columns: usize,
}

impl Tile<'_> {
    /// Adds the tile's `rows` rows to `output`, whose rows are `stride` apart.
    pub(super) fn add_to(&self, output: &mut [f32], stride: usize, rows: usize) {
        let last = |distance: usize, count: usize| distance * (count - 1);
        assert!(
            rows >= 1 && rows <= TILE[0] && self.columns >= 1 && self.columns <= TILE[1] && self.pairs >= 1
        );
        assert!(last(self.strides[0], rows) + last(self.strides[1], self.pairs) < self.left.len());
        assert!(self.strip.len() >= self.pairs * TILE[1]);
        assert!(last(stride, rows) + self.columns <= output.len());
        // SAFETY: the caller of `product` has detected the features, and the assertions above are what `add` asks for.
        unsafe {
            match rows {
                1 => self.add::<1>(output, stride),
                2 => self.add::<2>(output, stride),
                3 => self.add::<3>(output, stride),
                4 => self.add::<4>(output, stride),
                5 => self.add::<5>(output, stride),
                6 => self.add::<6>(output, stride),
                7 => self.add::<7>(output, stride),
                8 => self.add::<8>(output, stride),
                9 => self.add::<9>(output, stride),
                10 => self.add::<10>(output, stride),
                11 => self.add::<11>(output, stride),
                _ => self.add::<12>(output, stride),
            }
        }
    }

    /// # Safety
    ///
    /// `left` holds `ROWS` rows of `pairs` pairs, `strip` as many pairs of [`TILE`] columns, and `output` `ROWS` rows
    /// of `columns` elements.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn add<const ROWS: usize>(&self, output: &mut [f32], stride: usize) {
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        let (left, strip) = (self.left.as_ptr(), self.strip.as_ptr());
        for pair in 0..self.pairs {
            // SAFETY: `strip` holds 32 columns for each of the pairs.
            let right = unsafe { [load(strip.add(pair * TILE[1])), load(strip.add(pair * TILE[1] + LANES))] };
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `left` holds this pair of each of the rows.
                let factor = unsafe { *left.add(row * self.strides[0] + pair * self.strides[1]) };
                let factor = as_pairs(_mm512_set1_epi32(factor as i32));
                sums[0] = _mm512_dpbf16_ps(sums[0], factor, right[0]);
                sums[1] = _mm512_dpbf16_ps(sums[1], factor, right[1]);
            }
        }
        let mask: u32 = if self.columns == TILE[1] { u32::MAX } else { (1 << self.columns) - 1 };
        for (row, sums) in sums.iter().enumerate() {
            // SAFETY: the masks leave out what is not in the output's row.
            unsafe {
                let output = output.as_mut_ptr().add(row * stride);
                accumulate(output, mask as __mmask16, sums[0]);
                accumulate(output.wrapping_add(LANES), (mask >> LANES) as __mmask16, sums[1]);
            }
        }
    }
}

/// # Safety
///
/// 16 numbers can be read at `place`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn load(place: *const u32) -> __m512bh {
    // SAFETY: the caller's.
    as_pairs(unsafe { _mm512_loadu_si512(place.cast()) })
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn as_pairs(bits: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes of plain numbers.
    unsafe { core::mem::transmute::<__m512i, __m512bh>(bits) }
}

/// # Safety
///
/// The elements of `mask` at `place` can be read and written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn accumulate(place: *mut f32, mask: __mmask16, sum: __m512) {
    // SAFETY: the caller's.
    unsafe {
        let total = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, place), sum);
        _mm512_mask_storeu_ps(place, mask, total);
    }
}
