//! Bounds that the chosen architectures have to keep.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Metrics};

/// The side and the value of a bound, in the metric's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The metric must not exceed this.
    AtMost(f64),
    /// The metric must reach this.
    AtLeast(f64),
}

impl Bound {
    /// Whether a value keeps the bound; NaN never does.
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            Bound::AtMost(limit) => value <= limit,
            Bound::AtLeast(limit) => value >= limit,
        }
    }
}

/// A bound on a metric, such as `latency <= 8`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// The metric's name.
    pub metric: String,
    /// Its bound.
    pub bound: Bound,
}

impl Constraint {
    /// Reads a constraint as a configuration writes it: `max_latency_ms: 8`, `max_params: 15M`,
    /// `max_size_mb: 60`, `max_flops: 2.5G`, `min_accuracy: 0.9`, in general `max_METRIC` or
    /// `min_METRIC`.
    ///
    /// `latency_ms` means the metric `latency` and `params` means `parameters`. Numbers take the
    /// suffixes k, M, G (or B) and T in either case, and underscores between digits.
    ///
    /// # Errors
    /// A key without `max_` or `min_`, or a value that is not a finite number.
    pub fn parse(key: &str, value: &str) -> Result<Self, Error> {
        let limit = parse_number(value)
            .ok_or_else(|| Error::InvalidBound { key: key.to_owned(), value: value.to_owned() })?;
        let (metric, bound) = match (key.strip_prefix("max_"), key.strip_prefix("min_")) {
            (Some(metric), _) => (metric, Bound::AtMost(limit)),
            (_, Some(metric)) => (metric, Bound::AtLeast(limit)),
            _ => ("", Bound::AtMost(limit)),
        };
        match metric {
            "" => Err(Error::UnknownConstraint { key: key.to_owned() }),
            "latency_ms" => Ok(Self { metric: "latency".to_owned(), bound }),
            "params" => Ok(Self { metric: "parameters".to_owned(), bound }),
            _ => Ok(Self { metric: metric.to_owned(), bound }),
        }
    }

    /// Refuses constraints that exclude each other.
    ///
    /// # Errors
    /// A metric that has to be at least more than it may be at most.
    pub fn check_all(constraints: &[Self]) -> Result<(), Error> {
        for above in constraints {
            let Bound::AtLeast(at_least) = above.bound else { continue };
            for below in constraints.iter().filter(|below| below.metric == above.metric) {
                if let Bound::AtMost(at_most) = below.bound
                    && at_most < at_least
                {
                    let metric = above.metric.clone();
                    return Err(Error::ContradictingConstraints { metric, at_least, at_most });
                }
            }
        }
        Ok(())
    }

    /// Whether the metrics keep the bound; a missing or NaN metric does not.
    pub fn is_met_by(&self, metrics: &Metrics) -> bool {
        metrics.get(&self.metric).is_some_and(|value| self.bound.is_met_by(value))
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound {
            Bound::AtMost(limit) => write!(formatter, "{} <= {limit}", self.metric),
            Bound::AtLeast(limit) => write!(formatter, "{} >= {limit}", self.metric),
        }
    }
}

/// `15M`, `1.5k`, `2e9` or `15_000_000` as a finite number.
fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim().replace('_', "");
    let suffix = text.chars().last()?.to_ascii_lowercase();
    let scale = match suffix {
        'k' => 1e3,
        'm' => 1e6,
        'g' | 'b' => 1e9,
        't' => 1e12,
        _ => 1.0,
    };
    // Every suffix is one byte long, so the cut is at a character boundary.
    let digits = if scale == 1.0 { text.as_str() } else { &text[..text.len() - 1] };
    let number: f64 = digits.trim().parse().ok()?;
    Some(number * scale).filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> String {
        Constraint::parse(key, value).unwrap().to_string()
    }

    #[test]
    fn config_keys_become_bounds_on_metrics() {
        assert_eq!(read("max_latency_ms", "8.0"), "latency <= 8");
        assert_eq!(read("max_params", "15M"), "parameters <= 15000000");
        assert_eq!(read("max_parameters", "1.5k"), "parameters <= 1500");
        assert_eq!(read("max_size_mb", "60"), "size_mb <= 60");
        assert_eq!(read("max_flops", "2.5G"), "flops <= 2500000000");
        assert_eq!(read("min_accuracy", "0.9"), "accuracy >= 0.9");
        assert_eq!(read("min_matthews", "5e-1"), "matthews >= 0.5");
        assert_eq!(read("max_params", "15_000_000"), "parameters <= 15000000");
    }

    #[test]
    fn other_keys_and_values_are_explained() {
        let message = |key, value| Constraint::parse(key, value).unwrap_err().to_string();
        assert!(message("latency", "8").contains("`max_METRIC` or `min_METRIC`"));
        assert!(message("max_", "8").contains("is not a constraint"));
        for value in ["", "fast", "NaN", "inf", "8 ms", "M"] {
            assert!(message("max_latency_ms", value).contains("write a finite number"), "{value}");
        }
    }

    #[test]
    fn missing_and_undefined_metrics_break_a_bound() {
        let constraint = Constraint::parse("max_latency_ms", "8").unwrap();
        let with = |value| [("latency", value)].into_iter().collect::<Metrics>();
        assert!(constraint.is_met_by(&with(8.0)));
        assert!(!constraint.is_met_by(&with(8.1)));
        assert!(!constraint.is_met_by(&with(f64::NAN)));
        assert!(!constraint.is_met_by(&Metrics::new()));
    }

    #[test]
    fn json_gives_back_the_same_constraint() {
        let constraint = Constraint::parse("min_accuracy", "0.9").unwrap();
        let json = serde_json::to_string(&constraint).unwrap();
        assert_eq!(json, r#"{"metric":"accuracy","bound":{"at_least":0.9}}"#);
        assert_eq!(serde_json::from_str::<Constraint>(&json).unwrap(), constraint);
    }
}
