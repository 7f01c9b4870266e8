//! Ridge regressions of a sublayer's output map and the closed form of its norm.

use autodistillation_kernels::{Arithmetic, ProductSum, add_layer_norm, linear};
use burn::tensor::{Device, Tensor, TensorData};
use faer::Side;
use faer::linalg::solvers::Solve;
use nalgebra::DMatrix;

use crate::Error;
use crate::config::Normalization;
use crate::weights::{Weight, Weights};

/// Ridge penalty as a share of the mean of the centred Gram's diagonal.
pub(super) const RIDGE: f64 = 1e-3;
/// The rounding of a Gram matrix summed in f32, as a share of its diagonal.
const ROUNDING: f64 = 1e-5;
/// Keeps the residual's share of the target from being taken for nothing.
const LEAST_SHARE: f64 = 0.05;
/// As [`LEAST_SHARE`] for a norm without statistics, whose scale that share is: a small one in front of a large map fits as well,
/// but a step of training moves what it puts out by so much that students were lost.
const LEAST_SCALE: f64 = 0.5;

/// One batch of a sublayer: what its output map sees, what is added, and where the sum should come.
pub(super) struct Rows {
    /// (tokens, inputs)
    pub features: Tensor<2>,
    /// (tokens, width)
    pub residual: Tensor<2>,
    /// (tokens, width)
    pub target: Tensor<2>,
    /// (tokens, 1)
    pub weight: Tensor<2>,
}

/// (batch, length, width) → (tokens, width)
pub(super) fn rows(hidden: &Tensor<3>) -> Tensor<2> {
    let [batch, length, width] = hidden.dims();
    hidden.clone().reshape([batch * length, width])
}

/// Rows with a 1 behind them.
pub(super) fn with_ones(rows: Tensor<2>) -> Tensor<2> {
    let ones = Tensor::<2>::ones([rows.dims()[0], 1], &rows.device());
    Tensor::cat(vec![rows, ones], 1)
}

/// Adds leftᵀ right to `sum`.
pub(super) fn add_gram(sum: &mut DMatrix<f64>, left: &Tensor<2>, right: &Tensor<2>) {
    // Rows of rightᵀ left are columns of the sum, which lie one after the other in it.
    let product = right.clone().transpose().matmul(left.clone());
    let values: Vec<f32> = product.into_data().try_into_vec().unwrap_or_default();
    sum.as_mut_slice().iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
}

/// A matrix as a tensor in f32.
pub(super) fn tensor(matrix: &DMatrix<f64>, device: &Device) -> Tensor<2> {
    let dims = [matrix.nrows(), matrix.ncols()];
    Tensor::from_data(TensorData::new(row_major(matrix), dims), device)
}

/// The entries row after row.
pub(super) fn row_major(matrix: &DMatrix<f64>) -> Vec<f32> {
    matrix.transpose().iter().map(|value| *value as f32).collect()
}

/// A ridge solution and what it was penalised with.
pub(super) struct Ridge {
    /// B of [features, 1] B ≈ targets.
    pub(super) solution: DMatrix<f64>,
    /// What was added to each diagonal entry of the Gram matrix but the intercept's.
    pub(super) penalty: f64,
}

/// The ridge solution of [features, 1] B ≈ targets from the Gram matrix of [features, 1] (the intercept is free) and its
/// product with the targets.
pub(super) fn ridge(gram: &DMatrix<f64>, cross: &DMatrix<f64>, penalty: f64) -> Result<Ridge, Error> {
    let inputs = gram.nrows() - 1;
    let count = gram[(inputs, inputs)].max(1.0);
    let centred = |i: usize| gram[(i, i)] - gram[(i, inputs)].powi(2) / count;
    let mean = |of: &dyn Fn(usize) -> f64| (0..inputs).map(of).sum::<f64>() / inputs.max(1) as f64;
    // Sums come from products in f32: features that hardly vary need a floor above their rounding.
    let floor = ROUNDING * mean(&|i| gram[(i, i)]) + 1e-9 * count;
    let lambda = (penalty * mean(&centred)).max(floor);
    let mut regular = gram.clone();
    for i in 0..inputs {
        regular[(i, i)] += lambda;
    }
    let view = |matrix: &DMatrix<f64>| {
        let (rows, columns) = matrix.shape();
        // Both libraries lay columns one after the other.
        faer::MatRef::from_column_major_slice(matrix.as_slice(), rows, columns).to_owned()
    };
    let factor = view(&regular).llt(Side::Lower).ok();
    let solved = factor.map(|factor| {
        let solved = factor.solve(view(cross));
        DMatrix::from_fn(cross.nrows(), cross.ncols(), |row, column| solved[(row, column)])
    });
    let failed = Error::Projection { reason: "a block's least squares have no solution" };
    let finite = solved.filter(|solution| solution.iter().all(|value| value.is_finite()));
    finite.map(|solution| Ridge { solution, penalty: lambda }).ok_or(failed)
}

