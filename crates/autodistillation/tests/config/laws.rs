//! What holds for all configs.

use autodistillation::Plan;
use autodistillation::config::starter;
use proptest::prelude::*;
use std::path::Path;

use super::{fixture, search_config};

fn json(text: &str) -> String {
    serde_json::to_string(&Plan::parse(text, Path::new("config.yaml")).unwrap()).unwrap()
}

#[test]
fn json_gives_the_plan_that_the_same_yaml_gives() {
    let values = serde_json::to_string_pretty(&yaml_values(starter())).unwrap();
    assert_eq!(json(&values), json(starter()));
}

/// The starter's values, by way of the only YAML it uses: maps within maps and flow style.
fn yaml_values(text: &str) -> serde_json::Value {
    use saphyr::{LoadableYamlNode, Yaml};
    fn convert(yaml: &Yaml<'_>) -> serde_json::Value {
        if let Some(map) = yaml.as_mapping() {
            let entry =
                |(key, value): (&Yaml<'_>, &Yaml<'_>)| (key.as_str().unwrap().to_owned(), convert(value));
            return serde_json::Value::Object(map.iter().map(entry).collect());
        }
        if let Some(list) = yaml.as_sequence() {
            return list.iter().map(convert).collect();
        }
        let scalars = [
            yaml.as_bool().map(Into::into),
            yaml.as_integer().map(Into::into),
            yaml.as_floating_point().map(Into::into),
            yaml.as_str().map(Into::into),
        ];
        scalars.into_iter().flatten().next().unwrap_or_default()
    }
    convert(&Yaml::load_from_str(text).unwrap()[0])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_config_is_read_or_explained_and_never_panics(
        place in 0usize..4000, length in 0usize..30, insertion in "[-a-z0-9:{}\\[\\], .'\n]{0,12}"
    ) {
        for text in [starter().to_owned(), fixture("pytorch_auto_distillation.yaml")] {
            let begin = place.min(text.len());
            let end = (begin + length).min(text.len());
            let damaged = [&text.as_bytes()[..begin], insertion.as_bytes(), &text.as_bytes()[end..]].concat();
            let damaged = String::from_utf8_lossy(&damaged);
            if let Err(errors) = Plan::parse(&damaged, Path::new("config.yaml")) {
                prop_assert!(!errors.problems().is_empty());
            }
            if let Err(errors) = search_config(&damaged) {
                prop_assert!(!errors.problems().is_empty());
            }
        }
    }
}
