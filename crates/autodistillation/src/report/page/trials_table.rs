//! Every trial in one sortable table.

use autodistillation_search::Trial;

use super::markup::{Element, element};
use super::table::{Column, Sorting, number_cell, table, words_cell};
use crate::report::digits::duration;
use crate::report::pareto_files::ordered;
use crate::report::quantity::{Quantity, of_intermediate};
use crate::report::status::{Overview, Status};

/// The table; its rows are what the points of the plots link to.
pub(super) fn section(overview: &Overview<'_>) -> Element {
    let heading = element("h2").with("id", "trials").text("All trials");
    let columns = Columns::of(overview);
    let rows = overview.run.study.trials.iter().map(|trial| columns.row(overview, trial)).collect();
    let table = table("All trials; click a heading to sort", Sorting::Clickable, &columns.headings(), rows);
    element("section").with("aria-labelledby", "trials").child(heading).child(table)
}

struct Columns<'a> {
    dimensions: Vec<&'a str>,
    metrics: Vec<&'a str>,
    /// Values measured on the way, such as the score after flash distillation.
    intermediate: Vec<&'a str>,
    /// Whether students went on from others, so that each says what it started from.
    starts: bool,
}

impl<'a> Columns<'a> {
    fn of(overview: &Overview<'a>) -> Self {
        let names = overview
            .run
            .study
            .trials
            .iter()
            .flat_map(|trial| trial.intermediate.iter().map(|(name, _)| name));
        Self {
            dimensions: overview.dimensions(),
            metrics: overview.shown_metrics(),
            intermediate: ordered(names),
            starts: overview.run.has_warm_starts(),
        }
    }

    fn headings(&self) -> Vec<Column> {
        let mut headings = vec![Column::number("Trial"), Column::words("Status")];
        headings.extend(self.dimensions.iter().map(|name| Column::number(*name)));
        headings.extend(self.metrics.iter().map(|name| Column::number(Quantity::of(name).title)));
        headings.extend(self.intermediate.iter().map(|name| Column::number(intermediate_title(name))));
        headings.push(Column::number("Training time"));
        headings.extend(self.starts.then(|| Column::words("Started from")));
        headings
    }

    fn row(&self, overview: &Overview<'_>, trial: &Trial) -> Element {
        let run = overview.run;
        let number = element("th")
            .with("scope", "row")
            .with("data-value", trial.number)
            .text(trial.number.to_string());
        let metric =
            |name: &&str| run.metric(trial, name).map(|value| (value, Quantity::of(name).show(value)));
        let intermediate = |name: &&str| {
            let value = trial.intermediate.finite(name);
            value.map(|value| (value, Quantity::of(of_intermediate(name)).show(value)))
        };
        element("tr")
            .with("id", format!("trial-{}", trial.number))
            .with("data-trial", trial.number)
            .class(overview.status(trial).word())
            .child(number)
            .child(status_cell(overview, trial))
            .children(self.dimensions.iter().map(|name| choice_cell(trial, name)))
            .children(self.metrics.iter().map(|name| number_cell(metric(name))))
            .children(self.intermediate.iter().map(|name| number_cell(intermediate(name))))
            .child(number_cell(training_seconds(overview, trial).map(|seconds| (seconds, duration(seconds)))))
            .children(self.starts.then(|| start_cell(overview, trial)))
    }
}

fn status_cell(overview: &Overview<'_>, trial: &Trial) -> Element {
    let status = overview.status(trial);
    let chip = element("span").class(&format!("chip {}", status.word())).text(status.word());
    let reason = overview.reason(trial).map(|reason| element("small").class("reason").text(reason));
    element("td").class("words").with("data-value", order(status)).child(chip).children(reason)
}

/// The best first when sorted by status.
fn order(status: Status) -> u8 {
    match status {
        Status::Best => 0,
        Status::Completed => 1,
        Status::Excluded => 2,
        Status::Pruned => 3,
        Status::Failed => 4,
        Status::Pending => 5,
    }
}

fn start_cell(overview: &Overview<'_>, trial: &Trial) -> Element {
    let start = overview.run.record(trial.number).and_then(|record| record.started_from.as_ref());
    words_cell(start.map(ToString::to_string).unwrap_or_default())
}

fn choice_cell(trial: &Trial, dimension: &str) -> Element {
    match trial.architecture.get(dimension) {
        Some(choice) => match choice.number() {
            Some(number) => number_cell(Some((number, choice.to_string()))),
            None => words_cell(choice.to_string()),
        },
        None => number_cell(None),
    }
}

fn training_seconds(overview: &Overview<'_>, trial: &Trial) -> Option<f64> {
    let stages = &overview.run.record(trial.number)?.stages;
    (!stages.is_empty()).then(|| stages.iter().map(|stage| stage.seconds).sum())
}

fn intermediate_title(name: &str) -> String {
    let metric = of_intermediate(name);
    format!("{} after flash", Quantity::of(metric).title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;
    use crate::started_from::StartedFrom;

    #[test]
    fn what_students_started_from_is_shown_where_one_went_on_from_another() {
        let mut run = example_run::sst2();
        assert!(!section(&Overview::of(&run)).render().contains("Started from"));
        run.records[0].started_from = Some(StartedFrom::Teacher);
        assert!(!section(&Overview::of(&run)).render().contains("Started from"), "all of them the same");
        run.records[1].started_from = Some(StartedFrom::Trial(0));
        let markup = section(&Overview::of(&run)).render();
        assert!(markup.contains("Started from") && markup.contains("the teacher"), "{markup}");
        assert!(markup.contains("trial 0's student") || markup.contains("trial 0&#39;s student"), "{markup}");
    }

    #[test]
    fn every_trial_has_a_row_with_its_status() {
        let run = example_run::sst2();
        let markup = section(&Overview::of(&run)).render();
        for trial in &run.study.trials {
            assert!(markup.contains(&format!("id=\"trial-{}\"", trial.number)));
        }
        assert!(markup.contains("the loss became NaN in stage `bert.encoder.layer.1`"));
        assert!(markup.contains("Accuracy after flash") && markup.contains("2 min 43 s"), "{markup}");
    }
}
