//! The loss of every trial by step, one small chart per trial on common scales.

use autodistillation_search::Trial;

use super::axis::Axis;
use super::frame::{Axes, Frame, line, polyline};
use super::markup::{Element, coordinate, element};
use super::stage_outcomes;
use crate::report::status::{Overview, Status};
use crate::report::{CurvePoint, TrialRecord};

/// Points drawn per stage; longer curves are averaged over equal spans of steps.
const POINTS_PER_STAGE: usize = 60;

/// The charts of the best trials, then, folded away, those of the others; nothing without a curve.
pub(super) fn section(overview: &Overview<'_>) -> Option<Element> {
    let curves: Vec<Curve<'_>> =
        overview.run.study.trials.iter().filter_map(|trial| Curve::of(overview, trial)).collect();
    let losses: Vec<f64> =
        curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.loss)).collect();
    let losses = Axis::fitting(&losses)?;
    let longest = curves.iter().map(Curve::total).max()?;
    let scales = Scales { steps: Axis::counting(longest as usize), losses };
    let (best, others): (Vec<_>, Vec<_>) = curves.iter().partition(|curve| curve.status == Status::Best);
    let grid = |curves: &[&Curve<'_>]| {
        element("div").class("multiples").children(curves.iter().map(|curve| curve.figure(&scales)))
    };
    let note = if scales.losses.is_logarithmic() {
        "Training loss by step, on the same logarithmic scale for all; a vertical line starts a stage with its own loss."
    } else {
        "Training loss by step, on the same scale for all; a vertical line starts a stage with its own loss."
    };
    let section = element("section")
        .with("aria-labelledby", "curves")
        .child(element("h2").with("id", "curves").text("Learning curves"))
        .child(element("p").class("note").text(note));
    let section = if best.is_empty() { section } else { section.child(grid(&best)) };
    if others.is_empty() {
        return Some(section);
    }
    let summary = element("summary").text(format!("{} other trials", others.len()));
    let folded = element("details").child(summary).child(grid(&others));
    Some(section.child(if best.is_empty() { folded.with("open", "open") } else { folded }))
}

/// The axes that all charts share.
struct Scales {
    steps: Axis,
    losses: Axis,
}

struct Curve<'a> {
    trial: &'a Trial,
    record: &'a TrialRecord,
    status: Status,
    /// In the order of stages and steps, averaged where there were too many.
    points: Vec<CurvePoint>,
    /// The steps of each stage, as far as the curve goes.
    lengths: Vec<u32>,
}

impl<'a> Curve<'a> {
    fn of(overview: &Overview<'a>, trial: &'a Trial) -> Option<Self> {
        let record = overview.run.record(trial.number)?;
        let stages = record.curve.iter().map(|point| point.stage).max()? + 1;
        let lengths = (0..stages).map(|stage| steps_of(record, stage)).collect();
        let points = (0..stages).flat_map(|stage| thinned(&record.curve, stage)).collect();
        Some(Self { trial, record, status: overview.status(trial), points, lengths })
    }

    fn figure(&self, scales: &Scales) -> Element {
        let frame = Frame { width: 300.0, height: 170.0, left: 40.0, right: 292.0, top: 10.0, bottom: 146.0 };
        let number = self.trial.number;
        let axes = Axes { x: &scales.steps, y: &scales.losses, x_title: "", y_title: "", ticks: (4, 4) };
        let description = format!("Training loss of trial {number}");
        let stages = 0..self.lengths.len() as u32;
        let svg = frame
            .svg(&description)
            .child(frame.axes(&axes))
            .children(stages.flat_map(|stage| self.stage(stage, &frame, scales)));
        let link = element("a").with("href", format!("#trial-{number}")).text(format!("Trial {number}"));
        let chip = element("span").class(&format!("chip {}", self.status.word())).text(self.status.word());
        let caption = element("figcaption").child(link).child(chip);
        element("figure").class("panel").child(caption).child(svg)
    }

