//! `distill`: one student of one architecture, without a search.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use autodistillation_models::Error::UnknownDimension;
use autodistillation_search::{Architecture, Choice, Metrics};

use crate::Error;
use crate::event::RunListener;
use crate::experiment::{Experiment, Patience, Shared, Teaching, TrialContext, TrialError};
use crate::files::{require_only, write_json};
use crate::plan::Plan;
use crate::run::prepare;
use crate::store::{LOCK_FILE, RunLock};
use crate::teacher_cache::CacheSettings;

/// What `distill` is asked to do.
#[derive(Clone, Debug)]
pub struct DistillOptions {
    /// Values of the student's config, in place of searched ones.
    pub architecture: Architecture,
    /// The folder of the student.
    pub output: PathBuf,
    /// Who teaches the student.
    pub teaching: Teaching,
    /// Where the teacher's outputs are kept; absent = in memory.
    pub cache: Option<CacheSettings>,
}

/// Builds, teaches and measures one student, and saves it in the output folder. An interrupted one goes on from its
/// last finished stage.
///
/// # Errors
///
/// An unusable teacher or data set, an architecture that cannot be built, a training that diverges, or a stop.
pub fn distill(
    plan: Plan,
    options: &DistillOptions,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<Metrics, Error> {
    require_choices(&plan, &options.architecture)?;
    if options.output.is_dir() {
        require_only(&options.output, &[LOCK_FILE, "work", "teacher"])?;
    }
    let _lock = RunLock::acquire(&options.output)?;
    let seed = plan.seed;
    let plan = Plan { search: None, ..plan };
    let experiment = prepare(plan, &options.output, options.cache.as_ref(), (listener, stop))?
        .with_teaching(options.teaching);
    experiment.student_config(&options.architecture)?;
    let threads = rayon::current_num_threads();
    let shared = Shared::new((listener, stop), threads);
    let work = options.output.join("work");
    let trial = TrialContext {
        number: 0,
        architecture: &options.architecture,
        patience: Patience::Finishes,
        seed,
        folder: Some(&work),
        shared: &shared,
    };
    let metrics = experiment
        .build(&trial)
        .and_then(|student| experiment.train(student, &trial))
        .and_then(|student| experiment.evaluate(student, &trial))
        .map_err(failed)?;
    move_up(&work, &options.output)?;
    write_json(&options.output.join("metrics.json"), &metrics)?;
    Ok(metrics)
}

/// Refuses names that no student has, and sizes that the config searches and the command leaves open: none is guessed.
fn require_choices(plan: &Plan, architecture: &Architecture) -> Result<(), Error> {
    let Some(search) = &plan.search else { return Ok(()) };
    let family = plan.student.family;
    let valid = family.student_dimensions();
    if let Some((name, _)) = architecture.iter().find(|(name, _)| !valid.contains(name)) {
        return Err(UnknownDimension { name: name.to_owned(), family, valid }.into());
    }
    let open =
        search.space.dimensions().iter().filter(|dimension| architecture.get(&dimension.name).is_none());
    let open: Vec<String> = open
        .map(|dimension| {
            let choices: Vec<String> = dimension.choices.iter().map(ToString::to_string).collect();
            format!("{} ({})", dimension.name, choices.join(", "))
        })
        .collect();
    if open.is_empty() { Ok(()) } else { Err(Error::OpenDimensions { open }) }
}

fn failed(error: TrialError) -> Error {
    match error {
        TrialError::Stopped => Error::Stopped,
        TrialError::Failed(source) => Error::Training { source },
        TrialError::Waiting(_) => unreachable!("only a patient trial waits"),
    }
}

/// The student's files belong directly into the output folder.
fn move_up(work: &Path, output: &Path) -> Result<(), Error> {
    crate::files::copy_folder(&work.join("student"), output)?;
    for name in ["stages.json", "curve.jsonl"] {
        let _ = std::fs::rename(work.join(name), output.join(name)); // A training without stages leaves neither.
    }
    std::fs::remove_dir_all(work).map_err(|source| Error::File {
        action: "remove",
        path: work.to_owned(),
        source,
    })
}

/// Reads `hidden_size=128,num_attention_heads=2`.
///
/// # Errors
///
/// A part without `=`, or a name that is given twice.
pub fn parse_architecture(text: &str) -> Result<Architecture, Error> {
    let part = |part: &str| {
        let (name, value) =
            part.split_once('=').ok_or_else(|| Error::Architecture { part: part.to_owned() })?;
        let value = value.trim();
        let choice = match (value.parse::<i64>(), value.parse::<f64>()) {
            (Ok(whole), _) => Choice::Integer(whole),
            (_, Ok(real)) => Choice::Real(real),
            _ => Choice::Text(value.to_owned()),
        };
        Ok((name.trim().to_owned(), choice))
    };
    let parts: Vec<(String, Choice)> =
        text.split(',').filter(|part| !part.trim().is_empty()).map(part).collect::<Result<_, Error>>()?;
    let repeated = (1..parts.len()).find(|&at| parts[..at].iter().any(|(name, _)| *name == parts[at].0));
    match repeated {
        Some(at) => Err(Error::GivenTwice { name: parts[at].0.clone() }),
        None => Ok(parts.into_iter().collect()),
    }
}
