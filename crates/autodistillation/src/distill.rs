//! `distill`: one student of one architecture, without a search.

use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;

use autodistillation_search::{Architecture, Choice, Metrics};

use crate::Error;
use crate::event::RunListener;
use crate::experiment::{Experiment, Patience, Shared, Teaching, TrialContext, TrialError};
use crate::files::write_json;
use crate::plan::Plan;
use crate::run::prepare;
use crate::store::RunLock;

/// What `distill` is asked to do.
#[derive(Clone, Debug)]
pub struct DistillOptions {
    /// Values of the student's config, in place of searched ones.
    pub architecture: Architecture,
    /// The folder of the student.
    pub output: PathBuf,
    /// Who teaches the student.
    pub teaching: Teaching,
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
    let _lock = RunLock::acquire(&options.output)?;
    let seed = plan.seed;
    let experiment = prepare(Plan { search: None, ..plan }, &options.output, (listener, stop))?
        .with_teaching(options.teaching);
    experiment.student_config(&options.architecture)?;
    let shared = Shared { listener, stop, quiet: RwLock::new(()) };
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
/// A part without `=`.
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
    text.split(',').filter(|part| !part.trim().is_empty()).map(part).collect()
}
