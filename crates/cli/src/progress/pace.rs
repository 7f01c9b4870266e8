//! How fast a training goes, and when it will be over.

use std::time::{Duration, Instant};

/// The steps of one training so far.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    total: u64,
    /// Steps of the stages before this one.
    before: u64,
    stage: usize,
    stage_steps: u32,
    /// When the stage began, and the steps it had then; absent before the first.
    began: Instant,
}

/// A moment of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Stage from 1.
    pub stage: usize,
    /// Steps done in the stage.
    pub step: u32,
    /// Steps of the stage.
    pub stage_steps: u32,
    /// Steps done in all.
    pub done: u64,
    /// Steps per second in this stage.
    pub per_second: f64,
    /// Seconds until the training is over, if later stages go as fast; absent before the first step.
    pub seconds_left: Option<f64>,
}

impl Pace {
    /// A training of so many steps in all; 0 when unknown.
    pub fn new(total: u64, now: Instant) -> Self {
        Self { total, before: 0, stage: 0, stage_steps: 0, began: now }
    }

    /// A stage begins.
    pub fn start_stage(&mut self, (stage, steps): (usize, u32), now: Instant) {
        self.before += u64::from(self.stage_steps);
        (self.stage, self.stage_steps, self.began) = (stage, steps, now);
        self.total = self.total.max(self.before + u64::from(steps));
    }

    /// After `step` steps of the current stage.
    pub fn at(&self, step: u32, now: Instant) -> Moment {
        let elapsed = now.saturating_duration_since(self.began).max(Duration::from_millis(1));
        let per_second = f64::from(step) / elapsed.as_secs_f64();
        let done = self.before + u64::from(step);
        let left = self.total.saturating_sub(done) as f64 / per_second;
        Moment {
            stage: self.stage + 1,
            step,
            stage_steps: self.stage_steps,
            done,
            per_second,
            seconds_left: Some(left).filter(|left| left.is_finite()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_extrapolated_from_the_current_stage() {
        let start = Instant::now();
        let mut pace = Pace::new(300, start);
        pace.start_stage((0, 100), start);
        let later = start + Duration::from_secs(60);
        pace.start_stage((1, 200), later);
        let moment = pace.at(50, later + Duration::from_secs(5));
        assert_eq!((moment.stage, moment.done, moment.per_second), (2, 150, 10.0));
        assert_eq!(moment.seconds_left, Some(15.0));
    }

    #[test]
    fn nothing_is_promised_before_the_first_step() {
        let mut pace = Pace::new(0, Instant::now());
        pace.start_stage((0, 10), Instant::now());
        assert_eq!(pace.at(0, Instant::now()).seconds_left, None);
    }
}