/// The ridge solution of [inputs, 1] B ≈ targets over rows with weights, each a list of batches.
pub(super) fn regress(
    (inputs, targets): (&[Tensor<2>], &[Tensor<2>]),
    weights: &[Tensor<2>],
    penalty: f64,
) -> Result<DMatrix<f64>, Error> {
    let (Some(first), Some(target)) = (inputs.first(), targets.first()) else {
        return Err(Error::Projection { reason: "the sample is empty" });
    };
    let (width, outputs) = (first.dims()[1], target.dims()[1]);
    let mut gram = DMatrix::zeros(width + 1, width + 1);
    let mut cross = DMatrix::zeros(width + 1, outputs);
    for ((input, target), weight) in inputs.iter().zip(targets).zip(weights) {
        let rows = with_ones(input.clone());
        let weighted = rows.clone() * weight.clone();
        add_gram(&mut gram, &rows, &weighted);
        add_gram(&mut cross, &weighted, target);
    }
    Ok(ridge(&gram, &cross, penalty)?.solution)
}

/// [rows, 1] · solution
pub(super) fn apply(rows: &Tensor<2>, solution: &DMatrix<f64>) -> Tensor<2> {
    with_ones(rows.clone()).matmul(tensor(solution, &rows.device()))
}

/// The output map (inputs, width) and shift (width) such that the norm of residual + map(features) comes near the
/// target.
///
/// The norm is free to scale, so the target is first scaled by c such that the residual's own part of it is kept as it is:
/// with the parts that the features explain taken off both, c = ⟨r, r⟩ / ⟨r, t⟩, whose inverse is `least_share` or more.
pub(super) fn fit_residual(rows: &[Rows], least_share: f64) -> Result<(DMatrix<f64>, Vec<f64>), Error> {
    let (inputs, width) = match rows.first() {
        Some(rows) => (rows.features.dims()[1], rows.target.dims()[1]),
        None => return Err(Error::Projection { reason: "the sample is empty" }),
    };
    let mut moments = Moments::new(inputs, width);
    let (mut square, mut product) = (0.0, 0.0);
    for row in rows {
        moments.add(row);
        let residual = row.residual.clone() * row.weight.clone();
        square += number((residual.clone() * row.residual.clone()).sum());
        product += number((residual * row.target.clone()).sum());
    }
    let (gram, cross) = moments.joined();
    let both = DMatrix::from_fn(inputs + 1, 2 * width, |row, column| match column.checked_sub(width) {
        Some(column) => cross.1[(row, column)],
        None => cross.0[(row, column)],
    });
    let Ridge { solution, penalty } = ridge(&gram, &both, RIDGE)?;
    let (of_residual, of_target) =
        (solution.columns(0, width).into_owned(), solution.columns(width, width).into_owned());
    // ⟨A x, B x⟩ over the rows x of [features, 1], by the normal equations: gram · B is B's cross product less the penalty's part.
    let overlap = |a: &DMatrix<f64>, b: &DMatrix<f64>, cross: &DMatrix<f64>| {
        a.dot(cross) - penalty * a.rows(0, inputs).dot(&b.rows(0, inputs))
    };
    let explained = |a: &DMatrix<f64>, b: &DMatrix<f64>, ca: &DMatrix<f64>, cb: &DMatrix<f64>| {
        a.dot(cb) + b.dot(ca) - overlap(a, b, cb)
    };
    let left = square - explained(&of_residual, &of_residual, &cross.0, &cross.0);
    let shared = product - explained(&of_residual, &of_target, &cross.0, &cross.1);
    let scale = match square {
        0.0 => 1.0, // There is no residual.
        _ => 1.0 / (shared / left.max(f64::MIN_POSITIVE)).max(least_share),
    };
    let solution = of_target * scale - of_residual;
    let shift = solution.row(inputs).iter().copied().collect();
    Ok((solution.rows(0, inputs).into_owned(), shift))
}

/// Weighted sums of products of the features with each other, with the residual and with the target, each of them with a 1
/// behind the features.
struct Moments {
    features: ProductSum,
    residual: ProductSum,
    target: ProductSum,
    /// Of the features, (inputs).
    sums: Vec<f64>,
    /// Of the residual and of the target, (width).
    outputs: [Vec<f64>; 2],
    count: f64,
}

