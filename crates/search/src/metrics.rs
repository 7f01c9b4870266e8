//! Measured values by name.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Measured values by name, ordered by name so that files and comparisons are reproducible.
///
/// In JSON it is an object of numbers; a value that JSON has no number for is one of the strings
/// `"NaN"`, `"inf"` and `"-inf"`.
/// Two are equal where names and values are; NaN counts as equal to NaN, so that a study read back
/// equals the one written.
#[derive(Debug, Clone, Default)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// No values yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value and returns the one it replaces.
    pub fn insert(&mut self, metric: impl Into<String>, value: f64) -> Option<f64> {
        self.0.insert(metric.into(), value)
    }

    /// The value of a metric, which may be NaN or infinite.
    pub fn get(&self, metric: &str) -> Option<f64> {
        self.0.get(metric).copied()
    }

    /// The value of a metric where it is an ordinary number.
    pub fn finite(&self, metric: &str) -> Option<f64> {
        self.get(metric).filter(|value| value.is_finite())
    }

    /// Names and values, ordered by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Metrics {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
    }
}

impl Eq for Metrics {}

impl<N: Into<String>> FromIterator<(N, f64)> for Metrics {
    fn from_iter<I: IntoIterator<Item = (N, f64)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl<N: Into<String>> Extend<(N, f64)> for Metrics {
    fn extend<I: IntoIterator<Item = (N, f64)>>(&mut self, pairs: I) {
        self.0.extend(pairs.into_iter().map(|(name, value)| (name.into(), value)));
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, value)) in self.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(formatter, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, WireNumber(value))))
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = BTreeMap::<String, WireNumber>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(name, WireNumber(value))| (name, value)).collect())
    }
}

/// A number that also survives JSON when it is NaN or infinite.
struct WireNumber(f64);

impl Serialize for WireNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { serializer.serialize_f64(self.0) } else { serializer.collect_str(&self.0) }
    }
}

impl<'de> Deserialize<'de> for WireNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor).map(WireNumber)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = f64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(r#"a number, "NaN", "inf" or "-inf""#)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<f64, E> {
        match value {
            "NaN" => Ok(f64::NAN),
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn json_gives_back_the_same_metrics(values in prop::collection::btree_map("[a-z]{1,4}", any::<f64>(), 0..5)) {
            let metrics: Metrics = values.into_iter().collect();
            let json = serde_json::to_string(&metrics).unwrap();
            prop_assert_eq!(serde_json::from_str::<Metrics>(&json).unwrap(), metrics);
        }
    }

    #[test]
    fn only_ordinary_numbers_are_finite() {
        let metrics: Metrics = [("accuracy", f64::NAN), ("latency", 2.0)].into_iter().collect();
        assert_eq!(metrics.finite("latency"), Some(2.0));
        assert_eq!(metrics.finite("accuracy"), None);
        assert_eq!(metrics.finite("flops"), None);
        assert_eq!(metrics.to_string(), "accuracy=NaN, latency=2");
    }
}
