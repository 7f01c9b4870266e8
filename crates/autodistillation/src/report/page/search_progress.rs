//! How the search converged and where its time went.

use autodistillation_search::{Goal, Interval, RankAgreement, Study};

use super::axis::Axis;
use super::frame::{Axes, Frame};
use super::markup::{Element, coordinate, element};
use crate::report::TimeShare;
use crate::report::digits::{duration, fixed};
use crate::report::pareto_files::ordered;
use crate::report::quantity::{Quantity, in_sentence, is_cost, of_intermediate};
use crate::report::status::Overview;

/// The hypervolume by trial, the time by activity, and how well early scores predicted final ones.
pub(super) fn section(overview: &Overview<'_>) -> Option<Element> {
    let aside: Vec<Element> =
        [time_split(&overview.run.time), early_scores(overview)].into_iter().flatten().collect();
    let aside = (!aside.is_empty()).then(|| element("div").class("stack").children(aside));
    let panels: Vec<Element> = [convergence(overview), aside].into_iter().flatten().collect();
    if panels.is_empty() {
        return None;
    }
    let heading = element("h2").with("id", "search").text("Search and time");
    let grid = element("div").class("pair").children(panels);
    Some(element("section").with("aria-labelledby", "search").child(heading).child(grid))
}

fn convergence(overview: &Overview<'_>) -> Option<Element> {
    let shares = hypervolume_shares(&overview.run.study)?;
    let frame = Frame::with_titles(480.0, 270.0);
    let x = Axis::counting(shares.len());
    let y = Axis::linear(&[0.0, 100.0])?;
    let axes =
        Axes { x: &x, y: &y, x_title: "Trial", y_title: "Hypervolume (% of the final)", ticks: (6, 5) };
    let place = |trial: usize, share: f64| (frame.x(x.place(trial as f64)), frame.y(y.place(share * 100.0)));
    let mut path = String::new();
    for (trial, share) in shares.iter().enumerate() {
        let (x, y) = place(trial, *share);
        let (x, y) = (coordinate(x), coordinate(y));
        path += &if trial == 0 { format!("M{x},{y}") } else { format!("H{x}V{y}") };
    }
    let points =
        shares.iter().enumerate().filter(|(trial, share)| *trial == 0 || **share > shares[trial - 1]);
    let markers = points.map(|(trial, share)| {
        let (x, y) = place(trial, *share);
        let tip = format!("after trial {trial}: {:.1} %", share * 100.0);
        let circle = element("circle").with("cx", coordinate(x)).with("cy", coordinate(y)).with("r", 4);
        element("g").class("point best").child(element("title").text(tip)).child(circle)
    });
    let svg = frame
        .svg("Hypervolume of the front by trial, as a share of the final one")
        .child(frame.axes(&axes))
        .child(element("path").class("front").with("d", path))
        .children(markers);
    let caption = element("figcaption").child(element("h3").text("Convergence"));
    let note =
        "The volume between the front and the worst values seen; flat stretches brought nothing better.";
    Some(
        element("figure")
            .class("panel")
            .child(caption)
            .child(svg)
            .child(element("p").class("note").text(note)),
    )
}

/// The hypervolume after each trial over the final one; `None` while no trial is eligible.
///
/// The reference point is the worst value of each goal among the completed trials, a tenth of the
/// range further out, so that a trial at the edge counts too.
fn hypervolume_shares(study: &Study) -> Option<Vec<f64>> {
    let reference: Vec<f64> =
        study.goals.iter().map(|goal| reference_value(study, goal)).collect::<Option<_>>()?;
    let mut growing = Study { trials: Vec::new(), ..study.clone() };
    let volumes: Vec<f64> = study
        .trials
        .iter()
        .map(|trial| {
            growing.trials.push(trial.clone());
            // What is dominated never adds volume, and dropping it keeps long studies fast.
            growing.trials = growing.pareto_front().into_iter().cloned().collect();
            growing.hypervolume(&reference)
        })
        .collect();
    let last = *volumes.last()?;
    (last > 0.0).then(|| volumes.iter().map(|volume| volume / last).collect())
}

fn reference_value(study: &Study, goal: &Goal) -> Option<f64> {
    let values = study
        .completed()
        .filter_map(|trial| trial.metrics()?.finite(&goal.metric))
        .map(|value| goal.signed(value));
    let (worst, best) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(worst, best), value| (value.min(worst), value.max(best)));
    let range = if best > worst { best - worst } else { best.abs().max(1.0) };
    worst.is_finite().then(|| goal.signed(worst - range * 0.1))
}

