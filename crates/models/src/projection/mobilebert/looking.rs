//! The bottleneck of queries and keys: the directions of the hidden states that both depend on most.

use burn::tensor::Tensor;
use nalgebra::DMatrix;

use super::super::Projection;
use super::super::basis::{eigen, rotation};
use super::super::fit::{RIDGE, add_gram, apply, regress, rows, with_ones};
use super::Layer;
use crate::{Error, MobileBert};

impl Projection<'_, MobileBert> {
    /// Fits the bottleneck of queries and keys, and gives both maps (width, hidden + 1) as maps from it,
    /// (width, width + 1).
    ///
    /// The best of its width for both together (reduced-rank regression): with M = [Q; K] and C the covariance of the
    /// hidden states, U the first eigenvectors of M C Mᵀ, it is Uᵀ M, each direction at unit variance, rotated at random.
    pub(super) fn fit_looking(
        &mut self,
        layer: &Layer,
        hidden: &[Tensor<3>],
        [query, key]: [DMatrix<f64>; 2],
    ) -> Result<[DMatrix<f64>; 2], Error> {
        let width = query.nrows();
        let both = stacked(&query, &key).transpose(); // (hidden + 1, 2 · width)
        let weights = self.weights(layer.block);
        let scores: Vec<_> = hidden.iter().map(|hidden| apply(&rows(hidden), &both)).collect();
        let mut gram = DMatrix::zeros(2 * width + 1, 2 * width + 1);
        for (scores, weight) in scores.iter().zip(&weights) {
            let ones = with_ones(scores.clone());
            add_gram(&mut gram, &ones, &(ones.clone() * weight.clone()));
        }
        let narrowing = narrowing(&gram, (width, layer.inside.seed()));
        let targets = scores.iter().map(|scores| apply(scores, &narrowing)).collect();
        let narrow = self.fit_module(layer, "bottleneck.attention", (hidden, None), targets)?;
        let narrow: Vec<_> = narrow.iter().map(rows).collect();
        let maps = regress((&narrow, &scores), &weights, RIDGE)?.transpose(); // (2 · width, width + 1)
        Ok([maps.rows(0, width).into_owned(), maps.rows(width, width).into_owned()])
    }
}

fn stacked(above: &DMatrix<f64>, below: &DMatrix<f64>) -> DMatrix<f64> {
    let rows = above.nrows();
    let mut stacked = above.clone().resize_vertically(rows + below.nrows(), 0.0);
    stacked.rows_mut(rows, below.nrows()).copy_from(below);
    stacked
}

/// The map (inputs + 1, width) to the first principal components of rows with this Gram matrix of [row, 1], each with mean 0
/// and variance 1, rotated.
fn narrowing(gram: &DMatrix<f64>, (width, seed): (usize, u64)) -> DMatrix<f64> {
    let inputs = gram.nrows() - 1;
    let count = gram[(inputs, inputs)].max(1.0);
    let mean = gram.view((inputs, 0), (1, inputs)) / count;
    let covariance = gram.view((0, 0), (inputs, inputs)) / count - mean.transpose() * &mean;
    let (values, vectors) = eigen(&covariance);
    let mut components = vectors.columns(0, width).into_owned();
    let least = 1e-6 * values.first().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
    components
        .column_iter_mut()
        .zip(&values)
        .for_each(|(mut column, value)| column /= value.max(least).sqrt());
    let components = components * rotation(width, seed);
    let shift = -(mean * &components);
    let mut map = components.insert_row(inputs, 0.0);
    map.set_row(inputs, &shift.row(0));
    map
}
