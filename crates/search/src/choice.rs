//! One value that a dimension of the search space can take.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// A value of a dimension: a number, a word or a switch.
///
/// In JSON it is the plain value (`128`, `0.5`, `"gelu"`, `true`). A whole real keeps its
/// fraction (`2.0`), so that every choice comes back as the variant it was.
#[derive(Debug, Clone)]
pub enum Choice {
    /// A whole number, such as a width or a count.
    Integer(i64),
    /// A real number, such as a rate.
    Real(f64),
    /// A word, such as an activation's name.
    Text(String),
    /// A switch.
    Boolean(bool),
}

impl Choice {
    /// The value as a number, for integers and reals.
    pub fn number(&self) -> Option<f64> {
        match self {
            Choice::Integer(value) => Some(*value as f64),
            Choice::Real(value) => Some(*value),
            Choice::Text(_) | Choice::Boolean(_) => None,
        }
    }

    /// The value as an integer, for integers only.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Choice::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The value as text, for words only.
    pub fn text(&self) -> Option<&str> {
        match self {
            Choice::Text(value) => Some(value),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Choice::Integer(_) => 0,
            Choice::Real(_) => 1,
            Choice::Text(_) => 2,
            Choice::Boolean(_) => 3,
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Integer(value) => write!(formatter, "{value}"),
            // The debug form keeps the fraction of a whole real: `2.0`.
            Choice::Real(value) => write!(formatter, "{value:?}"),
            Choice::Text(value) => write!(formatter, "{value}"),
            Choice::Boolean(value) => write!(formatter, "{value}"),
        }
    }
}

/// Integers before reals before words before switches; within a kind, by value
/// (reals in IEEE total order, so that the order is total).
impl Ord for Choice {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Choice::Integer(a), Choice::Integer(b)) => a.cmp(b),
            (Choice::Real(a), Choice::Real(b)) => a.total_cmp(b),
            (Choice::Text(a), Choice::Text(b)) => a.cmp(b),
            (Choice::Boolean(a), Choice::Boolean(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Choice {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Choice {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Choice {}

impl Hash for Choice {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Choice::Integer(value) => value.hash(state),
            Choice::Real(value) => value.to_bits().hash(state),
            Choice::Text(value) => value.hash(state),
            Choice::Boolean(value) => value.hash(state),
        }
    }
}

impl From<i64> for Choice {
    fn from(value: i64) -> Self {
        Choice::Integer(value)
    }
}

impl From<f64> for Choice {
    fn from(value: f64) -> Self {
        Choice::Real(value)
    }
}

impl From<&str> for Choice {
    fn from(value: &str) -> Self {
        Choice::Text(value.to_owned())
    }
}

impl From<String> for Choice {
    fn from(value: String) -> Self {
        Choice::Text(value)
    }
}

impl From<bool> for Choice {
    fn from(value: bool) -> Self {
        Choice::Boolean(value)
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Choice::Integer(value) => serializer.serialize_i64(*value),
            Choice::Real(value) => serializer.serialize_f64(*value),
            Choice::Text(value) => serializer.serialize_str(value),
            Choice::Boolean(value) => serializer.serialize_bool(*value),
        }
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChoiceVisitor)
    }
}

struct ChoiceVisitor;

impl Visitor<'_> for ChoiceVisitor {
    type Value = Choice;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, a word or true/false")
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Choice, E> {
        Ok(Choice::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Choice, E> {
        i64::try_from(value)
            .map(Choice::Integer)
            .map_err(|_| E::custom(format!("{value} does not fit a 64-bit signed integer")))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Choice, E> {
        Ok(Choice::Real(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Choice, E> {
        Ok(Choice::Text(value.to_owned()))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Choice, E> {
        Ok(Choice::Boolean(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_choice() -> impl Strategy<Value = Choice> {
        prop_oneof![
            any::<i64>().prop_map(Choice::Integer),
            any::<f64>().prop_filter("JSON has no NaN", |v| v.is_finite()).prop_map(Choice::Real),
            (-1000i64..1000).prop_map(|v| Choice::Real(v as f64)),
            ".*".prop_map(Choice::Text),
            any::<bool>().prop_map(Choice::Boolean),
        ]
    }

    proptest! {
        #[test]
        fn json_gives_back_the_same_choice(choice in any_choice()) {
            let json = serde_json::to_string(&choice).unwrap();
            prop_assert_eq!(serde_json::from_str::<Choice>(&json).unwrap(), choice);
        }
    }

    #[test]
    fn json_is_the_plain_value() {
        let choices = vec![Choice::from(2), Choice::from(2.0), Choice::from("2"), Choice::from(true)];
        assert_eq!(serde_json::to_string(&choices).unwrap(), r#"[2,2.0,"2",true]"#);
    }

    #[test]
    fn an_integer_beyond_63_bits_is_refused_with_its_value() {
        let error = serde_json::from_str::<Choice>("18446744073709551615").unwrap_err();
        assert!(error.to_string().contains("18446744073709551615"), "{error}");
    }
}
