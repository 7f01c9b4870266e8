//! A monotone change of scale that lets a few broken trials not flatten the rest.

/// A strictly increasing, piecewise linear map from a metric's unit to the surrogate's.
///
/// Acquisitions integrate over it exactly, so improvements keep the metric's own unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Warp {
    /// (metric, surrogate) pairs, both strictly increasing; beyond the ends the outer pieces go on.
    knots: Vec<(f64, f64)>,
}

impl Warp {
    /// Learns the map from signed values (larger is better), at least one.
    pub(crate) fn learn(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let knot = compression_knot(&sorted);
        let warp = match knot {
            Some((at, slope)) => Self { knots: vec![(at - 1.0, -slope), (at, 0.0), (at + 1.0, 1.0)] },
            None => Self { knots: vec![(sorted[0], 0.0), (sorted[0] + 1.0, 1.0)] },
        };
        warp.standardised(values)
    }

    /// The map scaled so that the values have mean 0 and variance 1 behind it.
    fn standardised(mut self, values: &[f64]) -> Self {
        let warped: Vec<f64> = values.iter().map(|&value| self.forward(value)).collect();
        let mean = warped.iter().sum::<f64>() / warped.len() as f64;
        let variance = warped.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / warped.len() as f64;
        let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        for knot in &mut self.knots {
            knot.1 = (knot.1 - mean) / scale;
        }
        self
    }

    /// The surrogate's value of a metric value.
    pub(crate) fn forward(&self, value: f64) -> f64 {
        let right = self.knots[1..self.knots.len() - 1].partition_point(|knot| knot.0 <= value) + 1;
        let (start, slope) = (self.knots[right - 1], self.slope(right));
        start.1 + slope * (value - start.0)
    }

    /// The metric value of a surrogate's value.
    pub(crate) fn backward(&self, value: f64) -> f64 {
        let right = self.knots[1..self.knots.len() - 1].partition_point(|knot| knot.1 <= value) + 1;
        let (start, slope) = (self.knots[right - 1], self.slope(right));
        start.0 + (value - start.1) / slope
    }

    /// The knots between which the slope changes.
    pub(crate) fn bends(&self) -> impl Iterator<Item = f64> + '_ {
        self.knots[1..self.knots.len() - 1].iter().map(|knot| knot.0)
    }

    /// The slope just above a metric value.
    pub(crate) fn slope_above(&self, value: f64) -> f64 {
        self.slope(self.knots[1..self.knots.len() - 1].partition_point(|knot| knot.0 <= value) + 1)
    }

    fn slope(&self, right: usize) -> f64 {
        let (start, end) = (self.knots[right - 1], self.knots[right]);
        (end.1 - start.1) / (end.0 - start.0)
    }
}

/// The length of a compressed tail in units of the body.
const KEPT: f64 = 0.25;

/// Where the lower tail begins and by how much to compress it; `None` where there is no long tail.
fn compression_knot(sorted: &[f64]) -> Option<(f64, f64)> {
    let (knot, body) = body(sorted);
    let tail = knot - sorted[0];
    (body > 0.0 && tail > KEPT * body).then(|| (knot, (KEPT * body / tail).min(1.0)))
}

/// The value below which outcomes are broken: at least two lie there, below a gap longer than the body of the rest. A
/// single one may be bad luck.
pub(crate) fn broken_below(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (knot, body) = (!sorted.is_empty()).then(|| body(&sorted))?;
    let gaps = sorted.windows(2).enumerate().filter(|(_, pair)| pair[0] < knot);
    let (at, gap) = gaps.map(|(at, pair)| (at, pair[1] - pair[0])).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (body > 0.0 && at >= 1 && gap > body).then(|| sorted[at] + 0.5 * gap)
}

/// Where the body of the values begins, twice as far below the median as their upper tenth is above it, and how far it
/// reaches.
fn body(sorted: &[f64]) -> (f64, f64) {
    let quantile = |share: f64| {
        let place = share * (sorted.len() - 1) as f64;
        let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    let (median, upper) = (quantile(0.5), quantile(0.9));
    let knot = median - 2.0 * (upper - median);
    (knot, upper - knot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_map_increases_and_can_be_undone(
            values in prop::collection::vec(-100.0..100.0f64, 1..30), a in -200.0..200.0f64, b in -200.0..200.0f64
        ) {
            let warp = Warp::learn(&values);
            prop_assert!((warp.backward(warp.forward(a)) - a).abs() < 1e-6);
            if a < b {
                prop_assert!(warp.forward(a) < warp.forward(b));
            }
        }
    }

    #[test]
    fn broken_trials_do_not_flatten_the_rest() {
        let mut values: Vec<f64> = (0..20).map(|at| 60.0 + at as f64 / 2.0).collect();
        values.extend([1.0, 1.0, 1.0]);
        let warp = Warp::learn(&values);
        assert!(warp.forward(69.5) - warp.forward(60.0) > 1.5, "the good ones span most of the scale");
        assert!(warp.forward(1.0) < warp.forward(59.0), "and the broken ones stay below them");
    }
}
