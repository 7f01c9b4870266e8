//! The whole pipeline on generated data: run, stop at any point, go on, and find the same study.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use autodistillation::config::PlanOverrides;
use autodistillation::distillation::Event;
use autodistillation::inference;
use autodistillation::report::ParetoFile;
use autodistillation::run::{RunOptions, RunResult, run};
use autodistillation::{CacheSettings, Error, Plan, RunEvent, repick};

const CONFIG: &str = "
model: {name: tiny, framework: pytorch}
teacher: {finetune: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, steps: 60, learning_rate: 2.0e-3}}
student: {family: bert, num_hidden_layers: 2}
data: {demo: {name: reviews, train: 600, validation: 80, test: 80, seed: 7}, max_length: 32}
auto_distillation:
  search:
    search_space: {hidden_size: [16, 24], num_attention_heads: [2, 4, 5], intermediate_size: [32]}
    search_algorithm: BO
    metrics: [accuracy, parameters]
    max_trials: 3
    seed: 42
  flash_distillation:
    knowledge_transfer: {layer_mappings_for_knowledge_transfer: auto, train_steps: [5]}
    regular_distillation: {layer_mappings_for_knowledge_transfer: [[[classifier, '0', classifier, '0']]], loss_types: [[KL]], add_origin_loss: [true], temperature: [2.0], train_steps: [15]}
train: {optimizer: {AdamW: {learning_rate: 1.0e-3}}, batch_size: 16}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 5}}
";

fn plan() -> Plan {
    Plan::parse(CONFIG, Path::new("config.yaml")).unwrap()
}

fn options(output: &Path) -> RunOptions {
    let jobs = Some(1);
    RunOptions {
        output: output.to_owned(),
        config_text: CONFIG.to_owned(),
        jobs,
        threads: None,
        cache: None,
        latency_profile: None,
    }
}

fn finish(output: &Path) -> RunResult {
    finish_with(&options(output))
}

fn finish_with(options: &RunOptions) -> RunResult {
    run(plan(), options, (&|_: &RunEvent| {}, &AtomicBool::new(false))).unwrap()
}

