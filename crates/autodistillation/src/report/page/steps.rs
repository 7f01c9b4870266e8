//! The staircase of the best that can be had of two goals at once.

use autodistillation_search::{Direction, pareto};

use super::frame::Frame;
use super::markup::coordinate;

/// The attainable boundary of two goals, in the units of the SVG (y downwards).
pub(super) struct Steps {
    /// By x, ascending; mutually non-dominated.
    points: Vec<(f64, f64)>,
    x_goal: Direction,
    y_goal: Direction,
}

impl Steps {
    /// The steps through those points that no other dominates; `None` without points.
    pub fn through(points: &[(f64, f64)], x_goal: Direction, y_goal: Direction) -> Option<Self> {
        // The SVG's y grows downwards, so less is more.
        let sign = |goal: Direction| if goal == Direction::Maximize { 1.0 } else { -1.0 };
        let signed: Vec<[f64; 2]> =
            points.iter().map(|(x, y)| [x * sign(x_goal), -y * sign(y_goal)]).collect();
        let mut kept: Vec<(f64, f64)> =
            pareto::non_dominated(&signed).into_iter().map(|at| points[at]).collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        (!kept.is_empty()).then_some(Self { points: kept, x_goal, y_goal })
    }

    /// The corner of the drawing area that is worst in both goals.
    pub fn worst(&self, frame: &Frame) -> (f64, f64) {
        let x = if self.x_goal == Direction::Minimize { frame.right } else { frame.left };
        let y = if self.y_goal == Direction::Minimize { frame.top } else { frame.bottom };
        (x, y)
    }

    /// Between two points the boundary keeps the value that is already had: of the left point where
    /// less of x is better, else of the right one. At both ends it runs to the edge.
    pub fn path(&self, frame: &Frame) -> String {
        let (worst_x, worst_y) = self.worst(frame);
        let lower_is_better = self.x_goal == Direction::Minimize;
        let (first_x, first_y) = self.points[0];
        let start = if lower_is_better { (first_x, worst_y) } else { (worst_x, first_y) };
        let mut path = format!(
            "M{},{}L{},{}",
            coordinate(start.0),
            coordinate(start.1),
            coordinate(first_x),
            coordinate(first_y)
        );
        for (x, y) in &self.points[1..] {
            let (x, y) = (coordinate(*x), coordinate(*y));
            path += &if lower_is_better { format!("H{x}V{y}") } else { format!("V{y}H{x}") };
        }
        path + &if lower_is_better {
            format!("H{}", coordinate(worst_x))
        } else {
            format!("V{}", coordinate(worst_y))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_the_value_already_had() {
        let frame = Frame { width: 100.0, height: 100.0, left: 0.0, right: 100.0, top: 0.0, bottom: 100.0 };
        let points = [(60.0, 20.0), (20.0, 50.0), (70.0, 90.0)];
        let steps = Steps::through(&points, Direction::Minimize, Direction::Maximize).unwrap();
        assert_eq!(steps.path(&frame), "M20,100L20,50H60V20H100");
        let mirrored =
            Steps::through(&[(40.0, 20.0), (80.0, 50.0)], Direction::Maximize, Direction::Maximize).unwrap();
        assert_eq!(mirrored.path(&frame), "M0,20L40,20V50H80V100");
    }
}
