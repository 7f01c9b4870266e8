//! `check`: what a config would do, in words.

use std::fmt::Write;

use anyhow::Result;
use autodistillation::Plan;
use autodistillation::check::{self, CheckReport, StageCheck};
use autodistillation::teacher_cache::{Demand, shown_size};

use crate::arguments::CheckArguments;
use crate::terminal::{show, show_json};

pub fn check(arguments: &CheckArguments) -> Result<()> {
    let report = check::check(Plan::load(&arguments.config)?, arguments.cache.settings().as_ref())?;
    if arguments.json { show_json(&report) } else { show(&explain(&report)?) }
}

fn explain(report: &CheckReport) -> Result<String> {
    let mut text = String::new();
    if let (Some(points), Some(feasible)) = (report.points, report.feasible) {
        writeln!(text, "Search space: {points} architectures, {feasible} of them can be built")?;
    }
    for (reason, count) in &report.infeasible {
        writeln!(text, "  {count} cannot: {}", reason.replace('\n', " "))?;
    }
    let examples = report.examples.iter().map(|(part, count)| format!("{part} {count}"));
    writeln!(text, "Examples: {}", examples.collect::<Vec<_>>().join(", "))?;
    writeln!(text, "Parameters: {}", range(report.parameters))?;
    writeln!(text, "Training: about {:.3} TFLOP per trial", report.teraflops_per_trial)?;
    writeln!(text, "Teacher's outputs: {}", outputs(&report.teacher_outputs))?;
    let architecture = if report.architecture.is_empty() { "the config's own" } else { &report.architecture };
    writeln!(text, "\nStages, for the student {architecture}")?;
    for (position, stage) in report.stages.iter().enumerate() {
        explain_stage(&mut text, (position, stage))?;
    }
    if let Some(choice) = &report.layer_choice {
        writeln!(text, "  {choice}")?;
    }
    for (title, lines) in [("Inherited from the teacher", &report.inherited), ("Notes", &report.notes)] {
        if !lines.is_empty() {
            writeln!(text, "\n{title}\n  {}", lines.join("\n  "))?;
        }
    }
    Ok(text)
}

fn explain_stage(text: &mut String, (position, stage): (usize, &StageCheck)) -> Result<()> {
    let StageCheck { block, steps, learning_rate, .. } = stage;
    writeln!(text, "  {}. {block}: {steps} steps, learning rate {learning_rate}", position + 1)?;
    for term in &stage.terms {
        writeln!(text, "       {term}")?;
    }
    Ok(())
}

/// `12.3 MiB from 6 layers for 7600 examples, kept in ~/.cache/… for later runs`
fn outputs(demand: &Demand) -> String {
    let size = shown_size(demand.bytes);
    let text = format!("{size} from {} layers for {} examples", demand.layers, demand.examples);
    match (&demand.folder, demand.limit) {
        (Some(folder), _) if demand.fits() => format!("{text}, kept in {} for later runs", folder.display()),
        (Some(folder), Some(limit)) => format!(
            "{text}, of which {} fit into {}; the rest is kept in memory or computed again (see --cache-size)",
            shown_size(limit),
            folder.display()
        ),
        _ => format!("{text}, kept in memory"),
    }
}

fn range((smallest, largest): (u64, u64)) -> String {
    if smallest == largest { smallest.to_string() } else { format!("{smallest} to {largest}") }
}
