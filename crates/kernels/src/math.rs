//! The exponential, the normal distribution and the logistic function in f32, without branches or calls, so that loops over them vectorize.

/// e^x to about one unit in the last place; 0 below −87.3, e^88 above 88, NaN for NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const SMALLEST: f32 = -87.3; // Below, the result is subnormal.
    const LARGEST: f32 = 88.0; // Above 88.7 the result overflows.
    // ln 2 in two parts, the first with few digits, so that n · LN2_HIGH is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;

    let bounded = if x < SMALLEST { SMALLEST } else { x };
    let bounded = if bounded > LARGEST { LARGEST } else { bounded };
    let shifted = bounded.mul_add(core::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, bounded)); // |r| ≤ ln 2 / 2
    // Minimax fit of (e^r − 1 − r) / r², relative error of e^r 3e-9.
    let tail = r.mul_add(0.001_381_461_3, 0.008_368_71);
    let tail = tail.mul_add(r, 0.041_668_39);
    let tail = tail.mul_add(r, 0.166_665_21);
    let tail = tail.mul_add(r, 0.499_999_94);
    let mantissa = (r * r).mul_add(tail, r) + 1.0;
    let exponent = shifted.to_bits().wrapping_add(127).wrapping_shl(23);
    let result = mantissa * f32::from_bits(exponent);
    if x < SMALLEST { 0.0 } else { result }
}

/// The standard normal's distribution function Φ(x) and density φ(x); |error| < 1e-7.
///
/// Φ(−z) = exp(−z²/2) · R(z) for z ≥ 0, where a polynomial stands for the smooth R: one exponential serves both.
#[inline(always)]
pub(crate) fn normal(x: f32) -> (f32, f32) {
    const FAR: f32 = 5.0; // Beyond, Φ(−z) is below 3e-7 and R may be off by a tenth.
    const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;
    let exponential = exp(-0.5 * x * x);
    let z = x.abs();
    let z = if z > FAR { FAR } else { z };
    let tail = exponential * normal_tail_ratio(z);
    let distribution = if x < 0.0 { tail } else { 1.0 - tail };
    (distribution, exponential * FRAC_1_SQRT_2PI)
}

/// R(z) = Φ(−z) · exp(z²/2) on [0, 5]: minimax fit weighted by exp(−z²/2) · (1 + z), which leaves an error of Φ of 1e-8.
#[inline(always)]
fn normal_tail_ratio(z: f32) -> f32 {
    let ratio = z.mul_add(5.170_05e-8, -1.443_790_7e-6);
    let ratio = ratio.mul_add(z, 1.828_817_6e-5);
    let ratio = ratio.mul_add(z, -0.000_140_716_73);
    let ratio = ratio.mul_add(z, 0.000_747_778);
    let ratio = ratio.mul_add(z, -0.002_982_807_8);
    let ratio = ratio.mul_add(z, 0.009_552_116);
    let ratio = ratio.mul_add(z, -0.025_966_488);
    let ratio = ratio.mul_add(z, 0.062_202_16);
    let ratio = ratio.mul_add(z, -0.132_896_97);
    let ratio = ratio.mul_add(z, 0.249_988);
    let ratio = ratio.mul_add(z, -0.398_941_67);
    ratio.mul_add(z, 0.5)
}

/// The logistic function 1 / (1 + e^−x).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every float of a dense grid over the range.
    fn grid(low: f32, high: f32) -> impl Iterator<Item = f32> {
        (0..=200_000u32).map(move |i| low + (high - low) * (i as f32 / 200_000.0))
    }

    #[test]
    fn the_exponential_is_right_to_the_last_digits_over_its_whole_range() {
        for x in grid(-87.0, 88.0) {
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) / expected - 1.0).abs();
            assert!(error < 2.0e-7, "exp({x}) has relative error {error:e}");
        }
    }

    #[test]
    fn the_exponential_vanishes_far_below_saturates_above_and_keeps_nan() {
        assert_eq!(exp(-1.0e30), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(1.0e30) > 1.0e38);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_normal_distribution_agrees_with_its_integral() {
        // Simpson's rule over the density in f64, from 0 outwards.
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * core::f64::consts::PI).sqrt();
        let step = 1.0 / 4096.0;
        let mut integral = 0.0;
        for i in 0..(7 * 4096) {
            let x = f64::from(i) * step;
            let at = x as f32;
            let (above, height) = normal(at);
            let (below, _) = normal(-at);
            assert!((f64::from(above) - (0.5 + integral)).abs() < 1.0e-7, "Φ({x})");
            assert!((f64::from(below) - (0.5 - integral)).abs() < 1.0e-7, "Φ(−{x})");
            assert!((f64::from(height) - density(x)).abs() < 1.0e-7, "φ({x})");
            integral += step / 6.0 * (density(x) + 4.0 * density(x + step / 2.0) + density(x + step));
        }
    }

    #[test]
    fn the_logistic_function_agrees_with_its_definition() {
        for x in grid(-80.0, 80.0) {
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) / expected - 1.0).abs() < 3.0e-7, "sigmoid({x})");
        }
    }
}