impl Moments {
    fn new(inputs: usize, width: usize) -> Self {
        Self {
            features: ProductSum::symmetric(inputs),
            residual: ProductSum::new(inputs, width),
            target: ProductSum::new(inputs, width),
            sums: vec![0.0; inputs],
            outputs: [vec![0.0; width], vec![0.0; width]],
            count: 0.0,
        }
    }

    fn add(&mut self, row: &Rows) {
        let weighted = row.features.clone() * row.weight.clone();
        self.features.add(&row.features, &weighted);
        self.residual.add(&weighted, &row.residual);
        self.target.add(&weighted, &row.target);
        add_sums(&mut self.sums, weighted);
        let [residual, target] = &mut self.outputs;
        add_sums(residual, row.residual.clone() * row.weight.clone());
        add_sums(target, row.target.clone() * row.weight.clone());
        self.count += number(row.weight.clone().sum());
    }

    /// The Gram matrix of [features, 1], and its products with residual and target.
    fn joined(self) -> (DMatrix<f64>, (DMatrix<f64>, DMatrix<f64>)) {
        let inputs = self.sums.len();
        let mut gram = DMatrix::zeros(inputs + 1, inputs + 1);
        let columns = DMatrix::from_vec(inputs, inputs, self.features.columns());
        gram.view_mut((0, 0), (inputs, inputs)).copy_from(&columns);
        for (place, sum) in self.sums.iter().enumerate() {
            gram[(place, inputs)] = *sum;
            gram[(inputs, place)] = *sum;
        }
        gram[(inputs, inputs)] = self.count;
        let cross = |products: ProductSum, sums: Vec<f64>| {
            let width = sums.len();
            let products = DMatrix::from_vec(inputs, width, products.columns());
            let mut cross = products.insert_row(inputs, 0.0);
            cross.row_mut(inputs).copy_from_slice(&sums);
            cross
        };
        let [residual, target] = self.outputs;
        (gram, (cross(self.residual, residual), cross(self.target, target)))
    }
}

/// Adds the sum of each column of `rows` to `sums`.
fn add_sums(sums: &mut [f64], rows: Tensor<2>) {
    let values: Vec<f32> = rows.sum_dim(0).into_data().try_into_vec().unwrap_or_default();
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
}

fn number(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_scalar::<f32>())
}

/// The norm's scale and shift, dimension by dimension the least-squares line from the normalised sum to the target; and what
/// the sublayer puts out with it, (tokens, width) for each batch. A norm without statistics is that line alone.
pub(super) fn fit_norm(
    rows: &[Rows],
    (map, shift): (&DMatrix<f64>, &[f64]),
    normalization: Normalization,
) -> (Line, Vec<Tensor<2>>) {
    let mut sums = Lines::new(shift.len());
    let mut outputs = Vec::with_capacity(rows.len());
    let Some(device) = rows.first().map(|row| row.features.device()) else { return (sums.solve(), outputs) };
    let map = tensor(map, &device);
    let shift: Vec<f32> = shift.iter().map(|value| *value as f32).collect();
    let shift = Tensor::<1>::from_data(TensorData::new(shift.clone(), [shift.len()]), &device);
    for row in rows {
        let mapped = linear(row.features.clone(), map.clone(), Some(shift.clone()), Arithmetic::F32);
        let normalised = match normalization {
            Normalization::LayerNorm => normalised(mapped, row.residual.clone()),
            Normalization::NoNorm => mapped + row.residual.clone(),
        };
        sums.add(normalised.clone(), row.target.clone(), row.weight.clone());
        outputs.push(normalised);
    }
    let line = sums.solve();
    let outputs = outputs.into_iter().map(|normalised| {
        let vector = |values: &[f32]| {
            let data = TensorData::new(values.to_vec(), [1, values.len()]);
            Tensor::<2>::from_data(data, &normalised.device())
        };
        normalised.clone() * vector(&line.scale) + vector(&line.offset)
    });
    let outputs = outputs.collect();
    (line, outputs)
}

/// The map and the norm of a sublayer, called `dense` and `norm`, such that its output comes near the target; and what it
/// puts out with them, (tokens, width) for each batch.
pub(super) fn fit_sublayer(
    rows: &[Rows],
    (dense, norm): (&str, &str),
    normalization: Normalization,
) -> Result<(Weights, Vec<Tensor<2>>), Error> {
    let (map, shift) = fit_residual(rows, least_share(normalization))?;
    let (Line { scale, offset }, outputs) = fit_norm(rows, (&map, &shift), normalization);
    let matrix = Weight { dims: vec![shift.len(), map.nrows()], values: row_major(&map.transpose()) };
    let shift = shift.iter().map(|value| *value as f32).collect();
    let named = [
        (format!("{dense}.weight"), matrix),
        (format!("{dense}.bias"), vector(shift)),
        (format!("{norm}.weight"), vector(scale)),
        (format!("{norm}.bias"), vector(offset)),
    ];
    Ok((Weights(named.into()), outputs))
}

