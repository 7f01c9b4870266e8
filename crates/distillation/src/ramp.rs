//! A number that changes on a line over a stage: a temperature or the weight of a loss term.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value at the first step, a value at the last, and a line between them. Equal ends are a constant.
///
/// Serialised as a plain number where it is constant, else as `{"from": …, "to": …}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Ramp {
    /// At the first step.
    pub from: f64,
    /// At the last step.
    pub to: f64,
}

/// The two spellings: a number is never a map, so that no text fits both.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Constant(f64),
    Line { from: f64, to: f64 },
}

impl Ramp {
    /// The value when the share `progress` of the stage is done: 0 at the first step, 1 at the last.
    pub fn at(self, progress: f64) -> f64 {
        if self.is_constant() { self.from } else { self.from + (self.to - self.from) * progress }
    }

    /// Whether it never changes.
    pub fn is_constant(self) -> bool {
        self.from == self.to
    }

    /// Whether it is 0 at every step.
    pub fn is_zero(self) -> bool {
        self.from == 0.0 && self.to == 0.0
    }

    /// Whether both ends, and so every value between them, keep a condition that holds for intervals.
    pub fn keeps(self, holds: impl Fn(f64) -> bool) -> bool {
        holds(self.from) && holds(self.to)
    }
}

/// The share of a stage that is done at `step` (from 0) of `steps`: 0 at the first, 1 at the last.
pub(crate) fn progress(step: u32, steps: u32) -> f64 {
    f64::from(step) / f64::from(steps.saturating_sub(1).max(1))
}

impl From<f64> for Ramp {
    fn from(value: f64) -> Self {
        Self { from: value, to: value }
    }
}

impl From<Written> for Ramp {
    fn from(written: Written) -> Self {
        match written {
            Written::Constant(value) => value.into(),
            Written::Line { from, to } => Self { from, to },
        }
    }
}

impl From<Ramp> for Written {
    fn from(ramp: Ramp) -> Self {
        if ramp.is_constant() {
            Self::Constant(ramp.from)
        } else {
            Self::Line { from: ramp.from, to: ramp.to }
        }
    }
}

impl PartialEq<f64> for Ramp {
    fn eq(&self, value: &f64) -> bool {
        self.is_constant() && self.from == *value
    }
}

impl fmt::Display for Ramp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_constant() {
            true => write!(f, "{}", self.from),
            false => write!(f, "({} → {})", self.from, self.to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reaches_both_ends_and_a_constant_stays() {
        let line = Ramp { from: 4.0, to: 1.0 };
        let values: Vec<f64> = (0..4).map(|step| line.at(progress(step, 4))).collect();
        assert_eq!(values, [4.0, 3.0, 2.0, 1.0]);
        assert_eq!(line.at(progress(0, 1)), 4.0, "a stage of one step has no line");
        assert_eq!(Ramp::from(0.3).at(0.77), 0.3);
    }

    #[test]
    fn a_constant_is_written_as_a_number() {
        let text = |ramp: Ramp| serde_json::to_string(&ramp).unwrap();
        assert_eq!(text(2.0.into()), "2.0");
        assert_eq!(text(Ramp { from: 1.0, to: 0.0 }), r#"{"from":1.0,"to":0.0}"#);
        for ramp in [2.0.into(), Ramp { from: 1.0, to: 0.0 }] {
            assert_eq!(serde_json::from_str::<Ramp>(&text(ramp)).unwrap(), ramp);
        }
        assert_eq!(Ramp { from: 1.0, to: 0.0 }.to_string(), "(1 → 0)");
    }
}
