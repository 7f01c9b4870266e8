//! The Pareto students beside their teacher: sizes, latencies, what is kept and what is saved.

use autodistillation_search::{Metrics, Trial};

use super::markup::{Element, element};
use super::reference::compared;
use super::table::{Column, Sorting, number_cell, table};
use crate::report::LatencyPercentiles;
use crate::report::quantity::{Quantity, canonical, is_cost};
use crate::report::status::Overview;

/// The table; nothing without a front.
pub(super) fn section(overview: &Overview<'_>) -> Option<Element> {
    if overview.front.is_empty() {
        return None;
    }
    let columns = columns(overview);
    let mut headings = vec![Column::words("Network")];
    headings.extend(columns.iter().map(|column| Column::number(column.title.clone())));
    let teacher = Network::teacher(overview);
    let students = overview.front.iter().map(|trial| Network::student(overview, trial));
    let rows = std::iter::once(teacher.row(&columns, None))
        .chain(students.map(|student| student.row(&columns, Some(&teacher))));
    let heading = element("h2").with("id", "comparison").text("Students against the teacher");
    let caption =
        format!("Pareto students and their teacher; students as {}", overview.dimensions().join(" · "));
    let table = table(&caption, Sorting::Fixed, &headings, rows.collect());
    Some(element("section").with("aria-labelledby", "comparison").child(heading).child(table))
}

/// One measurement, with the metric whose unit and comparison words it takes.
struct Measure {
    title: String,
    metric: String,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Validation,
    Test,
    Median,
    Ninetieth,
    NinetyNinth,
}

/// Reads one measure of a network.
type Reading<'a> = Box<dyn Fn(&Measure) -> Option<f64> + 'a>;

struct Network<'a> {
    heading: Element,
    value: Reading<'a>,
}

/// Quality on validation and test, then costs; columns that no student has are left out.
fn columns(overview: &Overview<'_>) -> Vec<Measure> {
    let measure = |title: String, metric: &str, source| Measure { title, metric: metric.to_owned(), source };
    let mut columns = Vec::new();
    for metric in overview.shown_metrics() {
        let title = Quantity::of(metric).title;
        match canonical(metric) {
            "latency" => {
                columns.push(measure(title, metric, Source::Validation));
                columns.push(measure("Latency p50".to_owned(), metric, Source::Median));
                columns.push(measure("Latency p90".to_owned(), metric, Source::Ninetieth));
                columns.push(measure("Latency p99".to_owned(), metric, Source::NinetyNinth));
            }
            _ if is_cost(metric) => columns.push(measure(title, metric, Source::Validation)),
            _ => {
                columns.push(measure(format!("{title}, validation"), metric, Source::Validation));
                columns.push(measure(format!("{title}, test"), metric, Source::Test));
            }
        }
    }
    let students: Vec<Network<'_>> =
        overview.front.iter().map(|trial| Network::student(overview, trial)).collect();
    columns.retain(|column| students.iter().any(|student| (student.value)(column).is_some()));
    if columns.iter().any(|column| column.source == Source::Median) {
        // The latency itself is one of the percentiles.
        columns
            .retain(|column| canonical(&column.metric) != "latency" || column.source != Source::Validation);
    }
    columns
}

impl<'a> Network<'a> {
    fn teacher(overview: &'a Overview<'a>) -> Self {
        let run = overview.run;
        let measured = &run.teacher.measured;
        let heading = element("th").with("scope", "row").text("Teacher");
        let heading = heading.child(element("small").text(run.teacher.name.clone()));
        let value = move |measure: &Measure| match measure.source {
            Source::Validation => run.teacher_metric(&measure.metric),
            source => further(source, &measure.metric, &measured.test, measured.latency),
        };
        Self { heading, value: Box::new(value) }
    }

    fn student(overview: &'a Overview<'a>, trial: &'a Trial) -> Self {
        let run = overview.run;
        let record = run.record(trial.number);
        let link = element("a")
            .with("href", format!("#trial-{}", trial.number))
            .text(format!("Trial {}", trial.number));
        let heading = element("th").with("scope", "row").child(link);
        let heading = heading.child(element("small").text(choices(trial)));
        let value = move |measure: &Measure| match measure.source {
            Source::Validation => run.metric(trial, &measure.metric),
            source => further(source, &measure.metric, &record?.measured.test, record?.measured.latency),
        };
        Self { heading, value: Box::new(value) }
    }

    fn row(&self, columns: &[Measure], teacher: Option<&Network<'_>>) -> Element {
        let cells = columns.iter().map(|column| {
            let value = (self.value)(column);
            let quantity = Quantity::of(&column.metric);
            let cell = number_cell(value.map(|value| (value, quantity.show(value))));
            let reference =
                teacher.and_then(|teacher| compared(&column.metric, value?, (teacher.value)(column)?));
            cell.children(reference.map(|text| element("small").text(short(&text))))
        });
        let class = if teacher.is_some() { "student" } else { "teacher" };
        element("tr").class(class).child(self.heading.clone()).children(cells)
    }
}

fn further(source: Source, metric: &str, test: &Metrics, latency: Option<LatencyPercentiles>) -> Option<f64> {
    match source {
        Source::Validation => None,
        Source::Test => test.finite(metric).or_else(|| test.finite(canonical(metric))),
        Source::Median => latency.map(|latency| latency.p50),
        Source::Ninetieth => latency.map(|latency| latency.p90),
        Source::NinetyNinth => latency.map(|latency| latency.p99),
    }
}

/// The heading of the table says whose; the cell need not.
fn short(reference: &str) -> String {
    reference.replace(" of the teacher’s", " kept")
}

/// The choices alone, `192 · 512 · 8`, in the order that the caption names the dimensions in.
fn choices(trial: &Trial) -> String {
    trial.architecture.iter().map(|(_, choice)| choice.to_string()).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    #[test]
    fn students_are_measured_against_the_teacher() {
        let run = example_run::sst2();
        let markup = section(&Overview::of(&run)).unwrap().render();
        assert!(
            markup.contains("<small>4.1× faster</small>") && markup.contains("<small>93.3 % kept</small>")
        );
        assert_eq!(markup.matches("<tr class=\"student\">").count(), run.study.pareto_front().len());
        assert!(markup.contains("Accuracy, test") && markup.contains("Latency p99"));
    }

    #[test]
    fn columns_without_values_are_left_out() {
        let run = example_run::two_trials();
        let markup = section(&Overview::of(&run)).unwrap().render();
        assert!(!markup.contains("Accuracy, test") && !markup.contains("Latency p99"), "{markup}");
    }
}
