//! `run`: the whole pipeline from a config to measured students and a report, resumable at any moment.

mod inventory;
mod teacher;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::Error;
use crate::auto_distillation::{AutoDistillation, SearchOptions};
use crate::event::{RunEvent, RunListener};
use crate::experiment::BuiltInExperiment;
use crate::files::{copy_folder, require_only, write, write_json};
use crate::latency_profile::{self, ProfileSource};
use crate::materials::Materials;
use crate::plan::{Plan, SearchPlan};
use crate::report::{self, CardFormat, RunSummary, TimeShare};
use crate::store::{LOCK_FILE, RunLock, StudyDefinition, StudyStore};
use crate::teacher_cache::CacheSettings;

pub use inventory::{read_summary, records, summarise};
pub use teacher::trained_teacher;

/// What `run` needs besides the plan.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The folder of the run.
    pub output: PathBuf,
    /// The config's text, kept beside the results.
    pub config_text: String,
    /// Students trained side by side; absent = one per core.
    pub jobs: Option<usize>,
    /// Threads of each student; absent = the cores shared out among the jobs.
    pub threads: Option<usize>,
    /// Where the teacher's outputs are kept; absent = in memory.
    pub cache: Option<CacheSettings>,
    /// Latencies of another device, which the search is to choose for; absent = this machine's.
    pub latency_profile: Option<PathBuf>,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// The folder of the run.
    pub output: PathBuf,
    /// Everything that was measured.
    pub summary: RunSummary,
}

impl RunResult {
    /// Whether at least one trial completed.
    pub fn has_students(&self) -> bool {
        self.summary.study.completed().next().is_some()
    }
}

/// Runs the search of `plan`, or goes on with it, and writes everything into the output folder.
///
/// A run that is finished returns at once. `stop` ends it after saving: [`Error::Stopped`].
///
/// # Errors
///
/// A plan without a search, an output folder that is in use or belongs to another study, an unusable teacher or
/// data set, a store that cannot be written. A trial that fails is no error.
pub fn run(
    plan: Plan,
    options: &RunOptions,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<RunResult, Error> {
    let Some(search) = plan.search.clone() else {
        let remedy = "add `auto_distillation.search`, or use `distill` for one student";
        return Err(Error::MissingPart { part: "auto_distillation.search", command: "run", remedy });
    };
    if !options.output.join("study.db").is_file() {
        require_unused(&options.output)?;
    }
    let _lock = RunLock::acquire(&options.output)?;
    let (path, definition) = (options.output.join("study.db"), definition(&plan, &search)?);
    let earlier = path.is_file().then(|| StudyStore::open(&path, &definition)).transpose()?;
    if let Some(summary) =
        earlier.as_ref().map(|store| finished(store, &search, &options.output)).transpose()?.flatten()
    {
        if let Some(path) = &options.latency_profile {
            latency_profile::require_same(path, &options.output)?;
        }
        return Ok(RunResult { output: options.output.clone(), summary });
    }
    let started = Instant::now();
    let config =
        serde_json::to_value(&plan).map_err(|source| Error::Json { path: "plan.json".into(), source })?;
    let experiment = prepare(plan, &options.output, options.cache.as_ref(), (listener, stop))?;
    experiment.try_teacher()?;
    // Nothing of the study is written before teacher and data are known to be usable.
    let store = earlier.map_or_else(|| StudyStore::open(&path, &definition), Ok)?;
    write(&options.output.join("config.yaml"), options.config_text.as_bytes())?;
    write_json(&options.output.join("plan.json"), &config)?;
    let source = ProfileSource {
        other_device: options.latency_profile.as_deref(),
        folder: &options.output,
        has_begun: !store.load()?.trials.is_empty(),
    };
    let latencies = latency_profile::before_search(&experiment, source, (listener, stop))?;
    let experiment = experiment.with_latencies(latencies);
    let prepared = started.elapsed().as_secs_f64();
    let mut agent = search_agent(experiment, search, store, options)?;
    agent.search_with(listener, stop)?;
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Stopped);
    }
    listener.hear(&RunEvent::Phase("evaluating the teacher, writing students and report".into()));
    let teacher_metrics = agent.experiment().teacher_metrics()?;
    let mut summary = summarise(
        agent.experiment(),
        (agent.search_result(), &agent.starts()),
        &options.output,
        teacher_metrics,
    )?;
    (summary.environment.jobs, summary.environment.threads_per_job) = jobs_and_threads(options);
    summary.time.insert(
        0,
        TimeShare { activity: "reading data and preparing the teacher".into(), seconds: prepared },
    );
    publish(&options.output, &summary)?;
    Ok(RunResult { output: options.output.clone(), summary })
}

