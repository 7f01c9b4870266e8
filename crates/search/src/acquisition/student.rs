//! The distribution of what the surrogate leaves open: Student's t with five degrees of freedom,
//! scaled to variance 1.
//!
//! Architectures surprise more often than a normal distribution says, and a search that does not
//! expect surprises stops exploring; so beliefs have the surrogate's mean and deviation but heavier
//! tails. Five degrees keep every integral closed.

use std::f64::consts::PI;

/// From this many of t's own units on, a series in its inverse is more precise than the closed form.
const FAR: f64 = 40.0;
/// The degrees of freedom.
const FREEDOM: f64 = 5.0;

/// P(Z ≤ z).
pub(crate) fn cumulative(z: f64) -> f64 {
    let below = lower_tail(-z.abs() / scale());
    if z > 0.0 { 1.0 - below } else { below }
}

/// E[(Z + z)⁺], the integral of the cumulative up to z.
pub(crate) fn expected_excess(z: f64) -> f64 {
    let below = scale() * lower_excess(-z.abs() / scale());
    // The two sides of zero differ by E[Z + z] = z.
    if z > 0.0 { z + below } else { below }
}

/// The deviation of a variable with variance 1 in units of t, whose own variance is 5/3.
fn scale() -> f64 {
    ((FREEDOM - 2.0) / FREEDOM).sqrt()
}

/// P(T ≤ t) for t ≤ 0.
fn lower_tail(t: f64) -> f64 {
    if t < -FAR {
        return TAIL * (1.0 - 75.0 / (7.0 * t * t)) / (FREEDOM * (-t).powi(5));
    }
    let share = 1.0 / (1.0 + t * t / FREEDOM);
    let ratio = t / FREEDOM.sqrt();
    0.5 + (ratio * share * (1.0 + 2.0 / 3.0 * share) + ratio.atan()) / PI
}

/// E[(T + t)⁺] = t P(T ≤ t) + (5 + t²)/4 · p(t) for t ≤ 0.
fn lower_excess(t: f64) -> f64 {
    if t < -FAR {
        return TAIL / t.powi(4) * (1.0 / 20.0 - 15.0 / (42.0 * t * t));
    }
    let density = TAIL / (FREEDOM + t * t).powi(3);
    (t * lower_tail(t) + (FREEDOM + t * t) / (FREEDOM - 1.0) * density).max(0.0)
}

/// The density is this over (5 + t²)³: 8 · 5³ / (3 π √5).
const TAIL: f64 = 47.450_836_227_811_81;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_is_that_of_the_density() {
        assert!(
            (TAIL - 1000.0 / (3.0 * PI * 5f64.sqrt())).abs() < 1e-9,
            "{}",
            1000.0 / (3.0 * PI * 5f64.sqrt())
        );
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // The 95 % and 99 % quantiles of t with five degrees of freedom.
        for (quantile, probability) in [(2.015_048_373_333, 0.95), (3.364_929_998_907, 0.99), (0.0, 0.5)] {
            let z = quantile * scale();
            assert!((cumulative(z) - probability).abs() < 1e-10, "{probability}: {}", cumulative(z));
            assert!((cumulative(-z) - (1.0 - probability)).abs() < 1e-10);
        }
    }

    #[test]
    fn the_excess_is_the_integral_of_the_cumulative_far_into_both_tails() {
        for step in -600..600 {
            let z = f64::from(step) / 10.0;
            let slope = (expected_excess(z + 1e-3) - expected_excess(z - 1e-3)) / 2e-3;
            assert!((slope / cumulative(z) - 1.0).abs() < 1e-2, "{z}: {slope} against {}", cumulative(z));
        }
    }

    #[test]
    fn the_variance_is_one() {
        // E[Z²] = 2 ∫ E[(Z − u)⁺] du over u from 0, twice for the two sides.
        let integral: f64 =
            (0..400_000).map(|step| expected_excess(-(f64::from(step) + 0.5) * 1e-3) * 1e-3).sum();
        assert!((4.0 * integral - 1.0).abs() < 1e-4, "{integral}");
    }
}
