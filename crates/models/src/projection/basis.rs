//! One orthonormal basis for all of the student's hidden states.

use autodistillation_distillation::LayerPath;
use autodistillation_kernels::{Arithmetic, linear};
use burn::tensor::{Tensor, TensorData};
use nalgebra::{DMatrix, SymmetricEigen};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

use super::fit::{row_major, tensor};
use super::states::{Statistics, TeacherStates};

/// How much the directions that the logits depend on weigh against those in which states vary.
const GRADIENT_WEIGHT: f64 = 3.0;

/// Directions of the teacher's hidden space that the student keeps, and each state's scale along them.
///
/// A state h has the coordinates z(h) = (h − mean) P / scale, so that z has unit mean variance.
#[derive(Clone, Debug)]
pub struct Basis {
    /// P, (teacher width, student width), orthonormal columns.
    pub(super) directions: DMatrix<f64>,
    means: BTreeMap<LayerPath, Vec<f64>>,
    scales: BTreeMap<LayerPath, f64>,
    seed: u64,
}

impl Basis {
    /// The `width` most important directions, rotated at random so that no coordinate dominates a layer norm.
    pub fn new(states: &TeacherStates, width: usize, seed: u64) -> Self {
        Self::along(states.principal().columns(0, width) * rotation(width, seed), states, seed)
    }

    /// The `width` directions of this one that are most important at some of the teacher's states.
    pub(super) fn inside(&self, states: &TeacherStates, width: usize, paths: &[LayerPath]) -> Self {
        let at = |path: &&LayerPath| paths.contains(path);
        let sum = importance(
            states.paths().filter(at).map(|path| &states.statistics(path).covariance),
            paths.iter().filter_map(|path| states.gradient(path)),
        );
        let inside = sum.map_or_else(
            || DMatrix::identity(self.width(), self.width()),
            |sum| eigen(&(self.directions.transpose() * sum * &self.directions)).1,
        );
        let directions = &self.directions * inside.columns(0, width) * rotation(width, self.seed);
        Self::along(directions, states, self.seed)
    }

    fn along(directions: DMatrix<f64>, states: &TeacherStates, seed: u64) -> Self {
        let width = directions.ncols();
        let mut means = BTreeMap::new();
        let mut scales = BTreeMap::new();
        for path in states.paths() {
            let statistics = states.statistics(path);
            let kept = (directions.transpose() * &statistics.covariance * &directions).trace();
            means.insert(path.clone(), statistics.mean.clone());
            scales.insert(path.clone(), (kept / width as f64).sqrt().max(1e-6));
        }
        Self { directions, means, scales, seed }
    }

    /// Width of the student.
    pub fn width(&self) -> usize {
        self.directions.ncols()
    }

    /// What its rotation was drawn with.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn mean(&self, path: &LayerPath) -> DMatrix<f64> {
        let mean = &self.means[path];
        DMatrix::from_row_slice(1, mean.len(), mean)
    }

    pub(super) fn scale(&self, path: &LayerPath) -> f64 {
        self.scales[path]
    }

    /// z of the rows of a state, (tokens, teacher width) → (tokens, student width) for each batch.
    pub(super) fn coordinates(
        &self,
        path: &LayerPath,
        rows: impl Iterator<Item = Tensor<2>>,
    ) -> Vec<Tensor<2>> {
        let directions = &self.directions / self.scale(path);
        let shift = row_major(&(-self.mean(path) * &directions));
        let mut rows = rows.peekable();
        let Some(device) = rows.peek().map(Tensor::device) else { return Vec::new() };
        let map = tensor(&directions, &device);
        let shift = Tensor::<1>::from_data(TensorData::new(shift, [self.width()]), &device);
        rows.map(|rows| linear(rows, map.clone(), Some(shift.clone()), Arithmetic::F32)).collect()
    }
}

/// The eigenvectors of Σ C/tr C + 3 Σ G/tr G over all observed states, the largest eigenvalue first (C the states'
/// covariances, G the covariances of the logits' gradients), (width, width).
pub(super) fn principal(
    statistics: &BTreeMap<LayerPath, Statistics>,
    gradients: &BTreeMap<LayerPath, DMatrix<f64>>,
) -> DMatrix<f64> {
    let sum = importance(statistics.values().map(|of| &of.covariance), gradients.values());
    sum.map_or_else(|| DMatrix::zeros(0, 0), |sum| eigen(&sum).1)
}

/// Σ C/tr C + 3 Σ G/tr G.
fn importance<'a>(
    covariances: impl Iterator<Item = &'a DMatrix<f64>>,
    gradients: impl Iterator<Item = &'a DMatrix<f64>>,
) -> Option<DMatrix<f64>> {
    let share =
        |matrix: &DMatrix<f64>, weight: f64| matrix * (weight / matrix.trace().max(f64::MIN_POSITIVE));
    let covariances = covariances.map(|of| share(of, 1.0));
    covariances.chain(gradients.map(|of| share(of, GRADIENT_WEIGHT))).reduce(|a, b| a + b)
}

/// The eigenvalues of a symmetric matrix, the largest first, and its eigenvectors in the same order.
pub(super) fn eigen(symmetric: &DMatrix<f64>) -> (Vec<f64>, DMatrix<f64>) {
    let eigen = SymmetricEigen::new((symmetric + symmetric.transpose()) * 0.5);
    let mut order: Vec<usize> = (0..symmetric.nrows()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]).then(a.cmp(&b)));
    (order.iter().map(|&at| eigen.eigenvalues[at]).collect(), eigen.eigenvectors.select_columns(&order))
}

/// A random orthogonal matrix: the Q of a Gaussian matrix.
pub(super) fn rotation(width: usize, seed: u64) -> DMatrix<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || {
        let (u, v): (f64, f64) = (rng.random_range(f64::EPSILON..1.0), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos() // Box and Muller (1958).
    };
    DMatrix::from_fn(width, width, |_, _| normal()).qr().q()
}
