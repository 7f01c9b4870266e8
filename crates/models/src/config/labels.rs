//! The names of a head's classes, as `id2label` and `label2id`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::ConfigProblem;

/// The names in order of their ids, when the ids are exactly 0, 1, 2, ….
pub(super) fn in_order(id2label: &Map<String, Value>) -> Option<Vec<String>> {
    let named = |id: usize| match id2label.get(&id.to_string())? {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    (0..id2label.len()).map(named).collect()
}

/// Hugging Face's names for classes that nobody named.
pub(super) fn unnamed(count: usize) -> Vec<String> {
    (0..count).map(|id| format!("LABEL_{id}")).collect()
}

pub(super) fn id2label(labels: &[String]) -> Value {
    labels.iter().enumerate().map(|(id, name)| (id.to_string(), json!(name))).collect()
}

pub(super) fn label2id(labels: &[String]) -> Value {
    labels.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect()
}

pub(super) fn contradictions(labels: &[String]) -> Vec<ConfigProblem> {
    if labels.is_empty() {
        return vec![ConfigProblem::NoLabels];
    }
    let mut seen = BTreeSet::new();
    let repeated = labels.iter().filter(|label| !seen.insert(label.as_str()));
    repeated.map(|label| ConfigProblem::RepeatedLabel { label: label.clone() }).collect()
}
