//! A trainable linear map from the student's width to the teacher's, fitted in closed form before training.

use std::collections::BTreeMap;

use autodistillation_kernels::{Arithmetic, linear};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A linear layer, student width → teacher width, with bias.
#[derive(Module, Debug)]
pub struct FeatureMatcher {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl FeatureMatcher {
    /// Random weights, uniform in ±1/√student, and a zero bias.
    pub fn random((student, teacher): (usize, usize), seed: u64, device: &Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let bound = 1.0 / (student as f32).sqrt();
        let weight: Vec<f32> = (0..student * teacher).map(|_| rng.random_range(-bound..bound)).collect();
        Self::from_values(&MatcherValues { student, teacher, weight, bias: vec![0.0; teacher] }, device)
    }

    /// The map of `values`.
    pub fn from_values(values: &MatcherValues, device: &Device) -> Self {
        let weight = TensorData::new(values.weight.clone(), [values.student, values.teacher]);
        let bias = TensorData::new(values.bias.clone(), [values.teacher]);
        let parameter = |tensor: Tensor<2>| Param::from_tensor(tensor.autodiff().require_grad());
        Self {
            weight: parameter(Tensor::from_data(weight, device)),
            bias: Param::from_tensor(Tensor::<1>::from_data(bias, device).autodiff().require_grad()),
        }
    }

    /// Its numbers, to be saved. `None` if they cannot be read back from the device as f32.
    pub fn values(&self) -> Option<MatcherValues> {
        let [student, teacher] = self.weight.dims();
        let weight = self.weight.val().without_autodiff().into_data().try_to_vec().ok()?;
        let bias = self.bias.val().without_autodiff().into_data().try_to_vec().ok()?;
        Some(MatcherValues { student, teacher, weight, bias })
    }

    /// Maps rows, (rows, student) → (rows, teacher).
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        linear(rows, self.weight.val(), Some(self.bias.val()), Arithmetic::F32)
    }
}

/// The numbers of a [`FeatureMatcher`].
#[derive(Clone, Debug, PartialEq)]
pub struct MatcherValues {
    /// Width in.
    pub student: usize,
    /// Width out.
    pub teacher: usize,
    /// Row-major (student, teacher).
    pub weight: Vec<f32>,
    /// (teacher)
    pub bias: Vec<f32>,
}

/// Matchers by mapping, kept from one stage to the next that shares the mapping.
pub type Matchers = BTreeMap<String, FeatureMatcher>;

/// Sums for a ridge regression from student rows to teacher rows, gathered batch by batch.
#[derive(Clone, Debug)]
pub struct RidgeFit {
    gram: DMatrix<f64>,
    cross: DMatrix<f64>,
}

/// Ridge penalty as a share of the mean squared student feature.
const RIDGE: f64 = 1e-3;

impl RidgeFit {
    /// No rows yet.
    pub fn new(student: usize, teacher: usize) -> Self {
        Self { gram: DMatrix::zeros(student + 1, student + 1), cross: DMatrix::zeros(student + 1, teacher) }
    }

    /// Adds rows: student (rows, student) and teacher (rows, teacher); rows where `mask` is 0 are left out.
    pub fn add(&mut self, student: Tensor<2>, teacher: Tensor<2>, mask: Option<Tensor<2>>) {
        let [count, _] = student.dims();
        let ones = Tensor::<2>::ones([count, 1], &student.device());
        let inputs = Tensor::cat(vec![student, ones], 1);
        let inputs = match mask {
            Some(mask) => inputs * mask,
            None => inputs,
        };
        add_matrix(&mut self.gram, inputs.clone().transpose().matmul(inputs.clone()));
        add_matrix(&mut self.cross, inputs.transpose().matmul(teacher));
    }

    /// The least-squares map with a small penalty on its weights (not on its bias). `None` when no row was
    /// added or the sums are not finite.
    pub fn solve(&self) -> Option<MatcherValues> {
        let student = self.gram.nrows() - 1;
        let rows = self.gram[(student, student)];
        let mut gram = self.gram.clone();
        let penalty = RIDGE * (0..student).map(|i| gram[(i, i)]).sum::<f64>() / student.max(1) as f64;
        for i in 0..student {
            gram[(i, i)] += penalty + 1e-9 * rows;
        }
        let solution = gram.cholesky()?.solve(&self.cross);
        if !solution.iter().all(|value| value.is_finite()) {
            return None;
        }
        let teacher = solution.ncols();
        let row = |i: usize| (0..teacher).map(move |j| (i, j));
        let read = |(i, j)| solution[(i, j)] as f32;
        let weight = (0..student).flat_map(row).map(read).collect();
        Some(MatcherValues { student, teacher, weight, bias: row(student).map(read).collect() })
    }
}

fn add_matrix(sum: &mut DMatrix<f64>, tensor: Tensor<2>) {
    let values: Vec<f32> = tensor.without_autodiff().into_data().try_to_vec().unwrap_or_default();
    for (i, value) in values.into_iter().enumerate() {
        let columns = sum.ncols();
        sum[(i / columns, i % columns)] += f64::from(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ridge_regression_finds_a_linear_map_and_its_bias() {
        let device = Device::flex();
        let x = Tensor::<2>::from_floats([[1., 0.], [0., 1.], [1., 1.], [2., -1.], [9., 9.]], &device);
        let y = Tensor::<2>::from_floats([[3.5], [-0.5], [2.5], [7.5], [-99.]], &device); // 3a − b + 0.5
        let mask = Tensor::<2>::from_floats([[1.], [1.], [1.], [1.], [0.]], &device);
        let mut fit = RidgeFit::new(2, 1);
        fit.add(x, y, Some(mask));
        let values = fit.solve().unwrap();
        assert!((values.weight[0] - 3.0).abs() < 0.05, "{values:?}");
        assert!((values.weight[1] + 1.0).abs() < 0.05, "{values:?}");
        assert!((values.bias[0] - 0.5).abs() < 0.05, "{values:?}");
    }

    #[test]
    fn saved_numbers_make_the_same_matcher() {
        let matcher = FeatureMatcher::random((3, 5), 7, &Device::flex());
        let values = matcher.values().unwrap();
        assert_eq!(FeatureMatcher::from_values(&values, &Device::flex()).values().unwrap(), values);
        assert_ne!(FeatureMatcher::random((3, 5), 8, &Device::flex()).values().unwrap(), values);
    }
}
