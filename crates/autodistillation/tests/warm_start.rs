//! Warm starts: students that go on from those of earlier trials, or from one in a folder.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use autodistillation::check::check;
use autodistillation::distill::{DistillOptions, distill};
use autodistillation::distillation::Event;
use autodistillation::experiment::Teaching;
use autodistillation::models::{Transformer, Weights};
use autodistillation::report::ParetoFile;
use autodistillation::run::{RunOptions, RunResult, run};
use autodistillation::search::Architecture;
use autodistillation::started_from::StartedFrom;
use autodistillation::store::StudyStore;
use autodistillation::{Error, Plan, RunEvent};
use burn::tensor::Device;

/// A learning rate so small that a student's weights stay, to the digits compared, what it started from.
const CONFIG: &str = "
model: {name: tiny}
teacher: {finetune: {hidden_size: 32, num_hidden_layers: 4, num_attention_heads: 4, intermediate_size: 64, steps: 60, learning_rate: 2.0e-3}}
student: {family: bert, hidden_size: 16, num_attention_heads: 2, initialize: trial}
data: {demo: {name: reviews, train: 400, validation: 80, test: 0, seed: 7}, max_length: 32}
auto_distillation:
  search:
    search_space: {num_hidden_layers: [2, 3], intermediate_size: [32, 40]}
    search_algorithm: Grid
    metrics: [accuracy, parameters]
    max_trials: 4
    seed: 42
  flash_distillation:
    knowledge_transfer: {layer_mappings_for_knowledge_transfer: auto, train_steps: [3]}
    regular_distillation: {layer_mappings_for_knowledge_transfer: [[[classifier, '0', classifier, '0']]], loss_types: [[KL]], add_origin_loss: [true], train_steps: [6]}
train: {optimizer: {AdamW: {learning_rate: 1.0e-9, weight_decay: 0.0}}, batch_size: 16}
evaluation: {latency: {batch_size: 1, length: 8, threads: 1, repeats: 5}}
";

fn options(folder: &Path) -> RunOptions {
    RunOptions {
        output: folder.join("run"),
        config_text: CONFIG.to_owned(),
        jobs: Some(1),
        threads: None,
        cache: None,
        latency_profile: None,
    }
}

fn plan(folder: &Path) -> Plan {
    Plan::parse(CONFIG, &folder.join("config.yaml")).unwrap()
}

fn finish(folder: &Path, listener: &(dyn Fn(&RunEvent) + Sync)) -> RunResult {
    run(plan(folder), &options(folder), (&listener, &AtomicBool::new(false))).unwrap()
}

fn student(folder: &Path, number: u32) -> Transformer {
    let folder = folder.join(format!("run/trials/{number:04}/student"));
    Transformer::load(&folder, &Device::flex()).unwrap().network
}

