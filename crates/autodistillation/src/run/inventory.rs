//! Gathers what a run has left in its folder into one summary.

use std::path::Path;

use autodistillation_models::{Arithmetic, TransformerConfig};
use autodistillation_search::{Architecture, Metrics, Study};
use serde_json::Value;

use crate::experiment::BuiltInExperiment;
use crate::files::{read_json, read_lines};
use crate::plan::{DataSource, Initialize, Plan};
use crate::report::{
    CurvePoint, Dataset, Environment, LatencyPercentiles, LatencySettings, Measured, Recipe, RecipeStage,
    RunSummary, StageRecord, Teacher, TimeShare, TrialRecord,
};
use crate::started_from::Starts;
use crate::task::Task;
use crate::{ComputeDevice, Error};

/// The summary that a finished run left behind.
///
/// # Errors
///
/// A folder without one.
pub fn read_summary(output: &Path) -> Result<RunSummary, Error> {
    let path = output.join("summary.json");
    if !path.is_file() {
        return Err(Error::NotARun { path: output.to_owned(), missing: "summary.json" });
    }
    read_json(&path)
}

/// Everything a run did.
///
/// # Errors
///
/// Files of the run that cannot be read.
pub fn summarise(
    experiment: &BuiltInExperiment,
    (study, starts): (Study, &Starts),
    output: &Path,
    teacher: Metrics,
) -> Result<RunSummary, Error> {
    let plan = experiment.plan();
    let search = plan.search.as_ref();
    let records = records((&study, starts), output)?;
    let time = time_shares(&records);
    Ok(RunSummary {
        name: plan.name.clone(),
        algorithm: search.map_or_else(String::new, |search| search.algorithm.to_string()),
        max_trials: search.map_or(study.trials.len() as u32, |search| search.max_trials),
        teacher: teacher_summary(experiment, teacher),
        recipe: recipe(experiment, &study),
        dataset: dataset(experiment),
        environment: environment(experiment),
        records,
        time,
        study,
    })
}

/// What the trials left in their folders.
///
/// # Errors
///
/// A file that is there but cannot be read.
pub fn records((study, starts): (&Study, &Starts), output: &Path) -> Result<Vec<TrialRecord>, Error> {
    let front: Vec<u32> = study.pareto_front().iter().map(|trial| trial.number).collect();
    let record = |number: u32| -> Result<TrialRecord, Error> {
        let folder = output.join("trials").join(format!("{number:04}"));
        let read = |name: &str| folder.join(name).is_file().then(|| folder.join(name));
        let metrics: Metrics =
            read("metrics.json").map(|path| read_json(&path)).transpose()?.unwrap_or_default();
        let stages: Vec<StageRecord> =
            read("stages.json").map(|path| read_json(&path)).transpose()?.unwrap_or_default();
        let curve: Vec<CurvePoint> = read_lines(&folder.join("curve.jsonl"))?;
        let student = front.contains(&number).then(|| format!("students/{number:04}"));
        let started_from = starts.get(&number).cloned();
        Ok(TrialRecord { number, started_from, measured: measured(&metrics), stages, curve, student })
    };
    study.trials.iter().map(|trial| record(trial.number)).collect()
}

/// Flat metrics, sorted into validation, test and latency.
fn measured(metrics: &Metrics) -> Measured {
    let of_test = |name: &str| name.strip_prefix("test_").map(str::to_owned);
    let test: Metrics = metrics.iter().filter_map(|(name, value)| Some((of_test(name)?, value))).collect();
    let validation: Metrics = metrics.iter().filter(|(name, _)| of_test(name).is_none()).collect();
    let percentiles = (metrics.get("latency"), metrics.get("latency_p90"), metrics.get("latency_p99"));
    let latency = match percentiles {
        (Some(p50), Some(p90), Some(p99)) => Some(LatencyPercentiles { p50, p90, p99 }),
        _ => None,
    };
    Measured { metrics: validation, test, latency }
}

fn time_shares(records: &[TrialRecord]) -> Vec<TimeShare> {
    let stages = || records.iter().flat_map(|record| &record.stages);
    let waiting = |stage: &StageRecord| stage.teacher_seconds.unwrap_or(0.0);
    let seconds = |regular: bool| -> f64 {
        let those = stages().filter(|stage| (stage.name == "regular") == regular);
        those.map(|stage| stage.seconds - waiting(stage)).sum()
    };
    [
        ("the teacher's answers", stages().map(waiting).sum()),
        ("flash distillation", seconds(false)),
        ("regular distillation", seconds(true)),
    ]
    .into_iter()
    .filter(|(_, seconds)| *seconds > 0.0)
    .map(|(activity, seconds)| TimeShare { activity: activity.to_owned(), seconds })
    .collect()
}

