//! The learning rate as a function of the step.

use serde::{Deserialize, Serialize};

/// Linear warm-up to the peak rate, then a decay to zero or a constant rate.
///
/// Without warm-up these are the schedules of `transformers`. Its warm-up begins with an idle step of rate 0, which is
/// left out here, and its decay begins after the warm-up, while here the two are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Share of the steps spent warming up, 0 to 1; at least one step.
    pub warmup: f64,
    /// What follows.
    pub decay: Decay,
}

/// How the rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decay {
    /// Stays at the peak.
    Constant,
    /// Falls on a line over all steps: min(1, (s+1)/w) · (1 − s/n).
    Linear,
    /// Falls on half a cosine: min(1, (s+1)/w) · (1 + cos(π s/n)) / 2.
    Cosine,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { warmup: 0.1, decay: Decay::Linear }
    }
}

impl Schedule {
    /// The factor on the peak rate at `step` (from 0) of `steps`.
    pub fn factor(&self, step: u32, steps: u32) -> f64 {
        let warm = (self.warmup * f64::from(steps)).floor().max(1.0);
        let rise = (f64::from(step + 1) / warm).min(1.0);
        let progress = f64::from(step) / f64::from(steps.max(1));
        let fall = match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => (1.0 - progress).max(0.0),
            Decay::Cosine => (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()) / 2.0,
        };
        rise * fall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_over_a_tenth_and_falls_to_zero() {
        let schedule = Schedule::default();
        let factors: Vec<f64> = [0, 9, 50, 99].iter().map(|&step| schedule.factor(step, 100)).collect();
        assert_eq!(factors, [0.1, 1.0 * 0.91, 0.5, 1.0 - 0.99]);
    }

    #[test]
    fn constant_stays_and_cosine_halves_in_the_middle() {
        let constant = Schedule { warmup: 0.0, decay: Decay::Constant };
        assert_eq!(constant.factor(0, 10), 1.0);
        assert_eq!(constant.factor(9, 10), 1.0);
        let cosine = Schedule { warmup: 0.0, decay: Decay::Cosine };
        assert!((cosine.factor(50, 100) - 0.5).abs() < 1e-12);
    }
}
