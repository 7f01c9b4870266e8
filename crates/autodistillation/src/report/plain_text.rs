//! `Final_results.txt` and `Trial_{i}_results.txt`: the origin's summaries for people without a browser.

use autodistillation_search::{Architecture, Metrics, Outcome, Trial};

use super::RunSummary;
use super::digits::{self, duration};
use super::quantity::Quantity;
use super::status::{Counts, Overview};
use super::summary::{Measured, StageRecord};
use super::text_table::TextTable;

/// The text of `Final_results.txt`: the search, the teacher, the best architectures, every trial.
pub fn final_results(run: &RunSummary) -> String {
    let overview = Overview::of(run);
    let best = match overview.front.len() {
        0 => "Best architectures: none (no trial completed within the constraints)\n".to_owned(),
        count => format!(
            "Best architectures (Pareto front, {count})\n{}",
            trials_table(&overview, &overview.front)
        ),
    };
    let all: Vec<&Trial> = run.study.trials.iter().collect();
    format!("{}\n{best}\nAll trials\n{}", heading(run), trials_table(&overview, &all))
}

/// The text of `Trial_{i}_results.txt`: one architecture, its stages and its metrics.
pub fn trial_results(run: &RunSummary, trial: &Trial) -> String {
    let mut text = format!("Trial {} of {}: {}\n", trial.number, run.name, Overview::of(run).describe(trial));
    text += &format!("Architecture: {}\n", trial.architecture);
    if let Some(start) = run.warm_start(trial.number) {
        text += &format!("Started from: {start}\n");
    }
    if let Some(Outcome::Completed(metrics) | Outcome::Pruned(metrics)) = &trial.outcome {
        text += &format!("Metrics: {}\n", listed(metrics));
    }
    if !trial.intermediate.is_empty() {
        text += &format!("On the way: {}\n", listed(&trial.intermediate));
    }
    if let Some(record) = run.record(trial.number) {
        text += &further_measurements(&record.measured);
        text += &stages_table(&record.stages);
    }
    text
}

fn heading(run: &RunSummary) -> String {
    let counts = Counts::of(&run.study.trials);
    let goals: Vec<String> = run.study.goals.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        format!("AutoDistillation results: {}", run.name),
        format!("Search: {}, seed {}, {}", run.algorithm, run.study.seed, counts.describe(run.max_trials)),
        format!("Space: {} architectures ({})", run.study.space.size(), dimensions(run)),
        format!("Goals: {}", goals.join(", ")),
    ];
    if !run.study.constraints.is_empty() {
        let constraints: Vec<String> = run.study.constraints.iter().map(ToString::to_string).collect();
        lines.push(format!("Constraints: {}", constraints.join(", ")));
    }
    lines.push(format!("Teacher: {} ({})", run.teacher.name, listed(&run.teacher.measured.metrics)));
    if !run.teacher.measured.test.is_empty() {
        lines.push(format!("Teacher on test: {}", listed(&run.teacher.measured.test)));
    }
    if run.has_warm_starts() {
        lines.push(format!("Start: {}", run.recipe.initialization));
    }
    lines.push(format!("Machine: {}", run.environment.machine.describe()));
    lines.join("\n") + "\n"
}

fn dimensions(run: &RunSummary) -> String {
    let dimension = |dimension: &autodistillation_search::Dimension| {
        let choices: Vec<String> = dimension.choices.iter().map(ToString::to_string).collect();
        format!("{}: {}", dimension.name, choices.join(" "))
    };
    run.study.space.dimensions().iter().map(dimension).collect::<Vec<_>>().join("; ")
}

fn trials_table(overview: &Overview<'_>, trials: &[&Trial]) -> String {
    let (dimensions, metrics) = (overview.dimensions(), overview.shown_metrics());
    let header = ["trial"].into_iter().chain(dimensions.iter().copied()).chain(metrics.iter().copied());
    let mut table = TextTable::new(header.chain(["status"]));
    for trial in trials {
        let value =
            |name: &&str| overview.run.metric(trial, name).map(|value| Quantity::of(name).show(value));
        let mut row = vec![trial.number.to_string()];
        row.extend(dimensions.iter().map(|name| cell(&trial.architecture, name)));
        row.extend(metrics.iter().map(|name| value(name).unwrap_or_default()));
        row.push(overview.describe(trial));
        table.row(row);
    }
    table.render()
}

fn cell(architecture: &Architecture, dimension: &str) -> String {
    architecture.get(dimension).map(ToString::to_string).unwrap_or_default()
}

fn listed(metrics: &Metrics) -> String {
    let shown: Vec<String> =
        metrics.iter().map(|(name, value)| format!("{name} {}", Quantity::of(name).show(value))).collect();
    if shown.is_empty() { "not measured".to_owned() } else { shown.join(", ") }
}

fn further_measurements(measured: &Measured) -> String {
    let mut text = String::new();
    if !measured.test.is_empty() {
        text += &format!("Test: {}\n", listed(&measured.test));
    }
    if let Some(latency) = measured.latency {
        let show = |value| digits::measured(value, 3);
        let (p50, p90, p99) = (show(latency.p50), show(latency.p90), show(latency.p99));
        text += &format!("Latency per example: p50 {p50} ms, p90 {p90} ms, p99 {p99} ms\n");
    }
    text
}

fn stages_table(stages: &[StageRecord]) -> String {
    if stages.is_empty() {
        return String::new();
    }
    let mut table = TextTable::new(["stage", "steps", "time", "loss", "explained variance", "warning"]);
    for stage in stages {
        let number = |value: Option<f64>| value.map(|value| digits::measured(value, 4)).unwrap_or_default();
        let warning = stage.warning.clone().unwrap_or_default();
        let time = duration(stage.seconds);
        let (loss, explained) = (number(stage.loss), number(stage.explained_variance));
        table.row([stage.name.clone(), stage.steps.to_string(), time, loss, explained, warning]);
    }
    format!("Stages\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    #[test]
    fn the_final_results_list_the_best_and_all_trials() {
        insta::assert_snapshot!(final_results(&example_run::sst2()));
    }

    #[test]
    fn a_run_without_a_completed_trial_says_so() {
        let mut run = example_run::two_trials();
        run.study.trials.clear();
        assert!(final_results(&run).contains("Best architectures: none"));
    }

    #[test]
    fn a_completed_trial_shows_its_stages() {
        let run = example_run::sst2();
        insta::assert_snapshot!(trial_results(&run, run.trial(5).unwrap()));
    }

    #[test]
    fn a_failed_trial_shows_its_reason() {
        let run = example_run::sst2();
        let failed =
            run.study.trials.iter().find(|trial| matches!(trial.outcome, Some(Outcome::Failed(_)))).unwrap();
        insta::assert_snapshot!(trial_results(&run, failed));
    }
}
