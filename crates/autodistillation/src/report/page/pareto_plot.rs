//! The plot of all measured trials over two goals, with the Pareto front and the teacher.

use autodistillation_search::{Bound, Direction, Trial};

use super::axis::Axis;
use super::frame::{Axes, Frame, label, line};
use super::markup::{Element, coordinate, element};
use super::reference::direction_words;
use super::steps::Steps;
use crate::report::quantity::{AxisUnit, Quantity, canonical, is_cost};
use crate::report::status::{Counts, Overview, Status};

/// The plot with its legend; a sentence where there is nothing to plot.
pub(super) fn section(overview: &Overview<'_>) -> Element {
    let heading = element("h2").with("id", "front").text("Pareto front");
    let section = element("section").with("aria-labelledby", "front").child(heading);
    match Plot::of(overview) {
        Some(plot) => section.child(plot.figure()),
        None => section.child(element("p").class("empty").text("No trial has been measured yet.")),
    }
}

/// What one axis shows.
struct Side {
    /// The metric, or `None` for the order of the trials.
    metric: Option<String>,
    /// Its direction where it is a goal.
    direction: Option<Direction>,
    quantity: Quantity,
    unit: AxisUnit,
    axis: Axis,
}

struct Plot<'a> {
    overview: &'a Overview<'a>,
    frame: Frame,
    x: Side,
    y: Side,
    points: Vec<Point<'a>>,
}

/// A trial in the units of the SVG.
struct Point<'a> {
    trial: &'a Trial,
    status: Status,
    x: f64,
    y: f64,
}

impl Side {
    fn of(overview: &Overview<'_>, metric: Option<String>) -> Option<Self> {
        let Some(metric) = metric else { return Some(Self::order(overview.run.study.trials.len())) };
        let run = overview.run;
        let measured = run.study.trials.iter().filter_map(|trial| run.metric(trial, &metric));
        let values: Vec<f64> = measured.chain(run.teacher_metric(&metric)).collect();
        let quantity = Quantity::of(&metric);
        let unit = quantity.axis_unit(values.iter().fold(0.0, |largest, value| value.abs().max(largest)));
        let shown: Vec<f64> = values.iter().map(|value| value * unit.factor).collect();
        let axis = if is_cost(&metric) { Axis::fitting(&shown) } else { Axis::linear(&shown) }?;
        let direction = run.study.goals.iter().find(|goal| goal.metric == metric).map(|goal| goal.direction);
        Some(Self { metric: Some(metric), direction, quantity, unit, axis })
    }

    fn order(trials: usize) -> Self {
        let unit = AxisUnit { factor: 1.0, symbol: "" };
        let axis = Axis::counting(trials.max(1));
        Self { metric: None, direction: None, quantity: Quantity::of("Trial"), unit, axis }
    }

    fn value(&self, overview: &Overview<'_>, trial: &Trial) -> Option<f64> {
        match &self.metric {
            Some(metric) => overview.run.metric(trial, metric),
            None => Some(f64::from(trial.number)),
        }
    }

    fn place(&self, value: f64) -> f64 {
        self.axis.place(value * self.unit.factor)
    }

    /// `Latency (ms, logarithmic), lower is better`.
    fn title(&self) -> String {
        let scale = if self.axis.is_logarithmic() { "logarithmic" } else { "" };
        let remarks: Vec<&str> =
            [self.unit.symbol, scale].into_iter().filter(|text| !text.is_empty()).collect();
        let remarks = if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) };
        let direction = self.direction.map(|direction| format!(", {}", direction_words(direction)));
        format!("{}{remarks}{}", self.quantity.title, direction.unwrap_or_default())
    }
}

impl<'a> Plot<'a> {
    fn of(overview: &'a Overview<'a>) -> Option<Self> {
        let (x, y) = chosen_metrics(overview)?;
        let (x, y) = (Side::of(overview, x)?, Side::of(overview, Some(y))?);
        let frame = Frame::with_titles(760.0, 440.0);
        let mut plot = Self { overview, frame, x, y, points: Vec::new() };
        plot.points = overview.run.study.trials.iter().filter_map(|trial| plot.point(trial)).collect();
        // The best are drawn last, over the others.
        plot.points.sort_by_key(|point| point.status == Status::Best);
        (!plot.points.is_empty()).then_some(plot)
    }

