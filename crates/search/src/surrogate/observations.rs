//! What a surrogate is conditioned on.

use faer::Col;

use super::kernel::Look;

/// Encoded points with the looks taken at them and their standardised values, of equal lengths.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observations {
    pub(crate) points: Vec<Vec<usize>>,
    pub(crate) looks: Vec<Look>,
    pub(crate) values: Vec<f64>,
}

impl Observations {
    pub(crate) fn push(&mut self, point: Vec<usize>, look: Look, value: f64) {
        self.points.push(point);
        self.looks.push(look);
        self.values.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn column(&self) -> Col<f64> {
        Col::from_fn(self.values.len(), |at| self.values[at])
    }

    /// What `slope` times the regressor leaves of the values, in a unit of this size.
    pub(crate) fn rest(&self, regressor: &[f64], slope: f64, unit: f64) -> Self {
        let scale = 1.0 / unit;
        let rest = |(value, regressor): (&f64, &f64)| (value - slope * regressor) * scale;
        Self { values: self.values.iter().zip(regressor).map(rest).collect(), ..self.clone() }
    }

    /// At most `most` of them, evenly spread over the order in which they came.
    pub(crate) fn thinned(&self, most: usize) -> Self {
        let mut thinned = Self::default();
        let kept = most.min(self.len());
        for at in (0..kept).map(|place| place * self.len() / kept) {
            thinned.push(self.points[at].clone(), self.looks[at], self.values[at]);
        }
        thinned
    }
}
