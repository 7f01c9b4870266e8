//! Runs a kernel compiled for the widest vector instructions of this machine, over chunks, on this pool's threads.
//!
//! Kernels are plain loops that the compiler vectorizes. Reductions run in a fixed order, multiply-add is
//! fused exactly where it is spelled `mul_add`, and chunks do not depend on the number of threads: so the
//! result is the same, bit for bit, with every instruction set and in every pool.

use rayon::prelude::*;

/// Elements in one chunk: 64 KiB of f32, which stays in a core's cache between two passes over it.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Rows of `width` elements that make up about one chunk.
pub(crate) fn rows_per_chunk(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}

/// Below this many elements threads cost more than they save.
const PARALLEL_THRESHOLD: usize = 8 * CHUNK;

/// A loop over slices, written so that it vectorizes.
///
/// Implementations mark `run`, and every function that it calls, `#[inline(always)]`: only then is
/// the loop compiled with the features of the caller.
pub(crate) trait Kernel {
    /// What the loop returns besides the slices that it writes.
    type Output;

    /// Runs the loop.
    fn run(self) -> Self::Output;
}

/// Runs `kernel` with the widest instructions that this machine has.
#[cfg(target_arch = "x86_64")]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
    {
        // SAFETY: the features that `run_avx512` enables were detected.
        unsafe { run_avx512(kernel) }
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the features that `run_avx2` enables were detected.
        unsafe { run_avx2(kernel) }
    } else {
        kernel.run()
    }
}

/// Runs `kernel`; the baseline of other architectures (NEON on aarch64) is wide enough.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Runs the kernels of all chunks of `elements` elements; outputs come in the order of the chunks.
pub(crate) fn run_all<K>(kernels: impl Iterator<Item = K>, elements: usize) -> Vec<K::Output>
where
    K: Kernel + Send,
    K::Output: Send,
{
    if is_parallel(elements) {
        kernels.collect::<Vec<_>>().into_par_iter().map(run).collect()
    } else {
        kernels.map(run).collect()
    }
}

/// Whether `elements` are worth more than one thread, and this pool has them.
pub(crate) fn is_parallel(elements: usize) -> bool {
    elements >= PARALLEL_THRESHOLD && rayon::current_num_threads() > 1
}

/// Independent partial results of a reduction: one vector of the widest instructions.
const LANES: usize = 16;

/// Sum of `term` over the elements of a row.
#[inline(always)]
pub(crate) fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    sum_of_three(row, row, row, |x, _, _| term(x))
}

/// Sum of `term` over the elements of two rows of equal length.
#[inline(always)]
pub(crate) fn sum_of_two(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    sum_of_three(a, b, b, |x, y, _| term(x, y))
}

/// Sum of `term` over the elements of three rows of equal length.
#[inline(always)]
pub(crate) fn sum_of_three(a: &[f32], b: &[f32], c: &[f32], term: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let ((a, a_rest), (b, b_rest), (c, c_rest)) =
        (a.as_chunks::<LANES>(), b.as_chunks::<LANES>(), c.as_chunks::<LANES>());
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane], c[lane]);
        }
    }
    let mut rest = 0.0;
    for ((a, b), c) in a_rest.iter().zip(b_rest).zip(c_rest) {
        rest += term(*a, *b, *c);
    }
    fold(lanes, |a, b| a + b) + rest
}

/// Largest element of a row; −∞ for an empty one.
#[inline(always)]
pub(crate) fn maximum(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], block[lane]);
        }
    }
    let rest = rest.iter().fold(f32::NEG_INFINITY, |largest, x| larger(largest, *x));
    larger(fold(lanes, larger), rest)
}

/// One instruction, unlike `f32::max`, which has a rule for NaN.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Folds the lanes in halves.
#[inline(always)]
fn fold(lanes: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    // Hidden from the loop before, which the compiler would otherwise cut into pairs to suit the last fold.
    let lanes = core::hint::black_box(lanes);
    let lanes: [f32; 8] = core::array::from_fn(|lane| combine(lanes[lane], lanes[lane + 8]));
    let lanes: [f32; 4] = core::array::from_fn(|lane| combine(lanes[lane], lanes[lane + 4]));
    combine(combine(lanes[0], lanes[2]), combine(lanes[1], lanes[3]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::math;

    struct Sum<'a>(&'a [f32]);

    impl Kernel for Sum<'_> {
        type Output = f32;

        #[inline(always)]
        fn run(self) -> f32 {
            sum_of_three(self.0, self.0, self.0, |a, b, c| a * b + math::exp(c))
        }
    }

    proptest! {
        #[test]
        fn sums_and_maxima_take_every_element_once(row in prop::collection::vec(-10_i8..10, 1..200)) {
            let row: Vec<f32> = row.into_iter().map(f32::from).collect();
            prop_assert_eq!(sum(&row, |x| x), row.iter().sum::<f32>());
            prop_assert_eq!(sum_of_two(&row, &row, |x, y| x * y), row.iter().map(|x| x * x).sum::<f32>());
            prop_assert_eq!(maximum(&row), row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }

        #[test]
        fn every_instruction_set_gives_the_same_bits(row in prop::collection::vec(-10.0_f32..10.0, 1..200)) {
            prop_assert_eq!(run(Sum(&row)).to_bits(), Sum(&row).run().to_bits());
        }
    }
}
