//! Every config under `examples/` is complete, says what it is, and has no problem.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use autodistillation::Plan;
use autodistillation::plan::{DataSource, TeacherPlan};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn configs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(configs(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn load(path: &Path) -> Plan {
    Plan::load(path).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_example_is_a_plan_that_needs_no_files() {
    let paths = configs(&examples());
    assert!(paths.len() >= 6, "{paths:?}");
    for path in paths {
        let plan = load(&path);
        assert!(matches!(plan.teacher, TeacherPlan::FineTuned { .. }), "{}", path.display());
        assert!(matches!(plan.data.source, DataSource::Demo { .. }), "{}", path.display());
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("# "), "{}", path.display());
    }
}

#[test]
fn the_quickstart_tries_six_of_27_architectures() {
    let search = load(&examples().join("quickstart/config.yaml")).search.unwrap();
    assert_eq!((search.space.size(), search.max_trials), (27, 6));
}

#[test]
fn the_spelled_out_mappings_are_the_automatic_ones() {
    use autodistillation::config::LayerStack;
    let automatic = load(&examples().join("quickstart/config.yaml"))
        .scheduler_for(&LayerStack::bert(2), &LayerStack::bert(4));
    let spelled = load(&examples().join("auto_distillation.yaml"))
        .scheduler_for(&LayerStack::bert(2), &LayerStack::bert(4));
    let criteria = |scheduler: &autodistillation::distillation::Scheduler| {
        scheduler
            .stages()
            .iter()
            .map(|stage| (stage.block.clone(), stage.criterion.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(criteria(&automatic), criteria(&spelled));
}
