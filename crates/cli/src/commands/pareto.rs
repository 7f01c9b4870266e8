//! `pareto`: picks again from a finished run.

use anyhow::Result;
use autodistillation::repick;
use autodistillation::search::Constraint;

use crate::arguments::ParetoArguments;
use crate::results::pareto_table;
use crate::terminal::{show, show_json};

pub fn pareto(arguments: &ParetoArguments) -> Result<()> {
    let other_device = arguments.latency_profile.as_deref();
    let file = repick::pareto(&arguments.run, &constraints(arguments)?, other_device)?;
    if arguments.json {
        return show_json(&file);
    }
    show(&pareto_table(&file))?;
    match other_device {
        Some(path) => show(&format!("Latencies of {}\n", path.display())),
        None => Ok(()),
    }
}

fn constraints(arguments: &ParetoArguments) -> Result<Vec<Constraint>> {
    let limits = [("max_latency_ms", &arguments.max_latency_ms), ("max_params", &arguments.max_params)];
    let upper = limits.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.as_ref()?)));
    let lower = arguments.min.iter().map(|(metric, value)| (format!("min_{metric}"), value));
    Ok(upper.chain(lower).map(|(key, value)| Constraint::parse(&key, value)).collect::<Result<_, _>>()?)
}
