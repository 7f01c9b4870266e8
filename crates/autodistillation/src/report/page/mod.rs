//! `report.html`: one offline page, valid as HTML and as XML, readable on a phone and on paper.

mod axis;
mod comparison;
mod frame;
mod headline;
mod learning_curves;
mod markup;
mod pareto_plot;
mod provenance;
mod reference;
mod search_progress;
mod stage_outcomes;
mod steps;
mod table;
mod trials_table;

use markup::{Element, element};

use super::RunSummary;
use super::status::Overview;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Forbids every request, so that opening the page never tells anyone.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// The whole page. It shows everything without its script, which adds sorting and tooltips.
pub fn page(run: &RunSummary) -> String {
    let overview = Overview::of(run);
    let main = element("main")
        .child(headline::section(&overview))
        .child(pareto_plot::section(&overview))
        .children(comparison::section(&overview))
        .child(trials_table::section(&overview))
        .children(stage_outcomes::section(&overview))
        .children(learning_curves::section(&overview))
        .children(search_progress::section(&overview))
        .child(provenance::section(&overview));
    let body = element("body")
        .child(headline::header(&overview))
        .child(main)
        .child(footer(run))
        .child(element("div").with("id", "tip").with("aria-hidden", "true").with("hidden", "hidden"))
        .child(element("script").asset(SCRIPT));
    let html = element("html").with("lang", "en").child(head(run)).child(body);
    format!("<!DOCTYPE html>\n{}\n", html.render())
}

fn head(run: &RunSummary) -> Element {
    let meta =
        |name: &'static str, content: &str| element("meta").with("name", name).with("content", content);
    element("head")
        .child(element("meta").with("charset", "utf-8"))
        .child(element("meta").with("http-equiv", "Content-Security-Policy").with("content", POLICY))
        .child(meta("viewport", "width=device-width, initial-scale=1"))
        .child(meta("color-scheme", "light dark"))
        .child(meta("generator", &format!("autodistillation {}", run.environment.version)))
        .child(element("title").text(format!("{}: distillation report", run.name)))
        .child(element("link").with("rel", "icon").with("href", "data:,"))
        .child(element("style").asset(STYLE))
}

fn footer(run: &RunSummary) -> Element {
    let text = format!(
        "Written by autodistillation {} on {}. Machine-readable results: pareto.json, pareto.csv, environment.json.",
        run.environment.version, run.environment.created
    );
    element("footer").child(element("p").text(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;
    use autodistillation_search::Goal;
    use std::collections::BTreeSet;

    fn parsed<T>(page: &str, read: impl Fn(&roxmltree::Document<'_>) -> T) -> T {
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        read(&roxmltree::Document::parse_with_options(page, options).unwrap())
    }

    fn variants() -> Vec<RunSummary> {
        let mut one_goal = example_run::sst2();
        one_goal.study.goals.truncate(1);
        let mut three_goals = example_run::sst2();
        three_goals.study.goals.push(Goal::minimize("parameters"));
        let mut nothing_yet = example_run::sst2();
        nothing_yet.study.trials.clear();
        let mut unmeasured_teacher = example_run::sst2();
        unmeasured_teacher.teacher = Default::default();
        vec![
            example_run::sst2(),
            example_run::two_trials(),
            example_run::hostile(),
            one_goal,
            three_goals,
            nothing_yet,
            unmeasured_teacher,
        ]
    }

    #[test]
    fn every_page_is_well_formed_with_unique_identifiers_and_no_dead_link() {
        for run in variants() {
            parsed(&page(&run), |document| {
                let all: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
                let unique: BTreeSet<&str> = all.iter().copied().collect();
                assert_eq!(all.len(), unique.len());
                let links = document.descendants().filter(|node| node.has_tag_name("a"));
                for target in links.filter_map(|link| link.attribute("href")) {
                    assert!(unique.contains(target.trim_start_matches('#')), "{target}");
                }
            });
        }
    }

    #[test]
    fn the_only_script_is_our_own_and_nothing_is_loaded() {
        for run in variants() {
            let page = page(&run);
            parsed(&page, |document| {
                let scripts: Vec<_> =
                    document.descendants().filter(|node| node.has_tag_name("script")).collect();
                assert_eq!(scripts.len(), 1);
                assert!(scripts[0].text().unwrap_or_default().contains("use strict"));
                let attributes: Vec<&str> = document
                    .descendants()
                    .flat_map(|node| node.attributes().map(|attribute| attribute.name()))
                    .collect();
                assert!(!attributes.iter().any(|name| *name == "src" || name.starts_with("on")));
            });
            assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("url("));
        }
    }

    #[test]
    fn a_users_text_arrives_as_text() {
        let run = example_run::hostile();
        let shown = run.name.replace('\u{1}', "\u{fffd}");
        parsed(&page(&run), |document| {
            let heading = document.descendants().find(|node| node.has_tag_name("h1")).unwrap();
            assert_eq!(heading.text(), Some(shown.as_str()));
            let reason =
                document.descendants().find(|node| node.attribute("class") == Some("reason")).unwrap();
            assert_eq!(reason.text(), Some(shown.as_str()));
        });
    }

    #[test]
    fn no_coordinate_is_lost_to_a_division_by_zero() {
        for run in variants() {
            parsed(&page(&run), |document| {
                for node in document.descendants() {
                    for name in
                        ["x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "d", "points", "width", "height"]
                    {
                        let value = node.attribute(name).unwrap_or_default();
                        assert!(!value.contains("NaN") && !value.contains("inf"), "{name}={value}");
                    }
                }
            });
        }
    }

    #[test]
    fn sections_have_headings_that_name_them() {
        parsed(&page(&example_run::sst2()), |document| {
            let sections: Vec<&str> =
                document.descendants().filter_map(|node| node.attribute("aria-labelledby")).collect();
            assert_eq!(
                sections,
                ["best", "front", "comparison", "trials", "stages", "curves", "search", "environment"]
            );
        });
    }
}