fn teacher_summary(experiment: &BuiltInExperiment, metrics: Metrics) -> Teacher {
    let materials = experiment.materials();
    let others = materials.further_teachers.iter().map(|other| &other.folder);
    let names = [&materials.teacher_folder].into_iter().chain(others).filter_map(|folder| folder.file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let config = experiment.materials().teacher.config();
    Teacher {
        name: if names.is_empty() { "teacher".to_owned() } else { names.join(" + ") },
        architecture: sizes(config),
        measured: measured(&metrics),
        ..Teacher::default()
    }
}

/// The sizes of a network that are worth showing.
fn sizes(config: &TransformerConfig) -> Architecture {
    let json = config.to_json();
    let names = ["num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size"];
    let number = |name: &str| {
        Some((name.to_owned(), autodistillation_search::Choice::Integer(json.get(name)?.as_i64()?)))
    };
    names.into_iter().filter_map(number).collect()
}

fn recipe(experiment: &BuiltInExperiment, study: &Study) -> Recipe {
    let plan = experiment.plan();
    let first = study.trials.first().and_then(|trial| experiment.student_config(&trial.architecture).ok());
    let stages = first.map(|config| experiment.scheduler(&config)).unwrap_or_default();
    Recipe {
        family: plan.student.family.model_type().to_owned(),
        fixed: plan.student.fixed.iter().filter_map(choice).collect(),
        initialization: match &plan.student.initialize {
            Initialize::Teacher => "the teacher's weights, projected to the student's sizes".to_owned(),
            Initialize::Embeddings => "the teacher's embeddings, other weights random".to_owned(),
            Initialize::Random => "random weights".to_owned(),
            Initialize::Trial => {
                "the nearest earlier trial's student with layers of the same shape, else the teacher's weights; so scores are not \
                 at equal steps"
                    .to_owned()
            }
            Initialize::Student(folder) => format!(
                "the student in {} where its layers have the same shape, else the teacher's weights",
                folder.display()
            ),
        },
        optimizer: format!("{:?}", plan.training.optimizer),
        batch_size: plan.training.batch_size as u32,
        stages: stages.stages().iter().map(recipe_stage).collect(),
    }
}

fn choice((name, value): (&String, &Value)) -> Option<(String, autodistillation_search::Choice)> {
    Some((name.clone(), serde_json::from_value(value.clone()).ok()?))
}

fn recipe_stage(stage: &autodistillation_distillation::Stage) -> RecipeStage {
    let modules = stage.block.modules().join(" + ");
    RecipeStage {
        name: if modules.is_empty() { "regular".to_owned() } else { modules },
        objective: crate::check::objective(&stage.criterion),
        steps: stage.steps,
        learning_rate: stage.learning_rate,
    }
}

fn dataset(experiment: &BuiltInExperiment) -> Dataset {
    let (plan, sets) = (experiment.plan(), &experiment.materials().sets);
    let config = experiment.materials().teacher.config();
    Dataset {
        name: dataset_name(plan),
        task: Task::of(config).pipeline().to_owned(),
        auto_class: Task::of(config).auto_class().to_owned(),
        train: sets.training.len() as u64,
        validation: sets.validation.len() as u64,
        test: sets.test.as_ref().map(|test| test.len() as u64),
        labels: sets.classes.clone(),
        max_length: plan.data.max_length as u32,
    }
}

/// The folder of the training file, or the generator's name.
fn dataset_name(plan: &Plan) -> String {
    match &plan.data.source {
        DataSource::Demo { name, .. } => format!("{name} (generated)"),
        DataSource::Files { train, .. } => {
            let folder = train.parent().and_then(|folder| folder.file_name());
            folder.map_or_else(|| train.display().to_string(), |name| name.to_string_lossy().into_owned())
        }
    }
}

fn environment(experiment: &BuiltInExperiment) -> Environment {
    let (plan, latency) = (experiment.plan(), experiment.plan().evaluation.latency);
    let mut environment = Environment::gather();
    environment.device = device(plan);
    environment.latency_machine = experiment.latency_machine();
    environment.threads_per_job = 1;
    environment.versions.insert("burn".to_owned(), "0.22.1".to_owned());
    environment.seeds.insert("study".to_owned(), plan.seed);
    environment.hashes = experiment.materials().hashes.clone();
    environment.latency = Some(LatencySettings {
        batch_size: latency.batch_size,
        length: latency.length,
        threads: latency.threads,
        repeats: latency.repeats,
    });
    environment
}

/// The device that trained and what it multiplied: `flex (CPU), f32`.
fn device(plan: &Plan) -> String {
    let device = match plan.training.device {
        ComputeDevice::Flex => "flex (CPU)".to_owned(),
        gpu => gpu.to_string(),
    };
    let numbers = match plan.training.arithmetic() {
        Ok(Arithmetic::Bf16) => "bf16 products",
        Ok(Arithmetic::F32) | Err(_) => "f32",
    };
    format!("{device}, {numbers}")
}
