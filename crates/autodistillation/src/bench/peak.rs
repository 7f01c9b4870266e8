//! The machine's peak: operations per second of a large matrix product.

use std::time::Instant;

use burn::tensor::{Device, Tensor};

/// Rows and columns of both factors: large enough to hide what surrounds the product.
const SIZE: usize = 768;
/// Timed products.
const REPEATS: usize = 20;

/// 10⁹ operations per second of an f32 product on the threads of this pool, the best of several.
pub(super) fn gemm_gflops() -> f64 {
    let ramp = Tensor::<1, burn::tensor::Int>::arange(0..(SIZE * SIZE) as i64, &Device::flex()).float();
    let factor = (ramp * 0.37).sin().reshape([SIZE, SIZE]); // (size, size)
    let operations = 2.0 * (SIZE as f64).powi(3);
    let timed = |_| {
        let start = Instant::now();
        let product = factor.clone().matmul(factor.clone());
        std::hint::black_box(&product);
        operations / start.elapsed().as_secs_f64() / 1e9
    };
    (0..REPEATS).map(timed).fold(0.0, f64::max)
}
