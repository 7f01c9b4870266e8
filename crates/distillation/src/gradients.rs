//! The gradients of one step in the order of the parameters, and their global norm.

use std::collections::HashMap;

use autodistillation_kernels::{RowGradient, sum_of_squares};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Tensor};

/// The gradient of one parameter.
#[derive(Clone, Debug)]
pub enum Gradient {
    /// Of every element, flattened.
    Dense(Tensor<1>),
    /// Of the rows of a table that were looked up.
    Rows(RowGradient),
}

impl Gradient {
    fn sum_of_squares(&self) -> f64 {
        match self {
            Self::Dense(gradient) => sum_of_squares(gradient),
            Self::Rows(gradient) => sum_of_squares(&gradient.values),
        }
    }

    /// The sum with another gradient of the same parameter, which is laid out alike.
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Rows(one), Self::Rows(other)) => Self::Rows(one.plus(&other)),
            (Self::Dense(one), Self::Dense(other)) => Self::Dense(one + other),
            (Self::Dense(dense), Self::Rows(rows)) | (Self::Rows(rows), Self::Dense(dense)) => {
                let [_, width] = rows.values.dims();
                let elements = dense.dims();
                Self::Dense(dense + rows.dense(elements[0] / width.max(1)).reshape(elements))
            }
        }
    }
}

/// Flattened gradients of every trainable parameter, in field order, so that sums are always taken alike.
#[derive(Debug, Default)]
pub struct FlatGradients {
    entries: Vec<Option<Gradient>>,
    places: HashMap<ParamId, usize>,
    missing: Vec<ParamId>,
}

impl FlatGradients {
    /// Takes the gradients of `module`'s trainable parameters out of `gradients`.
    pub fn collect<M: Module>(&mut self, module: &M, gradients: &mut Gradients) {
        module.visit(&mut Collector { flat: self, gradients });
    }

    /// Adds the gradients of another micro-batch of the same parameters.
    pub fn accumulate(&mut self, other: Self) {
        if self.entries.is_empty() {
            *self = other;
            return;
        }
        for (sum, more) in self.entries.iter_mut().zip(other.entries) {
            *sum = match (sum.take(), more) {
                (Some(sum), Some(more)) => Some(sum.plus(more)),
                (sum, more) => sum.or(more),
            };
        }
    }

    /// The root of the sum of squares over all gradients.
    pub fn norm(&self) -> f64 {
        self.entries.iter().flatten().map(Gradient::sum_of_squares).sum::<f64>().sqrt()
    }

    /// The factor that brings the global norm down to `most` (`torch.nn.utils.clip_grad_norm_`); 1 below it.
    pub fn clipping(&self, most: f64) -> f64 {
        (most / (self.norm() + 1e-6)).min(1.0)
    }

    /// Takes out the gradient of the parameter `id`.
    pub fn take(&mut self, id: ParamId) -> Option<Gradient> {
        self.entries.get_mut(*self.places.get(&id)?)?.take()
    }

    /// Trainable parameters that no gradient reached.
    pub fn missing(&self) -> &[ParamId] {
        &self.missing
    }
}

struct Collector<'a> {
    flat: &'a mut FlatGradients,
    gradients: &'a mut Gradients,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        if !tensor.is_require_grad() {
            return;
        }
        match tensor.grad_remove(self.gradients) {
            Some(gradient) => {
                self.flat.places.insert(param.id, self.flat.entries.len());
                self.flat.entries.push(Some(flat(gradient, &tensor.dims())));
            }
            None => self.flat.missing.push(param.id),
        }
    }
}

/// The gradient of a parameter of dimensions `dims`.
fn flat<const D: usize>(gradient: Tensor<D>, dims: &[usize]) -> Gradient {
    let [rows, columns] = [0, 1].map(|dim| gradient.dims().get(dim).copied().unwrap_or(1));
    if let [_, width] = *dims
        && let Some(by_rows) = RowGradient::unpack(&gradient.clone().reshape([rows, columns]), width)
    {
        return Gradient::Rows(by_rows);
    }
    Gradient::Dense(gradient.reshape([dims.iter().product::<usize>()]))
}
