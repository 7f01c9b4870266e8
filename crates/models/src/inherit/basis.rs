//! The principal components of a teacher's word embeddings.

use nalgebra::{DMatrix, SymmetricEigen};

use crate::weights::Weight;

/// Rows of the embeddings that enter the covariance at once, which bounds the memory in f64.
const ROWS_AT_ONCE: usize = 2048;

/// The directions in which a teacher's word embeddings differ most, widest first.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingBasis {
    /// The mean word embedding, (hidden).
    mean: Vec<f64>,
    /// One direction per column, (hidden, hidden); the largest entry of each is positive.
    directions: DMatrix<f64>,
    /// Variance along each direction, in falling order.
    variances: Vec<f64>,
}

impl EmbeddingBasis {
    /// The principal components of `words`, (vocabulary, hidden).
    pub fn of(words: &Weight) -> Self {
        let width = words.dims[1];
        let mean = mean_row(&words.values, width);
        let eigen = SymmetricEigen::new(covariance(&words.values, &mean));
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]).then(a.cmp(&b)));
        let directions =
            DMatrix::from_fn(width, width, |row, column| eigen.eigenvectors[(row, order[column])]);
        let variances = order.iter().map(|&column| eigen.eigenvalues[column].max(0.0)).collect();
        Self { mean, directions: with_fixed_signs(directions), variances }
    }

    /// Width of the teacher.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// The mean word embedding.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The first `width` directions as columns, (hidden, width).
    pub fn first(&self, width: usize) -> DMatrix<f64> {
        self.directions.columns(0, width.min(self.width())).into_owned()
    }

    /// The share of the variance along the first `width` directions, from 0 to 1.
    pub fn kept_variance(&self, width: usize) -> f64 {
        let kept: f64 = self.variances.iter().take(width).sum();
        kept / self.variances.iter().sum::<f64>().max(f64::MIN_POSITIVE)
    }

    /// Standard deviation of the projected word embeddings over all entries.
    pub fn projected_deviation(&self, width: usize) -> f64 {
        let kept: f64 = self.variances.iter().take(width).sum();
        (kept / width as f64).sqrt()
    }
}

/// The mean of the rows of `values`.
pub(super) fn mean_row(values: &[f32], width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    for row in values.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let rows = (values.len() / width).max(1) as f64;
    mean.iter_mut().for_each(|sum| *sum /= rows);
    mean
}

/// Rows minus `offset`, (rows, width).
pub(super) fn centred(values: &[f32], offset: &[f64]) -> DMatrix<f64> {
    let width = offset.len();
    DMatrix::from_fn(values.len() / width, width, |row, column| {
        f64::from(values[row * width + column]) - offset[column]
    })
}

fn covariance(values: &[f32], mean: &[f64]) -> DMatrix<f64> {
    let width = mean.len();
    let mut sum = DMatrix::zeros(width, width);
    for rows in values.chunks(ROWS_AT_ONCE * width) {
        let rows = centred(rows, mean);
        sum += rows.tr_mul(&rows);
    }
    sum / (values.len() / width).max(1) as f64
}

/// An eigenvector's sign is chance: fix it, so that equal teachers give equal students.
fn with_fixed_signs(mut directions: DMatrix<f64>) -> DMatrix<f64> {
    for mut column in directions.column_iter_mut() {
        if column[column.icamax()] < 0.0 {
            column.neg_mut();
        }
    }
    directions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points around (5, -3) that spread 3 times further along (0.6, 0.8) than across.
    fn ellipse() -> Weight {
        let points = (0..200).flat_map(|i| {
            let angle = f64::from(i) * std::f64::consts::TAU / 200.0;
            let (along, across) = (3.0 * angle.cos(), angle.sin());
            [5.0 + 0.6 * along - 0.8 * across, -3.0 + 0.8 * along + 0.6 * across].map(|v| v as f32)
        });
        Weight { dims: vec![200, 2], values: points.collect() }
    }

    #[test]
    fn the_first_direction_is_the_widest_and_points_up() {
        let basis = EmbeddingBasis::of(&ellipse());
        let first = basis.first(1);
        assert!((first[(0, 0)] - 0.6).abs() < 1e-6 && (first[(1, 0)] - 0.8).abs() < 1e-6, "{first}");
        assert!((basis.mean()[0] - 5.0).abs() < 1e-6);
    }

    #[test]
    fn kept_variance_and_deviation_follow_the_axes() {
        let basis = EmbeddingBasis::of(&ellipse());
        assert!((basis.kept_variance(1) - 0.9).abs() < 1e-6, "{}", basis.kept_variance(1));
        assert!((basis.projected_deviation(1) - 4.5f64.sqrt()).abs() < 1e-5);
        assert!((basis.kept_variance(2) - 1.0).abs() < 1e-12);
    }
}
