//! What each stage of each trial achieved: explained variance, losses, collapses.

use super::markup::{Element, element};
use super::table::{Column, Sorting, table};
use crate::report::digits::{duration, significant};
use crate::report::pareto_files::ordered;
use crate::report::status::Overview;
use crate::report::{StageRecord, TrialRecord};

/// A table of trials by stages with the warnings below it; nothing where no stage is recorded.
pub(super) fn section(overview: &Overview<'_>) -> Option<Element> {
    let records: Vec<&TrialRecord> =
        overview.run.records.iter().filter(|record| is_shown(overview, record)).collect();
    if records.is_empty() {
        return None;
    }
    let names =
        ordered(records.iter().flat_map(|record| record.stages.iter().map(|stage| stage.name.as_str())));
    let mut headings = vec![Column::words("Trial")];
    headings.extend(names.iter().map(|name| Column::number(shortened(name, &names))));
    let rows = records.iter().map(|record| row(record, &names)).collect();
    let note = "Each cell shows how much of the teacher’s features a block explains (100 % is a perfect match, 0 % is no \
                better than their mean), or the final loss where a stage has no features to match.";
    let section = element("section")
        .with("aria-labelledby", "stages")
        .child(element("h2").with("id", "stages").text("What each stage learned"))
        .child(element("p").class("note").text(note))
        .child(table("Stage outcomes by trial", Sorting::Fixed, &headings, rows));
    Some(section.children(warnings(&records)))
}

/// A record whose trial is not in the study would have no row to link to.
fn is_shown(overview: &Overview<'_>, record: &TrialRecord) -> bool {
    !record.stages.is_empty() && overview.run.trial(record.number).is_some()
}

fn row(record: &TrialRecord, names: &[&str]) -> Element {
    let number = record.number;
    let link = element("a").with("href", format!("#trial-{number}")).text(number.to_string());
    let cells = names.iter().map(|name| match record.stages.iter().find(|stage| stage.name == **name) {
        Some(stage) => cell(stage),
        None => element("td").class("number"),
    });
    element("tr").child(element("th").with("scope", "row").child(link)).children(cells)
}

fn cell(stage: &StageRecord) -> Element {
    let (text, shade) = match (stage.explained_variance, stage.loss) {
        (Some(explained), _) => (format!("{:.0} %", explained * 100.0), Some(explained.clamp(0.0, 1.0))),
        (None, Some(loss)) => (format!("loss {}", significant(loss, 3)), None),
        (None, None) => ("done".to_owned(), None),
    };
    let mark = stage.warning.as_ref().map(|_| element("span").class("warning-mark").text("⚠ "));
    let cell = element("td")
        .class(if shade.is_some() { "number shaded" } else { "number" })
        .with("title", details(stage));
    let cell = match shade {
        Some(shade) => cell.with("style", format!("--share:{:.0}%", shade * 100.0)),
        None => cell,
    };
    cell.children(mark).text(text)
}

/// Everything known about a stage, a line each.
pub(super) fn details(stage: &StageRecord) -> String {
    let number =
        |name: &str, value: Option<f64>| value.map(|value| format!("{name} {}", significant(value, 3)));
    let lines = [
        Some(format!("{}: {} steps in {}", stage.name, stage.steps, duration(stage.seconds))),
        number("final loss", stage.loss),
        number("explained variance", stage.explained_variance),
        number("feature variance", stage.feature_variance),
        stage.warning.clone(),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn warnings(records: &[&TrialRecord]) -> Option<Element> {
    let all = records.iter().flat_map(|record| record.stages.iter().map(move |stage| (record.number, stage)));
    let items: Vec<Element> = all
        .filter_map(|(number, stage)| {
            let text = format!("Trial {number}, {}: {}", stage.name, stage.warning.as_ref()?);
            Some(element("li").text(text))
        })
        .collect();
    (!items.is_empty()).then(|| element("ul").class("warnings").children(items))
}

/// A path without the prefix that all dotted names share: `layer.0` of `bert.encoder.layer.0`.
fn shortened(name: &str, names: &[&str]) -> String {
    let dotted = names.iter().filter(|other| other.contains('.'));
    let is_shared = |prefix: &str| dotted.clone().all(|other| other.starts_with(prefix));
    let mut cuts = name.match_indices('.').map(|(at, _)| &name[..=at]).filter(|prefix| is_shared(prefix));
    // One component before the index stays, so that `0` is still `layer.0`.
    let prefix = cuts.rfind(|prefix| !name[prefix.len()..].starts_with(|first: char| first.is_ascii_digit()));
    name[prefix.map_or(0, str::len)..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    #[test]
    fn stages_are_columns_under_short_names() {
        let names = ["bert.encoder.layer.0", "bert.encoder.layer.1", "regular"];
        assert_eq!(names.map(|name| shortened(name, &names)), ["layer.0", "layer.1", "regular"]);
        assert_eq!(shortened("é.x", &["é.x", "é.y"]), "x");
    }

    #[test]
    fn a_collapse_is_marked_and_spelled_out() {
        let mut run = example_run::sst2();
        run.records[0].stages[1].warning = Some("features fell to the teacher's mean".into());
        let markup = section(&Overview::of(&run)).unwrap().render();
        assert!(markup.contains("⚠"));
        assert!(markup.contains("Trial 0, bert.encoder.layer.1: features fell to the teacher&#39;s mean"));
    }

    #[test]
    fn a_run_without_stages_has_no_section() {
        assert_eq!(section(&Overview::of(&example_run::two_trials())), None);
    }
}