    /// The boundary, the line, a cross where the loss stopped being a number, and a region to point at.
    fn stage(&self, stage: u32, frame: &Frame, scales: &Scales) -> Vec<Element> {
        let start = self.start(stage);
        let x = |step: u32| frame.x(scales.steps.place(f64::from(start + step)));
        let points: Vec<&CurvePoint> = self.points.iter().filter(|point| point.stage == stage).collect();
        let place = |point: &&CurvePoint| (x(point.step), frame.y(scales.losses.place(point.loss)));
        let finite: Vec<(f64, f64)> =
            points.iter().filter(|point| point.loss.is_finite()).map(place).collect();
        let class = if stage.is_multiple_of(2) { "curve even" } else { "curve odd" };
        let mut drawn = Vec::new();
        if stage > 0 {
            drawn.push(line((x(0), frame.top), (x(0), frame.bottom)).class("boundary"));
        }
        let broken = points.iter().find(|point| !point.loss.is_finite());
        drawn
            .extend(broken.map(|point| cross(x(point.step), finite.last().map_or(frame.top, |last| last.1))));
        drawn.push(polyline(finite).class(class));
        drawn.push(self.region(stage, frame, (x(0), x(self.lengths[stage as usize]))));
        drawn
    }

    fn region(&self, stage: u32, frame: &Frame, (from, to): (f64, f64)) -> Element {
        let rectangle = element("rect")
            .with("x", coordinate(from))
            .with("y", coordinate(frame.top))
            .with("width", coordinate((to - from).max(0.0)))
            .with("height", coordinate(frame.bottom - frame.top));
        let recorded = self.record.stages.get(stage as usize);
        let tip = recorded.map_or_else(|| format!("stage {}", stage + 1), stage_outcomes::details);
        element("g").class("point region").child(element("title").text(tip)).child(rectangle)
    }

    fn start(&self, stage: u32) -> u32 {
        self.lengths.iter().take(stage as usize).sum()
    }

    fn total(&self) -> u32 {
        self.lengths.iter().sum::<u32>().max(1)
    }
}

fn cross(x: f64, y: f64) -> Element {
    let (left, right) = (coordinate(x - 5.0), coordinate(x + 5.0));
    let (upper, lower) = (coordinate(y - 5.0), coordinate(y + 5.0));
    element("path")
        .class("broken")
        .with("d", format!("M{left},{upper}L{right},{lower}M{left},{lower}L{right},{upper}"))
}

fn steps_of(record: &TrialRecord, stage: u32) -> u32 {
    let recorded = record.stages.get(stage as usize).map_or(0, |stage| stage.steps);
    let last = record.curve.iter().filter(|point| point.stage == stage).map(|point| point.step).max();
    recorded.max(last.unwrap_or(0))
}

/// One stage's points, averaged over equal counts where there are too many. The first loss that is
/// not finite ends the curve.
fn thinned(curve: &[CurvePoint], stage: u32) -> Vec<CurvePoint> {
    let points: Vec<CurvePoint> = curve.iter().copied().filter(|point| point.stage == stage).collect();
    let end = points.iter().position(|point| !point.loss.is_finite()).unwrap_or(points.len());
    let per_point = end.div_ceil(POINTS_PER_STAGE).max(1);
    let mean = |span: &[CurvePoint]| CurvePoint {
        stage,
        step: span[span.len() / 2].step,
        loss: span.iter().map(|point| point.loss).sum::<f64>() / span.len() as f64,
    };
    points[..end].chunks(per_point).map(mean).chain(points.get(end).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;

    fn point(step: u32, loss: f64) -> CurvePoint {
        CurvePoint { stage: 0, step, loss }
    }

    #[test]
    fn long_curves_keep_their_mean_and_their_ends() {
        let curve: Vec<CurvePoint> = (1..=1200).map(|step| point(step, f64::from(step))).collect();
        let thin = thinned(&curve, 0);
        assert_eq!(thin.len(), POINTS_PER_STAGE);
        let mean = thin.iter().map(|point| point.loss).sum::<f64>() / thin.len() as f64;
        assert!((mean - 600.5).abs() < 1e-9);
        assert!(thin[0].step < 20 && thin[59].step > 1180);
    }

    #[test]
    fn a_curve_ends_at_the_first_loss_that_is_not_finite() {
        let thin = thinned(&[point(1, 0.5), point(2, f64::NAN), point(3, 0.4)], 0);
        assert_eq!(thin.iter().map(|point| point.step).collect::<Vec<_>>(), [1, 2]);
        let run = example_run::sst2();
        assert_eq!(section(&Overview::of(&run)).unwrap().render().matches("class=\"broken\"").count(), 1);
    }

    #[test]
    fn the_best_are_open_and_the_others_folded() {
        let markup = section(&Overview::of(&example_run::sst2())).unwrap().render();
        let (open, folded) = markup.split_once("<details>").unwrap();
        assert!(open.contains("Training loss of trial 5") && folded.contains("Training loss of trial 11"));
    }

    #[test]
    fn a_run_without_curves_has_no_section() {
        assert_eq!(section(&Overview::of(&example_run::two_trials())), None);
    }
}