fn time_split(time: &[TimeShare]) -> Option<Element> {
    let total: f64 = time.iter().map(|share| share.seconds).sum();
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let percent = |seconds: f64| seconds / total * 100.0;
    let bars = time.iter().enumerate().map(|(at, share)| {
        let style = format!("width:{:.2}%", percent(share.seconds));
        element("span")
            .class(&format!("share tone-{}", at % 6))
            .with("style", style)
            .with("title", share.activity.clone())
    });
    let rows = time.iter().enumerate().map(|(at, share)| {
        let name = element("th")
            .with("scope", "row")
            .child(element("span").class(&format!("swatch tone-{}", at % 6)));
        let seconds = element("td").class("number").text(duration(share.seconds));
        let part = element("td").class("number").text(format!("{} %", fixed(percent(share.seconds), 1)));
        element("tr").child(name.text(share.activity.clone())).child(seconds).child(part)
    });
    let heading = element("h3").text(format!("Where {} of work went", duration(total)));
    let bar = element("div").class("time-bar").with("aria-hidden", "true").children(bars);
    let table = element("table").class("plain").child(element("tbody").children(rows));
    Some(element("div").class("panel").child(heading).child(bar).child(table))
}

/// Below this the early order says little about the final one.
const LOW_AGREEMENT: f64 = 0.5;

/// How the scores after flash distillation rank the trials, against the final ones.
fn early_scores(overview: &Overview<'_>) -> Option<Element> {
    let study = &overview.run.study;
    let names = ordered(study.completed().flat_map(|trial| trial.intermediate.iter().map(|(name, _)| name)));
    let learned = names.into_iter().filter(|name| !is_cost(of_intermediate(name)));
    let paragraphs: Vec<Element> = learned.flat_map(|name| early_score(overview, name)).collect();
    (!paragraphs.is_empty()).then(|| {
        element("div")
            .class("panel")
            .child(element("h3").text("Are early scores to be trusted?"))
            .children(paragraphs)
    })
}

/// The agreement of one early score with the final one, with a remedy where it is low.
fn early_score(overview: &Overview<'_>, name: &str) -> Vec<Element> {
    let metric = of_intermediate(name);
    let pairs =
        overview.run.study.completed().filter_map(|trial| {
            Some((trial.intermediate.finite(name)?, overview.run.metric(trial, metric)?))
        });
    let (early, last): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let Some(agreement) = RankAgreement::of(&early, &last) else { return Vec::new() };
    let shown = |interval: Interval| {
        format!(
            "{} (95 % interval {} to {})",
            fixed(interval.value, 2),
            fixed(interval.low, 2),
            fixed(interval.high, 2)
        )
    };
    let sentence = format!(
        "{} after flash distillation ranked {} trials with Spearman’s ρ = {} and Kendall’s τ = {} to their final {} (1 is the same order, 0 none).",
        Quantity::of(metric).title,
        agreement.pairs,
        shown(agreement.spearman),
        shown(agreement.kendall),
        in_sentence(metric)
    );
    let warning = (agreement.spearman.value < LOW_AGREEMENT).then(|| {
        let text = "That is low: good students may have been pruned. Give the flash stages more steps, or set search.pruning: none so that every trial is trained to the end.";
        element("p").class("warnings").text(text)
    });
    [Some(element("p").text(sentence)), warning].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    #[test]
    fn the_hypervolume_grows_to_the_final_one() {
        let shares = hypervolume_shares(&example_run::sst2().study).unwrap();
        assert!(shares.is_sorted());
        assert_eq!(shares.last(), Some(&1.0));
        assert!(shares[0] < 0.9);
    }

    #[test]
    fn time_is_split_in_per_cent() {
        let markup = time_split(&example_run::sst2().time).unwrap().render();
        assert!(markup.contains("regular distillation") && markup.contains("76.8 %"), "{markup}");
    }

    #[test]
    fn early_scores_are_judged_by_their_ranks() {
        let markup = early_scores(&Overview::of(&example_run::sst2())).unwrap().render();
        assert!(markup.contains("ranked 10 trials"), "{markup}");
    }

    #[test]
    fn early_scores_that_mislead_come_with_a_remedy() {
        let mut run = example_run::sst2();
        assert!(!early_scores(&Overview::of(&run)).unwrap().render().contains("pruning: none"));
        for (at, trial) in run.study.trials.iter_mut().enumerate() {
            trial.intermediate = [("flash_accuracy", f64::from(at as u32 * 7 % 5))].into_iter().collect();
        }
        let markup = early_scores(&Overview::of(&run)).unwrap().render();
        assert!(markup.contains("pruning: none") && markup.contains("95 % interval"), "{markup}");
    }

    #[test]
    fn an_empty_run_has_no_section() {
        let mut run = example_run::two_trials();
        (run.study.trials, run.time) = (Vec::new(), Vec::new());
        assert_eq!(section(&Overview::of(&run)), None);
    }
}
