//! One axis of a chart: its range, its scale and round numbers along it.

use crate::report::digits::{fixed, significant};

/// A range of values and where they lie along a line of length 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    Linear,
    /// Equal ratios are equally far apart.
    Logarithmic,
}

/// A labelled value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Where it lies, from 0 to 1.
    pub place: f64,
    /// The value as text.
    pub text: String,
}

/// The ratio of largest to smallest from which a logarithmic scale shows more.
const WIDE: f64 = 10.0;

impl Axis {
    /// A linear axis around the finite values, with a margin; `None` without any.
    pub fn linear(values: &[f64]) -> Option<Self> {
        let (least, most) = range(values)?;
        let span = if most > least { most - least } else { least.abs().max(1.0) * 0.2 };
        let margin = span * 0.08;
        // Quantities that are never negative should not seem to be.
        let low = if least >= 0.0 { (least - margin).max(0.0) } else { least - margin };
        Some(Self { low, high: most + margin, scale: Scale::Linear })
    }

    /// A logarithmic axis around the positive finite values, with a margin; `None` without any.
    pub fn logarithmic(values: &[f64]) -> Option<Self> {
        let positive: Vec<f64> = values.iter().copied().filter(|value| *value > 0.0).collect();
        let (least, most) = range(&positive)?;
        let margin = (most / least).powf(0.08).max(1.1);
        Some(Self { low: least / margin, high: most * margin, scale: Scale::Logarithmic })
    }

    /// Logarithmic where the values are positive and span a factor of ten or more, else linear.
    pub fn fitting(values: &[f64]) -> Option<Self> {
        let (least, most) = range(values)?;
        if least > 0.0 && most / least >= WIDE { Self::logarithmic(values) } else { Self::linear(values) }
    }

    /// An axis from 0 to 1 more than the last position of a sequence.
    pub fn counting(count: usize) -> Self {
        Self { low: -0.5, high: count as f64 - 0.5, scale: Scale::Linear }
    }

    /// Where a value lies: 0 at the low end, 1 at the high end, beyond them outside.
    pub fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// Whether equal ratios are equally far apart.
    pub fn is_logarithmic(&self) -> bool {
        self.scale == Scale::Logarithmic
    }

    /// About so many round values within the range.
    pub fn ticks(&self, target: usize) -> Vec<Tick> {
        let values = match self.scale {
            Scale::Linear => self.linear_ticks(target),
            Scale::Logarithmic => self.logarithmic_ticks(target),
        };
        values.into_iter().map(|(value, text)| Tick { place: self.place(value), text }).collect()
    }

    fn linear_ticks(&self, target: usize) -> Vec<(f64, String)> {
        let step = round_step((self.high - self.low) / target.max(1) as f64);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        (first..=last)
            .map(|multiple| multiple as f64 * step)
            .map(|value| (value, fixed(value, decimals)))
            .collect()
    }

    fn logarithmic_ticks(&self, target: usize) -> Vec<(f64, String)> {
        let within = |multiples: &[f64]| -> Vec<(f64, String)> {
            let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
            let values =
                decades.flat_map(|power| multiples.iter().map(move |multiple| multiple * 10f64.powi(power)));
            let values = values.filter(|value| (self.low..=self.high).contains(value));
            values.map(|value| (value, significant(value, 3))).collect()
        };
        let choices = [
            within(&[1.0, 2.0, 3.0, 5.0, 7.0]),
            within(&[1.0, 2.0, 5.0]),
            within(&[1.0, 3.0]),
            within(&[1.0]),
        ];
        let few_enough = choices.into_iter().find(|ticks| ticks.len() <= target + 1);
        few_enough.filter(|ticks| ticks.len() >= 2).unwrap_or_else(|| self.linear_ticks(target))
    }
}

fn range(values: &[f64]) -> Option<(f64, f64)> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below the step.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let choices = [1.0, 2.0, 5.0].map(|multiple| multiple * power);
    choices.into_iter().find(|choice| *choice >= step * 0.999).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(axis: &Axis) -> Vec<String> {
        axis.ticks(5).into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn ticks_are_round_and_show_only_the_digits_they_need() {
        assert_eq!(texts(&Axis::linear(&[79.9, 84.7]).unwrap()), ["80", "82", "84"]);
        assert_eq!(texts(&Axis::linear(&[0.31, 0.36]).unwrap()), ["0.32", "0.34", "0.36"]);
        assert_eq!(texts(&Axis::fitting(&[1.5, 16.0]).unwrap()), ["2", "3", "5", "7", "10"]);
    }

    #[test]
    fn wide_positive_ranges_are_logarithmic() {
        assert!(Axis::fitting(&[1.0, 10.0]).unwrap().is_logarithmic());
        assert!(!Axis::fitting(&[0.0, 10.0]).unwrap().is_logarithmic());
        assert!(!Axis::fitting(&[1.0, 9.0]).unwrap().is_logarithmic());
    }

    #[test]
    fn no_finite_value_means_no_axis() {
        assert_eq!(Axis::linear(&[f64::NAN, f64::INFINITY]), None);
        assert_eq!(Axis::logarithmic(&[-1.0, 0.0]), None);
    }

    proptest! {
        #[test]
        fn values_and_ticks_lie_within_and_ticks_ascend(values in prop::collection::vec(-1e6f64..1e6, 1..8)) {
            for axis in [Axis::linear(&values), Axis::fitting(&values)].into_iter().flatten() {
                for value in &values {
                    prop_assert!((0.0..=1.0).contains(&axis.place(*value)));
                }
                let places: Vec<f64> = axis.ticks(5).iter().map(|tick| tick.place).collect();
                prop_assert!(places.iter().all(|place| (-1e-9..=1.0 + 1e-9).contains(place)));
                prop_assert!(places.is_sorted_by(|a, b| a < b), "{:?}", places);
                prop_assert!(places.len() <= 12);
            }
        }
    }
}
