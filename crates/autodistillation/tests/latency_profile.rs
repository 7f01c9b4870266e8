//! Latencies that are known before training: measured, imported from another device, and put in place afterwards.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use autodistillation::latency_profile::{self, FILE, LatencyProfile};
use autodistillation::run::{RunOptions, RunResult, prepare, run};
use autodistillation::search::FeasibleSpace;
use autodistillation::{Error, Experiment, Plan, RunEvent, repick};

const CONFIG: &str = "
model: {name: tiny, framework: pytorch}
teacher: {finetune: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32, steps: 4, learning_rate: 2.0e-3}}
student: {family: bert, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16}
data: {demo: {name: reviews, train: 100, validation: 40, test: 40, seed: 7}, max_length: 16}
auto_distillation:
  search:
    search_space: {hidden_size: [8, 12]}
    search_algorithm: Grid
    metrics: [accuracy, latency]
    higher_is_better: [true, false]
    max_trials: 2
    seed: 42
  flash_distillation:
    regular_distillation: {layer_mappings_for_knowledge_transfer: [[[classifier, '0', classifier, '0']]], loss_types: [[KL]], add_origin_loss: [true], temperature: [2.0], train_steps: [3]}
train: {optimizer: {AdamW: {learning_rate: 1.0e-3}}, batch_size: 16}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 3}}
";

const NOBODY: fn(&RunEvent) = |_| {};
static GO_ON: AtomicBool = AtomicBool::new(false);

fn plan() -> Plan {
    Plan::parse(CONFIG, Path::new("config.yaml")).unwrap()
}

fn search(output: &Path, profile: Option<&Path>) -> Result<RunResult, Error> {
    let options = RunOptions {
        output: output.to_owned(),
        config_text: CONFIG.to_owned(),
        jobs: Some(1),
        threads: None,
        cache: None,
        latency_profile: profile.map(Path::to_owned),
    };
    run(plan(), &options, (&NOBODY, &GO_ON))
}

/// A profile of this machine, changed so that the wider student is a hundred times faster than the narrower one.
fn other_device(folder: &Path) -> (std::path::PathBuf, LatencyProfile) {
    let path = folder.join("other.json");
    let mut profile = latency_profile::profile(plan(), &path, (&NOBODY, &GO_ON)).unwrap();
    "another machine".clone_into(&mut profile.machine);
    for (shape, latency) in &mut profile.latencies {
        latency.p50 = if shape.contains("hidden 12,") { 1.0 } else { 100.0 };
    }
    profile.save(&path).unwrap();
    (path, profile)
}

fn latencies(result: &RunResult) -> Vec<f64> {
    let completed = result.summary.study.completed();
    completed.map(|trial| trial.metrics().unwrap().get("latency").unwrap()).collect()
}

#[test]
fn a_search_knows_the_latencies_that_it_reports() {
    let folder = tempfile::tempdir().unwrap();
    let result = search(folder.path(), None).unwrap();
    let profile = LatencyProfile::load(&folder.path().join(FILE)).unwrap();
    assert_eq!(profile.latencies.len(), 3, "two students and the teacher: {:?}", profile.latencies.keys());
    let of = |width: u32| {
        let width = format!("hidden {width},");
        profile.latencies.iter().find(|(shape, _)| shape.contains(&width)).unwrap().1.p50
    };
    assert_eq!(latencies(&result), [of(8), of(12)]);
    assert_eq!(result.summary.environment.latency_machine, None);

    let again = tempfile::tempdir().unwrap();
    let experiment = prepare(plan(), again.path(), None, (&NOBODY, &GO_ON)).unwrap();
    let space = experiment.plan().search.as_ref().unwrap().space.clone();
    let experiment = experiment.with_latencies(Some(profile.clone()));
    let goals = experiment.known_goals(&FeasibleSpace::new(space, |_| Ok(())));
    assert_eq!(goals.values("latency").unwrap(), [of(8), of(12)], "the advisor has them before any trial");
}

#[test]
fn a_search_can_choose_for_another_device() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = other_device(folder.path());
    let result = search(&folder.path().join("run"), Some(&path)).unwrap();
    assert_eq!(latencies(&result), [100.0, 1.0]);
    assert_eq!(result.summary.environment.latency_machine.as_deref(), Some("another machine, flex"));
}

#[test]
fn a_finished_run_is_ranked_again_for_another_device() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    search(&run, None).unwrap();
    let (path, _) = other_device(folder.path());
    let front = repick::pareto(&run, &[], Some(&path)).unwrap();
    let fastest = front.trials.iter().map(|trial| trial.metrics.get("latency").unwrap());
    assert_eq!(fastest.fold(f64::INFINITY, f64::min), 1.0);
}

#[test]
fn a_profile_that_does_not_fit_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (path, profile) = other_device(folder.path());
    let refused = |change: &dyn Fn(&mut LatencyProfile)| {
        let mut changed = profile.clone();
        change(&mut changed);
        changed.save(&path).unwrap();
        search(&folder.path().join("run"), Some(&path)).unwrap_err().to_string()
    };
    let shorter = refused(&|profile| profile.settings.length = 4);
    assert!(shorter.contains("4 tokens") && shorter.contains("8 tokens"), "{shorter}");
    let narrower = refused(&|profile| profile.latencies.retain(|shape, _| !shape.contains("hidden 12,")));
    assert!(narrower.contains("hidden 12,") && narrower.contains("autodistillation profile"), "{narrower}");
    std::fs::write(&path, "{").unwrap();
    assert!(search(&folder.path().join("run"), Some(&path)).is_err());

    profile.save(&path).unwrap();
    let begun = folder.path().join("begun");
    search(&begun, None).unwrap();
    for unfinished in [false, true] {
        if unfinished {
            std::fs::remove_file(begun.join("report.html")).unwrap();
        }
        let other = search(&begun, Some(&path)).unwrap_err().to_string();
        assert!(other.contains("began with other latencies"), "{other}");
    }
}
