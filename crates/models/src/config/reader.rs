//! Reads keys of a `config.json` one by one and gathers every problem on the way.

use serde_json::{Map, Value};

use super::{ConfigProblem, labels};
use crate::{Family, Head};

/// More labels than any classifier has; guards against allocating for a corrupt count.
const MOST_LABELS: usize = 1_000_000;

/// A config being read: which keys were asked for, and what was wrong with them.
pub(super) struct Reader<'a> {
    object: &'a Map<String, Value>,
    asked: Vec<&'static str>,
    problems: Vec<ConfigProblem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, asked: Vec::new(), problems: Vec::new() }
    }

    /// The family that `model_type`, else `architectures` name; BERT where neither does.
    pub(super) fn family(&mut self) -> Family {
        let class = self.get("architectures").and_then(first_name).and_then(Family::of_architecture);
        match self.get("model_type") {
            None => class.unwrap_or(Family::Bert),
            Some(name) => name.as_str().and_then(Family::of_model_type).unwrap_or_else(|| {
                let supported = Family::ALL.map(Family::model_type).join(", ");
                self.problems.push(ConfigProblem::Unsupported {
                    key: "model_type",
                    found: name.to_string(),
                    supported,
                });
                Family::Bert
            }),
        }
    }

    /// The head that `architectures` names; a classifier of texts where they name none.
    pub(super) fn head(&mut self, family: Family) -> Head {
        let class = self.get("architectures").and_then(first_name);
        let head = class.and_then(|class| family.head_of(class)).unwrap_or(Head::Classifier);
        if head.is_language_model() {
            // Decoders of their own are not supported: scores come from the table of the words.
            self.only("tie_word_embeddings", |value| value == true, "true");
        }
        head
    }

    /// Refuses what would load and compute something else: other heads and attention variants.
    pub(super) fn refuse_other_networks(&mut self, family: Family) {
        let known: Vec<String> = family.architectures().collect();
        if self.problems.is_empty() {
            let supports =
                |value: &Value| first_name(value).is_some_and(|name| known.iter().any(|own| own == name));
            self.only("architectures", supports, &format!("{known:?}"));
        }
        self.only("position_embedding_type", |value| value == "absolute", "\"absolute\"");
        self.only("is_decoder", |value| value == false, "false");
        self.only("add_cross_attention", |value| value == false, "false");
        self.only("pruned_heads", |value| value.as_object().is_some_and(Map::is_empty), "no pruned heads");
        if family == Family::Electra {
            self.only("summary_activation", |value| value == "gelu", "\"gelu\"");
        }
    }

    /// The width of the word embeddings, where the family has one of its own.
    pub(super) fn embedding_size(&mut self, family: Family, hidden_size: usize) -> usize {
        match family {
            Family::MobileBert | Family::Electra => self.size_or("embedding_size", 128),
            _ => hidden_size,
        }
    }

    /// An optional size, at least 1.
    pub(super) fn size_or(&mut self, key: &'static str, default: usize) -> usize {
        self.parsed(key, "a whole number above 0", |value| whole(value).filter(|&size| size > 0))
            .unwrap_or(default)
    }

    /// An optional truth value.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.parsed(key, "true or false", Value::as_bool)
    }

    /// A required size, at least 1. A placeholder stands for one that cannot be read.
    pub(super) fn size(&mut self, key: &'static str) -> usize {
        if self.get(key).is_none() {
            self.problems.push(ConfigProblem::Missing { key });
        }
        self.size_or(key, 1)
    }

    /// An optional whole number.
    pub(super) fn whole(&mut self, key: &'static str) -> Option<usize> {
        self.parsed(key, "a whole number", whole)
    }

    /// An optional probability below 1.
    pub(super) fn probability(&mut self, key: &'static str) -> Option<f64> {
        self.parsed(key, "a probability from 0 to below 1", |value| {
            value.as_f64().filter(|p| (0.0..1.0).contains(p))
        })
    }

    /// An optional number above 0.
    pub(super) fn positive(&mut self, key: &'static str) -> Option<f64> {
        self.parsed(key, "a number above 0", |value| value.as_f64().filter(|&number| number > 0.0))
    }

    /// An optional name out of a list.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, named: &[(&'static str, T)]) -> Option<T> {
        let value = self.get(key)?;
        let found = named.iter().find(|(name, _)| value == name).map(|(_, chosen)| *chosen);
        if found.is_none() {
            let supported = named.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            self.problems.push(ConfigProblem::Unsupported { key, found: value.to_string(), supported });
        }
        found
    }

    /// The class names that `head` has.
    pub(super) fn labels_of(&mut self, head: Head) -> Vec<String> {
        let labels = self.labels();
        if head.is_language_model() { Vec::new() } else { labels }
    }

    /// The class names: `id2label`, else `num_labels` unnamed ones, else two as in Hugging Face.
    pub(super) fn labels(&mut self) -> Vec<String> {
        self.asked.push("label2id");
        let count = self.parsed("num_labels", "a whole number of labels", |value| {
            whole(value).filter(|count| (1..=MOST_LABELS).contains(count))
        });
        let named = self.parsed("id2label", "an object of names with keys \"0\", \"1\", …", |value| {
            labels::in_order(value.as_object()?)
        });
        if let (Some(count), Some(named)) = (count, &named)
            && count != named.len()
        {
            self.problems.push(ConfigProblem::LabelCount { count, named: named.len() });
        }
        named.unwrap_or_else(|| labels::unnamed(count.unwrap_or(2)))
    }

    /// All keys that were not asked for.
    pub(super) fn others(&self) -> Map<String, Value> {
        let unknown = self.object.iter().filter(|(key, _)| !self.asked.contains(&key.as_str()));
        unknown.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(super) fn finish(self) -> Vec<ConfigProblem> {
        self.problems
    }

    /// The value at `key`; null is as good as absent.
    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.asked.push(key);
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let parsed = parse(value);
        if parsed.is_none() {
            self.problems.push(ConfigProblem::Invalid { key, expected, found: value.to_string() });
        }
        parsed
    }

    fn only(&mut self, key: &'static str, fits: impl FnOnce(&Value) -> bool, supported: &str) {
        if let Some(value) = self.get(key)
            && !fits(value)
        {
            let (found, supported) = (value.to_string(), supported.to_owned());
            self.problems.push(ConfigProblem::Unsupported { key, found, supported });
        }
    }
}

/// The first of a list of names: the class that was saved.
fn first_name(value: &Value) -> Option<&str> {
    value.as_array()?.first()?.as_str()
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok())
}
