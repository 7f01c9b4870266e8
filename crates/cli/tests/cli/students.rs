//! Runs that leave students behind.

use crate::config_errors::students_config;
use crate::workplace::Workplace;

const RUN: [&str; 6] = ["run", "config.yaml", "--output", "out", "--jobs", "1"];

#[test]
fn a_run_ends_with_its_best_students() {
    let workplace = Workplace::new();
    let said = workplace.succeed(&RUN);
    assert!(
        said.stdout.starts_with("3 trials: 3 completed\n\nBest students:\n  trial  hidden_size"),
        "{}",
        said.stdout
    );
    for fragment in ["students/00", "Report: out/report.html", "autodistillation predict out/students/00"] {
        assert!(said.stdout.contains(fragment), "no `{fragment}` in: {}", said.stdout);
    }
    for fragment in
        ["search: 3 trials, 0 finished, 1 at a time", "trial 0: hidden_size=", "trial 2 completed: accuracy"]
    {
        assert!(said.stderr.contains(fragment), "no `{fragment}` in: {}", said.stderr);
    }
    assert!(workplace.path("out/report.html").is_file());
}

#[test]
fn a_finished_run_ends_at_once_and_more_trials_go_on() {
    let workplace = Workplace::new();
    let first = workplace.succeed(&RUN);
    let again = workplace.succeed(&RUN);
    assert_eq!(first.stdout, again.stdout);
    assert!(!again.stderr.contains("trial 0"), "{}", again.stderr);
    let more = workplace.succeed(&[&RUN[..], &["--trials", "4"]].concat());
    assert!(more.stdout.starts_with("4 trials: 4 completed"), "{}", more.stdout);
    assert!(!more.stderr.contains("trial 0:") && more.stderr.contains("trial 3:"), "{}", more.stderr);
}

#[test]
fn one_json_object_and_nothing_else_when_asked_for() {
    let workplace = Workplace::new();
    let said = workplace.succeed(&[&RUN[..], &["--json", "--quiet"]].concat());
    assert_eq!(said.stderr, "");
    let found = said.json();
    assert_eq!((&found["output"], &found["trials"]["completed"]), (&"out".into(), &3.into()));
    let pareto: serde_json::Value = serde_json::from_str(&workplace.read("out/pareto.json")).unwrap();
    assert_eq!(found["pareto"], pareto);
}

#[test]
fn a_run_goes_to_a_folder_of_its_name_by_default() {
    let workplace = Workplace::new();
    workplace.succeed(&["run", "config.yaml", "--trials", "1", "--quiet"]);
    assert!(workplace.path("runs/tiny/report.html").is_file());
}

#[test]
fn without_a_completed_trial_the_exit_code_is_1_and_the_reason_is_told() {
    let workplace = Workplace::new();
    workplace.edit("config.yaml", "learning_rate: 1.0e-3", "learning_rate: 1.0e+38");
    let said = workplace.run(&RUN);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("3 failed"), "{said:?}");
    assert!(said.stderr.contains("failed: the loss of stage"), "{said:?}");
}

#[test]
fn a_student_that_diverges_in_its_last_step_is_a_failed_trial_and_no_result() {
    let workplace = Workplace::new();
    workplace.edit("config.yaml", "learning_rate: 1.0e-3", "learning_rate: 1.0e+38");
    workplace.edit("config.yaml", "train_steps: 2", "train_steps: 1\n      learning_rate: 1.0e-6");
    workplace.edit("config.yaml", "train_steps: [3]", "train_steps: [1]");
    let said = workplace.run(&RUN);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("3 failed"), "{said:?}");
}

#[test]
fn a_finished_run_can_be_picked_from_again() {
    let workplace = Workplace::new();
    workplace.succeed(&RUN);
    let all = workplace.succeed(&["pareto", "out", "--json"]).json();
    assert!(!all["trials"].as_array().unwrap().is_empty());
    let none = workplace.succeed(&["pareto", "out", "--max-params", "1"]);
    assert_eq!(none.stdout, "No trial completed within the constraints.\n");
    let table = workplace.succeed(&["pareto", "out", "--min", "accuracy=0", "--max-params", "1M"]);
    assert!(table.stdout.starts_with("Best students:\n"), "{}", table.stdout);
    std::fs::remove_file(workplace.path("out/report.html")).unwrap();
    assert_eq!(workplace.succeed(&["report", "out"]).stdout, "out/report.html\n");
    assert!(workplace.path("out/report.html").is_file());
}

#[test]
fn an_exported_student_answers() {
    let workplace = Workplace::new();
    workplace.succeed(&RUN);
    let size = |name: &str| std::fs::metadata(workplace.path(name)).unwrap().len();
    workplace.succeed(&["export", "out", "--trial", "1", "--to", "whole"]);
    workplace.succeed(&["export", "out", "--trial", "1", "--to", "half", "--precision", "f16"]);
    assert!(size("half/model.safetensors") < size("whole/model.safetensors"));
    let accuracy = |name: &str| {
        workplace.succeed(&["evaluate", name, "--data", "dev.tsv", "--json"]).json()["accuracy"].clone()
    };
    let metrics: serde_json::Value =
        serde_json::from_str(&workplace.read("out/trials/0001/metrics.json")).unwrap();
    assert_eq!(accuracy("whole"), metrics["accuracy"]);
    workplace.write("text.txt", "a warm film\n");
    workplace.succeed(&["predict", "half", "text.txt"]);
}

#[test]
fn one_student_needs_no_search() {
    let workplace = Workplace::new();
    let distill = [
        "distill",
        "config.yaml",
        "--architecture",
        "hidden_size=8,num_attention_heads=2",
        "--output",
        "one",
        "--json",
    ];
    let said = workplace.succeed(&distill).json();
    assert_eq!(said["architecture"], serde_json::json!({"hidden_size": 8, "num_attention_heads": 2}));
    let evaluated = workplace.succeed(&["evaluate", "one", "--data", "dev.tsv", "--json"]).json();
    assert_eq!(said["metrics"]["accuracy"], evaluated["accuracy"]);
    workplace.write("single.yaml", students_config());
    let said = workplace.succeed(&["distill", "single.yaml", "--output", "two", "--seed", "5"]);
    assert!(said.stdout.contains("accuracy") && said.stdout.ends_with("Student: two\n"), "{}", said.stdout);
}

#[test]
fn an_encoder_becomes_a_teacher() {
    let workplace = Workplace::new();
    let finetune = ["finetune", "config.yaml", "--from", "teacher", "--output", "new", "--epochs", "1"];
    let said = workplace.succeed(&finetune);
    assert!(said.stdout.contains("accuracy") && said.stdout.ends_with("Teacher: new\n"), "{}", said.stdout);
    assert!(said.stderr.contains("training: stage 1 done: 2 steps"), "{}", said.stderr);
    workplace.succeed(&["layers", "new"]);
}
