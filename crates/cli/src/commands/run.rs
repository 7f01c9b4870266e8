//! `run`: the whole pipeline, and the table of what it found.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use autodistillation::Plan;
use autodistillation::config::PlanOverrides;
use autodistillation::report::ParetoFile;
use autodistillation::run::{self, RunOptions, RunResult};
use serde::Serialize;

use crate::arguments::RunArguments;
use crate::ending::Ending;
use crate::interrupt;
use crate::progress::Progress;
use crate::results::{Tally, pareto_table};
use crate::terminal::{say, show, show_json};

/// What `--json` prints.
#[derive(Serialize)]
struct Found<'a> {
    output: &'a Path,
    report: PathBuf,
    trials: Tally,
    pareto: ParetoFile,
}

pub fn run(arguments: &RunArguments) -> Result<Ending> {
    let overrides = PlanOverrides {
        trials: arguments.trials,
        seed: arguments.seed,
        precision: Some(arguments.precision),
        device: Some(arguments.device),
        ..PlanOverrides::default()
    };
    let plan = Plan::load(&arguments.config)?.overridden_by(&overrides);
    let options = options(arguments, &plan)?;
    let goals = plan.search.iter().flat_map(|search| &search.goals).map(|goal| goal.metric.clone());
    let progress = Progress::new(&arguments.progress, goals.collect());
    let result = run::run(plan, &options, (&progress, interrupt::listen()?));
    progress.finish();
    let result = result?;
    if arguments.json {
        show_json(&Found::of(&result))?
    } else {
        show(&summary(&result))?
    }
    if result.has_students() {
        return Ok(Ending::Done);
    }
    for reason in Tally::of(&result.summary).reasons {
        say(&format!("failed: {reason}"));
    }
    Ok(Ending::NoStudent)
}

fn options(arguments: &RunArguments, plan: &Plan) -> Result<RunOptions> {
    let path = &arguments.config;
    let text = std::fs::read_to_string(path);
    Ok(RunOptions {
        output: arguments.output.clone().unwrap_or_else(|| Path::new("runs").join(&plan.name)),
        config_text: text.with_context(|| format!("cannot read `{}`", path.display()))?,
        jobs: arguments.jobs.map(Into::into),
        threads: arguments.threads.map(Into::into),
        cache: arguments.cache.settings(),
        latency_profile: arguments.latency_profile.clone(),
    })
}

impl<'a> Found<'a> {
    fn of(result: &'a RunResult) -> Self {
        Self {
            output: &result.output,
            report: result.output.join("report.html"),
            trials: Tally::of(&result.summary),
            pareto: ParetoFile::of(&result.summary),
        }
    }
}

fn summary(result: &RunResult) -> String {
    let Found { output, report, trials, pareto } = Found::of(result);
    let table = pareto_table(&pareto);
    let mut text = format!("{trials}\n\n{table}\nReport: {}\n", report.display());
    if let Some(trial) = pareto.trials.first() {
        let student = output.join(&trial.student);
        text += &format!("Use a student: autodistillation predict {} texts.txt\n", student.display());
    }
    text
}
