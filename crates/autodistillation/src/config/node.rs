//! A parsed value that remembers where it was written.

use std::fmt;

use serde_json::Value as Json;

use super::problem::Position;

/// A value of a config and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) position: Position,
    pub(super) value: Value,
}

/// What YAML and JSON can say without tags.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the text; keys are unique.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The key's place.
    pub(super) position: Position,
    pub(super) node: Node,
}

impl Node {
    /// Values in the node, itself included.
    pub(super) fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.size()).sum(),
            _ => 0,
        }
    }

    /// Levels of nesting, 1 for a plain value.
    pub(super) fn depth(&self) -> usize {
        let inner = match &self.value {
            Value::List(items) => items.iter().map(Node::depth).max(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.depth()).max(),
            _ => None,
        };
        1 + inner.unwrap_or(0)
    }

    /// Whether it is a list or a map.
    pub(super) fn is_nested(&self) -> bool {
        matches!(self.value, Value::List(_) | Value::Map(_))
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The same value as JSON, without places; JSON has no NaN or infinity, so those become null.
    pub(super) fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Boolean(value) => Json::from(*value),
            Value::Integer(value) => Json::from(*value),
            Value::Real(value) => Json::from(*value),
            Value::Text(value) => Json::from(value.as_str()),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect())
            }
        }
    }
}

/// The value in an error message: plain values as written, the rest by kind.
impl fmt::Display for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Null => formatter.write_str("nothing"),
            Value::Boolean(value) => write!(formatter, "`{value}`"),
            Value::Integer(value) => write!(formatter, "`{value}`"),
            Value::Real(value) => write!(formatter, "`{value:?}`"),
            Value::Text(value) => write!(formatter, "the text `{value}`"),
            Value::List(items) => write!(formatter, "a list of {}", items.len()),
            Value::Map(_) => formatter.write_str("a map"),
        }
    }
}
