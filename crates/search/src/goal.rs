//! What a study optimises.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More is better, as for accuracy.
    Maximize,
    /// Less is better, as for latency.
    Minimize,
}

/// A metric and its direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Goal {
    /// The metric's name, such as `accuracy`.
    pub metric: String,
    /// Which way it is better.
    pub direction: Direction,
}

impl Goal {
    /// More of the metric is better.
    pub fn maximize(metric: impl Into<String>) -> Self {
        Self { metric: metric.into(), direction: Direction::Maximize }
    }

    /// Less of the metric is better.
    pub fn minimize(metric: impl Into<String>) -> Self {
        Self { metric: metric.into(), direction: Direction::Minimize }
    }

    /// The value with the sign that makes more better; its own inverse.
    pub fn signed(&self, value: f64) -> f64 {
        match self.direction {
            Direction::Maximize => value,
            Direction::Minimize => -value,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.direction {
            Direction::Maximize => "maximize",
            Direction::Minimize => "minimize",
        };
        write!(formatter, "{verb} {}", self.metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_spells_the_direction_in_lower_case() {
        let json = serde_json::to_string(&Goal::minimize("latency")).unwrap();
        assert_eq!(json, r#"{"metric":"latency","direction":"minimize"}"#);
        assert_eq!(serde_json::from_str::<Goal>(&json).unwrap(), Goal::minimize("latency"));
    }

    #[test]
    fn signed_values_grow_as_they_get_better() {
        assert!(Goal::maximize("accuracy").signed(0.9) > Goal::maximize("accuracy").signed(0.8));
        assert!(Goal::minimize("latency").signed(2.0) > Goal::minimize("latency").signed(3.0));
    }
}
