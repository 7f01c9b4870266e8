//! One point of the search space.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::Choice;

/// A choice for every dimension, in the order of the space's dimensions.
///
/// In JSON it is an object, `{"hidden_size": 128, "num_attention_heads": 2}`; as text,
/// `hidden_size=128, num_attention_heads=2`. Equality and order compare dimension by dimension;
/// [`SearchSpace::index_of`](crate::SearchSpace::index_of) finds an architecture whatever the
/// order in which it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Architecture {
    choices: Vec<(String, Choice)>,
}

impl Architecture {
    /// The choice made for a dimension.
    pub fn get(&self, dimension: &str) -> Option<&Choice> {
        self.iter().find(|(name, _)| *name == dimension).map(|(_, choice)| choice)
    }

    /// The choice made for a dimension, where it is an integer.
    pub fn integer(&self, dimension: &str) -> Option<i64> {
        self.get(dimension)?.integer()
    }

    /// Dimension names and choices, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Choice)> {
        self.choices.iter().map(|(name, choice)| (name.as_str(), choice))
    }

    /// How many dimensions there are.
    pub fn len(&self) -> usize {
        self.choices.len()
    }

    /// Whether there are no dimensions at all.
    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }
}

/// Keeps the order given; a later value for the same name replaces the earlier one.
impl<N: Into<String>, C: Into<Choice>> FromIterator<(N, C)> for Architecture {
    fn from_iter<I: IntoIterator<Item = (N, C)>>(pairs: I) -> Self {
        let mut choices: Vec<(String, Choice)> = Vec::new();
        for (name, choice) in pairs {
            let (name, choice) = (name.into(), choice.into());
            match choices.iter_mut().find(|(known, _)| *known == name) {
                Some(slot) => slot.1 = choice,
                None => choices.push((name, choice)),
            }
        }
        Self { choices }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, choice)) in self.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(formatter, "{separator}{name}={choice}")?;
        }
        Ok(())
    }
}

impl Serialize for Architecture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ArchitectureVisitor)
    }
}

struct ArchitectureVisitor;

impl<'de> Visitor<'de> for ArchitectureVisitor {
    type Value = Architecture;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of dimension names and choices")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Architecture, M::Error> {
        let mut choices: Vec<(String, Choice)> = Vec::new();
        while let Some((name, choice)) = map.next_entry::<String, Choice>()? {
            if choices.iter().any(|(known, _)| *known == name) {
                return Err(M::Error::custom(format!("dimension `{name}` is given twice")));
            }
            choices.push((name, choice));
        }
        Ok(Architecture { choices })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Architecture {
        [("hidden_size", Choice::from(128)), ("activation", Choice::from("gelu"))].into_iter().collect()
    }

    #[test]
    fn text_lists_the_dimensions_in_order() {
        assert_eq!(example().to_string(), "hidden_size=128, activation=gelu");
    }

    #[test]
    fn json_is_an_object_that_keeps_the_order() {
        let json = serde_json::to_string(&example()).unwrap();
        assert_eq!(json, r#"{"hidden_size":128,"activation":"gelu"}"#);
        assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), example());
    }

    #[test]
    fn a_name_given_twice_in_json_is_refused() {
        let error = serde_json::from_str::<Architecture>(r#"{"a":1,"a":2}"#).unwrap_err();
        assert!(error.to_string().contains("`a` is given twice"), "{error}");
    }

    #[test]
    fn only_integers_are_read_as_integers() {
        assert_eq!(example().integer("hidden_size"), Some(128));
        assert_eq!(example().integer("activation"), None);
        assert_eq!(example().get("depth"), None);
    }
}