/// Refuses a folder with files of somebody else. A run that was stopped before its study began left a lock, and a
/// teacher if it trained one.
fn require_unused(output: &Path) -> Result<(), Error> {
    if output.is_dir() { require_only(output, &[LOCK_FILE, "teacher"]) } else { Ok(()) }
}

/// The summary of a run that has nothing left to do.
fn finished(store: &StudyStore, search: &SearchPlan, output: &Path) -> Result<Option<RunSummary>, Error> {
    let study = store.load()?;
    let ended = study.trials.iter().filter(|trial| !trial.is_pending()).count();
    if ended < study.trials.len()
        || ended < search.max_trials as usize
        || !output.join("report.html").is_file()
    {
        return Ok(None);
    }
    let Ok(mut summary) = read_summary(output) else { return Ok(None) };
    summary.study.trials = study.trials;
    let changed = summary.study.constraints != search.constraints;
    summary.study.constraints = search.constraints.clone();
    if changed {
        publish(output, &summary)?;
    }
    Ok(Some(summary))
}

fn definition(plan: &Plan, search: &SearchPlan) -> Result<StudyDefinition, Error> {
    let mut settings =
        serde_json::to_value(plan).map_err(|source| Error::Json { path: "plan.json".into(), source })?;
    if let Some(object) = settings.as_object_mut() {
        object.remove("search");
        object.remove("name");
    }
    Ok(StudyDefinition {
        name: plan.name.clone(),
        space: search.space.clone(),
        goals: search.goals.clone(),
        seed: search.seed,
        constraints: search.constraints.clone(),
        settings,
    })
}

/// Trains the teacher if the plan says so, loads it, and tokenises the data.
///
/// # Errors
///
/// An unusable teacher or data set, or a stop.
pub fn prepare(
    plan: Plan,
    output: &Path,
    cache: Option<&CacheSettings>,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<BuiltInExperiment, Error> {
    plan.training.arithmetic()?; // Better now than in the first trial.
    let device = plan.training.device.open()?;
    let trained = trained_teacher(&plan, output, (listener, stop))?;
    listener.hear(&RunEvent::Phase("reading data and loading the teacher".into()));
    let materials = Materials::gather(&plan, trained.as_deref(), &device)?;
    for note in &materials.notes {
        listener.hear(&RunEvent::Note(note.clone()));
    }
    let plan = plan.with_epochs_counted(materials.sets.training.len());
    let experiment = BuiltInExperiment::new(plan, materials, device, cache);
    crate::check::first_student(&experiment)?;
    Ok(experiment)
}

fn search_agent(
    experiment: BuiltInExperiment,
    search: SearchPlan,
    store: StudyStore,
    options: &RunOptions,
) -> Result<AutoDistillation<BuiltInExperiment>, Error> {
    let (jobs, threads) = jobs_and_threads(options);
    let folder = Some(options.output.join("trials"));
    AutoDistillation::new(search, experiment)
        .with_options(SearchOptions { jobs, threads, folder })
        .with_store(store)
}

/// Students side by side, and the threads of each.
fn jobs_and_threads(options: &RunOptions) -> (usize, usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = options.jobs.unwrap_or(cores).max(1);
    (jobs, options.threads.unwrap_or(cores / jobs).max(1))
}

/// Writes the Pareto students' folders and every report.
///
/// # Errors
///
/// A file that cannot be written.
pub fn publish(output: &Path, summary: &RunSummary) -> Result<(), Error> {
    let front: Vec<u32> = summary.study.pareto_front().into_iter().map(|trial| trial.number).collect();
    remove_former_students(&output.join("students"), &front)?;
    for number in front {
        let trial = output.join("trials").join(format!("{number:04}"));
        let student = output.join("students").join(format!("{number:04}"));
        copy_folder(&trial.join("student"), &student)?;
        copy_folder_file(&trial.join("metrics.json"), &student.join("metrics.json"))?;
        report::write_model_card(&student, summary, (number, CardFormat::of(&student)))?;
    }
    for trial in summary.study.trials.iter().filter(|trial| !trial.is_pending()) {
        report::write_trial_results(
            &output.join("trials").join(format!("{:04}", trial.number)),
            summary,
            trial.number,
        )?;
    }
    write_json(&output.join("summary.json"), summary)?;
    Ok(report::write(output, summary)?)
}

/// Students of an earlier, other front; their weights stay in their trial's folder.
fn remove_former_students(students: &Path, front: &[u32]) -> Result<(), Error> {
    let Ok(entries) = std::fs::read_dir(students) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let number = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        if number.is_some_and(|number| !front.contains(&number)) {
            std::fs::remove_dir_all(&path).map_err(|source| Error::File {
                action: "remove",
                path,
                source,
            })?;
        }
    }
    Ok(())
}

fn copy_folder_file(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::copy(from, to).map(|_| ()).map_err(|source| Error::File {
        action: "copy to",
        path: to.to_owned(),
        source,
    })
}