/// Runs until `events` things have happened, then stops as Ctrl-C does.
fn interrupted(output: &Path, events: u32) -> Result<RunResult, Error> {
    let (seen, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let listener = |event: &RunEvent| {
        let counts = matches!(
            event,
            RunEvent::Training { event: Event::Step { .. }, .. } | RunEvent::TrialFinished { .. }
        );
        if counts && seen.fetch_add(1, Ordering::Relaxed) + 1 >= events {
            stop.store(true, Ordering::Relaxed);
        }
    };
    run(plan(), &options(output), (&listener, &stop))
}

fn weights(output: &Path, number: u32) -> Vec<u8> {
    std::fs::read(output.join(format!("trials/{number:04}/student/model.safetensors"))).unwrap()
}

/// What must not depend on interruptions: architectures, metrics without a clock, weights.
fn essence(result: &RunResult) -> Vec<(String, Option<f64>, Vec<u8>)> {
    let trials = &result.summary.study.trials;
    let accuracy = |number: usize| trials[number].metrics().and_then(|metrics| metrics.get("accuracy"));
    let of = |number: usize| {
        (trials[number].architecture.to_string(), accuracy(number), weights(&result.output, number as u32))
    };
    (0..trials.len()).map(of).collect()
}

#[test]
fn a_run_leaves_students_that_give_the_metrics_they_come_with() {
    let folder = tempfile::tempdir().unwrap();
    let result = finish(folder.path());
    assert!(result.has_students());
    assert_eq!(result.summary.study.completed().count(), 3);
    let text = std::fs::read_to_string(folder.path().join("pareto.json")).unwrap();
    let front: ParetoFile = serde_json::from_str(&text).unwrap();
    assert!(!front.trials.is_empty());
    for trial in &front.trials {
        let student = folder.path().join(&trial.student);
        for file in ["config.json", "model.safetensors", "vocab.txt", "README.md", "metrics.json"] {
            assert!(student.join(file).is_file(), "{file}");
        }
        assert_eq!(inference::predict(&student, &["the plot was not dull .".to_owned()]).unwrap().len(), 1);
    }
    for file in [
        "study.db",
        "config.yaml",
        "plan.json",
        "pareto.csv",
        "Final_results.txt",
        "report.html",
        "environment.json",
    ] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    assert_eq!(repick::pareto(folder.path(), &[], None).unwrap().trials.len(), front.trials.len());
}

#[test]
fn interruptions_at_any_moment_change_nothing() {
    let whole = tempfile::tempdir().unwrap();
    let expected = essence(&finish(whole.path()));
    let pieces = tempfile::tempdir().unwrap();
    for events in [3, 61, 70, 8, 30, 1, 12] {
        match interrupted(pieces.path(), events) {
            Err(Error::Stopped) | Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(essence(&finish(pieces.path())), expected);
}

#[test]
fn a_stage_that_was_told_to_be_done_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (searching, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let at_first_end = |event: &RunEvent| match event {
        RunEvent::TrialStarted { .. } => searching.store(true, Ordering::Relaxed),
        RunEvent::Training { event: Event::StageFinished(_), .. } => {
            stop.store(searching.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        _ => {}
    };
    let stopped = run(plan(), &options(folder.path()), (&at_first_end, &stop));
    assert!(matches!(stopped, Err(Error::Stopped)));
    let begun = Mutex::new(Vec::new());
    let listener = |event: &RunEvent| {
        if let RunEvent::Training { number: 0, event: Event::StageStarted { stage, .. } } = event {
            begun.lock().unwrap().push(*stage);
        }
    };
    run(plan(), &options(folder.path()), (&listener, &AtomicBool::new(false))).unwrap();
    assert_eq!(begun.into_inner().unwrap().first(), Some(&1), "the first stage was finished");
}

#[test]
fn the_teacher_is_asked_once_and_its_cache_changes_no_student() {
    let (cache, plain) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = essence(&finish(plain.path()));
    let settings = CacheSettings { folder: cache.path().to_owned(), size: Some(1 << 30) };
    let waited = [(); 2].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        let result = finish_with(&RunOptions { cache: Some(settings.clone()), ..options(folder.path()) });
        assert_eq!(essence(&result), expected);
        let stages = result.summary.records.iter().flat_map(|record| &record.stages);
        stages.map(|stage| stage.teacher_seconds.unwrap()).sum::<f64>()
    });
    assert!(waited[0] > 0.0, "somebody has to ask");
    assert_eq!(waited[1], 0.0, "a later run on the same data");
}

#[test]
fn more_threads_change_no_more_than_rounding() {
    let logits = [1, 2].map(|threads| {
        let folder = tempfile::tempdir().unwrap();
        finish_with(&RunOptions { threads: Some(threads), ..options(folder.path()) });
        let texts =
            ["the plot was not dull .", "a sad film , but everybody calls it superb ."].map(str::to_owned);
        let predicted = inference::predict(&folder.path().join("trials/0000/student"), &texts).unwrap();
        predicted.into_iter().flat_map(|prediction| prediction.logits).collect::<Vec<f32>>()
    });
    let apart = logits[0].iter().zip(&logits[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-2, "{logits:?}");
}

#[test]
fn students_side_by_side_get_the_weights_they_get_alone() {
    let text = CONFIG.replace("search_algorithm: BO", "search_algorithm: Grid");
    let [alone, together] = [1, 2].map(|jobs| {
        let folder = tempfile::tempdir().unwrap();
        let options = RunOptions {
            config_text: text.clone(),
            jobs: Some(jobs),
            threads: Some(1),
            ..options(folder.path())
        };
        let plan = Plan::parse(&text, Path::new("config.yaml")).unwrap();
        essence(&run(plan, &options, (&|_: &RunEvent| {}, &AtomicBool::new(false))).unwrap())
    });
    assert_eq!(alone, together);
}

#[test]
fn with_early_looks_students_wait_between_their_flash_and_regular_stages() {
    let folder = tempfile::tempdir().unwrap();
    let text = CONFIG.replace("max_trials: 3", "max_trials: 3\n    pruning: auto");
    let waited = Mutex::new(0);
    let listener = |event: &RunEvent| {
        if let RunEvent::TrialWaiting { early, .. } = event {
            assert!(early.get("accuracy").is_some());
            *waited.lock().unwrap() += 1;
        }
    };
    let options = RunOptions { config_text: text.clone(), ..options(folder.path()) };
    let plan = Plan::parse(&text, Path::new("config.yaml")).unwrap();
    let result = run(plan, &options, (&listener, &AtomicBool::new(false))).unwrap();
    assert_eq!(waited.into_inner().unwrap(), 3, "every student is looked at once");
    assert!(result.has_students());
}

#[test]
fn more_trials_go_on_and_another_seed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    finish(folder.path());
    let before = weights(folder.path(), 0);
    let more = PlanOverrides { trials: std::num::NonZeroU32::new(4), ..PlanOverrides::default() };
    let quiet = (|_: &RunEvent| {}, AtomicBool::new(false));
    let result = run(plan().overridden_by(&more), &options(folder.path()), (&quiet.0, &quiet.1)).unwrap();
    assert_eq!(result.summary.study.trials.len(), 4);
    assert_eq!(weights(folder.path(), 0), before);
    let other = PlanOverrides { seed: Some(1), ..PlanOverrides::default() };
    let error = run(plan().overridden_by(&other), &options(folder.path()), (&quiet.0, &quiet.1)).unwrap_err();
    assert!(error.to_string().contains("seed"), "{error}");
}

#[test]
fn a_finished_run_returns_at_once() {
    let folder = tempfile::tempdir().unwrap();
    finish(folder.path());
    let heard = Mutex::new(0);
    let listener = |_: &RunEvent| *heard.lock().unwrap() += 1;
    run(plan(), &options(folder.path()), (&listener, &AtomicBool::new(false))).unwrap();
    assert_eq!(*heard.lock().unwrap(), 0, "nothing is trained or measured again");
}
