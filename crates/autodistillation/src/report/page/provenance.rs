//! What the numbers depend on: machine, versions, seeds, inputs, recipe.

use super::markup::{Element, element};
use crate::report::digits::bytes;
use crate::report::machine::counted;
use crate::report::status::Overview;
use crate::report::{Environment, RunSummary};

type Entry = (String, String);

/// Four panels of names and values.
pub(super) fn section(overview: &Overview<'_>) -> Element {
    let run = overview.run;
    let panels = [
        panel("Machine", machine(&run.environment)),
        panel("Measurement", measurement(&run.environment)),
        panel("Inputs", inputs(run)),
        panel("Recipe", recipe(run)),
    ];
    element("section")
        .with("aria-labelledby", "environment")
        .child(element("h2").with("id", "environment").text("Environment and recipe"))
        .child(element("div").class("pair").children(panels))
}

fn panel(title: &str, entries: Vec<Entry>) -> Element {
    let rows = entries.into_iter().filter(|(_, value)| !value.is_empty());
    let rows = rows
        .map(|(name, value)| element("div").child(element("dt").text(name)).child(element("dd").text(value)));
    element("div").class("panel").child(element("h3").text(title)).child(element("dl").children(rows))
}

fn entry(name: &str, value: impl Into<String>) -> Entry {
    (name.to_owned(), value.into())
}

fn machine(environment: &Environment) -> Vec<Entry> {
    let machine = &environment.machine;
    let cores = machine.cores.map_or_else(String::new, |cores| format!("{cores} physical, "));
    vec![
        entry("Processor", machine.processor.clone().unwrap_or_else(|| machine.architecture.clone())),
        entry("Cores", format!("{cores}{} usable", counted(machine.threads, "thread"))),
        entry("Instructions", machine.features.join(" ")),
        entry("Memory", machine.memory.map(bytes).unwrap_or_default()),
        entry("System", machine.system.clone()),
        entry("Fingerprint", machine.fingerprint.clone()),
    ]
}

fn measurement(environment: &Environment) -> Vec<Entry> {
    let mut entries = vec![
        entry("Latency", environment.latency.map(|latency| latency.describe()).unwrap_or_default()),
        entry("Latency of", environment.latency_machine.clone().unwrap_or_default()),
        entry("Device", environment.device.clone()),
        entry(
            "Students side by side",
            format!("{}, {} each", environment.jobs, counted(environment.threads_per_job, "thread")),
        ),
        entry("autodistillation", environment.version.clone()),
    ];
    entries.extend(environment.versions.iter().map(|(name, version)| entry(name, version.clone())));
    entries.extend(environment.seeds.iter().map(|(name, seed)| (format!("Seed, {name}"), seed.to_string())));
    entries.push(entry("Created", environment.created.clone()));
    entries
}

fn inputs(run: &RunSummary) -> Vec<Entry> {
    let dataset = &run.dataset;
    let test = dataset.test.map(|count| format!(", {count} test")).unwrap_or_default();
    let mut entries = vec![
        entry("Data", dataset.name.clone()),
        entry("Examples", format!("{} training, {} validation{test}", dataset.train, dataset.validation)),
        entry("Classes", dataset.labels.join(", ")),
        entry("Longest example", format!("{} tokens", dataset.max_length)),
        entry("Teacher", run.teacher.name.clone()),
        entry("Its sizes", run.teacher.architecture.to_string()),
    ];
    entries.extend(run.environment.hashes.iter().map(|(name, hash)| (format!("Hash, {name}"), hash.clone())));
    entries
}

fn recipe(run: &RunSummary) -> Vec<Entry> {
    let recipe = &run.recipe;
    let constraints: Vec<String> = run.study.constraints.iter().map(ToString::to_string).collect();
    let mut entries = vec![
        entry("Student", format!("{} {}", recipe.family, recipe.fixed)),
        entry("Start", recipe.initialization.clone()),
        entry("Optimiser", format!("{}, batch {}", recipe.optimizer, recipe.batch_size)),
        entry("Constraints", constraints.join(", ")),
    ];
    entries.extend(recipe.stages.iter().map(|stage| {
        (
            stage.name.clone(),
            format!("{} steps at {:e}: {}", stage.steps, stage.learning_rate, stage.objective),
        )
    }));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    #[test]
    fn what_is_unknown_is_left_out() {
        let mut run = example_run::sst2();
        run.environment.machine.memory = None;
        run.environment.latency = None;
        let markup = section(&Overview::of(&run)).render();
        assert!(!markup.contains("Memory") && !markup.contains(">Latency<"));
        assert!(markup.contains("Example Processor 9000") && markup.contains("5f1d0b2a9c3e4f60"));
    }
}
