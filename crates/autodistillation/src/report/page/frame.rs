//! The rectangle that a chart is drawn in: grid, tick labels, axis titles.

use super::axis::Axis;
use super::markup::{Element, coordinate, element};

/// The drawing area within an SVG, in its units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    /// Width of the whole SVG.
    pub width: f64,
    /// Height of the whole SVG.
    pub height: f64,
    /// Left edge of the drawing area.
    pub left: f64,
    /// Right edge of the drawing area.
    pub right: f64,
    /// Upper edge of the drawing area.
    pub top: f64,
    /// Lower edge of the drawing area.
    pub bottom: f64,
}

/// Two axes with their titles; an empty title is left out.
pub(super) struct Axes<'a> {
    pub x: &'a Axis,
    pub y: &'a Axis,
    pub x_title: &'a str,
    pub y_title: &'a str,
    /// About how many labels on the horizontal and on the vertical axis.
    pub ticks: (usize, usize),
}

impl Frame {
    /// A chart with room for tick labels and titles.
    pub fn with_titles(width: f64, height: f64) -> Self {
        Self { width, height, left: 66.0, right: width - 16.0, top: 16.0, bottom: height - 54.0 }
    }

    /// The horizontal position of a fraction of the drawing area.
    pub fn x(&self, fraction: f64) -> f64 {
        self.left + fraction * (self.right - self.left)
    }

    /// The vertical position of a fraction of the drawing area, which counts upwards.
    pub fn y(&self, fraction: f64) -> f64 {
        self.bottom - fraction * (self.bottom - self.top)
    }

    /// The SVG element, described for those who cannot see it.
    pub fn svg(&self, description: &str) -> Element {
        element("svg")
            .with("viewBox", format!("0 0 {} {}", self.width, self.height))
            .with("role", "group")
            .with("aria-label", description)
    }

    /// Grid lines, tick labels and titles.
    pub fn axes(&self, axes: &Axes<'_>) -> Element {
        let verticals = axes.x.ticks(axes.ticks.0).into_iter().flat_map(|tick| {
            let x = self.x(tick.place);
            let label = label(x, self.bottom + 18.0, &tick.text, "middle");
            [line((x, self.top), (x, self.bottom)).class("grid"), label]
        });
        let horizontals = axes.y.ticks(axes.ticks.1).into_iter().flat_map(|tick| {
            let y = self.y(tick.place);
            let label = label(self.left - 8.0, y + 4.0, &tick.text, "end");
            [line((self.left, y), (self.right, y)).class("grid"), label]
        });
        let baseline = line((self.left, self.bottom), (self.right, self.bottom)).class("baseline");
        element("g")
            .with("aria-hidden", "true")
            .children(verticals)
            .children(horizontals)
            .child(baseline)
            .children(self.titles(axes))
    }

    fn titles(&self, axes: &Axes<'_>) -> Vec<Element> {
        let middle = (self.left + self.right) / 2.0;
        let horizontal = label(middle, self.height - 10.0, axes.x_title, "middle").class("axis-title");
        let (x, y) = (16.0, (self.top + self.bottom) / 2.0);
        let turned = format!("rotate(-90 {} {})", coordinate(x), coordinate(y));
        let vertical = label(x, y, axes.y_title, "middle").class("axis-title").with("transform", turned);
        let titles = [(axes.x_title, horizontal), (axes.y_title, vertical)];
        titles.into_iter().filter(|(title, _)| !title.is_empty()).map(|(_, element)| element).collect()
    }
}

/// A line between two points.
pub(super) fn line(from: (f64, f64), to: (f64, f64)) -> Element {
    element("line")
        .with("x1", coordinate(from.0))
        .with("y1", coordinate(from.1))
        .with("x2", coordinate(to.0))
        .with("y2", coordinate(to.1))
}

/// Text at a point.
pub(super) fn label(x: f64, y: f64, text: &str, anchor: &str) -> Element {
    element("text").with("x", coordinate(x)).with("y", coordinate(y)).with("text-anchor", anchor).text(text)
}

/// A line through points, in the order given.
pub(super) fn polyline(points: impl IntoIterator<Item = (f64, f64)>) -> Element {
    let points: Vec<String> =
        points.into_iter().map(|(x, y)| format!("{},{}", coordinate(x), coordinate(y))).collect();
    element("polyline").with("points", points.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_count_from_the_lower_left() {
        let frame = Frame::with_titles(640.0, 400.0);
        assert_eq!((frame.x(0.0), frame.y(0.0)), (66.0, 346.0));
        assert_eq!((frame.x(1.0), frame.y(1.0)), (624.0, 16.0));
    }

    #[test]
    fn axes_carry_their_ticks_and_titles() {
        let axis = Axis::linear(&[0.0, 10.0]).unwrap();
        let axes = Axes { x: &axis, y: &axis, x_title: "Latency (ms)", y_title: "", ticks: (5, 5) };
        let markup = Frame::with_titles(640.0, 400.0).axes(&axes).render();
        assert!(markup.contains(">Latency (ms)</text>") && markup.contains(">10</text>"), "{markup}");
        assert_eq!(markup.matches("axis-title").count(), 1);
    }
}
