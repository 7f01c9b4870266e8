//! The real Optuna opens the store; skipped where no Python has it.

use std::path::Path;
use std::process::Command;

use autodistillation_search::{Outcome, Study};
use serde_json::Value;

use super::StudyStore;
use super::example::{apply, definition, folder, steps};

/// A Python that can import Optuna: `AUTODISTILLATION_PYTHON`, or `python3`.
fn python() -> Option<String> {
    let python = std::env::var("AUTODISTILLATION_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imported = Command::new(&python).args(["-c", "import optuna"]).output().ok()?;
    imported.status.success().then_some(python)
}

#[test]
fn optuna_reads_a_study_while_it_runs_and_finds_the_same_front() {
    let Some(python) = python() else {
        println!("skipped: no Python that can import optuna (set AUTODISTILLATION_PYTHON)");
        return;
    };
    let (_folder, path) = folder();
    let mut store = StudyStore::open(&path, &definition()).unwrap();
    steps().iter().for_each(|step| apply(&mut store, step));
    let found = seen_by_optuna(&python, &path);
    let states = ["COMPLETE", "COMPLETE", "PRUNED", "FAIL", "FAIL", "RUNNING"];
    assert_eq!(found["states"], serde_json::json!(states));
    assert_eq!(found["values"][1], serde_json::json!([0.75, "inf"]));
    assert_equal(&found, &store.load().unwrap());
    // Nothing is left running, and the file is closed.
    let best = [("accuracy", 0.99), ("latency", 0.5)].into_iter().collect();
    store.finish_trial(5, &Outcome::Completed(best)).unwrap();
    let ended = store.load().unwrap();
    drop(store);
    let found = seen_by_optuna(&python, &path);
    assert_eq!(found["states"][5], "COMPLETE");
    assert_equal(&found, &ended);
}

fn seen_by_optuna(python: &str, path: &Path) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/check_optuna.py");
    let output = Command::new(python).arg(script).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// That Optuna sees what this program does: goals, parameters, their choices, values and the front.
fn assert_equal(found: &Value, study: &Study) {
    assert_eq!(found["metric_names"], serde_json::json!(["accuracy", "latency"]));
    assert_eq!(found["directions"], serde_json::json!(["MAXIMIZE", "MINIMIZE"]));
    let choices: serde_json::Map<String, Value> =
        study.space.dimensions().iter().map(|d| (d.name.clone(), serde_json::json!(d.choices))).collect();
    assert_eq!(found["params"].as_array().unwrap().len(), study.trials.len());
    for (at, trial) in study.trials.iter().enumerate() {
        assert_eq!(found["params"][at], serde_json::to_value(&trial.architecture).unwrap());
        assert_eq!(found["distributions"][at], Value::Object(choices.clone()));
        let goals = || study.goals.iter().map(|goal| trial.metrics()?.finite(&goal.metric));
        if let Some(values) = goals().collect::<Option<Vec<f64>>>() {
            assert_eq!(found["values"][at], serde_json::json!(values));
        }
    }
    // Optuna counts a point at infinity as one of the front, this program does not.
    let front: Vec<u64> = numbers(&found["best_trials"]).into_iter().filter(|number| *number != 1).collect();
    assert_eq!(front, front_numbers(study));
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().filter_map(Value::as_u64).collect()
}

fn front_numbers(study: &Study) -> Vec<u64> {
    study.pareto_front().iter().map(|trial| u64::from(trial.number)).collect()
}
