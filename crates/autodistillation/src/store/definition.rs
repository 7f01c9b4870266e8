//! What makes a study the study it is, and how two definitions differ.

use std::fmt;

use autodistillation_search::{Constraint, Goal, SearchSpace};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What makes a study the study it is: a run on the same output must have the same, but for the constraints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyDefinition {
    /// The study's name, the config's `model.name`.
    pub name: String,
    /// What is searched.
    pub space: SearchSpace,
    /// What is wanted, in the order of the configuration.
    pub goals: Vec<Goal>,
    /// Where all randomness comes from.
    pub seed: u64,
    /// What the best architectures have to keep; free to change between runs.
    #[serde(skip)]
    pub constraints: Vec<Constraint>,
    /// Everything else that must not change between runs (data, stages, training, …) as JSON; leave out
    /// what may: the number of trials, jobs.
    pub settings: Value,
}

/// One setting that differs between a stored definition and the one asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The dotted name of the setting.
    pub setting: String,
    /// Its value in the store.
    pub stored: String,
    /// Its value now.
    pub requested: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} in the study, {} now", self.setting, self.stored, self.requested)
    }
}

impl StudyDefinition {
    /// Every setting in which `requested` differs from this stored definition; constraints do not count.
    pub fn differences(&self, requested: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        compare("", Some(&self.readable()), Some(&requested.readable()), &mut found);
        let order = |definition: &Self| -> Vec<String> {
            definition.space.dimensions().iter().map(|dimension| dimension.name.clone()).collect()
        };
        let (stored, now) = (order(self), order(requested));
        if found.is_empty() && stored != now {
            // The order of the dimensions numbers the grid, and so decides what a seed proposes.
            let [stored, requested] = [stored, now].map(|names| names.join(", "));
            found.push(Difference { setting: "order of search_space".to_owned(), stored, requested });
        }
        found
    }

    /// The definition with the names that the config has.
    fn readable(&self) -> Value {
        let choices = |dimension: &autodistillation_search::Dimension| {
            (dimension.name.clone(), serde_json::to_value(&dimension.choices).unwrap_or_default())
        };
        let space: Map<String, Value> = self.space.dimensions().iter().map(choices).collect();
        let goals: Vec<String> = self.goals.iter().map(Goal::to_string).collect();
        let mut all = serde_json::json!({"name": self.name, "search_space": space, "metrics": goals, "seed": self.seed});
        if let (Value::Object(all), Value::Object(settings)) = (&mut all, &self.settings) {
            all.extend(settings.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        all
    }
}

/// Collects the leaves in which two values differ; lists of one length are compared element by element.
fn compare(at: &str, stored: Option<&Value>, requested: Option<&Value>, found: &mut Vec<Difference>) {
    match (stored, requested) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let inner = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                compare(&inner, a.get(key), b.get(key), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() && a.iter().any(is_nested) => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{at}[{index}]"), Some(a), Some(b), found);
            }
        }
        (stored, requested) if stored != requested => {
            let [stored, requested] = [stored, requested].map(shown);
            found.push(Difference { setting: at.to_owned(), stored, requested });
        }
        _ => {}
    }
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn shown(value: Option<&Value>) -> String {
    const LONGEST: usize = 80;
    let text = value.map_or("absent".to_owned(), Value::to_string);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodistillation_search::Dimension;
    use serde_json::json;

    fn definition() -> StudyDefinition {
        let space = SearchSpace::new(vec![
            Dimension::new("hidden_size", [64, 128]),
            Dimension::new("activation", ["gelu", "relu"]),
        ]);
        StudyDefinition {
            name: "student".to_owned(),
            space: space.unwrap(),
            goals: vec![Goal::maximize("accuracy"), Goal::minimize("latency")],
            seed: 42,
            constraints: Vec::new(),
            settings: json!({"data": {"max_length": 64}, "stages": [{"steps": 200}, {"steps": 2000}]}),
        }
    }

    fn messages(requested: &StudyDefinition) -> Vec<String> {
        definition().differences(requested).iter().map(Difference::to_string).collect()
    }

    #[test]
    fn a_definition_does_not_differ_from_itself_or_by_its_constraints() {
        let constraints = vec![Constraint::parse("max_latency_ms", "8").unwrap()];
        assert_eq!(messages(&StudyDefinition { constraints, ..definition() }), [""; 0]);
    }

    #[test]
    fn every_difference_is_named_with_both_values() {
        let mut requested = definition();
        requested.name = "other".to_owned();
        requested.space = SearchSpace::new(vec![Dimension::new("hidden_size", [64, 256])]).unwrap();
        requested.goals.pop();
        requested.seed = 43;
        requested.settings =
            json!({"data": {"max_length": 64, "test": "t.tsv"}, "stages": [{"steps": 200}, {"steps": 3000}]});
        let expected = [
            "name: \"student\" in the study, \"other\" now",
            "search_space.hidden_size: [64,128] in the study, [64,256] now",
            "search_space.activation: [\"gelu\",\"relu\"] in the study, absent now",
            "metrics: [\"maximize accuracy\",\"minimize latency\"] in the study, [\"maximize accuracy\"] now",
            "seed: 42 in the study, 43 now",
            "data.test: absent in the study, \"t.tsv\" now",
            "stages[1].steps: 2000 in the study, 3000 now",
        ];
        assert_eq!(messages(&requested), expected);
    }

    #[test]
    fn the_order_of_the_dimensions_counts() {
        let dimensions: Vec<Dimension> = definition().space.dimensions().iter().rev().cloned().collect();
        let requested = StudyDefinition { space: SearchSpace::new(dimensions).unwrap(), ..definition() };
        let expected =
            "order of search_space: hidden_size, activation in the study, activation, hidden_size now";
        assert_eq!(messages(&requested), [expected]);
    }

    #[test]
    fn json_gives_back_the_same_definition_without_constraints() {
        let json = serde_json::to_string(&definition()).unwrap();
        assert_eq!(serde_json::from_str::<StudyDefinition>(&json).unwrap(), definition());
    }
}
