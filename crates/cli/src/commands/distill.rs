//! `distill`: one student, without a search.

use anyhow::Result;
use autodistillation::Plan;
use autodistillation::config::PlanOverrides;
use autodistillation::distill::{self, DistillOptions, parse_architecture};
use autodistillation::experiment::Teaching;
use serde_json::json;

use crate::arguments::DistillArguments;
use crate::interrupt;
use crate::progress::Progress;
use crate::results::metrics_table;
use crate::terminal::{show, show_json};

pub fn distill(arguments: &DistillArguments) -> Result<()> {
    let architecture = parse_architecture(&arguments.architecture)?;
    let overrides = PlanOverrides {
        seed: arguments.seed,
        precision: Some(arguments.precision),
        device: Some(arguments.device),
        ..PlanOverrides::default()
    };
    let plan = Plan::load(&arguments.config)?.overridden_by(&overrides);
    let teaching = if arguments.without_teacher { Teaching::LabelsAlone } else { Teaching::Distilled };
    let output = arguments.output.clone();
    let options = DistillOptions { architecture, output, teaching, cache: arguments.cache.settings() };
    let progress = Progress::new(&arguments.progress, Vec::new());
    let metrics = distill::distill(plan, &options, (&progress, interrupt::listen()?));
    progress.finish();
    let metrics = metrics?;
    if arguments.json {
        let architecture = &options.architecture;
        return show_json(
            &json!({"output": arguments.output, "architecture": architecture, "metrics": metrics}),
        );
    }
    show(&format!("{}\nStudent: {}\n", metrics_table(&metrics), arguments.output.display()))
}