/// The least share of the target that a residual is taken for in front of such a norm.
fn least_share(normalization: Normalization) -> f64 {
    match normalization {
        Normalization::LayerNorm => LEAST_SHARE,
        Normalization::NoNorm => LEAST_SCALE,
    }
}

fn vector(values: Vec<f32>) -> Weight {
    Weight { dims: vec![values.len()], values }
}

/// scale · x + offset, dimension by dimension.
pub(super) struct Line {
    pub scale: Vec<f32>,
    pub offset: Vec<f32>,
}

/// The rows of the sum with mean 0 and variance 1.
fn normalised(rows: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
    let (width, device) = (rows.dims()[1], rows.device());
    let (scale, shift) = (Tensor::ones([width], &device), Tensor::zeros([width], &device));
    add_layer_norm(rows, residual, scale, shift, 1e-12)
}

/// Sums for one least-squares line per dimension.
struct Lines {
    count: f64,
    x: Vec<f64>,
    y: Vec<f64>,
    xx: Vec<f64>,
    xy: Vec<f64>,
}

impl Lines {
    fn new(width: usize) -> Self {
        let zeros = || vec![0.0; width];
        Self { count: 0.0, x: zeros(), y: zeros(), xx: zeros(), xy: zeros() }
    }

    fn add(&mut self, x: Tensor<2>, y: Tensor<2>, weight: Tensor<2>) {
        let weighted = x.clone() * weight.clone();
        self.count += number(weight.clone().sum());
        for (sum, column) in [
            (&mut self.x, weighted.clone()),
            (&mut self.y, y.clone() * weight),
            (&mut self.xx, weighted.clone() * x),
            (&mut self.xy, weighted * y),
        ] {
            add_sums(sum, column);
        }
    }

    fn solve(&self) -> Line {
        let count = self.count.max(1.0);
        let line = |i: usize| {
            let variance = self.xx[i] / count - (self.x[i] / count).powi(2);
            let covariance = self.xy[i] / count - self.x[i] * self.y[i] / count.powi(2);
            let scale = covariance / variance.max(1e-9);
            (scale as f32, ((self.y[i] - scale * self.x[i]) / count) as f32)
        };
        let (scale, offset) = (0..self.x.len()).map(line).unzip();
        Line { scale, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_the_sublayer_can_reach_is_reached() {
        let device = Device::flex();
        let features = Tensor::<2>::from_floats(
            [[1., 0.], [0., 1.], [1., 1.], [-1., 2.], [2., -3.], [0.5, 0.5]],
            &device,
        );
        let residual = Tensor::<2>::from_floats(
            [[0.3, -1., 2.], [1., 0.4, 0.1], [-2., 1., 0.5], [0.7, 0.7, -1.], [0.2, 2., 1.], [1., -2., 0.]],
            &device,
        );
        let map = Tensor::<2>::from_floats([[1., -1., 0.5], [0.3, 0.8, -1.]], &device);
        let target = normalised(residual.clone(), features.clone().matmul(map));
        let weight = Tensor::<2>::ones([6, 1], &device);
        let rows = [Rows { features, residual, target: target.clone(), weight }];
        let (map, shift) = fit_residual(&rows, LEAST_SHARE).unwrap();
        let (Line { scale, offset }, outputs) = fit_norm(&rows, (&map, &shift), Normalization::LayerNorm);
        let row = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [1, 3]), &device);
        let shift = row(shift.iter().map(|value| *value as f32).collect());
        let mapped = rows[0].features.clone().matmul(tensor(&map, &device)) + shift;
        let output = normalised(mapped, rows[0].residual.clone()) * row(scale) + row(offset);
        let apart = number((output.clone() - outputs[0].clone()).abs().max());
        assert!(apart < 1e-5, "what is put out is {apart} away from the sublayer's");
        let error = number((output - target.clone()).powi_scalar(2).mean());
        assert!(error < 0.1 * number(target.powi_scalar(2).mean()), "mean squared error {error}");
    }

    #[test]
    fn ridge_leaves_the_intercept_free() {
        let gram = DMatrix::from_row_slice(2, 2, &[2.0, 0.0, 0.0, 2.0]); // x = ±1
        let cross = DMatrix::from_row_slice(2, 1, &[0.0, 20.0]); // y = 10
        let Ridge { solution, .. } = ridge(&gram, &cross, 1.0).unwrap();
        assert!((solution[(1, 0)] - 10.0).abs() < 1e-6 && solution[(0, 0)].abs() < 1e-9);
    }
}