    fn point(&self, trial: &'a Trial) -> Option<Point<'a>> {
        let (x, y) = (self.x.value(self.overview, trial)?, self.y.value(self.overview, trial)?);
        let (x, y) = (self.frame.x(self.x.place(x)), self.frame.y(self.y.place(y)));
        Some(Point { trial, status: self.overview.status(trial), x, y })
    }

    fn figure(&self) -> Element {
        let titles = (self.x.title(), self.y.title());
        let axes =
            Axes { x: &self.x.axis, y: &self.y.axis, x_title: &titles.0, y_title: &titles.1, ticks: (7, 6) };
        let description =
            format!("{} against {}: one point per trial", self.y.quantity.title, self.x.quantity.title);
        let svg = self
            .frame
            .svg(&description)
            .child(self.frame.axes(&axes))
            .children(self.limits())
            .children(self.front())
            .children(self.teacher())
            .children(self.points.iter().map(|point| self.marker(point)));
        element("figure").class("plot panel").child(svg).child(self.legend()).children(self.remark())
    }

    fn marker(&self, point: &Point<'_>) -> Element {
        let number = point.trial.number;
        let (x, y) = (coordinate(point.x), coordinate(point.y));
        let radius = if point.status == Status::Best { 7 } else { 5 };
        let circle = element("circle").with("cx", x).with("cy", y).with("r", radius);
        let numbered = (point.status == Status::Best).then(|| self.number_beside(point));
        element("a")
            .with("href", format!("#trial-{number}"))
            .class(&format!("point {}", point.status.word()))
            .with("data-trial", number)
            .child(element("title").text(self.tip(point)))
            .child(circle)
            .children(numbered)
    }

    /// The number goes towards the better corner, where a point of the front has no neighbours.
    fn number_beside(&self, point: &Point<'_>) -> Element {
        let to_the_right = self.x.direction == Some(Direction::Maximize);
        let below = self.y.direction == Some(Direction::Minimize);
        let (dx, anchor) = if to_the_right { (8.0, "start") } else { (-8.0, "end") };
        let dy = if below { 19.0 } else { -9.0 };
        label(point.x + dx, point.y + dy, &point.trial.number.to_string(), anchor)
    }

    fn tip(&self, point: &Point<'_>) -> String {
        let run = self.overview.run;
        let metrics = self.overview.shown_metrics().into_iter().filter_map(|metric| {
            let quantity = Quantity::of(metric);
            run.metric(point.trial, metric)
                .map(|value| format!("{} {}", quantity.title, quantity.show(value)))
        });
        let heading = format!("Trial {}: {}", point.trial.number, self.overview.describe(point.trial));
        let lines = [heading, point.trial.architecture.to_string()].into_iter().chain(metrics);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The best that can be had, as steps, over the shaded region that it dominates.
    fn front(&self) -> Vec<Element> {
        let (Some(x_goal), Some(y_goal)) = (self.x.direction, self.y.direction) else { return Vec::new() };
        let best: Vec<(f64, f64)> = self
            .points
            .iter()
            .filter(|point| point.status == Status::Best)
            .map(|point| (point.x, point.y))
            .collect();
        let Some(steps) = Steps::through(&best, x_goal, y_goal) else { return Vec::new() };
        let outline = steps.path(&self.frame);
        let (corner_x, corner_y) = steps.worst(&self.frame);
        let region = format!("{outline}L{},{}Z", coordinate(corner_x), coordinate(corner_y));
        let path = |class: &str, data: String| element("path").class(class).with("d", data);
        vec![path("dominated", region), path("front", outline)]
    }

    fn teacher(&self) -> Vec<Element> {
        let run = self.overview.run;
        let value = |side: &Side| side.metric.as_deref().and_then(|metric| run.teacher_metric(metric));
        let Some(y_value) = value(&self.y) else { return Vec::new() };
        let y = self.frame.y(self.y.place(y_value));
        let level = line((self.frame.left, y), (self.frame.right, y)).class("teacher-level");
        let Some(x_value) = value(&self.x) else {
            let text = format!("teacher {}", self.y.quantity.show(y_value));
            return vec![level, label(self.frame.right - 4.0, y - 7.0, &text, "end").class("teacher-label")];
        };
        let x = self.frame.x(self.x.place(x_value));
        let (left, right) = (coordinate(x - 8.0), coordinate(x + 8.0));
        let (upper, lower) = (coordinate(y - 8.0), coordinate(y + 8.0));
        let (x_text, y_text) = (coordinate(x), coordinate(y));
        let diamond = format!("M{x_text},{upper}L{right},{y_text}L{x_text},{lower}L{left},{y_text}Z");
        let tip = format!(
            "Teacher: {}\n{}\n{}",
            run.teacher.name,
            self.y.quantity.show(y_value),
            self.x.quantity.show(x_value)
        );
        let marker = element("g")
            .class("point teacher")
            .child(element("title").text(tip))
            .child(element("path").with("d", diamond));
        let near_right = self.x.place(x_value) > 0.5;
        let (offset, anchor) = if near_right { (-13.0, "end") } else { (13.0, "start") };
        vec![level, marker, label(x + offset, y - 7.0, "teacher", anchor).class("teacher-label")]
    }

    /// A dashed line for each constraint on one of the two metrics.
    fn limits(&self) -> Vec<Element> {
        let frame = &self.frame;
        let mut lines = Vec::new();
        for constraint in &self.overview.run.study.constraints {
            let (Bound::AtMost(limit) | Bound::AtLeast(limit)) = constraint.bound;
            let is_on = |side: &Side| side.metric.as_deref() == Some(constraint.metric.as_str());
            let visible = |side: &Side| is_on(side) && (0.0..=1.0).contains(&side.place(limit));
            if visible(&self.x) {
                let x = frame.x(self.x.place(limit));
                lines.push(line((x, frame.top), (x, frame.bottom)).class("limit"));
                let text = format!("limit {}", self.x.quantity.show_limit(limit));
                lines.push(label(x + 5.0, frame.bottom - 8.0, &text, "start").class("limit-label"));
            }
            if visible(&self.y) {
                let y = frame.y(self.y.place(limit));
                lines.push(line((frame.left, y), (frame.right, y)).class("limit"));
                let text = format!("limit {}", self.y.quantity.show_limit(limit));
                lines.push(label(frame.right - 4.0, y - 6.0, &text, "end").class("limit-label"));
            }
        }
        lines
    }

    fn legend(&self) -> Element {
        let shown = |status: Status| self.points.iter().filter(|point| point.status == status).count();
        let drawn = [Status::Best, Status::Completed, Status::Excluded, Status::Pruned];
        let entries = drawn.into_iter().filter(|status| shown(*status) > 0).map(|status| {
            let swatch = element("span").class(&format!("swatch {}", status.word()));
            element("li").child(swatch).text(format!("{} {}", shown(status), status.word()))
        });
        let counts = Counts::of(&self.overview.run.study.trials);
        let measured = counts.completed + counts.pruned;
        let undrawn = [
            (counts.failed, "failed"),
            (counts.pending, "running"),
            (measured - self.points.len(), "without both values"),
        ];
        let undrawn: Vec<String> = undrawn
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let undrawn = (!undrawn.is_empty())
            .then(|| element("li").class("undrawn").text(format!("not drawn: {}", undrawn.join(", "))));
        element("ul").class("legend").children(entries).children(undrawn)
    }

    fn remark(&self) -> Option<Element> {
        let goals = self.overview.run.study.goals.len();
        let text = match goals {
            0 | 2 => return None,
            1 => "With one goal there is no trade-off: the best trial is marked.".to_owned(),
            _ => format!(
                "The plot shows two of {goals} goals. The line joins the best in these two; the other best trials are best in the rest."
            ),
        };
        Some(element("figcaption").class("note").text(text))
    }
}

/// The metrics of the horizontal (`None`: trial order) and the vertical axis: cost across, quality up.
fn chosen_metrics(overview: &Overview<'_>) -> Option<(Option<String>, String)> {
    let goals: Vec<&str> = overview.run.study.goals.iter().map(|goal| goal.metric.as_str()).collect();
    match goals.as_slice() {
        [] => None,
        [only] => {
            let has_parameters = |trial: &Trial| overview.run.metric(trial, "parameters").is_some();
            let sized = overview.run.study.completed().all(has_parameters) && canonical(only) != "parameters";
            let measured = overview.run.study.completed().count() > 0;
            Some(((sized && measured).then(|| "parameters".to_owned()), (*only).to_owned()))
        }
        [first, second, ..] if is_cost(first) && !is_cost(second) => {
            Some((Some((*first).to_owned()), (*second).to_owned()))
        }
        [first, second, ..] => Some((Some((*second).to_owned()), (*first).to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{RunSummary, example_run};
    use autodistillation_search::Goal;

    fn drawn(run: &RunSummary) -> String {
        section(&Overview::of(run)).render()
    }

    #[test]
    fn every_measured_trial_is_a_link_to_its_row() {
        let run = example_run::sst2();
        let markup = drawn(&run);
        assert_eq!(markup.matches("class=\"point ").count(), 11 + 1, "eleven trials and the teacher");
        assert!(markup.contains("href=\"#trial-5\"") && !markup.contains("href=\"#trial-11\""));
        assert!(markup.contains("not drawn: 1 failed, 1 running"), "{markup}");
        assert!(markup.contains("Latency (ms, logarithmic), lower is better"));
    }

    #[test]
    fn one_goal_is_drawn_over_parameters_or_the_order_of_trials() {
        let mut run = example_run::sst2();
        run.study.goals.truncate(1);
        assert!(drawn(&run).contains("Parameters (millions"));
        let mut bare = example_run::two_trials();
        bare.study.goals.truncate(1);
        let markup = drawn(&bare);
        assert!(markup.contains(">Trial</text>") && !markup.contains("class=\"front\""), "{markup}");
    }

    #[test]
    fn three_goals_are_drawn_by_their_first_two() {
        let mut run = example_run::sst2();
        run.study.goals.push(Goal::minimize("parameters"));
        assert!(drawn(&run).contains("two of 3 goals"));
    }

    #[test]
    fn quality_goes_up_whatever_the_order_of_goals() {
        let mut run = example_run::sst2();
        run.study.goals.reverse();
        assert!(drawn(&run).contains("Accuracy against Latency"));
    }

    #[test]
    fn nothing_measured_is_said() {
        let mut run = example_run::sst2();
        run.study.trials.clear();
        assert!(drawn(&run).contains("No trial has been measured yet."));
    }
}
