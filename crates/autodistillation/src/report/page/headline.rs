//! The top of the page: the run's name, the teacher as a reference, the best students in a sentence each.

use autodistillation_search::Trial;

use super::markup::{Element, element};
use super::reference::{balanced, best_in, sentence};
use crate::report::quantity::{Quantity, canonical, superlative};
use crate::report::status::{Counts, Overview};

/// The most students that get a card; a longer front is in the tables.
const CARDS: usize = 4;

/// The run's name and what was searched.
pub(super) fn header(overview: &Overview<'_>) -> Element {
    let run = overview.run;
    let goals: Vec<String> = run.study.goals.iter().map(ToString::to_string).collect();
    let counts = Counts::of(&run.study.trials).describe(run.max_trials);
    let facts = [
        format!("{} on {}", counts, run.dataset.name),
        format!("{} over {} architectures", run.algorithm, run.study.space.size()),
        goals.join(", "),
        date(&run.environment.created).to_owned(),
    ];
    let facts = facts.into_iter().filter(|fact| !fact.is_empty()).map(|fact| element("li").text(fact));
    element("header")
        .child(element("p").class("kicker").text("Distillation and architecture search"))
        .child(element("h1").text(run.name.clone()))
        .child(element("ul").class("facts").children(facts))
        .child(teacher_line(overview))
}

/// The day of an RFC 3339 time.
fn date(created: &str) -> &str {
    created.split_once('T').map_or(created, |(day, _)| day)
}

fn teacher_line(overview: &Overview<'_>) -> Element {
    let run = overview.run;
    let mut parts: Vec<Element> = Vec::new();
    for metric in overview.shown_metrics() {
        let Some(value) = run.teacher_metric(metric) else { continue };
        let quantity = Quantity::of(metric);
        let test = run.teacher.measured.test.finite(canonical(metric));
        let test = test.map(|value| format!(" ({} on test)", quantity.show(value))).unwrap_or_default();
        let title = element("dt").text(quantity.title.clone());
        parts.push(element("div").child(title).child(element("dd").text(quantity.show(value) + &test)));
    }
    let name = element("p")
        .class("teacher-name")
        .text("Teacher ")
        .child(element("b").text(run.teacher.name.clone()));
    element("div").class("teacher-line").child(name).child(element("dl").children(parts))
}

/// One card per outstanding student.
pub(super) fn section(overview: &Overview<'_>) -> Element {
    let title = element("h2").with("id", "best").text("Best students");
    let section = element("section").with("aria-labelledby", "best").child(title);
    let picks = picks(overview);
    if picks.is_empty() {
        return section.child(element("p").class("empty").text(nothing_found(overview)));
    }
    let left_out = overview.front.len() - picks.len();
    let rest = (left_out > 0).then(|| {
        let text = format!("{left_out} more on the Pareto front: see the tables below.");
        element("p").class("note").text(text)
    });
    section
        .child(element("div").class("cards").children(picks.iter().map(|pick| card(overview, pick))))
        .children(rest)
}

fn nothing_found(overview: &Overview<'_>) -> &'static str {
    match Counts::of(&overview.run.study.trials).completed {
        0 => "No trial has completed yet, so there is no student to show.",
        _ => "No completed trial keeps every constraint; the trials table says which one each breaks.",
    }
}

struct Pick<'a> {
    trial: &'a Trial,
    merits: Vec<String>,
}

/// The best trial of each goal and the balanced one; with room left, the rest of the front.
fn picks<'a>(overview: &Overview<'a>) -> Vec<Pick<'a>> {
    let front = &overview.front;
    let goals = &overview.run.study.goals;
    let mut picks: Vec<Pick<'a>> = Vec::new();
    for goal in goals {
        add(&mut picks, best_in(goal, front), superlative(goal));
    }
    if goals.len() > 1 && front.len() > 2 {
        add(&mut picks, balanced(overview.run, front), "best balance".to_owned());
    }
    if front.len() <= CARDS {
        let missing: Vec<&Trial> = front
            .iter()
            .copied()
            .filter(|trial| !picks.iter().any(|pick| pick.trial.number == trial.number))
            .collect();
        picks
            .extend(missing.into_iter().map(|trial| Pick { trial, merits: vec!["on the front".to_owned()] }));
    }
    picks.truncate(CARDS);
    picks
}

fn add<'a>(picks: &mut Vec<Pick<'a>>, trial: Option<&'a Trial>, merit: String) {
    let Some(trial) = trial else { return };
    match picks.iter_mut().find(|pick| pick.trial.number == trial.number) {
        Some(pick) => pick.merits.push(merit),
        None => picks.push(Pick { trial, merits: vec![merit] }),
    }
}

fn card(overview: &Overview<'_>, pick: &Pick<'_>) -> Element {
    let number = pick.trial.number;
    let link = element("a").with("href", format!("#trial-{number}")).text(format!("Trial {number}"));
    let merits = element("span").class("merits").text(pick.merits.join(", "));
    element("article")
        .class("card")
        .child(element("h3").child(link).child(merits))
        .child(element("p").text(sentence(overview.run, pick.trial)))
        .child(element("p").class("architecture").text(pick.trial.architecture.to_string()))
        .child(element("p").class("folder").child(element("code").text(overview.run.student_folder(number))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    #[test]
    fn each_goal_and_the_balance_have_their_student() {
        let run = example_run::sst2();
        let overview = Overview::of(&run);
        let merits: Vec<String> = picks(&overview).iter().map(|pick| pick.merits.join(", ")).collect();
        assert_eq!(merits, ["most accurate", "fastest", "best balance"]);
    }

    #[test]
    fn a_short_front_is_shown_whole() {
        let run = example_run::two_trials();
        assert_eq!(picks(&Overview::of(&run)).len(), 2);
    }

    #[test]
    fn no_student_is_explained() {
        let mut run = example_run::two_trials();
        run.study.constraints =
            vec![autodistillation_search::Constraint::parse("max_latency_ms", "0.1").unwrap()];
        assert!(section(&Overview::of(&run)).render().contains("keeps every constraint"));
        run.study.trials.clear();
        assert!(section(&Overview::of(&run)).render().contains("No trial has completed"));
    }
}
