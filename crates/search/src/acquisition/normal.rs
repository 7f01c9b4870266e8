//! The standard normal distribution.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// φ(z).
pub(crate) fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// Φ(z).
pub(crate) fn cumulative(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// E[(Z + z)⁺] = z Φ(z) + φ(z), the integral of Φ up to z.
pub(crate) fn expected_excess(z: f64) -> f64 {
    if z < -30.0 {
        return 0.0;
    }
    (z * cumulative(z) + density(z)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_agree_with_tables() {
        assert!((cumulative(1.96) - 0.975_002_104_851_78).abs() < 1e-12);
        assert!((density(0.0) - 0.398_942_280_401_43).abs() < 1e-12);
        assert!((expected_excess(0.0) - 0.398_942_280_401_43).abs() < 1e-12);
        assert!((expected_excess(9.0) - 9.0).abs() < 1e-12);
        assert!(expected_excess(-40.0) == 0.0 && expected_excess(-6.0) > 0.0);
    }
}
