//! `pareto` and `report`: picks again from a finished run, without training.

use std::collections::BTreeSet;
use std::path::Path;

use autodistillation_models::TransformerConfig;
use autodistillation_search::{Constraint, Outcome};

use crate::measurement::latency_metrics;
use crate::report::{ParetoFile, RunSummary};
use crate::run::{publish, read_summary, records};
use crate::store::StudyStore;
use crate::{Error, LatencyProfile};

/// The front of the run in `folder` under other constraints, and with the latencies of another device if its profile is
/// given.
///
/// # Errors
///
/// A folder that is not a finished run, a constraint on a metric that no trial has, a profile that lacks a student.
pub fn pareto(
    folder: &Path,
    constraints: &[Constraint],
    latency_profile: Option<&Path>,
) -> Result<ParetoFile, Error> {
    let mut summary = current(folder)?;
    if let Some(path) = latency_profile {
        move_to_device(&mut summary, folder, path)?;
    }
    require_measured(&summary, constraints)?;
    summary.study.constraints.extend(constraints.iter().cloned());
    let mut file = ParetoFile::of(&summary);
    for trial in &mut file.trials {
        if !folder.join(&trial.student).is_dir() {
            trial.student = format!("trials/{:04}/student", trial.number);
        }
    }
    Ok(file)
}

/// Writes the run's reports again from what is in its folder.
///
/// # Errors
///
/// A folder that is not a run, or files that cannot be written.
pub fn rewrite_report(folder: &Path) -> Result<(), Error> {
    let summary = current(folder)?;
    publish(folder, &summary)
}

fn require_measured(summary: &RunSummary, constraints: &[Constraint]) -> Result<(), Error> {
    let measured = summary.study.completed().filter_map(|trial| trial.metrics());
    let names: BTreeSet<&str> = measured.flat_map(|metrics| metrics.iter().map(|(name, _)| name)).collect();
    match constraints.iter().find(|constraint| !names.contains(constraint.metric.as_str())) {
        Some(constraint) if !names.is_empty() => Err(Error::UnmeasuredMetric {
            metric: constraint.metric.clone(),
            available: names.into_iter().collect::<Vec<_>>().join(", "),
        }),
        _ => Ok(()),
    }
}

/// Puts the latencies of another device in place of the measured ones.
fn move_to_device(summary: &mut RunSummary, folder: &Path, path: &Path) -> Result<(), Error> {
    let profile = LatencyProfile::load(path)?;
    // The run's own bounds are bounds for the device that it measured on.
    summary.study.constraints.retain(|bound| !bound.metric.starts_with("latency"));
    if let Some(settings) = &summary.environment.latency {
        profile.require_settings(settings, path)?;
    }
    for trial in &mut summary.study.trials {
        let Some(Outcome::Completed(metrics)) = &mut trial.outcome else { continue };
        let config =
            TransformerConfig::from_folder(&folder.join(format!("trials/{:04}/student", trial.number)))?;
        let latency = profile.require_shapes(std::slice::from_ref(&config), path)?;
        metrics.extend(latency.into_iter().flat_map(latency_metrics));
    }
    Ok(())
}

/// The run's summary with its trials as they are now in the store.
pub(crate) fn current(folder: &Path) -> Result<RunSummary, Error> {
    let mut summary = read_summary(folder)?;
    let constraints = std::mem::take(&mut summary.study.constraints);
    let store = StudyStore::open_existing(&folder.join("study.db"))?;
    summary.study = store.load()?;
    summary.study.constraints = constraints;
    summary.records = records((&summary.study, &store.starts()?), folder)?;
    Ok(summary)
}