/// How far the weights called `own` of one student are from those called `theirs` of another.
fn apart(own: (&Weights, &str), theirs: (&Weights, &str)) -> f32 {
    let (own, theirs) = (own.0.get(own.1).unwrap(), theirs.0.get(theirs.1).unwrap());
    assert_eq!(own.dims, theirs.dims);
    own.values.iter().zip(&theirs.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn layer(index: usize) -> String {
    format!("bert.encoder.layer.{index}.attention.self.query.weight")
}

#[test]
fn a_trial_goes_on_from_the_nearest_student_and_is_marked_as_such_everywhere() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let notes = Mutex::new(Vec::new());
    let listener = |event: &RunEvent| {
        if let RunEvent::Note(note) = event {
            notes.lock().unwrap().push(note.clone());
        }
    };
    let result = finish(folder, &listener);
    let starts = StudyStore::open_existing(&folder.join("run/study.db")).unwrap().starts().unwrap();
    assert_eq!(starts.len(), 4);
    assert_eq!(starts[&0], StartedFrom::Teacher);
    let notes = notes.into_inner().unwrap();
    assert!(notes.iter().any(|note| note.contains("not at equal steps")), "{notes:?}");
    let card =
        |number: u32| std::fs::read_to_string(folder.join(format!("run/students/{number:04}/README.md")));
    let front: ParetoFile =
        serde_json::from_str(&std::fs::read_to_string(folder.join("run/pareto.json")).unwrap()).unwrap();
    for number in 1..4 {
        let StartedFrom::Trial(source) = starts[&number] else { panic!("{starts:?}") };
        let (own, theirs) = (student(folder, number), student(folder, source));
        let from =
            autodistillation::models::InheritancePlan::evenly_spaced(own.config(), theirs.config()).layers;
        let (own, theirs) = (Weights::of(&own), Weights::of(&theirs));
        for (index, &from) in from.iter().enumerate() {
            assert!(
                apart((&own, &layer(index)), (&theirs, &layer(from))) < 1e-6,
                "trial {number}, layer {index}"
            );
        }
        let words = "bert.embeddings.word_embeddings.weight";
        assert!(apart((&own, words), (&theirs, words)) < 1e-6);
        assert!(notes.contains(&format!("trial {number} starts from trial {source}'s student")), "{notes:?}");
        let results = folder.join(format!("run/trials/{number:04}/Trial_{number}_results.txt"));
        let results = std::fs::read_to_string(results).unwrap();
        assert!(results.contains(&format!("Started from: trial {source}'s student")), "{results}");
        assert_eq!(result.summary.warm_start(number), Some(&StartedFrom::Trial(source)));
        if let Some(trial) = front.trials.iter().find(|trial| trial.number == number) {
            assert_eq!(trial.started_from, Some(StartedFrom::Trial(source)));
            assert!(card(number).unwrap().contains(&format!("Start: trial {source}'s student")));
        }
    }
    let page = std::fs::read_to_string(folder.join("run/report.html")).unwrap();
    assert!(page.contains("Started from") && page.contains("not at equal steps"));
    autodistillation::repick::rewrite_report(&folder.join("run")).unwrap();
    let again = std::fs::read_to_string(folder.join("run/report.html")).unwrap();
    assert!(again.contains("Started from"), "what students started from is read from the study");
}

/// A run that is stopped in the middle of its second trial, and goes on, has the students of one that was not.
#[test]
fn an_interrupted_trial_goes_on_from_the_same_student() {
    let whole = tempfile::tempdir().unwrap();
    finish(whole.path(), &|_: &RunEvent| {});
    for stage in [0, 2] {
        let pieces = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let listener = |event: &RunEvent| {
            if let RunEvent::Training { number: 1, event: Event::StageStarted { stage: begun, .. } } = event
                && *begun == stage
            {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let stopped = run(plan(pieces.path()), &options(pieces.path()), (&listener, &stop));
        assert!(matches!(stopped, Err(Error::Stopped)));
        let starts = |folder: &Path| {
            StudyStore::open_existing(&folder.join("run/study.db")).unwrap().starts().unwrap()
        };
        assert_eq!(starts(pieces.path())[&1], StartedFrom::Trial(0), "it is known before the training");
        finish(pieces.path(), &|_: &RunEvent| {});
        assert_eq!(starts(pieces.path()), starts(whole.path()));
        for number in 0..4 {
            let weights = |folder: &Path| Weights::of(&student(folder, number));
            assert_eq!(weights(pieces.path()), weights(whole.path()), "trial {number}");
        }
    }
}

/// A plan of one student of these sizes that starts from the one in `start`.
fn single(
    folder: &Path,
    (start, sizes): (&str, &str),
) -> Result<Plan, autodistillation::config::ConfigErrors> {
    let text = format!(
        "
model: {{name: single}}
teacher: {{path: run/teacher}}
student: {{family: bert, {sizes}, initialize: {start}}}
data: {{demo: {{name: reviews, train: 400, validation: 80, test: 0, seed: 7}}, max_length: 32}}
distillation: {{seed: 1, train: {{optimizer: {{AdamW: {{learning_rate: 1.0e-9, weight_decay: 0.0}}}}, batch_size: 16, steps: 3, criterion: {{KnowledgeDistillationLoss: {{loss_types: [CE, KL]}}}}}}}}
evaluation: {{latency: {{batch_size: 1, length: 8, threads: 1, repeats: 5}}}}
"
    );
    Plan::parse(&text, &folder.join("config.yaml"))
}

const SAME: &str = "hidden_size: 16, num_attention_heads: 2, num_hidden_layers: 2, intermediate_size: 40";

#[test]
fn a_single_student_goes_on_from_one_in_a_folder_or_says_why_it_cannot() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    finish(folder, &|_: &RunEvent| {});
    let taught = |plan: Plan, name: &str| {
        let (architecture, teaching) = (Architecture::default(), Teaching::Distilled);
        let options = DistillOptions { architecture, output: folder.join(name), teaching, cache: None };
        distill(plan, &options, (&|_: &RunEvent| {}, &AtomicBool::new(false)))
    };
    let start = "{student: run/trials/0000/student}";
    taught(single(folder, (start, SAME)).unwrap(), "single").unwrap();
    let own = Transformer::load(&folder.join("single"), &Device::flex()).unwrap().network;
    let (own, theirs) = (Weights::of(&own), Weights::of(&student(folder, 0)));
    assert!(apart((&own, &layer(1)), (&theirs, &layer(1))) < 1e-6);
    assert!(apart((&own, "classifier.weight"), (&theirs, "classifier.weight")) < 1e-6);

    let wide = SAME.replace("hidden_size: 16", "hidden_size: 24");
    let error = taught(single(folder, (start, &wide)).unwrap(), "wide").unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.contains("has hidden_size 16") && error.contains("this one hidden_size 24"), "{error}");

    let checked = check(single(folder, (start, SAME)).unwrap(), None).unwrap();
    assert!(checked.inherited[0].contains("trials/0000/student"), "{:?}", checked.inherited);
    let mut other = single(folder, (start, SAME)).unwrap();
    other.student.family = autodistillation::models::Family::DistilBert;
    let error = check(other, None).unwrap_err().to_string();
    assert!(error.contains("config.yaml:4:"), "{error}");
    assert!(error.contains("student.initialize.student") && error.contains("its family is bert"), "{error}");

    std::fs::create_dir(folder.join("empty")).unwrap();
    let error = check(single(folder, ("{student: empty}", SAME)).unwrap(), None).unwrap_err().to_string();
    assert!(error.contains("student.initialize.student") && error.contains("config.json"), "{error}");
}

#[test]
fn wrong_starts_are_refused_at_their_place() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    std::fs::create_dir_all(folder.join("run/teacher")).unwrap();
    for (start, expected) in [
        (
            "scratch",
            "`scratch` is not a start: use one of teacher, embeddings, random, trial, {student: FOLDER}",
        ),
        ("trail", "`trail` is not a start: did you mean `trial`?"),
        ("{student: nowhere}", "folder `"),
        ("{students: run/teacher}", "unknown key `students`: did you mean `student`?"),
        ("trial", "`initialize: trial` needs a search"),
        ("3", "expected text, found `3`"),
    ] {
        let error = single(folder, (start, SAME)).unwrap_err().to_string();
        assert!(error.contains("config.yaml:4:") && error.contains("student.initialize"), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}
